"""How far a value is from its simple or exponential moving average, as a fraction."""

from __future__ import annotations

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features import kernels
from nullalpha.engines.features.indicators.contract import Columns, Parameters, Recursion, before_period, period, period_of, series_operator
from nullalpha.engines.features.indicators.trend import ema_warmup
from nullalpha.engines.features.rolling import rolling_mean


def _from_sma(columns: Columns, params: Parameters) -> Columns:
    return (columns[0] / rolling_mean(columns[0], period_of(params)) - 1,)


def _from_ema(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    return (columns[0] / kernels.ema(columns[0], period_of(params), state) - 1,)


DISTANCE_FROM_SMA = series_operator(
    "distance_from_sma",
    "The value over its simple moving average, minus 1; above 0 in an uptrend.",
    _from_sma,
    unit="ratio",
    parameters=(period(200),),
    warmup_bars=before_period,
    source="TA-Lib SMA",
)

DISTANCE_FROM_EMA = series_operator(
    "distance_from_ema",
    "The value over its exponential moving average, minus 1; above 0 in an uptrend.",
    Recursion(_from_ema, kernels.EMA_STATE),
    unit="ratio",
    parameters=(period(50, high=100),),
    warmup_bars=ema_warmup,
    stability="fading",
    source="TA-Lib EMA",
)
