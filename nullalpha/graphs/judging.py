"""Attack, evidence and assess: from one computed experiment to a verdict whose reasons cite figures."""

from __future__ import annotations

from dataclasses import fields

from nullalpha.core.errors import NullAlphaError
from nullalpha.engines.evidence.gates import EvidenceFigures, GateThresholds, judge
from nullalpha.graphs.context import ResearchContext
from nullalpha.memory.experiments import ExperimentRow, ResultRow
from nullalpha.operations.service import OperationRequest, Outcome

_JUDGED = {field.name for field in fields(EvidenceFigures)}


def attack(context: ResearchContext, experiment_id: str) -> None:
    """Attack the trained strategy's signal with truncated and replaced futures."""
    row, computed = _computed(context, experiment_id)
    if computed is None or context.stores.experiments.result(experiment_id, "attack"):
        return
    market = context.market(context.bars.search(), tuple(row.instruments))
    identity = {
        "fingerprint": row.fingerprint,
        "market": market,
        "weights": computed.body["last_weights"],
        "cuts": context.protocol.attack_cuts,
        "first_row": computed.body["first_test_row"],
        "seed": context.config.seed,
        "code": context.code_version,
    }
    payload = {**identity, "document": row.document}
    _record(context, experiment_id, "attack", context.run([OperationRequest("attack", identity, payload, {"experiment": row.id})])[0])


def evidence(context: ResearchContext, experiment_id: str) -> None:
    """Compute the experiment's own figures: errors, intervals, random entry."""
    row, computed = _computed(context, experiment_id)
    if computed is None or context.stores.experiments.result(experiment_id, "evidence"):
        return
    identity = {
        "series": computed.body["series"],
        "protocol": context.campaign.protocol_hash,
        "seed": context.config.seed,
        "code": context.code_version,
    }
    payload = {**identity, "protocol": context.campaign.protocol}
    _record(context, experiment_id, "evidence", context.run([OperationRequest("evidence", identity, payload, {"experiment": row.id})])[0])


def assess(context: ResearchContext, experiment_id: str) -> None:
    """Judge by the gates and record the verdict, once."""
    row, computed = _computed(context, experiment_id)
    parts = {stage: context.stores.experiments.result(experiment_id, stage) for stage in ("attack", "evidence")}
    broken = _first_failure(context, experiment_id, computed, parts)
    if broken is not None:
        context.stores.experiments.put_assessment(experiment_id, "search", "reject", [f"it could not be computed: {broken}"], {})
        context.emit("assessed", {"id": row.id, "name": row.name, "verdict": "reject", "excess_sharpe": None})
        return
    assert computed is not None
    attacked, proven = parts["attack"], parts["evidence"]
    assert attacked is not None
    assert proven is not None
    figures = {**computed.body["metrics"], **proven.body}
    known = {**computed.body["facts"], **figures, "lookahead_clean": attacked.body["clean"]}
    known |= {"lookahead_findings": len(attacked.body["findings"]), "interval_level": context.protocol.interval_level}
    thresholds = GateThresholds(
        min_trades=context.protocol.min_trades,
        kill_below=_kill_below(row),
        max_random_entry_p=context.protocol.max_random_entry_p,
    )
    assessment = judge(EvidenceFigures(**{key: value for key, value in known.items() if key in _JUDGED}), thresholds)
    figures |= {"n_entry_days": known["n_entry_days"], "n_parameters": known["n_parameters"], "annotations": list(assessment.annotations)}
    figures["failed_gates"] = list(assessment.failed_gates)
    context.stores.experiments.put_assessment(row.id, "search", assessment.verdict, assessment.reasons, figures)
    context.emit("assessed", {"id": row.id, "name": row.name, "verdict": assessment.verdict, "excess_sharpe": figures.get("excess_sharpe")})


def _computed(context: ResearchContext, experiment_id: str) -> tuple[ExperimentRow, ResultRow | None]:
    result = context.stores.experiments.result(experiment_id, "search")
    return context.stores.experiments.get(experiment_id), result if result and result.status == "done" else None


def _record(context: ResearchContext, experiment_id: str, stage: str, outcome: Outcome) -> None:
    body = outcome.result if outcome.result is not None else {"error": outcome.error}
    context.stores.experiments.put_result(
        experiment_id, stage, "done" if outcome.result is not None else "failed", body, outcome.operation_id
    )


def _first_failure(
    context: ResearchContext, experiment_id: str, computed: ResultRow | None, parts: dict[str, ResultRow | None]
) -> str | None:
    search = context.stores.experiments.result(experiment_id, "search")
    for result in (search, *parts.values()) if computed is not None else (search,):
        if result is None:
            raise NullAlphaError(f"experiment {experiment_id} was assessed before it was computed", path="assess", value=experiment_id)
        if result.status != "done":
            return str((result.body.get("error") or {}).get("message", "no reason was recorded"))
    return None


def _kill_below(row: ExperimentRow) -> float:
    """Return the registered kill rule, which may be stricter than the protocol's 0 and never laxer."""
    prediction = (row.document or {}).get("prediction") or {}
    return max(0.0, float(prediction.get("kill_below") or 0.0))
