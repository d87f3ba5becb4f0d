"""`nullalpha doctor`, `nullalpha mcp`, and the supervisor that campaigns in the background run in."""

from __future__ import annotations

from typing import Annotated

import typer

from nullalpha.cli.output import Home, Json, emit_json, open_lab


def doctor(home: Home = None, json: Json = False) -> int:
    """Check this machine and this home, and say how to mend what is wrong."""
    from nullalpha.app.doctor import examine

    diagnosis = examine(open_lab(home))
    if json:
        emit_json(diagnosis)
        return 0 if diagnosis.ok else 1
    for check in diagnosis.checks:
        fix = f"\n      fix: {check.fix}" if check.fix else ""
        mark = "FAIL" if not check.ok else "warn" if check.warning else "ok  "
        typer.echo(f"{mark}  {check.name}: {check.detail}{fix}")
    return 0 if diagnosis.ok else 1


def mcp(home: Home = None) -> None:
    """Serve the lab's tools over MCP on stdin and stdout, e.g. to Claude Code."""
    from nullalpha.mcp.server import serve_stdio

    lab = open_lab(home)
    serve_stdio(lab.door("mcp", person=False))


def supervise(home: Home = None, idle_seconds: Annotated[float, typer.Option(help="End after this long without work.")] = 30.0) -> None:
    """Host queued campaigns of a home until there are none; started on demand."""
    from nullalpha.app.hosting import Host, stop_on_signals

    host = Host(open_lab(home))
    with stop_on_signals(host.stop):
        host.serve(idle_seconds)
