"""Times as they were written: the wall clock's reading, the instant where a zone came with it, and whether there was a time of day at all.

What the readings mean is told by `nullalpha.data.times`; here a column is read whole by the form that all its cells have, and cell by cell
only where they differ or cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nullalpha.data.bars import TimeArray
from nullalpha.data.cells import text_of, trimmed
from nullalpha.data.timeframes import TableKind

_YEARS = range(1700, 2200)  # what datetime64[ns] holds, with room
_NS = "datetime64[ns]"
_CLOCK = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_ZONED = rf"^{_CLOCK}(Z|[+-]\d\d(:?\d\d)?)$"
_PLAIN = rf"^(\d{{4}}-\d\d-\d\d|{_CLOCK})$"
_EPOCH = r"^-?\d{9,19}$"
_DATE_CHARACTERS = 10
_BASIC_DATES = (17_000_101, 21_991_231)
_NS_A_UNIT = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))  # below this many: seconds, milliseconds, microseconds

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Written:
    """Times as written.

    Attributes:
        wall: (n,) datetime64[ns] as written, whatever the zone; of a time with a zone its date, in a daily table alone; NaT where
            unreadable.
        utc: (n,) the instant where a zone was written, NaT elsewhere.
        zoned: (n,) whether a zone was written.
        bare: (n,) whether a date was written without a time of day.
    """

    wall: TimeArray
    utc: TimeArray
    zoned: BoolArray
    bare: BoolArray


def as_written(column: pd.Series, kind: TableKind) -> Written:
    """Return the times of a column of any cells, for a table of a kind."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _with_zone(_in_reach(column.dt.tz_localize(None)), _in_reach(column.dt.tz_convert("UTC").dt.tz_localize(None)))
    if pd.api.types.is_datetime64_dtype(column.dtype):
        return _without_zone(_in_reach(column))
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        whole = column.dtype.kind in "iu" and not column.hasnans
        return _of_numbers(column.to_numpy(dtype=np.int64) if whole else column.to_numpy(dtype=np.float64, na_value=np.nan))
    text = text_of(column)
    return _of_cells(column.tolist()) if text is None else _of_text(text, kind)


def _of_text(text: pa.Array, kind: TableKind) -> Written:
    utc = _cast(text, pa.timestamp("ns", "UTC"))
    if utc is not None:
        wall = _cast(pc.utf8_slice_codeunits(text, 0, _DATE_CHARACTERS), pa.timestamp("ns")) if kind == "daily" else utc
        return _of_mixed_text(trimmed(text)) if wall is None else _with_zone(wall, utc)
    wall = _cast(text, pa.timestamp("ns"))
    if wall is not None:
        return _without_zone(wall, np.asarray(pc.equal(pc.utf8_length(text), _DATE_CHARACTERS)))
    text = trimmed(text)
    if pc.all(pc.match_substring_regex(text, _EPOCH)).as_py():
        return _of_numbers(text.cast(pa.int64()).to_numpy())
    return _of_mixed_text(text)


def _of_mixed_text(text: pa.Array) -> Written:
    """Read a column in which cells differ in form, or some cannot be read."""
    zoned, plain = (np.asarray(pc.match_substring_regex(text, form)) for form in (_ZONED, _PLAIN))
    wall = np.full(len(text), "NaT", dtype=_NS)
    utc = wall.copy()
    for mask, target in ((zoned, utc), (plain, wall)):
        cells = text.filter(pa.array(mask)).to_pandas()
        target[mask] = _in_reach(pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None))
    days = pc.utf8_slice_codeunits(text.filter(pa.array(zoned)), 0, _DATE_CHARACTERS).to_pandas()
    wall[zoned] = _in_reach(pd.to_datetime(days, format="%Y-%m-%d", errors="coerce"))
    wall[zoned & np.isnat(utc)] = np.datetime64("NaT")
    bare = plain & np.asarray(pc.equal(pc.utf8_length(text), _DATE_CHARACTERS))
    left = np.flatnonzero(np.isnat(wall))
    cells_left = _of_cells(text.take(pa.array(left)).to_pylist())
    wall[left], utc[left], bare[left] = cells_left.wall, cells_left.utc, cells_left.bare
    zoned[left] = cells_left.zoned
    return Written(wall, utc, zoned, bare)


