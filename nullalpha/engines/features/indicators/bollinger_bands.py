"""Bollinger bands as lines, in the unit of the series. The deviation is the population's."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Parameters, before_period, period, period_of, series_operator
from nullalpha.engines.features.rolling import rolling_moments
from nullalpha.strategy.vocabulary import Parameter


def _bollinger(columns: Columns, params: Parameters) -> Columns:
    mean, half = rolling_moments(columns[0], period_of(params), ddof=0)
    half *= params["deviations"]
    return mean + half, mean, np.subtract(mean, half, out=half)


BOLLINGER = series_operator(
    "bollinger",
    "Bollinger bands: average (middle), and `deviations` standard deviations above (upper) and below (lower) it, in the input's unit.",
    _bollinger,
    unit="input",
    parameters=(period(20, low=3), Parameter("deviations", 2.0, 0.5, 5.0, integer=False)),
    outputs=("upper", "middle", "lower"),
    warmup_bars=before_period,
    source="Bollinger (2001); TA-Lib BBANDS",
)
