"""A dense layer on a block of rows: its outputs, and the slopes of its weights, biases and inputs.

Everything is flat: columns of `ROWS` numbers one after the other, weights row-major (n_inputs, units).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nullalpha.engines.training.fused.blocks import FAST, ROWS, Float32Array
from nullalpha.engines.training.fused.tiles import add_outputs_nb, add_weight_slopes_nb


@njit(nogil=True, cache=True, error_model="numpy")
def layer_outputs_nb(
    weights: Float32Array, biases: Float32Array, shape: tuple[int, int], inputs: Float32Array, outputs: Float32Array
) -> None:
    """Fill each unit's column with its bias and the inputs' columns times their weights.

    Args:
        weights, biases: from the first on.
        shape: inputs, units.
        inputs: (n_inputs x ROWS) at least.
        outputs: (units x ROWS) at least, overwritten.
    """
    n_inputs, units = shape
    for unit in range(units):
        bias, column = biases[unit], outputs[unit * ROWS : (unit + 1) * ROWS]
        for row in range(ROWS):
            column[row] = bias
    add_outputs_nb(weights, (1, units), (units, n_inputs), inputs, outputs)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def add_parameter_slopes_nb(
    inputs: Float32Array,
    by_outputs: Float32Array,
    blocks: tuple[int, int],
    shape: tuple[int, int],
    by_weights: Float32Array,
    by_biases: Float32Array,
) -> None:
    """Add the slopes of weights and biases over the rows of several blocks, whose sums are then taken together.

    Args:
        inputs, by_outputs: columns of the first block's inputs and of its outputs' slopes.
        blocks: how many, and numbers from one to the next.
        shape: inputs, units.
        by_weights, by_biases: from the first on, added to.
    """
    (n_blocks, apart), (n_inputs, units) = blocks, shape
    add_weight_slopes_nb(inputs, by_outputs, (n_blocks, apart, apart), (n_inputs, units), units, by_weights)
    for unit in range(units):
        total = np.float32(0)
        for block in range(n_blocks):
            first = block * apart + unit * ROWS
            column = by_outputs[first : first + ROWS]
            for row in range(ROWS):
                total += column[row]
        by_biases[unit] += total


@njit(nogil=True, cache=True, error_model="numpy")
def input_slopes_nb(weights: Float32Array, shape: tuple[int, int], by_outputs: Float32Array, by_inputs: Float32Array) -> None:
    """Fill each input's column of slopes from those of the outputs; arguments as of `layer_outputs_nb`."""
    n_inputs, units = shape
    by_inputs[: n_inputs * ROWS] = np.float32(0)
    add_outputs_nb(weights, (units, 1), (n_inputs, units), by_outputs, by_inputs)
