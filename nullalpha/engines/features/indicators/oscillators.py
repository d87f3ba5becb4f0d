"""Momentum and oscillators that TA-Lib computes, in fractions: RSI, rate of change, momentum, CCI, Williams %R, Aroon oscillator."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of, wilder_memory
from nullalpha.engines.features.indicators.talib_door import near_one, ta
from nullalpha.engines.features.rolling import moved, none_within
from nullalpha.strategy.vocabulary import IndicatorSignature


def _rsi_warmup(params: Parameters) -> int:
    return period_of(params) + wilder_memory(period_of(params))


def _rsi(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    (close,) = near_one(bars.close)
    still = none_within(moved(close), _rsi_warmup(params))  # no gain and no loss in all that it remembers
    return (np.where(still, np.nan, ta("RSI", close, timeperiod=period_of(params))),)


def _roc(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (ta("ROCP", bars.close, timeperiod=period_of(params)),)


def _momentum(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (ta("MOM", bars.close, timeperiod=period_of(params)),)


def _cci(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    typical = (bars.high + bars.low + bars.close) / 3
    window = period_of(params)
    still = none_within(moved(typical), window - 1)
    return (np.where(still, np.nan, ta("CCI", bars.high, bars.low, bars.close, timeperiod=window)),)


def _williams_r(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    window = period_of(params)
    still = none_within(bars.high > bars.low, window) & none_within(moved(bars.close), window - 1)
    return (np.where(still, np.nan, ta("WILLR", bars.high, bars.low, bars.close, timeperiod=window) / 100),)


def _aroon_oscillator(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (ta("AROONOSC", bars.high, bars.low, timeperiod=period_of(params)) / 100,)


RSI = Indicator(
    IndicatorSignature(
        name="rsi",
        summary="Relative strength index: Wilder's average gain over average gain plus loss; low is oversold, high is overbought.",
        inputs=("close",),
        parameters=(period(14, high=50),),
        outputs=("rsi",),
        unit="bounded_0_100",
        warmup_bars=_rsi_warmup,
        path_dependent=True,
        source="Wilder (1978); TA-Lib RSI",
    ),
    _rsi,
)

ROC = Indicator(
    IndicatorSignature(
        name="roc",
        summary="Rate of change: close over the close `period` bars ago, minus 1, as a fraction.",
        inputs=("close",),
        parameters=(period(10),),
        outputs=("roc",),
        unit="ratio",
        warmup_bars=period_of,
        path_dependent=False,
        source="TA-Lib ROCP",
    ),
    _roc,
)

MOMENTUM = Indicator(
    IndicatorSignature(
        name="momentum",
        summary="Close minus the close `period` bars ago, in price.",
        inputs=("close",),
        parameters=(period(10),),
        outputs=("momentum",),
        unit="price",
        warmup_bars=period_of,
        path_dependent=False,
        source="TA-Lib MOM",
    ),
    _momentum,
)

CCI = Indicator(
    IndicatorSignature(
        name="cci",
        summary="Commodity channel index: typical price minus its average, in 0.015 mean absolute deviations; mostly -200 to 200.",
        inputs=("high", "low", "close"),
        parameters=(period(20),),
        outputs=("cci",),
        unit="ratio",
        warmup_bars=lambda params: period_of(params) - 1,
        path_dependent=False,
        source="Lambert (1980); TA-Lib CCI",
    ),
    _cci,
)

WILLIAMS_R = Indicator(
    IndicatorSignature(
        name="williams_r",
        summary="Williams %R as a fraction: -1 when the close is the lowest low of `period` bars, 0 when it is the highest high.",
        inputs=("high", "low", "close"),
        parameters=(period(14),),
        outputs=("williams_r",),
        unit="bounded_-1_1",
        warmup_bars=lambda params: period_of(params) - 1,
        path_dependent=False,
        source="Williams (1973); TA-Lib WILLR over 100",
    ),
    _williams_r,
)

AROON_OSCILLATOR = Indicator(
    IndicatorSignature(
        name="aroon_oscillator",
        summary="Bars since the lowest low minus bars since the highest high, over `period`: 1 in a fresh rise, -1 in a fresh fall.",
        inputs=("high", "low"),
        parameters=(period(25),),
        outputs=("aroon_oscillator",),
        unit="bounded_-1_1",
        warmup_bars=period_of,
        path_dependent=False,
        source="Chande (1995); TA-Lib AROONOSC over 100",
    ),
    _aroon_oscillator,
)
