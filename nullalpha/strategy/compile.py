"""Compilation: from a typed strategy to its canonical plan and fingerprint.

Canonical: names dropped, parameters completed with defaults, literals normalised, transforms written as the operators that they are,
equal columns, nodes and sets shared, what no rule or network uses dropped, negations pushed down to the sets (De Morgan holds exactly for
these operators), inputs of `and`, `or` and symmetric operators flattened and sorted, rules and members sorted (equal rules stay: each
counts), and fields dropped that cannot change behaviour (labels and training where nothing is trained, the numbers of the other sizing,
the barrier of a forward return, an exit threshold equal to its entry's). Of how a model learns, what is as it is by default is left out.
Equal documents in this sense have equal fingerprints; name, hypothesis and prediction never matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, replace

from nullalpha.core.errors import SpecError
from nullalpha.core.fingerprint import canonical_json, fingerprint
from nullalpha.strategy.columns import compile_columns, compile_feature, node_key, node_warmup_bars
from nullalpha.strategy.network_size import network_parameters
from nullalpha.strategy.plan import (
    NETWORK_KINDS,
    Condition,
    DecisionPlan,
    EntryPlan,
    ExitPlan,
    FeaturePlan,
    LabelPlan,
    MemberPlan,
    NetworkPlan,
    Plan,
    RouterPlan,
    RulePlan,
    SetPlan,
    SetShape,
    SizingPlan,
    Trainable,
    TrainingPlan,
    nodes_of,
)
from nullalpha.strategy.rules import Expression, Is, Not, Rule, parse_rule, statements
from nullalpha.strategy.semantics import semantic_issues
from nullalpha.strategy.spec import (
    DecisionSpec,
    DistanceSpec,
    EntrySpec,
    LabelSpec,
    MemberSpec,
    ModelSpec,
    RouterSpec,
    SetSpec,
    SizingSpec,
    StrategySpec,
    TrainingSpec,
)
from nullalpha.strategy.vocabulary import Vocabulary

__all__ = ["canonical_document", "compile_feature", "compile_strategy"]

CANONICAL_VERSION = 2
DEFAULT_HIDDEN = (16,)
DEFAULT_LOOKBACK = 20
DEFAULT_FOCAL_GAMMA = 2.0
"""As Lin et al. (2017), Focal loss, ICCV, found best."""
DEFAULT_RISK_AVERSION = 0.1
"""An expected return of a tenth of a volatility over the horizon asks for a whole position before costs."""
_SetKey = tuple[int, SetShape, tuple[float, ...]]
_Stated = tuple[str, str]


def compile_strategy(spec: StrategySpec, vocabulary: Vocabulary) -> Plan:
    """Return the canonical plan.

    Raises:
        SpecError: if the spec's words mean nothing in this vocabulary (unknown indicator, feature, set, broken rule).
    """
    issues = semantic_issues(spec.model_dump(), vocabulary)
    if issues:
        raise SpecError(issues)
    columns = compile_columns(spec.features, spec.timeframe, vocabulary, spec.instruments)
    if spec.model.members is None:
        return _single(spec, spec.model, spec.labels, columns, vocabulary)
    return _ensemble(spec, spec.model, columns, vocabulary)


def canonical_document(plan: Plan) -> dict[str, object]:
    """Return what the fingerprint is taken of: everything that changes behaviour and nothing else."""
    nodes = _node_table(plan.features)
    return {
        "canonical": CANONICAL_VERSION,
        "instruments": list(plan.instruments),
        "timeframe": plan.timeframe,
        "nodes": [_node_document(node, nodes) for node in nodes.values()],
        "features": [list(nodes).index(node_key(feature)) for feature in plan.features],
        **_model_document(plan),
        "decision": _decision_document(plan.decision),
    }


def _single(spec: StrategySpec, model: MemberSpec, labels: LabelSpec, columns: Mapping[str, FeaturePlan], vocabulary: Vocabulary) -> Plan:
    """Return the plan of one model, with the features and sets that it uses and no others."""
    parsed = [(parse_rule(text), " ".join(text.split())) for text in model.rules or ()]
    stated = _stated(spec, model, [rule for rule, _ in parsed])
    features, index_of = _features(columns, dict.fromkeys(feature for feature, _ in stated))
    sets, set_index_of = _sets(spec.sets, index_of, stated)
    rules = _rules(parsed, set_index_of)
    trainable = _trainable(model)
    network = _network(model)
    warmup = max(node_warmup_bars(feature, spec.timeframe, vocabulary) for feature in features)
    plan = Plan(
        fingerprint="",
        name=spec.name,
        hypothesis=spec.hypothesis,
        instruments=tuple(sorted(spec.instruments)),
        timeframe=spec.timeframe,
        features=features,
        sets=sets,
        rules=rules,
        model=model.kind,
        trainable=trainable,
        labels=_labels(labels if trainable else LabelSpec()),
        training=_training(spec.training if trainable else TrainingSpec()),
        decision=_decision(spec.decision, labels),
        warmup_bars=warmup + (network.lookback - 1 if network else 0),
        n_parameters=_n_parameters(model, trainable, len(rules), len(features), sets, network),
        network=network,
    )
    return replace(plan, fingerprint=fingerprint(canonical_document(plan)))


def _ensemble(spec: StrategySpec, model: ModelSpec, columns: Mapping[str, FeaturePlan], vocabulary: Vocabulary) -> Plan:
    """Return the plan of an ensemble: each member a strategy of its own on some of the joint features."""
    plans = {name: _single(spec, member, spec.labels, columns, vocabulary) for name, member in (model.members or {}).items()}
    regime = None if model.router is None else _single(spec, model.router.model, model.router.labels, columns, vocabulary)
    parts = [*plans.values(), *([regime] if regime else [])]
    keyed = {node_key(feature): feature for part in parts for feature in part.features}
    order = sorted(keyed)
    features = tuple(keyed[key] for key in order)

    def member(name: str, plan: Plan) -> MemberPlan:
        return MemberPlan(name, tuple(order.index(node_key(feature)) for feature in plan.features), plan)

    names = sorted(plans, key=lambda name: (plans[name].fingerprint, _side(model.router, name)))
    plan = Plan(
        fingerprint="",
        name=spec.name,
        hypothesis=spec.hypothesis,
        instruments=tuple(sorted(spec.instruments)),
        timeframe=spec.timeframe,
        features=features,
        sets=(),
        rules=(),
        model="ensemble",
        trainable=(),
        labels=_labels(spec.labels if any(part.trainable for part in plans.values()) else LabelSpec()),
        training=_training(spec.training if any(part.trainable for part in parts) else TrainingSpec()),
        decision=_decision(spec.decision, spec.labels),
        warmup_bars=max(part.warmup_bars for part in parts),
        n_parameters=sum(part.n_parameters for part in parts),
        members=tuple(member(name, plans[name]) for name in names),
        router=None
        if model.router is None or regime is None
        else RouterPlan(
            member("regime", regime),
            names.index(model.router.above),
            names.index(model.router.below),
            float(model.router.threshold) + 0.0,
            float(model.router.softness),
        ),
    )
    return replace(plan, fingerprint=fingerprint(canonical_document(plan)))


def _side(router: RouterSpec | None, name: str) -> str:
    """Return a member's part in the routing, so that two equal members have an order."""
    return "" if router is None else "above" if name == router.above else "below"


