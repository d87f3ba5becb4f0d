from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from nullalpha.core.errors import InsufficientBarsError, UsageError
from nullalpha.engines.training import fit
from nullalpha.engines.training.baselines import compare_with_baselines
from nullalpha.engines.training.fit import EpochProgress, FitResult
from nullalpha.engines.training.placement import choose_device
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.predict import predict_output
from nullalpha.strategy.plan import Plan

fit_population = partial(fit.fit_population, engine="tensor")

TaskMaker = Callable[..., FitTask]


def _stop_loss(plan: Plan, result: FitResult, task: FitTask) -> float:
    """The Huber loss of the weights that came back, worked out anew in NumPy."""
    error = np.abs(predict_output(plan, result.weights, task.x[task.stop_rows]) - task.y[task.stop_rows])
    return float(np.where(error <= 1, 0.5 * error**2, error - 0.5).mean())


def _assert_same(one: FitResult, other: FitResult, rtol: float) -> None:
    assert one.best_epoch == other.best_epoch
    assert one.epochs_run == other.epochs_run
    assert one.diverged == other.diverged
    np.testing.assert_allclose(one.history, other.history, rtol=rtol)
    for name in one.weights:
        np.testing.assert_allclose(one.weights[name], other.weights[name], rtol=rtol, atol=rtol)


def test_a_planted_exclusive_or_is_learned_where_a_line_learns_nothing(xor_plan: Plan, make_task: TaskMaker) -> None:
    task = make_task(1)
    (result,) = fit_population(xor_plan, [task])
    report = compare_with_baselines(xor_plan, result.weights, task)
    assert report.model_loss < 0.6 * report.linear_loss
    assert report.model_accuracy > 0.85
    assert report.majority_accuracy < 0.6
    assert report.model_loss < min(report.zero_loss, report.majority_loss, report.linear_loss)
    assert result.stop_loss == pytest.approx(report.model_loss, rel=1e-9)


def test_a_model_that_learned_noise_says_that_it_beats_nothing(xor_plan: Plan, make_task: TaskMaker) -> None:
    task = make_task(2)
    opposite = replace(task, y=np.where(np.arange(len(task.y)) < 600, task.y, -task.y))
    (result,) = fit_population(replace(xor_plan, training=replace(xor_plan.training, epochs=5)), [task])
    report = compare_with_baselines(xor_plan, result.weights, opposite)
    assert not report.beats_all
    assert len(report.shortfalls) == 4
    assert "predicting nothing" in report.shortfalls[0]


def test_the_best_weights_come_back_not_the_last(xor_plan: Plan, make_task: TaskMaker) -> None:
    # Stopping rows follow another rule than training rows, so that learning soon harms them.
    task = make_task(3)
    y = task.y.copy()
    y[task.stop_rows] = 0.35 * y[task.stop_rows] + 0.4 * np.sign(task.x[task.stop_rows, 0] - 50)
    contrary = replace(task, y=y)
    plan = replace(xor_plan, training=replace(xor_plan.training, epochs=25, patience=6, learning_rate=0.05))
    (result,) = fit_population(plan, [contrary])
    assert 0 < result.best_epoch < result.epochs_run
    assert result.epochs_run == result.best_epoch + 6
    assert result.history.shape == (result.epochs_run + 1, 2)
    assert result.stop_loss == result.history[:, 1].min() == result.history[result.best_epoch, 1]
    assert result.history[-1, 1] > 1.01 * result.stop_loss
    assert _stop_loss(plan, result, contrary) == pytest.approx(result.stop_loss, rel=1e-9)


def test_a_model_that_training_only_harms_comes_back_as_it_began(xor_plan: Plan, make_task: TaskMaker) -> None:
    task = make_task(4)
    y = task.y.copy()
    y[task.stop_rows] = 0.0  # the first model says nearly nothing, which is right here
    plan = replace(xor_plan, training=replace(xor_plan.training, patience=3))
    (result,) = fit_population(plan, [replace(task, y=y)])
    assert (result.best_epoch, result.epochs_run) == (0, 3)
    assert (result.weights["bias"] == 0).all()
    assert np.abs(result.weights["coefficients"]).max() < 0.05
    assert result.stop_loss == result.history[0, 1]
    assert result.train_loss == pytest.approx(result.history[0, 0])


@pytest.mark.parametrize("trainable", [("sets", "consequents"), ("consequents",)])
def test_a_population_gives_each_member_what_it_gets_alone(xor_plan: Plan, make_task: TaskMaker, trainable: tuple[str, ...]) -> None:
    training = replace(xor_plan.training, epochs=12, patience=3, learning_rate=0.05)
    plan = replace(xor_plan, trainable=trainable, training=training)  # type: ignore[arg-type]
    tasks = [make_task(seed, n_train, n_stop) for seed, n_train, n_stop in ((1, 600, 200), (2, 130, 40), (3, 1000, 11), (4, 64, 90))]
    together = fit_population(plan, tasks)
    assert len({result.epochs_run for result in together}) > 1
    for task, result in zip(tasks, together, strict=True):
        _assert_same(result, fit_population(plan, [task])[0], rtol=1e-9)


