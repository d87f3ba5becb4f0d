"""The Donchian channel: the highest high and the lowest low of a window, this bar included, and how wide it is."""

from __future__ import annotations

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, before_period, period, period_of
from nullalpha.engines.features.rolling import rolling_max, rolling_min
from nullalpha.strategy.vocabulary import IndicatorSignature


def _donchian(columns: Columns, params: Parameters) -> Columns:
    high, low = columns
    upper, lower = rolling_max(high, period_of(params)), rolling_min(low, period_of(params))
    return upper, (upper + lower) / 2, lower


def _donchian_width(columns: Columns, params: Parameters) -> Columns:
    upper, middle, lower = _donchian(columns, params)
    return ((upper - lower) / middle,)


DONCHIAN = Indicator(
    IndicatorSignature(
        name="donchian",
        summary="Donchian channel: highest high (upper) and lowest low (lower) of the last `period` bars, and their middle, in price.",
        inputs=("high", "low"),
        parameters=(period(20),),
        outputs=("upper", "middle", "lower"),
        unit="price",
        warmup_bars=before_period,
        stability="windowed",
        source="Donchian (1960)",
    ),
    _donchian,
)

DONCHIAN_WIDTH = Indicator(
    IndicatorSignature(
        name="donchian_width",
        summary="Highest high minus lowest low of the last `period` bars over their middle, as a fraction; small in a narrow range.",
        inputs=("high", "low"),
        parameters=(period(20),),
        outputs=("donchian_width",),
        unit="ratio",
        warmup_bars=before_period,
        stability="windowed",
        source="Donchian (1960)",
    ),
    _donchian_width,
)
