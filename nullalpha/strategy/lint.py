"""Lint: what a valid strategy probably does not mean, as warnings. What needs bars (coverage of sets, firing) is judged elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nullalpha.core.errors import Issue
from nullalpha.strategy.plan import Plan, SetPlan
from nullalpha.strategy.rules import parse_rule, statements
from nullalpha.strategy.spec import StrategySpec
from nullalpha.strategy.vocabulary import Vocabulary

SAMPLES_PER_PARAMETER = 10
_LEVEL_UNITS = ("price", "volume", "signed_volume")
_BOUNDS = {"bounded_0_100": (0.0, 100.0), "bounded_-1_1": (-1.0, 1.0)}
_ZSCORE_BOUNDS = (-12.0, 12.0)
_RARE_ATR = 4.0


def lint(
    spec: StrategySpec, plan: Plan, vocabulary: Vocabulary, *, max_warmup_bars: int = 504, n_training_bars: int | None = None
) -> list[Issue]:
    """Return warnings about a valid strategy.

    Args:
        max_warmup_bars: a warm-up longer than this is worth a word (a fold's bars, where they are known).
        n_training_bars: bars that training will see; None where it is not known, then complexity is not judged.
    """
    return [
        *_unused(spec),
        *_ignored(spec, plan),
        *_rule_doubts(plan),
        *_dead_sides(plan),
        *_set_doubts(plan, vocabulary),
        *_exit_doubts(plan),
        *_size_doubts(plan, max_warmup_bars, n_training_bars),
    ]


def _unused(spec: StrategySpec) -> Iterator[Issue]:
    stated = [s for text in spec.model.rules for s in statements(parse_rule(text).condition)]
    features, sets = {s.feature for s in stated}, {(s.feature, s.set_name) for s in stated}
    for name in spec.features:
        if name not in features:
            yield Issue(f"features.{name}", "unused_feature", f"no rule uses the feature {name!r}", name, "remove it, or name it in a rule")
    for feature, given in spec.sets.items():
        for name in given:
            if feature in features and (feature, name) not in sets:
                yield Issue(f"sets.{feature}.{name}", "unused_set", f"no rule uses `{feature} is {name}`", name, "remove it, or use it")


def _ignored(spec: StrategySpec, plan: Plan) -> Iterator[Issue]:
    if spec.model.kind == "rules" and spec.model.trainable:
        yield Issue("model.trainable", "ignored", "a model of kind rules learns nothing", None, "use kind anfis, or remove trainable")
    for section in ("labels", "training"):
        if not plan.trainable and section in spec.model_fields_set:
            message = f"nothing is trained, so {section} changes nothing"
            yield Issue(section, "ignored", message, None, f"remove {section}, or use kind anfis")
    if spec.labels.kind == "forward_return" and "barrier" in spec.labels.model_fields_set:
        yield Issue("labels.barrier", "ignored", "only a triple_barrier label has a barrier", str(spec.labels.barrier), "remove it")
    sizing = spec.decision.sizing
    others = ("annual", "max_leverage", "volatility_bars") if sizing.kind == "fixed" else ("size",)
    for name in others:
        if name in sizing.model_fields_set:
            message = f"{sizing.kind} sizing does not use {name}"
            yield Issue(f"decision.sizing.{name}", "ignored", message, str(getattr(sizing, name)), "remove it")


def _rule_doubts(plan: Plan) -> Iterator[Issue]:
    for i, rule in enumerate(plan.rules):
        for other in plan.rules[:i]:
            if other.condition != rule.condition:
                continue
            if other.consequent == rule.consequent:
                yield Issue("model.rules", "duplicate_rule", f"two rules say the same: {rule.text!r}", rule.text, "keep one of them")
            elif other.consequent * rule.consequent < 0:
                message = f"two rules have the same condition and opposite directions: {other.text!r} and {rule.text!r}"
                yield Issue("model.rules", "contradicting_rules", message, rule.text, "change one condition")


def _dead_sides(plan: Plan) -> Iterator[Issue]:
    """Rules without training: the signal lies between tanh of the summed short and of the summed long strengths."""
    if "consequents" in plan.trainable:
        return
    long, short = plan.decision.long_above, plan.decision.short_below
    most = math.tanh(sum(rule.consequent for rule in plan.rules if rule.consequent > 0))
    least = math.tanh(sum(rule.consequent for rule in plan.rules if rule.consequent < 0))
    if long is not None and long >= most:
        message = f"the signal never exceeds {most:.3g}, so it never goes above {long:g}"
        yield Issue("decision.long_above", "dead_side", message, f"{long:g}", "lower it, strengthen a long rule, or set it to null")
    if short is not None and short <= least:
        message = f"the signal is never under {least:.3g}, so it never goes below {short:g}"
        yield Issue("decision.short_below", "dead_side", message, f"{short:g}", "raise it, add a short rule, or set it to null")


def _set_doubts(plan: Plan, vocabulary: Vocabulary) -> Iterator[Issue]:
    for i, feature in enumerate(plan.features):
        unit = vocabulary[feature.indicator].unit
        if unit in _LEVEL_UNITS and not feature.zscore_bars:
            message = f"{feature.name!r} is in {unit.replace('_', ' ')} units, which drift over the years; its sets do not"
            yield Issue(f"features.{feature.name}", "absolute_level", message, feature.indicator, "add transform: {zscore: 250}")
        bounds = _ZSCORE_BOUNDS if feature.zscore_bars else _BOUNDS.get(unit)
        for fuzzy in (s for s in plan.sets if s.feature == i):
            low, high = _reach(fuzzy)
            if bounds and (high < bounds[0] or low > bounds[1]):
                message = f"{feature.name!r} lies from {bounds[0]:g} to {bounds[1]:g}; this set never holds there"
                yield Issue(f"sets.{feature.name}.{fuzzy.name}", "dead_set", message, str(list(fuzzy.params)), "move it into the range")


def _reach(fuzzy: SetPlan) -> tuple[float, float]:
    """Return the interval outside of which a set's membership is below about 1 %."""
    numbers = fuzzy.params
    if fuzzy.shape == "gaussian":
        return numbers[0] - 3 * numbers[1], numbers[0] + 3 * numbers[1]
    if fuzzy.shape == "sigmoid":
        foot = numbers[0] - 5 / numbers[1]
        return (foot, math.inf) if numbers[1] > 0 else (-math.inf, foot)
    return numbers[0], numbers[-1]


def _exit_doubts(plan: Plan) -> Iterator[Issue]:
    exits = plan.decision.exits
    for path, atr in (("stop_loss", exits.stop_atr), ("take_profit", exits.target_atr)):
        if exits.max_bars and atr > _RARE_ATR * math.sqrt(exits.max_bars):
            message = f"{atr:g} ATR is rarely reached within {exits.max_bars} bars, so this exit hardly ever binds"
            yield Issue(f"decision.exits.{path}", "exit_rarely_binds", message, f"{atr:g}", "bring it nearer, or allow more bars")
    if plan.trainable and 0 < exits.max_bars < plan.labels.horizon_bars:
        message = f"trades end after {exits.max_bars} bars, but the model learns what happens over {plan.labels.horizon_bars}"
        yield Issue("decision.exits.max_bars", "horizon_mismatch", message, str(exits.max_bars), str(plan.labels.horizon_bars))


def _size_doubts(plan: Plan, max_warmup_bars: int, n_training_bars: int | None) -> Iterator[Issue]:
    if plan.warmup_bars > max_warmup_bars:
        message = f"the first signal needs {plan.warmup_bars} bars of history, more than {max_warmup_bars}"
        yield Issue("features", "long_warmup", message, str(plan.warmup_bars), "use shorter windows")
    if n_training_bars is None or not plan.n_parameters:
        return
    n_samples = n_training_bars // plan.labels.horizon_bars
    if plan.n_parameters * SAMPLES_PER_PARAMETER > n_samples:
        message = f"{plan.n_parameters} trainable numbers stand against about {n_samples} independent samples"
        yield Issue("model", "complexity", message, str(plan.n_parameters), "use fewer rules or features, or a shorter horizon")
