"""Lint: what a valid strategy probably does not mean, as warnings. What needs bars (coverage of sets, firing) is judged elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from nullalpha.core.errors import Issue
from nullalpha.strategy.plan import NETWORK_KINDS, Condition, LabelPlan, Plan, RulePlan, SetPlan, nodes_of
from nullalpha.strategy.rules import parse_rule, statements
from nullalpha.strategy.spec import LabelSpec, MemberSpec, StrategySpec
from nullalpha.strategy.vocabulary import Unit, Vocabulary

SAMPLES_PER_PARAMETER = 10
MAX_NODES = 24
_LEVEL_UNITS = ("price", "volume", "signed_volume")
_BOUNDS: dict[Unit, tuple[float, float]] = {
    "bounded_0_100": (0.0, 100.0),
    "bounded_0_1": (0.0, 1.0),
    "bounded_-1_1": (-1.0, 1.0),
    "deviations": (-12.0, 12.0),
}
_RARE_ATR = 4.0
_REGIME_MODEL = "model.router.model"


def lint(
    spec: StrategySpec, plan: Plan, vocabulary: Vocabulary, *, max_warmup_bars: int = 504, n_training_bars: int | None = None
) -> list[Issue]:
    """Return warnings about a valid strategy.

    Args:
        max_warmup_bars: a warm-up longer than this is worth a word (a fold's bars, where they are known).
        n_training_bars: bars that training will see; None where it is not known, then complexity is not judged.
    """
    parts = plan.models
    doubts = [issue for part in parts for issue in (*_rule_doubts(part), *_set_doubts(part))]
    return [
        *_unused(spec),
        *_ignored(spec),
        *dict.fromkeys(doubts),
        *_dead_sides(plan),
        *_unstable(plan, vocabulary),
        *_exit_doubts(plan),
        *_training_doubts(spec, plan),
        *_size_doubts(plan, max_warmup_bars, n_training_bars),
    ]


def _models(spec: StrategySpec) -> Iterator[tuple[str, MemberSpec]]:
    """Yield path and model of everything that answers."""
    if spec.model.members is None:
        yield "model", spec.model
        return
    for name, member in spec.model.members.items():
        yield f"model.members.{name}", member
    if spec.model.router:
        yield _REGIME_MODEL, spec.model.router.model


def _unused(spec: StrategySpec) -> Iterator[Issue]:
    used: set[tuple[str, str]] = set()
    for _, model in _models(spec):
        if model.kind in NETWORK_KINDS and model.inputs is None:
            used |= {(feature, name) for feature, given in spec.sets.items() for name in given}
        used |= {(feature, name) for feature, _, name in (text.partition(".") for text in model.inputs or ())}
        used |= {(s.feature, s.set_name) for text in model.rules or () for s in statements(parse_rule(text).condition)}
    features = {feature for feature, _ in used}
    read = {name for feature in spec.features.values() for name in feature.input or ()}
    for name in spec.features:
        if name not in features | read:
            yield Issue(f"features.{name}", "unused_feature", f"no rule uses the feature {name!r}", name, "remove it, or name it in a rule")
    for feature, given in spec.sets.items():
        for name in given:
            if feature in features and (feature, name) not in used:
                yield Issue(f"sets.{feature}.{name}", "unused_set", f"no rule uses `{feature} is {name}`", name, "remove it, or use it")


def _ignored(spec: StrategySpec) -> Iterator[Issue]:
    learning = {path: model.kind != "rules" and model.trainable != () for path, model in _models(spec)}
    for path, model in _models(spec):
        if model.kind == "rules" and model.trainable:
            yield Issue(f"{path}.trainable", "ignored", "a model of kind rules learns nothing", None, "use kind anfis, or remove trainable")
    answering = [learns for path, learns in learning.items() if path != _REGIME_MODEL]
    for section, learns in (("labels", any(answering)), ("training", any(learning.values()))):
        if not learns and section in spec.model_fields_set:
            message = f"nothing is trained, so {section} changes nothing"
            yield Issue(section, "ignored", message, None, f"remove {section}, or use kind anfis")
    yield from _ignored_label_parts("labels", spec.labels)
    if spec.model.router and "labels" in spec.model.router.model_fields_set:
        if not learning[_REGIME_MODEL]:
            message = "the regime model learns nothing, so its labels change nothing"
            yield Issue("model.router.labels", "ignored", message, None, "remove labels, or use kind anfis")
        yield from _ignored_label_parts("model.router.labels", spec.model.router.labels)
    sizing = spec.decision.sizing
    own = {
        "fixed": ("size",),
        "volatility_target": ("annual", "max_leverage", "volatility_bars"),
        "kelly": ("fraction", "max_leverage"),
    }[sizing.kind]
    for name in type(sizing).model_fields:
        if name in sizing.model_fields_set and name not in ("kind", *own):
            message = f"{sizing.kind} sizing does not use {name}"
            yield Issue(f"decision.sizing.{name}", "ignored", message, str(getattr(sizing, name)), "remove it")


def _ignored_label_parts(path: str, labels: LabelSpec) -> Iterator[Issue]:
    if labels.kind not in ("triple_barrier", "zigzag") and "barrier" in labels.model_fields_set:
        yield Issue(f"{path}.barrier", "ignored", f"a {labels.kind} label has no barrier", str(labels.barrier), "remove it")
    if labels.kind != "regime" and "of" in labels.model_fields_set:
        yield Issue(f"{path}.of", "ignored", f"a {labels.kind} label is of no regime", labels.of, "remove it")


def _rule_doubts(plan: Plan) -> Iterator[Issue]:
    for rule, other in ((rule, other) for i, rule in enumerate(plan.rules) for other in plan.rules[:i]):
        if other.condition != rule.condition:
            continue
        if other.consequent == rule.consequent:
            yield Issue("model.rules", "duplicate_rule", f"two rules say the same: {rule.text!r}", rule.text, "keep one of them")
        elif other.consequent * rule.consequent < 0:
            message = f"two rules have the same condition and opposite directions: {other.text!r} and {rule.text!r}"
            yield Issue("model.rules", "contradicting_rules", message, rule.text, "change one condition")
    for rule in plan.rules:
        yield from _never_fires(rule, plan)
    if plan.model == "anfis" and len(plan.rules) == 1:
        message = f"an anfis weighs its rules against one another; this one stands alone, so its condition changes nothing: {rule.text!r}"
        yield Issue("model.rules", "lone_rule", message, rule.text, "add a rule for when it does not hold, or use kind rules")


def _never_fires(rule: RulePlan, plan: Plan) -> Iterator[Issue]:
    """A rule that asks two sets of one feature to hold together that nowhere do."""
    for first, second in combinations(_asked_together(rule.condition, plan.sets), 2):
        if first.feature != second.feature:
            continue
        (low, high), (other_low, other_high) = _reach(first), _reach(second)
        if high < other_low or other_high < low:
            name = plan.features[first.feature].name
            message = f"{name} is never both {first.name} and {second.name}, so this rule never fires: {rule.text!r}"
            yield Issue("model.rules", "dead_rule", message, rule.text, "use `or`, or let the sets overlap")
            return


def _asked_together(condition: Condition, sets: Sequence[SetPlan]) -> list[SetPlan]:
    """Return the sets that must all hold for a condition to hold."""
    if condition.op == "is":
        return [sets[condition.set_index]]
    return [one for arg in condition.args for one in _asked_together(arg, sets)] if condition.op == "and" else []


def _dead_sides(plan: Plan) -> Iterator[Issue]:
    """Consequents as written: the signal lies between tanh of the least and of the greatest output of the rules."""
    if plan.members or plan.network or "consequents" in plan.trainable:
        return
    long, short = plan.decision.long_above, plan.decision.short_below
    least, most = (math.tanh(bound) for bound in _output_range(plan))
    if long is not None and long >= most:
        message = f"the signal never exceeds {most:.3g}, so it never goes above {long:g}"
        yield Issue("decision.long_above", "dead_side", message, f"{long:g}", "lower it, strengthen a long rule, or set it to null")
    if short is not None and short <= least:
        message = f"the signal is never under {least:.3g}, so it never goes below {short:g}"
        yield Issue("decision.short_below", "dead_side", message, f"{short:g}", "raise it, add a short rule, or set it to null")


def _output_range(plan: Plan) -> tuple[float, float]:
    """Return bounds of the weighted mean of consequents; plain rules also weigh "else flat", which answers 0."""
    consequents = [rule.consequent for rule in plan.rules]
    if plan.model == "anfis":
        return min(consequents), max(consequents)
    bounds = []
    for side in (-1, 1):
        weights = [rule.weight for rule in plan.rules if rule.consequent * side > 0]
        fired, flat = sum(weights), math.prod(1 - weight for weight in weights)
        bounds.append(max((c * side for c in consequents if c * side > 0), default=0.0) * side * fired / (fired + flat))
    return bounds[0] + 0.0, bounds[1] + 0.0


def _unstable(plan: Plan, vocabulary: Vocabulary) -> Iterator[Issue]:
    for node in dict.fromkeys(node for feature in plan.features for node in nodes_of(feature)):
        if vocabulary[node.indicator].stability == "converging":
            message = f"{node.indicator} follows a state: until its first turn it depends on where the bars begin"
            yield Issue(f"features.{node.name}", "unstable_indicator", message, node.indicator, "allow it a long history, or use a window")


def _set_doubts(plan: Plan) -> Iterator[Issue]:
    for i, feature in enumerate(plan.features):
        if feature.unit in _LEVEL_UNITS:
            message = f"{feature.name!r} is in {feature.unit.replace('_', ' ')} units, which drift over the years; its sets do not"
            yield Issue(f"features.{feature.name}", "absolute_level", message, feature.indicator, "add transform: {zscore: 250}")
        bounds = _BOUNDS.get(feature.unit)
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
    if fuzzy.shape == "bell":
        edge = numbers[1] * 99 ** (0.5 / numbers[2])
        return numbers[0] - edge, numbers[0] + edge
    if fuzzy.shape == "sigmoid":
        foot = numbers[0] - 5 / numbers[1]
        return (foot, math.inf) if numbers[1] > 0 else (-math.inf, foot)
    return numbers[0], numbers[-1]


def _exit_doubts(plan: Plan) -> Iterator[Issue]:
    exits = plan.decision.exits
    for path, atr in (("stop_loss", exits.stop_atr), ("take_profit", exits.target_atr), ("trailing_stop", exits.trailing_atr)):
        if exits.max_bars and atr > _RARE_ATR * math.sqrt(exits.max_bars):
            message = f"{atr:g} ATR is rarely reached within {exits.max_bars} bars, so this exit hardly ever binds"
            yield Issue(f"decision.exits.{path}", "exit_rarely_binds", message, f"{atr:g}", "bring it nearer, or allow more bars")
    if any(part.trainable for part in plan.models) and 0 < exits.max_bars < plan.labels.horizon_bars:
        message = f"trades end after {exits.max_bars} bars, but the model learns what happens over {plan.labels.horizon_bars}"
        yield Issue("decision.exits.max_bars", "horizon_mismatch", message, str(exits.max_bars), str(plan.labels.horizon_bars))


def _training_doubts(spec: StrategySpec, plan: Plan) -> Iterator[Issue]:
    learning = [part for part in plan.models if part.trainable]
    if not learning:
        return
    training = plan.training
    bounded = [part.labels for part in learning if part.labels.kind == "triple_barrier" or _is_trend(part.labels)]
    if training.loss in ("cross_entropy", "focal") and bounded and training.class_band >= 1:
        message = f"a {bounded[0].kind} label lies from -1 to 1, so with a band of {training.class_band:g} every one is flat"
        yield Issue("training.class_band", "dead_classes", message, f"{training.class_band:g}", "use a band well below 1")
    if training.warmup_epochs > training.epochs:
        message = f"the learning rate rises over {training.warmup_epochs} epochs, but there are {training.epochs}, so it never gets there"
        yield Issue("training.warmup_epochs", "warmup_too_long", message, str(training.warmup_epochs), str(training.epochs // 10))
    if spec.training.schedule != training.schedule:
        message = f"training ends after {training.epochs} epochs, before the learning rate begins to fall"
        yield Issue("training.schedule", "ignored", message, spec.training.schedule, "allow more epochs, or a shorter warm-up")


def _is_trend(labels: LabelPlan) -> bool:
    return labels.kind == "regime" and labels.regime_of == "trend"


def _size_doubts(plan: Plan, max_warmup_bars: int, n_training_bars: int | None) -> Iterator[Issue]:
    if plan.warmup_bars > max_warmup_bars:
        message = f"the first signal needs {plan.warmup_bars} bars of history, more than {max_warmup_bars}"
        yield Issue("features", "long_warmup", message, str(plan.warmup_bars), "use shorter windows")
    n_nodes = len({node for feature in plan.features for node in nodes_of(feature)})
    if n_nodes > MAX_NODES:
        message = f"the features take {n_nodes} computations; every one is a choice that can fit noise"
        yield Issue("features", "complexity", message, str(n_nodes), "use fewer features")
    if n_training_bars is None or not plan.n_parameters:
        return
    n_samples = n_training_bars // plan.labels.horizon_bars
    if plan.n_parameters * SAMPLES_PER_PARAMETER > n_samples:
        message = f"{plan.n_parameters} trainable numbers stand against about {n_samples} independent samples"
        yield Issue("model", "complexity", message, str(plan.n_parameters), "use fewer rules or features, or a shorter horizon")
