"""`doctor`: what this machine and this home lack, each with its fix. Looks only at this machine."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from pydantic import BaseModel

from nullalpha.core.egress import EGRESS_SWITCHES
from nullalpha.core.errors import NullAlphaError
from nullalpha.operations.lease import HomeLease

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab

MIN_FREE_BYTES = 2 * 1024**3
WAL_RESET_FIXED = (3, 51, 3)
NEEDED = ("numpy", "numba", "duckdb", "torch", "arch", "optuna", "langgraph", "sqlalchemy", "chromadb", "litellm", "mcp")


class Check(BaseModel):
    name: str
    ok: bool
    detail: str
    fix: str | None = None
    warning: bool = False


class Diagnosis(BaseModel):
    """`ok` when every check is; a check that only warns is ok, with `warning` and a fix."""

    ok: bool
    checks: list[Check]


def examine(lab: Lab) -> Diagnosis:
    """Run every check; one that fails does not stop the others."""
    checks = [_guarded(name, check, lab) for name, check in CHECKS.items()]
    return Diagnosis(ok=all(check.ok for check in checks), checks=checks)


def _guarded(name: str, check: Callable[[Lab], Check], lab: Lab) -> Check:
    try:
        return check(lab)
    except NullAlphaError as error:
        return Check(name=name, ok=False, detail=error.message, fix=error.suggestion)


def _python(_lab: Lab) -> Check:
    running = sys.version_info[:2]
    good = (3, 11) <= running <= (3, 13)
    text = ".".join(map(str, sys.version_info[:3]))
    return Check(name="python", ok=good, detail=f"Python {text}", fix=None if good else "use Python 3.11, 3.12 or 3.13")


def _packages(_lab: Lab) -> Check:
    missing, found = [], []
    for name in NEEDED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    fix = f"`make setup` installs {', '.join(missing)}" if missing else None
    return Check(name="packages", ok=not missing, detail=", ".join(found), fix=fix)


def _home(lab: Lab) -> Check:
    lab.ensure_home()
    free = shutil.disk_usage(lab.home).free
    good = free >= MIN_FREE_BYTES
    detail = f"{lab.home}, {free / 1024**3:.1f} GiB free"
    return Check(name="home", ok=good, detail=detail, fix=None if good else "free some space, or choose another with --home DIR")


def _settings(lab: Lab) -> Check:
    settings = lab.settings
    return Check(name="settings", ok=True, detail=f"device {settings.device}, {settings.n_workers()} workers")


def _ledger(lab: Lab) -> Check:
    with lab.stores.ledger.engine.connect() as connection:
        verdict = str(connection.exec_driver_sql("PRAGMA quick_check").scalar_one())
        mode = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())
    detail = f"schema {lab.stores.ledger.revision()}, {mode}, quick_check {verdict}"
    fix = None if verdict == "ok" else "restore the ledger from a backup"
    return Check(name="ledger", ok=verdict == "ok" and mode == "wal", detail=detail, fix=fix)


def _sqlite(_lab: Lab) -> Check:
    old = sqlite3.sqlite_version_info < WAL_RESET_FIXED
    risk = "; versions before 3.51.3 can, rarely, lose a commit when two checkpoints meet" if old else ""
    fix = "back the home up, or use a Python whose SQLite is 3.51.3 or later" if old else None
    return Check(name="sqlite", ok=True, detail=f"SQLite {sqlite3.sqlite_version}{risk}", fix=fix, warning=old)


def _data(lab: Lab) -> Check:
    snapshots = lab.catalogue.snapshots()
    for snapshot in snapshots:
        lab.catalogue.read(snapshot)
    names = ", ".join(f"{s.instrument.symbol} {s.timeframe} ({s.n_bars:,})" for s in snapshots)
    return Check(name="data", ok=bool(snapshots), detail=f"{names}; contents match their hashes")


def _embedder(_lab: Lab) -> Check:
    from nullalpha.memory.embedder import MiniLmEmbedder

    embedder = MiniLmEmbedder()
    embedder.embed(["momentum"])
    return Check(name="embedder", ok=True, detail=f"{embedder.identity}, weights verified")


def _index(lab: Lab) -> Check:
    from nullalpha.memory.chroma_index import ChromaIndex
    from nullalpha.memory.vectors import MINILM_IDENTITY

    lease = HomeLease(lab.home)
    if not lab.index_folder.exists():
        return Check(name="index", ok=True, detail="not made yet; the first campaign makes it")
    if not lease.try_acquire():
        return Check(name="index", ok=True, detail=f"in use by the host (pid {lease.holder()}); not looked at")
    try:
        with ChromaIndex(lab.index_folder, MINILM_IDENTITY) as index:
            reason = index.needs_rebuild()
    finally:
        lease.release()
    fix = None if reason is None else "`nullalpha memory rebuild`"
    return Check(name="index", ok=reason is None, detail="in order" if reason is None else str(reason), fix=fix)


def _host(lab: Lab) -> Check:
    lease = HomeLease(lab.home)
    busy = lease.held_elsewhere()
    return Check(name="host", ok=True, detail=f"campaigns hosted by pid {lease.holder()}" if busy else "nothing hosts this home now")


def _egress(_lab: Lab) -> Check:
    unset = [name for name, value in EGRESS_SWITCHES.items() if os.environ.get(name) != value]
    detail = "telemetry, downloads and update checks of all libraries are off" if not unset else f"not set: {', '.join(unset)}"
    return Check(name="egress", ok=not unset, detail=detail, fix=None if not unset else "start through the `nullalpha` command")


CHECKS: dict[str, Callable[[Lab], Check]] = {
    "python": _python,
    "packages": _packages,
    "home": _home,
    "settings": _settings,
    "ledger": _ledger,
    "sqlite": _sqlite,
    "data": _data,
    "embedder": _embedder,
    "index": _index,
    "host": _host,
    "egress": _egress,
}
