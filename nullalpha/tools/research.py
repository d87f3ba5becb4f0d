"""Tools on campaigns, operations and what campaigns learned."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from nullalpha.core.campaign import CampaignConfig, DesignerName
from nullalpha.core.clock import utc_now
from nullalpha.tools.contract import CampaignResult, LessonRecord
from nullalpha.tools.desk import Desk
from nullalpha.tools.results import campaign_result as build_campaign_result

if TYPE_CHECKING:
    from nullalpha.memory.campaigns import Event


class CampaignRef(BaseModel):
    campaign_id: str
    status: str


class CampaignSummary(BaseModel):
    campaign_id: str
    status: str
    started: str
    trials: int
    best_sharpe: float | None


class CampaignList(BaseModel):
    campaigns: list[CampaignSummary]


class EventRecord(BaseModel):
    seq: int
    time: str
    kind: str
    body: dict[str, Any]


class CampaignStatus(BaseModel):
    """Where a campaign stands; `events` after the sequence number that was asked for."""

    campaign_id: str
    status: str
    stage: str | None
    generation: int | None
    n_generations: int
    trials_done: int
    trials: int
    best_name: str | None
    best_excess_sharpe: float | None
    seconds: float
    budget_seconds: float | None
    error: dict[str, Any] | None
    events: list[EventRecord]


class OperationStatus(BaseModel):
    id: str
    kind: str
    status: str
    attempts: int
    created: str
    updated: str
    campaign_id: str | None
    summary: dict[str, Any]
    error: dict[str, Any] | None


def campaign_start(
    desk: Desk,
    *,
    brief: Annotated[str, Field(max_length=2000)] = "",
    instruments: Annotated[list[str] | None, Field(max_length=50)] = None,
    timeframe: str = "1d",
    trials: Annotated[int, Field(ge=1, le=100_000)] = 24,
    designer: DesignerName = "search",
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0,
    budget_seconds: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None,
) -> CampaignRef:
    """Start a research campaign in the background and return its id at once; follow it with campaign_status.

    It designs, trains, backtests and judges `trials` strategies on the search zone, validates the best once, and reports.
    """
    config = CampaignConfig(
        brief=brief,
        instruments=tuple(instruments or ("SPX", "IXIC")),
        timeframe=timeframe,
        trials=trials,
        designer=designer,
        seed=seed,
        budget_seconds=budget_seconds,
    )
    campaign_id = desk.campaigns.start(config, desk.actor)
    return CampaignRef(campaign_id=campaign_id, status=desk.stores.campaigns.get(campaign_id).status)


def campaign_status(desk: Desk, *, campaign_id: str, after: Annotated[int, Field(ge=0)] = 0) -> CampaignStatus:
    """Say where a campaign stands: stage, generation, trials done, best so far, time spent, and its events after a sequence number."""
    row = desk.stores.campaigns.get(campaign_id)
    events = desk.stores.campaigns.events(campaign_id)
    stage: dict[str, Any] = next((e.body for e in reversed(events) if e.kind == "stage"), {})
    assessed = [e.body for e in events if e.kind == "assessed"]
    scored = [body for body in assessed if body.get("excess_sharpe") is not None]
    best: dict[str, Any] = max(scored, key=lambda body: body["excess_sharpe"], default={})
    return CampaignStatus(
        campaign_id=row.id,
        status=row.status,
        stage=stage.get("stage"),
        generation=stage.get("generation"),
        trials_done=len({body["id"] for body in assessed}),
        n_generations=-(-row.config["trials"] // row.protocol["generation_size"]),
        trials=row.config["trials"],
        best_name=best.get("name"),
        best_excess_sharpe=best.get("excess_sharpe"),
        seconds=row.seconds + (_since_running(events) if row.status == "running" else 0.0),
        budget_seconds=row.config.get("budget_seconds"),
        error=row.error,
        events=[
            EventRecord(seq=e.seq, time=e.time, kind=e.kind, body=e.body)
            for e in events
            if e.seq > after and (desk.person or e.kind != "validated")
        ][-200:],
    )


def _since_running(events: list[Event]) -> float:
    """Return the seconds since the campaign was last set running; earlier sessions are in the row already."""
    began = next((e.time for e in reversed(events) if e.kind == "status" and e.body["status"] == "running"), None)
    return 0.0 if began is None else (utc_now() - datetime.fromisoformat(began)).total_seconds()


def campaign_list(desk: Desk) -> CampaignList:
    """List all campaigns, newest first."""
    summaries = []
    for row in desk.stores.campaigns.all():
        experiments = [e.id for e in desk.stores.experiments.of_campaign(row.id) if e.fingerprint]
        assessed = desk.stores.experiments.assessments(experiments) if experiments else {}
        sharpes = [a.figures["sharpe"] for v in assessed.values() for a in v if a.stage == "search" and a.figures.get("sharpe") is not None]
        summaries.append(
            CampaignSummary(
                campaign_id=row.id, status=row.status, started=row.created, trials=len(experiments), best_sharpe=max(sharpes, default=None)
            )
        )
    return CampaignList(campaigns=summaries)


def campaign_result(desk: Desk, *, campaign_id: str) -> CampaignResult:
    """Return a campaign whole: data, experiments with verdicts and figures, lessons, lockbox openings."""
    return build_campaign_result(desk.stores, desk.home, campaign_id, person=desk.person)


def campaign_stop(desk: Desk, *, campaign_id: str) -> CampaignRef:
    """Ask a running campaign to stop at the next safe point; nothing done is lost, and it can be resumed.

    One that is over stays as it is: the status tells.
    """
    desk.campaigns.stop(campaign_id)
    return CampaignRef(campaign_id=campaign_id, status=desk.stores.campaigns.get(campaign_id).status)


def campaign_resume(desk: Desk, *, campaign_id: str) -> CampaignRef:
    """Go on with a stopped or interrupted campaign in the background."""
    desk.campaigns.resume(campaign_id, desk.actor)
    return CampaignRef(campaign_id=campaign_id, status=desk.stores.campaigns.get(campaign_id).status)


def operation_status(desk: Desk, *, id: str) -> OperationStatus:  # noqa: A002  (the word of the contract)
    """Show one operation: kind, state, attempts, and what failed if it did."""
    row = desk.stores.operations.get(id)
    return OperationStatus(
        id=row.id,
        kind=row.kind,
        status=row.status,
        attempts=row.attempts,
        created=row.created,
        updated=row.updated,
        campaign_id=row.campaign_id,
        summary=row.summary,
        error=row.error,
    )


class LessonList(BaseModel):
    lessons: list[LessonRecord]


def memory_lessons(desk: Desk, *, campaign_id: str | None = None, limit: Annotated[int, Field(ge=1, le=500)] = 20) -> LessonList:
    """List what campaigns learned, newest campaign first, each lesson with its evidence and data window."""
    ids = [desk.stores.campaigns.get(campaign_id).id] if campaign_id is not None else [row.id for row in desk.stores.campaigns.all()]
    found = [x for i in ids for x in desk.stores.lessons.of_campaign(i)]
    return LessonList(lessons=[LessonRecord(id=x.id, text=x.text, evidence=x.evidence, window=x.window) for x in found][:limit])


class MemoryHit(BaseModel):
    kind: str
    ref: str
    text: str
    window: tuple[str, str]
    similarity: float


class MemoryAnswer(BaseModel):
    query: str
    hits: list[MemoryHit]


def memory_search(
    desk: Desk, *, query: Annotated[str, Field(min_length=1, max_length=2000)], k: Annotated[int, Field(ge=1, le=100)] = 8
) -> MemoryAnswer:
    """Search what the lab remembers, by meaning: past experiments and lessons nearest to a question."""
    hits = desk.recollection.search(query, k)
    return MemoryAnswer(query=query, hits=[MemoryHit(kind=a, ref=b, text=c, window=d, similarity=e) for a, b, c, d, e in hits])
