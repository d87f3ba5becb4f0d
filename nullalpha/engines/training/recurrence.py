"""The recurrent layers of a population, with their gradients by hand: half the time of recording every operation of every step.

Members are side by side in the leading dimension. Rows come last here, so that each gate of each member is one stretch of memory. A
step's gates are what its row adds to them (inputs times their weights, plus biases).
Source: Werbos (1990), Proc. IEEE 78(10), for the way back through time; the cells as in `nullalpha.strategy.network_size`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

GatesAt = Callable[[int], Tensor]
_CACHED_NUMBERS = 2**14
"""States of a step, of all models that walk together; a step touches some thirty times as many numbers."""


def gru_state(gates_at: GatesAt, n_steps: int, by_state: Tensor, within: Tensor, kept: list[tuple[Tensor, ...]] | None = None) -> Tensor:
    """Return (models, units, rows) the last state of a GRU that starts at zero.

    Args:
        gates_at: (models, 3 units, rows) of a step: reset, update, new.
        n_steps: how many there are.
        by_state: (models, 3 units, units) weights of the state.
        within: (models, units, 1) bias of the state's part in `new`, inside the reset.
        kept: gets (state before, reset and update, new, state's part in new) of each step.
    """
    units = by_state.shape[2]
    state = torch.zeros_like(gates_at(0)[:, :units])
    for step in range(n_steps):
        outer = gates_at(step)
        inner = torch.bmm(by_state, state)
        opened = _logistic_(outer[:, : 2 * units] + inner[:, : 2 * units])
        inner_new = inner[:, 2 * units :] + within
        new = torch.addcmul(outer[:, 2 * units :], opened[:, :units], inner_new).tanh_()
        if kept is not None:
            kept.append((state, opened, new, inner_new))
        state = torch.lerp(new, state, opened[:, units:])
    return state


def lstm_state(gates_at: GatesAt, n_steps: int, by_state: Tensor, kept: list[tuple[Tensor, ...]] | None = None) -> Tensor:
    """Return (models, units, rows) the last state of an LSTM that starts at zero.

    Args:
        gates_at: (models, 4 units, rows) of a step: input, forget, output, candidate.
        n_steps: how many there are.
        by_state: (models, 4 units, units) weights of the state.
        kept: gets (state before, cell before, the gates once opened, tanh of the cell) of each step.
    """
    units = by_state.shape[2]
    state = cell = torch.zeros_like(gates_at(0)[:, :units])
    for step in range(n_steps):
        gates = torch.baddbmm(gates_at(step), by_state, state)
        _logistic_(gates[:, : 3 * units])
        gates[:, 3 * units :].tanh_()
        into, keep, out, candidate = torch.split(gates, units, dim=1)
        before, cell_before = state, cell
        cell = (into * candidate).addcmul_(keep, cell_before)
        squashed = torch.tanh(cell)
        if kept is not None:
            kept.append((before, cell_before, gates, squashed))
        state = out * squashed
    return state


class _Gru(torch.autograd.Function):
    """Last state of a GRU from gates (models, steps, 3 units, rows), `by_state` and `within`."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, by_state: Tensor, within: Tensor) -> Tensor:
        ctx.save_for_backward(by_state)
        ctx.kept = []
        states = []
        for part in _groups(gates, by_state):
            ctx.kept.append((part, []))
            states.append(gru_state(gates[part].unbind(1).__getitem__, gates.shape[1], by_state[part], within[part], ctx.kept[-1][1]))
        return torch.cat(states)

    @staticmethod
    def backward(ctx: Any, *by_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (by_state,) = ctx.saved_tensors
        models, units, rows = by_outputs[0].shape
        to_gates = by_state.new_empty(models, len(ctx.kept[0][1]), 3 * units, rows)
        to_weights, to_within = torch.zeros_like(by_state), by_state.new_zeros(models, units, 1)
        for part, kept in ctx.kept:
            _gru_back(by_outputs[0][part], kept, by_state[part], (to_gates[part], to_weights[part], to_within[part]))
        return to_gates, to_weights, to_within


def _gru_back(by: Tensor, kept: list[tuple[Tensor, ...]], by_state: Tensor, into: tuple[Tensor, Tensor, Tensor]) -> None:
    """Fill the gradients of gates, weights and inner bias from `by` (models, units, rows), that of the last state."""
    to_gates, to_weights, to_within = into
    units, weights = by.shape[1], by_state.transpose(1, 2)
    to_inner = torch.empty_like(to_gates[:, 0])
    to_reset, to_update, to_new = torch.split(to_inner, units, dim=1)
    for step in range(len(kept) - 1, -1, -1):
        state, opened, new, inner_new = kept[step]
        reset, update = opened[:, :units], opened[:, units:]
        torch.mul(by - by * update, 1 - new * new, out=to_new)
        torch.mul(by, state - new, out=to_update)
        torch.mul(to_new, inner_new, out=to_reset)
        to_inner[:, : 2 * units] *= opened - opened * opened  # slope of the logistic function
        to_gates[:, step] = to_inner
        to_new *= reset
        to_weights.baddbmm_(to_inner, state.transpose(1, 2))
        to_within += to_new.sum(dim=2, keepdim=True)
        by = torch.baddbmm(by * update, weights, to_inner)


class _Lstm(torch.autograd.Function):
    """Last state of an LSTM from gates (models, steps, 4 units, rows) and `by_state`."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, by_state: Tensor) -> Tensor:
        ctx.save_for_backward(by_state)
        ctx.kept = []
        states = []
        for part in _groups(gates, by_state):
            ctx.kept.append((part, []))
            states.append(lstm_state(gates[part].unbind(1).__getitem__, gates.shape[1], by_state[part], ctx.kept[-1][1]))
        return torch.cat(states)

    @staticmethod
    def backward(ctx: Any, *by_outputs: Tensor) -> tuple[Tensor, Tensor]:
        (by_state,) = ctx.saved_tensors
        models, units, rows = by_outputs[0].shape
        to_gates = by_state.new_empty(models, len(ctx.kept[0][1]), 4 * units, rows)
        to_weights = torch.zeros_like(by_state)
        for part, kept in ctx.kept:
            _lstm_back(by_outputs[0][part], kept, by_state[part], (to_gates[part], to_weights[part]))
        return to_gates, to_weights


def _lstm_back(by: Tensor, kept: list[tuple[Tensor, ...]], by_state: Tensor, into: tuple[Tensor, Tensor]) -> None:
    """Fill the gradients of gates and weights from `by` (models, units, rows), that of the last state."""
    to_gates, to_weights = into
    units, weights, by_cell = by.shape[1], by_state.transpose(1, 2), torch.zeros_like(by)
    for step in range(len(kept) - 1, -1, -1):
        state, cell, gates, squashed = kept[step]
        opened, its = gates[:, : 3 * units], to_gates[:, step]
        entered, remembered, out, candidate = torch.split(gates, units, dim=1)
        to_entered, to_remembered, to_out, to_candidate = torch.split(its, units, dim=1)
        by_cell.addcmul_(by * out, 1 - squashed * squashed)
        torch.mul(by, squashed, out=to_out)
        torch.mul(by_cell, candidate, out=to_entered)
        torch.mul(by_cell, cell, out=to_remembered)
        its[:, : 3 * units] *= opened - opened * opened  # slope of the logistic function
        torch.mul(by_cell * entered, 1 - candidate * candidate, out=to_candidate)
        to_weights.baddbmm_(its, state.transpose(1, 2))
        by_cell *= remembered
        by = torch.bmm(weights, its)


def _groups(gates: Tensor, by_state: Tensor) -> list[slice]:
    """Return the models that walk together: on a CPU so few that what a step touches stays in its cache, else all."""
    n_models, units, rows = len(gates), by_state.shape[2], gates.shape[3]
    size = max(1, _CACHED_NUMBERS // (units * rows)) if gates.device.type == "cpu" else n_models
    return [slice(start, start + size) for start in range(0, n_models, size)]


def differentiable_gru(gates: Tensor, by_state: Tensor, within: Tensor) -> Tensor:
    """Return (models, units, rows) as `gru_state` does, of gates (models, steps, 3 units, rows)."""
    state: Tensor = _Gru.apply(gates, by_state.to(gates.dtype), within.to(gates.dtype))  # type: ignore[no-untyped-call]
    return state


def differentiable_lstm(gates: Tensor, by_state: Tensor) -> Tensor:
    """Return (models, units, rows) as `lstm_state` does, of gates (models, steps, 4 units, rows)."""
    state: Tensor = _Lstm.apply(gates, by_state.to(gates.dtype))  # type: ignore[no-untyped-call]
    return state


def _logistic_(x: Tensor) -> Tensor:
    """Turn x into 1 / (1 + exp(-x)) in place; through tanh, which is twice as fast in float64 on a CPU."""
    return x.mul_(0.5).tanh_().mul_(0.5).add_(0.5)
