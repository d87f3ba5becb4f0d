"""Volume (or another series) against its own average."""

from __future__ import annotations

from nullalpha.engines.features.indicators.contract import Columns, Parameters, before_period, period, period_of, series_operator
from nullalpha.engines.features.rolling import rolling_sum


def _volume_ratio(columns: Columns, params: Parameters) -> Columns:
    return (columns[0] * period_of(params) / rolling_sum(columns[0], period_of(params)),)


VOLUME_RATIO = series_operator(
    "volume_ratio",
    "Volume over its average of the last `period` bars, this one included; 1 is usual.",
    _volume_ratio,
    unit="ratio",
    parameters=(period(20),),
    series=("volume",),
    warmup_bars=before_period,
    source="common practice",
)
