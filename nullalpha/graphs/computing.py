"""Train and backtest a generation: fixed shards of candidates, each one operation, so that no figure depends on the workers."""

from __future__ import annotations

from typing import Any

from nullalpha.engines.protocol import Span
from nullalpha.graphs.context import ResearchContext
from nullalpha.memory.experiments import ExperimentRow
from nullalpha.operations.service import OperationRequest


def compute_generation(context: ResearchContext, ids: list[str]) -> None:
    """Train and backtest experiments through the search zone and record each result once."""
    market = context.market(context.bars.search(), context.config.instruments)
    compute(context, [context.stores.experiments.get(i) for i in ids], "search", market, context.search_span)


def compute(context: ResearchContext, rows: list[ExperimentRow], stage: str, market: dict[str, Any], span: Span) -> None:
    """Run experiments walk-forward through a span in fixed shards; a failed shard fails its members, never the campaign."""
    have = context.stores.experiments.results(stage, [row.id for row in rows])
    size = context.protocol.shard_size
    shards = [rows[i : i + size] for i in range(0, len(rows), size)]
    todo = [shard for shard in shards if any(row.id not in have for row in shard)]
    outcomes = context.run([_request(context, shard, stage, market, span) for shard in todo])
    for shard, outcome in zip(todo, outcomes, strict=True):
        for position, row in enumerate(shard):
            failed: dict[str, Any] = {"status": "failed", "error": outcome.error}
            result: dict[str, Any] = outcome.result["experiments"][position] if outcome.result else failed
            context.stores.experiments.put_result(row.id, stage, result["status"], result, outcome.operation_id)
    context.emit("computed", {"stage": stage, "experiments": [row.id for row in rows], "operations": len(todo)})


def _request(context: ResearchContext, shard: list[ExperimentRow], stage: str, market: dict[str, Any], span: Span) -> OperationRequest:
    used = sorted({symbol for row in shard for symbol in row.instruments} | set(context.config.reads))
    identity = {
        "fingerprints": [row.fingerprint for row in shard],
        "market": {symbol: market[symbol] for symbol in used},
        "span": span.__dict__,
        "protocol": context.campaign.protocol_hash,
        "seed": context.config.seed,
        "device": context.device,
        "deterministic": context.deterministic,
        "code": context.code_version,
    }
    payload = {
        "documents": [row.document for row in shard],
        "market": identity["market"],
        "span": span.__dict__,
        "protocol": context.campaign.protocol,
        "seed": context.config.seed,
        "device": context.device,
        "deterministic": context.deterministic,
        "code": context.code_version,
    }
    summary = {"stage": stage, "experiments": [row.id for row in shard]}
    return OperationRequest("population", identity, payload, summary)
