"""Learning of networks: a block of rows from memberships over hidden layers to loss and back, all by hand.

Source: Rumelhart, Hinton & Williams (1986), Nature 323, for the way back.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.engines.training.fused.adam import Moments, SetLimits, free_nb, keep_legible_nb, step_nb
from nullalpha.engines.training.fused.blocks import FAST, ROWS, Float32Array
from nullalpha.engines.training.fused.layers import add_parameter_slopes_nb, input_slopes_nb, layer_outputs_nb
from nullalpha.engines.training.fused.losses import LossNumbers, block_loss_nb
from nullalpha.engines.training.fused.maths import ONE, ZERO, exp_nb, tanh_nb
from nullalpha.engines.training.fused.network_table import GROUP, GRU, MLP, Int64Array, NetworkTable, NetworkWork, empty_work_nb
from nullalpha.engines.training.fused.recurrent import gru_backward_nb, gru_forward_nb, lstm_backward_nb, lstm_forward_nb
from nullalpha.engines.training.fused.rows import MemberRows, gather_nb, take_block_nb
from nullalpha.engines.training.fused.sets import add_set_slopes_nb, log_memberships_nb


@njit(nogil=True, cache=True, error_model="numpy")
def network_epoch_nb(
    table: NetworkTable,
    rows: MemberRows,
    order: Int64Array,
    draws: NDArray[np.float64],
    batch: int,
    loss: LossNumbers,
    moments: Moments,
    limits: SetLimits,
    rate: float,
    clip_norm: float,
) -> float:
    """Take a member once through its rows in an order, batch by batch; return the mean loss, each row's before its step.

    Args:
        table, rows, loss, limits: of the member.
        order: (n_rows,) indices into its rows.
        draws: (n_rows, n_hidden) in 0..1 for each row of `order`: a unit is dropped whose number is below the dropout; without
            dropout (n_rows, 0).
        batch: rows of a step; the last has what is left.
        moments: moved.
        rate: of learning.
        clip_norm: see `step_nb`.
    """
    work, gradient = empty_work_nb(table, GROUP), np.zeros_like(moments.parameters)
    position, held = np.empty(len(limits.location), np.float32), np.empty(len(limits.location), np.float32)
    total = 0.0
    for first in range(0, len(order), batch):
        last = min(first + batch, len(order))
        gradient[:] = ZERO
        for place, start in enumerate(range(first, last, ROWS)):
            stop, at = min(start + ROWS, last), place % GROUP
            take_block_nb(rows, order, start, stop, 1 / (last - first), work.rows)
            _keep_nb(draws[start:stop], table.dropout, work.kept)
            total += _forward_nb(table, moments.parameters, rows.columns, loss, work, at) * (last - first)
            _backward_nb(table, moments.parameters, work, at, gradient)
            if at == GROUP - 1 or stop == last:
                _add_layer_slopes_nb(table, work, at + 1, gradient)
        free_nb(gradient, limits)
        step_nb(moments, gradient, rate, clip_norm)
        keep_legible_nb(moments.parameters[: len(limits.least)], limits, position, held)
    return total / len(order)


@njit(nogil=True, cache=True, error_model="numpy")
def network_loss_nb(table: NetworkTable, rows: MemberRows, loss: LossNumbers, parameters: Float32Array) -> float:
    """Return the mean loss over all rows, without dropout."""
    work, n_rows = empty_work_nb(table, 1), len(rows.at)
    order = np.arange(n_rows)
    work.kept[:] = ONE
    total = 0.0
    for start in range(0, n_rows, ROWS):
        take_block_nb(rows, order, start, min(start + ROWS, n_rows), 1.0, work.rows)
        total += _forward_nb(table, parameters, rows.columns, loss, work, 0)
    return total / n_rows


@njit(nogil=True, cache=True, error_model="numpy")
def _keep_nb(draws: NDArray[np.float64], dropout: float, kept: Float32Array) -> None:
    """Fill kept (n_hidden, ROWS) from the draws (n, n_hidden) of a block's rows; what is past them repeats the last."""
    factor = np.float32(1 / (1 - dropout))
    for unit in range(len(kept)):
        for row in range(ROWS):
            kept[unit, row] = factor if draws[min(row, len(draws) - 1), unit] >= dropout else ZERO


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _forward_nb(
    table: NetworkTable, parameters: Float32Array, columns: Float32Array, loss: LossNumbers, work: NetworkWork, at: int
) -> float:
    """Return the weighted sum of a block's losses; fill in its slope by the outputs, and what led to them, as the group's block `at`."""
    nodes = work.nodes[at]
    flat, dropped = nodes.reshape(-1), len(work.kept) > 0
    hidden = start = 0
    if table.kind == MLP:
        _read_nb(table, parameters, columns, work, nodes[: table.layers[0, 1]].reshape((1, table.layers[0, 1], ROWS)))
    else:
        _read_nb(table, parameters, columns, work, work.inputs)
        hidden = table.layers[0, 1]
        own, state = parameters[table.recurrent[0] : table.recurrent[1]], nodes[:hidden]
        if table.kind == GRU:
            gru_forward_nb(work.inputs, own, state, work.work)
        else:
            lstm_forward_nb(work.inputs, own, state, work.work)
        if dropped:
            _multiply_nb(state, work.kept)
    for layer in range(len(table.layers)):
        first, n_inputs, units = table.layers[layer]
        inputs, start = flat[start * ROWS :], start + n_inputs + 1
        layer_outputs_nb(parameters[first:], (n_inputs, units), inputs, flat[start * ROWS :])
        if layer < len(table.layers) - 1:
            values = flat[start * ROWS : (start + units) * ROWS]
            for value in range(len(values)):
                values[value] = tanh_nb(values[value])
            if dropped:
                _multiply_nb(nodes[start : start + units], work.kept[hidden:])
            hidden += units
    return block_loss_nb(loss, nodes[-1], work.rows.label, work.rows.cost, work.rows.weight, work.slopes[at, -1])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _read_nb(table: NetworkTable, parameters: Float32Array, columns: Float32Array, work: NetworkWork, inputs: Float32Array) -> None:
    """Fill inputs (lookback, n_sets, ROWS) with the memberships of the rows' windows, oldest first."""
    for step in range(table.lookback):
        lag = table.lookback - 1 - step
        if table.train_sets:
            gather_nb(columns, work.rows.at, lag, work.x[step])
            log_memberships_nb(table.sets, parameters, work.x[step], work.log_truth[step])
            log_truth, its = work.log_truth[step].reshape(-1), inputs[step].reshape(-1)
            for at in range(len(its)):
                its[at] = exp_nb(log_truth[at])
        else:
            gather_nb(columns, work.rows.at, lag, inputs[step])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _backward_nb(table: NetworkTable, parameters: Float32Array, work: NetworkWork, at: int, gradient: Float32Array) -> None:
    """Fill the slopes of the nodes of the group's block `at`; add to the gradient what sets and a recurrent layer have of it."""
    nodes, slopes, dropped = work.nodes[at], work.slopes[at], len(work.kept) > 0
    flat, flat_slopes = nodes.reshape(-1), slopes.reshape(-1)
    middle, hidden, remains = len(nodes) - 1, len(work.kept), np.float32(1 - table.dropout)
    for layer in range(len(table.layers) - 1, -1, -1):
        first, n_inputs, units = table.layers[layer]
        start = middle - n_inputs - 1
        if layer == 0 and table.kind == MLP and not table.train_sets:
            return
        input_slopes_nb(parameters[first:], (n_inputs, units), flat_slopes[middle * ROWS :], flat_slopes[start * ROWS :])
        hidden -= n_inputs
        if dropped and hidden >= 0:
            _multiply_nb(slopes[start : start + n_inputs], work.kept[hidden:])
        if layer > 0:
            last = (start + n_inputs) * ROWS
            values, its = flat[start * ROWS : last], flat_slopes[start * ROWS : last]
            for value in range(len(values)):
                squashed = values[value] * remains
                its[value] *= ONE - squashed * squashed
        middle = start
    n_read = table.layers[0, 1]
    if table.kind == MLP:
        _add_sets_nb(
            table, parameters, work, nodes[:n_read].reshape((1, n_read, ROWS)), slopes[:n_read].reshape((1, n_read, ROWS)), gradient
        )
        return
    own, by_own = parameters[table.recurrent[0] : table.recurrent[1]], gradient[table.recurrent[0] : table.recurrent[1]]
    if table.kind == GRU:
        gru_backward_nb(work.inputs, own, slopes[:n_read], by_own, work.by_inputs, work.work)
    else:
        lstm_backward_nb(work.inputs, own, slopes[:n_read], by_own, work.by_inputs, work.work)
    if table.train_sets:
        _add_sets_nb(table, parameters, work, work.inputs, work.by_inputs, gradient)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _add_sets_nb(
    table: NetworkTable, parameters: Float32Array, work: NetworkWork, inputs: Float32Array, by_inputs: Float32Array, gradient: Float32Array
) -> None:
    """Add the slopes of the sets' code to the gradient from those of memberships (lookback, n_sets, ROWS), which are used up."""
    for step in range(table.lookback):
        its, by_its = inputs[step].reshape(-1), by_inputs[step].reshape(-1)
        for at in range(len(its)):
            by_its[at] *= its[at]
        add_set_slopes_nb(table.sets, parameters, work.x[step], work.log_truth[step], by_inputs[step], gradient)


@njit(nogil=True, cache=True, error_model="numpy")
def _add_layer_slopes_nb(table: NetworkTable, work: NetworkWork, n_blocks: int, gradient: Float32Array) -> None:
    """Add the slopes of the dense layers' weights and biases over the group's first blocks."""
    nodes, slopes, start = work.nodes.reshape(-1), work.slopes.reshape(-1), 0
    blocks = n_blocks, work.nodes.shape[1] * ROWS
    for layer in range(len(table.layers)):
        first, n_inputs, units = table.layers[layer]
        inputs, start = nodes[start * ROWS :], start + n_inputs + 1
        add_parameter_slopes_nb(inputs, slopes[start * ROWS :], blocks, (n_inputs, units), gradient[first:])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _multiply_nb(columns: Float32Array, factors: Float32Array) -> None:
    """Multiply columns (n, ROWS) by the first n of the factors."""
    for column in range(len(columns)):
        for row in range(ROWS):
            columns[column, row] *= factors[column, row]
