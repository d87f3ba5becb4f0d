"""Sets that stay in order and of a legible width whatever training does to them; the rule on one code and on a population's is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.engines.training.fit import FitJob, FitResult, fit_many
from nullalpha.engines.training.legible import FURTHEST, SetRule, legible, set_entries, set_rule
from nullalpha.engines.training.legible_codes import legible_codes
from nullalpha.engines.training.membership import decode_sets, encode_sets, set_params
from nullalpha.engines.training.placement import placement
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.set_columns import set_columns
from nullalpha.engines.training.structure import rule_structure
from nullalpha.strategy.plan import Condition, Plan, SetPlan

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
MEAN, SCALE = np.array([50.0, 0.0]), np.array([10.0, 0.02])
SETS = (
    SetPlan(0, "low", "sigmoid", (30.0, -0.4)),
    SetPlan(0, "lowish", "triangle", (20.0, 40.0, 50.0)),
    SetPlan(1, "flat", "gaussian", (0.0, 0.01)),
    SetPlan(0, "mid", "gaussian", (50.0, 8.0)),
    SetPlan(0, "highish", "trapezoid", (50.0, 55.0, 65.0, 65.0)),
    SetPlan(0, "high", "sigmoid", (70.0, 0.4)),
    SetPlan(1, "up", "bell", (0.01, 0.02, 2.0)),
    SetPlan(1, "not up", "sigmoid", (0.01, -100.0)),
    SetPlan(1, "far", "gaussian", (0.2, 0.2)),
)


def _plan(make_plan: PlanMaker) -> Plan:
    return make_plan(SETS, [(Condition("is", at), 0.1) for at in range(len(SETS))])


def _code_and_rule(plan: Plan) -> tuple[np.ndarray, SetRule]:
    structure = rule_structure(plan)
    code = encode_sets(plan.sets, structure, set_params(plan.sets), MEAN, SCALE)
    return code, set_rule(plan.sets, structure, code)


def test_a_rule_by_hand(make_plan: PlanMaker) -> None:
    plan = _plan(make_plan)
    code, rule = _code_and_rule(plan)
    # In order: low 30, lowish 40, mid 50, highish (55 + 65) / 2 = 60, high 70; then flat 0, not up 0.01 (it falls), up 0.01, far 0.2.
    entries = set_entries(rule_structure(plan))
    assert rule.starts.tolist() == [0, 5, 9]
    assert rule.location.tolist() == [entries[at][0] for at in (0, 1, 3, 4, 5, 2, 7, 6, 8)]
    np.testing.assert_allclose(rule.low, [-5] * 9)
    np.testing.assert_allclose(rule.high, [5] * 8 + [10])  # far lies at ten deviations already
    assert rule.rise.tolist() == [0, 1, 0, 1, 0, 0, 0, 0, 0]
    assert rule.top.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(rule.most[list(entries[3][1:])], [np.log(5.0)])
    np.testing.assert_allclose(rule.most[list(entries[8][1:])], [np.log(10.0)])  # its width
    np.testing.assert_allclose(rule.least[list(entries[6][1:])], [np.log(0.05), np.log(0.25)])
    np.testing.assert_array_equal(legible(code, rule), code)


def test_sets_that_cross_meet_half_way_and_widths_stop_at_their_limits(make_plan: PlanMaker) -> None:
    plan = _plan(make_plan)
    code, rule = _code_and_rule(plan)
    entries = set_entries(rule_structure(plan))
    moved = code.copy()
    moved[entries[1][0]] += 1.6  # lowish from 40 to 56, beyond mid at 50: they meet at 53
    moved[entries[2][1]] = -30.0  # the width of flat vanishes
    moved[entries[5][0]] = 100.0  # high goes out of sight
    moved[entries[0][1]] = -9.0  # low becomes flat
    found = decode_sets(plan.sets, rule_structure(plan), legible(moved, rule), MEAN, SCALE)
    np.testing.assert_allclose(found[1, :3], [33.0, 53.0, 63.0])
    np.testing.assert_allclose(found[3, :2], [53.0, 8.0])
    np.testing.assert_allclose(found[2, :2], [0.0, 0.05 * 0.02])
    np.testing.assert_allclose(found[5, :2], [50 + 10 * FURTHEST, 0.4])
    np.testing.assert_allclose(found[0, :2], [30.0, -0.2 / 10])
    np.testing.assert_allclose(found[4], [50.0, 55.0, 65.0, 65.0])


def _positions(plan: Plan, code: np.ndarray) -> np.ndarray:
    """Where each set lies in the features' own units, from its decoded parameters alone."""
    decoded = decode_sets(plan.sets, rule_structure(plan), code, MEAN, SCALE)
    middle = {"triangle": lambda p: p[1], "trapezoid": lambda p: (p[1] + p[2]) / 2}
    return np.array([middle.get(one.shape, lambda p: p[0])(params) for one, params in zip(plan.sets, decoded, strict=True)])


