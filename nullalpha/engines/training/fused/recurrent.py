"""The recurrent layers of a block of rows and their slopes, back through all steps of a window, by hand.

Conventions, and what each argument is: `nullalpha.engines.training.fused`. The work of a GRU holds, of every step, its gates (reset,
update, new) side by side, the state's part in the new gate, and the state before; that of an LSTM its gates (input, forget, output,
candidate), the tanh of its cell, and state and cell before. Going back, the slopes of gates take the gates' place.
Source: Werbos (1990), Proc. IEEE 78(10), for the way back through time; the cells as in `nullalpha.strategy.network_size`.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from nullalpha.engines.training.fused.blocks import ROWS, Float32Array
from nullalpha.engines.training.fused.maths import ONE, ZERO
from nullalpha.engines.training.fused.recurrent_cells import (
    answer_back_nb,
    answer_nb,
    blend_back_nb,
    blend_nb,
    enter_back_nb,
    keep_back_nb,
    open_nb,
    remember_nb,
    renew_back_nb,
    renew_nb,
)
from nullalpha.engines.training.fused.tiles import add_outputs_nb, add_weight_slopes_nb

_CACHE_LINE, _BYTES = 64, 4
_GRU_GATES, _LSTM_GATES = 3, 4


class _Sizes(NamedTuple):
    """Sizes of a layer: steps, inputs, units, gates, and numbers of a layer's state (units x ROWS)."""

    lookback: int
    n_sets: int
    units: int
    gates: int
    layer: int


class _Kept(NamedTuple):
    """Parts of a workspace, flat.

    Attributes:
        ones: (ROWS,), the input that biases weigh.
        states: (lookback + 1, units, ROWS) before each step and after the last.
        gates: (lookback, gates x units, ROWS).
        inner: (lookback, units, ROWS) of a GRU the state's part in the new gate, of an LSTM the tanh of the cell.
        cells: (lookback + 1, units, ROWS) as `states`; empty for a GRU.
        by_cell: (units, ROWS) slopes of the cell; empty for a GRU.
    """

    ones: Float32Array
    states: Float32Array
    gates: Float32Array
    inner: Float32Array
    cells: Float32Array
    by_cell: Float32Array


@njit(nogil=True, cache=True)
def gru_numbers(lookback: int, n_sets: int, units: int) -> int:
    """Return the numbers that the work of a GRU takes."""
    return ROWS + (5 * lookback + 1) * units * ROWS + _CACHE_LINE // _BYTES


@njit(nogil=True, cache=True)
def lstm_numbers(lookback: int, n_sets: int, units: int) -> int:
    """Return the numbers that the work of an LSTM takes."""
    return ROWS + (7 * lookback + 3) * units * ROWS + _CACHE_LINE // _BYTES


@njit(nogil=True, cache=True, error_model="numpy")
def gru_forward_nb(inputs: Float32Array, parameters: Float32Array, state: Float32Array, work: Float32Array) -> None:
    """Fill state (units, ROWS) with a GRU's last one."""
    sizes = _sizes_nb(inputs, state, _GRU_GATES)
    kept, layer, units, width = _kept_nb(work, sizes, False), sizes.layer, sizes.units, _GRU_GATES * sizes.units
    by_input, by_state, bias = _parts_nb(parameters, sizes)
    rows = inputs.reshape(-1)
    kept.states[:layer] = ZERO
    for step in range(sizes.lookback):
        before, after = kept.states[step * layer : (step + 1) * layer], kept.states[(step + 1) * layer : (step + 2) * layer]
        gates, inner = kept.gates[step * 3 * layer : (step + 1) * 3 * layer], kept.inner[step * layer : (step + 1) * layer]
        _begin_nb(bias[:width], gates)
        _begin_nb(bias[width:], inner)
        add_outputs_nb(by_input, (1, width), (width, sizes.n_sets), rows[step * sizes.n_sets * ROWS :], gates)
        if step > 0:
            add_outputs_nb(by_state, (1, width), (2 * units, units), before, gates)
            add_outputs_nb(by_state[2 * units :], (1, width), (units, units), before, inner)
        open_nb(gates[: 2 * layer])
        renew_nb(gates[:layer], inner, gates[2 * layer :])
        blend_nb(gates[layer : 2 * layer], gates[2 * layer :], before, after)
    state.reshape(-1)[:] = kept.states[sizes.lookback * layer :]


