"""Relative vigor index: how far bars closed from their open, over how far they ranged."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import lagged, rolling_mean, rolling_sum
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter

_WEIGHT_BARS = 3
"""Bars before the present one that the fixed weights 1, 2, 2, 1 reach."""


def _warmup(params: Parameters) -> int:
    return _WEIGHT_BARS + period_of(params) - 1 + int(params["signal"]) - 1


def _rvi(columns: Columns, params: Parameters) -> Columns:
    open_, high, low, close = columns
    body = rolling_sum(_weighted(close - open_), period_of(params))
    height = rolling_sum(_weighted(high - low), period_of(params))
    rvi = np.clip(body / height, -1.0, 1.0)  # by rounding it may pass
    return rvi, rolling_mean(rvi, int(params["signal"]))


def _weighted(values: FloatArray) -> FloatArray:
    return values + 2 * lagged(values, 1) + 2 * lagged(values, 2) + lagged(values, 3)


RVI = Indicator(
    IndicatorSignature(
        name="rvi",
        summary="Relative vigor index: close minus open over high minus low, both smoothed over `period` bars; signal is its average.",
        inputs=("open", "high", "low", "close"),
        parameters=(period(10, low=4, high=100), Parameter("signal", 4, 1, 50)),
        outputs=("rvi", "signal"),
        unit="bounded_-1_1",
        warmup_bars=_warmup,
        stability="windowed",
        source="Ehlers (2002), Technical Analysis of Stocks & Commodities 20(1); the signal is a plain average",
    ),
    _rvi,
)
