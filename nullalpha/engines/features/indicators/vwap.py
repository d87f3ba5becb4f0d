"""Volume-weighted average price over a window of bars."""

from __future__ import annotations

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, before_period, period, period_of
from nullalpha.engines.features.rolling import rolling_sum
from nullalpha.strategy.vocabulary import IndicatorSignature


def _vwap(columns: Columns, params: Parameters) -> Columns:
    high, low, close, volume = columns
    traded = (high + low + close) / 3 * volume
    return (rolling_sum(traded, period_of(params)) / rolling_sum(volume, period_of(params)),)


VWAP = Indicator(
    IndicatorSignature(
        name="vwap",
        summary="Average typical price of the last `period` bars, weighted by volume, in price.",
        inputs=("high", "low", "close", "volume"),
        parameters=(period(20),),
        outputs=("vwap",),
        unit="price",
        warmup_bars=before_period,
        stability="windowed",
        source="Berkowitz, Logue & Noser (1988), The Journal of Finance 43(1), over a trailing window",
    ),
    _vwap,
)
