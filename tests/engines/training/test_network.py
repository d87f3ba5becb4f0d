"""Networks against torch's own layers and NumPy, which share no code with them; then how populations of them learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from nullalpha.core.errors import ArtifactError, InsufficientBarsError
from nullalpha.engines.training import fit
from nullalpha.engines.training.baselines import compare_with_baselines
from nullalpha.engines.training.fit import FitResult
from nullalpha.engines.training.network import first_arrays, network_model
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.predict import predict_output, predict_signal, weight_shapes
from nullalpha.engines.training.recurrence import differentiable_gru, differentiable_lstm
from nullalpha.engines.training.rulebook import describe_sets
from nullalpha.strategy.network_size import network_layout, network_parameters
from nullalpha.strategy.plan import NETWORK_KINDS, NetworkKind, NetworkPlan, Plan, SetPlan, Trainable

fit_population = partial(fit.fit_population, engine="tensor")

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
CPU = torch.device("cpu")
RECURRENT: tuple[NetworkKind, ...] = ("fuzzy_gru", "fuzzy_lstm")


def _weights(plan: Plan, seed: int = 0) -> dict[str, np.ndarray]:
    """Any weights of the right shapes, sets as the plan has them."""
    rng = np.random.default_rng(seed)
    sets = np.array([[*one.params, np.nan, np.nan] for one in plan.sets])
    fixed = {"feature_mean": np.array([50.0, 49.0]), "feature_scale": np.array([3.0, 2.0]), "sets": sets}
    return {name: fixed.get(name, 0.4 * rng.standard_normal(shape)) for name, shape in weight_shapes(plan).items()}


def _memberships(plan: Plan, x: np.ndarray) -> np.ndarray:
    return np.stack([1 / (1 + np.exp(-s.params[1] * (x[:, s.feature] - s.params[0]))) for s in plan.sets], axis=1)


def _assert_same(one: FitResult, other: FitResult, rtol: float) -> None:
    assert (one.best_epoch, one.epochs_run, one.diverged) == (other.best_epoch, other.epochs_run, other.diverged)
    np.testing.assert_allclose(one.history, other.history, rtol=rtol)
    for name in one.weights:
        np.testing.assert_allclose(one.weights[name], other.weights[name], rtol=rtol, atol=rtol)


@pytest.mark.parametrize(
    ("kind", "hidden", "count"),
    [
        ("fuzzy_mlp", (16,), 8 * 16 + 16 + 16 + 1),
        ("fuzzy_mlp", (16, 4), 8 * 16 + 16 + 16 * 4 + 4 + 4 + 1),
        ("fuzzy_gru", (16,), 3 * 16 * (8 + 16) + 4 * 16 + 16 + 1),
        ("fuzzy_gru", (16, 8), 3 * 16 * (8 + 16) + 4 * 16 + 16 * 8 + 8 + 8 + 1),
        ("fuzzy_lstm", (16,), 4 * 16 * (8 + 16) + 4 * 16 + 16 + 1),
    ],
)
def test_the_number_of_parameters_by_hand(kind: NetworkKind, hidden: tuple[int, ...], count: int) -> None:
    assert network_parameters(kind, 8, NetworkPlan(hidden, 20, 0.0)) == count


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_a_trained_network_has_exactly_the_numbers_that_are_counted(
    kind: NetworkKind, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    plan = make_network(kind, hidden=(5, 3), epochs=1)
    (result,) = fit_population(plan, [make_task(1, 60, 20)])
    names = [name for name, _ in network_layout(kind, 4, plan.network)]
    assert set(result.weights) == {"feature_mean", "feature_scale", "sets", *names}
    assert sum(result.weights[name].size for name in names) == network_parameters(kind, 4, plan.network)


def test_an_mlp_equals_numpy(make_network: PlanMaker) -> None:
    plan = make_network("fuzzy_mlp", hidden=(5, 3))
    w, x = _weights(plan), np.random.default_rng(0).standard_normal((30, 2)) * 3 + 50
    hidden = np.tanh(_memberships(plan, x) @ w["hidden_0_weight"] + w["hidden_0_bias"])
    hidden = np.tanh(hidden @ w["hidden_1_weight"] + w["hidden_1_bias"])
    np.testing.assert_allclose(predict_output(plan, w, x), hidden @ w["output_weight"] + w["output_bias"], rtol=1e-12)


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_networks_equal_torchs_own(kind: NetworkKind, make_network: PlanMaker) -> None:
    plan = make_network(kind, hidden=(5, 3), lookback=7)
    w, x = _weights(plan), np.random.default_rng(1).standard_normal((40, 2)) * 3 + 50
    layer = (torch.nn.GRU if kind == "fuzzy_gru" else torch.nn.LSTM)(4, 5, batch_first=True, dtype=torch.float64)
    # Torch's LSTM has the candidate before the output gate; its GRU has two biases for every gate, of which one inner suffices.
    order = np.arange(15) if kind == "fuzzy_gru" else np.r_[0:10, 15:20, 10:15]
    inner = np.zeros(len(order))
    if kind == "fuzzy_gru":
        inner[10:] = w["recurrent_bias"][15:]
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(w["recurrent_input"].T[order]))
        layer.weight_hh_l0.copy_(torch.from_numpy(w["recurrent_state"].T[order]))
        layer.bias_ih_l0.copy_(torch.from_numpy(w["recurrent_bias"][order]))
        layer.bias_hh_l0.copy_(torch.from_numpy(inner))
        windows = np.lib.stride_tricks.sliding_window_view(_memberships(plan, x), 7, axis=0).transpose(0, 2, 1)
        state = layer(torch.from_numpy(windows.copy()))[0][:, -1].numpy()
    hidden = np.tanh(state @ w["hidden_1_weight"] + w["hidden_1_bias"])
    found = predict_output(plan, w, x)
    assert np.isnan(found[:6]).all()
    np.testing.assert_allclose(found[6:], hidden @ w["output_weight"] + w["output_bias"], rtol=1e-10)


@pytest.mark.parametrize("n_models", [1, 3])
def test_gradients_by_hand_equal_finite_differences(n_models: int) -> None:
    rng = torch.Generator().manual_seed(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_()

    assert torch.autograd.gradcheck(differentiable_gru, (some(n_models, 4, 6, 3), some(n_models, 6, 2), some(n_models, 2, 1)))
    assert torch.autograd.gradcheck(differentiable_lstm, (some(n_models, 4, 8, 3), some(n_models, 8, 2)))


def test_models_that_walk_in_groups_get_what_they_get_alone() -> None:
    rng = torch.Generator().manual_seed(1)
    gates, by_state = (torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in ((5, 3, 24, 1500), (5, 24, 8)))
    within = torch.randn(5, 8, 1, generator=rng, dtype=torch.float64)
    inputs = [part.requires_grad_() for part in (gates, by_state, within)]
    together = torch.autograd.grad(differentiable_gru(*inputs).square().sum(), inputs)
    for model in range(5):
        alone = [part[model : model + 1].detach().requires_grad_() for part in inputs]
        for one, all_of_them in zip(torch.autograd.grad(differentiable_gru(*alone).square().sum(), alone), together, strict=True):
            np.testing.assert_allclose(one[0], all_of_them[model], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_windows_in_training_answer_as_the_series_in_prediction(kind: NetworkKind, make_network: PlanMaker) -> None:
    plan = make_network(kind, hidden=(5, 3), lookback=4)
    model = network_model(plan, CPU)
    rng = np.random.default_rng(2)
    arrays = {n: torch.from_numpy(np.stack([a, a * 0.5])) for n, a in first_arrays(model, rng).items()}
    series = torch.from_numpy(rng.random((2, 50, 4)))
    at = torch.tensor([[3, 20, 49], [53, 60, 99]])
    lags = torch.arange(1 - plan.lookback, 1)[:, None]
    windows = series.flatten(0, 1)[at[:, None] + lags]
    np.testing.assert_allclose(model.of_windows(arrays, windows), model.of_series(arrays, series, at), rtol=1e-12)


def test_an_mlp_learns_a_planted_exclusive_or(make_network: PlanMaker, make_task: TaskMaker) -> None:
    plan, task = make_network("fuzzy_mlp", hidden=(8,), epochs=40, learning_rate=0.03), make_task(1)
    (result,) = fit_population(plan, [task])
    report = compare_with_baselines(plan, result.weights, task)
    assert report.model_loss < 0.6 * report.linear_loss
    assert report.model_accuracy > 0.85
    assert report.model_loss < min(report.zero_loss, report.majority_loss, report.linear_loss)
    assert result.stop_loss == pytest.approx(report.model_loss, rel=1e-9)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_network_learns_what_lies_three_bars_back_and_an_mlp_cannot(
    kind: NetworkKind, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    task = make_task(1, 900, 250)
    y = np.full(len(task.y), np.nan)
    y[3:] = np.sign(task.x[:-3, 0] - 50)
    delayed = replace(task, y=y)
    plan = make_network(kind, epochs=30, learning_rate=0.03, batch_size=64)
    (result,) = fit_population(plan, [delayed])
    (blind,) = fit_population(make_network("fuzzy_mlp", epochs=10), [delayed])
    report = compare_with_baselines(plan, result.weights, delayed)
    assert result.stop_loss < 0.15
    assert report.model_loss == pytest.approx(result.stop_loss, rel=1e-9)
    assert report.model_accuracy > 0.9
    assert blind.stop_loss > 0.45


@pytest.mark.parametrize("kind", NETWORK_KINDS)
@pytest.mark.parametrize(("trainable", "dropout"), [(("network",), 0.3), (("network", "sets"), 0.0)])
def test_a_population_of_networks_gives_each_member_what_it_gets_alone(
    kind: NetworkKind, trainable: tuple[Trainable, ...], dropout: float, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    plan = make_network(kind, trainable=trainable, dropout=dropout, hidden=(5, 3), epochs=8, patience=2, learning_rate=0.05, batch_size=64)
    tasks = [make_task(seed, n_train, n_stop) for seed, n_train, n_stop in ((1, 300, 80), (2, 130, 40), (3, 400, 14), (4, 50, 90))]
    together = fit_population(plan, tasks)
    for task, result in zip(tasks, together, strict=True):
        _assert_same(result, fit_population(plan, [task])[0], rtol=1e-7)


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_two_fits_of_networks_are_equal_to_the_bit_and_the_seed_matters(
    kind: NetworkKind, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    plan = make_network(kind, dropout=0.2, trainable=("network", "sets"), epochs=2)
    tasks = [make_task(1, 200, 50), make_task(2, 150, 50)]
    first, second = fit_population(plan, tasks), fit_population(plan, tasks)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.history, other.history)
        assert all(np.array_equal(one.weights[name], other.weights[name], equal_nan=True) for name in one.weights)
    (reseeded,) = fit_population(plan, [replace(tasks[0], seed=77)])
    assert not np.array_equal(reseeded.weights["output_weight"], first[0].weights["output_weight"])


def test_sets_move_only_where_they_are_trained_and_stay_in_order(make_network: PlanMaker, make_task: TaskMaker) -> None:
    cornered = (
        SetPlan(0, "low", "trapezoid", (40.0, 42.0, 47.0, 50.0)),
        SetPlan(0, "mid", "bell", (50.0, 2.0, 1.5)),
        SetPlan(1, "high", "triangle", (48.0, 52.0, 58.0)),
    )
    task = make_task(1, 300, 80)
    task = replace(task, y=np.sign(task.x[:, 0] - 49) + (task.x[:, 1] - 50) / 6)
    fixed = replace(make_network("fuzzy_mlp", epochs=6, learning_rate=0.05), sets=cornered)
    (still,) = fit_population(fixed, [task])
    np.testing.assert_allclose(still.weights["sets"][0], cornered[0].params, rtol=1e-12)
    (moved,) = fit_population(replace(fixed, trainable=("network", "sets")), [task])
    sets = moved.weights["sets"]
    assert np.abs(sets[0] - cornered[0].params).max() > 0.01
    assert (np.diff(sets[0]) > 0).all()
    assert (np.diff(sets[2, :3]) > 0).all()
    assert (sets[1, 1:3] > 0).all()
    assert moved.stop_loss != still.stop_loss


def test_a_recurrent_network_answers_only_where_its_whole_window_is_complete(make_network: PlanMaker) -> None:
    plan = make_network("fuzzy_gru", lookback=4)
    weights, x = _weights(plan), np.random.default_rng(3).standard_normal((30, 2)) + 50
    holed = x.copy()
    holed[10, 1] = np.nan
    found, whole = predict_signal(plan, weights, holed), predict_signal(plan, weights, x)
    assert np.flatnonzero(np.isnan(found)).tolist() == [0, 1, 2, 10, 11, 12, 13]
    np.testing.assert_allclose(found[14:], whole[14:], rtol=1e-12)
    np.testing.assert_allclose(predict_signal(plan, weights, x[:20]), whole[:20], rtol=1e-12)  # no later row matters
    np.testing.assert_allclose(predict_signal(plan, weights, x[16:])[-1], whole[-1], rtol=1e-12)  # nor one before the window
    assert np.isnan(predict_signal(plan, weights, x[:3])).all()
    assert predict_signal(plan, weights, x[:0]).shape == (0,)


def test_rows_without_a_complete_window_are_not_learned_from(make_network: PlanMaker, make_task: TaskMaker) -> None:
    plan, task = make_network("fuzzy_lstm", lookback=3, epochs=2), make_task(1, 200, 60)
    holed = task.x.copy()
    holed[50] = np.nan
    kept = np.setdiff1d(np.arange(200), [0, 1, 50, 51, 52])
    (found,) = fit_population(plan, [replace(task, x=holed)])
    _assert_same(found, fit_population(plan, [replace(task, train_rows=kept)])[0], rtol=1e-9)
    with pytest.raises(InsufficientBarsError, match="28 usable training rows of 30"):
        fit_population(plan, [replace(task, train_rows=np.arange(30))])


def test_dropout_is_drawn_in_training_alone(make_network: PlanMaker, make_task: TaskMaker) -> None:
    task = make_task(1, 300, 80)
    dropped = make_network("fuzzy_mlp", hidden=(8,), dropout=0.5, epochs=3)
    whole = replace(dropped, network=NetworkPlan((8,), 1, 0.0))
    (first,) = fit_population(dropped, [task])
    (second,) = fit_population(whole, [task])
    np.testing.assert_array_equal(first.history[0], second.history[0])  # before training neither drops anything
    assert first.history[1, 0] > second.history[1, 0]
    assert not np.array_equal(first.weights["output_weight"], second.weights["output_weight"])
    np.testing.assert_array_equal(predict_output(dropped, first.weights, task.x), predict_output(whole, first.weights, task.x))
    assert compare_with_baselines(dropped, first.weights, task).model_loss == pytest.approx(first.stop_loss, rel=1e-9)


def test_long_series_are_answered_in_chunks_as_if_in_one(make_network: PlanMaker) -> None:
    plan = make_network("fuzzy_lstm", hidden=(256,), lookback=2)
    weights, x = _weights(plan), np.random.default_rng(4).standard_normal((16_500, 2)) + 50
    found = predict_output(plan, weights, x)
    np.testing.assert_allclose(found[16_300:], predict_output(plan, weights, x[16_299:])[1:], rtol=1e-10)


def test_the_weights_of_another_kind_or_size_do_not_fit(make_network: PlanMaker) -> None:
    x = np.full((5, 2), 50.0)
    gru = make_network("fuzzy_gru")
    for other in (make_network("fuzzy_lstm"), make_network("fuzzy_mlp"), make_network("fuzzy_gru", hidden=(7,))):
        with pytest.raises(ArtifactError, match="do not fit strategy ffffffffffff"):
            predict_signal(gru, _weights(other), x)


@pytest.mark.parametrize("kind", NETWORK_KINDS)
def test_the_influence_of_a_set_is_what_a_small_move_of_its_membership_does(kind: NetworkKind, make_network: PlanMaker) -> None:
    plan = make_network(kind, lookback=3)
    weights, x = _weights(plan), np.random.default_rng(5).standard_normal((20, 2)) * 3 + 50
    holed = x.copy()
    holed[4] = np.nan
    influences = describe_sets(plan, weights, holed, np.array([4, 9, 15]))
    model = network_model(plan, CPU)
    arrays = {name: torch.from_numpy(weights[name])[None] for name, _ in model.layout}
    memberships = torch.from_numpy(_memberships(plan, x))[None]
    at = torch.tensor([[9, 15]])
    for index, found in enumerate(influences):
        step = torch.zeros(4, dtype=torch.float64)
        step[index] = 1e-6
        change = model.of_series(arrays, memberships + step, at) - model.of_series(arrays, memberships - step, at)
        slope = change[0].numpy() / 2e-6
        assert found.effect == pytest.approx(np.abs(slope).mean(), rel=1e-6)
        assert found.lean == pytest.approx(slope.mean(), rel=1e-6)
        assert (found.set.feature, found.set.name) == (f"x{index // 2}", ("low", "high")[index % 2])
    assert sum(found.share for found in influences) == pytest.approx(1.0)
    with pytest.raises(InsufficientBarsError, match="none of 1 rows"):
        describe_sets(plan, weights, holed, np.array([4]))
