"""Recurrent kernels against torch's own layers and against the tensor engine's networks, both with autograd in float64."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple, get_args

import numpy as np
import pytest
import torch

from nullalpha.engines.training.fused.blocks import ROWS
from nullalpha.engines.training.fused.recurrent import (
    gru_backward_nb,
    gru_forward_nb,
    gru_numbers,
    lstm_backward_nb,
    lstm_forward_nb,
    lstm_numbers,
)
from nullalpha.engines.training.losses import LossTerms, element_loss
from nullalpha.engines.training.network import network_model
from nullalpha.strategy.network_size import GATES, network_layout
from nullalpha.strategy.plan import Loss, NetworkKind, NetworkPlan, Plan

PlanMaker = Callable[..., Plan]
RECURRENT: tuple[NetworkKind, ...] = ("fuzzy_gru", "fuzzy_lstm")
LOSSES: tuple[Loss, ...] = get_args(Loss)
KERNELS = {
    "fuzzy_gru": (gru_numbers, gru_forward_nb, gru_backward_nb),
    "fuzzy_lstm": (lstm_numbers, lstm_forward_nb, lstm_backward_nb),
}
LSTM_OF_TORCH = [0, 1, 3, 2]
"""Torch's LSTM has the candidate before the output gate."""


class _Layer(NamedTuple):
    """A layer's numbers, in float32: parameters, memberships (lookback, n_sets, ROWS), slopes of the last state (units, ROWS)."""

    kind: NetworkKind
    parameters: np.ndarray
    inputs: np.ndarray
    by_state: np.ndarray


class _Found(NamedTuple):
    state: np.ndarray
    gradient: np.ndarray
    by_inputs: np.ndarray


def _layer(kind: NetworkKind, lookback: int, n_sets: int, units: int, seed: int = 0) -> _Layer:
    rng = np.random.default_rng(seed)
    layout = network_layout(kind, n_sets, NetworkPlan((units,), lookback, 0.0))
    parameters = 0.4 * rng.standard_normal(sum(prod(shape) for name, shape in layout if "recurrent" in name))
    arrays = parameters, rng.random((lookback, n_sets, ROWS)), rng.standard_normal((units, ROWS))
    return _Layer(kind, *(array.astype(np.float32) for array in arrays))


def _walk(layer: _Layer, *, slopes_of_inputs: bool = True) -> _Found:
    """Forward and back, from a workspace full of NaN and a gradient of ones, which must be added to."""
    numbers, forward, backward = KERNELS[layer.kind]
    lookback, n_sets, _ = layer.inputs.shape
    work = np.full(numbers(lookback, n_sets, len(layer.by_state)), np.nan, np.float32)
    state, gradient = np.full_like(layer.by_state, np.nan), np.ones_like(layer.parameters)
    by_inputs = np.full(layer.inputs.shape if slopes_of_inputs else (0, n_sets, ROWS), np.nan, np.float32)
    forward(layer.inputs, layer.parameters, state, work)
    backward(layer.inputs, layer.parameters, layer.by_state.copy(), gradient, by_inputs, work)
    return _Found(state, gradient - 1, by_inputs)


