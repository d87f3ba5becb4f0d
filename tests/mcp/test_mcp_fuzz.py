"""Calls that nobody would write: whatever the arguments, the answer is a result or a typed error that some rule foresaw."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import types

from nullalpha.app.lab import Lab
from nullalpha.mcp.server import call
from nullalpha.tools.door import ToolDoor
from nullalpha.tools.registry import TOOLS

STARTS_WORK = "campaign_start"
NAMES = sorted(set(TOOLS) - {STARTS_WORK})
TEXT = st.text(max_size=40) | st.sampled_from(
    [
        "",
        "SPX",
        "1d",
        "../../etc",
        "/",
        "\x00",
        "a\x00.csv",
        "\ud800",
        "x" * 5000,
        "x" * 5000 + ".csv",
        "' OR 1=1 --",
        "name: [",
        "{{7*7}}",
        "NaN",
    ]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> ToolDoor:
    return Lab(tmp_path_factory.mktemp("fuzz") / "home").door("mcp", person=False)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(NAMES))
    arguments = {field: draw(TEXT | VALUE) for field in TOOLS[name].arguments.model_fields if draw(st.integers(0, 9))}
    return name, {**arguments, **draw(st.dictionaries(TEXT, VALUE, max_size=1) if draw(st.integers(0, 9)) == 0 else st.just({}))}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(calls())
def test_every_call_is_answered_by_a_result_or_a_typed_error(door: ToolDoor, made: tuple[str, dict[str, Any]]) -> None:
    name, arguments = made
    result = call(door, door.tools, name, arguments)
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    body = json.loads(content.text.encode("utf-8"))
    assert "Traceback" not in content.text
    if result.isError:
        assert body["code"] != "internal", (name, arguments)
        assert isinstance(body["message"], str)
    else:
        assert body == result.structuredContent