def _node_table(features: Sequence[FeaturePlan]) -> dict[str, FeaturePlan]:
    """Return every node of the columns once, by key, inputs before what uses them, otherwise in the order of keys."""
    below = {node_key(node): node for feature in features for node in nodes_of(feature)}
    table: dict[str, FeaturePlan] = {}

    def add(key: str) -> None:
        if key in table:
            return
        for given in sorted(node_key(i) for i in below[key].inputs if isinstance(i, FeaturePlan)):
            add(given)
        table[key] = below[key]

    for key in sorted(below):
        add(key)
    return table


def _node_document(node: FeaturePlan, nodes: Mapping[str, FeaturePlan]) -> list[object]:
    order = list(nodes)
    inputs = [order.index(node_key(given)) if isinstance(given, FeaturePlan) else given for given in node.inputs]
    return [node.indicator, [list(pair) for pair in node.params], node.output, node.timeframe, node.instrument, inputs]


def _model_document(plan: Plan) -> dict[str, object]:
    document: dict[str, object] = {"model": plan.model}
    if plan.members:
        document["members"] = [_member_document(member) for member in plan.members]
        router = plan.router
        if router:
            document["router"] = [_member_document(router.regime), router.above, router.below, router.threshold, router.softness]
        return document
    document["sets"] = [[s.feature, s.shape, list(s.params)] for s in plan.sets]
    document["rules"] = [[_node(rule.condition), rule.consequent, rule.weight] for rule in plan.rules]
    if plan.network:
        document["network"] = [list(plan.network.hidden), plan.network.lookback, plan.network.dropout]
    if plan.trainable:
        labels, training = plan.labels, plan.training
        document["trainable"] = list(plan.trainable)
        document["labels"] = [
            *(labels.kind, labels.horizon_bars, labels.volatility_bars, labels.barrier),
            *(labels.regime_of, labels.cusum, labels.weights),
        ]
        document["training"] = [
            *(training.epochs, training.batch_size, training.learning_rate, training.patience, training.loss),
            *_beside_defaults(training),
        ]
    return document


