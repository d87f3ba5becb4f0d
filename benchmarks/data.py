"""One million minute bars taken into a catalogue and read back, beside what pandas needs to read the same file unchecked.

An import is reading the file, checking every row against the exchange's calendar, adjusting, hashing and storing (bronze and silver, each
synced to disk). A read-back is verified against the snapshot's hash. What is read back is first compared with what was written. Times are
seconds of one process; the first import, which also makes the exchange's calendar, is given apart from the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._machine import machine  # noqa: E402
from nullalpha.data.bars import Bars  # noqa: E402
from nullalpha.data.calendars import sessions_between  # noqa: E402
from nullalpha.data.catalogue import Catalogue  # noqa: E402
from nullalpha.data.instruments import Costs, Instrument  # noqa: E402
from nullalpha.data.sources.csv_file import read_csv_file  # noqa: E402
from nullalpha.data.sources.parquet_file import read_parquet_file  # noqa: E402
from nullalpha.data.sources.series import RawSeries  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "data.json"
FULL_BARS, SHORT_BARS = 1_000_000, 20_000
REPEATS = 5
T = TypeVar("T")
MINUTE = np.timedelta64(1, "m")
MOST_SECONDS = {"import": 5.0, "read_back": 0.3}
NEW_YORK = "America/New_York"
BENCHED = Instrument("BENCH", "Minutes on XNYS", "XNYS", "USD", "open", 252, Costs(0.0001, 1.0, 1.0), "benchmark")


@dataclass(frozen=True)
class Row:
    """Seconds of one form of the same bars.

    Attributes:
        megabytes: size of the file as received.
        first_import, import_, read_back: seconds; the latter two are medians.
        pandas: median seconds of reading the file into a frame with parsed times, unchecked and unstored.
    """

    form: str
    megabytes: float
    first_import: float
    import_: float
    read_back: float
    pandas: float


def minute_bars(count: int) -> Bars:
    """Return a random walk on the sessions of XNYS from 2010 on, prices in cents."""
    sessions = sessions_between("XNYS", np.datetime64("2010-01-04"), np.datetime64("2024-12-31"))
    spans = zip(sessions.open.astype("datetime64[m]"), sessions.close.astype("datetime64[m]"), strict=True)
    closes = np.concatenate([np.arange(start + MINUTE, end + MINUTE, MINUTE) for start, end in spans])[:count].astype("datetime64[ns]")
    rng = np.random.default_rng(0)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-4, count))), 2)
    open_ = np.round(close + rng.normal(0, 0.02, count), 2)
    high, low = np.round(np.maximum(open_, close) + 0.01, 2), np.round(np.minimum(open_, close) - 0.01, 2)
    return Bars("BENCH", "1m", closes, open_, high, low, close, np.round(rng.exponential(1000, count)))


def write_forms(bars: Bars, folder: Path) -> dict[str, tuple[Path, Callable[[Path], RawSeries], Callable[[Path], pd.DataFrame]]]:
    """Write the same bars in each form; return the file, our reader and pandas'."""
    prices = {name: pa.array(getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")}
    utc = pd.DatetimeIndex(bars.time).tz_localize("UTC")
    local = utc.tz_convert(NEW_YORK).tz_localize(None)
    text = {"csv, UTC": pa.array(utc.strftime("%Y-%m-%dT%H:%M:%SZ")), "csv, local times": pa.array(local.strftime("%Y-%m-%d %H:%M:%S"))}
    text["csv, epoch milliseconds"] = pa.array(bars.time.astype("datetime64[ms]").astype(np.int64))
    forms: dict[str, tuple[Path, Callable[[Path], RawSeries], Callable[[Path], pd.DataFrame]]] = {}
    for number, (form, times) in enumerate(text.items()):
        path = folder / f"{number}.csv"
        pacsv.write_csv(pa.table({"time": times, **prices}), path)
        zone = NEW_YORK if "local" in form else None
        unit = "ms" if "epoch" in form else None
        forms[form] = (path, _csv_reader(zone), _pandas_reader(unit))
    parquet = folder / "bars.parquet"
    pq.write_table(pa.table({"time": pa.array(utc), **prices}), parquet)
    forms["parquet"] = (parquet, lambda path: read_parquet_file(path, BENCHED, "1m"), pd.read_parquet)
    return forms


def _csv_reader(zone: str | None) -> Callable[[Path], RawSeries]:
    return lambda path: read_csv_file(path, BENCHED, "1m", tz=zone)


def _pandas_reader(unit: str | None) -> Callable[[Path], pd.DataFrame]:
    def read(path: Path) -> pd.DataFrame:
        frame = pd.read_csv(path)
        return frame.assign(time=pd.to_datetime(frame["time"], unit=unit))

    return read


def measure(
    form: str, path: Path, read: Callable[[Path], RawSeries], peer: Callable[[Path], pd.DataFrame], bars: Bars, repeats: int
) -> Row:
    """Return the times of one form, each import into an empty catalogue."""
    imports, reads, peers = [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            catalogue = Catalogue(Path(folder))
            seconds, snapshot = _timed(lambda store=catalogue: store.ingest(read(path)))  # type: ignore[misc]
            imports.append(seconds)
            seconds, back = _timed(lambda store=catalogue, held=snapshot: store.read(held))  # type: ignore[misc]
            reads.append(seconds)
            _require_equal(back, bars, form)
        peers.append(_timed(lambda: peer(path))[0])
    later = imports[1:] or imports
    megabytes = path.stat().st_size / 1e6
    return Row(form, megabytes, imports[0], statistics.median(later), statistics.median(reads), statistics.median(peers))


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def _require_equal(back: Bars, bars: Bars, form: str) -> None:
    for name in ("time", "open", "high", "low", "close", "volume"):
        if not np.array_equal(getattr(back, name), getattr(bars, name)):
            raise SystemExit(f"{form}: what was read back differs from what was written in {name}")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text, one a line."""
    lines = [f"{'form':<26}{'MB':>8}{'first import s':>16}{'import s':>10}{'read back s':>13}{'pandas, unchecked s':>21}"]
    lines += [
        f"{r.form:<26}{r.megabytes:>8.1f}{r.first_import:>16.3f}{r.import_:>10.3f}{r.read_back:>13.3f}{r.pandas:>21.3f}" for r in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Import and read-back of minute bars.")
    parser.add_argument("--bars", type=int, help=f"bars to take in (default {FULL_BARS:,})")
    parser.add_argument("--size", choices=("short", "full"), default="full", help=f"short: {SHORT_BARS:,} bars, no file but --output")
    parser.add_argument("--output", type=Path, help=f"result file (default {RESULT.relative_to(ROOT)})")
    given = parser.parse_args(arguments)
    n_bars = given.bars or (SHORT_BARS if given.size == "short" else FULL_BARS)
    output = given.output or (None if given.size == "short" else RESULT)
    bars = minute_bars(n_bars)
    with tempfile.TemporaryDirectory() as folder:
        forms = write_forms(bars, Path(folder))
        rows = [measure(form, *parts, bars, 2 if given.size == "short" else REPEATS) for form, parts in forms.items()]
    print(table(rows))
    if output is not None:
        result = {
            "benchmark": "data",
            "bars": n_bars,
            "repeats": REPEATS,
            "targets_seconds": MOST_SECONDS,
            "machine": machine(("numpy", "pandas", "pyarrow", "exchange-calendars")),
            "rows": [asdict(row) for row in rows],
        }
        output.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {output}")


if __name__ == "__main__":
    main()
