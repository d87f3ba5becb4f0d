"""What sets and rules meet on real bars: the same memberships as in training, and dead zones, empty sets and silent rules by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nullalpha.core.errors import Issue
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.coverage import condition_truth, lint_on_bars, set_membership
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.engines.training.membership import encode_sets, set_params
from nullalpha.engines.training.model import FuzzyModel, fuzzy_model
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.plan import Plan, SetPlan
from nullalpha.strategy.validate import parse_strategy

Json = dict[str, Any]
N = 100


def bars_of(symbol: str, close: FloatArray) -> Bars:
    time = np.datetime64("2001-01-01T21", "ns") + np.arange(len(close)) * np.timedelta64(1, "D")
    return Bars(symbol, "1d", time, close, close, close, close, np.ones(len(close)))


RISING = bars_of("AAA", np.arange(1.0, N + 1))
"""Closes 1, 2, ... 100: a share of bars is a share of prices."""


def plan_of(**changes: object) -> Plan:
    document: Json = {
        "nullalpha": 1,
        "name": "coverage",
        "hypothesis": "A price is a price.",
        "instruments": ["AAA"],
        "features": {"price": {"indicator": "level"}},
        "sets": {"price": {"low": {"triangle": [-60, 0, 60]}, "high": {"sigmoid": [50, 0.2]}}},
        "model": {"kind": "rules", "rules": ["if price is low then long 1.0", "if price is high then short 1.0"]},
        "decision": {"long_above": 0.1},
    }
    spec, _ = parse_strategy(document | changes, VOCABULARY)
    return compile_strategy(spec, VOCABULARY)


def found(plan: Plan, bars: Bars = RISING, **others: Bars) -> list[Issue]:
    return lint_on_bars(plan, bars, others)


def test_sets_that_cover_their_feature_and_rules_that_fire_get_no_warning() -> None:
    assert found(plan_of()) == []


EVERY_SHAPE: dict[str, tuple[float, ...]] = {
    "gaussian": (40.0, 12.0),
    "sigmoid": (55.0, 0.15),
    "triangle": (10.0, 30.0, 90.0),
    "trapezoid": (5.0, 20.0, 60.0, 70.0),
    "bell": (50.0, 15.0, 2.5),
}
EDGES: list[tuple[str, tuple[float, ...]]] = [
    *EVERY_SHAPE.items(),
    ("sigmoid", (55.0, -40.0)),
    ("triangle", (30.0, 30.0, 60.0)),
    ("triangle", (30.0, 60.0, 60.0)),
    ("trapezoid", (30.0, 30.0, 60.0, 60.0)),
    ("trapezoid", (20.0, 40.0, 40.0, 60.0)),
    ("bell", (50.0, 0.5, 20.0)),
]


def as_in_training(plan: Plan) -> tuple[FuzzyModel, torch.Tensor]:
    """Return the model that training moves, and its code before the first step, in the features' own units."""
    model = fuzzy_model(plan, torch.device("cpu"))
    n_features = len(plan.features)
    code = encode_sets(plan.sets, model.structure, set_params(plan.sets), np.zeros(n_features), np.ones(n_features))
    return model, torch.from_numpy(code[None])


@pytest.mark.parametrize(("shape", "numbers"), EDGES)
def test_a_membership_is_the_one_that_training_begins_with(shape: str, numbers: tuple[float, ...]) -> None:
    plan = plan_of(sets={"price": {"one": {shape: list(numbers)}}}, model={"kind": "anfis", "rules": ["if price is one then long 1.0"]})
    x = np.concatenate([np.linspace(-50.0, 150.0, 401), [1e6, -1e6]])  # every half, so corners and centres are among them
    model, code = as_in_training(plan)
    trained = model.bank.log_memberships(code, torch.from_numpy(x[None, :, None])).exp()[0, :, 0].numpy()
    np.testing.assert_allclose(set_membership(plan.sets[0], x), trained, atol=1e-11)


@pytest.mark.parametrize(
    ("shape", "numbers", "x", "expected"),
    [
        ("gaussian", (40, 10), 50, np.exp(-0.5)),
        ("sigmoid", (50, 0.1), 60, 1 / (1 + np.exp(-1))),
        ("triangle", (0, 10, 30), 20, 0.5),
        ("trapezoid", (0, 10, 20, 30), 27.5, 0.25),
        ("bell", (50, 10, 2), 70, 1 / 17),  # 1 / (1 + 2^4)
    ],
)
def test_memberships_by_hand(shape: str, numbers: tuple[float, ...], x: float, expected: float) -> None:
    plan = SetPlan(0, "one", shape, numbers)  # type: ignore[arg-type]
    assert set_membership(plan, np.array([float(x)]))[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "condition",
    [
        "price is a",
        "not price is a",
        "price is a and not price is b or price is c",
        "not (price is a and (price is d or price is e))",
        "price is a and price is a or price is b or price is c",
    ],
)
def test_a_condition_is_as_true_as_in_training(condition: str) -> None:
    sets = {name: {shape: list(numbers)} for name, (shape, numbers) in zip("abcde", EVERY_SHAPE.items(), strict=True)}
    plan = plan_of(sets={"price": sets}, model={"kind": "anfis", "rules": [f"if {condition} then long 1.0"]})
    x = np.linspace(0.5, 99.5, 100)
    model, code = as_in_training(plan)
    fired = model.log_firing(code, torch.from_numpy(np.repeat(x[None, :, None], len(plan.sets), axis=2))).exp()[0, :, 0].numpy()
    memberships = np.stack([set_membership(one, x) for one in plan.sets], axis=1)
    np.testing.assert_allclose(condition_truth(plan.rules[0].condition, memberships), fired, atol=1e-11)


