"""Averages and trend measures that TA-Lib computes: SMA, EMA, MACD, ADX."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, ema_memory, period, period_of, wilder_memory
from nullalpha.engines.features.indicators.talib_door import near_one, ta, ta_outputs
from nullalpha.engines.features.rolling import moved, none_within
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter


def _sma(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (ta("SMA", bars.close, timeperiod=period_of(params)),)


def _ema_warmup(params: Parameters) -> int:
    return period_of(params) - 1 + ema_memory(period_of(params))


def _ema(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (ta("EMA", bars.close, timeperiod=period_of(params)),)


def _macd_warmup(params: Parameters) -> int:
    slow, signal = int(params["slow"]), int(params["signal"])
    return slow - 1 + ema_memory(slow) + signal - 1 + ema_memory(signal)


def _macd(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    fast, slow, signal = int(params["fast"]), int(params["slow"]), int(params["signal"])
    macd, smoothed, histogram = ta_outputs("MACD", bars.close, fastperiod=fast, slowperiod=slow, signalperiod=signal)
    return macd, smoothed, histogram


def _adx_warmup(params: Parameters) -> int:
    bars = period_of(params)
    return 2 * bars - 1 + wilder_memory(bars) + 4 * bars  # ADX averages an average: n q^n falls later than q^n


def _adx(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    high, low, close = near_one(bars.high, bars.low, bars.close)
    still = none_within((high > low) | moved(close), _adx_warmup(params))
    columns = [ta(name, high, low, close, timeperiod=period_of(params)) for name in ("ADX", "PLUS_DI", "MINUS_DI")]
    return tuple(np.where(still, np.nan, column) for column in columns)


SMA = Indicator(
    IndicatorSignature(
        name="sma",
        summary="Simple moving average of the close, in price.",
        inputs=("close",),
        parameters=(period(20),),
        outputs=("sma",),
        unit="price",
        warmup_bars=lambda params: period_of(params) - 1,
        path_dependent=False,
        source="TA-Lib SMA",
    ),
    _sma,
)

EMA = Indicator(
    IndicatorSignature(
        name="ema",
        summary="Exponential moving average of the close (weight 2 / (period + 1)), in price.",
        inputs=("close",),
        parameters=(period(20, high=100),),
        outputs=("ema",),
        unit="price",
        warmup_bars=_ema_warmup,
        path_dependent=True,
        source="TA-Lib EMA",
    ),
    _ema,
)

MACD = Indicator(
    IndicatorSignature(
        name="macd",
        summary="Fast minus slow exponential average of the close, its own average (signal), and their difference (histogram), in price.",
        inputs=("close",),
        parameters=(Parameter("fast", 12, 2, 25), Parameter("slow", 26, 26, 80), Parameter("signal", 9, 2, 30)),
        outputs=("macd", "signal", "histogram"),
        unit="price",
        warmup_bars=_macd_warmup,
        path_dependent=True,
        source="Appel (1979); TA-Lib MACD",
    ),
    _macd,
)

ADX = Indicator(
    IndicatorSignature(
        name="adx",
        summary="Average directional index: strength of the trend, up or down; plus_di and minus_di are its upward and downward parts.",
        inputs=("high", "low", "close"),
        parameters=(period(14, high=50),),
        outputs=("adx", "plus_di", "minus_di"),
        unit="bounded_0_100",
        warmup_bars=_adx_warmup,
        path_dependent=True,
        source="Wilder (1978); TA-Lib ADX, PLUS_DI, MINUS_DI",
    ),
    _adx,
)
