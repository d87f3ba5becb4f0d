"""Waiting for a condition of another process, with a deadline instead of a guess."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Return when the condition holds; fail when it does not within the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a corpse that its parent has yet to bury."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
