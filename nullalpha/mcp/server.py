"""The MCP server: every tool of the registry, called through the tool door in a worker thread, so that the protocol stays responsive.

It adds no capability of its own. Tools of scope `admin` are neither listed nor called. What leaves is JSON within the room that a
client gives one answer, or a typed error; the text of an unexpected exception goes to stderr, never to the client.
"""

from __future__ import annotations

import secrets
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import anyio
from anyio import to_thread
from mcp import types
from mcp.server.lowlevel import Server

from nullalpha import __version__
from nullalpha.core.errors import NotFoundError, NullAlphaError, UsageError, nearest
from nullalpha.mcp.answers import answer, refusal
from nullalpha.mcp.listing import describe
from nullalpha.mcp.stdio import claim_stdio, stdio_transport
from nullalpha.tools.door import Tool, ToolDoor

MAX_ARGUMENTS = 64
MAX_CALLS_AT_ONCE = 8

INSTRUCTIONS = """\
NullAlpha is a local research lab for trading strategies. It presumes that a strategy has no alpha until the evidence, corrected for \
everything that was tried, says otherwise. Most verdicts are `reject`; a rejected experiment is a result, not a failure.

Campaigns: `data_list` says which instruments there are. `campaign_start` returns a campaign_id at once; the campaign runs in the \
background and goes on when this client closes. Follow it with `campaign_status`, passing the last event's `seq` as `after`; a few calls \
a minute are enough. When its status is `done` or `budget_exhausted`, read `campaign_result`, or `experiment_list` and then \
`experiment_get`. `campaign_stop` stops at a safe point; `campaign_resume` goes on from there.

Own strategies: `strategy_schema` and `strategy_indicators` give the language, `strategy_validate` names every error with the nearest \
fix, `strategy_backtest` trains and judges it; `signal_backtest` trades positions from a parquet file by the same rules. Each run counts \
as a trial of this home and raises the bar for all that follow. `experiment_trades` lists what an experiment traded.

Before proposing anything, ask `memory_search` what was tried already.

Figures are out of sample within the search zone. Figures from the sealed zones (validation and lockbox) are never shown here; only \
whether something was shortlisted. A missing figure is null, never 0. Sharpe ratios are annual; everything else is a fraction.

An error is JSON: code, message, path, value, suggestion. An answer that is too long comes with `shortened`, which says what was left out.
"""


class InternalError(NullAlphaError):
    """Something that no tool foresaw; its trace is in the server's log under the incident's name."""

    code = "internal"


def serve_stdio(door: ToolDoor) -> None:
    """Serve a door's tools on stdin and stdout until the client closes stdin.

    The two descriptors belong to the protocol from here on: what anything else prints goes to stderr, and nothing else can read stdin.
    """
    incoming, outgoing = claim_stdio()
    anyio.run(_serve, door, incoming, outgoing)


async def _serve(door: ToolDoor, incoming: int, outgoing: int) -> None:
    server = build_server(door)
    async with stdio_transport(incoming, outgoing) as (requests, answers):
        await server.run(requests, answers, server.create_initialization_options())


def build_server(door: ToolDoor) -> Server[Any]:
    """Return the MCP server of a door's tools; it needs a transport to run on."""
    offered = {name: tool for name, tool in door.tools.items() if tool.scope != "admin"}
    listing = types.ListToolsResult(tools=[describe(tool) for tool in offered.values()])
    limiter = anyio.CapacityLimiter(MAX_CALLS_AT_ONCE)

    async def list_tools(_: types.ListToolsRequest) -> types.ServerResult:
        return types.ServerResult(listing)

    async def call_tool(request: types.CallToolRequest) -> types.ServerResult:
        name, arguments = request.params.name, request.params.arguments or {}
        result = await to_thread.run_sync(call, door, offered, name, arguments, abandon_on_cancel=True, limiter=limiter)
        return types.ServerResult(result)

    server: Server[Any] = Server("nullalpha", version=__version__, instructions=INSTRUCTIONS)
    server.request_handlers[types.ListToolsRequest] = list_tools
    server.request_handlers[types.CallToolRequest] = call_tool
    return server


def call(door: ToolDoor, offered: Mapping[str, Tool], name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
    """Call a tool and return its answer or its typed error; raises nothing."""
    try:
        if name not in offered:
            near = nearest(name[:64], list(offered))
            suggestion = f"did you mean {near}?" if near else "tools/list names all"
            raise NotFoundError(f"no tool {name[:64]!r}", path="tool", value=name, suggestion=suggestion)
        if len(arguments) > MAX_ARGUMENTS:
            takes = ", ".join(offered[name].arguments.model_fields) or "no arguments"
            raise UsageError(f"{name}: {len(arguments)} arguments", path="arguments", suggestion=f"it takes: {takes}")
        return answer(offered[name], door.call(name, arguments))
    except NullAlphaError as error:
        return refusal(error)
    except BaseException:  # noqa: BLE001  (the door: native libraries panic outside Exception, and no text of theirs may leave)
        incident = secrets.token_hex(4)
        sys.stderr.write(f"incident {incident} in {name[:64]!r}\n{traceback.format_exc()}")
        sys.stderr.flush()
        message = f"the tool failed in a way that it did not foresee (incident {incident})"
        return refusal(InternalError(message, suggestion="the server's log (stderr) holds the trace under this incident"))
