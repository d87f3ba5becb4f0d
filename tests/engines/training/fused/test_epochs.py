"""The compiled engine against the tensor engine: the same member, the same steps, up to float32's rounding; and what it owes `Epochs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from nullalpha.engines.training.epochs import Epochs
from nullalpha.engines.training.fused import FusedEpochs, supports
from nullalpha.engines.training.member import member_of
from nullalpha.engines.training.placement import placement
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.tensor_epochs import TensorEpochs
from nullalpha.strategy.plan import NETWORK_KINDS, Condition, Loss, NetworkKind, NetworkPlan, Plan, RulePlan, SetPlan, Trainable

PlanMaker = Callable[..., Plan]
LOSSES: tuple[Loss, ...] = get_args(Loss)
ALONE = np.array([True])
SETS = (
    SetPlan(0, "round", "gaussian", (-0.5, 0.9)),
    SetPlan(0, "flat", "bell", (0.6, 0.8, 1.7)),
    SetPlan(1, "rise", "sigmoid", (0.1, 2.2)),
    SetPlan(1, "fall", "sigmoid", (-0.1, -2.2)),
    SetPlan(2, "peak", "triangle", (-2.0, -0.3, 1.4)),
    SetPlan(2, "plateau", "trapezoid", (-1.0, 0.1, 0.9, 2.5)),
    SetPlan(2, "upright", "trapezoid", (-1.0, -1.0, 0.4, 1.2)),
)


def _is(index: int) -> Condition:
    return Condition("is", index)


def _not(condition: Condition) -> Condition:
    return Condition("not", args=(condition,))


RULES = (
    (Condition("and", args=(_is(0), _is(2))), 0.3, 1.0),
    (Condition("or", args=(_is(1), _is(3), _is(4))), -0.4, 0.7),
    (_not(_is(1)), 0.1, 1.0),
    (Condition("and", args=(_not(_is(0)), Condition("or", args=(_is(5), _is(2))), _not(_is(6)))), 0.2, 1.0),
    (_not(Condition("and", args=(_is(4), _is(2)))), 0.5, 0.4),
    (Condition("or", args=(_is(3), _is(3))), -0.1, 1.0),
    (_is(3), -0.2, 1.0),
)


@pytest.fixture
def anfis(make_plan: PlanMaker) -> PlanMaker:
    """Rules of every kind over sets of every shape."""

    def make(trainable: tuple[Trainable, ...] = ("sets", "consequents"), **training: object) -> Plan:
        plan = make_plan(SETS, [], trainable=trainable, **training)
        return replace(plan, rules=tuple(RulePlan(condition, said, str(at), weight) for at, (condition, said, weight) in enumerate(RULES)))

    return make


@pytest.fixture
def network(make_plan: PlanMaker) -> PlanMaker:
    def make(
        kind: NetworkKind,
        trainable: tuple[Trainable, ...] = ("network",),
        hidden: tuple[int, ...] = (7, 4),
        dropout: float = 0.0,
        **given: object,
    ) -> Plan:
        size = NetworkPlan(hidden, 1 if kind == "fuzzy_mlp" else 5, dropout)
        return replace(make_plan(SETS, [], trainable=trainable, **given), model=kind, network=size)

    return make


def _task(seed: int = 0, n_train: int = 700, n_stop: int = 150) -> FitTask:
    rng = np.random.default_rng(seed)
    n_rows = n_train + n_stop
    x = rng.standard_normal((n_rows, 3)) * (1.0, 20.0, 0.01) + (0.0, 100.0, 0.3)
    z = (x - (0.0, 100.0, 0.3)) / (1.0, 20.0, 0.01)
    y = np.tanh(z[:, 0] * z[:, 1]) + 0.5 * z[:, 2] + 0.3 * rng.standard_normal(n_rows)
    return FitTask(x, y, np.arange(10, n_train), np.arange(n_train, n_rows), seed)


def _in_units(plan: Plan) -> Plan:
    """The plan with its sets where the task's features lie."""
    centre, scale = (0.0, 100.0, 0.3), (1.0, 20.0, 0.01)

    def moved(one: SetPlan) -> SetPlan:
        c, s = centre[one.feature], scale[one.feature]
        first, *rest = one.params
        if one.shape in ("triangle", "trapezoid"):
            return replace(one, params=tuple(c + s * p for p in one.params))
        second = rest[0] / s if one.shape == "sigmoid" else rest[0] * s
        return replace(one, params=(c + s * first, second, *rest[1:]))

    return replace(plan, sets=tuple(moved(one) for one in plan.sets))


def _both(plan: Plan, task: FitTask) -> tuple[FusedEpochs, TensorEpochs]:
    return FusedEpochs([(plan, task)], 1), TensorEpochs([member_of(plan, task)], placement("cpu"))


