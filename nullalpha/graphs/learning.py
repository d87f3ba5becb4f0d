"""Learn: lessons over the campaign's trials so far, each with its evidence and its data window."""

from __future__ import annotations

import re
from typing import Any

from nullalpha.engines.evidence.lessons import TrialFacts, learn
from nullalpha.graphs.context import ResearchContext
from nullalpha.memory.experiments import ExperimentRow
from nullalpha.memory.lessons import LessonRow
from nullalpha.strategy.vocabulary import Vocabulary

_PROPER_NAMES = ("Williams",)
_SUBJECTS = {
    "set shape": "Strategies with {} sets",
    "sizing": "Strategies that size positions by {}",
    "instrument": "Strategies on {}",
    "stop": "Strategies {}",
    "label": "Strategies trained on {} labels",
    "horizon": "Strategies whose labels look {} ahead",
}
_LEVEL_SUBJECTS = {
    ("idea", "momentum"): "Momentum (trend following) strategies",
    ("idea", "mean reversion"): "Mean reversion strategies",
    ("model", "anfis"): "ANFIS strategies",
    ("model", "rules"): "Strategies whose rules are fixed, not trained,",
    ("sizing", "fixed"): "Strategies of fixed size",
    ("sizing", "volatility_target"): "Strategies that size positions to a target volatility",
    ("direction", "long only"): "Long-only strategies",
    ("direction", "long and short"): "Strategies that go long and short",
}


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
    levels = {(kind, level) for trial in facts for kind, names in trial.factors.items() for level in names}
    subjects = {(kind, level): subject_of(kind, level, context.vocabulary) for kind, level in levels}
    found = learn(facts, (zones.search_start, zones.validation_start), subjects)
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
        "idea": _ideas(row),
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


def subject_of(kind: str, level: str, vocabulary: Vocabulary) -> str:
    """Return who a lesson about a factor's level speaks of, in words that somebody would search for."""
    if kind == "indicator" and level in vocabulary:
        return f"Strategies that use {level} ({_first_clause(vocabulary[level].summary)})"
    return _LEVEL_SUBJECTS.get((kind, level)) or _SUBJECTS.get(kind, f"Strategies with {kind} {{}}").format(level)


def _ideas(row: ExperimentRow) -> set[str]:
    """Return what a draft's rules bet on: buying what is high (or selling what is low) follows it, the opposite expects it back."""
    bets = set()
    for rule in (row.draft or {}).get("rules", []):
        lead = rule["conditions"][0]
        if not lead["negated"] and lead["level"] != "middle":
            follows = (lead["level"] == "high") == (rule["direction"] == "long")
            bets.add("momentum" if follows else "mean reversion")
    return bets


def _first_clause(summary: str) -> str:
    clause = re.split(r"[:;,] |\.$", summary, maxsplit=1)[0].replace("`", "")
    return clause if clause.startswith(_PROPER_NAMES) else clause[:1].lower() + clause[1:]


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
