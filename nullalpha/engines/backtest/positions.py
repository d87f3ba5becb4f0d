"""The compiled state machine from signals to target positions: begin, hold, leave, keep apart.

It knows no plan, no prices and no costs. Row t reads rows up to t alone. The rules stand in `decision.target_positions`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray


@njit(cache=True, inline="always")
def _size_nb(signal: float, volatility: float, constant: bool, by_output: bool, risk: float, scale: float, most: float) -> float:
    """Return the size of a position that begins here; NaN where it is not known, or where the model expects nothing."""
    if constant:
        return most
    numerator = risk * abs(math.atanh(signal)) if by_output else risk
    if not (volatility > 0.0 and numerator > 0.0):
        return np.nan
    return min(most, numerator / (volatility * scale))


@njit(cache=True)
def positions_nb(
    signal: FloatArray,
    volatility: FloatArray,
    long_above: float,
    long_exit: float,
    short_below: float,
    short_exit: float,
    separation: int,
    constant: bool,
    by_output: bool,
    risk: float,
    scale: float,
    most: float,
) -> FloatArray:
    """Return the target position at each bar's close.

    Args:
        signal: (n_bars,) in -1..1, NaN where unknown.
        volatility: (n_bars,) per bar, NaN where unknown.
        long_above, short_below: where a position begins; infinite for a side that is not traded.
        long_exit, short_exit: a long is held while the signal is above, a short while it is below.
        separation: rows from one beginning to the next at least.
        constant: every size is `most`.
        by_output: the size grows with the model's output, atanh(signal).
        risk, scale, most: size = min(most, risk [x |output|] / (volatility x scale)).
    Returns:
        (n_bars,) signed fraction of equity, never NaN.
    """
    target = np.zeros(len(signal))
    held = 0.0
    begun = -separation
    for row in range(len(signal)):
        now = signal[row]
        if (held > 0.0 and not now > long_exit) or (held < 0.0 and not now < short_exit):
            held = 0.0
        if held == 0.0 and row - begun >= separation and (now > long_above or now < short_below):
            size = _size_nb(now, volatility[row], constant, by_output, risk, scale, most)
            if not np.isnan(size):
                held = size if now > long_above else -size
                begun = row
        target[row] = held
    return target
