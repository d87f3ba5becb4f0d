"""Losses of a block's rows and their slopes by the outputs, in float32: those of `training.losses`, in forms that keep their digits there.

With z twice the output and m the margin, the flat class's -log chance is taken as max(|z| - m, 0) + log1p(e^-|z + m|) + log1p(e^-|z - m|)
- log(1 - e^-2m), whose terms are all small where it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from nullalpha.engines.training.fused.blocks import FAST, ROWS, Float32Array
from nullalpha.engines.training.fused.maths import HALF, ONE, TWO, ZERO, exp_nb, log1p_nb, log_complement_nb, logistic_nb, tanh_nb
from nullalpha.engines.training.losses import COST_ROUNDING, HUBER_DELTA
from nullalpha.engines.training.targets import MemberLoss
from nullalpha.strategy.plan import Loss

LOSSES: tuple[Loss, ...] = ("huber", "mse", "cross_entropy", "focal", "utility")
"""Kernels know a loss by its place here."""
_HUBER, _MSE, _CROSS_ENTROPY, _FOCAL, _UTILITY = range(len(LOSSES))
_DELTA, _ROUNDING = np.float32(HUBER_DELTA), np.float32(COST_ROUNDING)


class LossNumbers(NamedTuple):
    """A member's loss as kernels take it.

    Attributes:
        kind: its place in `LOSSES`.
        margin: of the classes.
        flat: log(1 - e^(-2 margin)), the part of a flat row's loss that no output changes.
        gamma: of `focal`.
        risk_aversion: of `utility`.
    """

    kind: int
    margin: np.float32
    flat: np.float32
    gamma: np.float32
    risk_aversion: np.float32


def loss_numbers(loss: MemberLoss) -> LossNumbers:
    """Return a member's loss as kernels take it."""
    numbers = loss.margin, np.log(-np.expm1(-2 * loss.margin)), loss.training.focal_gamma, loss.training.risk_aversion
    return LossNumbers(LOSSES.index(loss.training.loss), *(np.float32(number) for number in numbers))


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def block_loss_nb(
    loss: LossNumbers, output: Float32Array, label: Float32Array, cost: Float32Array, weight: Float32Array, slope: Float32Array
) -> float:
    """Return the weighted sum of a block's losses, and fill in its slope by each output.

    Args:
        loss: the member's.
        output, label, cost, weight: (ROWS,); the label a scaled return or, of classes, -1, 0 or 1; weight 0 past the last row.
        slope: (ROWS,) of the weighted sum, overwritten.
    """
    total = ZERO
    if loss.kind == _MSE:
        for row in range(ROWS):
            error = output[row] - label[row]
            total += weight[row] * error * error
            slope[row] = weight[row] * TWO * error
    elif loss.kind == _HUBER:
        for row in range(ROWS):
            error = output[row] - label[row]
            held = _DELTA if error > _DELTA else (-_DELTA if error < -_DELTA else error)
            total += weight[row] * held * (error - HALF * held)
            slope[row] = weight[row] * held
    elif loss.kind == _UTILITY:
        for row in range(ROWS):
            position = tanh_nb(output[row])
            profit = position * label[row]
            root = np.sqrt(position * position + _ROUNDING * _ROUNDING)
            total += weight[row] * (HALF * loss.risk_aversion * profit * profit + cost[row] * (root - _ROUNDING) - profit)
            by_position = loss.risk_aversion * profit * label[row] + cost[row] * position / root - label[row]
            slope[row] = weight[row] * by_position * (ONE - position * position)
    elif loss.kind == _CROSS_ENTROPY:
        for row in range(ROWS):
            entropy, its_slope = _entropy_nb(TWO * output[row], label[row], loss)
            total += weight[row] * entropy
            slope[row] = weight[row] * TWO * its_slope
    else:
        for row in range(ROWS):
            entropy, its_slope = _entropy_nb(TWO * output[row], label[row], loss)
            chance = exp_nb(-entropy)
            log_missing = log_complement_nb(-entropy)
            missing, unlikely = exp_nb(log_missing), exp_nb(loss.gamma * log_missing)
            total += weight[row] * entropy * unlikely
            slope[row] = weight[row] * TWO * its_slope * unlikely * (ONE + loss.gamma * chance * entropy / missing)
    return np.float64(total)


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def _entropy_nb(z: np.float32, label: np.float32, loss: LossNumbers) -> tuple[np.float32, np.float32]:
    """Return -log of the chance of a row's class, and its slope by z."""
    above, below = z + loss.margin, z - loss.margin
    tail_above, tail_below = log1p_nb(exp_nb(-np.abs(above))), log1p_nb(exp_nb(-np.abs(below)))
    chance_above, chance_below = logistic_nb(above), logistic_nb(-below)
    outside = np.abs(z) - loss.margin
    up = (-below if below < ZERO else ZERO) + tail_below
    down = (above if above > ZERO else ZERO) + tail_above
    flat = (outside if outside > ZERO else ZERO) + tail_above + tail_below - loss.flat
    if label > ZERO:
        return up, -chance_below
    if label < ZERO:
        return down, chance_above
    return flat, chance_above - chance_below
