"""The lockbox opens once, for a shortlisted strategy, and the ledger knows of it before a bar is read."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.slices import SLICE_NAME, read_slice
from tests.support.campaigns import Campaign, copy_home, query, run, started


@pytest.fixture
def shortlisted(reference: Campaign, tmp_path: Path) -> tuple[Path, str]:
    """Return a copy of the home in which one validated strategy is shortlisted by hand: real data rarely shortlist any."""
    home = copy_home(reference.home, tmp_path / "copy")
    chosen = next(e["id"] for e in reference.result["experiments"] if e["validation"] is not None)
    with closing(sqlite3.connect(home / "ledger.db")) as ledger, ledger:
        changed = ledger.execute(
            "UPDATE assessments SET verdict = 'shortlist', reasons = ? WHERE experiment_id = ? AND stage = 'validation'",
            (json.dumps(["planted"]), chosen),
        )
        assert changed.rowcount == 1
    return home, chosen


def test_what_is_not_shortlisted_is_refused_and_nothing_is_opened(reference: Campaign) -> None:
    for experiment in reference.result["experiments"]:
        if experiment["verdict"] != "shortlist":
            ended = run("research", "promote", experiment["id"], "--home", reference.home, "--json")
            assert (ended.code, ended.json["error"]["code"]) == (2, "refused")
            break
    assert query(reference.home, "SELECT count(*) FROM looks WHERE zone = 'lockbox'") == [(0,)]


def test_an_opening_is_on_record_before_the_bars_are_cut_and_a_killed_one_is_finished_but_never_repeated(
    shortlisted: tuple[Path, str],
) -> None:
    home, chosen = shortlisted
    driver = (sys.executable, "-m", "tests.support.killed_at", "after", "looks", "1")
    with started("research", "promote", chosen, "--home", home, driver=driver) as process:
        process.communicate()
    assert process.returncode == -9
    ((lockbox_start, opened),) = query(home, "SELECT z.lockbox_start, l.created FROM looks l JOIN zones z WHERE l.zone = 'lockbox'")
    assert opened
    assert beyond(home, lockbox_start) == []

    ended = run("research", "promote", chosen, "--home", home, "--json")
    assert ended.code in (0, 3), ended.out + ended.err
    outcome = ended.json
    assert (ended.code == 0) == outcome["promoted"]
    assert outcome["experiment_id"] == chosen
    assert 0 < outcome["p"] <= 1
    assert 0 < outcome["level"] <= 0.10
    assert outcome["promoted"] == (outcome["p"] <= outcome["level"])
    assert outcome["openings_so_far"] == 1
    assert outcome["window"][0] == lockbox_start
    assert beyond(home, lockbox_start)

    again = run("research", "promote", chosen, "--home", home, "--json")
    assert (again.code, again.json["error"]["code"]) == (2, "refused")
    assert query(home, "SELECT count(*) FROM looks WHERE zone = 'lockbox'") == [(1,)]
    (campaign_id,) = {row for (row,) in query(home, "SELECT campaign_id FROM looks WHERE zone = 'lockbox'")}
    (opening,) = run("research", "show", campaign_id, "--home", home, "--json").json["lockbox"]["openings"]
    assert (opening["experiment_id"], opening["p"]) == (chosen, outcome["p"])


def beyond(home: Path, lockbox_start: str) -> list[str]:
    """Return the slices of bars in the home that reach into the lockbox."""
    store = ArtifactStore(home / "artifacts")
    names = [path.parent.name for path in (home / "artifacts").glob(f"*/{SLICE_NAME}")]
    return [name for name in names if read_slice(store, name).time[-1] >= np.datetime64(lockbox_start)]
