"""Wilder's average true range in price, and as a fraction of the close. TA-Lib computes it."""

from __future__ import annotations

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of, wilder_memory
from nullalpha.engines.features.indicators.talib_door import ta
from nullalpha.strategy.vocabulary import IndicatorSignature


def _warmup(params: Parameters) -> int:
    return period_of(params) + wilder_memory(period_of(params))


def _atr(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (ta("ATR", bars.high, bars.low, bars.close, timeperiod=period_of(params)),)


def _natr(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (_atr(bars, params)[0] / bars.close,)


ATR = Indicator(
    IndicatorSignature(
        name="atr",
        summary="Average true range: how far a bar moves, gaps included, in price.",
        inputs=("high", "low", "close"),
        parameters=(period(14, high=50),),
        outputs=("atr",),
        unit="price",
        warmup_bars=_warmup,
        path_dependent=True,
        source="Wilder (1978); TA-Lib ATR",
    ),
    _atr,
)

NATR = Indicator(
    IndicatorSignature(
        name="natr",
        summary="Average true range over the close, as a fraction.",
        inputs=("high", "low", "close"),
        parameters=(period(14, high=50),),
        outputs=("natr",),
        unit="ratio",
        warmup_bars=_warmup,
        path_dependent=True,
        source="Wilder (1978); TA-Lib ATR over close",
    ),
    _natr,
)
