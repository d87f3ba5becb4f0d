from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nullalpha.core.errors import SpecError
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.draft import Draft, DraftCondition, DraftFeature, DraftRule
from nullalpha.strategy.drafting import constrained_draft, draft_to_document, feature_of_draft
from nullalpha.strategy.placement import place_set
from nullalpha.strategy.plan import FeaturePlan, nodes_of
from nullalpha.strategy.spec import SetSpec
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

INDICATORS = ["rsi", "roc", "distance_from_sma", "atr", "macd", "bollinger_width", "obv", "aroon"]
RSI_QUANTILES = (32.0, 44.0, 54.0, 62.0, 72.0)


def rsi_quantiles(_: DraftFeature) -> tuple[float, float, float, float, float]:
    return RSI_QUANTILES


def condition(feature: int, level: str, negated: bool = False) -> DraftCondition:
    return DraftCondition(feature=feature, level=level, negated=negated)  # type: ignore[arg-type]


def rule(*conditions: DraftCondition, join: str = "and", direction: str = "long", tenths: int = 10) -> DraftRule:
    return DraftRule(join=join, conditions=list(conditions), direction=direction, strength_tenths=tenths)  # type: ignore[arg-type]


BASE: dict[str, Any] = {
    "hypothesis": "Oversold readings revert.",
    "instruments": ["SPX"],
    "features": [
        DraftFeature(indicator="rsi", period=14, standardised=False),
        DraftFeature(indicator="roc", period=20, standardised=False),
    ],
    "set_shape": "gaussian",
    "rules": [rule(condition(1, "low"), condition(2, "high", True)), rule(condition(2, "low"), direction="short", tenths=3)],
    "model": "anfis",
    "train_sets": True,
    "label": "triple_barrier",
    "horizon_bars": 7,
    "long_above_hundredths": 15,
    "allow_short": True,
    "short_below_hundredths": 25,
    "sizing": "volatility_target",
    "annual_volatility_percent": 12,
    "stop_atr_tenths": 25,
    "target_atr_tenths": 0,
    "max_holding_bars": 10,
    "prediction_excess_sharpe_hundredths": 40,
    "prediction_pass_percent": 5,
}


def draft(**changes: object) -> Draft:
    return Draft(**{**BASE, **changes})


def test_a_draft_becomes_a_whole_document(vocabulary: Vocabulary) -> None:
    document = draft_to_document(draft(), rsi_quantiles, vocabulary, "1d")
    assert document == {
        "nullalpha": 1,
        "name": "rsi14-roc20-anfis",
        "hypothesis": "Oversold readings revert.",
        "prediction": {"excess_sharpe": 0.4, "p_pass": 0.05, "kill_below": 0.0},
        "instruments": ["SPX"],
        "timeframe": "1d",
        "features": {"rsi14": {"indicator": "rsi", "period": 14}, "roc20": {"indicator": "roc", "period": 20}},
        "sets": {
            # neighbours 22 and 18 apart, over 2 sqrt(2 ln 2) = 2.354820
            "rsi14": {"low": {"gaussian": [32.0, 9.34254]}},
            "roc20": {"low": {"gaussian": [32.0, 9.34254]}, "high": {"gaussian": [72.0, 7.6439]}},
        },
        "model": {
            "kind": "anfis",
            "rules": ["if rsi14 is low and roc20 is not high then long 1.0", "if roc20 is low then short 0.3"],
            "trainable": ["sets", "consequents"],
        },
        "labels": {"kind": "triple_barrier", "horizon": 7},
        "decision": {
            "long_above": 0.15,
            "short_below": -0.25,
            "sizing": {"kind": "volatility_target", "annual": 0.12, "max_leverage": 1.0},
            "exits": {"stop_loss": {"atr": 2.5}, "take_profit": None, "max_bars": 10},
        },
    }
    assert parse_strategy(document, vocabulary)[1] == []


