"""Bars from a parquet file: the columns that a CSV file would have, with the types that it gives them.

Timestamps keep their zone; dates, decimals and dictionaries are read as what they stand for. The file is kept as received.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nullalpha.core.errors import DataError
from nullalpha.data.instruments import Instrument
from nullalpha.data.sources.columns import canonical_columns, read_file
from nullalpha.data.sources.series import BarTime, RawSeries


def read_parquet_file(
    path: Path,
    instrument: Instrument,
    timeframe: str,
    bar_time: BarTime = "close",
    *,
    columns: Mapping[str, str] | None = None,
    tz: str | None = None,
) -> RawSeries:
    """Read a parquet file as received.

    Args:
        path: the file.
        instrument: what the bars belong to, with its costs and calendar.
        timeframe: `1d`, `1h`, `5m`, ..., `published`.
        bar_time: whether an intraday time is the bar's open or its close.
        columns: which of the file's columns is which of ours, e.g. `{"close": "Last"}`; the others are found by their names.
        tz: IANA name of the zone of times that carry none.
    Raises:
        NotFoundError: if there is no such file.
        DataError: if it is no parquet file, or a column is of a type that holds no times or numbers.
        UsageError: if `columns` names a column that bars do not have.
    """
    original = read_file(path)
    try:
        table = pq.read_table(pa.BufferReader(original))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} is no parquet file: {error}", path=str(path)) from error
    named = canonical_columns(table.column_names, columns, str(path))
    frame = pd.DataFrame({ours: _cells(table.column(place), table.column_names[place], path) for ours, place in named.items()})
    return RawSeries(instrument, timeframe, frame, path.name, original, "parquet", bar_time, tz)


def _cells(column: pa.ChunkedArray, name: str, path: Path) -> pd.Series:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _cells(pc.cast(column, kind.value_type), name, path)
    if pa.types.is_date(kind):
        return pc.strftime(column, "%Y-%m-%d").to_pandas()
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return pc.cast(column, pa.float64(), safe=False).to_pandas()
    if pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.to_pandas()
    if pa.types.is_null(kind):
        return pc.cast(column, pa.string()).to_pandas()
    raise DataError(
        f"{path}: column {name!r} is of type {kind}, which holds no times or numbers",
        path=str(path),
        value=str(kind),
        suggestion="timestamps, dates, numbers or text are read",
    )
