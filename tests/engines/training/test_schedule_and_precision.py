"""Learning rates over the epochs, and the numbers in which a population is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from nullalpha.core.errors import UsageError
from nullalpha.engines.training.fit import FitJob, FitResult, fit_many
from nullalpha.engines.training.placement import Placement, placement, repeatable
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.schedule import learning_rate
from nullalpha.strategy.plan import ModelKind, NetworkKind, Plan, Schedule, TrainingPlan

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]


@pytest.mark.parametrize(
    ("schedule", "warmup_epochs", "epochs", "expected"),
    [
        ("constant", 0, 4, [1, 1, 1, 1]),
        ("constant", 2, 4, [1 / 2, 1, 1, 1]),
        ("constant", 4, 4, [1 / 4, 2 / 4, 3 / 4, 1]),
        # Half a cosine: at the middle epoch (1 + 0.01) / 2, at the last 0.01.
        ("cosine", 0, 5, [1, 0.01 + 0.99 * (1 + np.sqrt(0.5)) / 2, 0.505, 0.01 + 0.99 * (1 - np.sqrt(0.5)) / 2, 0.01]),
        ("cosine", 2, 4, [1 / 2, 1, 0.505, 0.01]),
        ("cosine", 3, 3, [1 / 3, 2 / 3, 1]),
        ("cosine", 0, 1, [1]),
    ],
)
def test_rates_by_hand(schedule: Schedule, warmup_epochs: int, epochs: int, expected: list[float]) -> None:
    training = TrainingPlan(epochs, 128, 0.02, 5, "huber", schedule=schedule, warmup_epochs=warmup_epochs)
    np.testing.assert_allclose([learning_rate(training, epoch) for epoch in range(1, epochs + 1)], 0.02 * np.array(expected), rtol=1e-12)


def test_a_fit_equals_adam_by_hand_with_its_schedule_and_its_clipping(xor_plan: Plan, make_task: TaskMaker) -> None:
    # One batch an epoch and consequents alone: the model is linear in its parameters, so the gradient is written out here.
    task = make_task(1, 120, 40)
    training = replace(
        xor_plan.training, epochs=4, batch_size=120, loss="mse", schedule="cosine", warmup_epochs=2, clip_norm=0.05, learning_rate=0.1
    )
    plan = replace(xor_plan, trainable=("consequents",), training=training)
    (result,) = fit_many([FitJob(plan, task)], engine="tensor")
    assert isinstance(result, FitResult)
    assert result.best_epoch == 4

    mean, scale = task.x[:120].mean(axis=0), task.x[:120].std(axis=0)
    z = (task.x - mean) / scale
    truth = np.stack([1 / (1 + np.exp(-s.params[1] * (task.x[:, s.feature] - s.params[0]))) for s in plan.sets], axis=1)
    firing = np.stack([truth[:, i] * truth[:, 2 + j] for i in (0, 1) for j in (0, 1)], axis=1)
    firing /= firing.sum(axis=1, keepdims=True)
    design = np.concatenate([(firing[:, :, None] * z[:, None, :]).reshape(len(z), -1), firing], axis=1)
    p = np.concatenate([np.random.default_rng([task.seed, 0]).normal(0.0, 0.01, 8), np.zeros(4)])
    first, second, losses = np.zeros(12), np.zeros(12), []
    for step, share in enumerate((0.5, 1.0, 0.505, 0.01), start=1):
        error = design[:120] @ p - task.y[:120]
        losses.append((error**2).mean())
        gradient = 2 * design[:120].T @ error / 120
        assert np.linalg.norm(gradient) > 0.05
        gradient *= 0.05 / np.linalg.norm(gradient)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        p -= 0.1 * share * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(result.history[1:, 0], losses, rtol=1e-9)
    np.testing.assert_allclose(np.concatenate([result.weights["coefficients"].ravel(), result.weights["bias"]]), p, rtol=1e-9)


@pytest.mark.parametrize("kind", ["anfis", "fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm"])
@pytest.mark.parametrize(("precision", "near"), [("float32", 1e-3), ("bf16", 0.03)])
def test_fewer_bits_learn_nearly_the_same(
    kind: ModelKind, precision: str, near: float, xor_plan: Plan, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    base = xor_plan if kind == "anfis" else make_network(kind, trainable=("network", "sets"), dropout=0.1, hidden=(6, 4))
    plan = replace(base, training=replace(base.training, epochs=6, learning_rate=0.02, clip_norm=0.5))
    jobs = [FitJob(plan, make_task(seed, 200 + 30 * seed, 60)) for seed in (1, 2)]
    exact = fit_many(jobs, engine="tensor", precision="float64")
    fewer = fit_many(jobs, engine="tensor", precision=precision)  # type: ignore[arg-type]
    again = fit_many(jobs, engine="tensor", precision=precision)  # type: ignore[arg-type]
    for one, other, same in zip(fewer, exact, again, strict=True):
        assert isinstance(one, FitResult)
        assert isinstance(other, FitResult)
        assert isinstance(same, FitResult)
        np.testing.assert_allclose(one.history, other.history, rtol=near)
        assert not np.array_equal(one.history, other.history)
        np.testing.assert_array_equal(one.history, same.history)
        assert all(array.dtype == np.float64 for array in one.weights.values())


def test_bfloat16_is_of_the_products_alone(make_network: PlanMaker, make_task: TaskMaker) -> None:
    with placement("cpu", "bf16").products():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        assert (torch.ones(2) + torch.ones(2)).dtype == torch.float32
    with placement("cpu", "float32").products():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    # Parameters keep steps that bfloat16 cannot show: 0.01 and 0.01 + 1e-5 are one number there.
    plan, task = make_network("fuzzy_mlp", epochs=1, learning_rate=1e-5), make_task(1, 128, 40)
    task = replace(task, y=task.y + 1)  # so that the first step helps
    still = replace(plan, training=replace(plan.training, epochs=0))
    moved, first = fit_many([FitJob(plan, task), FitJob(still, task)], engine="tensor", precision="bf16")
    assert isinstance(moved, FitResult)
    assert isinstance(first, FitResult)
    assert (moved.best_epoch, first.best_epoch) == (1, 0)
    np.testing.assert_allclose(np.abs(moved.weights["output_weight"] - first.weights["output_weight"]), 1e-5, rtol=0.01)


@pytest.mark.parametrize("kind", ["anfis", "fuzzy_mlp", "fuzzy_gru"])
def test_deterministic_algorithms_suffice_and_are_asked_for_only_while_fitting(
    kind: NetworkKind, xor_plan: Plan, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    plan = xor_plan if kind == "anfis" else make_network(kind, trainable=("network", "sets"))
    plan = replace(plan, training=replace(plan.training, epochs=2))
    seen: list[bool] = []
    job = FitJob(plan, make_task(1, 100, 30))
    (strict,) = fit_many(
        [job], engine="tensor", deterministic=True, progress=lambda _: seen.append(torch.are_deterministic_algorithms_enabled())
    )
    (free,) = fit_many([job], engine="tensor")
    assert seen == [True, True]
    assert not torch.are_deterministic_algorithms_enabled()
    assert isinstance(strict, FitResult)
    assert isinstance(free, FitResult)
    np.testing.assert_array_equal(strict.history, free.history)


def test_bits_do_not_depend_on_how_many_threads_torch_has(make_network: PlanMaker, make_task: TaskMaker) -> None:
    plan = make_network("fuzzy_gru", hidden=(16,), lookback=8, epochs=2, batch_size=256)
    jobs = [FitJob(plan, make_task(seed, 600, 100)) for seed in range(4)]
    found = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        found.append(fit_many(jobs, engine="tensor"))
        assert torch.get_num_threads() == n_threads
    torch.set_num_threads(1)
    for one, other in zip(*found, strict=True):
        assert isinstance(one, FitResult)
        assert isinstance(other, FitResult)
        np.testing.assert_array_equal(one.history, other.history)
        np.testing.assert_array_equal(one.weights["recurrent_state"], other.weights["recurrent_state"])


def test_cuda_must_be_told_how_to_be_deterministic() -> None:
    with pytest.raises(UsageError, match="CUBLAS_WORKSPACE_CONFIG") as caught, repeatable(Placement("cuda", "float32", "auto"), True):
        pass
    assert "CUBLAS_WORKSPACE_CONFIG=:4096:8" in str(caught.value.suggestion)
