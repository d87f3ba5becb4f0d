"""No connection and no name look-up leaves this machine: not in a whole campaign, its workers included, and not on import of any door."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.campaigns import REPOSITORY, Campaign, environment

WATCHED = REPOSITORY / "tests" / "support" / "watched"
DOORS = (
    "nullalpha.mcp.server", "nullalpha.llm.client", "nullalpha.app.hosting", "nullalpha.memory.chroma_index", "nullalpha.memory.embedder",
    "nullalpha.engines.jobs", "nullalpha.reports.html", "nullalpha.agents.search",
)  # fmt: skip


def is_local(event: str, address: Any) -> bool:
    """Whether a watched call stays on this machine: a Unix socket, or a loopback address or name."""
    if event == "socket.connect" and isinstance(address, str):
        return True  # the path of a Unix socket
    host = address if isinstance(address, str) else address[0] if address else None
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def watched_calls(log: Path) -> list[tuple[int, str, Any]]:
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def watched(code: str, log: Path) -> list[tuple[int, str, Any]]:
    variables = environment(PYTHONPATH=str(WATCHED), WATCH_CONNECTIONS=str(log))
    subprocess.run([sys.executable, "-c", code], check=True, env=variables, cwd=REPOSITORY, timeout=120)
    return watched_calls(log)


def test_the_watch_sees_an_attempt_in_a_process_and_in_its_children(tmp_path: Path) -> None:
    attempt = (
        "import socket, contextlib\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "with contextlib.suppress(OSError): s.connect(('192.0.2.1', 9))\n"
        "with contextlib.suppress(OSError): socket.getaddrinfo('nowhere.invalid', 80)\n"
    )
    code = f"{attempt}\nimport subprocess, sys\nsubprocess.run([sys.executable, '-c', {attempt!r}], check=True)"
    seen = watched(code, tmp_path / "log")
    assert len({pid for pid, _, _ in seen}) == 2
    assert [(event, address) for _, event, address in seen if not is_local(event, address)] == [
        ("socket.connect", ["192.0.2.1", 9]),
        ("socket.getaddrinfo", "nowhere.invalid"),
    ] * 2


def test_a_whole_campaign_with_its_workers_stays_on_this_machine(reference: Campaign) -> None:
    assert [call for call in watched_calls(reference.connections) if not is_local(*call[1:])] == []


def test_importing_every_door_and_opening_the_index_stays_on_this_machine(tmp_path: Path) -> None:
    code = (
        "from nullalpha.core.egress import close_egress; close_egress()\n"
        + "".join(f"import {name}\n" for name in DOORS)
        + "from pathlib import Path\n"
        + "embedder = nullalpha.memory.embedder.MiniLmEmbedder()\n"
        + f"with nullalpha.memory.chroma_index.ChromaIndex(Path({str(tmp_path / 'index')!r}), embedder.identity) as index:\n"
        + "    index.rebuild(['m-1'], embedder.embed(['momentum']), [{'kind': 'lesson', 'ref': 'l-1'}])\n"
        + "    assert index.count() == 1\n"
    )
    calls = watched(code, tmp_path / "log")
    assert [call for call in calls if not is_local(*call[1:])] == []
