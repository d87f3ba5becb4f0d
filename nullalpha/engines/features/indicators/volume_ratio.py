"""Volume against its own average."""

from __future__ import annotations

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import rolling_sum
from nullalpha.strategy.vocabulary import IndicatorSignature


def _volume_ratio(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (bars.volume * period_of(params) / rolling_sum(bars.volume, period_of(params)),)


VOLUME_RATIO = Indicator(
    IndicatorSignature(
        name="volume_ratio",
        summary="Volume over its average of the last `period` bars, this one included; 1 is usual.",
        inputs=("volume",),
        parameters=(period(20),),
        outputs=("volume_ratio",),
        unit="ratio",
        warmup_bars=lambda params: period_of(params) - 1,
        path_dependent=False,
        source="common practice",
    ),
    _volume_ratio,
)
