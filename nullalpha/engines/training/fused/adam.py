"""A member's step: the gradient clipped, Adam, and sets put back within their rule. As `training.adam`, in float32 and in one pass.

Source: Kingma & Ba (2015), ICLR.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.engines.training.adam import EPSILON, FIRST_DECAY, SECOND_DECAY
from nullalpha.engines.training.fused.blocks import FAST, Float32Array
from nullalpha.engines.training.fused.maths import HALF, ZERO, exp_nb
from nullalpha.engines.training.legible import SetRule

_FIRST, _SECOND, _EPSILON = np.float32(1 - FIRST_DECAY), np.float32(1 - SECOND_DECAY), np.float32(EPSILON)


class Moments(NamedTuple):
    """A member's parameters and Adam's memory of their slopes, each (n_parameters,), and (1,) how many steps it has taken."""

    parameters: Float32Array
    first: Float32Array
    second: Float32Array
    steps: NDArray[np.int64]


class SetLimits(NamedTuple):
    """The arrays of `legible.SetRule` in float32; of sets that are not trained, or of none, all empty."""

    starts: NDArray[np.int64]
    location: NDArray[np.int64]
    gaps: NDArray[np.int64]
    rise: Float32Array
    top: Float32Array
    low: Float32Array
    high: Float32Array
    least: Float32Array
    most: Float32Array


def set_limits(rule: SetRule | None) -> SetLimits:
    """Return a rule as kernels take it; None where no set is trained."""
    indices, numbers = np.zeros(0, np.int64), np.zeros(0, np.float32)
    if rule is None:
        return SetLimits(indices, indices, indices, *[numbers] * 6)
    as_numbers = [one.astype(np.float32) for one in (rule.rise, rule.top, rule.low, rule.high, rule.least, rule.most)]
    return SetLimits(rule.starts, rule.location, rule.gaps, *as_numbers)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def step_nb(moments: Moments, gradient: Float32Array, rate: float, clip_norm: float) -> None:
    """Move the parameters along a gradient (n_parameters,), shortened to `clip_norm` where it is longer, and count the step."""
    square = ZERO
    for at in range(len(gradient)):
        square += gradient[at] * gradient[at]
    shorter = np.float32(clip_norm / max(np.sqrt(np.float64(square)), clip_norm))
    moments.steps[0] += 1
    taken = moments.steps[0]
    step = np.float32(rate / (1 - FIRST_DECAY**taken))
    root = np.float32(1 / np.sqrt(1 - SECOND_DECAY**taken))
    parameters, first, second = moments.parameters, moments.first, moments.second
    for at in range(len(gradient)):
        slope = gradient[at] * shorter
        one = first[at] + _FIRST * (slope - first[at])
        two = second[at] + _SECOND * (slope * slope - second[at])
        first[at], second[at] = one, two
        parameters[at] -= step * one / (np.sqrt(two) * root + _EPSILON)


@njit(nogil=True, cache=True)
def free_nb(gradient: Float32Array, limits: SetLimits) -> None:
    """Take out of a gradient, in place, what may not move: its length would shorten the steps of the rest."""
    for at in range(len(limits.least)):
        if limits.least[at] == limits.most[at]:
            gradient[at] = ZERO


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def keep_legible_nb(code: Float32Array, limits: SetLimits, position: Float32Array, kept: Float32Array) -> None:
    """Put a code of sets back within its limits, in place; the arithmetic is that of `legible.legible`.

    Args:
        code: (n_set_parameters,).
        limits: its rule; nothing is done where it is empty.
        position, kept: (n_sets,) to work in.
    """
    for at in range(len(limits.least)):
        held = limits.least[at] if code[at] < limits.least[at] else code[at]
        code[at] = limits.most[at] if held > limits.most[at] else held
    for at in range(len(limits.location)):
        position[at] = code[limits.location[at]]
        if limits.gaps[at] >= 0:
            position[at] += exp_nb(code[limits.gaps[at]]) * limits.rise[at] + HALF * exp_nb(code[limits.gaps[at] + 1]) * limits.top[at]
        held = limits.low[at] if position[at] < limits.low[at] else position[at]
        kept[at] = limits.high[at] if held > limits.high[at] else held
    for chain in range(len(limits.starts) - 1):
        start, stop = limits.starts[chain], limits.starts[chain + 1]
        _put_in_order_nb(kept[start:stop], position[start:stop], limits.location[start:stop], code)


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _put_in_order_nb(kept: Float32Array, position: Float32Array, location: NDArray[np.int64], code: Float32Array) -> None:
    """Move each set of a chain to the mean of the greatest position up to it and the least from it on."""
    for at in range(len(kept)):
        greatest, least = kept[0], kept[at]
        for before in range(1, at + 1):
            greatest = kept[before] if kept[before] > greatest else greatest
        for after in range(at + 1, len(kept)):
            least = kept[after] if kept[after] < least else least
        code[location[at]] += HALF * (greatest + least) - position[at]
