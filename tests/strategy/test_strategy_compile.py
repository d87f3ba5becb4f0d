from __future__ import annotations

import copy
from typing import Any

import pytest

from nullalpha.core.errors import SpecError
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.document import load_document
from nullalpha.strategy.plan import Condition, LabelPlan, Plan, SizingPlan
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
