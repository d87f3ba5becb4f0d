"""The stores over the ledger: facts written once, order kept, looks recorded before their keys exist."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from nullalpha.core.errors import NotFoundError
from nullalpha.data.zones import LockboxOpening, ValidationTicket, Zones
from nullalpha.memory.lessons import LessonRow
from nullalpha.memory.memories import Memory
from nullalpha.memory.stores import Stores
from tests.support.ledger_state import ZONES, design, put_campaign


def test_a_campaign_begins_queued_and_every_change_of_state_is_an_event(stores: Stores) -> None:
    put_campaign(stores)
    stores.campaigns.set_status("c-1", "running")
    stores.campaigns.set_status("c-1", "failed", error={"code": "ledger", "message": "x"})
    row = stores.campaigns.get("c-1")
    assert (row.status, row.error, row.stop_requested) == ("failed", {"code": "ledger", "message": "x"}, False)
    events = stores.campaigns.events("c-1")
    assert [event.body["status"] for event in events] == ["queued", "running", "failed"]
    assert [event.seq for event in stores.campaigns.events("c-1", after=events[0].seq)] == [event.seq for event in events[1:]]


def test_a_new_state_clears_the_last_ones_error(stores: Stores) -> None:
    put_campaign(stores)
    stores.campaigns.set_status("c-1", "paused", error={"code": "storage_full"})
    stores.campaigns.set_status("c-1", "running")
    assert stores.campaigns.get("c-1").error is None


def test_a_stop_is_asked_for_and_cleared(stores: Stores) -> None:
    put_campaign(stores)
    stores.campaigns.request_stop("c-1")
    assert stores.campaigns.get("c-1").stop_requested
    stores.campaigns.clear_stop("c-1")
    assert not stores.campaigns.get("c-1").stop_requested


def test_seconds_of_several_sessions_add_up(stores: Stores) -> None:
    put_campaign(stores)
    stores.campaigns.add_seconds("c-1", 1.5)
    stores.campaigns.add_seconds("c-1", 2.25)
    assert stores.campaigns.get("c-1").seconds == 3.75


def test_campaigns_are_listed_newest_first_and_queued_oldest_first(stores: Stores) -> None:
    for name in ("c-b", "c-a", "c-c"):
        put_campaign(stores, name)
    assert [row.id for row in stores.campaigns.all()] == ["c-c", "c-a", "c-b"]
    assert [row.id for row in stores.campaigns.with_status("queued", "running")] == ["c-b", "c-a", "c-c"]
    assert stores.campaigns.with_status("done") == []


def test_an_unknown_campaign_experiment_or_operation_is_named_with_the_nearest(stores: Stores) -> None:
    put_campaign(stores, "c-20261120-aaaaaa")
    stores.experiments.register([design("e-0123456789ab", "c-20261120-aaaaaa")])
    with pytest.raises(NotFoundError) as campaign:
        stores.campaigns.get("c-20261120-aaaaab")
    with pytest.raises(NotFoundError) as experiment:
        stores.experiments.get("e-0123456789ac")
    with pytest.raises(NotFoundError):
        stores.operations.get("o-none")
    assert campaign.value.suggestion == "did you mean c-20261120-aaaaaa?"
    assert experiment.value.suggestion == "did you mean e-0123456789ab?"


def test_the_first_fact_stays_and_a_replay_is_handed_it(stores: Stores) -> None:
    put_campaign(stores)
    assert stores.campaigns.fact("c-1", "recall") is None
    assert stores.campaigns.put_fact("c-1", "recall", {"ids": ["a"]}) == {"ids": ["a"]}
    assert stores.campaigns.put_fact("c-1", "recall", {"ids": ["b"]}) == {"ids": ["a"]}
    assert stores.campaigns.fact("c-1", "recall") == {"ids": ["a"]}


def test_designs_are_numbered_in_the_order_in_which_they_were_registered_and_once_each(stores: Stores) -> None:
    put_campaign(stores)
    stores.experiments.register([design("e-b", slot=0), design("e-a", slot=1)])
    stores.experiments.register([design("e-a", slot=1, name="changed"), design("e-c", slot=2)])
    assert [(row.id, row.ordinal) for row in stores.experiments.all()] == [("e-b", 1), ("e-a", 2), ("e-c", 3)]
    assert stores.experiments.get("e-a").name == "strategy e-a"


def test_two_designs_cannot_take_one_place_in_a_campaign(stores: Stores) -> None:
    put_campaign(stores)
    stores.experiments.register([design("e-a", slot=0)])
    with pytest.raises(IntegrityError, match="UNIQUE"):
        stores.experiments.register([design("e-c", slot=1), design("e-b", slot=0)])
    assert [row.id for row in stores.experiments.all()] == ["e-a"]


def test_a_campaigns_designs_come_by_generation_slot_and_attempt(stores: Stores) -> None:
    put_campaign(stores)
    places = [(1, 0, 0), (0, 1, 1), (0, 1, 0), (0, 0, 0)]
    stores.experiments.register([design(f"e-{g}{s}{a}", generation=g, slot=s, attempt=a) for g, s, a in places])
    assert [row.id for row in stores.experiments.of_campaign("c-1")] == ["e-000", "e-010", "e-011", "e-100"]


def test_a_result_and_a_verdict_are_recorded_once(stores: Stores) -> None:
    put_campaign(stores)
    stores.experiments.register([design("e-1")])
    for status, verdict, sharpe in (("done", "reject", 0.5), ("failed", "shortlist", 9.0)):
        stores.experiments.put_result("e-1", "search", status, {"sharpe": sharpe}, "o-1")
        stores.experiments.put_assessment("e-1", "search", verdict, [verdict], {"sharpe": sharpe})
    result = stores.experiments.result("e-1", "search")
    assert result is not None
    assert (result.status, result.body) == ("done", {"sharpe": 0.5})
    assert stores.experiments.result("e-1", "validation") is None
    (assessment,) = stores.experiments.assessments(["e-1"])["e-1"]
    assert (assessment.verdict, assessment.figures) == ("reject", {"sharpe": 0.5})


def test_verdicts_come_in_the_order_of_the_stages_whenever_they_were_written(stores: Stores) -> None:
    put_campaign(stores)
    stores.experiments.register([design("e-1")])
    for stage in ("lockbox", "validation", "search"):
        stores.experiments.put_assessment("e-1", stage, "iterate", [], {})
    assert [row.stage for row in stores.experiments.assessments()["e-1"]] == ["search", "validation", "lockbox"]


def test_trials_are_the_designs_that_saw_data_failed_ones_included(stores: Stores) -> None:
    put_campaign(stores)
    stores.experiments.register([design(f"e-{n}", slot=n) for n in range(4)] + [design("e-broken", slot=4, compiled=False)])
    stores.experiments.put_result("e-0", "search", "done", {}, None)
    stores.experiments.put_result("e-1", "search", "failed", {}, None)
    stores.experiments.put_result("e-3", "search", "done", {}, None)
    stores.experiments.put_result("e-0", "validation", "done", {}, None)
    assert stores.experiments.count_trials() == 3
    assert stores.experiments.count_trials(up_to_ordinal=2) == 2
    assert stores.experiments.count_trials(up_to_ordinal=0) == 0


def test_the_homes_zones_are_set_once(stores: Stores) -> None:
    assert stores.looks.current_zones() is None
    assert stores.looks.set_zones(ZONES) == (1, ZONES)
    assert stores.looks.set_zones(Zones("2000-01-03", "2010-01-04", "2011-01-03")) == (1, ZONES)
    assert stores.looks.current_zones() == (1, ZONES)


def test_a_look_is_on_record_with_its_actor_before_its_ticket_exists(stores: Stores) -> None:
    put_campaign(stores)
    stores.experiments.register([design("e-1")])
    about = {"zones_version": 1, "campaign_id": "c-1", "experiment_id": "e-1", "fingerprint": "f" * 64, "actor": "cli"}
    assert stores.looks.open_validation("l-1", **about) == ValidationTicket("l-1")
    assert stores.looks.open_lockbox("l-2", **about) == LockboxOpening("l-2")
    (validation,), (lockbox,) = stores.looks.all("validation"), stores.looks.all("lockbox")
    assert (validation.id, validation.experiment_id, validation.result) == ("l-1", "e-1", None)
    assert (lockbox.id, lockbox.fingerprint, lockbox.result) == ("l-2", "f" * 64, None)


def test_no_ticket_is_issued_when_the_look_cannot_be_recorded(stores: Stores) -> None:
    put_campaign(stores)
    with pytest.raises(IntegrityError):
        stores.looks.open_lockbox("l-1", zones_version=1, campaign_id="c-1", experiment_id="e-none", fingerprint="f", actor="cli")
    assert stores.looks.all("lockbox") == []


def test_what_a_look_showed_is_recorded_once_and_looks_are_counted_by_zone_version_and_campaign(stores: Stores) -> None:
    put_campaign(stores)
    put_campaign(stores, "c-2")
    stores.experiments.register([design("e-1"), design("e-2", "c-2")])
    for look, campaign, experiment in (("l-1", "c-1", "e-1"), ("l-2", "c-2", "e-2")):
        stores.looks.open_validation(
            look, zones_version=1, campaign_id=campaign, experiment_id=experiment, fingerprint="f", actor="campaign"
        )
    stores.looks.put_result("l-1", {"p": 0.3})
    stores.looks.put_result("l-1", {"p": 0.001})
    assert [(look.id, look.result) for look in stores.looks.all("validation")] == [("l-1", {"p": 0.3}), ("l-2", None)]
    assert [look.id for look in stores.looks.all("validation", 1, ["c-2"])] == ["l-2"]
    assert stores.looks.all("validation", 2) == []


def test_a_campaigns_lessons_are_those_of_its_latest_generation_in_order(stores: Stores) -> None:
    put_campaign(stores)
    window = ("1999-01-04", "2012-01-03")
    old = [LessonRow("s-1", "rsi alone loses", ["e-1"], window, "c-1")]
    new = [LessonRow("s-2", "adx helps", ["e-1", "e-2"], window, "c-1"), LessonRow("s-1", "rsi alone loses", ["e-1"], window, "c-1")]
    stores.lessons.put("c-1", 0, old)
    stores.lessons.put("c-1", 1, new)
    stores.lessons.put("c-1", 1, list(reversed(new)))
    assert stores.lessons.of_campaign("c-1") == new
    assert stores.lessons.of_campaign("c-2") == []


def test_vectors_come_back_bit_for_bit_with_their_texts(stores: Stores) -> None:
    memories = [Memory(f"m-{n}", "lesson", f"s-{n}", f"text {n}", ("1999-01-04", "2012-01-03")) for n in range(5)]
    stores.memories.add(memories)
    stores.memories.add(memories)
    assert stores.memories.count() == 5
    assert stores.memories.without_vector("minilm") == memories
    vectors = np.random.default_rng(3).normal(size=(5, 384)).astype(np.float32)
    stores.memories.put_vectors("minilm", {f"m-{n}": vectors[n] for n in (4, 2, 0, 1, 3)})
    found, back = stores.memories.vectors("minilm")
    assert found == memories
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, vectors)


def test_another_embedders_vectors_do_not_count_and_new_ones_are_indexed_again(stores: Stores) -> None:
    stores.memories.add([Memory("m-1", "lesson", "s-1", "text", ("1999-01-04", "2012-01-03"))])
    stores.memories.put_vectors("minilm", {"m-1": np.ones(384, np.float32)})
    stores.memories.mark_indexed(["m-1"])
    assert stores.memories.vectors("minilm", only_unindexed=True)[0] == []
    assert stores.memories.vectors("other")[0] == []
    assert [memory.id for memory in stores.memories.without_vector("other")] == ["m-1"]
    stores.memories.put_vectors("other", {"m-1": np.zeros(384, np.float32)})
    assert [memory.id for memory in stores.memories.vectors("other", only_unindexed=True)[0]] == ["m-1"]


def test_the_audit_keeps_calls_in_order_with_actor_and_outcome(stores: Stores) -> None:
    stores.audit.tool_call(actor="mcp", tool="data_list", arguments={}, outcome="ok", seconds=0.25)
    stores.audit.tool_call(actor="agent:designer", tool="experiment_get", arguments={"id": "e-9"}, outcome="not_found", seconds=0.5)
    stores.audit.model_call("c-1", {"model": "openai/x", "tokens": 12})
    stores.audit.model_call(None, {"model": "openai/y"})
    first, second = stores.audit.tool_calls()
    assert (first["actor"], first["tool"], first["outcome"], first["seconds"]) == ("mcp", "data_list", "ok", 0.25)
    assert (second["actor"], second["arguments"], second["outcome"]) == ("agent:designer", {"id": "e-9"}, "not_found")
    assert [call["body"] for call in stores.audit.model_calls("c-1")] == [{"model": "openai/x", "tokens": 12}]
    assert len(stores.audit.model_calls()) == 2


def test_more_ids_than_one_statement_can_bind_are_asked_for_in_batches(stores: Stores) -> None:
    ids = [f"e-{i}" for i in range(40_000)]
    assert stores.experiments.results("search", ids) == {}
    assert stores.experiments.assessments(ids) == {}
    stores.memories.mark_indexed(ids)
