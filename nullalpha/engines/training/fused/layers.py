"""A dense layer on a block of rows: its outputs, and the slopes of its parameters and inputs.

Everything is flat: columns of `ROWS` numbers one after the other. A layer's parameters are its weights, row-major (n_inputs, units), and
right after them its biases, which weigh a column of ones right after the inputs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nullalpha.engines.training.fused.blocks import ROWS, Float32Array
from nullalpha.engines.training.fused.tiles import add_outputs_nb, add_weight_slopes_nb


@njit(nogil=True, cache=True, error_model="numpy")
def layer_outputs_nb(parameters: Float32Array, shape: tuple[int, int], inputs: Float32Array, outputs: Float32Array) -> None:
    """Fill each unit's column with its bias and the inputs' columns times their weights.

    Args:
        parameters: the layer's, from the first on.
        shape: inputs, units.
        inputs: ((n_inputs + 1) x ROWS) at least, the last of these columns ones.
        outputs: (units x ROWS) at least, overwritten.
    """
    n_inputs, units = shape
    outputs[: units * ROWS] = np.float32(0)
    add_outputs_nb(parameters, (1, units), (units, n_inputs + 1), inputs, outputs)


@njit(nogil=True, cache=True, error_model="numpy")
def add_parameter_slopes_nb(
    inputs: Float32Array, by_outputs: Float32Array, blocks: tuple[int, int], shape: tuple[int, int], by_parameters: Float32Array
) -> None:
    """Add the slopes of a layer's parameters over the rows of several blocks, whose sums are then taken together.

    Args:
        inputs, by_outputs: columns of the first block's inputs, and ones, and of its outputs' slopes.
        blocks: how many, and numbers from one to the next.
        shape: inputs, units.
        by_parameters: from the layer's first on, added to.
    """
    (n_blocks, apart), (n_inputs, units) = blocks, shape
    add_weight_slopes_nb(inputs, by_outputs, (n_blocks, apart, apart), (n_inputs + 1, units), units, by_parameters)


@njit(nogil=True, cache=True, error_model="numpy")
def input_slopes_nb(parameters: Float32Array, shape: tuple[int, int], by_outputs: Float32Array, by_inputs: Float32Array) -> None:
    """Fill each input's column of slopes from those of the outputs; arguments as of `layer_outputs_nb`."""
    n_inputs, units = shape
    by_inputs[: n_inputs * ROWS] = np.float32(0)
    add_outputs_nb(parameters, (units, 1), (n_inputs, units), by_outputs, by_inputs)
