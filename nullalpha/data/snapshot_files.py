"""The files of a catalogue: what lies where, written so that it is whole or absent, and read so that a torn one is noticed.

bronze/<sha256>.<ext>            bytes as received
silver/<id>/bars.parquet         checked and adjusted
silver/<id>/sessions.parquet     of intraday bars: their exchange's sessions
silver/<id>/quarantine.parquet   rows with errors that were set apart, where there were any
silver/<id>/snapshot.json        what is known of it; written last, so a folder without it does not exist
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nullalpha.core.artifacts import write_durably
from nullalpha.core.errors import ArtifactError, HomeError, NotFoundError, StorageFullError
from nullalpha.data.bars import Bars
from nullalpha.data.parquet_bars import bars_file, bars_of, sessions_file, table_file
from nullalpha.data.snapshots import Snapshot, parse_snapshot, snapshot_id
from nullalpha.data.sources.series import RawSeries

BARS_NAME = "bars.parquet"
SESSIONS_NAME = "sessions.parquet"
QUARANTINE_NAME = "quarantine.parquet"
SNAPSHOT_NAME = "snapshot.json"
_ID_LENGTH = 64


class SnapshotFiles:
    """The files under one folder; every method may raise HomeError, and those that write StorageFullError.

    Args:
        root: made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def ids(self) -> list[str]:
        """Return the ids of all snapshots."""
        silver = self.root / "silver"
        with self._usable():
            folders = list(silver.iterdir()) if silver.is_dir() else []
            return [folder.name for folder in folders if (folder / SNAPSHOT_NAME).is_file()]

    def described(self, snapshot_id: str) -> Snapshot:
        """Return what is known of a snapshot.

        Raises:
            NotFoundError: if there is none.
            ArtifactError: if its description is torn.
        """
        path = self.path(snapshot_id, SNAPSHOT_NAME)
        with self._usable():
            if len(snapshot_id) != _ID_LENGTH or not snapshot_id.isalnum() or not path.is_file():
                raise NotFoundError(f"no snapshot {snapshot_id[:12]!r} in {self.root}", value=snapshot_id)
            text = path.read_bytes()
        try:
            snapshot = parse_snapshot(text.decode())
        except (ValueError, KeyError, TypeError) as error:
            raise _torn(path, snapshot_id) from error
        if snapshot.id != snapshot_id:
            raise _torn(path, snapshot_id)
        return snapshot

    def bars(self, snapshot: Snapshot) -> Bars:
        """Return a snapshot's bars, verified against its id.

        Raises:
            ArtifactError: if a file is missing, torn, or not what the id says.
        """
        path, beside = (self.path(snapshot.id, name) for name in (BARS_NAME, SESSIONS_NAME))
        with self._usable():
            data = path.read_bytes() if path.is_file() else b""
            sessions = beside.read_bytes() if beside.is_file() else None
        try:
            bars = bars_of(snapshot.instrument.symbol, snapshot.timeframe, data, sessions)
        except (OSError, KeyError, pa.ArrowException) as error:
            raise _torn(path, snapshot.id) from error
        if snapshot_id(bars, snapshot.instrument) != snapshot.id:
            raise _torn(path, snapshot.id)
        return bars

    def apart(self, snapshot: Snapshot) -> pa.Table:
        """Return the rows that were set apart.

        Raises:
            ArtifactError: if they are gone or torn.
        """
        path = self.path(snapshot.id, QUARANTINE_NAME)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise _torn(path, snapshot.id) from error

    def is_whole(self, snapshot_id: str) -> bool:
        """Return whether a snapshot is there with its description and its bars."""
        if not self.path(snapshot_id, SNAPSHOT_NAME).is_file():
            return False
        try:
            self.bars(self.described(snapshot_id))
        except ArtifactError:
            return False
        return True

    def write(self, snapshot: Snapshot, bars: Bars, apart: pa.Table | None, raw: RawSeries | None) -> None:
        """Write a snapshot, with what was received if it was."""
        with self._usable():
            if raw is not None:
                self._receive(raw)
            if apart is not None:
                write_durably(self.path(snapshot.id, QUARANTINE_NAME), table_file(apart))
            if bars.sessions is not None:
                write_durably(self.path(snapshot.id, SESSIONS_NAME), sessions_file(bars.sessions))
            write_durably(self.path(snapshot.id, BARS_NAME), bars_file(bars))
        self.describe(snapshot)

    def describe(self, snapshot: Snapshot) -> None:
        """Write what is known of a snapshot."""
        text = json.dumps(snapshot.to_dict(), indent=1, ensure_ascii=False)
        with self._usable():
            write_durably(self.path(snapshot.id, SNAPSHOT_NAME), text.encode())

    def share(self, old_id: str, new_id: str) -> None:
        """Give the files of a snapshot to another one, all but its description."""
        with self._usable():
            self.path(new_id, BARS_NAME).parent.mkdir(parents=True, exist_ok=True)
            for name in (BARS_NAME, SESSIONS_NAME, QUARANTINE_NAME):
                _share(self.path(old_id, name), self.path(new_id, name))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder's lock, so that of two processes that take in the same bars the second finds them there."""
        with self._usable():
            self.root.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.root, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield
            finally:
                os.close(folder)

    def path(self, snapshot_id: str, name: str) -> Path:
        """Return where a file of a snapshot lies, or would."""
        return self.root / "silver" / snapshot_id / name

    def _receive(self, raw: RawSeries) -> None:
        bronze = self.root / "bronze" / f"{raw.sha256}.{raw.extension}"
        if not bronze.exists():
            write_durably(bronze, raw.original)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(f"no space left in {self.root}", path=str(self.root)) from error
            raise HomeError(
                f"cannot use {self.root} for bars: {error.strerror}",
                path=str(self.root),
                suggestion="choose a folder that you may read and write with --home, or change its permissions",
            ) from error


def _share(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such names."""
    if not source.is_file():
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK):
            raise
        shutil.copyfile(source, target)


def _torn(path: Path, snapshot_id: str) -> ArtifactError:
    return ArtifactError(
        f"snapshot {snapshot_id[:12]} is torn at {path}",
        path=str(path),
        value=snapshot_id,
        suggestion="delete its folder and import the bars again; bronze/ has them as received",
    )