def _assert_equal(plan: Plan, task: FitTask, *, epochs: int = 6, within: float = 2e-5) -> None:
    """First losses and first step equal to 1e-6, losses after some epochs within `within`: what is asked for is 0.005."""
    plan = _in_units(plan)
    whole = replace(plan, training=replace(plan.training, batch_size=4096))
    fused, tensors = _both(whole, task)
    assert fused.train_loss() == pytest.approx(tensors.train_loss(), abs=1e-6)
    assert fused.stop_loss() == pytest.approx(tensors.stop_loss(), abs=1e-6)
    rate = np.array([1e-3])
    assert fused.learn(ALONE, rate) == pytest.approx(tensors.learn(ALONE, rate), abs=1e-6)
    ours, theirs = fused.weights(0), tensors.weights(0)
    assert list(ours) == list(theirs)
    for name, weights in ours.items():
        assert weights.shape == theirs[name].shape
        unit = 20.0 if name == "sets" else 1.0  # the widest feature's
        np.testing.assert_allclose(weights, theirs[name], rtol=2e-6, atol=1e-6 * unit, err_msg=name)

    fused, tensors = _both(plan, task)
    rates = 0.02 / (1 + np.arange(epochs))
    for rate_now in rates:
        seen = fused.learn(ALONE, np.array([rate_now])), tensors.learn(ALONE, np.array([rate_now]))
        assert seen[0] == pytest.approx(seen[1], abs=within)
    assert fused.train_loss() == pytest.approx(tensors.train_loss(), abs=within)
    assert fused.stop_loss() == pytest.approx(tensors.stop_loss(), abs=within)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("trainable", [("sets", "consequents"), ("sets",), ("consequents",)])
def test_an_anfis_learns_as_by_tensors(anfis: PlanMaker, loss: Loss, trainable: tuple[Trainable, ...]) -> None:
    plan = anfis(trainable, loss=loss, class_band=0.3, focal_gamma=2.0, risk_aversion=1.0, batch_size=100)
    task = _task()
    _assert_equal(plan, replace(task, cost=np.full(len(task.y), 0.05)), epochs=4)


@pytest.mark.parametrize("kind", NETWORK_KINDS)
@pytest.mark.parametrize("trainable", [("network",), ("network", "sets")])
@pytest.mark.parametrize(("hidden", "dropout"), [((7, 4), 0.0), ((7, 4), 0.3), ((6,), 0.3)])
def test_a_network_learns_as_by_tensors(
    network: PlanMaker, kind: NetworkKind, trainable: tuple[Trainable, ...], hidden: tuple[int, ...], dropout: float
) -> None:
    _assert_equal(network(kind, trainable, hidden, dropout), _task(3, 500), epochs=3)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_network_learns_every_loss_as_by_tensors(network: PlanMaker, loss: Loss) -> None:
    plan = network("fuzzy_mlp", loss=loss, class_band=0.3, focal_gamma=1.5, class_weights="balanced", risk_aversion=2.0)
    task = _task(4)
    _assert_equal(plan, replace(task, cost=np.random.default_rng(1).uniform(0, 0.1, len(task.y))))


@pytest.mark.parametrize("loss", ["huber", "cross_entropy"])
def test_sample_weights_and_gaps_count_as_by_tensors(network: PlanMaker, loss: Loss) -> None:
    task = _task(5)
    weight, x = np.random.default_rng(2).uniform(0.2, 3, len(task.y)), task.x.copy()
    weight[[50, 60]], x[100, 1] = np.nan, np.nan
    for plan in (network("fuzzy_mlp", loss=loss, class_weights="balanced"), network("fuzzy_gru", loss=loss)):
        _assert_equal(plan, replace(task, weight=weight, x=x), epochs=3)


@pytest.mark.parametrize("clip_norm", [0.05, 100.0])
def test_gradients_are_shortened_to_the_plans_norm(network: PlanMaker, clip_norm: float) -> None:
    plan = network("fuzzy_mlp", loss="mse", clip_norm=clip_norm)
    task = _task(6)
    _assert_equal(plan, replace(task, y=5 * task.y), epochs=3)


def test_wide_layers_and_sizes_that_no_vector_fits_learn_as_by_tensors(network: PlanMaker) -> None:
    _assert_equal(network("fuzzy_mlp", hidden=(33, 1, 19, 2), batch_size=77), _task(7, 400), epochs=3)


def test_long_training_ends_where_tensors_end(network: PlanMaker, anfis: PlanMaker) -> None:
    for plan in (network("fuzzy_mlp", hidden=(16, 8)), anfis()):
        _assert_equal(plan, _task(8), epochs=60, within=1e-3)


def _mixed(anfis: PlanMaker, network: PlanMaker) -> list[tuple[Plan, FitTask]]:
    plans = [anfis(), network("fuzzy_mlp", dropout=0.2), network("fuzzy_lstm", ("network", "sets")), anfis(("consequents",), loss="mse")]
    return [(_in_units(plan), _task(20 + at, 300 + 50 * at)) for at, plan in enumerate(plans)]


