"""Content-addressed files: `artifacts/<sha256>/<name>`.

Written to a temporary name, fsynced, renamed, and the folder fsynced; verified against the hash on every read.
Arrays are parquet, npz without pickle, or safetensors; never pickle.
"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from nullalpha.core.errors import ArtifactError, StorageFullError
from nullalpha.core.fingerprint import sha256_hex


class ArtifactStore:
    """A folder of immutable files named by content; safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, data: bytes) -> str:
        """Store bytes under a file name and return their SHA-256; storing twice is a no-op."""
        digest = sha256_hex(data)
        target = self.root / digest / name
        if target.exists() and target.stat().st_size == len(data):
            return digest
        write_durably(target, data)
        return digest

    def path(self, digest: str) -> Path:
        """Return the path of a stored file without reading it.

        Raises:
            ArtifactError: if nothing is stored under this hash.
        """
        folder = self.root / digest
        files = [p for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
        if not files:
            raise ArtifactError(f"artifact {digest[:12]} is missing from {self.root}", value=digest)
        return files[0]

    def get(self, digest: str) -> bytes:
        """Return the stored bytes, verified.

        Raises:
            ArtifactError: if the file is missing or its content no longer has this hash.
        """
        path = self.path(digest)
        data = path.read_bytes()
        if sha256_hex(data) != digest:
            raise ArtifactError(
                f"artifact {digest[:12]} at {path} is corrupt",
                value=digest,
                suggestion="delete its folder; the next run computes it again",
            )
        return data


def write_durably(target: Path, data: bytes) -> None:
    """Write a file, and its folder if need be, so that after a crash it is whole or absent.

    Raises:
        StorageFullError: when the disk is full; nothing half-written stays.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        made = not target.parent.is_dir()
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
        if made:
            _sync_folder(target.parent.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(f"no space left to write {target}", path=str(target)) from error
        raise


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
