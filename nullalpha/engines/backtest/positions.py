"""The compiled state machine from signals to target positions: begin, hold, leave, keep apart.

It knows no plan, no prices and no costs. Row t reads rows up to t alone. The rules stand in `decision.target_positions`. `decided_nb` is
the one step; `positions_nb` walks it over an array, the population over bars that it trades at the same time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray


class Rule(NamedTuple):
    """A decision plan as numbers.

    Attributes:
        long_above, short_below: where a position begins; infinite for a side that is not traded.
        long_exit, short_exit: a long is held while the signal is above, a short while it is below.
        separation: rows from one beginning to the next at least.
        constant: every size is `most`.
        by_output: the size grows with the model's output, atanh(signal).
        risk, scale, most: size = min(most, risk [x |output|] / (volatility x scale)).
    """

    long_above: float
    long_exit: float
    short_below: float
    short_exit: float
    separation: int
    constant: bool
    by_output: bool
    risk: float
    scale: float
    most: float


@njit(cache=True)
def _size_nb(signal: float, volatility: float, rule: Any) -> Any:
    """Return the size of a position that begins here; NaN where it is not known, or where the model expects nothing."""
    if rule.constant:
        return rule.most
    numerator = rule.risk * abs(math.atanh(signal)) if rule.by_output else rule.risk
    if not (volatility > 0.0 and numerator > 0.0):
        return np.nan
    return min(rule.most, numerator / (volatility * rule.scale))


@njit(cache=True, inline="always")
def decided_nb(held: float, begun: int, signal: float, volatility: float, row: int, rule: Any) -> Any:
    """Return the target position at a bar's close, and the row in which the last position began.

    Args:
        held, begun: as the bar before left them; 0 and -separation before the first.
        signal: of the bar, in -1..1, NaN where unknown.
        volatility: of the bar, per bar, NaN where unknown.
    """
    if (held > 0.0 and not signal > rule.long_exit) or (held < 0.0 and not signal < rule.short_exit):
        held = 0.0
    if held == 0.0 and row - begun >= rule.separation and (signal > rule.long_above or signal < rule.short_below):
        size = _size_nb(signal, volatility, rule)
        if not np.isnan(size):
            held = size if signal > rule.long_above else -size
            begun = row
    return held, begun


@njit(cache=True, inline="always")
def undecided_nb(held: float, rule: Any) -> Any:
    """Return (least, most): between them, both excluded, no signal changes the position."""
    if held > 0.0:
        return rule.long_exit, np.inf
    if held < 0.0:
        return -np.inf, rule.short_exit
    return rule.short_below, rule.long_above


@njit(cache=True)
def positions_nb(signal: FloatArray, volatility: FloatArray, rule: Any) -> FloatArray:
    """Return the target position at each bar's close.

    Args:
        signal: (n_bars,) in -1..1, NaN where unknown.
        volatility: (n_bars,) per bar, NaN where unknown.
        rule: see `Rule`.
    Returns:
        (n_bars,) signed fraction of equity, never NaN.
    """
    target = np.zeros(len(signal))
    held = 0.0
    begun = -rule.separation
    for row in range(len(signal)):
        held, begun = decided_nb(held, begun, signal[row], volatility[row], row, rule)
        target[row] = held
    return target


@njit(cache=True)
def nearer_nb(multiple: float, fraction: float, close: float, atr: float) -> float:
    """Return the nearer of a multiple of ATR and a fraction of price, in price; NaN where there is neither (0 means none)."""
    by_atr = multiple * atr if multiple > 0.0 else np.nan
    by_price = fraction * close if fraction > 0.0 else np.nan
    return by_price if np.isnan(by_atr) or by_price < by_atr else by_atr


@njit(cache=True)
def distances_nb(multiple: float, fraction: float, close: FloatArray, atr: FloatArray) -> FloatArray:
    """Return (n_bars,) the nearer of both at each bar's close; see `nearer_nb`."""
    distance = np.empty(len(close))
    for row in range(len(close)):
        distance[row] = nearer_nb(multiple, fraction, close[row], atr[row])
    return distance
