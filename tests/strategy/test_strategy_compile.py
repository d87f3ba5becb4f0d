from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import SpecError
from nullalpha.strategy.compile import canonical_document, compile_strategy
from nullalpha.strategy.document import load_document
from nullalpha.strategy.plan import Condition, LabelPlan, Plan, SizingPlan
from nullalpha.strategy.rules import Expression, Is, Join, Not, Rule, format_rule, parse_rule
from nullalpha.strategy.spec import StrategySpec
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

Json = dict[str, Any]


def compiled(document: object, vocabulary: Vocabulary) -> Plan:
    spec, _ = parse_strategy(document, vocabulary)  # type: ignore[arg-type]
    return compile_strategy(spec, vocabulary)


def with_rules(example: str, *rules: str) -> Json:
    document = load_document(example)
    document["model"]["rules"] = list(rules)  # type: ignore[index]
    return document


def test_the_example_compiles_to_what_its_rules_use(example: str, vocabulary: Vocabulary) -> None:
    plan = compiled(example, vocabulary)
    assert {(f.name, f.indicator, f.params, f.output, f.timeframe, f.inputs, f.unit) for f in plan.features} == {
        ("trend", "distance_from_sma", (("period", 200),), "distance_from_sma", "1d", (), "ratio"),
        ("rsi", "rsi", (("period", 14),), "rsi", "1d", (), "bounded_0_100"),
    }
    assert [f.name for f in plan.features] == ["trend", "rsi"]
    assert [(s.feature, s.name, s.shape, s.params) for s in plan.sets] == [
        (0, "up", "sigmoid", (0.02, 80.0)),
        (1, "low", "gaussian", (25.0, 8.0)),
        (1, "high", "gaussian", (75.0, 8.0)),
    ]
    up, low, high = (Condition("is", i) for i in range(3))
    assert [(rule.condition, rule.consequent) for rule in plan.rules] == [
        (Condition("and", args=(up, low)), 1.0),
        (Condition("and", args=(high, Condition("not", args=(up,)))), -0.5),
    ]
    assert plan.labels == LabelPlan("forward_return", 5, 60, 0.0)
    assert plan.decision.sizing == SizingPlan("volatility_target", 1.0, 0.1, 1.0, 60)
    assert (plan.decision.exits.stop_atr, plan.decision.exits.target_atr, plan.decision.exits.max_bars) == (3.0, 0.0, 20)
    assert plan.trainable == ("consequents", "sets")


def test_parameters_are_counted_by_hand(example: str, vocabulary: Vocabulary) -> None:
    # 2 rules x (2 features + 1), and 3 sets of 2 numbers
    document = load_document(example)
    for trainable, expected in ((["sets", "consequents"], 12), (["consequents"], 6), (["sets"], 6), ([], 0)):
        document["model"]["trainable"] = trainable  # type: ignore[index]
        assert compiled(document, vocabulary).n_parameters == expected
    document["model"].update(kind="rules", trainable=["sets"])  # type: ignore[attr-defined]
    assert compiled(document, vocabulary).n_parameters == 0


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ({"indicator": "rsi", "period": 14}, 14),
        ({"indicator": "atr", "period": 20, "transform": {"zscore": 250}}, 269),
        ({"indicator": "roc", "period": 13, "timeframe": "1w"}, 75),
        ({"indicator": "roc", "period": 13, "timeframe": "1w", "transform": {"zscore": 100}}, 174),
    ],
)
def test_warm_up_adds_the_window_of_the_z_score_and_whole_weeks(feature: Json, expected: int, example: str, vocabulary: Vocabulary) -> None:
    document = with_rules(example, "if rsi is low then long 1.0")
    document["features"] = {"rsi": feature}
    document["sets"] = {"rsi": {"low": {"gaussian": [25, 8]}}}
    assert compiled(document, vocabulary).warmup_bars == expected


def test_equal_features_and_sets_under_two_names_are_shared(example: str, vocabulary: Vocabulary) -> None:
    document = with_rules(example, "if rsi is low and again is cheap then long 1.0")
    document["features"]["again"] = {"indicator": "rsi", "output": "rsi", "timeframe": "1d"}
    document["sets"]["again"] = {"cheap": {"gaussian": [25.0, 8.0]}}
    plan = compiled(document, vocabulary)
    assert (len(plan.features), len(plan.sets)) == (1, 1)
    assert plan.rules[0].condition == Condition("and", args=(Condition("is", 0), Condition("is", 0)))


