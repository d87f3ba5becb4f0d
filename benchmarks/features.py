"""Every indicator over one long run of bars: NullAlpha, pandas and TA-Lib in turn, after their values were found equal.

pandas computes what the tests compare with (tests/engines/features/references.py); indicators whose reference is a loop over rows, which no
one would run, have no pandas column. TA-Lib computes what it has. Above them stand RSI, MACD, Bollinger bands, ATR and ADX together, in 11
columns: computed by themselves ("five indicators"), and as one matrix: by the feature pipeline, and by stacking what the peers compute.

Times are medians in milliseconds of one process on one thread; compilation is over before the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._machine import machine  # noqa: E402
from nullalpha.data.bars import Bars, FloatArray, SessionTable  # noqa: E402
from nullalpha.engines.features.indicators import INDICATORS, VOCABULARY  # noqa: E402
from nullalpha.engines.features.pipeline import compute_features  # noqa: E402
from nullalpha.strategy.plan import FeaturePlan  # noqa: E402
from tests.engines.features.references import LOOPS, REFERENCES, TALIB, frame_of  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "features.json"
FULL_BARS, SHORT_BARS = 1_000_000, 20_000
REPEATS = 7
SLOW_SECONDS = 3.0
"""A candidate that takes longer than this is timed once."""
MATRIX = ("rsi", "macd", "bollinger", "atr", "adx")
SESSION_BARS = 390
Candidate = Callable[[], Sequence[object]]


@dataclass(frozen=True)
class Row:
    """Median times of one indicator at its defaults; None where a peer does not compute it.

    Attributes:
        difference: largest distance of a peer's value from ours after the warm-up, over the largest value.
        over_talib: our time over TA-Lib's.
        faster_than_pandas: pandas' time over ours.
    """

    name: str
    columns: int
    nullalpha_ms: float
    pandas_ms: float | None
    talib_ms: float | None
    over_talib: float | None
    faster_than_pandas: float | None
    difference: float | None


def minute_bars(n_bars: int, seed: int = 11) -> Bars:
    """Return geometric Brownian minute bars in sessions of 390, with volume, on ticks of 1/128: sums are exact, ties are ties to all."""
    rng = np.random.default_rng(seed)
    close = _ticks(100 * np.exp(np.cumsum(4e-4 * rng.standard_normal(n_bars))))
    open_ = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(open_, close) + _ticks(rng.exponential(0.02, n_bars))
    low = np.minimum(open_, close) - _ticks(rng.exponential(0.02, n_bars))
    row = np.arange(n_bars)
    opens = np.datetime64("2015-01-05T14:30", "ns") + np.arange(-(-n_bars // SESSION_BARS)) * np.timedelta64(1, "D")
    times = opens[row // SESSION_BARS] + (row % SESSION_BARS + 1) * np.timedelta64(1, "m")
    sessions = SessionTable(opens, opens + SESSION_BARS * np.timedelta64(1, "m"))
    return Bars("MADE", "1m", times, open_, high, low, close, rng.integers(1, 5000, n_bars).astype(float), sessions=sessions)


def _ticks(values: FloatArray) -> FloatArray:
    return np.round(values * 128) / 128


def measure(name: str, bars: Bars) -> Row:
    """Time one indicator's candidates in turn.

    Raises:
        SystemExit: if a peer's values differ from ours by more than 1e-5 of the largest.
    """
    frame, params = frame_of(bars), _defaults(name)
    candidates: dict[str, Candidate] = {"nullalpha": lambda: INDICATORS[name].compute(bars, params)}
    if name in REFERENCES and name not in LOOPS:
        candidates["pandas"] = lambda: REFERENCES[name](frame, params)
    if name in TALIB:
        arrays = {column: frame[column].to_numpy() for column in "ohlcv"}
        candidates["talib"] = lambda: TALIB[name](arrays, params)
    difference = _difference(name, candidates)
    times = _in_turn(candidates)
    ours, pandas, talib = times["nullalpha"], times.get("pandas"), times.get("talib")
    return Row(name, len(VOCABULARY[name].outputs), ours, pandas, talib, _ratio(ours, talib), _ratio(pandas, ours), difference)


def measure_matrix(bars: Bars) -> list[Row]:
    """Time the five indicators of the matrix by themselves, then as one matrix: by the pipeline, and by stacking what the peers compute."""
    plans = [_plan(name, output, bars.timeframe) for name in MATRIX for output in VOCABULARY[name].outputs]
    frame = frame_of(bars)
    arrays = {column: frame[column].to_numpy() for column in "ohlcv"}

    def ours() -> list[FloatArray]:
        return [column for name in MATRIX for column in INDICATORS[name].compute(bars, {})]

    def pandas() -> list[FloatArray]:
        return [_array(column) for name in MATRIX for column in REFERENCES[name](frame, _defaults(name))]

    def talib() -> list[FloatArray]:
        return [_array(column) for name in MATRIX for column in TALIB[name](arrays, _defaults(name))]

    columns = _in_turn({"nullalpha": ours, "pandas": pandas, "talib": talib})
    matrices = _in_turn(
        {
            "nullalpha": lambda: compute_features(plans, bars),
            "pandas": lambda: np.column_stack(pandas()),
            "talib": lambda: np.column_stack(talib()),
        }
    )
    return [_matrix_row("five indicators", len(plans), columns), _matrix_row("feature matrix", len(plans), matrices)]


def _matrix_row(name: str, n_columns: int, times: Mapping[str, float]) -> Row:
    ours, pandas, talib = times["nullalpha"], times["pandas"], times["talib"]
    return Row(name, n_columns, ours, pandas, talib, _ratio(ours, talib), _ratio(pandas, ours), None)


def _plan(name: str, output: str, timeframe: str) -> FeaturePlan:
    return FeaturePlan(f"{name}_{output}", name, tuple(sorted(_defaults(name).items())), output, timeframe)


def _defaults(name: str) -> dict[str, int | float]:
    return {parameter.name: parameter.default for parameter in VOCABULARY[name].parameters}


def _difference(name: str, candidates: Mapping[str, Candidate]) -> float | None:
    ours = candidates["nullalpha"]()
    worst: float | None = None
    for peer, compute in candidates.items():
        if peer == "nullalpha":
            continue
        for mine, theirs in zip(ours, compute(), strict=peer == "pandas"):  # TA-Lib has the first output alone of some
            own, other = _array(mine), _array(theirs)
            known = np.isfinite(own) & np.isfinite(other)
            apart = float(np.abs(own[known] - other[known]).max(initial=0.0) / max(np.abs(own[known]).max(initial=0.0), 1e-12))
            if not known.any() or apart > 1e-5:
                raise SystemExit(f"{name}: {peer} and nullalpha differ by {apart:g} of the largest value over {int(known.sum())} bars")
            worst = apart if worst is None else max(worst, apart)
    return worst


def _array(values: object) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _in_turn(candidates: Mapping[str, Candidate]) -> dict[str, float]:
    """Return median milliseconds, the candidates taking turns; slow ones have one turn."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(REPEATS):
        for name, compute in candidates.items():
            if times[name] and times[name][0] > SLOW_SECONDS:
                continue
            start = time.perf_counter()
            compute()
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(seconds) for name, seconds in times.items()}


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text, one a line."""
    lines = [f"{'indicator':<22}{'columns':>8}{'nullalpha ms':>14}{'pandas ms':>12}{'TA-Lib ms':>11}{'/ TA-Lib':>10}{'x pandas':>10}"]
    for row in rows:
        cells = (row.nullalpha_ms, row.pandas_ms, row.talib_ms, row.over_talib, row.faster_than_pandas)
        widths = (14, 12, 11, 10, 10)
        numbers = "".join(f"{'-' if cell is None else format(cell, '.2f'):>{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"{row.name:<22}{row.columns:>8}{numbers}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="All indicators against pandas and TA-Lib in one run.")
    parser.add_argument("--bars", type=int, help=f"bars to compute over (default {FULL_BARS:,})")
    parser.add_argument("--size", choices=("short", "full"), default="full", help=f"short: {SHORT_BARS:,} bars, no file but --output")
    parser.add_argument("--output", type=Path, help=f"result file (default {RESULT.relative_to(ROOT)})")
    given = parser.parse_args(arguments)
    n_bars = given.bars or (SHORT_BARS if given.size == "short" else FULL_BARS)
    output = given.output or (None if given.size == "short" else RESULT)
    bars = minute_bars(n_bars)
    measure_matrix(minute_bars(5000))  # compiles what is not yet
    rows = [*measure_matrix(bars), *(measure(name, bars) for name in INDICATORS)]
    print(table(rows))
    if output is not None:
        result = {
            "benchmark": "features",
            "bars": n_bars,
            "repeats": REPEATS,
            "machine": machine(("numpy", "numba", "pandas", "TA-Lib")),
            "rows": [asdict(row) for row in rows],
        }
        output.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {output}")


if __name__ == "__main__":
    main()
