"""What campaigns, experiments and operations look like through the door, and what of it an agent never sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nullalpha.app.lab import Lab
from nullalpha.core.errors import NotFoundError
from nullalpha.memory.lessons import LessonRow
from nullalpha.tools.door import ToolDoor
from tests.support.ledger_state import design, put_campaign

Doors = Callable[[bool], ToolDoor]
SEALED_P, SEALED_SHARPE, LOCKBOX_P = 0.04321, 1.23456, 0.00789
SEALED = [str(SEALED_P), str(SEALED_SHARPE), str(LOCKBOX_P), "beats its exposure beyond"]


@pytest.fixture
def judged(lab: Lab) -> Lab:
    """Six designs: e-1 shortlisted and promoted, e-2 validated in vain, e-3 good and unvalidated, e-4 failed, e-5 unrun, e-6 invalid."""
    stores = lab.stores
    put_campaign(stores)
    issue = {"path": "features.rsi", "code": "unknown_indicator", "message": "unknown indicator 'rsl'"}
    stores.experiments.register([*(design(f"e-{n}", slot=n) for n in range(1, 6)), design("e-6", slot=6, compiled=False, issues=[issue])])
    for n, sharpe in ((1, 0.6), (2, 0.9), (3, 1.1)):
        stores.experiments.put_result(f"e-{n}", "search", "done", {"folds": [], "rules": {}, "series": "5" * 64}, f"o-{n}")
        figures = {"sharpe": sharpe, "excess_sharpe": sharpe / 2, "n_trades": 40, "annotations": ["not a metric"]}
        stores.experiments.put_assessment(f"e-{n}", "search", "iterate", ["its interval holds zero"], figures)
    stores.experiments.put_result("e-4", "search", "failed", {"error": {"code": "training_diverged"}}, "o-4")
    stores.experiments.put_assessment("e-4", "search", "reject", ["its training diverged"], {})
    for n, verdict in ((1, "shortlist"), (2, "reject")):
        about: dict[str, Any] = {"zones_version": 1, "campaign_id": "c-1", "experiment_id": f"e-{n}", "fingerprint": "f", "actor": "c"}
        stores.looks.open_validation(f"l-{n}", **about)
        stores.looks.put_result(f"l-{n}", {"p": SEALED_P})
        figures = {"excess_sharpe": SEALED_SHARPE, "p_stepm": SEALED_P, "n_joint": 2}
        stores.experiments.put_assessment(f"e-{n}", "validation", verdict, [f"beats its exposure beyond luck, p {SEALED_P}"], figures)
    stores.looks.open_lockbox("l-9", zones_version=1, campaign_id="c-1", experiment_id="e-1", fingerprint="f", actor="cli")
    stores.looks.put_result("l-9", {"p": LOCKBOX_P, "result": "promoted"})
    stores.experiments.put_assessment("e-1", "lockbox", "shortlist", [f"p {LOCKBOX_P}"], {"p": LOCKBOX_P})
    stores.campaigns.emit("c-1", "stage", {"stage": "validate", "generation": 1})
    stores.campaigns.emit("c-1", "assessed", {"id": "e-3", "name": "strategy e-3", "verdict": "iterate", "excess_sharpe": 0.55})
    stores.campaigns.emit("c-1", "validated", {"experiments": ["e-1", "e-2"], "shortlisted": ["e-1"], "p": SEALED_P})
    stores.campaigns.put_fact("c-1", "deflation", {"n_trials": 4, "dsr": {"e-3": 0.31}})
    stores.lessons.put("c-1", 0, [LessonRow("s-1", "rsi alone loses", ["e-4"], ("1999-01-04", "2012-01-03"), "c-1")])
    return lab


def call(door: ToolDoor, name: str, **arguments: Any) -> dict[str, Any]:
    return door.call(name, arguments).model_dump(mode="json")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("campaign_result", {"campaign_id": "c-1"}),
        ("campaign_status", {"campaign_id": "c-1"}),
        ("campaign_list", {}),
        ("experiment_list", {}),
        ("experiment_get", {"id": "e-1"}),
        ("experiment_get", {"id": "e-2"}),
        ("experiment_compare", {"ids": ["e-1", "e-2", "e-3"]}),
        ("memory_lessons", {}),
    ],
)
def test_no_tool_tells_an_agent_a_figure_from_beyond_the_search_zone(
    judged: Lab, door: Doors, name: str, arguments: dict[str, Any]
) -> None:
    text = door(False).call(name, arguments).model_dump_json()
    assert [word for word in SEALED if word in text] == []


def test_a_person_sees_them(judged: Lab, door: Doors) -> None:
    result = call(door(True), "campaign_result", campaign_id="c-1")
    first, last = (next(e for e in result["experiments"] if e["id"] == i) for i in ("e-1", "e-2"))
    assert first["validation"] == {"excess_sharpe": SEALED_SHARPE, "p_stepm": SEALED_P, "n_joint": 2}
    assert (first["verdict"], last["verdict"]) == ("shortlist", "reject")
    (opening,) = result["lockbox"]["openings"]
    assert (opening["experiment_id"], opening["p"], opening["result"]) == ("e-1", LOCKBOX_P, "promoted")


def test_a_person_reads_with_an_experiment_what_its_opening_of_the_lockbox_said_and_an_agent_does_not(judged: Lab, door: Doors) -> None:
    look = call(door(True), "experiment_get", id="e-1")["lockbox"]
    assert (look["id"], look["p"], look["result"], look["level"]) == ("l-9", LOCKBOX_P, "promoted", None)
    assert call(door(False), "experiment_get", id="e-1")["lockbox"] is None
    assert call(door(True), "experiment_get", id="e-6")["lockbox"] is None


def test_an_agent_is_told_that_a_strategy_was_validated_and_whether_it_was_shortlisted(judged: Lab, door: Doors) -> None:
    records = {e["id"]: e for e in call(door(False), "experiment_list")["experiments"]}
    assert (records["e-1"]["verdict"], records["e-1"]["reasons"]) == ("shortlist", ["shortlisted"])
    assert (records["e-2"]["verdict"], records["e-2"]["reasons"]) == ("iterate", ["validated once; not shortlisted"])
    assert (records["e-3"]["verdict"], records["e-3"]["reasons"]) == ("iterate", ["its interval holds zero"])
    assert all(record["validation"] is None for record in records.values())
    (opening,) = call(door(False), "campaign_result", campaign_id="c-1")["lockbox"]["openings"]
    assert (opening["id"], opening["p"], opening["result"]) == ("l-9", None, None)


def test_experiments_come_best_first_with_missing_figures_null_and_never_zero(judged: Lab, door: Doors) -> None:
    records = call(door(True), "experiment_list")["experiments"]
    assert [r["id"] for r in records[:3]] == ["e-1", "e-3", "e-2"]
    assert {r["id"]: r["status"] for r in records} == {
        "e-1": "done",
        "e-2": "done",
        "e-3": "done",
        "e-4": "failed",
        "e-5": "designed",
        "e-6": "invalid",
    }
    by_id = {r["id"]: r for r in records}
    assert by_id["e-3"]["metrics"]["dsr"] == 0.31
    assert by_id["e-2"]["metrics"]["dsr"] is None
    assert by_id["e-2"]["metrics"]["psr"] is None
    assert by_id["e-4"]["metrics"] is None
    assert by_id["e-5"]["verdict"] is None
    assert by_id["e-6"]["reasons"] == ["features.rsi: unknown indicator 'rsl'"]


def test_experiments_are_filtered_by_verdict_and_cut_to_a_limit(judged: Lab, door: Doors) -> None:
    assert [e["id"] for e in call(door(True), "experiment_list", verdict="reject")["experiments"]] == ["e-2", "e-4"]
    assert [e["id"] for e in call(door(True), "experiment_list", limit=2)["experiments"]] == ["e-1", "e-3"]
    with pytest.raises(NotFoundError):
        call(door(True), "experiment_list", campaign_id="c-9")


def test_a_campaigns_result_counts_what_compiled(judged: Lab, door: Doors) -> None:
    result = call(door(True), "campaign_result", campaign_id="c-1")
    assert result["trials"] == 5
    assert "e-6" not in [e["id"] for e in result["experiments"]]
    assert result["lessons"] == [{"id": "s-1", "text": "rsi alone loses", "evidence": ["e-4"], "window": ["1999-01-04", "2012-01-03"]}]
    assert result["data"][0]["n_bars"] == 5031
    assert result["deterministic"]


def test_a_campaigns_status_counts_assessed_trials_and_hands_out_later_events(judged: Lab, door: Doors) -> None:
    status = call(door(True), "campaign_status", campaign_id="c-1")
    assert (status["stage"], status["generation"], status["trials_done"], status["trials"]) == ("validate", 1, 1, 2)
    assert (status["best_name"], status["best_excess_sharpe"]) == ("strategy e-3", 0.55)
    assert [e["kind"] for e in status["events"]] == ["status", "stage", "assessed", "validated"]
    after = status["events"][1]["seq"]
    assert [e["kind"] for e in call(door(False), "campaign_status", campaign_id="c-1", after=after)["events"]] == ["assessed"]


def test_a_comparison_puts_a_figure_a_row_and_an_experiment_a_column_in_the_order_asked(judged: Lab, door: Doors) -> None:
    found = call(door(True), "experiment_compare", ids=["e-3", "e-4", "e-1"])
    assert found["ids"] == ["e-3", "e-4", "e-1"]
    assert found["figures"]["sharpe"] == [1.1, None, 0.6]
    assert found["verdicts"] == ["iterate", "reject", "shortlist"]


def test_an_operation_is_shown_with_what_failed(judged: Lab, door: Doors) -> None:
    claim = judged.stores.operations.claim(
        "k", "population", owner="me", now=0.0, lease_seconds=1.0, campaign_id="c-1", summary={"stage": "search"}
    )
    judged.stores.operations.fail(claim.row.id, owner="me", epoch=1, error={"code": "worker_died", "message": "died"})
    shown = call(door(False), "operation_status", id=claim.row.id)
    assert (shown["kind"], shown["status"], shown["attempts"], shown["error"]["code"]) == ("population", "failed", 1, "worker_died")
    assert shown["summary"] == {"stage": "search"}


def test_lessons_of_a_campaign_that_is_not_there_are_not_found(judged: Lab, door: Doors) -> None:
    assert [x["id"] for x in call(door(False), "memory_lessons", campaign_id="c-1")["lessons"]] == ["s-1"]
    with pytest.raises(NotFoundError):
        call(door(False), "memory_lessons", campaign_id="c-9")
