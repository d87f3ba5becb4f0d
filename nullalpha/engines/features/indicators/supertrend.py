"""SuperTrend: a stop that trails the price by average true ranges and changes sides when the close passes it.

Before the first such turn there is no direction, and both outputs are NaN.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, Recursion, period, period_of, wilder_memory
from nullalpha.engines.features.kernels import ATR_STATE, atr
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter

_LINES_STATE = 5


def _warmup(params: Parameters) -> int:
    return period_of(params) + wilder_memory(period_of(params))


def _supertrend(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    high, low, close = columns
    half = params["multiplier"] * atr(high, low, close, period_of(params), state[:ATR_STATE])
    line, direction = np.empty(len(close)), np.empty(len(close))
    _lines_nb((high + low) / 2, close, half, state[ATR_STATE:], line, direction)
    return line, direction


@njit(cache=True)
def _lines_nb(centre: FloatArray, close: FloatArray, half: FloatArray, state: FloatArray, line: FloatArray, direction: FloatArray) -> None:
    """Write the stop and its side: 1 below the price, -1 above it.

    The lower line only rises and the upper only falls, until the close before was beyond it. State: rows, both lines, the side (0 before
    the first turn), the last close.
    """
    count, upper, lower, side, last = state[0], state[1], state[2], state[3], state[4]
    for t in range(len(close)):
        line[t] = direction[t] = np.nan
        if half[t] != half[t] or close[t] != close[t]:
            count = side = 0.0
            continue
        above, below = centre[t] + half[t], centre[t] - half[t]
        upper = above if count == 0.0 or last > upper else min(upper, above)
        lower = below if count == 0.0 or last < lower else max(lower, below)
        if side >= 0.0 and close[t] < lower:
            side = -1.0
        elif side <= 0.0 and close[t] > upper:
            side = 1.0
        if side != 0.0:
            line[t], direction[t] = lower if side > 0.0 else upper, side
        count += 1.0
        last = close[t]
    state[0], state[1], state[2], state[3], state[4] = count, upper, lower, side, last


SUPERTREND = Indicator(
    IndicatorSignature(
        name="supertrend",
        summary="SuperTrend: a stop `multiplier` average true ranges behind the price (line), and its side: 1 in a rise, -1 in a fall.",
        inputs=("high", "low", "close"),
        parameters=(period(10, high=50), Parameter("multiplier", 3.0, 0.5, 10.0, integer=False)),
        outputs=("line", "direction"),
        unit="price",
        warmup_bars=_warmup,
        stability="converging",
        source="Seban (2008), with Wilder's ATR",
        output_units=(("direction", "bounded_-1_1"),),
    ),
    Recursion(_supertrend, ATR_STATE + _LINES_STATE),
)
