"""Learning of anfis: a block of rows from features to loss and back to the slopes of sets, coefficients and biases, all by hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nullalpha.engines.training.fused.adam import Moments, SetLimits, free_nb, keep_legible_nb, step_nb
from nullalpha.engines.training.fused.blocks import FAST, ROWS, Float32Array
from nullalpha.engines.training.fused.losses import LossNumbers, block_loss_nb
from nullalpha.engines.training.fused.maths import ZERO
from nullalpha.engines.training.fused.rows import BlockRows, Int64Array, MemberRows, aligned_nb, empty_block_nb, gather_nb, take_block_nb
from nullalpha.engines.training.fused.rule_table import RuleTable, join_nb, normalise_nb, unjoin_nb
from nullalpha.engines.training.fused.sets import add_set_slopes_nb, log_memberships_nb
from nullalpha.engines.training.fused.tiles import add_outputs_nb, add_weight_slopes_nb


class _Block(NamedTuple):
    """What a block of rows becomes on its way; each (columns, ROWS) but `output` and `slope`, (ROWS,)."""

    rows: BlockRows
    x: Float32Array
    log_truth: Float32Array
    by_log: Float32Array
    firing: Float32Array
    answers: Float32Array
    output: Float32Array
    slope: Float32Array


@njit(nogil=True, cache=True, error_model="numpy")
def rules_epoch_nb(
    table: RuleTable,
    rows: MemberRows,
    order: Int64Array,
    batch: int,
    loss: LossNumbers,
    moments: Moments,
    limits: SetLimits,
    rate: float,
    clip_norm: float,
) -> float:
    """Take a member once through its rows in an order, batch by batch; return the mean loss, each row's before its step."""
    block, gradient = _empty_nb(table), np.zeros_like(moments.parameters)
    position, kept = np.empty(len(limits.location), np.float32), np.empty(len(limits.location), np.float32)
    total = 0.0
    for first in range(0, len(order), batch):
        last = min(first + batch, len(order))
        gradient[:] = ZERO
        for start in range(first, last, ROWS):
            take_block_nb(rows, order, start, min(start + ROWS, last), 1 / (last - first), block.rows)
            total += _forward_nb(table, moments.parameters, rows.columns, loss, block) * (last - first)
            _backward_nb(table, moments.parameters, block, gradient)
        free_nb(gradient, limits)
        step_nb(moments, gradient, rate, clip_norm)
        keep_legible_nb(moments.parameters[: len(limits.least)], limits, position, kept)
    return total / len(order)


@njit(nogil=True, cache=True, error_model="numpy")
def rules_loss_nb(table: RuleTable, rows: MemberRows, loss: LossNumbers, parameters: Float32Array) -> float:
    """Return the mean loss over all rows."""
    block, n_rows = _empty_nb(table), len(rows.at)
    order = np.arange(n_rows)
    total = 0.0
    for start in range(0, n_rows, ROWS):
        take_block_nb(rows, order, start, min(start + ROWS, n_rows), 1.0, block.rows)
        total += _forward_nb(table, parameters, rows.columns, loss, block)
    return total / n_rows


@njit(nogil=True, cache=True, error_model="numpy")
def firing_nb(table: RuleTable, codes: Float32Array, x: Float32Array) -> Float32Array:
    """Return (n_rules, n_rows) normalised firing from standardised features x (n_features, n_rows)."""
    block, n_rows = _empty_nb(table), x.shape[1]
    block.x[:] = ZERO
    out = np.empty((len(table.outputs), n_rows), np.float32)
    for start in range(0, n_rows, ROWS):
        stop = min(start + ROWS, n_rows)
        block.x[:, : stop - start] = x[:, start:stop]
        _fire_nb(table, codes, block)
        out[:, start:stop] = block.firing[:, : stop - start]
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _fire_nb(table: RuleTable, codes: Float32Array, block: _Block) -> None:
    """Fill in a block's firing from its features."""
    log_memberships_nb(table.sets, codes, block.x, block.log_truth)
    join_nb(table, block.log_truth)
    normalise_nb(table, block.log_truth, block.firing, block.output)


@njit(nogil=True, cache=True, error_model="numpy")
def _empty_nb(table: RuleTable) -> _Block:
    n_columns, n_rules = table.n_leaves + len(table.is_or), len(table.outputs)
    x, log_truth, by_log = aligned_nb(table.n_features), aligned_nb(n_columns), aligned_nb(n_columns)
    answers, row = aligned_nb(n_rules), aligned_nb(2)
    return _Block(empty_block_nb(), x, log_truth, by_log, aligned_nb(n_rules), answers, row[0], row[1])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _forward_nb(table: RuleTable, parameters: Float32Array, columns: Float32Array, loss: LossNumbers, block: _Block) -> float:
    """Return the weighted sum of a block's losses; fill in its slope by the outputs, and what led to them."""
    n_rules, n_features = len(table.outputs), table.n_features
    gather_nb(columns[:n_features], block.rows.at, 0, block.x)
    if table.train_sets:
        _fire_nb(table, parameters, block)
    else:
        gather_nb(columns[n_features:], block.rows.at, 0, block.firing)
    first = len(parameters) - n_rules * (n_features + 1)
    biases = parameters[first + n_rules * n_features :]
    for rule in range(n_rules):
        for row in range(ROWS):
            block.answers[rule, row] = biases[rule]
    add_outputs_nb(parameters[first:], (n_features, 1), (n_rules, n_features), block.x.reshape(-1), block.answers.reshape(-1))
    output = block.output
    for row in range(ROWS):
        output[row] = ZERO
    for rule in range(n_rules):
        firing, answer = block.firing[rule], block.answers[rule]
        for row in range(ROWS):
            output[row] += firing[row] * answer[row]
    return block_loss_nb(loss, output, block.rows.label, block.rows.cost, block.rows.weight, block.slope)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _backward_nb(table: RuleTable, parameters: Float32Array, block: _Block, gradient: Float32Array) -> None:
    """Add a block's slopes to a gradient laid out as the parameters; `answers` and `firing` are used up."""
    n_rules, n_features = len(table.outputs), table.n_features
    first = len(parameters) - n_rules * (n_features + 1)
    output, slope = block.output, block.slope
    for rule in range(n_rules):
        firing, answer = block.firing[rule], block.answers[rule]
        for row in range(ROWS):
            by_answer = slope[row] * firing[row]
            answer[row] = by_answer * (answer[row] - output[row])
            firing[row] = by_answer
    if table.train_consequents:
        by_answers, x = block.firing.reshape(-1), block.x.reshape(-1)
        add_weight_slopes_nb(by_answers, x, (1, 0, 0), (n_rules, n_features), n_features, gradient[first:])
        for rule in range(n_rules):
            total, by_answer = ZERO, block.firing[rule]
            for row in range(ROWS):
                total += by_answer[row]
            gradient[first + n_rules * n_features + rule] += total
    if not table.train_sets:
        return
    block.by_log[:] = ZERO
    for rule in range(n_rules):
        by_rule, by_output = block.by_log[table.outputs[rule]], block.answers[rule]
        for row in range(ROWS):
            by_rule[row] += by_output[row]
    unjoin_nb(table, block.log_truth, block.by_log)
    add_set_slopes_nb(table.sets, parameters, block.x, block.log_truth, block.by_log, gradient)
