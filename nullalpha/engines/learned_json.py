"""What training made of a strategy as JSON: baselines, rules, sets, what could go."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nullalpha.engines.plain import plain
from nullalpha.engines.training.baselines import BaselineReport
from nullalpha.engines.training.parts import parts_of
from nullalpha.engines.training.pruning import LEAST_R2, LEAST_SIDE_AGREEMENT, Fidelity, PruningReport
from nullalpha.engines.training.rulebook import RuleSummary, SetInfluence
from nullalpha.engines.training.set_summary import SetSummary
from nullalpha.strategy.plan import FeaturePlan, Plan


def baselines_json(report: BaselineReport) -> dict[str, Any]:
    """Return losses and accuracies, and `shortfalls`, what the model does not beat, in words."""
    return {name: plain(value) for name, value in asdict(report).items()} | {"shortfalls": list(report.shortfalls)}


def rule_json(rule: RuleSummary, plan: Plan) -> dict[str, Any]:
    """Return a rule after training; its linear answer names the features, on their standardised scale."""
    return {
        "member": rule.member,
        "text": rule.text,
        "weight": plain(rule.weight),
        "firing_share": plain(rule.firing_share),
        "contribution": plain(rule.contribution),
        "lean": plain(rule.lean),
        "bias": plain(rule.bias),
        "coefficients": [
            {"feature": feature.name, "value": plain(value)}
            for feature, value in zip(_features_of(plan, rule.member), rule.coefficients, strict=False)
        ],
        "sets": [_set_json(one) for one in rule.sets],
    }


def influence_json(item: SetInfluence) -> dict[str, Any]:
    """Return what a set does to a network's output."""
    figures = {"effect": plain(item.effect), "lean": plain(item.lean), "share": plain(item.share)}
    return {"member": item.member, **_set_json(item.set), **figures}


def pruning_json(report: PruningReport) -> dict[str, Any]:
    """Return what could go of one model's rules.

    `kept` are the places, among the model's rules as `describe_rules` orders them, of the smallest rule base that keeps the fidelity stated
    in `least`; `fidelity` is what it keeps; `steps` goes on from all rules (`gone` null) to one.
    """
    return {
        "member": report.member,
        "least": {"r2": LEAST_R2, "side_agreement": LEAST_SIDE_AGREEMENT},
        "kept": list(report.kept),
        "fidelity": _fidelity_json(report.fidelity),
        "steps": [{"gone": gone, **_fidelity_json(step)} for gone, step in zip((None, *report.dropped), report.steps, strict=True)],
        "alike": [{name: plain(value) for name, value in asdict(pair).items()} for pair in report.alike],
    }


def _fidelity_json(fidelity: Fidelity) -> dict[str, Any]:
    return {name: plain(value) for name, value in asdict(fidelity).items()}


def _set_json(one: SetSummary) -> dict[str, Any]:
    return {
        "feature": one.feature,
        "name": one.name,
        "shape": one.shape,
        "params": [plain(p) for p in one.params],
        "moved": plain(one.moved),
        "moved_far": one.moved_far,
        "membership": plain(one.membership),
        "place": plain(one.place),
        "word": one.word,
    }


def _features_of(plan: Plan, member: str) -> tuple[FeaturePlan, ...]:
    """Return the features of a plan or, of an ensemble, those of one of its parts."""
    return next((part.plan.features for part in parts_of(plan) if part.name == member), plan.features)
