"""Compilation: from a typed strategy to its canonical plan and fingerprint.

Canonical: names dropped, parameters completed with defaults, literals normalised, equal features and sets shared, what no rule uses
dropped, negations of negations removed, inputs of `and` and `or` flattened and sorted, rules sorted (equal rules stay: each counts), and
fields dropped that cannot change behaviour (labels and training where nothing is trained, the numbers of the other sizing, the barrier of
a forward return).
Equal documents in this sense have equal fingerprints; name, hypothesis and prediction never matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nullalpha.core.errors import SpecError
from nullalpha.core.fingerprint import canonical_json, fingerprint
from nullalpha.strategy.plan import (
    Condition,
    DecisionPlan,
    ExitPlan,
    FeaturePlan,
    LabelPlan,
    Plan,
    RulePlan,
    SetPlan,
    SetShape,
    SizingPlan,
    Trainable,
    TrainingPlan,
)
from nullalpha.strategy.rules import Expression, Is, Not, Rule, parse_rule, statements
from nullalpha.strategy.semantics import WEEK, semantic_issues
from nullalpha.strategy.spec import DecisionSpec, FeatureSpec, LabelSpec, SizingSpec, StrategySpec, TrainingSpec
from nullalpha.strategy.vocabulary import ParameterValue, Vocabulary

CANONICAL_VERSION = 1
SESSIONS_PER_WEEK = 5
_SetKey = tuple[int, SetShape, tuple[float, ...]]


def compile_strategy(spec: StrategySpec, vocabulary: Vocabulary) -> Plan:
    """Return the canonical plan.

    Raises:
        SpecError: if the spec's words mean nothing in this vocabulary (unknown indicator, feature, set, broken rule).
    """
    issues = semantic_issues(spec.model_dump(), vocabulary)
    if issues:
        raise SpecError(issues)
    parsed = [(parse_rule(text), " ".join(text.split())) for text in spec.model.rules]
    features, index_of = _features(spec, vocabulary, {stated.feature for rule, _ in parsed for stated in statements(rule.condition)})
    sets, set_index_of = _sets(spec, index_of, parsed)
    rules = _rules(parsed, set_index_of)
    trainable = _trainable(spec)
    plan = Plan(
        fingerprint="",
        name=spec.name,
        hypothesis=spec.hypothesis,
        instruments=tuple(sorted(spec.instruments)),
        timeframe=spec.timeframe,
        features=features,
        sets=sets,
        rules=rules,
        model=spec.model.kind,
        trainable=trainable,
        labels=_labels(spec.labels if trainable else LabelSpec()),
        training=_training(spec.training if trainable else TrainingSpec()),
        decision=_decision(spec.decision),
        warmup_bars=max(feature_warmup_bars(feature, spec.timeframe, vocabulary) for feature in features),
        n_parameters=_n_parameters(trainable, len(rules), len(features), sets),
    )
    return replace(plan, fingerprint=fingerprint(canonical_document(plan)))


def compile_feature(name: str, feature: FeatureSpec, timeframe: str, vocabulary: Vocabulary) -> FeaturePlan:
    """Return one column of a strategy whose base timeframe is `timeframe`, complete with defaults; the spec must be valid."""
    signature = vocabulary[feature.indicator]
    params = tuple(sorted((p.name, _literal(feature.params.get(p.name, p.default), p.integer)) for p in signature.parameters))
    output = feature.output or signature.outputs[0]
    zscore_bars = feature.transform.zscore if feature.transform else 0
    return FeaturePlan(name, feature.indicator, params, output, feature.timeframe or timeframe, zscore_bars)


def feature_warmup_bars(feature: FeaturePlan, timeframe: str, vocabulary: Vocabulary) -> int:
    """Return the bars of the base timeframe before the column's first value: exact on the base timeframe, on weekly bars never too few.

    A weekly value waits for its week to end, and a first week that is cut does not count.
    """
    own = vocabulary[feature.indicator].warmup_bars(dict(feature.params))
    in_base = (own + 2) * SESSIONS_PER_WEEK if feature.timeframe == WEEK != timeframe else own
    return in_base + max(feature.zscore_bars - 1, 0)


def canonical_document(plan: Plan) -> dict[str, object]:
    """Return what the fingerprint is taken of: everything that changes behaviour and nothing else."""
    document: dict[str, object] = {
        "canonical": CANONICAL_VERSION,
        "instruments": list(plan.instruments),
        "timeframe": plan.timeframe,
        "features": [_feature_key(feature) for feature in plan.features],
        "sets": [[s.feature, s.shape, list(s.params)] for s in plan.sets],
        "rules": [[_node(rule.condition), rule.consequent] for rule in plan.rules],
        "model": plan.model,
        "decision": _decision_document(plan.decision),
    }
    if plan.trainable:
        labels = plan.labels
        document["trainable"] = list(plan.trainable)
        document["labels"] = [labels.kind, labels.horizon_bars, labels.volatility_bars, labels.barrier]
        training = plan.training
        document["training"] = [training.epochs, training.batch_size, training.learning_rate, training.patience, training.loss]
    return document


def _literal(value: object, integer: bool) -> ParameterValue:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return int(value) if integer else float(value) + 0.0


def _feature_key(feature: FeaturePlan) -> list[object]:
    return [feature.indicator, [list(pair) for pair in feature.params], feature.output, feature.timeframe, feature.zscore_bars]


def _features(spec: StrategySpec, vocabulary: Vocabulary, used: set[str]) -> tuple[tuple[FeaturePlan, ...], Mapping[str, int]]:
    """Return the unique used columns in canonical order, and where each name of the document went."""
    compiled = {name: compile_feature(name, f, spec.timeframe, vocabulary) for name, f in spec.features.items() if name in used}
    keys = {name: canonical_json(_feature_key(feature)) for name, feature in compiled.items()}
    first: dict[str, FeaturePlan] = {}
    for name, feature in compiled.items():
        first.setdefault(keys[name], feature)
    order = sorted(first)
    return tuple(first[key] for key in order), {name: order.index(key) for name, key in keys.items()}


def _sets(
    spec: StrategySpec, index_of: Mapping[str, int], rules: list[tuple[Rule, str]]
) -> tuple[tuple[SetPlan, ...], Mapping[tuple[str, str], int]]:
    """Return the unique used sets in canonical order, and where each (feature, set) of the document went."""
    first: dict[_SetKey, str] = {}
    keys: dict[tuple[str, str], _SetKey] = {}
    for rule, _ in rules:
        for stated in statements(rule.condition):
            given = spec.sets[stated.feature][stated.set_name]
            key = (index_of[stated.feature], given.shape, given.numbers)
            keys[stated.feature, stated.set_name] = key
            first.setdefault(key, stated.set_name)
    order = sorted(first)
    sets = tuple(SetPlan(feature, first[feature, shape, numbers], shape, numbers) for feature, shape, numbers in order)
    return sets, {names: order.index(key) for names, key in keys.items()}


def _rules(rules: list[tuple[Rule, str]], set_index_of: Mapping[tuple[str, str], int]) -> tuple[RulePlan, ...]:
    compiled = [
        RulePlan(_condition(rule.condition, set_index_of), rule.strength if rule.direction == "long" else -rule.strength, text)
        for rule, text in rules
    ]
    return tuple(sorted(compiled, key=lambda rule: (canonical_json(_node(rule.condition)), rule.consequent)))


def _condition(expression: Expression, set_index_of: Mapping[tuple[str, str], int]) -> Condition:
    """Return the canonical node: flat, sorted `and` and `or`, no negation of a negation."""
    if isinstance(expression, Is):
        return Condition("is", set_index_of[expression.feature, expression.set_name])
    if isinstance(expression, Not):
        inner = _condition(expression.arg, set_index_of)
        return inner.args[0] if inner.op == "not" else Condition("not", args=(inner,))
    flat: list[Condition] = []
    for arg in (_condition(arg, set_index_of) for arg in expression.args):
        flat.extend(arg.args if arg.op == expression.op else (arg,))
    return Condition(expression.op, args=tuple(sorted(flat, key=lambda arg: canonical_json(_node(arg)))))


def _node(condition: Condition) -> list[object]:
    if condition.op == "is":
        return ["is", condition.set_index]
    return [condition.op, *(_node(arg) for arg in condition.args)]


def _trainable(spec: StrategySpec) -> tuple[Trainable, ...]:
    if spec.model.kind == "rules":
        return ()
    return ("consequents", "sets") if spec.model.trainable is None else tuple(sorted(spec.model.trainable))


def _labels(labels: LabelSpec) -> LabelPlan:
    barrier = labels.barrier if labels.kind == "triple_barrier" else 0.0
    return LabelPlan(labels.kind, labels.horizon, labels.volatility_bars, float(barrier))


def _training(training: TrainingSpec) -> TrainingPlan:
    return TrainingPlan(training.epochs, training.batch_size, float(training.learning_rate), training.patience, training.loss)


def _decision(decision: DecisionSpec) -> DecisionPlan:
    exits, stop, target = decision.exits, decision.exits.stop_loss, decision.exits.take_profit
    return DecisionPlan(
        long_above=None if decision.long_above is None else float(decision.long_above) + 0.0,
        short_below=None if decision.short_below is None else float(decision.short_below) + 0.0,
        sizing=_sizing(decision.sizing),
        exits=ExitPlan(
            stop_atr=float((stop and stop.atr) or 0),
            stop_fraction=float((stop and stop.fraction) or 0),
            target_atr=float((target and target.atr) or 0),
            target_fraction=float((target and target.fraction) or 0),
            max_bars=exits.max_bars or 0,
        ),
    )


def _sizing(sizing: SizingSpec) -> SizingPlan:
    """Return the sizing; numbers of the other kind take neutral values, so that equal behaviour means equal plans."""
    neutral = SizingSpec()
    if sizing.kind == "fixed":
        return SizingPlan("fixed", float(sizing.size), float(neutral.annual), float(sizing.size), neutral.volatility_bars)
    return SizingPlan("volatility_target", 1.0, float(sizing.annual), float(sizing.max_leverage), sizing.volatility_bars)


def _decision_document(decision: DecisionPlan) -> dict[str, object]:
    sizing, exits = decision.sizing, decision.exits
    sized = [sizing.size] if sizing.kind == "fixed" else [sizing.annual, sizing.max_leverage, sizing.volatility_bars]
    return {
        "long_above": decision.long_above,
        "short_below": decision.short_below,
        "sizing": [sizing.kind, *sized],
        "exits": [exits.stop_atr, exits.stop_fraction, exits.target_atr, exits.target_fraction, exits.max_bars],
    }


def _n_parameters(trainable: tuple[Trainable, ...], n_rules: int, n_features: int, sets: tuple[SetPlan, ...]) -> int:
    consequents = n_rules * (n_features + 1) if "consequents" in trainable else 0
    return consequents + (sum(len(s.params) for s in sets) if "sets" in trainable else 0)
