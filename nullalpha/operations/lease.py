"""The lease on a home: one process hosts its campaigns. A kernel file lock, so that a killed host's lease ends with it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType

from nullalpha.core.errors import HomeError, RefusedError

LOOKS = 10
LOOK_SECONDS = 0.02


class HomeLease:
    """An exclusive, advisory lock on `<home>/host.lock`, held until released or until the process dies."""

    def __init__(self, home: Path) -> None:
        self._path = home / "host.lock"
        self._file: int | None = None

    def try_acquire(self) -> bool:
        """Take the lease if it is free; return whether it is now held here.

        Raises:
            HomeError: if the lock file cannot be opened.
        """
        file = self._locked(fcntl.LOCK_EX)
        if file is None:
            return False
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid()}).encode(), 0)
        self._file = file
        return True

    def holder(self) -> int | None:
        """Return the pid that holds (or last held) the lease, if known."""
        try:
            return int(json.loads(self._path.read_text())["pid"])
        except (OSError, ValueError, KeyError):
            return None

    def held_elsewhere(self) -> bool:
        """Return whether another process holds the lease now.

        Looks with a shared lock, so that two who look do not take each other for the holder.
        """
        if self._file is not None:
            return False
        file = self._locked(fcntl.LOCK_SH)
        if file is None:
            return True
        os.close(file)
        return False

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _locked(self, mode: int) -> int | None:
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise HomeError(f"cannot open {self._path}: {error.strerror}", path=str(self._path)) from error
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def __enter__(self) -> HomeLease:
        for _ in range(LOOKS):  # somebody may just be looking, which takes microseconds
            if self.try_acquire():
                return self
            time.sleep(LOOK_SECONDS)
        raise RefusedError(
            f"another process (pid {self.holder()}) hosts this home's campaigns",
            path=str(self._path),
            suggestion="wait for it, stop it, or use another --home",
        )

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.release()
