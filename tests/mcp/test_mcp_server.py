"""The server on tools made for the purpose, spoken to by the SDK's client in this process."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from mcp import ClientSession, types
from mcp.shared.memory import create_connected_server_and_client_session
from pydantic import BaseModel

from nullalpha.app.lab import Lab
from nullalpha.core.errors import RefusedError
from nullalpha.mcp.server import INSTRUCTIONS, MAX_ARGUMENTS, build_server
from nullalpha.tools.desk import Desk
from nullalpha.tools.door import Tool, ToolDoor, tool
from nullalpha.tools.registry import TOOLS

T = TypeVar("T")
SECRET = "the password is hunter2"
CLAUDE_CODE_TEXT_LIMIT = 2048


class Said(BaseModel):
    text: str


class NativePanicError(BaseException):
    """Like what a library written in another language raises when it gives up."""


def explode(desk: Desk) -> Said:
    """Fail as no tool should."""
    raise ValueError(SECRET)


def panic(desk: Desk) -> Said:
    """Fail outside of all exceptions."""
    raise NativePanicError(SECRET)


def forbid(desk: Desk, *, what: str) -> Said:
    """Refuse."""
    raise RefusedError(f"{what} is not allowed", path="what", value=what, suggestion="leave it")


def erase(desk: Desk) -> Said:
    """Do what only an administrator may."""
    return Said(text="erased")


def say(desk: Desk, *, text: str = "hello") -> Said:
    """Say something."""
    return Said(text=text)


def made(*functions: Tool) -> dict[str, Tool]:
    return {item.name: item for item in functions}


QUIET: dict[str, Any] = {"touches_home": False}
MADE = made(tool(explode, **QUIET), tool(panic, **QUIET), tool(forbid, **QUIET), tool(say, **QUIET), tool(erase, scope="admin", **QUIET))


def converse(home: Path, tools: dict[str, Tool], conversation: Callable[[ClientSession], Awaitable[T]]) -> T:
    async def main() -> T:
        server = build_server(ToolDoor(tools, Lab(home).desk("mcp", person=False, path_root=home)))
        with anyio.fail_after(30):
            async with create_connected_server_and_client_session(server) as session:
                return await conversation(session)

    return anyio.run(main)


def called(home: Path, name: str, arguments: dict[str, Any] | None = None) -> types.CallToolResult:
    async def conversation(session: ClientSession) -> types.CallToolResult:
        return await session.call_tool(name, arguments)

    return converse(home, MADE, conversation)


def error_in(result: types.CallToolResult) -> dict[str, Any]:
    assert result.isError
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    error: dict[str, Any] = json.loads(content.text)
    return error


@pytest.mark.parametrize("name", ["explode", "panic"])
def test_the_text_of_an_unexpected_exception_stays_in_the_log(home: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = called(home, name)
    error = error_in(result)
    assert error["code"] == "internal"
    assert SECRET not in result.model_dump_json()
    logged = capsys.readouterr().err
    assert SECRET in logged
    incident = re.search(r"incident (\w+)", error["message"])
    assert incident is not None
    assert f"incident {incident[1]}" in logged


def test_a_typed_error_reaches_the_client_whole(home: Path) -> None:
    error = error_in(called(home, "forbid", {"what": "that"}))
    assert error == {"code": "refused", "message": "that is not allowed", "path": "what", "value": "that", "suggestion": "leave it"}


@pytest.mark.parametrize(
    ("name", "arguments", "code", "says"),
    [
        ("sing", {}, "not_found", "'sing'"),
        ("sayy", {}, "not_found", "did you mean say?"),
        ("x" * 100_000, {}, "not_found", "tools/list"),
        ("erase", {}, "not_found", "'erase'"),
        ("say", {"txt": "a"}, "invalid_arguments", "did you mean text?"),
        ("say", {"text": 3}, "invalid_arguments", "text is 3; it takes text"),
        ("forbid", {}, "invalid_arguments", "what"),
        ("say", {f"a{i}": i for i in range(MAX_ARGUMENTS + 1)}, "usage", "it takes: text"),
    ],
    ids=["unknown", "misspelt", "endless", "admin", "unknown argument", "wrong type", "missing", "too many"],
)
def test_a_call_that_cannot_be_made_says_why(home: Path, name: str, arguments: dict[str, Any], code: str, says: str) -> None:
    error = error_in(called(home, name, arguments))
    assert error["code"] == code
    assert says in json.dumps(error)
    assert len(json.dumps(error)) < 5000


def test_tools_for_administrators_are_not_listed(home: Path) -> None:
    async def conversation(session: ClientSession) -> list[str]:
        return [item.name for item in (await session.list_tools()).tools]

    assert converse(home, MADE, conversation) == ["explode", "panic", "forbid", "say"]


def test_while_one_call_works_others_are_answered(home: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(desk: Desk) -> Said:
        """Wait until another call says to go on."""
        begun.set()
        return Said(text="released" if go_on.wait(20) else "nobody came")

    def release(desk: Desk) -> Said:
        """Let the other call go on."""
        go_on.set()
        return Said(text="done")

    async def conversation(session: ClientSession) -> list[str]:
        heard: list[str] = []

        async def slow() -> None:
            heard.append(str((await session.call_tool("wait")).structuredContent))

        async with anyio.create_task_group() as group:
            group.start_soon(slow)
            await anyio.to_thread.run_sync(begun.wait, 20)
            await session.send_ping()
            heard.append(str((await session.call_tool("release")).structuredContent))
        return heard

    heard = converse(home, made(tool(wait, **QUIET), tool(release, **QUIET)), conversation)
    assert heard == ["{'text': 'done'}", "{'text': 'released'}"]


def listed(home: Path) -> dict[str, types.Tool]:
    async def conversation(session: ClientSession) -> dict[str, types.Tool]:
        return {item.name: item for item in (await session.list_tools()).tools}

    return converse(home, dict(TOOLS), conversation)


def test_every_tool_of_the_registry_is_listed_closed_and_with_its_hints(home: Path) -> None:
    entries = listed(home)
    assert set(entries) == {name for name, item in TOOLS.items() if item.scope != "admin"}
    for name, entry in entries.items():
        assert entry.inputSchema["type"] == "object"
        assert entry.inputSchema["additionalProperties"] is False
        assert set(entry.inputSchema["properties"]) == set(TOOLS[name].arguments.model_fields)
        assert entry.outputSchema is not None
        assert entry.outputSchema["type"] == "object"
        assert entry.description
        assert len(entry.description) <= CLAUDE_CODE_TEXT_LIMIT
        assert entry.annotations is not None
        assert entry.annotations.readOnlyHint == (TOOLS[name].scope == "read")
        assert entry.annotations.idempotentHint == TOOLS[name].idempotent
        assert (entry.annotations.destructiveHint, entry.annotations.openWorldHint) == (False, False)
    assert not home.exists()


def test_the_instructions_name_only_tools_and_words_that_there_are() -> None:
    assert len(INSTRUCTIONS) <= CLAUDE_CODE_TEXT_LIMIT
    quoted = set(re.findall(r"`(\w+)`", INSTRUCTIONS))
    assert {name for name in quoted if "_" in name} - {"budget_exhausted"} <= set(TOOLS)
    assert {"campaign_start", "campaign_status", "campaign_result", "memory_search"} <= quoted
    assert "never shown" in INSTRUCTIONS
