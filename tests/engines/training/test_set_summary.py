from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nullalpha.engines.training.rule_terms import rule_terms
from nullalpha.engines.training.rulebook import describe_rules
from nullalpha.engines.training.set_summary import SetSummary, summarise_sets
from nullalpha.strategy.plan import Condition, Plan, SetPlan

PlanMaker = Callable[..., Plan]


def _plan(make_plan: PlanMaker, *sets: SetPlan) -> Plan:
    return make_plan(sets, [(Condition("is", i), 0.5) for i in range(len(sets))])


def _summary(plan: Plan, params: list[float], membership: list[float], x: list[float]) -> SetSummary:
    padded = np.full((1, 4), np.nan)
    padded[0, : len(params)] = params
    (one,) = summarise_sets(plan, padded, np.array(membership)[:, None], np.array(x)[:, None])
    return one


@pytest.mark.parametrize(
    ("written", "after", "moved"),
    [
        (SetPlan(0, "s", "gaussian", (30.0, 8.0)), [42.0, 3.0], 1.5),  # 12 up, 8 wide
        (SetPlan(0, "s", "bell", (30.0, 4.0, 2.0)), [28.0, 4.0, 2.0], -0.5),
        (SetPlan(0, "s", "sigmoid", (0.0, -4.0)), [0.25, -4.0], 0.5),  # 2 / 4 from 0.12 to one half
        (SetPlan(0, "s", "triangle", (0.0, 2.0, 8.0)), [6.0, 10.0, 12.0], 2.0),  # the top from 2 to 10, half the base 4
        (SetPlan(0, "s", "trapezoid", (0.0, 2.0, 4.0, 6.0)), [0.0, 1.0, 2.0, 6.0], -0.5),  # the top's middle from 3 to 1.5
    ],
)
def test_how_far_a_set_moved_by_hand(written: SetPlan, after: list[float], moved: float, make_plan: PlanMaker) -> None:
    one = _summary(_plan(make_plan, written), after, [1.0, 0.5], [0.0, 1.0])
    assert one.moved == pytest.approx(moved)
    assert one.moved_far is (abs(moved) > 1)
    assert one.params == tuple(after)


@pytest.mark.parametrize(
    ("membership", "place", "word"),
    [
        ([1, 0, 0, 0, 0], 0.1, "very low"),
        ([1, 1, 0, 0, 0], 0.2, "low"),
        ([0, 0.5, 1, 0.5, 0], 0.5, "middling"),
        ([1, 1, 1, 1, 1], 0.5, "middling"),
        ([0, 0, 0, 0.5, 1], (0.35 + 0.9) / 1.5, "high"),
        ([0, 0, 0, 0, 0.01], 0.9, "very high"),
    ],
)
def test_the_word_that_fits_a_set_by_hand(membership: list[float], place: float, word: str, make_plan: PlanMaker) -> None:
    # Five rows, out of order: their ranks are 0.1, 0.3, 0.5, 0.7 and 0.9.
    order = [3, 0, 4, 1, 2]
    plan = _plan(make_plan, SetPlan(0, "low", "gaussian", (0.0, 1.0)))
    one = _summary(plan, [0.0, 1.0], [membership[i] for i in order], [10.0 * i for i in order])
    assert one.place == pytest.approx(place)
    assert one.word == word
    assert one.membership == pytest.approx(sum(membership) / 5)


def test_a_set_that_no_row_is_in_is_nowhere(make_plan: PlanMaker) -> None:
    one = _summary(_plan(make_plan, SetPlan(0, "low", "gaussian", (0.0, 1.0))), [900.0, 1.0], [1e-12, 0.0, 0.0], [1.0, 2.0, 3.0])
    assert math.isnan(one.place)
    assert one.word == "nowhere"
    assert one.moved == 900.0


def test_equal_values_share_a_rank(make_plan: PlanMaker) -> None:
    # Ranks of 1, 1, 1, 2: the middle of the first three quarters, 0.375, and 0.875.
    one = _summary(_plan(make_plan, SetPlan(0, "low", "gaussian", (0.0, 1.0))), [0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 2.0])
    assert one.place == pytest.approx((0.375 + 0.875) / 2)


def test_memberships_stand_in_the_order_of_the_plan_whatever_their_shapes(make_plan: PlanMaker) -> None:
    sets = [
        SetPlan(0, "edge", "triangle", (0.0, 2.0, 4.0)),
        SetPlan(1, "up", "sigmoid", (1.0, 2.0)),
        SetPlan(0, "near", "gaussian", (3.0, 1.0)),
    ]
    plan = replace(_plan(make_plan, *sets), model="rules", trainable=())
    x = np.array([[1.0, 1.0], [3.0, 2.0]])
    terms = rule_terms(plan, {}, x)
    by_hand = [[0.5, 0.5, math.exp(-2)], [0.5, 1 / (1 + math.exp(-2)), 1.0]]
    np.testing.assert_allclose(terms.memberships.numpy(), by_hand, rtol=1e-9)
    np.testing.assert_allclose(np.exp(terms.log_firing.numpy()), by_hand, rtol=1e-9)


def test_rules_carry_their_weights_and_the_places_of_their_sets(make_plan: PlanMaker) -> None:
    plan = _plan(make_plan, SetPlan(0, "low", "gaussian", (2.0, 1.0)), SetPlan(0, "high", "gaussian", (4.0, 1.0)))
    plan = replace(plan, rules=(replace(plan.rules[0], weight=0.25), plan.rules[1]))
    x = np.linspace(0, 10, 101)[:, None]
    weights = {
        "feature_mean": np.array([5.0]),
        "feature_scale": np.array([2.0]),
        "sets": np.array([[8.0, 0.5, np.nan, np.nan], [9.5, 0.5, np.nan, np.nan]]),
        "coefficients": np.zeros((2, 1)),
        "bias": np.array([1.0, -1.0]),
    }
    first, second = describe_rules(plan, weights, x)
    assert (first.weight, second.weight) == (0.25, 1.0)
    (low,), (high,) = first.sets, second.sets
    assert (low.name, low.moved, low.word) == ("low", 6.0, "high")
    assert (high.name, high.moved, high.word) == ("high", 5.5, "very high")
    assert low.moved_far
    assert low.membership == pytest.approx(0.5 * math.sqrt(2 * math.pi) / 10, rel=0.02)  # the area under the set over the range