def test_equal_rules_are_kept_because_each_counts(example: str, vocabulary: Vocabulary) -> None:
    once = compiled(with_rules(example, "if rsi is low then long 1.0"), vocabulary)
    twice = compiled(with_rules(example, *["if rsi is low then long 1.0"] * 2), vocabulary)
    assert len(twice.rules) == 2
    assert once.fingerprint != twice.fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if rsi is low and trend is up then long 1.0", "if trend is up and rsi is low then long 1"),
        ("if not not rsi is low then long 1.0", "if rsi is low then long 1.0"),
        ("if rsi is not low then long 1.0", "if not rsi is low then long 1.0"),
        ("if not (not (rsi is low or trend is up)) then long 0.5", "if trend is up or rsi is low then long .5"),
        ("if rsi is low and (trend is up and rsi is high) then long 1", "if (rsi is high and rsi is low) and trend is up then long 1"),
        (
            "if rsi is low and not not (trend is up and rsi is high) then long 1",
            "if rsi is high and rsi is low and trend is up then long 1",
        ),
    ],
)
def test_two_ways_to_say_one_rule_have_one_fingerprint(one: str, other: str, example: str, vocabulary: Vocabulary) -> None:
    plans = [compiled(with_rules(example, text), vocabulary) for text in (one, other)]
    assert plans[0].fingerprint == plans[1].fingerprint
    assert plans[0].rules[0].condition == plans[1].rules[0].condition


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if rsi is low and trend is up then long 1.0", "if rsi is low or trend is up then long 1.0"),
        ("if rsi is low then long 1.0", "if rsi is low and rsi is low then long 1.0"),
        ("if rsi is low then long 1.0", "if rsi is high then long 1.0"),
        ("if rsi is low then long 1.0", "if rsi is not low then long 1.0"),
        ("if rsi is low then long 1.0", "if rsi is low then short 1.0"),
        ("if rsi is low then long 1.0", "if rsi is low then long 0.9"),
        ("if (rsi is low or trend is up) and rsi is high then long 1", "if rsi is low or trend is up and rsi is high then long 1"),
    ],
)
def test_rules_that_mean_different_things_have_different_fingerprints(one: str, other: str, example: str, vocabulary: Vocabulary) -> None:
    assert compiled(with_rules(example, one), vocabulary).fingerprint != compiled(with_rules(example, other), vocabulary).fingerprint


def change(document: Json, path: str, value: object) -> Json:
    changed = copy.deepcopy(document)
    place: Any = changed
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[int(last) if isinstance(place, list) else last] = value
    return changed


BEHAVIOUR: list[tuple[str, object]] = [
    ("instruments", ["IXIC"]),
    ("instruments", ["SPX", "IXIC"]),
    ("features.rsi.period", 15),
    ("features.rsi.indicator", "roc"),
    ("features.rsi.timeframe", "1w"),
    ("features.rsi.transform", {"zscore": 250}),
    ("sets.rsi.low.gaussian.0", 26),
    ("sets.rsi.low.gaussian.1", 8.0000001),
    ("sets.rsi.low", {"sigmoid": [25, 8]}),
    ("model.kind", "rules"),
    ("model.trainable", ["sets"]),
    ("model.trainable", []),
    ("model.rules.0", "if rsi is low then long 1.0"),
    ("labels.kind", "triple_barrier"),
    ("labels.horizon", 6),
    ("labels.volatility_bars", 61),
    ("training.epochs", 61),
    ("training.batch_size", 513),
    ("training.learning_rate", 0.011),
    ("training.patience", 9),
    ("training.loss", "mse"),
    ("decision.long_above", 0.21),
    ("decision.long_above", None),
    ("decision.short_below", -0.41),
    ("decision.short_below", None),
    ("decision.sizing", {"kind": "fixed"}),
    ("decision.sizing.annual", 0.11),
    ("decision.sizing.max_leverage", 1.1),
    ("decision.sizing.volatility_bars", 61),
    ("decision.exits.stop_loss", None),
    ("decision.exits.stop_loss", {"atr": 3.1}),
    ("decision.exits.stop_loss", {"fraction": 0.03}),
    ("decision.exits.take_profit", {"atr": 3.0}),
    ("decision.exits.take_profit", {"fraction": 0.1}),
    ("decision.exits.max_bars", 21),
    ("decision.exits.max_bars", None),
]


