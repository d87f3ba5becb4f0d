"""The Keltner channel: an exponential average of the close, and average true ranges above and below it; as lines, position and width."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import (
    Columns,
    Indicator,
    Parameters,
    Recursion,
    ema_memory,
    period,
    period_of,
    wilder_memory,
)
from nullalpha.engines.features.kernels import ATR_STATE, EMA_STATE, atr, ema
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter, Unit

KELTNER_STATE = EMA_STATE + ATR_STATE
_PARAMETERS = (period(20, high=100), Parameter("atr_period", 10, 2, 50), Parameter("multiplier", 2.0, 0.5, 10.0, integer=False))
_SOURCE = "Keltner (1960) as revised by Raschke: EMA and Wilder's ATR"


def keltner_warmup(average_bars: int, atr_bars: int) -> int:
    """Return the bars after which both averages have forgotten their seeds."""
    return max(average_bars - 1 + ema_memory(average_bars), atr_bars + wilder_memory(atr_bars))


def keltner_lines(prices: Columns, average_bars: int, atr_bars: int, multiplier: float, state: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (n,) the channel's middle and (n,) half its height, in price.

    Args:
        prices: (n,) high, low and close.
        average_bars: period of the exponential average.
        atr_bars: period of the average true range.
        multiplier: average true ranges in half a channel.
        state: KELTNER_STATE numbers to go on from.
    """
    high, low, close = prices
    middle = ema(close, average_bars, state[:EMA_STATE])
    return middle, multiplier * atr(high, low, close, atr_bars, state[EMA_STATE:])


def _warmup(params: Parameters) -> int:
    return keltner_warmup(period_of(params), int(params["atr_period"]))


def _lines(columns: Columns, params: Parameters, state: FloatArray) -> tuple[FloatArray, FloatArray]:
    return keltner_lines(columns, period_of(params), int(params["atr_period"]), params["multiplier"], state)


def _keltner(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    middle, half = _lines(columns, params, state)
    return middle + half, middle, np.subtract(middle, half, out=half)


def _position(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    middle, half = _lines(columns, params, state)
    return (0.5 + (columns[2] - middle) / (2 * half),)


def _width(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    middle, half = _lines(columns, params, state)
    return (2 * half / middle,)


def _signature(name: str, summary: str, outputs: tuple[str, ...], unit: Unit) -> IndicatorSignature:
    return IndicatorSignature(
        name=name,
        summary=summary,
        inputs=("high", "low", "close"),
        parameters=_PARAMETERS,
        outputs=outputs,
        unit=unit,
        warmup_bars=_warmup,
        stability="fading",
        source=_SOURCE,
    )


KELTNER = Indicator(
    _signature(
        "keltner",
        "Keltner channel: exponential average of the close, and `multiplier` average true ranges above and below it, in price.",
        ("upper", "middle", "lower"),
        "price",
    ),
    Recursion(_keltner, KELTNER_STATE),
)

KELTNER_POSITION = Indicator(
    _signature(
        "keltner_position",
        "Where the close lies in the Keltner channel: 0 at its lower line, 1 at its upper, beyond them outside.",
        ("keltner_position",),
        "ratio",
    ),
    Recursion(_position, KELTNER_STATE),
)

KELTNER_WIDTH = Indicator(
    _signature(
        "keltner_width", "Upper minus lower line of the Keltner channel over its middle, as a fraction.", ("keltner_width",), "ratio"
    ),
    Recursion(_width, KELTNER_STATE),
)
