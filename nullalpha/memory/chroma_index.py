"""The retrieval index over experiments and lessons: Chroma, embedded, derived from the ledger and always made again from it.

Not a store: every vector also lies in the ledger. Chroma is neither crash-safe nor process-safe, so ONE process owns a folder; the caller
holds the home's lock for as long as a `ChromaIndex` on it is open. It never embeds anything itself (its default embedder downloads).
`rebuild` fills a fresh folder and then switches to it by renaming one marker file, so a crash leaves the old index or the new one.
Importing this module imports chromadb (0.9 s): only who queries the index does.

Layout: `<folder>/index.json` names the embedder and the current generation, `<folder>/<generation>/` holds Chroma's files.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import chromadb
import numpy as np
from chromadb.config import Settings
from chromadb.errors import ChromaError

from nullalpha.core.artifacts import write_durably
from nullalpha.core.errors import ArtifactError, UsageError
from nullalpha.memory.vectors import FloatArray, exact_search, require_unit

RebuildReason = Literal["missing", "other_embedder", "torn"]
Metadata = Mapping[str, str | int | float | bool]

_COLLECTION = "memory"
_MARKER = "index.json"
_FIX = "run `nullalpha memory rebuild`; nothing is lost, the ledger has every vector"
# Inner product of unit vectors is their cosine; the `cosine` space would store them normalised again, a rounding away from the ledger's.
# Exact for k <= 10 on 2,000 random vectors of 384, recall 0.99 on 10,000 (texts cluster and are easier). A sync threshold that is never
# reached keeps the graph in memory and the vectors in Chroma's log, which survived what half-written graph files did not.
_HNSW = {"space": "ip", "ef_search": 400, "ef_construction": 200, "max_neighbors": 32, "sync_threshold": 1_000_000}
_MIN_CANDIDATES = 64


@dataclass(frozen=True)
class _Marker:
    embedder: str
    generation: str


class ChromaIndex:
    """Unit vectors by id in a folder; use as a context manager or call `close`.

    Args:
        folder: where the index lies; made by `rebuild`.
        embedder_identity: which embedder made the vectors (`MiniLmEmbedder.identity`).
    """

    def __init__(self, folder: Path, embedder_identity: str) -> None:
        self._folder = folder
        self._embedder = embedder_identity
        self._client: Any = None
        self._collection: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of Chroma's files; the index may be used again afterwards."""
        if self._client is not None:
            self._client.close()
        self._client = self._collection = None

    def needs_rebuild(self) -> RebuildReason | None:
        """Return why the index cannot be used as it is, or None.

        Reads the whole database file once (50 ms at 10,000 vectors): for the owner, at its start. Whether the index is complete is for the
        caller to say: compare `ids` with the ledger's.
        """
        marker = _read_marker(self._folder)
        if marker is None or not (self._folder / marker.generation).is_dir():
            return "missing"
        if marker.embedder != self._embedder:
            return "other_embedder"
        if not _is_sound(self._folder / marker.generation / "chroma.sqlite3"):
            return "torn"
        try:
            self.count()
        except ArtifactError:
            return "torn"
        return None

    def rebuild(self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Metadata]) -> None:
        """Make the index again from what the ledger holds, whatever state it is in; what it held before is gone.

        Args:
            ids: n distinct ids.
            vectors: (n, 384) unit vectors.
            metadatas: n flat records to filter by; no record may be empty.
        Raises:
            UsageError: if lengths differ, an id is there twice, a vector is not of unit length, or a record is empty.
            StorageFullError: if the disk is full.
        """
        _check_rows(ids, vectors, metadatas)
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        generation = _next_generation(self._folder)
        self._client = _open_client(self._folder / generation)
        with _torn_as_artifact_error(self._folder):
            self._collection = self._client.create_collection(_COLLECTION, configuration={"hnsw": _HNSW}, embedding_function=None)
            self._write(ids, vectors, metadatas)
        marker = _Marker(self._embedder, generation)
        write_durably(self._folder / _MARKER, json.dumps(asdict(marker)).encode())
        for other in self._folder.glob("g[0-9]*"):
            if other.name != generation:
                shutil.rmtree(other)

    def upsert(self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Metadata]) -> None:
        """Add vectors, or replace those whose id is there; doing it twice changes nothing.

        Args, errors: as `rebuild`; besides
        Raises:
            ArtifactError: if the index needs a rebuild.
        """
        _check_rows(ids, vectors, metadatas)
        self._open()
        with _torn_as_artifact_error(self._folder):
            self._write(ids, vectors, metadatas)

    def query(self, vector: FloatArray, k: int, where: Mapping[str, str] | None = None) -> list[tuple[str, float]]:
        """Return the k nearest ids with their cosine similarities, best first, ties by id.

        Chroma proposes candidates; the scores are `exact_search`'s over them, so both paths give the same figures.

        Args:
            vector: (384,) unit vector.
            k: how many, >= 1.
            where: metadata fields that must equal these values.
        Raises:
            ArtifactError: if the index needs a rebuild.
            UsageError: if k < 1 or the vector is not of unit length.
        """
        self._open()
        if k < 1:
            raise UsageError(f"k must be at least 1, not {k}", path="k", value=k)
        require_unit(vector[None, :], path="vector")
        with _torn_as_artifact_error(self._folder):
            found = self._collection.query(
                query_embeddings=vector[None, :],
                n_results=max(4 * k, _MIN_CANDIDATES),
                where=_as_filter(where),
                include=["embeddings"],
            )
        names: list[str] = found["ids"][0]
        if not names:
            return []
        by_id = sorted(range(len(names)), key=names.__getitem__)
        candidates = np.asarray(found["embeddings"][0], dtype=np.float32)[by_id]  # (m, 384)
        try:
            require_unit(candidates, path="index")
        except UsageError as error:
            raise ArtifactError(f"the memory index in {self._folder} holds a damaged vector", suggestion=_FIX) from error
        rows, similarities = exact_search(vector, candidates, k)
        return [(names[by_id[row]], float(similarity)) for row, similarity in zip(rows, similarities, strict=True)]

    def count(self) -> int:
        """Return how many vectors are indexed.

        Raises:
            ArtifactError: if the index needs a rebuild.
        """
        self._open()
        with _torn_as_artifact_error(self._folder):
            return int(self._collection.count())

    def ids(self) -> list[str]:
        """Return every indexed id, sorted, to be compared with the ledger's.

        Raises:
            ArtifactError: if the index needs a rebuild.
        """
        self._open()
        with _torn_as_artifact_error(self._folder):
            return sorted(self._collection.get(include=[])["ids"])

    def _open(self) -> None:
        if self._collection is not None:
            return
        marker = _read_marker(self._folder)
        if marker is None or not (self._folder / marker.generation).is_dir():
            raise ArtifactError(f"there is no memory index in {self._folder}", path=str(self._folder), suggestion=_FIX)
        if marker.embedder != self._embedder:
            raise ArtifactError(
                f"the memory index in {self._folder} was made by {marker.embedder}, not by {self._embedder}",
                path=str(self._folder),
                value=marker.embedder,
                suggestion=_FIX,
            )
        with _torn_as_artifact_error(self._folder):
            self._client = _open_client(self._folder / marker.generation)
            self._collection = self._client.get_collection(_COLLECTION, embedding_function=None)

    def _write(self, ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Metadata]) -> None:
        step = int(self._client.get_max_batch_size())
        for start in range(0, len(ids), step):
            rows = slice(start, start + step)
            self._collection.upsert(ids=list(ids[rows]), embeddings=vectors[rows], metadatas=[dict(m) for m in metadatas[rows]])


