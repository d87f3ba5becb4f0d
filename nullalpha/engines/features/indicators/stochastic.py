"""The slow stochastic: where the close lies in the range of `period` bars, smoothed.

Computed here because TA-Lib answers 0 (the bottom of the range) where there is no range; here that is NaN.
"""

from __future__ import annotations

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import rolling_max, rolling_mean, rolling_min
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter


def _warmup(params: Parameters) -> int:
    return period_of(params) + int(params["smooth_k"]) + int(params["smooth_d"]) - 3


def _stochastic(columns: Columns, params: Parameters) -> Columns:
    high, low, close = columns
    bottom = rolling_min(low, period_of(params))
    height = rolling_max(high, period_of(params)) - bottom
    k = rolling_mean(100 * (close - bottom) / height, int(params["smooth_k"]))
    return k, rolling_mean(k, int(params["smooth_d"]))


STOCHASTIC = Indicator(
    IndicatorSignature(
        name="stochastic",
        summary="Slow stochastic: where the close lies in the high-low range of `period` bars, averaged (k), averaged again (d).",
        inputs=("high", "low", "close"),
        parameters=(period(14), Parameter("smooth_k", 3, 1, 50), Parameter("smooth_d", 3, 1, 50)),
        outputs=("k", "d"),
        unit="bounded_0_100",
        warmup_bars=_warmup,
        stability="windowed",
        source="Lane (1984)",
    ),
    _stochastic,
)
