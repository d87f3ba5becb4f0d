"""Everything that a finished campaign left in its ledger, in a form in which two homes can be compared bit for bit.

Ids derive from the campaign's, which is random: each experiment is named by its place (generation, slot, attempt) instead. Series, weights
and slices are named by their content, so equal names are equal bits.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from nullalpha.memory.experiments import AssessmentRow
from nullalpha.memory.stores import Stores

STAGES = ("search", "attack", "evidence", "validation", "lockbox")
_OWN = ("id", "campaign_id", "created", "actor")


def standing(home: Path, campaign_id: str) -> dict[str, Any]:
    """Return a campaign's designs, results, verdicts, looks, lessons, memories and operations, ids replaced by places."""
    stores = Stores.open(home / "ledger.db")
    with closing(stores.ledger):
        rows = stores.experiments.of_campaign(campaign_id)
        ids = [row.id for row in rows]
        places = {row.id: f"<{row.generation}.{row.slot}.{row.attempt}>" for row in rows} | {campaign_id: "<campaign>"}
        body = {
            "designs": {row.id: {k: v for k, v in row.__dict__.items() if k not in _OWN} for row in rows},
            "results": {stage: _results(stores, stage, ids) for stage in STAGES},
            "verdicts": {
                i: [[a.stage, a.verdict, a.reasons, a.figures] for a in v] for i, v in stores.experiments.assessments(ids).items()
            },
            "looks": {
                f"{look.zone} {look.experiment_id}": look.result
                for zone in ("validation", "lockbox")
                for look in stores.looks.all(zone, None, [campaign_id])
            },
            "lessons": [[x.text, sorted(places[i] for i in x.evidence), x.window] for x in stores.lessons.of_campaign(campaign_id)],
            "deflation": stores.campaigns.fact(campaign_id, "deflation"),
            "operations": sorted(f"{o.kind} {o.status}" for o in stores.operations.of_campaign(campaign_id)),
        }
        body["memories"] = sorted(_named(f"{m.kind}: {m.text}", places) for m in stores.memories.without_vector("none"))
    return json.loads(_named(json.dumps(body, sort_keys=True), places))  # type: ignore[no-any-return]


def _results(stores: Stores, stage: str, ids: list[str]) -> dict[str, Any]:
    return {i: [result.status, result.body] for i, result in stores.experiments.results(stage, ids).items()}


def _verdict(assessment: AssessmentRow) -> list[Any]:
    return [assessment.stage, assessment.verdict, assessment.reasons, assessment.figures]


def _named(text: str, places: dict[str, str]) -> str:
    for own, place in places.items():
        text = text.replace(own, place)
    return text
