"""Aroon: how lately the window's highest high and lowest low were made."""

from __future__ import annotations

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import rolling_since_max, rolling_since_min
from nullalpha.strategy.vocabulary import IndicatorSignature


def _aroon(columns: Columns, params: Parameters) -> Columns:
    high, low = columns
    window = period_of(params) + 1
    return 1 - rolling_since_max(high, window) / period_of(params), 1 - rolling_since_min(low, window) / period_of(params)


AROON = Indicator(
    IndicatorSignature(
        name="aroon",
        summary="How lately `period` bars had their highest high (up) and lowest low (down): 1 at this bar, 0 `period` bars ago.",
        inputs=("high", "low"),
        parameters=(period(25),),
        outputs=("up", "down"),
        unit="bounded_0_1",
        warmup_bars=period_of,
        stability="windowed",
        source="Chande (1995); of equal extremes the latest counts",
    ),
    _aroon,
)
