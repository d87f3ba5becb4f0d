"""Exact nearest neighbours over unit vectors, in numpy: the reference that every index must equal, and fast enough below 20,000 vectors.

No approximate structure and no files. A score depends on the two vectors alone, never on how many others are searched or in which order
they lie, so equal vectors tie exactly and every path to an answer gives the same one.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.errors import UsageError

FloatArray = NDArray[np.float32]

_ROUNDING = 1e-5  # more than float32 dot products of unit vectors can differ by between two orders of summation
_UNIT_TOLERANCE = 1e-3


MINILM_IDENTITY = "all-MiniLM-L6-v2@53aa51172d14"
"""`MiniLmEmbedder.identity`, for those who ask for its vectors without loading it."""


class VectorIndex(Protocol):
    """Nearest stored ids to a vector; best first, ties by id."""

    def query(self, vector: FloatArray, k: int) -> list[tuple[str, float]]:
        """Return at most k (id, cosine similarity in [-1, 1]) pairs."""
        ...


def exact_search(query: FloatArray, vectors: FloatArray, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the k rows nearest to a query, best first; ties go to the lower row, so keep rows in id order.

    Args:
        query: (d,) unit vector.
        vectors: (n, d) unit vectors, one a row.
        k: how many to return, >= 1; all n when fewer are stored.
    Returns:
        (m,) row indices and (m,) cosine similarities in [-1, 1], m = min(k, n).
    Raises:
        UsageError: if k < 1, shapes do not match, or a vector is not finite or not of unit length.
    """
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}", path="k", value=k)
    if query.ndim != 1 or vectors.ndim != 2 or vectors.shape[1] != query.shape[0]:
        raise UsageError(f"a query of shape {query.shape} does not fit vectors of shape {vectors.shape}", path="query")
    require_unit(query[None, :], path="query")
    rough = vectors @ query  # (n,)
    if not np.isfinite(rough).all():
        raise UsageError("a stored vector is not finite", path="vectors", suggestion="run `nullalpha memory rebuild`")
    if len(rough) > k:
        kth = np.partition(rough, len(rough) - k)[len(rough) - k]
        candidates = np.flatnonzero(rough >= kth - _ROUNDING)
    else:
        candidates = np.arange(len(rough))
    scores = (vectors[candidates].astype(np.float64) * query.astype(np.float64)).sum(axis=1)  # row by row: free of position
    order = np.lexsort((candidates, -scores))[:k]
    return candidates[order].astype(np.int64), np.clip(scores[order], -1.0, 1.0)


def require_unit(vectors: FloatArray, *, path: str) -> None:
    """Check that every row has length 1.

    Args:
        vectors: (n, d).
        path: what to call the argument in the error.
    Raises:
        UsageError: naming the first row that is not finite or not of unit length.
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE))
    if wrong.size:
        row = int(wrong[0])
        raise UsageError(
            f"vector {row} of {path} has length {lengths[row]:.4g}, not 1",
            path=f"{path}[{row}]",
            value=float(lengths[row]),
            suggestion="pass vectors as MiniLmEmbedder.embed returns them",
        )
