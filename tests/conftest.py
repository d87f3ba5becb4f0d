"""Campaigns that several tests read: each is run once, whichever test process asks first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from nullalpha.core.egress import EGRESS_SWITCHES, SAFETY_SWITCHES
from tests.support.campaigns import REFERENCE_SEED, REPOSITORY, SMALL, Campaign, Ended, file_lock, run

WATCHED = REPOSITORY / "tests" / "support" / "watched"
RUNS: dict[str, tuple[object, ...]] = {
    "reference": ("--seed", REFERENCE_SEED, "--require-shortlist", *SMALL),
    "one-worker": ("--seed", REFERENCE_SEED, "--trials", 10, "--workers", 1),
    "other-seed-out-of-time": ("--seed", REFERENCE_SEED + 1, "--budget-seconds", 0.001, *SMALL),
}


@pytest.fixture(scope="session", autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the settings or the home of whoever runs it, and every library's egress switch is set."""
    own = tmp_path_factory.mktemp("person")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("NULLALPHA_")]:
            patch.delenv(name)
        for name, value in {**EGRESS_SWITCHES, **SAFETY_SWITCHES, "HOME": str(own), "NULLALPHA_HOME": str(own / "home")}.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str], Campaign]:
    """Return the campaign of a name in RUNS, run to its end with every connection written down. Its home is for reading."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "campaigns"
    shared.mkdir(exist_ok=True)

    def campaign(name: str) -> Campaign:
        folder = shared / name
        with file_lock(shared / f"{name}.lock"):
            if not (folder / "ended.json").exists():
                folder.mkdir()
                watched = {"PYTHONPATH": str(WATCHED), "WATCH_CONNECTIONS": str(folder / "connections")}
                ended = run("research", "run", "--json", "--home", folder / "home", *RUNS[name], **watched)
                (folder / "ended.json").write_text(json.dumps(asdict(ended)))
        return Campaign(folder / "home", Ended(**json.loads((folder / "ended.json").read_text())), folder / "connections")

    return campaign


@pytest.fixture(scope="session")
def reference(finished: Callable[[str], Campaign]) -> Campaign:
    """Return the uninterrupted campaign that others are compared with."""
    return finished("reference")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the path of a home that is not there yet."""
    return tmp_path / "home"
