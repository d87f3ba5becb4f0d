"""The Fisher transform of where the price lies in its range: makes turns sharper by stretching what is near either end.

A window without range has no such place: it counts as the middle in the smoothing, and the bar itself is NaN.
"""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import (
    Columns,
    Indicator,
    Parameters,
    Recursion,
    before_period,
    ema_memory,
    period,
    period_of,
)
from nullalpha.engines.features.kernels import EMA_STATE, ema
from nullalpha.engines.features.rolling import rolling_max, rolling_min
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter

_FURTHEST = 0.999
"""Bound of the place, -1..1, before it is transformed: keeps the result within 3.8."""


def _warmup(params: Parameters) -> int:
    smoothing = int(params["smoothing"])
    memory = ema_memory(smoothing) if smoothing > 1 else 0
    return before_period(params) + smoothing - 1 + memory + 1  # the signal is a bar later


def _front(columns: Columns, params: Parameters) -> Columns:
    """Return the transformed place of the bar's middle, and whether there is one (1) or no range (0)."""
    high, low = columns
    bottom = rolling_min(low, period_of(params))
    height = rolling_max(high, period_of(params)) - bottom
    place = np.where(height == 0, 0.0, 2 * ((high + low) / 2 - bottom) / height - 1)
    return np.arctanh(np.clip(place, -_FURTHEST, _FURTHEST)), np.sign(height)


def _fisher(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    stretched, ranged = columns
    smooth = np.where(ranged > 0, ema(stretched, int(params["smoothing"]), state[:EMA_STATE]), np.nan)
    known = np.concatenate([state[EMA_STATE:], smooth])
    state[EMA_STATE:] = known[-1:]
    return smooth, known[:-1].copy()


FISHER = Indicator(
    IndicatorSignature(
        name="fisher",
        summary="Fisher transform of where the bar's middle lies in the range of `period` bars, smoothed; signal: its value a bar ago.",
        inputs=("high", "low"),
        parameters=(period(10, high=100), Parameter("smoothing", 3, 1, 20)),
        outputs=("fisher", "signal"),
        unit="ratio",
        warmup_bars=_warmup,
        stability="fading",
        source="Ehlers (2002), Technical Analysis of Stocks & Commodities 20(11), smoothed once, after the transform",
    ),
    Recursion(_fisher, EMA_STATE + 1, _front, before_period),
)