@pytest.mark.parametrize(("path", "value"), BEHAVIOUR)
def test_any_change_of_behaviour_changes_the_fingerprint(path: str, value: object, example: str, vocabulary: Vocabulary) -> None:
    document = load_document(example)
    assert compiled(change(document, path, value), vocabulary).fingerprint != compiled(document, vocabulary).fingerprint


def test_the_base_timeframe_is_part_of_the_fingerprint(example: str, vocabulary: Vocabulary) -> None:
    document = load_document(example)
    del document["features"]["slow"]  # type: ignore[attr-defined]
    assert compiled(change(document, "timeframe", "1h"), vocabulary).fingerprint != compiled(document, vocabulary).fingerprint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "another name"),
        ("hypothesis", "Another reason."),
        ("prediction", None),
        ("labels.barrier", 2.0),
        ("decision.sizing.size", 0.5),
        ("features.slow.period", 14),
        ("sets.vol.calm", {"gaussian": [0, 1]}),
        ("sets.rsi.middle", {"gaussian": [50, 8]}),
        ("features.rsi.output", "rsi"),
        ("features.rsi.timeframe", "1d"),
        ("labels.volatility_bars", 60),
        ("decision.sizing.volatility_bars", 60.0),
    ],
)
def test_what_cannot_change_behaviour_keeps_the_fingerprint(path: str, value: object, example: str, vocabulary: Vocabulary) -> None:
    document = load_document(example)
    assert compiled(change(document, path, value), vocabulary).fingerprint == compiled(document, vocabulary).fingerprint


@pytest.mark.parametrize(("path", "value"), [("labels.horizon", 9), ("training.epochs", 9), ("model.trainable", ["sets"]), ("labels", {})])
def test_what_only_training_reads_is_dropped_where_nothing_is_trained(
    path: str, value: object, example: str, vocabulary: Vocabulary
) -> None:
    document = change(load_document(example), "model.kind", "rules")
    one, other = compiled(document, vocabulary), compiled(change(document, path, value), vocabulary)
    assert one == other


def test_a_fixed_size_drops_what_a_volatility_target_reads(example: str, vocabulary: Vocabulary) -> None:
    document = change(load_document(example), "decision.sizing", {"kind": "fixed", "size": 0.5})
    assert compiled(change(document, "decision.sizing.annual", 0.3), vocabulary) == compiled(document, vocabulary)
    assert compiled(change(document, "decision.sizing.size", 0.6), vocabulary).fingerprint != compiled(document, vocabulary).fingerprint


def test_the_barrier_counts_for_a_triple_barrier_label(example: str, vocabulary: Vocabulary) -> None:
    document = change(load_document(example), "labels.kind", "triple_barrier")
    assert compiled(document, vocabulary).labels.barrier == 1.0
    assert compiled(change(document, "labels.barrier", 2), vocabulary).fingerprint != compiled(document, vocabulary).fingerprint


def test_the_output_of_an_indicator_counts(example: str, vocabulary: Vocabulary) -> None:
    document = change(load_document(example), "features.rsi", {"indicator": "macd"})
    prints = {
        compiled(change(document, "features.rsi.output", output), vocabulary).fingerprint
        for output in (None, "macd", "signal", "histogram")
    }
    assert len(prints) == 3


def test_a_spec_that_was_never_validated_is_refused(example: str, vocabulary: Vocabulary) -> None:
    spec = StrategySpec.model_validate(change(load_document(example), "features.rsi.indicator", "rsj"))
    with pytest.raises(SpecError, match="rsj"):
        compile_strategy(spec, vocabulary)


# Generated strategies: every one valid, so that what a change does to the fingerprint can be checked on many.

NUMBER = st.integers(-200, 200).map(lambda n: n / 4)


