"""An outside signal on its way through the lab: computed, given its evidence figures, and judged by what is known of it.

It is no strategy: nothing was trained, so there are no folds; what made it is not here, so it cannot be attacked; no campaign validates it.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from nullalpha.engines.evidence.gates import EvidenceFigures, GateThresholds, judge
from nullalpha.graphs.context import ResearchContext
from nullalpha.graphs.judging import evidence
from nullalpha.memory.experiments import ExperimentRow
from nullalpha.operations.service import OperationRequest

NO_STRATEGY = "an outside signal: nothing was trained, so it has no folds, and no campaign validates it"
_JUDGED = {field.name for field in fields(EvidenceFigures)}


def backtest_signal(context: ResearchContext, experiment_id: str, signal: str) -> None:
    """Trade a registered signal through the search zone and judge it; each step is recorded once.

    Args:
        signal: the artifact that holds its times and positions.
    """
    row = context.stores.experiments.get(experiment_id)
    identity = {
        "signal": signal,
        "market": context.market(context.bars.search(), tuple(row.instruments)),
        "span": asdict(context.search_span),
        "protocol": context.campaign.protocol_hash,
        "code": context.code_version,
    }
    payload = {**identity, "protocol": context.campaign.protocol}
    (outcome,) = context.run([OperationRequest("signal", identity, payload, {"stage": "search", "experiments": [row.id]})])
    result: dict[str, Any] = outcome.result or {"status": "failed", "error": outcome.error}
    context.stores.experiments.put_result(row.id, "search", result["status"], result, outcome.operation_id)
    evidence(context, row.id)
    _assess(context, row)


def _assess(context: ResearchContext, row: ExperimentRow) -> None:
    """Judge by the gates; a figure that a signal has not fails its gate, and what could not be computed says so."""
    stored, protocol = context.stores.experiments, context.protocol
    known: dict[str, Any] = {"interval_level": protocol.interval_level}
    for stage in ("search", "evidence"):
        result = stored.result(row.id, stage)
        body = result.body if result else {}
        if result is None or result.status != "done":
            why = (body.get("error") or {}).get("message", "no reason was recorded")
            stored.put_assessment(row.id, "search", "reject", [f"it could not be computed: {why}"], {})
            return
        known |= {**body.get("facts", {}), **body["metrics"]} if stage == "search" else body
    thresholds = GateThresholds(min_trades=protocol.min_trades, max_random_entry_p=protocol.max_random_entry_p)
    assessment = judge(EvidenceFigures(**{key: value for key, value in known.items() if key in _JUDGED}), thresholds)
    figures = {**known, "annotations": list(assessment.annotations), "failed_gates": list(assessment.failed_gates)}
    beyond = (row.parameters or {}).get("rows_beyond", 0)
    left_out = [f"{beyond:,} rows of the signal from beyond the search zone were left out"] if beyond else []
    stored.put_assessment(row.id, "search", assessment.verdict, [NO_STRATEGY, *left_out, *assessment.reasons], figures)
