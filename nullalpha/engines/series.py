"""Named arrays as bytes and back: npz without pickle, the same bytes for the same arrays."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import ArtifactError

Arrays = dict[str, NDArray[Any]]


def put_arrays(artifacts: ArtifactStore, name: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Store arrays under one name and return their SHA-256."""
    buffer = io.BytesIO()
    plain = {key: array.astype("datetime64[D]").astype(np.int64) if array.dtype.kind == "M" else array for key, array in arrays.items()}
    np.savez(buffer, allow_pickle=False, **dict(sorted(plain.items())))
    return artifacts.put(f"{name}.npz", buffer.getvalue())


def get_arrays(artifacts: ArtifactStore, sha256: str) -> Arrays:
    """Return stored arrays, verified; dates come back as days since 1970 (see `as_dates`).

    Raises:
        ArtifactError: if they are missing, torn, or no arrays.
    """
    try:
        with np.load(io.BytesIO(artifacts.get(sha256)), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (ValueError, OSError) as error:
        raise ArtifactError(f"artifact {sha256[:12]} holds no arrays", value=sha256) from error


def as_dates(days: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Return stored days as datetime64[D]."""
    return days.astype("datetime64[D]")
