"""Columns of text as Arrow holds them, so that a million cells are read by one call."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def text_of(column: pd.Series) -> pa.Array | None:
    """Return a column's cells as text, missing ones as `""`; None if a cell is anything but text."""
    try:
        cells = pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return None
    return cells.fill_null("") if cells.null_count else cells


def trimmed(text: pa.Array) -> pa.Array:
    """Return text without white space around it."""
    return pc.utf8_trim_whitespace(text)
