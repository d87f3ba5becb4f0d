"""From a received table to columns of times and numbers; every cell that cannot be read is a finding, and NaN or NaT in the column.

Nothing is repaired, dropped, or put in order here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

from nullalpha.core.errors import Finding
from nullalpha.data.bars import FloatArray, TimeArray
from nullalpha.data.timeframes import is_daily

PRICES = ("open", "high", "low", "close")
REQUIRED = ("time", *PRICES)
_YEARS = range(1700, 2200)  # what datetime64[ns] holds, with room


@dataclass(frozen=True)
class ParsedTable:
    """The columns of a received table, in its own order.

    Attributes:
        daily: True when `time` holds session dates.
        time: (n_rows,) datetime64[ns]: session dates at midnight, or UTC instants of an intraday table; NaT where unreadable.
        open, high, low, close: (n_rows,) NaN where missing or unreadable.
        adj_close: the same, or None where the table has no such column.
        volume: (n_rows,) NaN where missing.
    """

    daily: bool
    time: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    adj_close: FloatArray | None
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.time)

    def label(self, row: int) -> str | None:
        """Return the ISO date (daily) or instant of a row; None where it cannot be read."""
        return iso(self.time[row], self.daily)


def iso(time: np.datetime64, daily: bool) -> str | None:
    """Return a session date as `2001-09-10`, an instant as `2001-09-10T20:00:00Z`, NaT as None."""
    if np.isnat(time):
        return None
    return str(time.astype("datetime64[D]")) if daily else f"{time.astype('datetime64[s]')}Z"


def parse_table(frame: pd.DataFrame, timeframe: str) -> tuple[ParsedTable | None, list[Finding]]:
    """Read a received table.

    Args:
        frame: (n_rows) the columns that `RawSeries` describes; cells may be text, numbers or timestamps.
        timeframe: `1d`, `1h`, ...
    Returns:
        The columns, and what could not be read. No columns (None) when a required one is absent or there are no rows.
    Raises:
        DataError: if the timeframe is unknown.
    """
    daily = is_daily(timeframe)
    absent = [name for name in REQUIRED if name not in frame.columns]
    if absent:
        have = ", ".join(map(str, frame.columns))
        return None, [Finding("missing_column", None, None, f"no column {name!r} (there are: {have})") for name in absent]
    if frame.empty:
        return None, [Finding("empty", None, None, "there are no rows")]
    time, findings = _times(frame["time"].tolist(), daily)
    columns: dict[str, FloatArray] = {}
    for name in (*PRICES, "adj_close", "volume"):
        if name in frame.columns:
            columns[name], found = _numbers(frame[name], name, time, daily)
            findings += found
    adj_close = columns.get("adj_close")
    table = ParsedTable(
        daily,
        time,
        columns["open"],
        columns["high"],
        columns["low"],
        columns["close"],
        adj_close=None if adj_close is None or np.isnan(adj_close).all() else adj_close,
        volume=columns.get("volume", np.full(len(time), np.nan)),
    )
    return table, findings


def _times(values: list[object], daily: bool) -> tuple[TimeArray, list[Finding]]:
    read = [_moment(value) for value in values]
    findings = [Finding("unreadable_time", row, None, _time_complaint(values[row])) for row, moment in enumerate(read) if moment is None]
    aware = {row: moment.tzinfo is not None for row, moment in enumerate(read) if moment is not None}
    if daily:
        first = next(iter(aware.values()), False)
        odd = [row for row, zoned in aware.items() if zoned != first]
        code, message = "mixed_time_zones", f"the time {'lacks a' if first else 'has a'} zone, unlike the first row's"
    else:
        odd = [row for row, zoned in aware.items() if not zoned]
        code, message = "naive_time", "an intraday time needs its zone, e.g. 2024-03-01T14:30:00Z"
    findings += [Finding(code, row, str(values[row]), message) for row in odd]
    plain = [None if moment is None else _plain(moment, daily) for moment in read]
    return np.array(plain, dtype="datetime64[us]").astype("datetime64[ns]"), findings


def _moment(value: object) -> datetime | None:
    if value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        value = value.to_pydatetime(warn=False)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a session date has no zone
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.year in _YEARS else None


def _plain(moment: datetime, daily: bool) -> datetime:
    """The date as written for a session, whatever its zone; the UTC instant otherwise."""
    if daily:
        return moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)


def _time_complaint(value: object) -> str:
    return f"{value!r} is no ISO 8601 time, e.g. 2024-03-01 or 2024-03-01T14:30:00Z"


def _numbers(column: pd.Series, name: str, time: TimeArray, daily: bool) -> tuple[FloatArray, list[Finding]]:
    cells = column.tolist()
    values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    values[np.isinf(values)] = np.nan
    problems = _unreadable(cells, values, name)
    return values, [Finding(code, row, iso(time[row], daily), message, severity) for code, row, message, severity in problems]


def _number(cell: object) -> float:
    if isinstance(cell, str):
        try:
            return float(cell) if "_" not in cell else math.nan
        except ValueError:
            return math.nan
    return float(cell) if isinstance(cell, int | float) else math.nan


def _unreadable(cells: list[object], values: FloatArray, name: str) -> Iterator[tuple[str, int, str, str]]:
    """Yield code, row, message, severity of every cell that gave no number."""
    rows = np.flatnonzero(np.isnan(values))
    optional = name in ("adj_close", "volume") and len(rows) == len(values)
    for row in map(int, rows):
        cell = cells[row]
        blank = cell is None or (isinstance(cell, float) and math.isnan(cell)) or (isinstance(cell, str) and not cell.strip())
        if not blank:
            yield "not_a_number", row, f"{name} {cell!r} is not a finite number", "error"
        elif name == "volume":
            if not optional:
                yield "missing_volume", row, "the volume is missing", "warning"
        elif not optional:
            yield "missing_price", row, f"{name} is missing", "error"