def test_two_fits_are_equal_to_the_bit_and_the_seed_matters(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(xor_plan, training=replace(xor_plan.training, epochs=4))
    tasks = [make_task(1), make_task(2, 200, 50)]
    first, second = fit_population(plan, tasks), fit_population(plan, tasks)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.history, other.history)
        assert all(np.array_equal(one.weights[name], other.weights[name], equal_nan=True) for name in one.weights)
    (reseeded,) = fit_population(plan, [replace(tasks[0], seed=77)])
    assert not np.array_equal(reseeded.weights["coefficients"], first[0].weights["coefficients"])


def test_a_member_that_diverges_is_flagged_and_harms_no_other(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(xor_plan, training=replace(xor_plan.training, epochs=4, loss="mse"))
    sound, broken = make_task(1), make_task(2)
    y = broken.y.copy()
    y[5] = 1e200  # its square is infinite
    results = fit_population(plan, [sound, replace(broken, y=y)])
    assert [result.diverged for result in results] == [False, True]
    _assert_same(results[0], fit_population(plan, [sound])[0], rtol=1e-9)
    assert all(np.isfinite(results[1].weights[name]).all() for name in ("coefficients", "bias"))


@pytest.mark.parametrize(("trainable", "moves"), [(("sets",), "sets"), (("consequents",), "coefficients")])
def test_only_what_is_trainable_moves(xor_plan: Plan, make_task: TaskMaker, trainable: tuple[str, ...], moves: str) -> None:
    plan = replace(xor_plan, trainable=trainable, rules=tuple(replace(r, consequent=0.3 * (-1) ** i) for i, r in enumerate(xor_plan.rules)))  # type: ignore[arg-type]
    (result,) = fit_population(plan, [make_task(1)])
    sets = np.array([one.params for one in plan.sets])
    assert result.best_epoch > 0
    if moves == "sets":
        assert np.abs(result.weights["sets"][:, :2] - sets).max() > 1e-3
        assert (result.weights["coefficients"] == 0).all()
        np.testing.assert_array_equal(result.weights["bias"], [0.3, -0.3, 0.3, -0.3])
    else:
        np.testing.assert_allclose(result.weights["sets"][:, :2], sets, rtol=1e-12)
        assert np.abs(result.weights["coefficients"]).max() > 0.05


def test_rows_with_gaps_are_left_out_and_rows_outside_the_fold_do_not_matter(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(xor_plan, training=replace(xor_plan.training, epochs=3))
    task = make_task(1)
    holed_x, holed_y = task.x.copy(), task.y.copy()
    holed_x[10, 1], holed_y[20], holed_y[650] = np.nan, np.nan, np.nan
    kept = np.setdiff1d(np.arange(800), [10, 20, 650])
    fewer = FitTask(task.x, task.y, kept[kept < 600], kept[kept >= 600], task.seed)
    outside_x = np.vstack([holed_x, np.full((50, 2), 1e6)])
    outside_y = np.concatenate([holed_y, np.full(50, 1e6)])
    (holed,) = fit_population(plan, [FitTask(outside_x, outside_y, task.train_rows, task.stop_rows, task.seed)])
    _assert_same(holed, fit_population(plan, [fewer])[0], rtol=1e-12)


def test_features_are_standardised_by_training_rows_alone_and_constants_pass(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(xor_plan, features=(*xor_plan.features, xor_plan.features[0]), training=replace(xor_plan.training, epochs=1))
    task = make_task(1, n_features=3)
    x = task.x.copy()
    x[:, 2] = 7.3
    (result,) = fit_population(plan, [replace(task, x=x)])
    np.testing.assert_allclose(result.weights["feature_mean"], [*x[:600, :2].mean(axis=0), 7.3], rtol=1e-12)
    np.testing.assert_allclose(result.weights["feature_scale"], [*x[:600, :2].std(axis=0), 1.0], rtol=1e-12)
    assert np.isfinite(result.stop_loss)


def test_progress_comes_once_an_epoch(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(xor_plan, training=replace(xor_plan.training, epochs=3))
    seen: list[EpochProgress] = []
    (result,) = fit_population(plan, [make_task(1)], progress=seen.append)
    assert [(one.epoch, one.epochs, one.n_active) for one in seen] == [(1, 3, 1), (2, 3, 1), (3, 3, 1)]
    np.testing.assert_allclose([one.stop_loss for one in seen], result.history[1:, 1])


def test_plain_rules_are_judged_without_training(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(
        xor_plan, model="rules", trainable=(), rules=tuple(replace(r, consequent=(1, -1, -1, 1)[i]) for i, r in enumerate(xor_plan.rules))
    )
    task = make_task(1)
    (result,) = fit_population(plan, [task])
    assert result.weights == {}
    assert (result.best_epoch, result.epochs_run) == (0, 0)
    assert _stop_loss(plan, result, task) == pytest.approx(result.stop_loss, rel=1e-9)
    assert compare_with_baselines(plan, {}, task).model_accuracy > 0.8


def test_too_few_rows_and_a_device_that_is_not_there_are_typed_errors(xor_plan: Plan, make_task: TaskMaker) -> None:
    with pytest.raises(InsufficientBarsError, match="task 1 has 29 usable training rows of 29; it needs 30"):
        fit_population(xor_plan, [make_task(1), make_task(2, 29, 50)])
    with pytest.raises(InsufficientBarsError, match="9 usable stopping rows"):
        fit_population(xor_plan, [make_task(2, 50, 9)])
    assert fit_population(xor_plan, []) == []
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(UsageError, match="'tpu' is not available"):
        choose_device("tpu")  # type: ignore[arg-type]