def _beside_defaults(training: TrainingPlan) -> list[list[object]]:
    """Return name and value of what is not as it is by default, in the order of the plan's fields."""
    optional = [(field.name, field.default) for field in fields(training) if field.default is not MISSING]
    return [[name, getattr(training, name)] for name, default in optional if getattr(training, name) != default]


def _member_document(member: MemberPlan) -> dict[str, object]:
    return {"columns": list(member.columns), **_model_document(member.plan)}


def _stated(spec: StrategySpec, model: MemberSpec, rules: Sequence[Rule]) -> list[_Stated]:
    """Return every (feature, set) that a model uses, in the order of the document."""
    if model.kind not in NETWORK_KINDS:
        return list(dict.fromkeys((s.feature, s.set_name) for rule in rules for s in statements(rule.condition)))
    if model.inputs is None:
        return [(feature, name) for feature, given in spec.sets.items() for name in given]
    return [(feature, name) for feature, _, name in (text.partition(".") for text in model.inputs)]


def _features(columns: Mapping[str, FeaturePlan], used: Mapping[str, None]) -> tuple[tuple[FeaturePlan, ...], Mapping[str, int]]:
    """Return the unique used columns in canonical order, and where each name of the document went."""
    keys = {name: node_key(columns[name]) for name in columns if name in used}
    first: dict[str, FeaturePlan] = {}
    for name, key in keys.items():
        first.setdefault(key, columns[name])
    order = sorted(first)
    return tuple(first[key] for key in order), {name: order.index(key) for name, key in keys.items()}


def _sets(
    sets: Mapping[str, Mapping[str, SetSpec]], index_of: Mapping[str, int], stated: Sequence[_Stated]
) -> tuple[tuple[SetPlan, ...], Mapping[_Stated, int]]:
    """Return the unique used sets in canonical order, and where each (feature, set) of the document went."""
    first: dict[_SetKey, str] = {}
    keys: dict[_Stated, _SetKey] = {}
    for feature, name in stated:
        given = sets[feature][name]
        key = (index_of[feature], given.shape, given.numbers)
        keys[feature, name] = key
        first.setdefault(key, name)
    order = sorted(first)
    plans = tuple(SetPlan(feature, first[feature, shape, numbers], shape, numbers) for feature, shape, numbers in order)
    return plans, {names: order.index(key) for names, key in keys.items()}


