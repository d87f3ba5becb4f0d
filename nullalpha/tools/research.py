"""Tools on campaigns, experiments and operations."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from nullalpha.core.campaign import CampaignConfig, DesignerName
from nullalpha.core.clock import utc_now
from nullalpha.core.errors import UsageError
from nullalpha.tools.contract import CampaignResult, ExperimentRecord, LessonRecord
from nullalpha.tools.desk import Desk
from nullalpha.tools.results import campaign_result as build_campaign_result
from nullalpha.tools.results import experiment_records

if TYPE_CHECKING:
    from nullalpha.memory.campaigns import Event
    from nullalpha.memory.experiments import ExperimentRow


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


class ExperimentList(BaseModel):
    experiments: list[ExperimentRecord]


class LockboxLook(BaseModel):
    """An opening of the lockbox; figures are None until it was judged. `level` is what `p` had to be at or below."""

    id: str
    opened: str
    result: str | None
    p: float | None
    level: float | None
    excess_sharpe: float | None


class ExperimentDetails(BaseModel):
    """One experiment whole; `lockbox` is what its one opening of the lockbox said, None where there was none or an agent asks."""

    experiment: ExperimentRecord
    hypothesis: str
    document: dict[str, Any] | None
    warnings: list[dict[str, Any]]
    folds: list[dict[str, Any]]
    rules: dict[str, Any]
    lookahead: dict[str, Any] | None
    artifacts: dict[str, str | None]
    lockbox: LockboxLook | None = None


class Comparison(BaseModel):
    """Figures side by side: a row a figure, a column an experiment."""

    ids: list[str]
    names: list[str]
    figures: dict[str, list[float | None]]
    verdicts: list[str | None]


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


def experiment_list(
    desk: Desk,
    *,
    campaign_id: str | None = None,
    verdict: Literal["reject", "iterate", "shortlist"] | None = None,
    limit: Annotated[int, Field(ge=1, le=1000)] = 50,
) -> ExperimentList:
    """List experiments, best first, with verdicts, reasons and out-of-sample figures."""
    store = desk.stores.experiments
    if campaign_id is not None:
        desk.stores.campaigns.get(campaign_id)
    rows = store.all() if campaign_id is None else store.of_campaign(campaign_id)
    records = experiment_records(desk.stores, rows, person=desk.person)
    return ExperimentList(experiments=[r for r in records if verdict in (None, r.verdict)][:limit])


def experiment_get(desk: Desk, *, id: str) -> ExperimentDetails:  # noqa: A002  (the word of the contract)
    """Show one experiment: its document, figures, folds, rules after training, and the verdict with its reasons."""
    row = desk.stores.experiments.get(id)
    result = desk.stores.experiments.result(id, "search")
    body = result.body if result and result.status == "done" else {}
    attacked = desk.stores.experiments.result(id, "attack")
    return ExperimentDetails(
        experiment=experiment_records(desk.stores, [row], person=desk.person)[0],
        hypothesis=row.hypothesis,
        document=row.document,
        warnings=row.issues,
        folds=body.get("folds", []),
        rules=body.get("rules", {}),
        lookahead=attacked.body if attacked else None,
        artifacts={"series": body.get("series"), "weights": body.get("last_weights")},
        lockbox=_lockbox_look(desk, row) if desk.person else None,
    )


def _lockbox_look(desk: Desk, row: ExperimentRow) -> LockboxLook | None:
    """Return the opening for a strategy, if there is one; what behaves the same has one between them."""
    looks = desk.stores.looks.all("lockbox") if row.fingerprint else []
    openings = [look for look in looks if look.experiment_id == row.id or look.fingerprint == row.fingerprint]
    if not openings:
        return None
    said = openings[0].result or {}
    figures = {name: said.get(name) for name in ("result", "p", "level", "excess_sharpe")}
    return LockboxLook(id=openings[0].id, opened=openings[0].created, **figures)


def experiment_compare(desk: Desk, *, ids: Annotated[list[str], Field(min_length=2, max_length=20)]) -> Comparison:
    """Put experiments side by side, figure by figure."""
    if len(set(ids)) != len(ids):
        raise UsageError("an experiment is named twice", path="ids", value=ids)
    rows = [desk.stores.experiments.get(i) for i in ids]
    records = {r.id: r for r in experiment_records(desk.stores, rows, person=desk.person)}
    ordered = [records[i] for i in ids]
    dumps = [r.metrics.model_dump() if r.metrics else {} for r in ordered]
    names = sorted({key for dump in dumps for key in dump})
    return Comparison(
        ids=ids,
        names=[r.name for r in ordered],
        figures={name: [dump.get(name) for dump in dumps] for name in names},
        verdicts=[r.verdict for r in ordered],
    )


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


def strategy_backtest(
    desk: Desk, *, document: Annotated[str, Field(max_length=100_000)], seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
) -> ExperimentDetails:
    """Train and backtest one strategy walk-forward through the search zone and judge it; it counts as a trial of the home."""
    from nullalpha.strategy.validate import parse_strategy  # noqa: PLC0415

    spec, _ = parse_strategy(document, desk.vocabulary)
    return experiment_get(desk, id=desk.runs.run(spec.model_dump(mode="json", exclude_none=False, by_alias=True), desk.actor, seed))
