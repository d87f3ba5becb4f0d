"""Where the close lies in the Donchian channel."""

from __future__ import annotations

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import rolling_max, rolling_min
from nullalpha.strategy.vocabulary import IndicatorSignature


def _donchian_position(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    low = rolling_min(bars.low, period_of(params))
    return ((bars.close - low) / (rolling_max(bars.high, period_of(params)) - low),)


DONCHIAN_POSITION = Indicator(
    IndicatorSignature(
        name="donchian_position",
        summary="Where the close lies between the lowest low (0) and the highest high (1) of the last `period` bars, this one included.",
        inputs=("high", "low", "close"),
        parameters=(period(20),),
        outputs=("donchian_position",),
        unit="ratio",
        warmup_bars=lambda params: period_of(params) - 1,
        path_dependent=False,
        source="Donchian (1960)",
    ),
    _donchian_position,
)