def _rules(rules: Sequence[tuple[Rule, str]], set_index_of: Mapping[_Stated, int]) -> tuple[RulePlan, ...]:
    compiled = [
        RulePlan(
            _condition(rule.condition, set_index_of, negated=False),
            rule.strength if rule.direction == "long" else -rule.strength,
            text,
            rule.weight,
        )
        for rule, text in rules
    ]
    return tuple(sorted(compiled, key=lambda rule: (canonical_json(_node(rule.condition)), rule.consequent, rule.weight)))


def _condition(expression: Expression, set_index_of: Mapping[_Stated, int], *, negated: bool) -> Condition:
    """Return the canonical node: negations at the sets alone, `and` and `or` flat and sorted."""
    if isinstance(expression, Is):
        stated = Condition("is", set_index_of[expression.feature, expression.set_name])
        return Condition("not", args=(stated,)) if negated else stated
    if isinstance(expression, Not):
        return _condition(expression.arg, set_index_of, negated=not negated)
    op = expression.op if not negated else "or" if expression.op == "and" else "and"
    flat: list[Condition] = []
    for arg in (_condition(arg, set_index_of, negated=negated) for arg in expression.args):
        flat.extend(arg.args if arg.op == op else (arg,))
    return Condition(op, args=tuple(sorted(flat, key=lambda arg: canonical_json(_node(arg)))))


def _node(condition: Condition) -> list[object]:
    if condition.op == "is":
        return ["is", condition.set_index]
    return [condition.op, *(_node(arg) for arg in condition.args)]


def _trainable(model: MemberSpec) -> tuple[Trainable, ...]:
    if model.kind == "rules":
        return ()
    if model.trainable is not None:
        return tuple(sorted(model.trainable))
    return ("network",) if model.kind in NETWORK_KINDS else ("consequents", "sets")


def _network(model: MemberSpec) -> NetworkPlan | None:
    if model.kind not in NETWORK_KINDS:
        return None
    lookback = 1 if model.kind == "fuzzy_mlp" else model.lookback or DEFAULT_LOOKBACK
    return NetworkPlan(model.hidden or DEFAULT_HIDDEN, lookback, float(model.dropout or 0.0))


def _labels(labels: LabelSpec) -> LabelPlan:
    """Return the label; numbers of other kinds take neutral values, so that equal behaviour means equal plans."""
    barrier = labels.barrier if labels.kind in ("triple_barrier", "zigzag") else 0.0
    regime_of = labels.of if labels.kind == "regime" else "trend"
    cusum = float(labels.cusum or 0.0)
    return LabelPlan(labels.kind, labels.horizon, labels.volatility_bars, float(barrier), regime_of, cusum, labels.weights)


def _training(training: TrainingSpec) -> TrainingPlan:
    """Return how a model learns; what other losses read takes neutral values, so that equal behaviour means equal plans.

    A rise over one epoch is none, and a rate that has not risen before the last epoch never falls.
    """
    falls = training.epochs > max(training.warmup_epochs, 1)
    return TrainingPlan(
        epochs=training.epochs,
        batch_size=training.batch_size,
        learning_rate=float(training.learning_rate),
        patience=training.patience,
        loss=training.loss,
        class_band=float(training.class_band or 0.0) + 0.0,
        class_weights=training.class_weights or "none",
        focal_gamma=0.0 if training.loss != "focal" else float(training.focal_gamma or DEFAULT_FOCAL_GAMMA),
        risk_aversion=_risk_aversion(training) + 0.0,
        schedule=training.schedule if falls else "constant",
        warmup_epochs=training.warmup_epochs if training.warmup_epochs > 1 else 0,
        clip_norm=float(training.clip_norm),
    )


def _risk_aversion(training: TrainingSpec) -> float:
    if training.loss != "utility":
        return 0.0
    return DEFAULT_RISK_AVERSION if training.risk_aversion is None else float(training.risk_aversion)


