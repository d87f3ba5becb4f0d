"""One strategy end to end, and populations of strategies, by NullAlpha and its peers, after their results were found equal.

One strategy (indicators, signals, stops, costs, figures; `backtest_peers`): 5,031 days of the S&P 500, and a random walk of 1,000,000
minutes, against vectorbt on both of its engines and backtesting.py. Populations (`backtest_population`): 1,000 strategies over the same
days against vectorbt, how time grows with strategies, bars and threads, and the memory of 50,000. Times are milliseconds, medians and
fastest turns; compilation is over before the first. Ratios compare fastest turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._machine import machine  # noqa: E402
from benchmarks._timing import OURS, Row, in_turn, table  # noqa: E402
from benchmarks.backtest_peers import Outcome, Work, backtesting_candidate, nullalpha_outcome, vectorbt_candidate  # noqa: E402
from benchmarks.backtest_population import measure_growth, measure_memory, measure_population  # noqa: E402
from nullalpha.data.bars import Bars  # noqa: E402
from nullalpha.data.catalogue import Catalogue  # noqa: E402
from nullalpha.data.sources.registry import samples_named  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "backtest.json"
SIZES = {"full": (1_000_000, 1_000, 50_000, 15), "short": (20_000, 50, 500, 3)}
"""Bars of the random walk, strategies of the population and of the one whose memory is measured, and turns of each candidate."""
MOST_APART = {"vectorbt rust": 1e-9, "vectorbt numba": 1e-9, "backtesting.py": 1e-8}
"""Largest difference of equity allowed, relative; backtesting.py trades whole units."""


def index_bars() -> Bars:
    """Return 5,031 daily bars of the S&P 500, as a user takes them in."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(Path(folder))
        return catalogue.read(catalogue.ingest(samples_named("SPX")[0].load()))


def random_walk(n_bars: int, seed: int = 11) -> Bars:
    """Return minute bars of a geometric random walk without sessions: 4 basis points of volatility a bar, each open at the close before."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(4e-4 * rng.standard_normal(n_bars)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * np.exp(rng.exponential(2e-4, n_bars))
    low = np.minimum(open_, close) * np.exp(-rng.exponential(2e-4, n_bars))
    time = np.datetime64("2015-01-05", "ns") + np.arange(n_bars) * np.timedelta64(1, "m")
    return Bars("WALK", "1m", time, open_, high, low, close, rng.integers(1, 5000, n_bars).astype(float))


def measure(name: str, work: Work, repeats: int) -> list[Row]:
    """Time all candidates on one strategy.

    Raises:
        SystemExit: if a peer's equity or figures differ from ours.
    """
    candidates: dict[str, Callable[[], Outcome]] = {
        OURS: lambda: nullalpha_outcome(work),
        "vectorbt rust": vectorbt_candidate(work, "rust"),
        "vectorbt numba": vectorbt_candidate(work, "numba"),
        "backtesting.py": backtesting_candidate(work),
    }
    outcomes = {candidate: run() for candidate, run in candidates.items()}
    apart = {candidate: _apart(f"{name}: {candidate}", candidate, outcomes) for candidate in candidates}
    return in_turn(name, candidates, apart, repeats)


def _apart(where: str, candidate: str, outcomes: dict[str, Outcome]) -> float:
    """Return how far a candidate's equity is from ours; its figures must be ours too, where it computes them the same way."""
    ours, theirs = outcomes[OURS], outcomes[candidate]
    apart = float(np.abs(theirs.equity / ours.equity - 1.0).max())
    own, other = np.array(ours.figures), np.array(theirs.figures)
    known = np.isfinite(other)
    allowed = MOST_APART.get(candidate, 0.0)
    if apart > allowed or not np.allclose(other[known], own[known], rtol=1e-9, atol=100.0 * allowed):
        raise SystemExit(f"{where} differs from nullalpha: equity by {apart:g}, figures {theirs.figures} against {ours.figures}")
    return apart


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="One strategy end to end, and populations, against vectorbt and backtesting.py in one run."
    )
    parser.add_argument("--size", choices=tuple(SIZES), default="full", help="short: does it run, do results agree; no file but --output")
    parser.add_argument("--output", type=Path, help=f"result file (default {RESULT.relative_to(ROOT)})")
    given = parser.parse_args(arguments)
    n_bars, n_strategies, n_remembered, repeats = SIZES[given.size]
    output = given.output or (RESULT if given.size == "full" else None)
    days, walk = index_bars(), random_walk(n_bars)
    rows = [
        *measure("one strategy, 5,031 days", Work(days, stop=0.06, profit=0.12, commission=5e-4), repeats),
        *measure(f"one strategy, {n_bars:,} minutes", Work(walk, stop=0.006, profit=0.012, commission=2e-5), repeats),
        *measure_population(days, n_strategies, repeats),
    ]
    growth = measure_growth(days, walk, n_strategies, repeats)
    memory = measure_memory(n_remembered)
    print(table(rows))
    print("\n".join(str(step) for step in growth))
    print(memory)
    if output is not None:
        result = {
            "benchmark": "backtest",
            "repeats": repeats,
            "machine": machine(("numpy", "numba", "pandas", "vectorbt", "vectorbt-rust", "backtesting")),
            "rows": [asdict(row) for row in rows],
            "growth": [asdict(step) for step in growth],
            "memory": asdict(memory),
        }
        output.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {output}")


if __name__ == "__main__":
    main()
