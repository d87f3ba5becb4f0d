"""How far the close is from its simple or exponential moving average, as a fraction."""

from __future__ import annotations

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period
from nullalpha.engines.features.indicators.trend import EMA, SMA
from nullalpha.strategy.vocabulary import IndicatorSignature


def _from_sma(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (bars.close / SMA.computation(bars, params)[0] - 1,)


def _from_ema(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (bars.close / EMA.computation(bars, params)[0] - 1,)


DISTANCE_FROM_SMA = Indicator(
    IndicatorSignature(
        name="distance_from_sma",
        summary="Close over its simple moving average, minus 1; above 0 in an uptrend.",
        inputs=("close",),
        parameters=(period(200),),
        outputs=("distance_from_sma",),
        unit="ratio",
        warmup_bars=SMA.signature.warmup_bars,
        path_dependent=False,
        source="TA-Lib SMA",
    ),
    _from_sma,
)

DISTANCE_FROM_EMA = Indicator(
    IndicatorSignature(
        name="distance_from_ema",
        summary="Close over its exponential moving average, minus 1; above 0 in an uptrend.",
        inputs=("close",),
        parameters=(period(50, high=100),),
        outputs=("distance_from_ema",),
        unit="ratio",
        warmup_bars=EMA.signature.warmup_bars,
        path_dependent=True,
        source="TA-Lib EMA",
    ),
    _from_ema,
)