def _decision(decision: DecisionSpec, labels: LabelSpec) -> DecisionPlan:
    exits = decision.exits
    stop_atr, stop_fraction = _distance(exits.stop_loss)
    target_atr, target_fraction = _distance(exits.take_profit)
    trailing_atr, trailing_fraction = _distance(exits.trailing_stop)
    return DecisionPlan(
        long_above=_threshold(decision.long_above),
        short_below=_threshold(decision.short_below),
        sizing=_sizing(decision.sizing, labels),
        exits=ExitPlan(
            stop_atr=stop_atr,
            stop_fraction=stop_fraction,
            target_atr=target_atr,
            target_fraction=target_fraction,
            max_bars=exits.max_bars or 0,
            trailing_atr=trailing_atr,
            trailing_fraction=trailing_fraction,
        ),
        long_exit_below=_threshold(decision.long_exit_below if decision.long_exit_below is not None else decision.long_above),
        short_exit_above=_threshold(decision.short_exit_above if decision.short_exit_above is not None else decision.short_below),
        separation_bars=max(decision.separation or 1, 1),
        entry=_entry(decision.entry),
    )


def _entry(entry: EntrySpec | None) -> EntryPlan | None:
    if entry is None:
        return None
    return EntryPlan(entry.order, *_distance(entry.distance), *_distance(entry.limit), valid_bars=entry.valid_bars or 0)


def _threshold(value: float | None) -> float | None:
    return None if value is None else float(value) + 0.0


def _distance(distance: DistanceSpec | None) -> tuple[float, float]:
    """Return (multiples of ATR, fraction of price); 0 for none."""
    return (0.0, 0.0) if distance is None else (float(distance.atr or 0), float(distance.fraction or 0))


def _sizing(sizing: SizingSpec, labels: LabelSpec) -> SizingPlan:
    """Return the sizing; numbers of the other kinds take neutral values, so that equal behaviour means equal plans."""
    neutral = SizingSpec()
    if sizing.kind == "fixed":
        return SizingPlan("fixed", float(sizing.size), float(neutral.annual), float(sizing.size), neutral.volatility_bars)
    most = float(sizing.max_leverage)
    if sizing.kind == "volatility_target":
        return SizingPlan("volatility_target", 1.0, float(sizing.annual), most, sizing.volatility_bars)
    # what is predicted is in units of the label's volatility, so that is the one that counts
    return SizingPlan("kelly", 1.0, float(neutral.annual), most, labels.volatility_bars, float(sizing.fraction), labels.horizon)


def _decision_document(decision: DecisionPlan) -> dict[str, object]:
    sizing, exits = decision.sizing, decision.exits
    sized: dict[str, list[object]] = {
        "fixed": [sizing.size],
        "volatility_target": [sizing.annual, sizing.max_leverage, sizing.volatility_bars],
        "kelly": [sizing.kelly_fraction, sizing.max_leverage, sizing.volatility_bars, sizing.horizon_bars],
    }
    return {
        "long": [decision.long_above, decision.long_exit_below],
        "short": [decision.short_below, decision.short_exit_above],
        "separation": decision.separation_bars,
        "sizing": [sizing.kind, *sized[sizing.kind]],
        "exits": [
            *(exits.stop_atr, exits.stop_fraction, exits.target_atr, exits.target_fraction),
            *(exits.trailing_atr, exits.trailing_fraction, exits.max_bars),
        ],
        **_entry_document(decision.entry),
    }


def _entry_document(entry: EntryPlan | None) -> dict[str, object]:
    if entry is None:
        return {}
    distances = (entry.distance_atr, entry.distance_fraction, entry.limit_atr, entry.limit_fraction)
    return {"entry": [entry.order, *distances, entry.valid_bars]}


def _n_parameters(
    model: MemberSpec,
    trainable: tuple[Trainable, ...],
    n_rules: int,
    n_features: int,
    sets: tuple[SetPlan, ...],
    network: NetworkPlan | None,
) -> int:
    n_sets = sum(len(s.params) for s in sets) if "sets" in trainable else 0
    if network and model.kind in NETWORK_KINDS:
        return n_sets + network_parameters(model.kind, len(sets), network)
    return n_sets + (n_rules * (n_features + 1) if "consequents" in trainable else 0)