def test_zeros_switch_things_off(vocabulary: Vocabulary) -> None:
    document = draft_to_document(
        draft(allow_short=False, stop_atr_tenths=0, max_holding_bars=0, model="rules", sizing="fixed", train_sets=True),
        rsi_quantiles,
        vocabulary,
        "1d",
    )
    assert document["decision"] == {
        "long_above": 0.15,
        "short_below": None,
        "sizing": {"kind": "fixed", "size": 1.0},
        "exits": {"stop_loss": None, "take_profit": None, "max_bars": None},
    }
    assert "labels" not in document
    assert "trainable" not in document["model"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("shape", "low", "middle", "high"),
    [
        ("gaussian", [32.0, 9.34254], [54.0, 8.49322], [72.0, 7.6439]),
        ("triangle", [-48.0, 32.0, 54.0], [32.0, 54.0, 72.0], [54.0, 72.0, 152.0]),
        ("trapezoid", [-408.0, -368.0, 32.0, 54.0], [32.0, 44.0, 62.0, 72.0], [54.0, 72.0, 472.0, 512.0]),
        ("sigmoid", [44.0, -0.219722], None, [62.0, 0.274653]),
    ],
)
def test_sets_stand_at_the_quantiles_of_the_feature(shape: Any, low: list[float], middle: list[float] | None, high: list[float]) -> None:
    assert place_set("low", shape, RSI_QUANTILES, "features.x") == {shape: low}
    assert place_set("high", shape, RSI_QUANTILES, "features.x") == {shape: high}
    between = place_set("middle", shape, RSI_QUANTILES, "features.x")
    assert between == ({shape: middle} if middle else {"gaussian": [54.0, 8.49322]})


def membership(fuzzy: dict[str, list[float]], x: float) -> float:
    (shape, p) = next(iter(fuzzy.items()))
    if shape == "gaussian":
        return math.exp(-((x - p[0]) ** 2) / (2 * p[1] ** 2))
    if shape == "sigmoid":
        return 1 / (1 + math.exp(-p[1] * (x - p[0])))
    rise, left, right, fall = (p[0], p[1], p[1], p[2]) if shape == "triangle" else p
    return max(0.0, min(1.0, (x - rise) / (left - rise), (fall - x) / (fall - right))) if not left <= x <= right else 1.0


@pytest.mark.parametrize("shape", ["gaussian", "triangle", "trapezoid", "sigmoid"])
@pytest.mark.parametrize("quantiles", [RSI_QUANTILES, (-0.02, -0.005, 0.001, 0.006, 0.03), (1e6, 2e6, 3e6, 4e6, 9e6)])
def test_each_level_holds_at_its_own_end_and_not_at_the_other(shape: Any, quantiles: tuple[float, float, float, float, float]) -> None:
    low, middle, high = (place_set(level, shape, quantiles, "features.x") for level in ("low", "middle", "high"))  # type: ignore[arg-type]
    bottom, _, median, _, top = quantiles
    assert membership(low, bottom) > 0.7
    assert membership(high, top) > 0.7
    assert membership(middle, median) > 0.9
    assert max(membership(low, top), membership(high, bottom)) < 0.1
    assert max(membership(middle, bottom), membership(middle, top)) < 0.55


def test_a_price_is_always_standardised(vocabulary: Vocabulary) -> None:
    plan = feature_of_draft(DraftFeature(indicator="atr", period=20, standardised=False), vocabulary, "1d")
    (below,) = plan.inputs
    assert isinstance(below, FeaturePlan)
    assert (plan.indicator, plan.params, below.indicator, below.params) == ("zscore", (("period", 250),), "atr", (("period", 20),))
    plan = feature_of_draft(DraftFeature(indicator="obv", period=20, standardised=False), vocabulary, "1d")
    (below,) = plan.inputs
    assert isinstance(below, FeaturePlan)
    assert (plan.indicator, plan.params, below.indicator, below.params) == ("zscore", (("period", 250),), "obv", ())
    plan = feature_of_draft(DraftFeature(indicator="roc", period=20, standardised=False), vocabulary, "1d")
    assert (plan.indicator, plan.inputs) == ("roc", ())


def test_the_period_is_clipped_to_the_range_of_the_first_parameter(vocabulary: Vocabulary) -> None:
    def period(asked: int) -> object:
        (below,) = feature_of_draft(DraftFeature(indicator="atr", period=asked, standardised=False), vocabulary, "1d").inputs
        return dict(below.params)["period"] if isinstance(below, FeaturePlan) else None

    assert (period(2), period(30), period(250)) == (5, 30, 60)


