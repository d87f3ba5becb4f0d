"""Bollinger bands as position (percent b) and width. The deviation is the population's."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Parameters, before_period, period, period_of, series_operator
from nullalpha.engines.features.rolling import rolling_moments
from nullalpha.strategy.vocabulary import Parameter

_DEVIATIONS = Parameter("deviations", 2.0, 0.5, 5.0, integer=False)


def _position(columns: Columns, params: Parameters) -> Columns:
    mean, std = rolling_moments(columns[0], period_of(params), ddof=0)
    half = params["deviations"] * std
    return (np.where(half > 0, 0.5 + (columns[0] - mean) / (2 * half), np.nan),)


def _width(columns: Columns, params: Parameters) -> Columns:
    mean, std = rolling_moments(columns[0], period_of(params), ddof=0)
    return (2 * params["deviations"] * std / mean,)


BOLLINGER_POSITION = series_operator(
    "bollinger_position",
    "Percent b as a fraction: 0 at the lower band, 1 at the upper, beyond them outside.",
    _position,
    unit="ratio",
    parameters=(period(20, low=3), _DEVIATIONS),
    warmup_bars=before_period,
    source="Bollinger (2001)",
)

BOLLINGER_WIDTH = series_operator(
    "bollinger_width",
    "Upper minus lower Bollinger band over the average, as a fraction; small in a squeeze.",
    _width,
    unit="ratio",
    parameters=(period(20, low=3), _DEVIATIONS),
    warmup_bars=before_period,
    source="Bollinger (2001)",
)
