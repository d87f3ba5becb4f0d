"""The door: closed arguments, typed errors, an audit row a call; nothing else leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nullalpha.app.lab import Lab
from nullalpha.core.errors import NotFoundError, RefusedError, UsageError
from nullalpha.tools.door import ArgumentsError, ToolDoor
from nullalpha.tools.registry import TOOLS
from tests.support.ledger_state import design, put_campaign

Doors = Callable[[bool], ToolDoor]
READING = sorted(name for name, tool in TOOLS.items() if tool.scope == "read" and name != "memory_search")
HOSTILE_WORDS = ["SPX", "c-1", "../../etc/passwd", "/etc/passwd", "a\x00.csv", "\ud800", "x" * 5000, "y" * 5000 + ".csv", "", "."]
WORDS = st.sampled_from(HOSTILE_WORDS)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
HOSTILE = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))


def test_an_unknown_tool_is_refused_with_the_nearest(door: Doors) -> None:
    with pytest.raises(NotFoundError) as caught:
        door(True).call("data_lst", {})
    assert caught.value.suggestion == "did you mean data_list?"


@pytest.mark.parametrize(
    ("tool", "arguments", "path", "kind", "suggestion"),
    [
        ("experiment_get", {}, "id", "missing", "it takes: id"),
        ("experiment_get", {"id": "e-1", "ix": 1}, "ix", "extra_forbidden", "did you mean id?"),
        ("experiment_get", {"id": 3}, "id", "string_type", "it takes: id"),
        ("campaign_status", {"campaign_id": "c-1", "after": -1}, "after", "greater_than_equal", "it takes: campaign_id, after"),
        ("experiment_list", {"verdict": "splendid"}, "verdict", "literal_error", "it takes: campaign_id, verdict, limit"),
        ("data_list", {"x": 1}, "x", "extra_forbidden", "it takes: no arguments"),
    ],
)
def test_arguments_that_a_tool_does_not_take_are_named(
    door: Doors, tool: str, arguments: dict[str, Any], path: str, kind: str, suggestion: str
) -> None:
    with pytest.raises(ArgumentsError) as caught:
        door(True).call(tool, arguments)
    (issue,) = caught.value.issues
    assert (issue.path, issue.code, issue.suggestion) == (path, kind, suggestion)
    assert caught.value.exit_code == 2


def test_all_wrong_arguments_are_named_at_once(door: Doors) -> None:
    with pytest.raises(ArgumentsError) as caught:
        door(True).call("campaign_start", {"trials": 0, "seed": -1, "designer": "person", "colour": "red"})
    body = caught.value.to_dict()
    assert body["code"] == "invalid_arguments"
    assert sorted(error["path"] for error in body["errors"]) == ["colour", "designer", "seed", "trials"]  # type: ignore[attr-defined]


def test_every_call_is_audited_with_its_actor_and_what_came_of_it(lab: Lab, door: Doors) -> None:
    door(True).call("campaign_list", {})
    with pytest.raises(NotFoundError):
        door(False).call("experiment_get", {"id": "e-none"})
    with pytest.raises(ArgumentsError):
        door(False).call("experiment_list", {"limit": 0})
    rows = [(row["actor"], row["tool"], row["arguments"], row["outcome"]) for row in lab.stores.audit.tool_calls()]
    assert rows == [
        ("cli", "campaign_list", {}, "ok"),
        ("agent:designer", "experiment_get", {"id": "e-none"}, "not_found"),
        ("agent:designer", "experiment_list", {"limit": 0}, "invalid_arguments"),
    ]
    assert all(row["seconds"] >= 0 for row in lab.stores.audit.tool_calls())


def test_a_tool_that_breaks_is_not_audited_as_fine(lab: Lab, door: Doors) -> None:
    put_campaign(lab.stores)
    lab.stores.campaigns.emit("c-1", "assessed", {"a body without": "what the tool reads"})
    with pytest.raises(KeyError):
        door(True).call("campaign_status", {"campaign_id": "c-1"})
    assert [row["outcome"] for row in lab.stores.audit.tool_calls()] == ["unexpected"]


def test_long_and_nested_arguments_are_cut_in_the_audit(lab: Lab, door: Doors) -> None:
    with pytest.raises(NotFoundError):
        door(True).call("experiment_compare", {"ids": ["e" * 2000, "f" * 2000]})
    (row,) = lab.stores.audit.tool_calls()
    assert len(row["arguments"]["ids"]) == 500


def test_a_tool_that_reads_a_document_needs_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where the home should be")
    door = Lab(tmp_path / "file" / "home").door("mcp", person=False)
    assert not door.call("strategy_validate", {"document": "nullalpha: 1"}).model_dump()["valid"]
    assert door.call("strategy_indicators", {}).model_dump()["indicators"]
    with pytest.raises(UsageError, match="cannot be made"):
        door.call("campaign_list", {})


def test_a_run_of_bad_calls_changes_nothing_but_the_audit(lab: Lab, door: Doors) -> None:
    put_campaign(lab.stores)
    lab.stores.experiments.register([design("e-1")])
    before = (lab.stores.campaigns.all(), lab.stores.campaigns.events("c-1"), lab.stores.experiments.all())
    for tool, arguments in (
        ("campaign_stop", {"campaign_id": "c-none"}),
        ("campaign_resume", {"campaign_id": "c-none"}),
        ("campaign_start", {"instruments": ["NOPE"]}),
        ("strategy_backtest", {"document": "nullalpha: 1"}),
    ):
        with pytest.raises(UsageError):
            door(False).call(tool, arguments)
    assert (lab.stores.campaigns.all(), lab.stores.campaigns.events("c-1"), lab.stores.experiments.all()) == before


@pytest.mark.parametrize("name", READING)
def test_no_word_breaks_a_reading_tool(door: Doors, name: str) -> None:
    fields = TOOLS[name].arguments.model_fields
    required = {field: "x" for field, info in fields.items() if info.is_required()}
    for word in HOSTILE_WORDS:
        for field in fields:
            try:
                door(False).call(name, {**required, field: word})
            except UsageError as error:
                assert error.message  # noqa: PT017  (an answer is as good as a typed refusal)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_an_agent_sends_to_a_reading_tool_the_answer_is_typed(lab: Lab, door: Doors, data: st.DataObject) -> None:
    tool = TOOLS[data.draw(st.sampled_from(READING))]
    required = {name: WORDS | HOSTILE for name, field in tool.arguments.model_fields.items() if field.is_required()}
    optional = {name: WORDS | HOSTILE for name in (*tool.arguments.model_fields, "extra") if name not in required}
    try:
        answer = door(False).call(tool.name, data.draw(st.fixed_dictionaries(required, optional=optional)))
    except UsageError:
        return
    assert isinstance(answer, tool.result)
    assert answer.model_dump_json()


def test_a_file_outside_the_actors_folder_is_refused_whether_it_is_there_or_not(lab: Lab, door: Doors, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("time,open,high,low,close\n")
    (lab.home / "desk" / "link.csv").symlink_to(tmp_path / "secret.csv")
    for target in (str(tmp_path / "secret.csv"), "../../secret.csv", "link.csv", "/etc/passwd", "../../nothing.csv"):
        with pytest.raises(RefusedError, match="lies outside"):
            door(False).call("data_check", {"target": target})
    assert {row["outcome"] for row in lab.stores.audit.tool_calls()} == {"refused"}