def test_features_that_come_out_equal_are_one(vocabulary: Vocabulary) -> None:
    features = [
        DraftFeature(indicator="atr", period=100, standardised=True),
        DraftFeature(indicator="rsi", period=14, standardised=False),
        DraftFeature(indicator="atr", period=60, standardised=False),
    ]
    rules = [rule(condition(1, "low"), condition(3, "high")), rule(condition(2, "middle"))]
    document = draft_to_document(draft(features=features, rules=rules), rsi_quantiles, vocabulary, "1d")
    assert list(document["features"]) == ["atr60_z", "rsi14"]  # type: ignore[call-overload]
    assert document["model"]["rules"][0] == "if atr60_z is low and atr60_z is high then long 1.0"  # type: ignore[index]
    assert document["name"] == "atr60-rsi14-anfis"


def test_one_indicator_raw_and_standardised_is_two_features(vocabulary: Vocabulary) -> None:
    features = [DraftFeature(indicator="rsi", period=14, standardised=z) for z in (False, True)]
    document = draft_to_document(draft(features=features), rsi_quantiles, vocabulary, "1d")
    assert list(document["features"]) == ["rsi14", "rsi14_z"]  # type: ignore[call-overload]


def test_a_feature_that_no_rule_names_is_neither_measured_nor_written(vocabulary: Vocabulary) -> None:
    asked: list[str] = []

    def quantiles(feature: DraftFeature) -> tuple[float, float, float, float, float]:
        asked.append(feature.indicator)
        return RSI_QUANTILES

    document = draft_to_document(draft(rules=[rule(condition(2, "low"))]), quantiles, vocabulary, "1d")
    assert (asked, list(document["features"])) == (["roc"], ["roc20"])  # type: ignore[call-overload]


def test_an_unknown_indicator_is_refused_with_the_nearest_name(vocabulary: Vocabulary) -> None:
    features = [DraftFeature(indicator="rsii", period=14, standardised=False)]
    with pytest.raises(SpecError) as caught:
        draft_to_document(draft(features=features, rules=[rule(condition(1, "low"))]), rsi_quantiles, vocabulary, "1d")
    assert (caught.value.issues[0].code, caught.value.suggestion) == ("unknown_indicator", "rsi")


@pytest.mark.parametrize(
    ("quantiles", "code"),
    [
        ((5.0,) * 5, "constant_feature"),
        ((0.0,) * 5, "constant_feature"),
        ((math.nan, 1, 2, 3, 4), "no_values"),
        ((0, 1, 2, 3, math.inf), "no_values"),
    ],
)
def test_a_feature_that_tells_nothing_is_refused(quantiles: Any, code: str, vocabulary: Vocabulary) -> None:
    with pytest.raises(SpecError) as caught:
        draft_to_document(draft(), lambda _: quantiles, vocabulary, "1d")
    assert (caught.value.issues[0].code, caught.value.path) == (code, "features.rsi14")


@pytest.mark.parametrize("quantiles", [(0, 0, 0, 0, 1), (0, 1, 1, 1, 1), (0, 0, 0, 1, 1), (1e8, 1e8, 1e8 + 1, 1e8 + 1, 1e8 + 1)])
@pytest.mark.parametrize("shape", ["gaussian", "triangle", "trapezoid", "sigmoid"])
@pytest.mark.parametrize("level", ["low", "middle", "high"])
def test_quantiles_that_coincide_still_give_proper_sets(level: Any, shape: Any, quantiles: Any) -> None:
    fuzzy = SetSpec.model_validate(place_set(level, shape, quantiles, "features.x"))
    if fuzzy.shape in ("triangle", "trapezoid"):
        assert all(left < right for left, right in zip(fuzzy.numbers, fuzzy.numbers[1:], strict=False))


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    n = draw(st.integers(1, 3))
    feature = st.builds(DraftFeature, indicator=st.sampled_from(INDICATORS), period=st.integers(2, 250), standardised=st.booleans())
    stated = st.builds(DraftCondition, feature=st.integers(1, n), level=st.sampled_from(["low", "middle", "high"]), negated=st.booleans())
    rules = st.builds(
        DraftRule,
        join=st.sampled_from(["and", "or"]),
        conditions=st.lists(stated, min_size=1, max_size=2),
        direction=st.sampled_from(["long", "short"]),
        strength_tenths=st.integers(1, 10),
    )
    return draw(
        st.builds(
            Draft,
            hypothesis=st.text(min_size=1, max_size=200),
            instruments=st.lists(st.sampled_from(["SPX", "IXIC"]), min_size=1, max_size=2),
            features=st.lists(feature, min_size=n, max_size=n),
            set_shape=st.sampled_from(["gaussian", "triangle", "trapezoid", "sigmoid"]),
            rules=st.lists(rules, min_size=1, max_size=4),
            model=st.sampled_from(["rules", "anfis"]),
            train_sets=st.booleans(),
            label=st.sampled_from(["forward_return", "triple_barrier"]),
            horizon_bars=st.integers(1, 20),
            long_above_hundredths=st.integers(0, 60),
            allow_short=st.booleans(),
            short_below_hundredths=st.integers(0, 60),
            sizing=st.sampled_from(["fixed", "volatility_target"]),
            annual_volatility_percent=st.integers(5, 25),
            stop_atr_tenths=st.integers(0, 80),
            target_atr_tenths=st.integers(0, 120),
            max_holding_bars=st.integers(0, 60),
            prediction_excess_sharpe_hundredths=st.integers(-100, 200),
            prediction_pass_percent=st.integers(0, 100),
        )
    )


