"""Averages of any series (SMA, EMA, WMA, MACD) and the average directional index of bars. Seeds follow TA-Lib."""

from __future__ import annotations

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features import kernels
from nullalpha.engines.features.indicators.contract import (
    Columns,
    Indicator,
    Parameters,
    Recursion,
    before_period,
    ema_memory,
    period,
    period_of,
    series_operator,
    wilder_memory,
)
from nullalpha.engines.features.rolling import rolling_mean, rolling_weighted_mean
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter


def _sma(columns: Columns, params: Parameters) -> Columns:
    return (rolling_mean(columns[0], period_of(params)),)


def _wma(columns: Columns, params: Parameters) -> Columns:
    return (rolling_weighted_mean(columns[0], period_of(params)),)


def ema_warmup(params: Parameters) -> int:
    """Return the rows before an exponential average over `period` has forgotten its seed."""
    return period_of(params) - 1 + ema_memory(period_of(params))


def _ema(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    return (kernels.ema(columns[0], period_of(params), state),)


def _macd_warmup(params: Parameters) -> int:
    slow, signal = int(params["slow"]), int(params["signal"])
    return slow - 1 + ema_memory(slow) + signal - 1 + ema_memory(signal)


def _macd(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    return kernels.macd(columns[0], int(params["fast"]), int(params["slow"]), int(params["signal"]), state)


def _adx_warmup(params: Parameters) -> int:
    bars = period_of(params)
    return 2 * bars - 1 + wilder_memory(bars) + 4 * bars  # ADX averages an average: n q^n falls later than q^n


def _adx(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    high, low, close = columns
    return kernels.adx(high, low, close, period_of(params), _adx_warmup(params), state)


SMA = series_operator(
    "sma",
    "Simple moving average, in the unit of what it averages.",
    _sma,
    unit="input",
    parameters=(period(20),),
    warmup_bars=before_period,
    source="TA-Lib SMA; Mean of Alpha158 (Qlib)",
)

EMA = series_operator(
    "ema",
    "Exponential moving average (weight 2 / (period + 1)), in the unit of what it averages.",
    Recursion(_ema, kernels.EMA_STATE, counted=True),
    unit="input",
    parameters=(period(20, high=100),),
    warmup_bars=ema_warmup,
    stability="fading",
    source="TA-Lib EMA",
)

WMA = series_operator(
    "wma",
    "Moving average with weights that rise from 1 at the oldest bar to `period` at this one, in the unit of what it averages.",
    _wma,
    unit="input",
    parameters=(period(20),),
    warmup_bars=before_period,
    source="TA-Lib WMA",
)

MACD = series_operator(
    "macd",
    "Fast minus slow exponential average, its own average (signal), and their difference (histogram), in the unit of the input.",
    Recursion(_macd, kernels.MACD_STATE, counted=True),
    unit="input",
    parameters=(Parameter("fast", 12, 2, 25), Parameter("slow", 26, 3, 100), Parameter("signal", 9, 2, 30)),
    outputs=("macd", "signal", "histogram"),
    warmup_bars=_macd_warmup,
    stability="fading",
    rising=("fast", "slow"),
    source="Appel (1979); TA-Lib MACD",
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
        stability="fading",
        source="Wilder (1978); TA-Lib ADX, PLUS_DI, MINUS_DI",
    ),
    Recursion(_adx, kernels.ADX_STATE, counted=True),
)
