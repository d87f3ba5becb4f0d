"""Where the close lies in the Donchian channel."""

from __future__ import annotations

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, before_period, period, period_of
from nullalpha.engines.features.rolling import rolling_max, rolling_min
from nullalpha.strategy.vocabulary import IndicatorSignature


def _donchian_position(columns: Columns, params: Parameters) -> Columns:
    high, low, close = columns
    bottom = rolling_min(low, period_of(params))
    return ((close - bottom) / (rolling_max(high, period_of(params)) - bottom),)


DONCHIAN_POSITION = Indicator(
    IndicatorSignature(
        name="donchian_position",
        summary="Where the close lies between the lowest low (0) and the highest high (1) of the last `period` bars, this one included.",
        inputs=("high", "low", "close"),
        parameters=(period(20),),
        outputs=("donchian_position",),
        unit="bounded_0_1",
        warmup_bars=before_period,
        stability="windowed",
        source="Donchian (1960); RSV of Alpha158 (Qlib)",
    ),
    _donchian_position,
)