@given(seed=st.integers(0, 2**31), size=st.sampled_from([0.01, 0.3, 3.0, 30.0]))
@settings(max_examples=100, deadline=None)
def test_whatever_a_step_does_the_sets_of_a_feature_stay_in_order(make_plan: PlanMaker, seed: int, size: float) -> None:
    plan = _plan(make_plan)
    code, rule = _code_and_rule(plan)
    kept = legible(code + np.random.default_rng(seed).normal(0, size, len(code)), rule)
    position = _positions(plan, kept)
    assert (np.diff(position[[0, 1, 3, 4, 5]]) >= -1e-9 * 10).all()
    assert (np.diff(position[[2, 7, 6, 8]]) >= -1e-9 * 0.02).all()
    assert (np.abs(position[[0, 1, 3, 4, 5]] - 50) <= 5 * 10 + 1e-6).all()
    np.testing.assert_allclose(legible(kept, rule), kept, rtol=1e-12, atol=1e-12)  # what is legible stays


def test_a_population_is_held_to_the_rules_of_its_members(make_plan: PlanMaker) -> None:
    whole = _plan(make_plan)
    fewer = make_plan([SETS[1], SETS[3], SETS[2]], [(Condition("is", at), 0.1) for at in range(3)])
    plans = [whole, fewer, make_plan([SETS[4], SETS[6]], [(Condition("is", 0), 0.1)])]
    columns, place = set_columns(plans), placement("cpu")
    codes, rules = zip(*(_code_and_rule(plan) for plan in plans), strict=True)
    entries = [own.entries for own in columns.own]
    held = legible_codes(rules, entries, columns.n_set_parameters, place)
    rng = np.random.default_rng(3)
    for size in (0.0, 0.1, 2.0, 40.0):
        population = np.zeros((3, columns.n_set_parameters))
        for row, (own, code) in enumerate(zip(entries, codes, strict=True)):
            population[row, own] = code + rng.normal(0, size, len(code))
        tensor = torch.from_numpy(population.copy())
        held.hold_(tensor)
        for row, (own, rule) in enumerate(zip(entries, rules, strict=True)):
            np.testing.assert_allclose(tensor[row, own].numpy(), legible(population[row, own], rule), rtol=1e-12, atol=1e-12)
        part = torch.from_numpy(population[1:2].copy())
        held.chosen(slice(1, 2)).hold_(part)
        np.testing.assert_array_equal(part[0], tensor[1])


@pytest.mark.parametrize("engine", ["tensor", "fused"])
def test_training_keeps_sets_legible_where_it_would_cross_them(engine: str, make_plan: PlanMaker, make_task: TaskMaker) -> None:
    # A fast learner of labels that are high in the middle pulls low up and high down.
    sets = [
        SetPlan(0, "low", "gaussian", (49.0, 2.0)),
        SetPlan(0, "mid", "gaussian", (50.0, 2.0)),
        SetPlan(0, "high", "gaussian", (51.0, 2.0)),
    ]
    plan = make_plan(
        sets, [(Condition("is", at), sign) for at, sign in enumerate((1.0, -1.0, 1.0))], learning_rate=0.3, epochs=15, patience=15
    )
    task = make_task(5, 400, 100)
    task = replace(task, x=task.x[:, :1], y=np.where(np.abs(task.x[:, 0] - 50) < 1, 2.0, -1.0))
    free = replace(plan, sets=tuple(replace(one, feature=at) for at, one in enumerate(sets)), features=plan.features * 3)
    apart = replace(task, x=np.repeat(task.x, 3, axis=1))
    held, crossed = fit_many([FitJob(plan, task), FitJob(free, apart)], engine=engine)  # type: ignore[arg-type]
    assert isinstance(held, FitResult)
    assert isinstance(crossed, FitResult)
    assert (np.diff(held.weights["sets"][:, 0]) >= -1e-5).all()
    assert (np.diff(crossed.weights["sets"][:, 0]) < 0).any()  # on features of their own nothing holds them in order
    assert held.weights["sets"][:, 1].min() >= 0.05 * task.x[:400].std() * 0.999


@pytest.mark.parametrize("engine", ["tensor", "fused"])
def test_a_side_that_lies_open_is_held_and_does_not_carry_the_others_along(engine: str, make_plan: PlanMaker, make_task: TaskMaker) -> None:
    """A trapezoid from far below is a set that never ends there; how far below its author wrote changes next to nothing."""
    task = make_task(3, 400, 100)
    both = [Condition("and", args=(Condition("is", i), Condition("is", 2 + j))) for i in (0, 1) for j in (0, 1)]

    def fitted(far: float) -> FitResult:
        sets = [
            SetPlan(feature, name, "trapezoid", corners)
            for feature in (0, 1)
            for name, corners in (("low", (50 - far, 50 - far, 48.0, 52.0)), ("high", (48.0, 52.0, 50 + far, 50 + far)))
        ]
        plan = make_plan(sets, [(condition, 0.0) for condition in both], epochs=40, learning_rate=0.01, batch_size=512)
        (result,) = fit_many([FitJob(plan, task)], engine=engine)  # type: ignore[arg-type]
        assert isinstance(result, FitResult)
        return result

    near, far, further = (fitted(distance) for distance in (100.0, 1_000.0, 10_000.0))
    for other in (far, further):
        assert other.stop_loss == pytest.approx(near.stop_loss, abs=0.01)
        np.testing.assert_allclose(other.weights["sets"][0, 2:], near.weights["sets"][0, 2:], atol=0.3)
    assert abs(near.weights["sets"][0, 2] - 48.0) < 5.0
