"""Wilder's parabolic stop and reverse: a stop that moves towards the extreme of its trend, faster with each new one.

It starts as TA-Lib's does. The warm-up gives the first stop time to come within an eighth of its extreme, so that an ordinary swing has
turned it since.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, Recursion
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter

_STATE = 7


def _warmup(params: Parameters) -> int:
    return math.ceil(2 / params["acceleration"])


def _psar(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    high, low = columns
    value, direction = np.empty(len(high)), np.empty(len(high))
    _stops_nb(high, low, float(params["acceleration"]), float(params["maximum"]), state, value, direction)
    return value, direction


@njit(cache=True)
def _stops_nb(
    high: FloatArray, low: FloatArray, step: float, most: float, state: FloatArray, value: FloatArray, direction: FloatArray
) -> None:
    """Write the stop of each bar and the side it leaves the bar with: 1 below the price, -1 above it.

    The side is NaN where the bar has no range and lies on the stop. A short trend is a long one upside down: `side` turns prices over.
    State: rows, side, stop of the next bar, extreme, acceleration, last high and low; stop and extreme as turned over.
    """
    count, side, stop, extreme, pace, last_high, last_low = state[0], state[1], state[2], state[3], state[4], state[5], state[6]
    for t in range(len(high)):
        value[t] = direction[t] = np.nan
        if high[t] != high[t] or low[t] != low[t]:
            count = 0.0
            continue
        if count == 1.0:
            falling = last_low - low[t] > max(high[t] - last_high, 0.0)
            side = -1.0 if falling else 1.0
            stop = -last_high if falling else last_low
            extreme = -low[t] if falling else high[t]
            pace = step
            last_high, last_low = high[t], low[t]
        if count >= 1.0:
            best, worst = (high[t], low[t]) if side > 0.0 else (-low[t], -high[t])
            last_best, last_worst = (last_high, last_low) if side > 0.0 else (-last_low, -last_high)
            if worst <= stop:
                side = -side
                stop = min(-extreme, -last_best, -best)
                value[t] = side * stop
                extreme, pace = -worst, step
                stop = min(stop + pace * (extreme - stop), -last_best, -best)
            else:
                value[t] = side * stop
                if best > extreme:
                    extreme, pace = best, min(pace + step, most)
                stop = min(stop + pace * (extreme - stop), last_worst, worst)
            if not (high[t] == low[t] and high[t] == value[t]):
                direction[t] = side
        count += 1.0
        last_high, last_low = high[t], low[t]
    state[0], state[1], state[2], state[3], state[4], state[5], state[6] = count, side, stop, extreme, pace, last_high, last_low


PSAR = Indicator(
    IndicatorSignature(
        name="psar",
        summary="Parabolic stop and reverse, in price (value), and its side: 1 below a rising price, -1 above a falling one.",
        inputs=("high", "low"),
        parameters=(
            Parameter("acceleration", 0.02, 0.005, 0.1, integer=False),
            Parameter("maximum", 0.2, 0.05, 0.5, integer=False),
        ),
        outputs=("value", "direction"),
        unit="price",
        warmup_bars=_warmup,
        stability="converging",
        source="Wilder (1978); TA-Lib SAR",
        output_units=(("direction", "bounded_-1_1"),),
        rising=("acceleration", "maximum"),
    ),
    Recursion(_psar, _STATE),
)
