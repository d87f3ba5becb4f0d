"""An outside signal from a parquet file: columns `time` (UTC) and `target_position` (-1..1, a signed fraction of equity)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nullalpha.core.errors import DataError, Finding, nearest
from nullalpha.data.bars import FloatArray, TimeArray
from nullalpha.data.outside_signal import OutsideSignal, written_times
from nullalpha.data.sources.columns import read_file

TIME, POSITION = "time", "target_position"
MOST_FINDINGS = 100


def read_outside_signal(path: Path) -> OutsideSignal:
    """Read a signal file; further columns are left alone.

    Raises:
        NotFoundError: if there is no such file.
        DataError: if it is no parquet file, lacks a column, holds no rows, or a row has no time, a time not after the one before, no
            position, or one outside -1..1; the findings name rows.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(read_file(path))).read()
    except (OSError, pa.ArrowException) as error:
        said = str(error).splitlines()[0]
        raise DataError(f"{path} is no parquet file: {said}", path=str(path), suggestion="write it with pandas' to_parquet") from error
    if not len(table):
        raise DataError(f"{path} holds no rows", path=str(path), suggestion=f"a row a decision: {TIME}, {POSITION}")
    signal = OutsideSignal(_times(_column(table, TIME, path), path), _positions(_column(table, POSITION, path), path))
    if findings := _faults(signal):
        raise DataError(
            f"{path}: row {findings[0].row} {findings[0].message}",
            findings=findings,
            path=str(path),
            value=findings[0].time,
            suggestion=f"rising, different times, and a {POSITION} in -1..1 in every row; 0 is no position",
        )
    return signal


def _faults(signal: OutsideSignal) -> list[Finding]:
    """Return what is wrong with the rows, by kind; of each kind the first `MOST_FINDINGS`."""
    time, position = signal.time, signal.target
    said = written_times(time)
    messages = {
        "missing_time": (np.isnat(time), "has no time"),
        "time_order": (_not_rising(time), "has a time that does not come after that of the row before it"),
        "missing_position": (np.isnan(position), f"has no {POSITION}"),
        "position_out_of_range": (np.abs(position) > 1.0, f"has a {POSITION} outside -1..1"),
    }
    return [
        Finding(code, int(row), None if np.isnat(time[row]) else said[row], message)
        for code, (wrong, message) in messages.items()
        for row in np.flatnonzero(wrong)[:MOST_FINDINGS]
    ]


def _column(table: pa.Table, name: str, path: Path) -> pa.ChunkedArray:
    places = [place for place, there in enumerate(table.column_names) if there == name]
    if len(places) == 1:
        return table.column(places[0])
    near = nearest(name, table.column_names)
    there = ", ".join(table.column_names) or "none"
    raise DataError(
        f"{path} has {'no' if not places else 'more than one'} column {name!r}; its columns: {there}",
        path=str(path),
        value=there,
        suggestion=f"rename {near} to {name}" if near and not places else f"columns {TIME} (UTC) and {POSITION} (-1..1)",
    )


def _times(column: pa.ChunkedArray, path: Path) -> TimeArray:
    """Return UTC instants; a time without a zone is UTC, a date is its midnight (see `outside_signal`)."""
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise DataError(
            f"{path}: column {TIME} is of type {column.type}, which holds no times",
            path=str(path),
            value=str(column.type),
            suggestion="timestamps in UTC, e.g. pandas' to_datetime(..., utc=True)",
        )
    try:
        instants = pc.cast(column, pa.timestamp("ns", tz=getattr(column.type, "tz", None)))
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: a {TIME} lies outside 1677 to 2262", path=str(path), value=str(error)[:100]) from error
    numbers = pc.cast(instants, pa.int64())
    known = np.asarray(pc.fill_null(numbers, 0).to_numpy(), dtype=np.int64).view("datetime64[ns]")
    return np.where(np.asarray(pc.is_null(numbers).to_numpy()), np.datetime64("NaT", "ns"), known)


def _positions(column: pa.ChunkedArray, path: Path) -> FloatArray:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise DataError(
            f"{path}: column {POSITION} is of type {kind}, which holds no numbers",
            path=str(path),
            value=str(kind),
            suggestion="floats in -1..1",
        )
    numbers = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(numbers, np.nan).to_numpy(), dtype=np.float64) + 0.0  # -0.0 becomes 0.0


def _not_rising(time: TimeArray) -> NDArray[np.bool_]:
    """Return (n_rows,) whether a row's time is known and not later than that of the row before it."""
    return np.concatenate(([False], time[1:] <= time[:-1]))
