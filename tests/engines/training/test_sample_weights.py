from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.engines.training import fit
from nullalpha.engines.training.baselines import compare_with_baselines, ridge_prediction
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.predict import predict_output
from nullalpha.strategy.plan import ModelKind, Plan

fit_population = partial(fit.fit_population, engine="tensor")

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
KINDS: tuple[ModelKind, ...] = ("anfis", "fuzzy_mlp", "fuzzy_gru")


def _plan(kind: ModelKind, xor_plan: Plan, make_network: PlanMaker, **training: object) -> Plan:
    plan = xor_plan if kind == "anfis" else make_network(kind, trainable=("network", "sets"), lookback=2)
    return replace(plan, training=replace(plan.training, **training))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_change_no_bit(kind: ModelKind, xor_plan: Plan, make_network: PlanMaker, make_task: TaskMaker) -> None:
    plan = _plan(kind, xor_plan, make_network, epochs=3)
    tasks = [make_task(1, 300, 80), make_task(2, 200, 50)]
    plain = fit_population(plan, tasks)
    for weighted in (
        [replace(task, weight=np.full(len(task.y), 0.37)) for task in tasks],
        [replace(tasks[0], weight=np.ones(380)), tasks[1]],
    ):
        for one, other in zip(plain, fit_population(plan, weighted), strict=True):
            assert np.array_equal(one.history, other.history)
            assert all(np.array_equal(one.weights[name], other.weights[name], equal_nan=True) for name in one.weights)


@pytest.mark.parametrize("kind", ["anfis", "fuzzy_mlp"])
def test_a_row_of_weight_two_counts_as_two_rows(kind: ModelKind, xor_plan: Plan, make_network: PlanMaker, make_task: TaskMaker) -> None:
    # Every row appears twice, with its label at weight 2 and another label at weight 1; or three times. Both standardise alike.
    plan = _plan(kind, xor_plan, make_network, epochs=8, batch_size=4096)
    base = make_task(1, 80, 20)
    other = base.y[::-1].copy()
    rows = np.arange(80)
    doubled = FitTask(
        x=np.concatenate([base.x[:80], base.x[:80], base.x[80:], base.x[80:]]),
        y=np.concatenate([base.y[:80], other[:80], base.y[80:], other[80:]]),
        train_rows=np.arange(160),
        stop_rows=np.arange(160, 200),
        seed=base.seed,
        weight=np.concatenate([np.full(80, 2.0), np.ones(80), np.full(20, 2.0), np.ones(20)]) * 0.3,
    )
    order = np.concatenate([rows, rows, rows + 80, 160 + np.arange(20), 160 + np.arange(20), 180 + np.arange(20)])
    tripled = FitTask(doubled.x[order], doubled.y[order], np.arange(240), np.arange(240, 300), base.seed)
    (weighted,), (repeated,) = fit_population(plan, [doubled]), fit_population(plan, [tripled])
    (plain,) = fit_population(plan, [replace(doubled, weight=None)])
    np.testing.assert_allclose(weighted.history, repeated.history, rtol=1e-9)
    for name in weighted.weights:
        np.testing.assert_allclose(weighted.weights[name], repeated.weights[name], rtol=1e-7, atol=1e-9)
    assert np.abs(weighted.history - plain.history).max() > 0.01

    one, same = compare_with_baselines(plan, weighted.weights, doubled), compare_with_baselines(plan, repeated.weights, tripled)
    assert one.model_loss == pytest.approx(weighted.stop_loss, rel=1e-9)
    assert (one.model_loss, one.zero_loss) == pytest.approx((same.model_loss, same.zero_loss), rel=1e-7)


def test_the_linear_baseline_weighs_rows_as_the_model_does(make_task: TaskMaker) -> None:
    task = make_task(1, 400, 20)
    weight = np.random.default_rng(0).random(420) + 0.1
    found = ridge_prediction(replace(task, weight=weight))
    w, x, y = weight[:400] / weight[:400].mean(), task.x[:400], task.y[:400]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    design = np.column_stack([np.ones(400), z])
    beta = np.linalg.solve(design.T @ (w[:, None] * design) + np.diag([0.0, 1.0, 1.0]), design.T @ (w * y))
    np.testing.assert_allclose(found, np.column_stack([np.ones(20), (task.x[400:] - x.mean(axis=0)) / x.std(axis=0)]) @ beta, rtol=1e-9)


def test_losses_of_a_fit_are_weighted_means(xor_plan: Plan, make_task: TaskMaker) -> None:
    weight = np.random.default_rng(1).random(800) + 0.1
    task = replace(make_task(3), weight=weight)
    (result,) = fit_population(replace(xor_plan, training=replace(xor_plan.training, epochs=3)), [task])
    error = np.abs(predict_output(xor_plan, result.weights, task.x) - task.y)
    loss = np.where(error <= 1, 0.5 * error**2, error - 0.5)
    assert result.stop_loss == pytest.approx(np.average(loss[600:], weights=weight[600:]), rel=1e-9)
    assert result.train_loss == pytest.approx(np.average(loss[:600], weights=weight[:600]), rel=1e-9)


@pytest.mark.parametrize("nothing", [0.0, np.nan, -1.0])
def test_rows_without_a_weight_are_left_out(nothing: float, xor_plan: Plan, make_task: TaskMaker) -> None:
    plan, task = replace(xor_plan, training=replace(xor_plan.training, epochs=2)), make_task(1, 200, 60)
    weight = np.ones(260)
    weight[[5, 210]] = nothing
    (found,) = fit_population(plan, [replace(task, weight=weight)])
    (fewer,) = fit_population(plan, [replace(task, train_rows=np.delete(np.arange(200), 5), stop_rows=np.delete(np.arange(200, 260), 10))])
    np.testing.assert_array_equal(found.history, fewer.history)
    with pytest.raises(InsufficientBarsError, match="0 usable training rows of 200"):
        fit_population(plan, [replace(task, weight=np.full(260, nothing))])
