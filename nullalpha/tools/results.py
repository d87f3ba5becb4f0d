"""From the ledger's rows to the stable JSON: campaigns, experiments and lessons as people and agents may see them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nullalpha.core.campaign import SIGNAL
from nullalpha.tools.contract import (
    CampaignResult,
    DataRef,
    ExperimentRecord,
    LessonRecord,
    Lockbox,
    LockboxOpeningRecord,
    Metrics,
    Selection,
    Validation,
)

if TYPE_CHECKING:
    from nullalpha.memory.experiments import AssessmentRow, ExperimentRow
    from nullalpha.memory.stores import Stores


def campaign_result(stores: Stores, home: Path, campaign_id: str, *, person: bool) -> CampaignResult:
    """Return one campaign whole.

    Args:
        person: False leaves out every figure from beyond the search zone; what stays is whether something was shortlisted.
    Raises:
        NotFoundError: if there is no such campaign.
    """
    row = stores.campaigns.get(campaign_id)
    experiments = [e for e in stores.experiments.of_campaign(campaign_id) if e.fingerprint]
    report = stores.campaigns.fact(campaign_id, "report") if person else None  # the page shows figures of the sealed zones
    note = stores.campaigns.fact(campaign_id, "note")
    deflation = stores.campaigns.fact(campaign_id, "deflation")
    openings = stores.looks.all("lockbox", row.zones_version)  # the home's, because what is left of the lockbox is the home's
    return CampaignResult(
        campaign_id=row.id,
        status=row.status,  # type: ignore[arg-type]
        protocol_hash=row.protocol_hash,
        data=[DataRef(**{key: ref[key] for key in DataRef.model_fields}) for ref in row.data],
        trials=len(experiments),
        experiments=experiment_records(stores, experiments, person=person, report=report),
        lessons=[LessonRecord(id=x.id, text=x.text, evidence=x.evidence, window=x.window) for x in stores.lessons.of_campaign(campaign_id)],
        lockbox=Lockbox(openings=[_opening(look, person) for look in openings]),
        selection=None if deflation is None else Selection(**{key: deflation.get(key) for key in Selection.model_fields}),
        seconds=round(row.seconds, 3),
        home=str(home),
        seed=row.config["seed"],
        designer=row.config["designer"],
        report=report,
        deterministic=row.config.get("budget_seconds") is None and row.config["designer"] != "llm",
        notes=_notes(row.config, note),
        error=row.error,
    )


def experiment_records(stores: Stores, rows: Sequence[ExperimentRow], *, person: bool, report: str | None = None) -> list[ExperimentRecord]:
    """Return experiments with verdicts and figures, best first: shortlisted, then by excess Sharpe, those without one last."""
    ids = [row.id for row in rows]
    results, assessed = stores.experiments.results("search", ids), stores.experiments.assessments(ids)
    deflations: dict[str, Any] = {}
    for campaign_id in {row.campaign_id for row in rows if row.campaign_id}:
        deflations[campaign_id] = stores.campaigns.fact(campaign_id, "deflation") or {}
    records = []
    for row in rows:
        verdicts = {a.stage: a for a in assessed.get(row.id, [])}
        result = results.get(row.id)
        status = "invalid" if row.fingerprint is None else "designed" if result is None else result.status
        records.append(
            ExperimentRecord(
                id=row.id,
                name=row.name,
                fingerprint=row.fingerprint,
                designer=row.designer,
                status=status,  # type: ignore[arg-type]
                verdict=_verdict(verdicts, person),  # type: ignore[arg-type]
                reasons=_reasons(row, verdicts, person),
                metrics=_metrics(verdicts.get("search"), deflations.get(row.campaign_id or "", {}), row.id),
                validation=_validation(verdicts.get("validation")) if person else None,
                report=report,
                campaign_id=row.campaign_id,
                instruments=row.instruments,
                kind="signal" if row.designer == SIGNAL else "strategy",
            )
        )
    return sorted(records, key=_rank)


def _rank(record: ExperimentRecord) -> tuple[bool, float, str]:
    excess = record.metrics.excess_sharpe if record.metrics else None
    return (record.verdict != "shortlist", float("inf") if excess is None else -excess, record.fingerprint or record.id)


def _verdict(verdicts: dict[str, AssessmentRow], person: bool) -> str | None:
    search, validation = verdicts.get("search"), verdicts.get("validation")
    if validation is not None and (person or validation.verdict == "shortlist"):
        return validation.verdict
    return search.verdict if search else None


def _reasons(row: ExperimentRow, verdicts: dict[str, AssessmentRow], person: bool) -> list[str]:
    if row.fingerprint is None:
        return [f"{issue['path']}: {issue['message']}" if issue["path"] else issue["message"] for issue in row.issues]
    search, validation = verdicts.get("search"), verdicts.get("validation")
    if validation is None:
        return list(search.reasons) if search else []
    if person:
        return list(validation.reasons)
    return ["shortlisted" if validation.verdict == "shortlist" else "validated once; not shortlisted"]


def _metrics(search: AssessmentRow | None, deflation: dict[str, Any], experiment_id: str) -> Metrics | None:
    if search is None or not search.figures:
        return None
    figures = {key: value for key, value in search.figures.items() if key in Metrics.model_fields}
    dsr = deflation.get("dsr", {}).get(experiment_id)
    return Metrics(**{**figures, "dsr": dsr, "dsr_trials": deflation.get("n_trials")})


def _validation(validation: AssessmentRow | None) -> Validation | None:
    if validation is None:
        return None
    return Validation(**{key: value for key, value in validation.figures.items() if key in Validation.model_fields})


def _opening(look: Any, person: bool) -> LockboxOpeningRecord:
    result = look.result or {}
    return LockboxOpeningRecord(
        id=look.id,
        experiment_id=look.experiment_id,
        opened=look.created,
        result=result.get("result") if person else None,
        p=result.get("p") if person else None,
    )


def _notes(config: dict[str, Any], note: str | None) -> list[str]:
    notes = [note] if note else []
    if config.get("budget_seconds") is not None:
        notes.append("a wall-clock budget was set: a rerun may stop elsewhere")
    if config["designer"] == "llm":
        notes.append("a language model designed: a rerun may be answered otherwise")
    return notes
