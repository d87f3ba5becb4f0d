"""Learn: lessons over the campaign's trials so far, each with its evidence and its data window."""

from __future__ import annotations

from typing import Any

from nullalpha.engines.evidence.lessons import TrialFacts, learn
from nullalpha.graphs.context import ResearchContext
from nullalpha.memory.experiments import ExperimentRow
from nullalpha.memory.lessons import LessonRow


def learn_generation(context: ResearchContext, generation: int) -> None:
    """Record what the trials up to and including this generation teach."""
    experiments = context.stores.experiments
    rows = [row for row in experiments.of_campaign(context.campaign.id) if row.fingerprint and row.generation <= generation]
    assessed = experiments.assessments([row.id for row in rows])
    facts = []
    for row in rows:
        figures: dict[str, Any] = next((a.figures for a in assessed.get(row.id, []) if a.stage == "search"), {})
        excess, sharpe = figures.get("excess_sharpe"), figures.get("sharpe")
        facts.append(TrialFacts(row.id, _nan(excess), _nan(sharpe), factors_of(row)))
    zones = context.bars.zones
    found = learn(facts, (zones.search_start, zones.validation_start))
    lessons = [LessonRow(lesson.id, lesson.text, list(lesson.evidence), lesson.window, context.campaign.id) for lesson in found]
    context.stores.lessons.put(context.campaign.id, generation, lessons)
    context.emit("learned", {"generation": generation, "lessons": len(lessons)})


def factors_of(row: ExperimentRow) -> dict[str, frozenset[str]]:
    """Return what a strategy's document says in terms that lessons compare."""
    document: dict[str, Any] = row.document or {}
    decision, labels = document.get("decision", {}), document.get("labels") or {}
    exits = decision.get("exits") or {}
    shapes = {next(iter(body)) for sets in (document.get("sets") or {}).values() for body in sets.values()}
    horizon = labels.get("horizon")
    model = document.get("model", {})
    factors = {
        "indicator": {feature["indicator"] for feature in (document.get("features") or {}).values()},
        "set shape": shapes,
        "model": {model.get("kind", "")},
        "sizing": {(decision.get("sizing") or {}).get("kind", "")},
        "instrument": set(row.instruments),
        "direction": {"long and short" if decision.get("short_below") is not None else "long only"},
        "stop": {"with a stop" if exits.get("stop_loss") else "without a stop"},
    }
    if model.get("kind") != "rules" and labels:
        factors["label"] = {labels.get("kind", "")}
        factors["horizon"] = {"up to 5 bars" if horizon and horizon <= 5 else "over 5 bars"}
    return {kind: frozenset(level for level in levels if level) for kind, levels in factors.items()}


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