def test_a_dead_zone_is_told_with_its_share() -> None:
    # low holds by a tenth up to 18.5, high from 80.5: on 19..80, 62 of 100 bars, neither does
    sets = {"price": {"low": {"triangle": [-20, 0, 20.5]}, "high": {"trapezoid": [78.5, 98.5, 200, 201]}}}
    (issue,) = found(plan_of(sets=sets))
    assert (issue.path, issue.code, issue.value) == ("sets.price", "dead_zone", "0.62")
    assert issue.message == "on 62% of the bars of AAA no set of price holds by 0.1"


def test_one_set_alone_may_leave_most_bars_to_nothing() -> None:
    sets = {"price": {"low": {"triangle": [-20, 0, 20.5]}}}
    assert found(plan_of(sets=sets, model={"kind": "rules", "rules": ["if price is low then long 1.0"]})) == []


def test_an_empty_set_is_told_with_where_the_feature_lies() -> None:
    sets = {"price": {"low": {"triangle": [-60, 0, 120]}, "high": {"gaussian": [500, 10]}}}
    empty, silent = found(plan_of(sets=sets))
    assert (empty.path, empty.code, empty.value) == ("sets.price.high", "empty_set", "[500.0, 10.0]")
    assert empty.message == "on AAA it holds on 0.0% of the bars; price mostly lies from 5.95 to 95.05"
    assert (silent.code, silent.value) == ("silent_rule", "if price is high then short 1.0")


def test_a_rule_that_asks_for_too_much_at_once_is_silent_though_its_sets_are_not() -> None:
    model = {"kind": "rules", "rules": ["if price is low then long 1.0", "if price is low and price is high then short 1.0"]}
    sets = {"price": {"low": {"triangle": [-60, 0, 60]}, "high": {"trapezoid": [58, 90, 200, 201]}}}
    (issue,) = found(plan_of(sets=sets, model=model))
    assert (issue.path, issue.code) == ("model.rules", "silent_rule")
    assert issue.message == "on AAA it is true on 0.0% of the bars: 'if price is low and price is high then short 1.0'"


def test_a_warm_up_that_takes_most_of_the_bars_is_told() -> None:
    features = {"price": {"indicator": "sma", "period": 80}}  # known on the last 21 bars: 40.5, 41.5, ... 60.5
    sets = {"price": {"low": {"triangle": [0, 40, 80]}, "high": {"sigmoid": [50, 0.2]}}}
    (issue,) = found(plan_of(features=features, sets=sets))
    assert (issue.path, issue.code, issue.value) == ("features", "short_history", "21")
    assert issue.message == "only 21% of the 100 bars of AAA have every feature"


def test_a_history_that_never_begins_is_told_and_nothing_else_is_judged() -> None:
    (issue,) = found(plan_of(features={"price": {"indicator": "sma", "period": 250}}))
    assert (issue.code, issue.value) == ("short_history", "0")


def test_an_ensemble_is_judged_part_by_part_and_what_parts_share_is_said_once() -> None:
    sets = {"price": {"low": {"triangle": [-20, 0, 20.5]}, "high": {"trapezoid": [78.5, 98.5, 200, 201]}, "never": {"gaussian": [500, 1]}}}
    both = ["if price is low then long 1.0", "if price is high then short 1.0"]
    members = {"one": {"kind": "rules", "rules": both}, "two": {"kind": "anfis", "rules": both}}
    regime = {"kind": "rules", "rules": ["if price is never then long 1.0"]}
    model = {"kind": "ensemble", "members": members, "router": {"model": regime, "above": "one", "below": "two"}}
    codes = [(issue.path, issue.code) for issue in found(plan_of(sets=sets, model=model))]
    assert codes == [("sets.price", "dead_zone"), ("sets.price.never", "empty_set"), ("model.rules", "silent_rule")]


def test_a_network_has_sets_but_no_rules_to_judge() -> None:
    sets = {"price": {"low": {"triangle": [-60, 0, 120]}, "high": {"gaussian": [500, 10]}}}
    (issue,) = found(plan_of(sets=sets, model={"kind": "fuzzy_gru", "lookback": 5}))
    assert (issue.path, issue.code) == ("sets.price.high", "empty_set")


def test_another_instruments_feature_is_judged_on_its_own_values() -> None:
    plan = plan_of(features={"price": {"indicator": "level", "of": "BBB"}})
    assert found(plan, BBB=RISING) == []
    far = bars_of("BBB", RISING.close + 1000)
    assert [issue.code for issue in found(plan, BBB=far)] == ["empty_set", "silent_rule"]