@njit(nogil=True, cache=True, error_model="numpy")
def gru_backward_nb(
    inputs: Float32Array,
    parameters: Float32Array,
    by_state: Float32Array,
    gradient: Float32Array,
    by_inputs: Float32Array,
    work: Float32Array,
) -> None:
    """Add a GRU's slopes to the gradient and fill those of its inputs, from those of its last state, which are overwritten."""
    sizes = _sizes_nb(inputs, by_state, _GRU_GATES)
    kept, layer, units, width = _kept_nb(work, sizes, False), sizes.layer, sizes.units, _GRU_GATES * sizes.units
    _, weight, _ = _parts_nb(parameters, sizes)
    by = by_state.reshape(-1)
    for step in range(sizes.lookback - 1, -1, -1):
        before = kept.states[step * layer : (step + 1) * layer]
        gates, inner = kept.gates[step * 3 * layer : (step + 1) * 3 * layer], kept.inner[step * layer : (step + 1) * layer]
        blend_back_nb(by, gates[layer : 2 * layer], gates[2 * layer :], before)
        renew_back_nb(gates[:layer], inner, gates[2 * layer :])
        if step > 0:
            add_outputs_nb(weight, (width, 1), (units, 2 * units), gates, by)
            add_outputs_nb(weight[2 * units :], (width, 1), (units, units), inner, by)
    _, by_weight, by_bias = _parts_nb(gradient, sizes)
    _add_shared_slopes_nb(inputs, parameters, gradient, by_inputs, kept, sizes)
    later, steps = sizes.lookback - 1, (sizes.lookback - 1, layer, layer)
    add_weight_slopes_nb(kept.states[layer:], kept.gates[3 * layer :], (later, layer, 3 * layer), (units, 2 * units), width, by_weight)
    add_weight_slopes_nb(kept.states[layer:], kept.inner[layer:], steps, (units, units), width, by_weight[2 * units :])
    add_weight_slopes_nb(kept.ones, kept.inner, (sizes.lookback, 0, layer), (1, units), units, by_bias[width:])


@njit(nogil=True, cache=True, error_model="numpy")
def lstm_forward_nb(inputs: Float32Array, parameters: Float32Array, state: Float32Array, work: Float32Array) -> None:
    """Fill state (units, ROWS) with an LSTM's last one."""
    sizes = _sizes_nb(inputs, state, _LSTM_GATES)
    kept, layer, width = _kept_nb(work, sizes, True), sizes.layer, _LSTM_GATES * sizes.units
    by_input, by_state, bias = _parts_nb(parameters, sizes)
    rows = inputs.reshape(-1)
    kept.states[:layer] = ZERO
    kept.cells[:layer] = ZERO
    for step in range(sizes.lookback):
        before, after = kept.states[step * layer : (step + 1) * layer], kept.states[(step + 1) * layer : (step + 2) * layer]
        cell, next_cell = kept.cells[step * layer : (step + 1) * layer], kept.cells[(step + 1) * layer : (step + 2) * layer]
        gates, squashed = kept.gates[step * 4 * layer : (step + 1) * 4 * layer], kept.inner[step * layer : (step + 1) * layer]
        _begin_nb(bias, gates)
        add_outputs_nb(by_input, (1, width), (width, sizes.n_sets), rows[step * sizes.n_sets * ROWS :], gates)
        if step > 0:
            add_outputs_nb(by_state, (1, width), (width, sizes.units), before, gates)
        open_nb(gates[: 3 * layer])
        remember_nb(gates[:layer], gates[layer : 2 * layer], gates[3 * layer :], cell, next_cell)
        answer_nb(gates[2 * layer : 3 * layer], next_cell, squashed, after)
    state.reshape(-1)[:] = kept.states[sizes.lookback * layer :]


