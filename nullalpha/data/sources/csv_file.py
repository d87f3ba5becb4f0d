"""Bars from a CSV file (plain or gzip): columns time or date, open, high, low, close[, volume][, adj_close], any case and order.

Cells stay text here; `nullalpha.data.check` reads them and names every bad row.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path

import pandas as pd

from nullalpha.core.errors import DataError, Finding, NotFoundError
from nullalpha.data.instruments import Instrument
from nullalpha.data.sources.series import BarTime, RawSeries

GZIP_MAGIC = b"\x1f\x8b"
TIME_NAMES = ("time", "date")


def read_csv_file(path: Path, instrument: Instrument, timeframe: str, bar_time: BarTime = "close") -> RawSeries:
    """Read a CSV file as received.

    Args:
        path: the file; gzip is recognised by its content.
        instrument: what the bars belong to, with its costs and calendar.
        timeframe: `1d`, `1h`, `5m`, ...
        bar_time: whether an intraday time is the bar's open or its close.
    Raises:
        NotFoundError: if there is no such file.
        DataError: if it is no readable table; findings name the rows.
    """
    try:
        original = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"no file {path}", path=str(path)) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", path=str(path)) from error
    frame = parse_table(original, str(path))
    extension = "csv.gz" if original.startswith(GZIP_MAGIC) else "csv"
    return RawSeries(instrument, timeframe, frame, path.name, original, extension, bar_time)


def parse_table(original: bytes, path: str) -> pd.DataFrame:
    """Return the cells of a CSV as text, under canonical lower-case column names, in file order.

    Raises:
        DataError: not text, no header, a column twice, or a row with another number of cells than the header.
            Rows are counted from 0 after the header; blank lines are no rows.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(_text(original, path), newline="")) if row]
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}", path=path) from error
    if not rows:
        raise DataError(f"{path} is empty", path=path, suggestion="a header row and one row a bar are needed")
    header = [_column(name) for name in rows[0]]
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise DataError(f"{path} has more than one column {', '.join(doubled)}", path=path, value=",".join(rows[0]))
    ragged = [
        Finding("ragged_row", number, None, f"{len(row)} cells where the header has {len(header)}")
        for number, row in enumerate(rows[1:])
        if len(row) != len(header)
    ]
    if ragged:
        raise DataError(f"{path}: {len(ragged)} rows do not fit the header, the first is row {ragged[0].row}", findings=ragged, path=path)
    return pd.DataFrame(rows[1:], columns=header, dtype=object)


def _text(original: bytes, path: str) -> str:
    try:
        return (gzip.decompress(original) if original.startswith(GZIP_MAGIC) else original).decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a broken gzip file", path=path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text", path=path, value=f"byte {error.start}") from error


def _column(name: str) -> str:
    plain = "_".join(name.strip().lower().replace("_", " ").split())
    return "time" if plain in TIME_NAMES else plain