def _of_torch(layer: _Layer) -> _Found:
    """The same by torch's own layer: blocks of its gates in the order of ours, its second biases where ours has them."""
    n_sets, units, n_gates = layer.inputs.shape[1], len(layer.by_state), GATES[layer.kind]
    theirs = (torch.nn.GRU if layer.kind == "fuzzy_gru" else torch.nn.LSTM)(n_sets, units, dtype=torch.float64)
    order = LSTM_OF_TORCH if layer.kind == "fuzzy_lstm" else [0, 1, 2]
    parameters = torch.tensor(layer.parameters, dtype=torch.float64, requires_grad=True)
    by_input, by_state, bias = torch.split(parameters, [n_sets * n_gates * units, units * n_gates * units, 4 * units])

    def as_theirs(gates: torch.Tensor) -> torch.Tensor:
        return torch.cat([gates[gate * units : (gate + 1) * units] for gate in order])

    inner = torch.zeros(n_gates * units, dtype=torch.float64)
    if layer.kind == "fuzzy_gru":
        inner = torch.cat([inner[: 2 * units], bias[3 * units :]])
    weights = {
        "weight_ih_l0": as_theirs(by_input.reshape(n_sets, -1).T),
        "weight_hh_l0": as_theirs(by_state.reshape(units, -1).T),
        "bias_ih_l0": as_theirs(bias[: n_gates * units]),
        "bias_hh_l0": inner,
    }
    inputs = torch.tensor(layer.inputs, dtype=torch.float64, requires_grad=True)
    states, _ = torch.func.functional_call(theirs, weights, (inputs.transpose(1, 2),))
    state = states[-1].T
    gradient, by_inputs = torch.autograd.grad(state, (parameters, inputs), torch.tensor(layer.by_state, dtype=torch.float64))
    return _Found(state.detach().numpy(), gradient.numpy(), by_inputs.numpy())


def _assert_close(found: np.ndarray, expected: np.ndarray, rtol: float) -> None:
    """Relative to the largest number: slopes that cancel have no digits of their own."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0) <= rtol * np.abs(expected).max(initial=0)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize(
    ("lookback", "n_sets", "units"), [(1, 1, 1), (1, 3, 2), (2, 4, 4), (5, 2, 7), (7, 5, 6), (20, 8, 16), (30, 9, 13), (12, 6, 33)]
)
def test_a_layer_equals_torchs_own_forward_and_back(kind: NetworkKind, lookback: int, n_sets: int, units: int) -> None:
    layer = _layer(kind, lookback, n_sets, units)
    found, expected = _walk(layer), _of_torch(layer)
    np.testing.assert_allclose(found.state, expected.state, atol=1e-6)
    _assert_close(found.gradient, expected.gradient, 1e-5)
    _assert_close(found.by_inputs, expected.by_inputs, 1e-5)


def test_one_step_of_a_gru_by_hand() -> None:
    """One unit, one set: state = (1 - u) n, with u = logistic(0.5 x - 0.2) and n = tanh(0.7 x + 0.1 + r 0.4), r = logistic(0.3 x).

    At x = 1: r = u = logistic(0.3) = 0.5744425; n = tanh(0.8 + 0.4 r) = tanh(1.029777) = 0.7738189; the
    state is 0.4255575 n = 0.3293044. Its slope by the inner bias is 0.4255575 (1 - n^2) r = 0.0980777, in each of the rows.
    """
    parameters = np.array([0.3, 0.5, 0.7, 9.0, 9.0, 9.0, 0.0, -0.2, 0.1, 0.4], np.float32)
    layer = _Layer("fuzzy_gru", parameters, np.ones((1, 1, ROWS), np.float32), np.ones((1, ROWS), np.float32))
    found = _walk(layer)
    np.testing.assert_allclose(found.state, 0.3293044, atol=1e-6)
    np.testing.assert_array_equal(found.gradient[3:6], 0)  # no state before the first step
    np.testing.assert_allclose(found.gradient[9] / ROWS, 0.0980777, rtol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_a_whole_network_equals_the_tensor_engines(kind: NetworkKind, loss: Loss, make_network: PlanMaker) -> None:
    """A dense layer and dropout after the state: its slopes are torch's, all before it ours."""
    plan = make_network(kind, hidden=(11, 5), lookback=9)
    model = network_model(plan, torch.device("cpu"))
    rng = np.random.default_rng(1)
    inputs = rng.random((9, 4, ROWS)).astype(np.float32)
    label = torch.tensor(rng.choice([-1.0, 0.0, 1.0], (1, ROWS)))
    first, last = model.n_set_parameters, model.n_set_parameters + sum(prod(shape) for name, shape in model.layout if "recurrent" in name)
    n_parameters = model.n_set_parameters + sum(prod(shape) for _, shape in model.layout)
    parameters = (0.4 * rng.standard_normal((1, n_parameters))).astype(np.float32)
    dropout = torch.tensor((rng.random((1, ROWS, 16)) >= 0.3) / 0.7)
    terms = LossTerms(loss, *(torch.tensor([[value]], dtype=torch.float64) for value in (0.3, 1.5, 2.0)))
    cost = torch.tensor(rng.random((1, ROWS)) * 0.1)

    flat = torch.tensor(parameters, dtype=torch.float64, requires_grad=True)
    memberships = torch.tensor(inputs, dtype=torch.float64, requires_grad=True)
    _, arrays = model.split(flat)
    output = model.of_windows(arrays, memberships.transpose(1, 2)[None], dropout)
    total = element_loss(output, label, terms, cost).mean()
    expected, by_memberships = torch.autograd.grad(total, (flat, memberships))

    ours = _layer(kind, 9, 4, 11)._replace(parameters=parameters[0, first:last], inputs=inputs)
    state = torch.tensor(_walk(ours).state.T[None], dtype=torch.float64, requires_grad=True)
    later = element_loss(model.answer(arrays, state, dropout), label, terms, cost).mean()
    (by_state,) = torch.autograd.grad(later, state)
    found = _walk(ours._replace(by_state=np.ascontiguousarray(by_state[0].T.numpy(), np.float32)))
    assert later.item() == pytest.approx(total.item(), rel=1e-6)
    _assert_close(found.gradient, expected[0, first:last].numpy(), 1e-5)
    _assert_close(found.by_inputs, by_memberships.numpy(), 1e-5)