@njit(nogil=True, cache=True, error_model="numpy")
def lstm_backward_nb(
    inputs: Float32Array,
    parameters: Float32Array,
    by_state: Float32Array,
    gradient: Float32Array,
    by_inputs: Float32Array,
    work: Float32Array,
) -> None:
    """Add an LSTM's slopes to the gradient and fill those of its inputs, from those of its last state, which are overwritten."""
    sizes = _sizes_nb(inputs, by_state, _LSTM_GATES)
    kept, layer, units, width = _kept_nb(work, sizes, True), sizes.layer, sizes.units, _LSTM_GATES * sizes.units
    _, weight, _ = _parts_nb(parameters, sizes)
    by, by_cell = by_state.reshape(-1), kept.by_cell
    by_cell[:] = ZERO
    for step in range(sizes.lookback - 1, -1, -1):
        cell, squashed = kept.cells[step * layer : (step + 1) * layer], kept.inner[step * layer : (step + 1) * layer]
        gates = kept.gates[step * 4 * layer : (step + 1) * 4 * layer]
        answer_back_nb(by, by_cell, gates[2 * layer : 3 * layer], squashed)
        enter_back_nb(by_cell, gates[:layer], gates[3 * layer :])
        keep_back_nb(by_cell, gates[layer : 2 * layer], cell)
        if step > 0:
            by[:] = ZERO
            add_outputs_nb(weight, (width, 1), (units, width), gates, by)
    _, by_weight, _ = _parts_nb(gradient, sizes)
    _add_shared_slopes_nb(inputs, parameters, gradient, by_inputs, kept, sizes)
    steps = (sizes.lookback - 1, layer, 4 * layer)
    add_weight_slopes_nb(kept.states[layer:], kept.gates[4 * layer :], steps, (units, width), width, by_weight)


@njit(nogil=True, cache=True, error_model="numpy")
def _add_shared_slopes_nb(
    inputs: Float32Array, parameters: Float32Array, gradient: Float32Array, by_inputs: Float32Array, kept: _Kept, sizes: _Sizes
) -> None:
    """Add the slopes of the input weights and of the gates' biases, and fill those of the inputs, from those of the gates."""
    width, apart = sizes.gates * sizes.units, sizes.gates * sizes.layer
    by_weight, _, by_bias = _parts_nb(gradient, sizes)
    steps = (sizes.lookback, sizes.n_sets * ROWS, apart)
    add_weight_slopes_nb(inputs.reshape(-1), kept.gates, steps, (sizes.n_sets, width), width, by_weight)
    add_weight_slopes_nb(kept.ones, kept.gates, (sizes.lookback, 0, apart), (1, width), width, by_bias)
    for step in range(len(by_inputs)):
        its = by_inputs[step].reshape(-1)
        its[:] = ZERO
        add_outputs_nb(parameters, (width, 1), (sizes.n_sets, width), kept.gates[step * apart :], its)


@njit(nogil=True, cache=True)
def _sizes_nb(inputs: Float32Array, state: Float32Array, gates: int) -> _Sizes:
    return _Sizes(inputs.shape[0], inputs.shape[1], len(state), gates, len(state) * ROWS)


@njit(nogil=True, cache=True)
def _parts_nb(parameters: Float32Array, sizes: _Sizes) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Return `recurrent_input`, `recurrent_state` and `recurrent_bias`, each flat."""
    width = sizes.gates * sizes.units
    state_at = sizes.n_sets * width
    bias_at = state_at + sizes.units * width
    return parameters[:state_at], parameters[state_at:bias_at], parameters[bias_at:]


@njit(nogil=True, cache=True, error_model="numpy")
def _kept_nb(work: Float32Array, sizes: _Sizes, with_cell: bool) -> _Kept:
    """Return the parts of a workspace, each beginning at a cache line: a vector that lies across two takes twice as long."""
    at = (-work.ctypes.data // _BYTES) % (_CACHE_LINE // _BYTES)
    lookback, layer = sizes.lookback, sizes.layer
    ones = work[at : at + ROWS]
    ones[:] = ONE
    states_at = at + ROWS
    gates_at = states_at + (lookback + 1) * layer
    inner_at = gates_at + sizes.gates * lookback * layer
    cells_at = inner_at + lookback * layer
    by_cell_at = cells_at + (lookback + 1 if with_cell else 0) * layer
    end = by_cell_at + (layer if with_cell else 0)
    states, gates, inner = work[states_at:gates_at], work[gates_at:inner_at], work[inner_at:cells_at]
    return _Kept(ones, states, gates, inner, work[cells_at:by_cell_at], work[by_cell_at:end])


@njit(nogil=True, cache=True, error_model="numpy")
def _begin_nb(bias: Float32Array, columns: Float32Array) -> None:
    for column in range(len(columns) // ROWS):
        columns[column * ROWS : (column + 1) * ROWS] = bias[column]
