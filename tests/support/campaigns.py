"""Campaigns as a person starts them: the real command in a process group of its own, followed by its events, and killed where a test says.

Nothing here replaces a part of the lab. A kill comes from outside (when an event is seen) or at a named commit of the ledger
(`tests.support.killed_at`).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import psutil

REPOSITORY = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "nullalpha")
REFERENCE_SEED = 5
SMALL = ("--trials", "10", "--workers", "2")
PATIENCE = 240.0
Event = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """A command that ended: exit code (negative: the signal that killed it) and its output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout; fails if there is anything else."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Campaign:
    """A finished campaign in a home of its own; `connections` is the log of its watched processes."""

    home: Path
    ended: Ended
    connections: Path

    @property
    def result(self) -> Any:
        return self.ended.json

    @property
    def id(self) -> str:
        return str(self.result["campaign_id"])


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment with the repository importable, and no settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NULLALPHA_")}
    path = [extra.pop("PYTHONPATH", ""), str(REPOSITORY), kept.get("PYTHONPATH", "")]
    return {**kept, **extra, "PYTHONPATH": os.pathsep.join(part for part in path if part)}


def run(*arguments: object, stdin: str | None = None, **variables: str) -> Ended:
    """Run `nullalpha` with arguments to its end."""
    ended = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(**variables),
        cwd=REPOSITORY,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@dataclass(frozen=True)
class Refusal:
    """What a refused command said: its exit code and the typed error of `--json`."""

    exit_code: int
    error: dict[str, Any]


Cli = Callable[..., Ended]
Refused = Callable[..., Refusal]


@contextmanager
def started(*arguments: object, driver: Sequence[str] = COMMAND) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process group of its own, which is gone when the block ends."""
    process = subprocess.Popen(
        [*driver, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
        cwd=REPOSITORY,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_for(process: subprocess.Popen[str], wanted: Callable[[Event], bool]) -> list[Event]:
    """Read the JSON lines of a running campaign up to the first event that is wanted, and return them."""
    assert process.stdout is not None
    events: list[Event] = []
    for line in process.stdout:
        events.append(json.loads(line))
        if wanted(events[-1]):
            return events
    raise AssertionError(f"the campaign ended (exit {process.wait()}) before the event came; it said {events[-3:]}")


def stage(name: str, generation: int = 0) -> Callable[[Event], bool]:
    """Return a test for the event that a stage begins; later generations count."""
    return lambda e: e["kind"] == "stage" and e["body"]["stage"] == name and e["body"]["generation"] >= generation


def kill_group(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """`kill -9` a command's process group and return what of its workers is alive ten seconds later."""
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return psutil.wait_procs(workers, timeout=10)[1]


def copy_home(home: Path, target: Path) -> Path:
    """Copy a home that others may be reading: the ledger through SQLite's own backup."""
    copytree(home, target, ignore=ignore_patterns("ledger.db*", "host.lock"))
    with closing(sqlite3.connect(home / "ledger.db")) as source, closing(sqlite3.connect(target / "ledger.db")) as copy:
        source.backup(copy)
    return target


def query(home: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Read the ledger's file directly, past all code of the lab."""
    with closing(sqlite3.connect(f"file:{home / 'ledger.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, values).fetchall()


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock among the test processes."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
