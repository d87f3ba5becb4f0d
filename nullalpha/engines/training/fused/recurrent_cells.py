"""What the cells of recurrent layers do with a step's gates, and back: loops over a whole layer, all arrays (units x ROWS) flat.

Each loop touches few arrays, for the compiler makes vectors of it only where it can tell them apart cheaply. Going back, slopes take the
place of what they are the slopes of.
"""

from __future__ import annotations

from numba import njit

from nullalpha.engines.training.fused.blocks import FAST, Float32Array
from nullalpha.engines.training.fused.maths import ONE, logistic_nb, tanh_nb


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def open_nb(gates: Float32Array) -> None:
    for at in range(len(gates)):
        gates[at] = logistic_nb(gates[at])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def renew_nb(reset: Float32Array, inner: Float32Array, new: Float32Array) -> None:
    for at in range(len(new)):
        new[at] = tanh_nb(new[at] + reset[at] * inner[at])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def renew_back_nb(reset: Float32Array, inner: Float32Array, by_new: Float32Array) -> None:
    """Put the slopes of the reset gate and of the state's part in the new one in their place."""
    for at in range(len(by_new)):
        opened = reset[at]
        reset[at] = by_new[at] * inner[at] * opened * (ONE - opened)
        inner[at] = by_new[at] * opened


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def blend_nb(update: Float32Array, new: Float32Array, before: Float32Array, after: Float32Array) -> None:
    for at in range(len(after)):
        after[at] = new[at] + update[at] * (before[at] - new[at])


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def blend_back_nb(by: Float32Array, update: Float32Array, new: Float32Array, before: Float32Array) -> None:
    """Put the slopes of both gates in their place; of `by` remains what the state before gets directly."""
    for at in range(len(by)):
        slope, share, its = by[at], update[at], new[at]
        update[at] = slope * (before[at] - its) * share * (ONE - share)
        new[at] = slope * (ONE - share) * (ONE - its * its)
        by[at] = slope * share


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def remember_nb(entered: Float32Array, kept: Float32Array, candidate: Float32Array, cell: Float32Array, next_cell: Float32Array) -> None:
    for at in range(len(candidate)):
        candidate[at] = tanh_nb(candidate[at])
    for at in range(len(next_cell)):
        next_cell[at] = entered[at] * candidate[at] + kept[at] * cell[at]


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def answer_nb(out: Float32Array, cell: Float32Array, squashed: Float32Array, state: Float32Array) -> None:
    for at in range(len(state)):
        squashed[at] = tanh_nb(cell[at])
        state[at] = out[at] * squashed[at]


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def answer_back_nb(by: Float32Array, by_cell: Float32Array, out: Float32Array, squashed: Float32Array) -> None:
    """Put the slope of the output gate in its place and add what the cell gets from the state."""
    for at in range(len(by)):
        opened, its = out[at], squashed[at]
        by_cell[at] += by[at] * opened * (ONE - its * its)
        out[at] = by[at] * its * opened * (ONE - opened)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def enter_back_nb(by_cell: Float32Array, entered: Float32Array, candidate: Float32Array) -> None:
    """Put the slopes of the input gate and of the candidate in their place."""
    for at in range(len(by_cell)):
        opened, its = entered[at], candidate[at]
        entered[at] = by_cell[at] * its * opened * (ONE - opened)
        candidate[at] = by_cell[at] * opened * (ONE - its * its)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def keep_back_nb(by_cell: Float32Array, kept: Float32Array, cell: Float32Array) -> None:
    """Put the slope of the forget gate in its place; of `by_cell` remains what the cell before gets."""
    for at in range(len(by_cell)):
        opened = kept[at]
        kept[at] = by_cell[at] * cell[at] * opened * (ONE - opened)
        by_cell[at] *= opened
