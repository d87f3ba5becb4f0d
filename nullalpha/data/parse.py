"""From a received table to columns of times and numbers; every cell that cannot be read is a problem, and NaN or NaT in the column.

Columns of one kind are read whole; only cells that fail are looked at one by one. Nothing is repaired, dropped, or put in order here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray, IntArray, TimeArray
from nullalpha.data.cells import text_of, trimmed
from nullalpha.data.problems import Problem, table_problem
from nullalpha.data.sources.columns import YAHOO_EVENTS
from nullalpha.data.timeframes import TableKind, bar_duration, table_kind
from nullalpha.data.times import read_times

PRICES = ("open", "high", "low", "close")
REQUIRED = ("time", *PRICES)
VALUE = "value"
_ADJUSTMENTS = ("adj_close", "factor")
_EVENTS = {"dividend": 0.0, "split": 1.0}
"""Columns of events, and what an empty cell means."""
_MAY_MISS_CELLS = ("volume", "spread", *_EVENTS, *YAHOO_EVENTS.values())
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"

BoolArray = NDArray[np.bool_]
CellAt = Callable[[int], object]


@dataclass(frozen=True)
class ParsedTable:
    """The columns of a received table, or of some of its rows, in its own order.

    Attributes:
        kind: whether it holds sessions, intraday bars, or published values.
        duration: of an intraday bar; None otherwise.
        row: (n_rows,) the received number of each row.
        time: (n_rows,) datetime64[ns]: session dates at midnight, or UTC instants; NaT where unreadable.
        open, high, low, close: (n_rows,) NaN where missing or unreadable; of a published table all four are its value.
        adj_close, factor: the same, or None where the table has no such column.
        spread: (n_rows,) NaN where missing, or None where the table has no such column.
        volume: (n_rows,) NaN where missing.
        dividend, split: (n_rows,) 0 and 1 where there is none, NaN where unreadable; both None where the table has neither column.
        events_are_stated: whether all stand in columns of our names, which go with prices as traded; not Yahoo's, whose may be in prices.
    """

    kind: TableKind
    duration: np.timedelta64 | None
    row: IntArray
    time: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    adj_close: FloatArray | None
    factor: FloatArray | None
    spread: FloatArray | None
    volume: FloatArray
    dividend: FloatArray | None = None
    split: FloatArray | None = None
    events_are_stated: bool = True

    def __len__(self) -> int:
        return len(self.time)

    @property
    def daily(self) -> bool:
        return self.kind == "daily"

    def label(self, place: int) -> str | None:
        """Return the ISO date (daily) or instant of the row at a place; None where it cannot be read."""
        return iso(self.time[place], self.daily)

    def kept(self, places: IntArray) -> ParsedTable:
        """Return the rows at some places; each keeps its received number."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        part: dict[str, Any] = {name: column[places] for name, column in columns.items() if isinstance(column, np.ndarray)}
        return replace(self, **part)


def iso(time: np.datetime64, daily: bool) -> str | None:
    """Return a session date as `2001-09-10`, an instant as `2001-09-10T20:00:00Z`, NaT as None."""
    if np.isnat(time):
        return None
    return str(time.astype("datetime64[D]")) if daily else f"{time.astype('datetime64[s]')}Z"


def parse_table(frame: pd.DataFrame, timeframe: str, tz: str | None = None) -> tuple[ParsedTable | None, list[Problem]]:
    """Read a received table.

    Args:
        frame: (n_rows) the columns that `RawSeries` describes.
        timeframe: `1d`, `1h`, ..., `published`.
        tz: IANA name of the zone of times that carry none.
    Returns:
        The columns, and what could not be read. No columns (None) when a required one is absent or there are no rows.
    Raises:
        DataError: if the timeframe or the zone is unknown.
    """
    kind = table_kind(timeframe)
    price_names = _price_columns(frame, kind)
    wrong = _of_the_table(frame, ("time", *price_names.values()))
    if wrong:
        return None, wrong
    time, problems = read_times(frame["time"], kind, tz)
    daily = kind == "daily"
    columns: dict[str, FloatArray] = {}
    for name in dict.fromkeys((*price_names.values(), *_ADJUSTMENTS, "spread", "volume")):
        if name in frame.columns:
            columns[name], found = _numbers(frame[name], name, time, daily)
            problems += found
    prices = {name: columns[column] for name, column in price_names.items()}
    events, stated, found = _events(frame if kind != "published" else frame[[]], time, daily)
    problems += found
    table = ParsedTable(
        kind,
        None if kind == "published" else bar_duration(timeframe),
        np.arange(len(time)),
        time,
        **prices,
        adj_close=_used(columns.get("adj_close")),
        factor=_used(columns.get("factor")),
        spread=_used(columns.get("spread")),
        volume=columns.get("volume", np.full(len(time), np.nan)),
        dividend=events.get("dividend"),
        split=events.get("split"),
        events_are_stated=stated,
    )
    return table, problems


def _price_columns(frame: pd.DataFrame, kind: TableKind) -> dict[str, str]:
    """Return which column of the frame each price is read from."""
    if kind != "published":
        return {name: name for name in PRICES}
    return dict.fromkeys(PRICES, "close" if "close" in frame.columns and VALUE not in frame.columns else VALUE)


