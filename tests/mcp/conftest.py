"""Conversations with the real server: the command of `.mcp.json` in a process of its own, and the SDK's own client over stdio."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import anyio
import psutil
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.support.campaigns import REPOSITORY, environment

T = TypeVar("T")
PATIENCE = 120.0
Conversation = Callable[[ClientSession], Awaitable[T]]
Talk = Callable[..., Any]


def server_arguments(home: Path) -> list[str]:
    """Return what `.mcp.json` says to run, with another home."""
    configured = json.loads((REPOSITORY / ".mcp.json").read_text())["mcpServers"]["nullalpha"]
    return ["-m", "nullalpha", *configured["args"], "--home", str(home)]


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    """Return a function that starts a server, has a conversation with it, and returns what that returns."""

    def have(home: Path, conversation: Conversation[T], *, driver: Sequence[str] | None = None, **variables: str) -> T:
        arguments = list(driver or server_arguments(home))
        parameters = StdioServerParameters(command=sys.executable, args=arguments, env=environment(**variables), cwd=REPOSITORY)

        async def main() -> T:
            with ExitStack() as stack:
                log = stack.enter_context((tmp_path / "server.log").open("a"))
                stack.enter_context(anyio.fail_after(PATIENCE))
                async with stdio_client(parameters, errlog=log) as (incoming, outgoing), ClientSession(incoming, outgoing) as session:
                    await session.initialize()
                    return await conversation(session)

        return anyio.run(main)

    return have


@pytest.fixture
def server_log(tmp_path: Path) -> Callable[[], str]:
    """Return a function that reads what the servers of this test wrote to stderr."""
    return lambda: (tmp_path / "server.log").read_text()


def supervisors_of(home: Path) -> list[psutil.Process]:
    """Return the living supervisors of a home, those included that do not hold its lease yet."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "supervise" in command and str(home) in command:
            found.append(process)
    return found


def end_supervisors(home: Path) -> None:
    """End a home's supervisors with SIGTERM and see them gone; what they computed is in the ledger."""
    living = supervisors_of(home)
    for process in living:
        process.terminate()
    _, left = psutil.wait_procs(living, timeout=30)
    assert not left