levels = st.lists(st.floats(-1e9, 1e9), min_size=5, max_size=5).map(sorted) | st.lists(
    st.sampled_from([0.0, 1e-6, 0.5, 1.0, 100.0]), min_size=5, max_size=5
).map(sorted)


@settings(deadline=None, max_examples=200)
@given(given_draft=drafts(), measured=levels)
def test_every_draft_becomes_a_valid_strategy(vocabulary: Vocabulary, given_draft: Draft, measured: list[float]) -> None:
    assume(measured[4] - measured[0] > max(1e-7, 1e-8 * max(map(abs, measured))))
    q1, q2, q3, q4, q5 = measured
    document = draft_to_document(given_draft, lambda _: (q1, q2, q3, q4, q5), vocabulary, "1d")
    spec, _ = parse_strategy(document, vocabulary)
    plan = compile_strategy(spec, vocabulary)
    assert len(plan.rules) == len(given_draft.rules)
    computed = {node.indicator for feature in plan.features for node in nodes_of(feature)}
    assert computed <= {f.indicator for f in given_draft.features} | {"zscore"}


@given(given_draft=drafts())
def test_a_measured_feature_is_the_feature_of_the_document(vocabulary: Vocabulary, given_draft: Draft) -> None:
    measured: list[DraftFeature] = []

    def quantiles(feature: DraftFeature) -> tuple[float, float, float, float, float]:
        measured.append(feature)
        return RSI_QUANTILES

    spec, _ = parse_strategy(draft_to_document(given_draft, quantiles, vocabulary, "1d"), vocabulary)
    plan = compile_strategy(spec, vocabulary)
    assert {feature_of_draft(m, vocabulary, "1d") for m in measured} == set(plan.features)


def test_a_constrained_draft_is_a_draft_with_closed_enums(vocabulary: Vocabulary) -> None:
    constrained = constrained_draft(vocabulary, ["SPX", "IXIC"])
    made = constrained.model_validate(draft().model_dump())
    assert isinstance(made, Draft)
    assert made.model_dump() == draft().model_dump()
    schema = constrained.model_json_schema()
    assert schema["$defs"]["DraftFeature"]["properties"]["indicator"]["enum"] == sorted(set(vocabulary) - {"corr", "ratio", "log"})
    assert schema["properties"]["instruments"]["items"]["enum"] == ["SPX", "IXIC"]
    assert list(schema["properties"]) == list(Draft.model_json_schema()["properties"])


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["features"][0].update(indicator="rsj"),
        lambda d: d.update(instruments=["DJI"]),
        lambda d: d.update(instruments=["SPX"] * 3),
        lambda d: d["rules"][0]["conditions"][0].update(feature=3),
        lambda d: d.update(extra=1),
    ],
)
def test_a_constrained_draft_refuses_what_is_not_in_its_enums(change: Callable[[dict[str, Any]], None], vocabulary: Vocabulary) -> None:
    values = draft().model_dump()
    change(values)
    with pytest.raises(ValidationError):
        constrained_draft(vocabulary, ["SPX", "IXIC"]).model_validate(values)
