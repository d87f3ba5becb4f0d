"""From LEAN's zips to columns: many small files are read as one table, and what cannot be read is named by file and row.

Times stay as the files have them, on the wall clock of the data's time zone: the opens of bars.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from nullalpha.core.errors import DataError, Finding
from nullalpha.data.bars import FloatArray, IntArray, TimeArray

TRADE = ("time", "open", "high", "low", "close", "volume")
QUOTE = ("time", "bid_open", "bid_high", "bid_low", "bid_close", "bid_size", "ask_open", "ask_high", "ask_low", "ask_close", "ask_size")
LONG_TIME = "%Y%m%d %H:%M"
_LONG_TIME = re.compile(r"\d{8} \d{2}:\d{2}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
MAX_FILE_BYTES = 1 << 30
_DAY_MS = 86_400_000
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Rows:
    """The rows of one or more files, in their order.

    Attributes:
        time: (n_rows,) datetime64[ns]: opens on the data zone's wall clock.
        columns: (n_rows,) each, under the names of TRADE or QUOTE; NaN where a cell is empty.
        starts: (n_files,) the row at which each file starts.
        files: the files.
    """

    time: TimeArray
    columns: dict[str, FloatArray]
    starts: IntArray
    files: tuple[Path, ...]

    def where(self, row: int) -> tuple[Path, int]:
        """Return the file of a row, and its number there from 0."""
        place = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.files[place], row - int(self.starts[place])


def read_rows(files: Sequence[tuple[Path, bytes]], names: tuple[str, ...], minute: bool) -> Rows:
    """Read zips that hold one CSV each.

    Args:
        files: path and bytes of each zip, at least one; a minute file's name starts with its date.
        names: TRADE or QUOTE.
        minute: True when times are milliseconds since the midnight of the file's date, False when they are `yyyyMMdd HH:mm`.
    Raises:
        DataError: if a zip is broken or a row cannot be read; findings name the rows.
    """
    texts = [_text(path, data) for path, data in files]
    counts = np.array([text.count(b"\n") for text in texts], dtype=np.int64)
    paths = tuple(path for path, _ in files)
    table = _table(b"".join(texts), names, minute)
    if table is None or table.num_rows != counts.sum() or table["time"].null_count:
        raise _blame(paths, texts, names, minute)
    if minute:
        if table.num_rows and not 0 <= pc.min(table["time"]).as_py() <= pc.max(table["time"]).as_py() < _DAY_MS:
            raise _blame(paths, texts, names, minute)
        days = np.array([_date(path) for path in paths], dtype="datetime64[D]").astype("datetime64[ns]")
        since = table["time"].to_numpy().astype("timedelta64[ms]").astype("timedelta64[ns]")
        time = np.repeat(days, counts) + since
    else:
        time = table["time"].to_numpy().astype("datetime64[ns]")
    columns = {name: table[name].to_numpy() for name in names[1:]}
    return Rows(time, columns, np.cumsum(counts) - counts, paths)


def _text(path: Path, data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) != 1:
                raise DataError(f"{path} holds {len(entries)} files, LEAN's hold one CSV", path=str(path), value=len(entries))
            if entries[0].file_size > MAX_FILE_BYTES:
                raise DataError(f"{path} unpacks to over {MAX_FILE_BYTES >> 20} MiB", path=str(path), value=entries[0].file_size)
            text = archive.read(entries[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:  # RuntimeError: it is encrypted
        raise DataError(f"{path} is a broken zip file: {error}", path=str(path)) from error
    return text.rstrip(b"\r\n") + b"\n" if text.strip() else b""


def _table(text: bytes, names: tuple[str, ...], minute: bool) -> pa.Table | None:
    """Return the typed columns, or None when any row does not fit."""
    types = {name: pa.float64() for name in names} | {"time": pa.int64() if minute else pa.timestamp("s")}
    if not text:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    try:
        return csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(column_types=types, null_values=[""], timestamp_parsers=[LONG_TIME]),
        )
    except pa.ArrowInvalid:
        return None


def _date(path: Path) -> np.datetime64:
    text = path.name[:8]
    try:
        return np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}", "D")
    except ValueError as error:
        raise DataError(f"{path} is named for no date", path=str(path), value=text, suggestion="the form is yyyyMMdd_trade.zip") from error


def _blame(paths: tuple[Path, ...], texts: list[bytes], names: tuple[str, ...], minute: bool) -> DataError:
    """Return the error that names every bad row of the first file that has any."""
    for path, text in zip(paths, texts, strict=True):
        lines = text.decode("utf-8", errors="replace").splitlines()
        findings = [finding for row, line in enumerate(lines) if (finding := _complaint(row, line, names, minute)) is not None]
        if findings:
            first = findings[0]
            return DataError(f"{path}: row {first.row}: {first.message}", findings=findings, path=str(path), value=lines[first.row or 0])
    return DataError(f"{paths[0].parent} holds rows that cannot be read", path=str(paths[0].parent))


def _complaint(row: int, line: str, names: tuple[str, ...], minute: bool) -> Finding | None:
    cells = line.split(",")
    if len(cells) != len(names):
        return Finding("ragged_row", row, None, f"{len(cells)} cells where LEAN's rows have {len(names)}")
    if not (_is_since_midnight(cells[0]) if minute else _is_long_time(cells[0])):
        form = "milliseconds since midnight" if minute else "yyyyMMdd HH:mm"
        return Finding("unreadable_time", row, None, f"{cells[0]!r} is no time ({form})")
    for name, cell in zip(names[1:], cells[1:], strict=True):
        if cell and not _NUMBER.fullmatch(cell):
            return Finding("not_a_number", row, None, f"{name} {cell!r} is not a number")
    return None


def _is_since_midnight(cell: str) -> bool:
    return cell.isdecimal() and int(cell) < _DAY_MS


def _is_long_time(cell: str) -> bool:
    try:
        return _LONG_TIME.fullmatch(cell) is not None and bool(datetime.strptime(cell, LONG_TIME))  # noqa: DTZ007 - a wall clock's
    except ValueError:
        return False
