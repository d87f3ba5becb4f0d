"""A whole campaign through MCP: started by one client, followed by another, and nothing of the sealed zones in any answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession

from nullalpha.app.lab import Lab
from nullalpha.memory.stores import Stores
from tests.mcp.conftest import Talk, end_supervisors, supervisors_of
from tests.support.campaigns import query

OVER = ("done", "failed", "stopped", "budget_exhausted")
POLL_SECONDS = 0.2
PLANTED = {"excess_sharpe": 0.7654321234, "p_stepm": 0.1234567321, "n_joint": 7}


async def ask(session: ClientSession, name: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed; the SDK's client holds the answer against the tool's output schema."""
    result = await session.call_tool(name, arguments)
    assert not result.isError, result.content
    assert result.structuredContent is not None
    return result.structuredContent


async def follow(session: ClientSession, campaign_id: str) -> list[dict[str, Any]]:
    """Ask where a campaign stands until it is over, and return its events; each comes once."""
    events: list[dict[str, Any]] = []
    with anyio.fail_after(100):
        while True:
            status = await ask(session, "campaign_status", campaign_id=campaign_id, after=events[-1]["seq"] if events else 0)
            events += status["events"]
            if status["status"] in OVER:
                assert status["status"] == "done", status
                return events
            await anyio.sleep(POLL_SECONDS)


@pytest.fixture
def hosted(home: Path) -> Iterator[Path]:
    """Return a home whose supervisor is ended with the test."""
    try:
        yield home
    finally:
        end_supervisors(home)


def plant_validation(stores: Stores) -> None:
    """Give every experiment that was not validated a verdict on the validation zone with figures that cannot be missed."""
    for row in stores.experiments.all():
        if row.fingerprint:
            reasons = [f"excess Sharpe {PLANTED['excess_sharpe']} on the validation zone"]
            stores.experiments.put_assessment(row.id, "validation", "reject", reasons, PLANTED)


def sealed_figures(stores: Stores) -> set[str]:
    """Return every figure that the ledger holds of the validation zone, as JSON writes it."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                collect(item)
        elif isinstance(value, float) and len(repr(value)) > 8:
            found.add(repr(value))

    collect([a.figures for verdicts in stores.experiments.assessments().values() for a in verdicts if a.stage == "validation"])
    collect([result.body.get("metrics") for result in stores.experiments.results("validation").values()])
    return found


def test_a_campaign_outlives_the_client_that_started_it_and_shows_no_sealed_figure(talk: Talk, hosted: Path) -> None:
    async def start(session: ClientSession) -> dict[str, Any]:
        return await ask(session, "campaign_start", trials=2, designer="random", brief="anything", seed=3)

    ref = talk(hosted, start, NULLALPHA_WORKERS="1")
    assert ref["status"] == "queued"
    campaign_id = ref["campaign_id"]

    async def watch(session: ClientSession) -> list[dict[str, Any]]:
        return await follow(session, campaign_id)

    events = talk(hosted, watch)
    (supervisor,) = supervisors_of(hosted)
    kinds = [event["kind"] for event in events]
    assert {"status", "started", "stage", "assessed", "learned"} <= set(kinds)
    assert "validated" not in kinds
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})

    stores = Lab(hosted).stores
    plant_validation(stores)
    sealed = sealed_figures(stores)
    assert {repr(PLANTED["excess_sharpe"]), repr(PLANTED["p_stepm"])} <= sealed
    operations = [row.id for row in stores.operations.of_campaign(campaign_id)]

    async def read(session: ClientSession) -> dict[str, Any]:
        answers = {
            "result": await ask(session, "campaign_result", campaign_id=campaign_id),
            "status": await ask(session, "campaign_status", campaign_id=campaign_id),
            "campaigns": await ask(session, "campaign_list"),
            "list": await ask(session, "experiment_list", campaign_id=campaign_id),
            "lessons": await ask(session, "memory_lessons"),
            "search": await ask(session, "memory_search", query="which strategies were tried", k=100),
            "data": await ask(session, "data_show", instrument="SPX"),
            "operations": [await ask(session, "operation_status", id=i) for i in operations],
        }
        ids = [experiment["id"] for experiment in answers["list"]["experiments"]]
        answers["details"] = [await ask(session, "experiment_get", id=i) for i in ids]
        answers["compared"] = await ask(session, "experiment_compare", ids=ids)
        return answers

    answers = talk(hosted, read)
    assert answers["result"]["status"] == "done"
    assert answers["result"]["trials"] == 2
    assert [e["validation"] for e in answers["result"]["experiments"]] == [None, None]
    tried = [details for details in answers["details"] if details["experiment"]["fingerprint"]]
    assert [details["experiment"]["status"] for details in tried] == ["done", "done"]
    assert all(details["folds"] and details["document"] for details in tried)
    assert {o["status"] for o in answers["operations"]} == {"done"}
    assert {o["kind"] for o in answers["operations"]} >= {"population", "evidence"}
    assert {hit["kind"] for hit in answers["search"]["hits"]} == {"experiment", "lesson"}
    heard = json.dumps(answers)
    assert not [figure for figure in sealed if figure in heard]
    assert "on the validation zone" not in heard
    as_a_person = Lab(hosted).door("cli", person=True).call("campaign_result", {"campaign_id": campaign_id}).model_dump_json()
    assert repr(PLANTED["excess_sharpe"]) in as_a_person

    assert supervisors_of(hosted) == [supervisor]
    audited = dict(query(hosted, "SELECT tool, count(*) FROM tool_calls WHERE actor = 'mcp' AND outcome = 'ok' GROUP BY tool"))
    assert audited["campaign_start"] == 1
    assert audited["experiment_get"] == len(answers["details"])
    assert query(hosted, "SELECT DISTINCT actor FROM tool_calls") == [("mcp",), ("cli",)]


def test_a_campaign_is_stopped_while_it_runs_and_resumed(talk: Talk, hosted: Path) -> None:
    async def conversation(session: ClientSession) -> list[str]:
        heard = [(await ask(session, "campaign_start", trials=5000, designer="random"))["status"]]
        (campaign,) = (await ask(session, "campaign_list"))["campaigns"]
        name = {"campaign_id": campaign["campaign_id"]}

        async def until(*wanted: str) -> str:
            with anyio.fail_after(60):
                while (status := str((await ask(session, "campaign_status", **name))["status"])) not in wanted:
                    await anyio.sleep(POLL_SECONDS)
            return status

        heard.append(await until("running"))
        await ask(session, "campaign_stop", **name)
        heard.append(await until("stopped"))
        await ask(session, "campaign_resume", **name)
        heard.append(await until("running"))
        return heard

    assert talk(hosted, conversation, NULLALPHA_WORKERS="1") == ["queued", "running", "stopped", "running"]
