"""Promotion: the one door to the lockbox. The opening is recorded before it is read, once for a strategy, and it spends error budget."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel

from nullalpha.app.campaigns import refuse_other_code
from nullalpha.app.hosting import build_context, designer_of
from nullalpha.app.reporting import write_report
from nullalpha.core.errors import NullAlphaError, RefusedError
from nullalpha.core.ids import derived_id
from nullalpha.engines.evidence.lockbox_stream import LockboxStream
from nullalpha.graphs.computing import compute
from nullalpha.operations.inline import InlineExecutor
from nullalpha.operations.lease import HomeLease
from nullalpha.operations.service import OperationRequest

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab


class Promotion(BaseModel):
    """What one opening of the lockbox said. `level` is what the p-value had to be at or below; `promoted` is whether it was."""

    experiment_id: str
    opening: str
    promoted: bool
    p: float | None
    level: float
    excess_sharpe: float | None
    window: tuple[str, str]
    openings_so_far: int


def promote(lab: Lab, experiment_id: str, actor: str) -> Promotion:
    """Open the lockbox for one shortlisted strategy and judge it there.

    Raises:
        RefusedError: if it is not shortlisted, a model that may know the future had a part in it, the code has changed since, the lockbox
            was opened for this strategy before, or another opening is unfinished.
        NotFoundError: if there is no such experiment.
    """
    row = lab.stores.experiments.get(experiment_id)
    assessed = {a.stage: a for a in lab.stores.experiments.assessments([experiment_id]).get(experiment_id, [])}
    verdicts = {stage: a.verdict for stage, a in assessed.items()}
    if verdicts.get("validation") != "shortlist" or row.campaign_id is None or row.fingerprint is None:
        stands = verdicts.get("validation") or verdicts.get("search") or "not judged"
        raise RefusedError(
            f"{row.name} ({experiment_id}) is not shortlisted but {stands!r}; the lockbox opens for shortlisted strategies alone",
            path="experiment_id",
            value=experiment_id,
            suggestion="`nullalpha experiments list --verdict shortlist` shows those that are",
        )
    looked_at = assessed["validation"].figures.get("looked_at", experiment_id)
    if looked_at != experiment_id:
        raise RefusedError(
            f"{experiment_id} rests on the look at {looked_at}, the same strategy in an earlier campaign",
            path="experiment_id",
            value=experiment_id,
            suggestion=f"`nullalpha research promote {looked_at}` promotes what was validated",
        )
    refuse_other_code(lab.stores.campaigns.get(row.campaign_id))
    _refuse_contaminated(lab, row.campaign_id)
    with HomeLease(lab.home):
        return _open(lab, experiment_id, row.campaign_id, row.fingerprint, actor)


def _refuse_contaminated(lab: Lab, campaign_id: str) -> None:
    """Refuse what a language model had a part in, itself or by what the campaign recalled, unless the lockbox begins after its cutoff."""
    current = lab.stores.looks.current_zones()
    recalled = lab.stores.campaigns.fact(campaign_id, "recall") or {}
    for model, cutoff in recalled.get("models", []):
        begins = current[1].lockbox_start if current else ""
        if cutoff is None or cutoff >= begins:
            stated = "states no training cutoff" if cutoff is None else f"may have been trained on data up to {cutoff}"
            raise RefusedError(
                f"contaminated: {model} had a part in the design and {stated}, and the lockbox begins on {begins}",
                path="experiment_id",
                value=cutoff,
                suggestion="shortlisted it stays; set model.training_cutoff before a campaign, and use data from after it as the lockbox",
            )


def _open(lab: Lab, experiment_id: str, campaign_id: str, fingerprint: str, actor: str) -> Promotion:
    row = lab.stores.experiments.get(experiment_id)
    campaign = lab.stores.campaigns.get(campaign_id)
    openings = lab.stores.looks.all("lockbox", campaign.zones_version)
    unfinished = [o for o in openings if o.experiment_id == experiment_id and o.result is None]
    if any(o.fingerprint == fingerprint for o in openings) and not unfinished:
        raise RefusedError(
            f"the lockbox was opened for {row.name} before; a second look would not be evidence", path="experiment_id", value=experiment_id
        )
    blocking = next((o for o in openings if o.result is None and o.experiment_id != experiment_id), None)
    if blocking is not None:
        raise RefusedError(
            f"the opening for {blocking.experiment_id} is unfinished; openings are judged in the order in which they were made",
            path="experiment_id",
            value=experiment_id,
            suggestion=f"`nullalpha research promote {blocking.experiment_id}` finishes it",
        )
    judged = [o.result for o in openings if o.result is not None]
    q = judged[0]["q"] if judged else campaign.protocol["q"]  # one stream an interval, at the rate that its first opening set
    stream = LockboxStream(q, tuple((o["p"], o["result"] == "promoted") for o in judged))
    look_id = derived_id("l", "lockbox", experiment_id)
    opening = lab.stores.looks.open_lockbox(
        look_id,
        zones_version=campaign.zones_version,
        campaign_id=campaign_id,
        experiment_id=experiment_id,
        fingerprint=fingerprint,
        actor=actor,
    )
    context = build_context(lab, campaign_id, InlineExecutor(lab.artifacts), designer_of(lab, campaign_id, campaign.config), lambda: False)
    view = context.bars.lockbox(opening)
    last = max(view.snapshot(s, context.config.timeframe).last[:10] for s in row.instruments)
    span = context.sealed_span("lockbox", _day_after(last))
    compute(context, [row], "lockbox", context.market(view, tuple(row.instruments)), span)
    result = lab.stores.experiments.result(experiment_id, "lockbox")
    p_value, excess = None, None
    if result is not None and result.status == "done":
        excess = result.body["metrics"].get("excess_sharpe")
        identity = {
            "series": [result.body["series"]],
            "reps": context.protocol.joint_test_reps,
            "seed": campaign.zones_version,
            "code": context.code_version,
        }
        outcome = context.run([OperationRequest("joint_test", identity, identity, {"strategies": 1})])[0]
        if outcome.result is None:
            raise NullAlphaError(f"the lockbox test failed: {(outcome.error or {}).get('message')}", path="promote")
        p_value = outcome.result["p_values"][0]
    decision = stream.test(1.0 if p_value is None else p_value)
    body = {"p": 1.0 if p_value is None else p_value, "result": "promoted" if decision.rejected else "not promoted"}
    lab.stores.looks.put_result(look_id, {**body, "level": decision.level, "q": q, "excess_sharpe": excess})
    write_report(lab, campaign_id, campaign.status, campaign.seconds)
    return Promotion(
        experiment_id=experiment_id,
        opening=look_id,
        promoted=decision.rejected,
        p=p_value,
        level=decision.level,
        excess_sharpe=excess,
        window=(span.start, last),
        openings_so_far=len({o.id for o in openings} | {look_id}),
    )


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
