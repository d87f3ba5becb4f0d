"""The door as Claude Code finds it: a process that speaks the protocol on its stdin and stdout, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp
import pytest
from mcp import ClientSession, types

import nullalpha.mcp
from nullalpha.app.lab import Lab
from tests.mcp.conftest import Talk, server_arguments
from tests.support.campaigns import REPOSITORY, environment, query

REQUIRED = {
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
HELLO = {"protocolVersion": types.LATEST_PROTOCOL_VERSION, "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}}
BEGIN = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}).encode()
NOISY = """
import os, sys
from pathlib import Path
from pydantic import BaseModel
from nullalpha.app.lab import Lab
from nullalpha.mcp.server import serve_stdio
from nullalpha.tools.door import ToolDoor, tool

class Read(BaseModel):
    stdin: str

def chatter(desk) -> Read:
    '''Print as libraries do, and read what is on stdin.'''
    print("printed by a library")
    os.write(1, b"written past Python\\n")
    os.system("echo said by a child")
    return Read(stdin=sys.stdin.read())

home = Path(sys.argv[1])
serve_stdio(ToolDoor({"chatter": tool(chatter, touches_home=False)}, Lab(home).desk("mcp", person=False, path_root=home)))
"""


def test_the_package_does_not_hide_the_sdk() -> None:
    assert Path(mcp.__file__).parent.parent.name == "site-packages"
    assert nullalpha.mcp.__name__ == "nullalpha.mcp"


def test_claude_code_is_told_of_a_command_that_setup_installs() -> None:
    configured = json.loads((REPOSITORY / ".mcp.json").read_text())
    assert configured == {"mcpServers": {"nullalpha": {"command": ".venv/bin/nullalpha", "args": ["mcp"]}}}


def test_the_server_introduces_itself_lists_its_tools_and_answers(talk: Talk, home: Path) -> None:
    async def conversation(session: ClientSession) -> tuple[set[str], dict[str, Any], dict[str, Any], dict[str, Any]]:
        names = {item.name for item in (await session.list_tools()).tools}
        data = await session.call_tool("data_list")
        schema = await session.call_tool("strategy_schema")
        verdict = await session.call_tool("strategy_validate", {"document": "name: x\nfetures: {}\n"})
        found = [answer.structuredContent for answer in (data, schema, verdict)]
        assert all(found)
        return names, *found  # type: ignore[return-value]

    names, data, schema, verdict = talk(home, conversation)
    assert names >= REQUIRED
    assert {(s["instrument"], s["n_bars"]) for s in data["snapshots"]} == {("SPX", 5031), ("IXIC", 5031)}
    assert schema["schema"]["type"] == "object"
    assert verdict["valid"] is False
    assert any(e["path"] == "fetures" and "features" in (e["suggestion"] or "") for e in verdict["errors"])


HOSTILE: list[tuple[str, dict[str, Any], str]] = [
    ("data_lst", {}, "not_found"),
    ("data_list", {"instrument": "SPX"}, "invalid_arguments"),
    ("campaign_status", {"campaign_id": 3}, "invalid_arguments"),
    ("campaign_status", {"campaign_id": "c-20200101-aaaaaa"}, "not_found"),
    ("campaign_status", {"campaign_id": "' OR 1=1 --", "after": 0}, "not_found"),
    ("campaign_stop", {}, "invalid_arguments"),
    ("campaign_start", {"trials": 0}, "invalid_arguments"),
    ("campaign_start", {"designer": "person"}, "invalid_arguments"),
    ("campaign_start", {"designer": "llm"}, "settings"),
    ("campaign_start", {"instruments": ["SPY"]}, "not_found"),
    ("campaign_start", {"instruments": ["A"] * 10_000}, "invalid_arguments"),
    ("campaign_start", {"budget_seconds": -1}, "invalid_arguments"),
    ("operation_status", {"id": "o-nothing"}, "not_found"),
    ("experiment_get", {"id": "\x00"}, "not_found"),
    ("experiment_list", {"campaign_id": "c-none"}, "not_found"),
    ("experiment_compare", {"ids": ["a"]}, "invalid_arguments"),
    ("data_check", {"target": "../../../etc/passwd"}, "refused"),
    ("data_check", {"target": "/etc/hostname"}, "refused"),
    ("data_check", {"target": "x" * 5000}, "not_found"),
    ("strategy_validate", {"document": "x" * 1_000_000}, "invalid_arguments"),
    ("strategy_compile", {"document": "[" * 500 + "]" * 500}, "invalid_strategy"),
    ("memory_search", {"query": "", "k": 1}, "invalid_arguments"),
    ("experiment_list", {"y" * 1_000_000: 1}, "invalid_arguments"),
]


def test_hostile_calls_get_typed_errors_and_the_server_goes_on(talk: Talk, home: Path, server_log: Callable[[], str]) -> None:
    async def conversation(session: ClientSession) -> list[types.CallToolResult]:
        answers = [await session.call_tool(name, arguments) for name, arguments, _ in HOSTILE]
        return [*answers, await session.call_tool("campaign_list")]

    *answers, last = talk(home, conversation)
    for (name, _, code), answered in zip(HOSTILE, answers, strict=True):
        assert answered.isError, name
        error = json.loads(answered.content[0].text)
        assert (name, error["code"]) == (name, code)
        assert len(answered.content[0].text) < 20_000
    assert last.structuredContent == {"campaigns": []}
    assert "Traceback" not in server_log()
    audit = query(home, "SELECT DISTINCT actor FROM tool_calls")
    assert audit == [("mcp",)]
    outcomes = dict(query(home, "SELECT tool || ':' || outcome, count(*) FROM tool_calls GROUP BY 1"))
    assert outcomes["campaign_list:ok"] == 1
    assert outcomes["operation_status:not_found"] == 1
    assert outcomes["data_check:refused"] == 2
    assert query(home, "SELECT count(*) FROM campaigns") == [(0,)]
    assert query(home, "SELECT max(length(arguments)) < 5000 FROM tool_calls") == [(1,)]


@contextmanager
def raw_server(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], Callable[..., dict[str, Any]]]]:
    """Yield a server and a function that sends lines and returns the next message: some lines no client of the SDK can send."""
    process = subprocess.Popen(
        [sys.executable, *server_arguments(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        cwd=REPOSITORY,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def exchange(*lines: bytes) -> dict[str, Any]:
        stdin.write(b"".join(line + b"\n" for line in lines))
        stdin.flush()
        message: dict[str, Any] = json.loads(stdout.readline())
        return message

    try:
        assert exchange(BEGIN)["result"]["serverInfo"]["name"] == "nullalpha"
        yield process, exchange
    finally:
        process.kill()
        process.wait()
        stdin.close()
        stdout.close()


def test_frames_that_no_parser_takes_are_answered_and_the_next_call_works(home: Path) -> None:
    deep = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"strategy_schema","arguments":{"a":%s}}}'
    with raw_server(home) as (_, exchange):
        started = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        for number, levels in enumerate((500, 50_000), start=1):
            answered = exchange(started, deep % (number, b"[" * levels + b"]" * levels))
            assert (answered["id"], answered["result"]["isError"]) == (number, True)
            assert json.loads(answered["result"]["content"][0]["text"])["code"] == "invalid_request"
        pong = exchange(b"", b"no json at all", b"\xff\xfe", b'{"jsonrpc":"2.0","id":9,"method":"ping"}')
        assert pong == {"jsonrpc": "2.0", "id": 9, "result": {}}
        works = exchange(b'{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"strategy_schema"}}')
        assert works["result"]["isError"] is False


def test_the_server_ends_when_the_client_closes_its_stdin(home: Path) -> None:
    with raw_server(home) as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(timeout=20) == 0


def test_ctrl_c_ends_the_server_while_it_waits_for_its_client(home: Path) -> None:
    with raw_server(home) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130


def test_what_libraries_print_goes_to_stderr_and_nothing_else_reads_stdin(talk: Talk, home: Path, server_log: Callable[[], str]) -> None:
    async def conversation(session: ClientSession) -> list[Any]:
        return [(await session.call_tool("chatter")).structuredContent for _ in range(2)]

    assert talk(home, conversation, driver=["-c", NOISY, str(home)]) == [{"stdin": ""}] * 2
    log = server_log()
    for said in ("written past Python", "said by a child"):
        assert log.count(said) == 2
    assert "printed by a library" in log


def test_a_home_that_cannot_be_made_is_a_typed_error(talk: Talk, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    async def conversation(session: ClientSession) -> list[types.CallToolResult]:
        return [await session.call_tool("experiment_list"), await session.call_tool("strategy_indicators")]

    listed, indicators = talk(blocked / "home", conversation)
    assert json.loads(listed.content[0].text)["code"] == "home"
    assert not indicators.isError


def test_calls_that_come_at_once_are_all_answered(talk: Talk, home: Path) -> None:
    async def conversation(session: ClientSession) -> list[bool]:
        failed: list[bool] = []

        async def ask(name: str) -> None:
            failed.append((await session.call_tool(name)).isError)

        async with anyio.create_task_group() as group:
            for name in ("campaign_list", "data_list", "experiment_list", "memory_lessons") * 4:
                group.start_soon(ask, name)
        return failed

    assert talk(home, conversation) == [False] * 16
    assert query(home, "SELECT count(*) FROM tool_calls WHERE outcome = 'ok'") == [(16,)]
    assert Lab(home).stores.campaigns.all() == []


@pytest.mark.parametrize("settings", ["workers = 'many'"])
def test_broken_settings_are_named_where_they_matter(talk: Talk, home: Path, settings: str) -> None:
    home.mkdir()
    (home / "settings.toml").write_text(settings)

    async def conversation(session: ClientSession) -> types.CallToolResult:
        return await session.call_tool("campaign_start", {"designer": "llm"})

    error = json.loads(talk(home, conversation).content[0].text)
    assert (error["code"], error["path"]) == ("settings", "workers")
