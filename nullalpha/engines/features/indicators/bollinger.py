"""Bollinger bands as position (percent b) and width.

Computed here because TA-Lib takes the variance as a difference of two large running sums. The deviation is the population's.
"""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import rolling_moments
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter

_DEVIATIONS = Parameter("deviations", 2.0, 0.5, 5.0, integer=False)


def _warmup(params: Parameters) -> int:
    return period_of(params) - 1


def _position(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    mean, std = rolling_moments(bars.close, period_of(params), ddof=0)
    half = params["deviations"] * std
    return (np.where(half > 0, 0.5 + (bars.close - mean) / (2 * half), np.nan),)


def _width(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    mean, std = rolling_moments(bars.close, period_of(params), ddof=0)
    return (2 * params["deviations"] * std / mean,)


BOLLINGER_POSITION = Indicator(
    IndicatorSignature(
        name="bollinger_position",
        summary="Percent b as a fraction: 0 at the lower band, 1 at the upper, beyond them outside.",
        inputs=("close",),
        parameters=(period(20, low=3), _DEVIATIONS),
        outputs=("bollinger_position",),
        unit="ratio",
        warmup_bars=_warmup,
        path_dependent=False,
        source="Bollinger (2001)",
    ),
    _position,
)

BOLLINGER_WIDTH = Indicator(
    IndicatorSignature(
        name="bollinger_width",
        summary="Upper minus lower Bollinger band over the average, as a fraction; small in a squeeze.",
        inputs=("close",),
        parameters=(period(20, low=3), _DEVIATIONS),
        outputs=("bollinger_width",),
        unit="ratio",
        warmup_bars=_warmup,
        path_dependent=False,
        source="Bollinger (2001)",
    ),
    _width,
)
