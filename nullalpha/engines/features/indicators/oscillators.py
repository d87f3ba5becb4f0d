"""Momentum and oscillators, in fractions: RSI, rate of change and momentum of any series; CCI, Williams %R, Aroon oscillator of bars."""

from __future__ import annotations

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features import kernels
from nullalpha.engines.features.indicators.contract import (
    Columns,
    Indicator,
    Parameters,
    Recursion,
    before_period,
    period,
    period_of,
    series_operator,
    wilder_memory,
)
from nullalpha.engines.features.rolling import (
    lagged,
    rolling_absolute_deviation,
    rolling_max,
    rolling_min,
    rolling_since_max,
    rolling_since_min,
)
from nullalpha.strategy.vocabulary import IndicatorSignature


def _rsi_warmup(params: Parameters) -> int:
    return period_of(params) + wilder_memory(period_of(params))


def _rsi(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    return (kernels.rsi(columns[0], period_of(params), _rsi_warmup(params), state),)


def _roc(columns: Columns, params: Parameters) -> Columns:
    return (columns[0] / lagged(columns[0], period_of(params)) - 1,)


def _momentum(columns: Columns, params: Parameters) -> Columns:
    return (columns[0] - lagged(columns[0], period_of(params)),)


def _cci(columns: Columns, params: Parameters) -> Columns:
    high, low, close = columns
    typical = (high + low + close) / 3
    mean, deviation = rolling_absolute_deviation(typical, period_of(params))
    return ((typical - mean) / (0.015 * deviation),)


def _williams_r(columns: Columns, params: Parameters) -> Columns:
    high, low, close = columns
    top = rolling_max(high, period_of(params))
    return ((close - top) / (top - rolling_min(low, period_of(params))),)


def _aroon_oscillator(columns: Columns, params: Parameters) -> Columns:
    high, low = columns
    bars = period_of(params)
    return ((rolling_since_min(low, bars + 1) - rolling_since_max(high, bars + 1)) / bars,)


RSI = series_operator(
    "rsi",
    "Relative strength index: Wilder's average gain over average gain plus loss; low is oversold, high is overbought.",
    Recursion(_rsi, kernels.RSI_STATE, counted=True),
    unit="bounded_0_100",
    parameters=(period(14, high=50),),
    warmup_bars=_rsi_warmup,
    stability="fading",
    source="Wilder (1978); TA-Lib RSI",
)

ROC = series_operator(
    "roc",
    "Rate of change: the value over that of `period` bars ago, minus 1, as a fraction.",
    _roc,
    unit="ratio",
    parameters=(period(10, low=1),),
    warmup_bars=period_of,
    source="TA-Lib ROCP",
)

MOMENTUM = series_operator(
    "momentum",
    "The value minus that of `period` bars ago, in its own unit.",
    _momentum,
    unit="input",
    parameters=(period(10, low=1),),
    warmup_bars=period_of,
    source="TA-Lib MOM; Delta of Alpha158 (Qlib)",
)

CCI = Indicator(
    IndicatorSignature(
        name="cci",
        summary="Commodity channel index: typical price minus its average, in 0.015 mean absolute deviations; mostly -200 to 200.",
        inputs=("high", "low", "close"),
        parameters=(period(20),),
        outputs=("cci",),
        unit="ratio",
        warmup_bars=before_period,
        stability="windowed",
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
        warmup_bars=before_period,
        stability="windowed",
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
        stability="windowed",
        source="Chande (1995); TA-Lib AROONOSC over 100; of equal extremes the latest counts",
    ),
    _aroon_oscillator,
)
