"""Memory by meaning: texts to vectors in a worker, vectors in the ledger, and the index that the host alone owns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import NullAlphaError
from nullalpha.memory.vectors import MINILM_IDENTITY, exact_search
from nullalpha.operations.lease import HomeLease
from nullalpha.operations.service import OperationRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from nullalpha.memory.stores import Stores
    from nullalpha.operations.service import Outcome

BATCH = 256


class LedgerRecollection:
    """Search over the ledger's own vectors, exactly; any process may do this while another owns the index."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def search(self, query: str, k: int) -> list[tuple[str, str, str, tuple[str, str], float]]:
        from nullalpha.memory.embedder import MiniLmEmbedder

        embedder = MiniLmEmbedder()
        memories, vectors = self._stores.memories.vectors(embedder.identity)
        if not memories:
            return []
        rows, similarities = exact_search(embedder.embed([query])[0], vectors, k)
        hits = zip(rows, similarities, strict=True)
        return [(m.kind, m.ref, m.text, m.window, round(float(s), 6)) for m, s in ((memories[int(row)], s) for row, s in hits)]


def remember(stores: Stores, artifacts: ArtifactStore, index_folder: Path, run: Callable[[list[OperationRequest]], list[Outcome]]) -> None:
    """Turn texts without vectors into vectors, and bring the index up to date. The caller holds the home's lease."""
    from nullalpha.engines.series import get_arrays

    waiting = stores.memories.without_vector(MINILM_IDENTITY)
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        identity = {"embedder": MINILM_IDENTITY, "texts": [memory.text for memory in batch]}
        outcome = run([OperationRequest("embed", identity, identity, {"texts": len(batch)})])[0]
        if outcome.result is None:
            raise NullAlphaError(f"memory could not be embedded: {(outcome.error or {}).get('message')}", path="remember")
        vectors = get_arrays(artifacts, outcome.result["vectors"])["vectors"]
        stores.memories.put_vectors(MINILM_IDENTITY, {m.id: v for m, v in zip(batch, vectors, strict=True)})
    update_index(stores, index_folder, MINILM_IDENTITY)


def update_index(stores: Stores, index_folder: Path, embedder: str, *, rebuild: bool = False) -> int:
    """Give the index what it lacks, or all of it when it is missing, torn or of another embedder; return how many it then holds."""
    from nullalpha.memory.chroma_index import ChromaIndex

    with ChromaIndex(index_folder, embedder) as index:
        if rebuild or index.needs_rebuild() is not None:
            memories, vectors = stores.memories.vectors(embedder)
            index.rebuild([m.id for m in memories], vectors, [{"kind": m.kind, "ref": m.ref} for m in memories])
        else:
            memories, vectors = stores.memories.vectors(embedder, only_unindexed=True)
            if memories:
                index.upsert([m.id for m in memories], vectors, [{"kind": m.kind, "ref": m.ref} for m in memories])
        stores.memories.mark_indexed([m.id for m in memories])
        return index.count()


def rebuild(home: Path, stores: Stores, index_folder: Path) -> int:
    """Make vectors and index again from the ledger's texts and return how many memories are indexed.

    Raises:
        RefusedError: if another process hosts this home, since the index has one owner at a time.
    """
    from nullalpha.memory.embedder import MiniLmEmbedder

    with HomeLease(home):
        embedder = MiniLmEmbedder()
        waiting = stores.memories.without_vector(embedder.identity)
        for start in range(0, len(waiting), BATCH):
            batch = waiting[start : start + BATCH]
            vectors = embedder.embed([memory.text for memory in batch])
            stores.memories.put_vectors(embedder.identity, {m.id: v for m, v in zip(batch, vectors, strict=True)})
        return update_index(stores, index_folder, embedder.identity, rebuild=True)