def shapes() -> st.SearchStrategy[Json]:
    gaussian = st.builds(lambda c, w: {"gaussian": [c, w]}, NUMBER, st.integers(1, 40).map(lambda n: n / 8))
    sigmoid = st.builds(lambda c, k: {"sigmoid": [c, k]}, NUMBER, st.sampled_from([-80, -1.5, 2, 80.0]))
    triangle = st.lists(NUMBER, min_size=3, max_size=3, unique=True).map(lambda p: {"triangle": sorted(p)})
    trapezoid = st.lists(NUMBER, min_size=4, max_size=4, unique=True).map(lambda p: {"trapezoid": sorted(p)})
    return gaussian | sigmoid | triangle | trapezoid


FEATURE = st.one_of(
    st.builds(lambda p: {"indicator": "rsi", "period": p}, st.integers(2, 30)),
    st.builds(lambda p: {"indicator": "roc", "period": p, "timeframe": "1w"}, st.integers(2, 30)),
    st.builds(lambda o: {"indicator": "macd", "output": o}, st.sampled_from(["macd", "signal", "histogram"])),
    st.builds(lambda p, z: {"indicator": "atr", "period": p, "transform": {"zscore": z}}, st.integers(5, 60), st.integers(50, 60)),
    st.builds(lambda d: {"indicator": "bollinger_width", "deviations": d}, st.sampled_from([1, 1.5, 2.0])),
)


@st.composite
def documents(draw: st.DrawFn) -> Json:
    features = {f"f{i}": draw(FEATURE) for i in range(draw(st.integers(1, 3)))}
    sets = {name: {f"s{j}": draw(shapes()) for j in range(draw(st.integers(1, 3)))} for name in features}
    named = [(feature, fuzzy) for feature, given_sets in sets.items() for fuzzy in given_sets]
    leaf = st.sampled_from(named).map(lambda pair: Is(*pair))
    condition = st.recursive(
        leaf,
        lambda inner: (
            st.builds(Not, inner) | st.builds(Join, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple))
        ),
        max_leaves=4,
    )
    rule = st.builds(Rule, condition, st.sampled_from(["long", "short"]), st.sampled_from([0.1, 0.5, 1.0]))
    return {
        "nullalpha": 1,
        "name": "generated",
        "hypothesis": "None.",
        "instruments": draw(st.sampled_from([["SPX"], ["SPX", "IXIC"]])),
        "features": features,
        "sets": sets,
        "model": {
            "kind": draw(st.sampled_from(["rules", "anfis"])),
            "rules": [format_rule(r) for r in draw(st.lists(rule, min_size=1, max_size=3))],
        },
        "labels": {"horizon": draw(st.integers(1, 40))},
        "training": {"epochs": draw(st.integers(1, 100))},
        "decision": {
            "long_above": draw(st.sampled_from([None, 0, 0.25])),
            "short_below": draw(st.sampled_from([-0.25, 0.0])),
            "sizing": draw(st.sampled_from([{"kind": "fixed", "size": 1}, {"kind": "volatility_target", "annual": 0.2}])),
            "exits": draw(st.sampled_from([{}, {"stop_loss": {"atr": 2}}, {"take_profit": {"fraction": 0.05}, "max_bars": 5}])),
        },
    }


def rewritten(document: Json, rng: random.Random) -> Json:
    """Say the same in other words: other names and orders, other notation, defaults spelled out, negations doubled."""
    features = list(document["features"])
    new = dict(zip(features, rng.sample(["alpha", "beta", "gamma", "rsi", "f0", "f1"], len(features)), strict=True))
    new_set = {(f, s): f"{rng.choice('xyz')}{i}" for f in features for i, s in enumerate(document["sets"][f])}

    def expression(node: Expression) -> Expression:
        if isinstance(node, Is):
            said: Expression = Is(new[node.feature], new_set[node.feature, node.set_name])
        elif isinstance(node, Not):
            said = Not(expression(node.arg))
        else:
            args = [expression(arg) for arg in node.args]
            rng.shuffle(args)
            said = Join(node.op, (Join(node.op, tuple(args[:2])), *args[2:])) if len(args) > 2 else Join(node.op, tuple(args))
        return Not(Not(said)) if rng.random() < 0.2 else said

    def feature(given_feature: Json) -> Json:
        said = dict(given_feature)
        if rng.random() < 0.5:
            said.setdefault("timeframe", "1d")
        return {key: float(value) if isinstance(value, int) else value for key, value in shuffled(said).items()}

    def shuffled(mapping: Json) -> Json:
        return dict(rng.sample(list(mapping.items()), len(mapping)))

    rules = [parse_rule(text) for text in document["model"]["rules"]]
    texts = [format_rule(Rule(expression(r.condition), r.direction, r.strength)) for r in rules]
    sets = {new[f]: shuffled({new_set[f, s]: shape for s, shape in document["sets"][f].items()}) for f in features}
    return shuffled(
        {
            **document,
            "name": "rewritten",
            "hypothesis": "Another.",
            "timeframe": "1d",
            "instruments": rng.sample(document["instruments"], len(document["instruments"])),
            "features": shuffled({new[f]: feature(document["features"][f]) for f in features}),
            "sets": shuffled(sets),
            "model": shuffled({**document["model"], "rules": rng.sample(texts, len(texts))}),
            "training": {"patience": 8.0, **document["training"], "learning_rate": 1e-2},
        }
    )


