"""Columns kept by the hash of what they were computed from, so that a population of strategies shares them. Bounded; safe across processes.

A key (see `node_keys`) names all that decides the values, the code included; so nothing kept goes stale, and what was used longest ago is
what is removed first. Long columns are files, shared by processes; short ones, which are computed sooner than a file is
read, are kept by the process. Losing a file costs time and nothing else: a torn or foreign file is a miss.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from nullalpha.core.errors import HomeError, StorageFullError
from nullalpha.data.bars import FloatArray

DISK_ROWS = 50_000
MEMORY_BYTES = 64 * 2**20
_MAGIC = b"NAFEAT01"
_HEADER = len(_MAGIC) + 8 + 32  # magic, number of rows, SHA-256 of the rows
_SUFFIX = ".column"
_PART = ".part"
_LOCK = ".lock"


class FeatureCache:
    """Columns by key: short ones in this process, long ones in files under one folder, which many processes may use at once.

    Args:
        root: folder of the files; made when it is first needed.
        limit_bytes: most bytes that files may take; beyond it the least recently used are removed.
        memory_bytes: most bytes that columns kept by this process may take.
        disk_rows: rows from which a column is a file.
    """

    def __init__(self, root: Path, limit_bytes: int, *, memory_bytes: int = MEMORY_BYTES, disk_rows: int = DISK_ROWS) -> None:
        self._root = root
        self._limit = limit_bytes
        self._memory_limit = memory_bytes
        self._disk_rows = disk_rows
        self._memory: OrderedDict[str, FloatArray] = OrderedDict()
        self._held = 0
        self._alone = threading.Lock()

    def get(self, key: str) -> FloatArray | None:
        """Return the column kept under a key, read-only, or None.

        Raises:
            HomeError: if the folder cannot be used.
        """
        with self._alone:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        with _usable(self._root):
            return self._read(self._path(key))

    def put(self, key: str, values: FloatArray) -> None:
        """Keep a column under a key.

        Raises:
            HomeError: if the folder cannot be used.
            StorageFullError: if there is no space left.
        """
        if len(values) < self._disk_rows:
            self._remember(key, values)
        elif values.nbytes + _HEADER <= self._limit:
            with _usable(self._root):
                self._write(self._path(key), values)
                self._evict()

    def _remember(self, key: str, values: FloatArray) -> None:
        if values.nbytes > self._memory_limit:
            return
        kept = values.copy()
        kept.setflags(write=False)
        with self._alone:
            self._held += kept.nbytes - (self._memory[key].nbytes if key in self._memory else 0)
            self._memory[key] = kept
            self._memory.move_to_end(key)
            while self._held > self._memory_limit:
                self._held -= self._memory.popitem(last=False)[1].nbytes

    def _path(self, key: str) -> Path:
        return self._root / f"{key}{_SUFFIX}"

    def _read(self, path: Path) -> FloatArray | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        values = _unpacked(data)
        with suppress(FileNotFoundError):  # removed by another process meanwhile
            if values is None:
                path.unlink()
            else:
                os.utime(path)  # used: removed later than others
        return values

    def _write(self, path: Path, values: FloatArray) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}.{os.getpid()}.{threading.get_ident()}{_PART}")
        try:
            part.write_bytes(_packed(values))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        with suppress(FileNotFoundError):  # another process made room by it
            part.replace(path)

    def _evict(self) -> None:
        """Remove the least recently used files until the rest fits; one process at a time."""
        with (self._root / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            files = sorted(_files(self._root), key=lambda file: file[1])
            total = sum(size for _, _, size in files)
            for path, _, size in files:
                if total <= self._limit:
                    return
                path.unlink(missing_ok=True)
                total -= size


def _packed(values: FloatArray) -> bytes:
    rows = np.ascontiguousarray(values, dtype="<f8").tobytes()
    return b"".join([_MAGIC, len(values).to_bytes(8, "little"), hashlib.sha256(rows).digest(), rows])


def _unpacked(data: bytes) -> FloatArray | None:
    """Return the rows of a file, or None if it is torn or something else."""
    rows = memoryview(data)[_HEADER:]
    whole = data[: len(_MAGIC)] == _MAGIC and len(rows) == 8 * int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 8], "little")
    if not whole or hashlib.sha256(rows).digest() != data[_HEADER - 32 : _HEADER]:
        return None
    return np.frombuffer(rows, dtype="<f8")


def _files(root: Path) -> Iterator[tuple[Path, int, int]]:
    """Yield path, time of last use in nanoseconds and bytes of each file; those that vanish meanwhile are left out."""
    for path in root.iterdir():
        if path.suffix in (_SUFFIX, _PART):
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue
            yield path, facts.st_mtime_ns, facts.st_size


@contextmanager
def _usable(root: Path) -> Iterator[None]:
    """Turn the system's complaints about a folder into typed errors."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(f"no space left in {root}", path=str(root)) from error
        raise HomeError(
            f"cannot use {root} for features: {error.strerror}", path=str(root), suggestion="make the folder writable, or remove it"
        ) from error
