"""Every registered tool: named, described, closed, typed."""

from __future__ import annotations

import inspect

import pytest
from pydantic import BaseModel, ValidationError

from nullalpha.tools.door import Tool
from nullalpha.tools.registry import TOOLS

NEEDED_BY_AGENTS = {
    "data_list",
    "strategy_schema",
    "strategy_validate",
    "experiment_list",
    "experiment_get",
    "memory_search",
    "campaign_start",
    "campaign_status",
    "campaign_stop",
    "operation_status",
}

every_tool = pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))


def test_the_tools_that_agents_rely_on_are_there() -> None:
    assert set(TOOLS) >= NEEDED_BY_AGENTS
    assert all(name == tool.name == tool.function.__name__ for name, tool in TOOLS.items())


@every_tool
def test_a_tool_says_what_it_does_in_whole_sentences(tool: Tool) -> None:
    assert len(tool.description) > 20
    assert tool.description.endswith(".")


@every_tool
def test_a_tools_schema_is_closed_and_is_its_signature(tool: Tool) -> None:
    schema = tool.arguments.model_json_schema()
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == list(inspect.signature(tool.function).parameters)[1:]
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        tool.arguments.model_validate({"surely_not_an_argument": 1})


@every_tool
def test_a_tools_answer_is_a_model_with_a_schema(tool: Tool) -> None:
    assert issubclass(tool.result, BaseModel)
    assert tool.result.model_json_schema(mode="serialization")["type"] == "object"


@every_tool
def test_every_argument_that_reaches_the_disk_or_a_model_is_bounded(tool: Tool) -> None:
    assert tool.arguments.model_config["str_max_length"] == 100_000


def test_what_starts_work_is_scoped_as_such() -> None:
    running = {name for name, tool in TOOLS.items() if tool.scope != "read"}
    assert running == {"campaign_start", "campaign_stop", "campaign_resume", "strategy_backtest", "signal_backtest"}
    assert [name for name, tool in TOOLS.items() if not tool.idempotent] == ["campaign_start"]
