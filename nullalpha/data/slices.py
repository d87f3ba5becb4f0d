"""Bars as bytes: one deterministic file form for content hashes and for what a worker process is given.

The form is safetensors (8 bytes of header length, a JSON header, little-endian arrays) written with sorted keys and fixed
alignment, so equal bars are equal bytes on every machine. Spread, factor and sessions are there only where the bars have them.
Needs numpy alone, because worker processes import it.

Source: the safetensors format, https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import ArtifactError
from nullalpha.core.fingerprint import canonical_json
from nullalpha.data.bars import Bars, FloatArray, SessionTable, TimeArray

FORMAT = "nullalpha-bars-1"
SLICE_NAME = "bars.safetensors"
PRICE_COLUMNS = ("open", "high", "low", "close", "volume")
OPTIONAL_COLUMNS = ("factor", "spread")
SESSION_COLUMNS = ("session_close", "session_open")
_ALIGNMENT = 8

Buffer = np.ndarray[tuple[int], np.dtype[Any]]


def encode_bars(bars: Bars, facts: Mapping[str, str] | None = None) -> bytes:
    """Return the canonical bytes of bars.

    Args:
        bars: any number of bars.
        facts: further text to store in the header, and so in the hash.
    """
    return b"".join(_pieces(bars, facts))


def hash_bars(bars: Bars, facts: Mapping[str, str] | None = None) -> str:
    """Return the SHA-256 of `encode_bars(bars, facts)` as 64 hex digits, without making the bytes one piece."""
    digest = hashlib.sha256()
    for piece in _pieces(bars, facts):
        digest.update(piece)
    return digest.hexdigest()


def decode_bars(data: bytes) -> Bars:
    """Return the bars that `encode_bars` made bytes of.

    Raises:
        ArtifactError: if the bytes are not such a file.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        facts = header["__metadata__"]
        if facts["format"] != FORMAT:
            raise ArtifactError(f"bars in form {facts['format']!r}, expected {FORMAT!r}", value=facts["format"])
        body = memoryview(data)[8 + size :]
        prices = {name: _column(body, header[name], "<f8").astype(np.float64) for name in PRICE_COLUMNS}
        extra = {name: _column(body, header[name], "<f8").astype(np.float64) for name in OPTIONAL_COLUMNS if name in header}
        sessions = None
        if SESSION_COLUMNS[0] in header:
            closes, opens = (_times(body, header[name]) for name in SESSION_COLUMNS)
            sessions = SessionTable(opens, closes)
        return Bars(facts["instrument"], facts["timeframe"], _times(body, header["time"]), **prices, **extra, sessions=sessions)
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError("these bytes are no bars", value=error, suggestion="the run that made them computes them again") from error


def write_slice(artifacts: ArtifactStore, bars: Bars) -> str:
    """Store bars as an artifact and return its SHA-256; the same bars always have the same one."""
    return artifacts.put(SLICE_NAME, encode_bars(bars))


def read_slice(artifacts: ArtifactStore, sha256: str) -> Bars:
    """Return the bars of a stored slice, verified against its hash.

    Raises:
        ArtifactError: if it is missing, torn, or holds no bars.
    """
    return decode_bars(artifacts.get(sha256))


def _pieces(bars: Bars, facts: Mapping[str, str] | None) -> Iterator[bytes | memoryview]:
    columns = _columns(bars)
    header: dict[str, object] = {
        "__metadata__": {"format": FORMAT, "instrument": bars.instrument, "timeframe": bars.timeframe, **(facts or {})}
    }
    start = 0
    for name, column in columns:
        kind = "I64" if column.dtype.kind == "i" else "F64"
        header[name] = {"dtype": kind, "shape": [len(column)], "data_offsets": [start, start + column.nbytes]}
        start += column.nbytes
    text = canonical_json(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for _, column in columns:
        yield column.data.cast("B") if len(column) else b""


def _columns(bars: Bars) -> list[tuple[str, Buffer]]:
    """Return the bars' columns in the order of their names."""
    columns = {name: _canonical_floats(getattr(bars, name)) for name in PRICE_COLUMNS}
    columns.update({name: _canonical_floats(getattr(bars, name)) for name in OPTIONAL_COLUMNS if getattr(bars, name) is not None})
    columns["time"] = _integers(bars.time)
    if bars.sessions is not None:
        columns.update(zip(SESSION_COLUMNS, map(_integers, (bars.sessions.close, bars.sessions.open)), strict=True))
    return sorted(columns.items())


def _integers(times: TimeArray) -> Buffer:
    return np.ascontiguousarray(times.astype("datetime64[ns]").astype("<i8"))


def _canonical_floats(values: FloatArray) -> Buffer:
    plain = np.asarray(values, dtype="<f8") + 0.0  # -0.0 becomes 0.0
    odd = np.isnan(plain)
    if odd.any():
        plain[odd] = np.nan  # one bit pattern for NaN
    return np.ascontiguousarray(plain)


def _times(body: memoryview, entry: dict[str, Any]) -> TimeArray:
    return _column(body, entry, "<i8").astype(np.int64).view("datetime64[ns]")


def _column(body: memoryview, entry: dict[str, Any], dtype: str) -> Buffer:
    start, stop = entry["data_offsets"]
    column = np.frombuffer(body[start:stop], dtype=dtype)
    if column.shape != tuple(entry["shape"]):
        raise ValueError(f"{column.shape[0]} values where the header says {entry['shape']}")
    return column