def test_neither_companions_nor_threads_change_a_bit(anfis: PlanMaker, network: PlanMaker) -> None:
    members = _mixed(anfis, network)
    rates = np.array([0.02, 0.01, 0.03, 0.005])
    many, one = FusedEpochs(members, 3), FusedEpochs(members, 1)
    for _ in range(2):
        assert many.learn(np.ones(4, bool), rates).tolist() == one.learn(np.ones(4, bool), rates).tolist()
    for at, member in enumerate(members):
        alone = FusedEpochs([member], 2)
        for _ in range(2):
            alone.learn(ALONE, rates[at : at + 1])
        assert alone.stop_loss()[0] == many.stop_loss()[at]
        for name, weights in alone.weights(0).items():
            np.testing.assert_array_equal(weights, many.weights(at)[name], err_msg=name)


def test_who_is_not_active_stays_as_it_is_to_the_bit(anfis: PlanMaker, network: PlanMaker) -> None:
    members = _mixed(anfis, network)
    epochs = FusedEpochs(members, 2)
    before = epochs.state()
    epochs.learn(np.array([False, True, False, True]), np.full(4, 0.01))
    after = epochs.state()
    assert list(before) == list(after)
    changed = {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"1", "3"}


def test_going_on_from_a_state_is_going_on_to_the_bit(anfis: PlanMaker, network: PlanMaker) -> None:
    members, active, rates = _mixed(anfis, network), np.ones(4, bool), np.full(4, 0.01)
    epochs, resumed = FusedEpochs(members, 1), FusedEpochs(members, 1)
    epochs.learn(active, rates)
    epochs.keep(active)
    epochs.learn(active, rates)
    state = epochs.state()
    kept = {name: array.copy() for name, array in state.items()}
    expected = epochs.learn(active, rates).tolist()
    assert all(np.array_equal(state[name], kept[name]) for name in state)  # a state is a copy
    resumed.restore(state)
    assert resumed.learn(active, rates).tolist() == expected
    for one in (epochs, resumed):
        one.take_best()
    assert resumed.stop_loss().tolist() == epochs.stop_loss().tolist()


def test_the_best_weights_come_back_for_those_that_kept_them(network: PlanMaker) -> None:
    plan = _in_units(network("fuzzy_mlp"))
    epochs = FusedEpochs([(plan, _task(1)), (plan, _task(2))], 1)
    epochs.learn(np.ones(2, bool), np.full(2, 0.01))
    epochs.keep(np.array([True, False]))
    kept, first = epochs.weights(0), FusedEpochs([(plan, _task(2))], 1).weights(0)
    epochs.learn(np.ones(2, bool), np.full(2, 0.01))
    epochs.take_best()
    for name in kept:
        np.testing.assert_array_equal(epochs.weights(0)[name], kept[name])
        np.testing.assert_array_equal(epochs.weights(1)[name], first[name])  # what was never kept is as before training


@pytest.mark.parametrize("kind", ["anfis", "fuzzy_mlp", "fuzzy_gru"])
def test_a_loss_that_is_no_number_is_seen(anfis: PlanMaker, network: PlanMaker, kind: NetworkKind) -> None:
    plan = _in_units(anfis(loss="mse") if kind == "anfis" else network(kind, loss="mse"))
    task = _task(9)
    epochs = FusedEpochs([(plan, replace(task, y=np.where(np.arange(len(task.y)) == 30, 1e30, task.y)))], 1)
    assert not np.isfinite(epochs.train_loss()[0])
    assert not np.isfinite(epochs.learn(ALONE, np.array([0.01]))[0])


@pytest.mark.parametrize("kind", ["anfis", "fuzzy_mlp"])
def test_sets_stay_legible_through_steps_that_are_far_too_long(anfis: PlanMaker, network: PlanMaker, kind: NetworkKind) -> None:
    plan = anfis() if kind == "anfis" else network("fuzzy_mlp", ("sets", "network"))
    _assert_equal(plan, _task(10), epochs=1)
    epochs = FusedEpochs([(_in_units(plan), _task(10))], 1)
    for _ in range(3):
        epochs.learn(ALONE, np.array([1.0]))
    sets = epochs.weights(0)["sets"]
    assert np.isfinite(sets[~np.isnan(sets)]).all()
    assert sets[0, 0] <= sets[1, 0]  # both on the first feature, in the plan's order
    assert (np.diff(sets[5]) > 0).all()  # corners


def test_it_is_an_engine_of_every_kind_that_has_something_to_train(anfis: PlanMaker, network: PlanMaker, make_plan: PlanMaker) -> None:
    assert all(supports(plan) for plan in (anfis(), *(network(kind) for kind in NETWORK_KINDS)))
    assert not supports(make_plan(SETS, [(_is(0), 1.0)], model="rules"))
    assert not supports(make_plan(SETS, [], model="ensemble"))
    engine: Epochs = FusedEpochs([(_in_units(anfis()), _task())], 1)
    assert engine.train_loss().shape == (1,)
