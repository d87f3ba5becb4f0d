"""Wilder's average true range in price, and as a fraction of the close."""

from __future__ import annotations

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features import kernels
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, Recursion, period, period_of, wilder_memory
from nullalpha.strategy.vocabulary import IndicatorSignature


def atr_warmup(params: Parameters) -> int:
    """Return the bars before the average true range over `period` has forgotten its seed."""
    return period_of(params) + wilder_memory(period_of(params))


def _atr(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    high, low, close = columns
    return (kernels.atr(high, low, close, period_of(params), state),)


def _natr(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    return (_atr(columns, params, state)[0] / columns[2],)


ATR = Indicator(
    IndicatorSignature(
        name="atr",
        summary="Average true range: how far a bar moves, gaps included, in price.",
        inputs=("high", "low", "close"),
        parameters=(period(14, high=50),),
        outputs=("atr",),
        unit="price",
        warmup_bars=atr_warmup,
        stability="fading",
        source="Wilder (1978); TA-Lib ATR",
    ),
    Recursion(_atr, kernels.ATR_STATE, counted=True),
)

NATR = Indicator(
    IndicatorSignature(
        name="natr",
        summary="Average true range over the close, as a fraction.",
        inputs=("high", "low", "close"),
        parameters=(period(14, high=50),),
        outputs=("natr",),
        unit="ratio",
        warmup_bars=atr_warmup,
        stability="fading",
        source="Wilder (1978); TA-Lib ATR over close",
    ),
    Recursion(_natr, kernels.ATR_STATE),
)