def _cast(text: pa.Array, kind: pa.DataType) -> TimeArray | None:
    """Return all times of a column of text, UTC where they have a zone, or None where one cannot be read so."""
    try:
        text.slice(0, 1).cast(kind)  # a column of another form fails here; as a whole it would make a million errors first
        times: TimeArray = text.cast(kind).cast(pa.int64()).to_numpy(zero_copy_only=False).view(_NS)
    except pa.ArrowInvalid:
        return None
    return times


def _in_reach(times: pd.Series) -> TimeArray:
    """Return times without a zone as datetime64[ns], NaT for years that nanoseconds do not hold."""
    values = times.to_numpy()
    first, beyond = (np.datetime64(f"{year}-01-01").astype(values.dtype) for year in (_YEARS.start, _YEARS.stop))
    inside: TimeArray = np.where((values >= first) & (values < beyond), values, np.datetime64("NaT")).astype(_NS)
    return inside


def _of_numbers(values: np.ndarray[tuple[int], np.dtype[np.float64 | np.int64]]) -> Written:
    """Read counts since 1970, or dates written as numbers."""
    known = np.isfinite(values)
    if not known.any():
        return _without_zone(np.full(len(values), "NaT", dtype=_NS))
    whole = np.where(known, values, 0).astype(np.int64)
    if ((whole[known] >= _BASIC_DATES[0]) & (whole[known] <= _BASIC_DATES[1])).all():
        days = _in_reach(pd.to_datetime(pd.Series(whole).astype(str), format="%Y%m%d", errors="coerce"))
        return _without_zone(np.where(known, days, np.datetime64("NaT")), np.ones(len(values), dtype=np.bool_))
    size = float(np.median(np.abs(values[known])))
    scale = next((ns for most, ns in _NS_A_UNIT if size < most), 1)
    known &= np.abs(values) < np.iinfo(np.int64).max / scale
    whole = np.where(known, whole, 0)
    part = np.round(np.where(known, values - whole, 0) * scale).astype(np.int64)
    utc = _in_reach(pd.Series(np.where(known, (whole * scale + part).astype(_NS), np.datetime64("NaT"))))
    return _with_zone(utc, utc)


def _of_cells(cells: list[object]) -> Written:
    moments = [_moment(cell) for cell in cells]
    wall = np.array([None if moment is None else moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[us]")
    zoned = np.array([moment is not None and moment.tzinfo is not None for moment in moments], dtype=np.bool_)
    instants = [moment.astimezone(UTC).replace(tzinfo=None) if moment is not None and moment.tzinfo else None for moment in moments]
    bare = np.array([_is_bare(cell) for cell in cells], dtype=np.bool_)
    return Written(wall.astype(_NS), np.array(instants, dtype="datetime64[us]").astype(_NS), zoned, bare)


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


def _is_bare(cell: object) -> bool:
    if isinstance(cell, str):
        return len(cell.strip()) <= _DATE_CHARACTERS
    return isinstance(cell, date) and not isinstance(cell, datetime)


def _with_zone(wall: TimeArray, utc: TimeArray) -> Written:
    return Written(wall, utc, ~np.isnat(utc), np.zeros(len(utc), dtype=np.bool_))


def _without_zone(wall: TimeArray, bare: BoolArray | None = None) -> Written:
    nothing = np.zeros(len(wall), dtype=np.bool_)
    return Written(wall, np.full(len(wall), "NaT", dtype=_NS), nothing, nothing if bare is None else bare)
