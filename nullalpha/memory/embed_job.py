"""Embedding as a worker's job: texts in, unit vectors out as an artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import ArtifactError
from nullalpha.engines.series import put_arrays
from nullalpha.memory.embedder import MiniLmEmbedder


def embed(payload: Mapping[str, Any], artifacts: ArtifactStore, _progress: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Payload: embedder (its identity), texts. Returns: vectors, the hash of (n, 384) float32 rows.

    Raises:
        ArtifactError: if another embedder was asked for than this worker has.
    """
    embedder = MiniLmEmbedder()
    if payload["embedder"] != embedder.identity:
        raise ArtifactError(f"this worker embeds with {embedder.identity}, not {payload['embedder']}", value=payload["embedder"])
    return {"vectors": put_arrays(artifacts, "vectors", {"vectors": embedder.embed(payload["texts"])})}