def _events(frame: pd.DataFrame, time: TimeArray, daily: bool) -> tuple[dict[str, FloatArray], bool, list[Problem]]:
    """Return the columns of events, both or none, whether all of them stand in columns of our names, and what cannot be read."""
    columns: dict[str, FloatArray] = {}
    problems: list[Problem] = []
    stated = True
    for ours, none in _EVENTS.items():
        name = next((name for name in (ours, YAHOO_EVENTS[ours]) if name in frame.columns), None)
        if name is not None:
            columns[ours], found = _event_column(frame[name], ours, name, time, daily)
            problems += found
            stated = stated and (name == ours or bool((columns[ours] == none).all()))
    return {name: columns.get(name, np.full(len(time), none)) for name, none in _EVENTS.items()} if columns else {}, stated, problems


def _event_column(column: pd.Series, ours: str, name: str, time: TimeArray, daily: bool) -> tuple[FloatArray, list[Problem]]:
    """Return a column's events; an empty cell, and a split into 0 units as Yahoo writes none, is no event."""
    values, problems = _numbers(column, name, time, daily)
    nothing = np.isnan(values) | ((values == 0.0) & (ours == "split"))
    for problem in problems:
        nothing[problem.rows] = False
    return np.where(nothing, _EVENTS[ours], values), problems


def _of_the_table(frame: pd.DataFrame, required: tuple[str, ...]) -> list[Problem]:
    have = ", ".join(map(str, frame.columns))
    absent = [name for name in dict.fromkeys(required) if name not in frame.columns]
    if absent:
        return [table_problem("missing_column", f"no column {name!r} (there are: {have})") for name in absent]
    if frame.empty:
        return [table_problem("empty", "there are no rows")]
    if set(_ADJUSTMENTS) <= set(frame.columns):
        return [table_problem("two_adjustments", "both adj_close and factor say how prices are adjusted; leave one out")]
    return []


def _used(column: FloatArray | None) -> FloatArray | None:
    return None if column is None or np.isnan(column).all() else column


def _numbers(column: pd.Series, name: str, time: TimeArray, daily: bool) -> tuple[FloatArray, list[Problem]]:
    """Return a column's numbers, NaN where there is none, and the cells that should have one."""
    values, blank, cell_at = _read_numbers(column)
    infinite = np.isinf(values)
    if infinite.any():
        values = np.where(infinite, np.nan, values)
    lost = np.isnan(values)
    problems: list[Problem] = []
    if not lost.any():
        return values, problems
    for code, mask, severity, message in _losses(name, lost, blank, cell_at):
        rows = np.flatnonzero(mask)
        if len(rows):
            problems.append(Problem(code, rows, _teller(rows, time, daily, message), severity))
    return values, problems


def _losses(name: str, lost: BoolArray, blank: BoolArray, cell_at: CellAt) -> list[tuple[str, BoolArray, str, CellAt]]:
    """Return code, rows, severity and message of what was no number."""
    found: list[tuple[str, BoolArray, str, CellAt]] = [
        ("not_a_number", lost & ~blank, "error", lambda row: f"{name} {cell_at(row)!r} is not a finite number")
    ]
    all_lost = bool(lost.all())
    if name == "volume" and not all_lost:
        found.append(("missing_volume", lost & blank, "warning", lambda _: "the volume is missing"))
    elif name not in _MAY_MISS_CELLS and not (name in _ADJUSTMENTS and all_lost):
        found.append(("missing_price", lost & blank, "error", lambda _: f"{name} is missing"))
    return found


def _teller(rows: IntArray, time: TimeArray, daily: bool, message: CellAt) -> Callable[[int], tuple[str | None, str]]:
    return lambda k: (iso(time[rows[k]], daily), str(message(int(rows[k]))))


def _read_numbers(column: pd.Series) -> tuple[FloatArray, BoolArray, CellAt]:
    """Return numbers (NaN where none), which cells are blank, and how to look at a cell."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.isnan(values), lambda row: column.iloc[row]
    text = text_of(column)
    if text is None:
        return _of_cells(column.tolist())
    values = None if pc.any(pc.equal(text, "")).as_py() else _of_numbers_alone(text)
    if values is None:
        text = trimmed(text)
        values = _of_mixed_text(text)
    return values, np.asarray(pc.equal(text, "")), lambda row: column.iloc[row]


def _of_numbers_alone(text: pa.Array) -> FloatArray | None:
    """Return the numbers of a column of text, or None where a cell is none."""
    try:
        text.slice(0, 1).cast(pa.float64())
        values: FloatArray = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return values


def _of_mixed_text(text: pa.Array) -> FloatArray:
    plain = pc.match_substring_regex(text, _NUMBER)
    values = np.full(len(text), np.nan)
    values[np.asarray(plain)] = text.filter(plain).cast(pa.float64()).to_numpy(zero_copy_only=False)
    others = np.flatnonzero(~np.asarray(plain) & ~np.asarray(pc.equal(text, "")))
    values[others] = [_number(cell) for cell in text.take(pa.array(others)).to_pylist()]
    return values


def _of_cells(cells: list[object]) -> tuple[FloatArray, BoolArray, CellAt]:
    values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    return values, np.array([_is_blank(cell) for cell in cells], dtype=np.bool_), lambda row: cells[row]


def _number(cell: object) -> float:
    if isinstance(cell, str):
        try:
            return float(cell) if "_" not in cell else math.nan
        except ValueError:
            return math.nan
    return float(cell) if isinstance(cell, int | float) else math.nan


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or (isinstance(cell, str) and not cell.strip())
