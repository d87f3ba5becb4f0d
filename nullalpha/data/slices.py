"""Bars as bytes: one deterministic file form for content hashes and for what a worker process is given.

The form is safetensors (8 bytes of header length, a JSON header, little-endian arrays) written with sorted keys and fixed
alignment, so equal bars are equal bytes on every machine. Needs numpy alone, because worker processes import it.

Source: the safetensors format, https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import ArtifactError
from nullalpha.core.fingerprint import canonical_json
from nullalpha.data.bars import Bars, FloatArray, TimeArray

FORMAT = "nullalpha-bars-1"
SLICE_NAME = "bars.safetensors"
PRICE_COLUMNS = ("open", "high", "low", "close", "volume")
_ALIGNMENT = 8


def encode_bars(bars: Bars, facts: Mapping[str, str] | None = None) -> bytes:
    """Return the canonical bytes of bars.

    Args:
        bars: any number of bars.
        facts: further text to store in the header, and so in the hash.
    """
    count = len(bars)
    columns = {name: _canonical_floats(getattr(bars, name)).tobytes() for name in PRICE_COLUMNS}
    columns["time"] = bars.time.astype("datetime64[ns]").astype("<i8").tobytes()
    header: dict[str, object] = {
        "__metadata__": {"format": FORMAT, "instrument": bars.instrument, "timeframe": bars.timeframe, **(facts or {})}
    }
    start = 0
    for name, data in sorted(columns.items()):
        kind = "I64" if name == "time" else "F64"
        header[name] = {"dtype": kind, "shape": [count], "data_offsets": [start, start + len(data)]}
        start += len(data)
    text = canonical_json(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text + b"".join(data for _, data in sorted(columns.items()))


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
        time: TimeArray = _column(body, header["time"], "<i8").astype(np.int64).view("datetime64[ns]")
        return Bars(facts["instrument"], facts["timeframe"], time, **prices)
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


def _canonical_floats(values: FloatArray) -> FloatArray:
    plain = np.asarray(values, dtype="<f8") + 0.0  # -0.0 becomes 0.0
    return np.where(np.isnan(plain), np.nan, plain).astype("<f8")  # one bit pattern for NaN


def _column(body: memoryview, entry: dict[str, Any], dtype: str) -> np.ndarray[tuple[int], np.dtype[Any]]:
    start, stop = entry["data_offsets"]
    column = np.frombuffer(body[start:stop], dtype=dtype)
    if column.shape != tuple(entry["shape"]):
        raise ValueError(f"{column.shape[0]} values where the header says {entry['shape']}")
    return column
