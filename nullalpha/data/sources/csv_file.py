"""Bars from a CSV file (plain or gzip): columns time or date, open, high, low, close[, volume][, adj_close], any case and order.

Commas, semicolons or tabs between the cells. Cells stay text here; `nullalpha.data.check` reads them and names every bad row.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from nullalpha.core.errors import DataError, Finding
from nullalpha.data.instruments import Instrument
from nullalpha.data.sources.columns import canonical_columns, read_file
from nullalpha.data.sources.series import BarTime, RawSeries

GZIP_MAGIC = b"\x1f\x8b"
DELIMITERS = (",", ";", "\t")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 24


def read_csv_file(
    path: Path,
    instrument: Instrument,
    timeframe: str,
    bar_time: BarTime = "close",
    *,
    columns: Mapping[str, str] | None = None,
    tz: str | None = None,
    quarantine: bool = False,
) -> RawSeries:
    """Read a CSV file as received.

    Args:
        path: the file; gzip is recognised by its content.
        instrument: what the bars belong to, with its costs and calendar.
        timeframe: `1d`, `1h`, `5m`, ..., `published`.
        bar_time: whether an intraday time is the bar's open or its close.
        columns: which of the file's columns is which of ours, e.g. `{"close": "Last"}`; the others are found by their names.
        tz: IANA name of the zone of times that carry none.
        quarantine: whether rows that do not fit the header are kept, as findings of the series, instead of refusing the file.
    Raises:
        NotFoundError: if there is no such file.
        DataError: if it is no readable table; findings name the rows.
        UsageError: if `columns` names a column that bars do not have.
    """
    original = read_file(path)
    frame, ragged = _table(original, str(path), columns)
    if ragged and not quarantine:
        raise _unfit(ragged, str(path))
    extension = "csv.gz" if original.startswith(GZIP_MAGIC) else "csv"
    return RawSeries(instrument, timeframe, frame, path.name, original, extension, bar_time, tz, findings=tuple(ragged))


def parse_table(original: bytes, path: str, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the cells of a CSV as text, under canonical lower-case column names, in file order.

    Raises:
        DataError: not text, no header, a column twice, or a row with another number of cells than the header.
            Rows are counted from 0 after the header; blank lines are no rows.
        UsageError: if `columns` names a column that bars do not have.
    """
    frame, ragged = _table(original, path, columns)
    if ragged:
        raise _unfit(ragged, path)
    return frame


def _table(original: bytes, path: str, columns: Mapping[str, str] | None) -> tuple[pd.DataFrame, list[Finding]]:
    """Return the cells, and the rows that do not fit the header, which are cut or filled up with nothing."""
    data = _unpacked(original, path).removeprefix(_BYTE_ORDER_MARK)
    delimiter = _delimiter(data)
    header = next(_rows(data, delimiter, path), None)
    if header is None:
        raise DataError(f"{path} is empty", path=path, suggestion="a header row and one row a bar are needed")
    named = canonical_columns(header, columns, path)
    table = _read_whole(data, len(header), delimiter)
    if table is not None:
        return pd.DataFrame({name: table.column(place).to_pandas() for name, place in named.items()}), []
    rows, ragged = _fitted(_rows(data, delimiter, path))
    return pd.DataFrame({name: pd.Series([row[place] for row in rows], dtype="str") for name, place in named.items()}), ragged


def _read_whole(data: bytes, n_columns: int, delimiter: str) -> pa.Table | None:
    """Return all cells after the header as text; None if the file is not the plain table that this quick reader takes."""
    names = [str(place) for place in range(n_columns)]
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            pacsv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
            pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in data),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    return table.slice(1)


def _rows(data: bytes, delimiter: str, path: str) -> Iterator[list[str]]:
    """Yield the rows that are not blank, the header first."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    try:
        yield from (row for row in csv.reader(text, delimiter=delimiter) if row)
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}", path=path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text", path=path, value=error.reason) from error


def _fitted(rows: Iterator[list[str]]) -> tuple[list[list[str]], list[Finding]]:
    width = len(next(rows))
    fitted, ragged = [], []
    for number, row in enumerate(rows):
        if len(row) != width:
            ragged.append(Finding("ragged_row", number, None, f"{len(row)} cells where the header has {width}"))
        fitted.append([*row[:width], *[""] * (width - len(row))])
    return fitted, ragged


def _delimiter(data: bytes) -> str:
    """Return the mark that the first line has most of; a comma where it has none."""
    first = next((line for line in io.BytesIO(data) if line.strip()), b"").decode(errors="replace")
    return max(DELIMITERS, key=first.count)


def _unpacked(original: bytes, path: str) -> bytes:
    try:
        return gzip.decompress(original) if original.startswith(GZIP_MAGIC) else original
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a broken gzip file", path=path) from error


def _unfit(ragged: list[Finding], path: str) -> DataError:
    return DataError(f"{path}: {len(ragged)} rows do not fit the header, the first is row {ragged[0].row}", findings=ragged, path=path)
