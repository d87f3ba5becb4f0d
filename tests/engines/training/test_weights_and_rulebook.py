from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from nullalpha.core.errors import ArtifactError, InsufficientBarsError
from nullalpha.engines.training import fit
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.predict import predict_output, predict_signal
from nullalpha.engines.training.rulebook import describe_rules
from nullalpha.engines.training.weights import weights_from_bytes, weights_to_bytes
from nullalpha.strategy.plan import Condition, Plan, SetPlan

fit_population = partial(fit.fit_population, engine="tensor")


@pytest.fixture(scope="module")
def fitted(xor_plan: Plan, make_task: Callable[..., FitTask]) -> tuple[Plan, dict[str, np.ndarray], FitTask]:
    plan, task = replace(xor_plan, training=replace(xor_plan.training, epochs=3)), make_task(1)
    return plan, fit_population(plan, [task])[0].weights, task


def test_weights_come_back_from_bytes_to_the_bit(fitted: tuple[Plan, dict[str, np.ndarray], FitTask]) -> None:
    plan, weights, task = fitted
    data = weights_to_bytes(weights)
    again = weights_from_bytes(data)
    assert again.keys() == weights.keys()
    assert all(np.array_equal(again[name], weights[name], equal_nan=True) for name in weights)
    assert weights_to_bytes(again) == data
    np.testing.assert_array_equal(predict_signal(plan, again, task.x), predict_signal(plan, weights, task.x))
    assert weights_from_bytes(weights_to_bytes({})) == {}


def test_torn_or_foreign_weights_are_typed_errors(fitted: tuple[Plan, dict[str, np.ndarray], FitTask]) -> None:
    plan, weights, task = fitted
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        weights_from_bytes(weights_to_bytes(weights)[:-9])
    with pytest.raises(ArtifactError, match="do not fit strategy ffffffffffff"):
        predict_signal(plan, {**weights, "bias": np.zeros(3)}, task.x)
    with pytest.raises(ArtifactError, match="do not fit"):
        predict_signal(plan, {}, task.x)
    with pytest.raises(ArtifactError, match="do not fit"):
        predict_signal(replace(plan, model="rules"), weights, task.x)


def test_summaries_of_rules_add_up_to_the_output(fitted: tuple[Plan, dict[str, np.ndarray], FitTask]) -> None:
    plan, weights, task = fitted
    rules = describe_rules(plan, weights, task.x)
    assert [rule.text for rule in rules] == ["rule 0", "rule 1", "rule 2", "rule 3"]
    assert sum(rule.firing_share for rule in rules) == pytest.approx(1.0)
    assert sum(rule.contribution for rule in rules) == pytest.approx(1.0)
    assert sum(rule.lean for rule in rules) == pytest.approx(predict_output(plan, weights, task.x).mean())
    assert [one.name for one in rules[1].sets] == ["low", "high"]
    assert [one.feature for one in rules[1].sets] == ["x0", "x1"]
    assert rules[1].sets[0].params == pytest.approx(tuple(weights["sets"][0, :2]))
    assert rules[2].bias == weights["bias"][2]
    assert rules[2].coefficients == tuple(weights["coefficients"][2])


def test_summaries_of_plain_rules_by_hand(make_plan: Callable[..., Plan]) -> None:
    sets = (SetPlan(0, "low", "triangle", (0.0, 2.0, 4.0)),)
    plan = make_plan(sets, [(Condition("is", 0), 1.0), (Condition("not", args=(Condition("is", 0),)), -0.5)], model="rules")
    # At 1 both rules are half true and "else flat" a quarter: parts 0.4, 0.4, 0.2. At 2 only the first is true.
    first, second = describe_rules(plan, {}, np.array([[1.0], [2.0], [np.nan]]))
    assert first.firing_share == pytest.approx((0.4 + 1) / 2)
    assert second.firing_share == pytest.approx(0.2, abs=1e-9)
    assert second.lean == pytest.approx(-0.1, abs=1e-9)
    assert first.contribution == pytest.approx(0.7 / 0.8)
    assert (first.bias, first.coefficients, first.sets[0].params) == (1.0, (), (0.0, 2.0, 4.0))
    with pytest.raises(InsufficientBarsError, match="none of 1 rows"):
        describe_rules(plan, {}, np.array([[np.nan]]))