def _open_client(folder: Path) -> Any:
    try:
        return chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))
    except (ValueError, AttributeError) as error:  # Chroma 1.5.9 keeps a half-made system after a failed open and trips over it at the next
        raise ArtifactError(f"the memory index in {folder} cannot be opened", path=str(folder), suggestion=_FIX) from error


def _is_sound(database: Path) -> bool:
    """Return whether SQLite finds no damage in a file."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _as_filter(where: Mapping[str, str] | None) -> dict[str, Any] | None:
    if not where:
        return None
    terms = [{key: {"$eq": value}} for key, value in where.items()]
    return terms[0] if len(terms) == 1 else {"$and": terms}


@contextmanager
def _torn_as_artifact_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except ChromaError as error:
        raise ArtifactError(f"the memory index in {folder} is torn: {str(error)[:120]}", path=str(folder), suggestion=_FIX) from error


def _read_marker(folder: Path) -> _Marker | None:
    """Return what the marker file says; None when it is missing or says nothing usable."""
    try:
        return _Marker(**json.loads((folder / _MARKER).read_bytes()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def _next_generation(folder: Path) -> str:
    used = [int(path.name[1:]) for path in folder.glob("g[0-9]*") if path.name[1:].isdigit()]
    return f"g{max(used, default=0) + 1:04d}"


def _check_rows(ids: Sequence[str], vectors: FloatArray, metadatas: Sequence[Metadata]) -> None:
    if not len(ids) == len(vectors) == len(metadatas):
        raise UsageError(f"{len(ids)} ids, {len(vectors)} vectors and {len(metadatas)} records do not match", path="ids")
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if list(ids).count(name) > 1)
        raise UsageError(f"id {twice!r} is there twice", path="ids", value=twice)
    if not all(metadatas):
        raise UsageError("a record is empty; give it at least its kind", path="metadatas")
    require_unit(vectors, path="vectors")
