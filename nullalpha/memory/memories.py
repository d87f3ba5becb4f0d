"""What the lab remembers, as texts with vectors: experiments and lessons. The ledger's rows are the truth; Chroma is made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, update

from nullalpha.memory.ledger import Ledger, now_text
from nullalpha.memory.rows import batches, insert_once
from nullalpha.memory.tables import memories


@dataclass(frozen=True)
class Memory:
    """One remembered text; `ref` is the experiment or lesson it is about, `window` the data that it rests on."""

    id: str
    kind: str
    ref: str
    text: str
    window: tuple[str, str]


@dataclass(frozen=True)
class Hit:
    memory: Memory
    similarity: float


class MemoryStore:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, found: Sequence[Memory]) -> None:
        """Record texts, each once; their vectors follow."""
        with self._ledger.write() as connection:
            for memory in found:
                row = {
                    "id": memory.id,
                    "kind": memory.kind,
                    "ref": memory.ref,
                    "text": memory.text,
                    "window_start": memory.window[0],
                    "window_end": memory.window[1],
                    "created": now_text(),
                    "indexed": 0,
                }
                insert_once(connection, memories, row)

    def without_vector(self, embedder: str) -> list[Memory]:
        """Return texts that this embedder has not turned into vectors yet, oldest first."""
        query = select(memories).where((memories.c.embedder.is_(None)) | (memories.c.embedder != embedder))
        return self._memories(query.order_by(memories.c.created, memories.c.id))

    def put_vectors(self, embedder: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Store unit vectors (384,) float32 by memory id; the index has them to take."""
        with self._ledger.write() as connection:
            for memory_id, vector in vectors.items():
                connection.execute(
                    update(memories)
                    .where(memories.c.id == memory_id)
                    .values(embedder=embedder, vector=np.asarray(vector, "<f4").tobytes(), indexed=0)
                )

    def vectors(self, embedder: str, *, only_unindexed: bool = False) -> tuple[list[Memory], NDArray[np.float32]]:
        """Return memories and their vectors (n, 384), ordered by id."""
        query = select(memories).where(memories.c.embedder == embedder, memories.c.vector.is_not(None)).order_by(memories.c.id)
        if only_unindexed:
            query = query.where(memories.c.indexed == 0)
        with self._ledger.read() as connection:
            rows = connection.execute(query).mappings().all()
        found = [Memory(r["id"], r["kind"], r["ref"], r["text"], (r["window_start"], r["window_end"])) for r in rows]
        if not rows:
            return [], np.zeros((0, 0), np.float32)
        return found, np.stack([np.frombuffer(r["vector"], "<f4") for r in rows]).astype(np.float32)

    def mark_indexed(self, ids: Sequence[str]) -> None:
        """Note that the index holds these; called after it took them, so that a crash between makes it take them again."""
        with self._ledger.write() as connection:
            for batch in batches(ids):
                connection.execute(update(memories).where(memories.c.id.in_(batch)).values(indexed=1))

    def count(self) -> int:
        return len(self._memories(select(memories)))

    def _memories(self, query: object) -> list[Memory]:
        with self._ledger.read() as connection:
            rows = connection.execute(query).mappings().all()  # type: ignore[call-overload]
        return [Memory(r["id"], r["kind"], r["ref"], r["text"], (r["window_start"], r["window_end"])) for r in rows]