@settings(deadline=None, max_examples=150)
@given(document=documents(), seed=st.integers(0, 2**32))
def test_the_fingerprint_does_not_see_names_orders_or_notation(vocabulary: Vocabulary, document: Json, seed: int) -> None:
    plan = compiled(document, vocabulary)
    same = compiled(rewritten(document, random.Random(seed)), vocabulary)
    assert canonical_document(same) == canonical_document(plan)
    assert same.fingerprint == plan.fingerprint
    assert (same.warmup_bars, same.n_parameters) == (plan.warmup_bars, plan.n_parameters)


PERTURBATIONS = [
    ("instruments", ["DJI"]),
    ("decision.long_above", 0.31),
    ("decision.short_below", -0.31),
    ("decision.exits.max_bars", 7),
    ("decision.exits.stop_loss", {"atr": 7}),
    ("decision.exits.take_profit", {"atr": 7}),
    ("decision.sizing", {"kind": "fixed", "size": 0.7}),
    ("decision.sizing", {"kind": "volatility_target", "annual": 0.37}),
]
TRAINING_PERTURBATIONS = [
    ("labels.horizon", lambda n: n % 40 + 1),
    ("labels.kind", lambda _: "triple_barrier"),
    ("training.epochs", lambda n: n + 1),
    ("training.loss", lambda _: "mse"),
    ("model.trainable", lambda _: ["sets"]),
]


@settings(deadline=None, max_examples=100)
@given(document=documents(), which=st.sampled_from(PERTURBATIONS), trained=st.sampled_from(TRAINING_PERTURBATIONS))
def test_the_fingerprint_sees_every_field_that_acts(
    vocabulary: Vocabulary, document: Json, which: tuple[str, object], trained: tuple[str, Any]
) -> None:
    plan = compiled(document, vocabulary)
    assert compiled(change(document, *which), vocabulary).fingerprint != plan.fingerprint
    section, key = trained[0].split(".")
    retrained = change(document, trained[0], trained[1](document[section].get(key)))
    differs = compiled(retrained, vocabulary).fingerprint != plan.fingerprint
    assert differs == (document["model"]["kind"] == "anfis")


@settings(deadline=None, max_examples=100)
@given(document=documents(), pick=st.integers(0, 100), shift=st.sampled_from([0.5, -1e-6]))
def test_the_fingerprint_sees_every_number_of_every_set_in_use(vocabulary: Vocabulary, document: Json, pick: int, shift: float) -> None:
    plan = compiled(document, vocabulary)
    stated = [s for text in document["model"]["rules"] for s in leaves(parse_rule(text).condition)]
    target = stated[pick % len(stated)]
    (shape, numbers) = next(iter(document["sets"][target.feature][target.set_name].items()))
    moved = [number + shift for number in numbers] if shape in ("triangle", "trapezoid") else [numbers[0] + shift, *numbers[1:]]
    changed = change(document, f"sets.{target.feature}.{target.set_name}", {shape: moved})
    assert compiled(changed, vocabulary).fingerprint != plan.fingerprint


def leaves(node: Expression) -> list[Is]:
    if isinstance(node, Is):
        return [node]
    return leaves(node.arg) if isinstance(node, Not) else [leaf for arg in node.args for leaf in leaves(arg)]
