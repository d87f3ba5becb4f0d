"""Exact search against a sort in full precision, and Chroma's answers against exact search."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.egress import close_egress
from nullalpha.core.errors import ArtifactError, UsageError
from nullalpha.memory.vectors import FloatArray, exact_search

close_egress()

from nullalpha.memory.chroma_index import ChromaIndex  # noqa: E402

EMBEDDER = "test@000000000000"


def unit_rows(n: int, seed: int, dimension: int = 384) -> FloatArray:
    rows = np.random.default_rng(seed).standard_normal((n, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def names(n: int) -> list[str]:
    return [f"e-{i:05d}" for i in range(n)]


def kinds(n: int) -> list[dict[str, str]]:
    return [{"kind": "lesson" if i % 10 == 0 else "experiment"} for i in range(n)]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ChromaIndex]:
    with ChromaIndex(tmp_path / "index", EMBEDDER) as opened:
        yield opened


@given(n=st.integers(0, 60), k=st.integers(1, 70), seed=st.integers(0, 2**31), copies=st.integers(0, 5))
def test_exact_search_equals_a_sort_in_full_precision(n: int, k: int, seed: int, copies: int) -> None:
    vectors = unit_rows(n, seed, dimension=8)
    if n:
        vectors = np.vstack([vectors, *[vectors[:1]] * copies])
    query = unit_rows(1, seed + 1, dimension=8)[0]
    rows, similarities = exact_search(query, vectors, k)
    full = vectors.astype(np.float64) @ query.astype(np.float64)
    expected = sorted(range(len(full)), key=lambda i: (-round(full[i], 12), i))[:k]
    assert rows.tolist() == expected
    np.testing.assert_allclose(similarities, full[expected], atol=1e-12)


def test_equal_vectors_tie_exactly_and_go_by_row() -> None:
    vectors = np.repeat(unit_rows(1, 3), 101, axis=0)
    rows, similarities = exact_search(unit_rows(1, 4)[0], vectors, 7)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert len(set(similarities.tolist())) == 1


@pytest.mark.parametrize(
    ("query", "vectors", "k"),
    [
        (unit_rows(1, 1)[0], unit_rows(3, 2), 0),
        (unit_rows(1, 1)[0] * 2, unit_rows(3, 2), 1),
        (np.full(384, np.nan, dtype=np.float32), unit_rows(3, 2), 1),
        (unit_rows(1, 1)[0], np.full((3, 384), np.nan, dtype=np.float32), 1),
        (unit_rows(1, 1)[0][:10], unit_rows(3, 2), 1),
    ],
    ids=["k 0", "not unit", "nan query", "nan stored", "other dimension"],
)
def test_exact_search_refuses_what_has_no_answer(query: FloatArray, vectors: FloatArray, k: int) -> None:
    with pytest.raises(UsageError):
        exact_search(query, vectors, k)


def test_chroma_gives_the_answers_of_exact_search_on_2000_random_vectors(index: ChromaIndex) -> None:
    vectors, ids = unit_rows(2000, 5), names(2000)
    index.rebuild(ids, vectors, kinds(2000))
    for query in unit_rows(40, 6):
        rows, similarities = exact_search(query, vectors, 10)
        assert index.query(query, 10) == [(ids[row], float(s)) for row, s in zip(rows, similarities, strict=True)]


def test_ties_in_the_index_go_by_id(index: ChromaIndex) -> None:
    same = np.repeat(unit_rows(1, 7), 20, axis=0)
    ids = names(20)
    index.rebuild(ids[::-1], same, kinds(20))
    assert [name for name, _ in index.query(same[0], 5)] == ids[:5]


def test_upsert_adds_and_replaces_and_may_be_repeated(index: ChromaIndex) -> None:
    vectors = unit_rows(30, 8)
    index.rebuild(names(10), vectors[:10], kinds(10))
    for _ in range(2):
        index.upsert(names(12)[8:], vectors[20:24], kinds(4))
    assert index.ids() == names(12)
    assert index.count() == 12
    assert index.query(vectors[20], 1)[0] == ("e-00008", pytest.approx(1.0, abs=1e-6))


def test_a_filter_keeps_only_records_with_that_field(index: ChromaIndex) -> None:
    vectors = unit_rows(100, 9)
    index.rebuild(names(100), vectors, kinds(100))
    found = index.query(vectors[5], 50, where={"kind": "lesson"})
    assert sorted(name for name, _ in found) == names(100)[::10]


def test_fewer_vectors_than_k_give_them_all_and_none_give_none(index: ChromaIndex) -> None:
    vectors = unit_rows(3, 10)
    index.rebuild([], vectors[:0], [])
    assert index.query(vectors[0], 5) == []
    index.upsert(names(3), vectors, kinds(3))
    assert len(index.query(vectors[0], 5)) == 3


def test_what_was_indexed_is_there_after_reopening(tmp_path: Path) -> None:
    vectors = unit_rows(50, 11)
    with ChromaIndex(tmp_path, EMBEDDER) as first:
        first.rebuild(names(50), vectors, kinds(50))
        before = first.query(vectors[3], 10)
    with ChromaIndex(tmp_path, EMBEDDER) as second:
        assert second.needs_rebuild() is None
        assert second.query(vectors[3], 10) == before


def test_a_missing_index_says_so_and_is_made(index: ChromaIndex) -> None:
    assert index.needs_rebuild() == "missing"
    with pytest.raises(ArtifactError, match="no memory index") as caught:
        index.count()
    assert "memory rebuild" in str(caught.value.suggestion)
    index.rebuild(names(5), unit_rows(5, 12), kinds(5))
    assert index.needs_rebuild() is None


def test_an_index_of_another_embedder_is_refused_until_rebuilt(tmp_path: Path) -> None:
    with ChromaIndex(tmp_path, EMBEDDER) as old:
        old.rebuild(names(5), unit_rows(5, 13), kinds(5))
    with ChromaIndex(tmp_path, "other@111111111111") as new:
        assert new.needs_rebuild() == "other_embedder"
        with pytest.raises(ArtifactError, match=r"made by test@000000000000"):
            new.query(unit_rows(1, 14)[0], 1)
        new.rebuild(names(4), unit_rows(4, 15), kinds(4))
        assert new.ids() == names(4)


def _truncate(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def _scramble(database: Path) -> None:
    database.write_bytes(np.random.default_rng(1).bytes(100_000))


def _damage_one_page(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(4096 * 60)
        file.write(np.random.default_rng(2).bytes(4096 * 30))


def _delete(database: Path) -> None:
    shutil.rmtree(database.parent)


def _empty(database: Path) -> None:
    database.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(_truncate, "torn"), (_scramble, "torn"), (_empty, "torn"), (_damage_one_page, "torn"), (_delete, "missing")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_damaged_folder_is_found_and_rebuilt(damage: object, reason: str, tmp_path: Path) -> None:
    vectors = unit_rows(200, 16)
    with ChromaIndex(tmp_path, EMBEDDER) as index:
        index.rebuild(names(200), vectors, kinds(200))
    assert callable(damage)
    damage(next(tmp_path.glob("g*/chroma.sqlite3")))
    with ChromaIndex(tmp_path, EMBEDDER) as index:
        assert index.needs_rebuild() == reason
        if damage is not _damage_one_page:  # what Chroma does not touch on the way, it does not notice
            with pytest.raises(ArtifactError):
                index.ids()
        index.rebuild(names(200), vectors, kinds(200))
        assert index.needs_rebuild() is None
        assert index.ids() == names(200)


def test_a_rebuild_that_was_cut_short_leaves_the_old_index(tmp_path: Path) -> None:
    vectors = unit_rows(20, 17)
    with ChromaIndex(tmp_path, EMBEDDER) as index:
        index.rebuild(names(20), vectors, kinds(20))
    (tmp_path / "g0002").mkdir()
    (tmp_path / "g0002" / "chroma.sqlite3").write_bytes(b"half written")
    with ChromaIndex(tmp_path, EMBEDDER) as index:
        assert index.ids() == names(20)
        index.rebuild(names(4), vectors[:4], kinds(4))
        assert index.ids() == names(4)
    assert [path.name for path in tmp_path.glob("g*")] == ["g0003"]


def test_a_marker_that_is_not_one_means_missing(index: ChromaIndex, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    for text in ("", "[]", "{}", json.dumps({"embedder": "a"}), "\x00"):
        (tmp_path / "index" / "index.json").write_text(text)
        assert index.needs_rebuild() == "missing"


@pytest.mark.parametrize(
    ("ids", "vectors", "records"),
    [
        (["a", "a"], unit_rows(2, 18), [{"kind": "x"}] * 2),
        (["a"], unit_rows(2, 18), [{"kind": "x"}] * 2),
        (["a", "b"], unit_rows(2, 18) * 3, [{"kind": "x"}] * 2),
        (["a", "b"], unit_rows(2, 18), [{"kind": "x"}, {}]),
    ],
    ids=["same id twice", "lengths", "not unit", "empty record"],
)
def test_bad_rows_are_refused_before_anything_is_written(
    ids: list[str], vectors: FloatArray, records: list[dict[str, str]], index: ChromaIndex
) -> None:
    with pytest.raises(UsageError):
        index.rebuild(ids, vectors, records)
    assert index.needs_rebuild() == "missing"


_GUARDED = """
import socket, sys
from pathlib import Path

connections = []

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        connections.append((event, str(arguments)))

sys.addaudithook(refuse)
import numpy as np
from nullalpha.core.egress import close_egress
close_egress()
from nullalpha.memory.chroma_index import ChromaIndex
from nullalpha.memory.embedder import MiniLmEmbedder
embedder = MiniLmEmbedder()
vectors = embedder.embed(["momentum", "reversal"])
with ChromaIndex(Path(sys.argv[1]), embedder.identity) as index:
    index.rebuild(["a", "b"], vectors, [{"kind": "lesson"}] * 2)
    assert index.query(vectors[1], 1)[0][0] == "b"
if sys.argv[2] == "control":
    socket.getaddrinfo("127.0.0.1", 9)
print(len(connections), connections)
"""


@pytest.mark.parametrize(("mode", "expected"), [("plain", "0 []"), ("control", "1 ")])
def test_embedding_indexing_and_searching_open_no_connection(mode: str, expected: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _GUARDED, str(tmp_path), mode], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(expected)
