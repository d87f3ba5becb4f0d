"""Artifacts: whole or absent, verified on every read, stored once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.artifacts import ArtifactStore, write_durably
from nullalpha.core.errors import ArtifactError
from nullalpha.core.fingerprint import sha256_hex
from tests.support.tiny_disk import can_mount, on_tiny_disk
from tests.support.waiting import wait_until

CONTENT = bytes(range(256)) * 4


def files_under(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_what_was_put_is_got_by_its_hash(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put("a.npz", CONTENT)
    assert digest == sha256_hex(CONTENT)
    assert store.get(digest) == CONTENT
    assert files_under(tmp_path) == [f"{digest}/a.npz"]


def test_the_same_content_is_stored_once_and_not_written_again(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put("a.npz", CONTENT)
    first = store.path(digest).stat()
    assert store.put("a.npz", CONTENT) == digest
    assert store.path(digest).stat().st_mtime_ns == first.st_mtime_ns
    assert store.path(digest).stat().st_ino == first.st_ino


def test_a_cut_file_is_written_again_by_the_next_put(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put("a.npz", CONTENT)
    store.path(digest).write_bytes(CONTENT[:100])
    store.put("a.npz", CONTENT)
    assert store.get(digest) == CONTENT


@given(place=st.integers(0, len(CONTENT) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_detected(tmp_path_factory: pytest.TempPathFactory, place: int, flip: int) -> None:
    store = ArtifactStore(tmp_path_factory.mktemp("artifacts"))
    digest = store.put("a.npz", CONTENT)
    changed = bytearray(CONTENT)
    changed[place] ^= flip
    store.path(digest).write_bytes(bytes(changed))
    with pytest.raises(ArtifactError, match="is corrupt"):
        store.get(digest)


@pytest.mark.parametrize("length", [0, 1, 512, len(CONTENT) - 1])
def test_any_cut_is_detected(tmp_path: Path, length: int) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put("a.npz", CONTENT)
    store.path(digest).write_bytes(CONTENT[:length])
    with pytest.raises(ArtifactError, match="is corrupt"):
        store.get(digest)


def test_a_missing_artifact_and_an_empty_folder_are_both_missing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    (tmp_path / ("1" * 64)).mkdir()
    for digest in ("0" * 64, "1" * 64):
        with pytest.raises(ArtifactError, match="is missing"):
            store.get(digest)


def test_a_temporary_file_left_by_a_kill_is_no_artifact(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = sha256_hex(CONTENT)
    (tmp_path / digest).mkdir()
    (tmp_path / digest / ".a.npz.1a2b3c4d").write_bytes(CONTENT[:10])
    with pytest.raises(ArtifactError, match="is missing"):
        store.get(digest)
    assert store.get(store.put("a.npz", CONTENT)) == CONTENT


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The file size limit of the operating system stops the write in its middle."""
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    program = (
        "import resource, sys\nfrom pathlib import Path\nfrom nullalpha.core.artifacts import write_durably\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_durably(Path(sys.argv[1]), b'n' * 5000)\nexcept OSError as error:\n    print(error.errno)"
    )
    printed = subprocess.run([sys.executable, "-c", program, str(target)], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "27"  # EFBIG: it did fail in the middle
    assert files_under(tmp_path) == ["report.html"]
    assert target.read_bytes() == b"old"


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    write_durably(target, b"one")
    write_durably(target, b"two, longer")
    assert target.read_bytes() == b"two, longer"
    assert files_under(tmp_path) == ["new/report.html"]


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk needs user namespaces")
def test_a_full_disk_is_a_typed_error_that_leaves_nothing_half_written(tmp_path: Path) -> None:
    seen = on_tiny_disk("artifacts", tmp_path / "disk")
    assert seen["error"]["code"] == "storage_full"
    assert seen["missing"] == "artifact"
    assert seen["files"] == ["a.bin", "c.bin"]
    assert seen["kept"]
    assert seen["later"]


def test_two_processes_that_put_the_same_content_at_once_store_it_once(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom nullalpha.core.artifacts import ArtifactStore\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "print([ArtifactStore(Path(sys.argv[1])).put('a.bin', bytes([n]) * 50_000) for n in range(40)])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = [process.communicate("go\n", timeout=30)[0] for process in both]
    assert answers[0] == answers[1]
    store = ArtifactStore(tmp_path)
    digests = [sha256_hex(bytes([n]) * 50_000) for n in range(40)]
    assert files_under(tmp_path) == sorted(f"{digest}/a.bin" for digest in digests)
    assert [store.get(digest)[0] for digest in digests] == list(range(40))


def test_a_writer_killed_at_any_moment_leaves_whole_artifacts_only(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom nullalpha.core.artifacts import ArtifactStore\n"
        "store, number = ArtifactStore(Path(sys.argv[1])), 0\n"
        "while True:\n    number += 1\n    print(store.put('a.bin', number.to_bytes(4, 'big') * 500_000), flush=True)"
    )
    store, acknowledged = ArtifactStore(tmp_path), []
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            acknowledged.append(process.stdout.readline().strip())
            begun = len(list(tmp_path.iterdir()))
            wait_until(lambda begun=begun: len(list(tmp_path.iterdir())) > begun, "the next artifact is begun")
            os.kill(process.pid, signal.SIGKILL)
    whole = [path for path in tmp_path.rglob("*.bin") if not path.name.startswith(".")]
    assert len(whole) >= 1
    assert all(sha256_hex(path.read_bytes()) == path.parent.name for path in whole)
    assert all(store.get(digest) for digest in acknowledged)