@pytest.mark.parametrize("kind", RECURRENT)
def test_slopes_of_inputs_may_be_left_out(kind: NetworkKind) -> None:
    layer = _layer(kind, 4, 3, 5)
    np.testing.assert_array_equal(_walk(layer, slopes_of_inputs=False).gradient, _walk(layer).gradient)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_rows_state_does_not_depend_on_its_companions(kind: NetworkKind) -> None:
    layer = _layer(kind, 6, 3, 5)
    order = np.random.default_rng(2).permutation(ROWS)
    moved = _walk(layer._replace(inputs=np.ascontiguousarray(layer.inputs[:, :, order]), by_state=layer.by_state[:, order].copy()))
    found = _walk(layer)
    np.testing.assert_array_equal(moved.state, found.state[:, order])
    np.testing.assert_array_equal(moved.by_inputs, found.by_inputs[:, :, order])


@pytest.mark.parametrize("kind", RECURRENT)
def test_rows_whose_state_has_no_slope_move_nothing(kind: NetworkKind) -> None:
    layer = _layer(kind, 6, 3, 5)
    layer.by_state[:, 7:] = 0
    other = layer._replace(inputs=layer.inputs.copy())
    other.inputs[:, :, 7:] = 0.5
    np.testing.assert_allclose(_walk(layer).gradient, _walk(other).gradient, atol=1e-5)
    np.testing.assert_array_equal(_walk(layer).by_inputs[:, :, 7:], 0)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_diverged_member_has_no_state(kind: NetworkKind) -> None:
    """One weight that is no number makes its unit none in the first step, and through it every unit in the second."""
    layer = _layer(kind, 3, 2, 5)
    layer.parameters[0] = np.nan
    found = _walk(layer)
    assert np.isnan(found.state).all()
    assert np.isnan(found.gradient).any()


@pytest.mark.parametrize("kind", RECURRENT)
def test_where_a_workspace_begins_changes_nothing(kind: NetworkKind) -> None:
    """Parts of a workspace begin at cache lines wherever it lies; the same numbers come out."""
    layer = _layer(kind, 4, 3, 5)
    numbers, forward, _ = KERNELS[kind]
    size = numbers(4, 3, 5)
    found = []
    for offset in range(0, 17, 3):
        around = np.full(size + 32, 7, np.float32)
        state = np.empty((5, ROWS), np.float32)
        forward(layer.inputs, layer.parameters, state, around[offset : offset + size])
        np.testing.assert_array_equal(around[:offset], 7)
        np.testing.assert_array_equal(around[offset + size :], 7)
        found.append(state)
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])
