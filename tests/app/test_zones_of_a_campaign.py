"""What a campaign read: search work ends before validation, validation was read after its looks were written, the lockbox never."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from nullalpha.app.lab import Lab
from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.slices import SLICE_NAME, read_slice
from tests.support.campaigns import Campaign, copy_home, query


@pytest.fixture(scope="module")
def zones(reference: Campaign) -> tuple[np.datetime64, np.datetime64]:
    ((validation, lockbox),) = query(reference.home, "SELECT validation_start, lockbox_start FROM zones")
    return np.datetime64(validation), np.datetime64(lockbox)


def slices(home: Path) -> dict[str, np.datetime64]:
    """Return the last bar's time of every slice of bars that the home ever gave to a worker."""
    store = ArtifactStore(home / "artifacts")
    return {path.parent.name: read_slice(store, path.parent.name).time[-1] for path in (home / "artifacts").glob(f"*/{SLICE_NAME}")}


def test_no_slice_of_bars_reaches_the_lockbox_and_no_look_at_it_is_recorded(
    reference: Campaign, zones: tuple[np.datetime64, np.datetime64]
) -> None:
    _, lockbox = zones
    ends = slices(reference.home)
    assert len(ends) == 4  # two instruments, search and validation
    assert max(ends.values()) < lockbox
    assert query(reference.home, "SELECT count(*) FROM looks WHERE zone = 'lockbox'") == [(0,)]
    assert reference.result["lockbox"] == {"openings": []}


def test_search_work_saw_bars_that_end_before_validation_and_its_series_do_too(
    reference: Campaign, zones: tuple[np.datetime64, np.datetime64]
) -> None:
    validation, _ = zones
    bodies = [json.loads(body) for (body,) in query(reference.home, "SELECT body FROM results WHERE stage = 'search' AND status = 'done'")]
    assert len(bodies) == 10
    store = ArtifactStore(reference.home / "artifacts")
    for body in bodies:
        with np.load(store.path(body["series"])) as series:
            assert int(series["bar_days"].max()) < int(validation.astype("datetime64[D]").astype(int))
        assert all(np.datetime64(fold["test"][1]) <= validation for fold in body["folds"])
    assert sum(end < validation for end in slices(reference.home).values()) == 2


def test_trades_and_orders_that_tools_show_end_before_validation(
    reference: Campaign, zones: tuple[np.datetime64, np.datetime64], tmp_path: Path
) -> None:
    validation, _ = zones
    door = Lab(copy_home(reference.home, tmp_path / "copy")).door("agent:designer", person=False)
    validated = [e["id"] for e in reference.result["experiments"] if e["validation"] is not None]
    logs = [door.call("experiment_trades", {"id": i, "orders": True}).model_dump(mode="json") for i in validated]
    assert all(log["replay"]["equal"] and log["n_orders"] == len(log["orders"]) > 0 for log in logs)
    last = max(row["exit_time"] for log in logs for row in log["trades"]), max(row["time"] for log in logs for row in log["orders"])
    assert max(last) < str(validation)


def test_validation_bars_were_cut_only_after_a_look_was_written_for_each_strategy(
    reference: Campaign, zones: tuple[np.datetime64, np.datetime64]
) -> None:
    validation, _ = zones
    looks = dict(query(reference.home, "SELECT experiment_id, created FROM looks WHERE zone = 'validation'"))
    validated = {e["id"] for e in reference.result["experiments"] if e["validation"] is not None}
    computed = dict(query(reference.home, "SELECT experiment_id, created FROM results WHERE stage = 'validation'"))
    assert set(looks) == validated == set(computed)
    assert all(looks[i] < computed[i] for i in looks)
    first_look = datetime.fromisoformat(min(looks.values())).replace(tzinfo=UTC).timestamp()
    for sha, end in slices(reference.home).items():
        written = (reference.home / "artifacts" / sha / SLICE_NAME).stat().st_mtime
        assert (written >= first_look - 0.05) == (end >= validation), sha
