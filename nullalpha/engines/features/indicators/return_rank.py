"""Rank of a bar's return among the latest ones."""

from __future__ import annotations

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import lagged, rolling_rank
from nullalpha.strategy.vocabulary import IndicatorSignature


def _return_rank(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (rolling_rank(bars.close / lagged(bars.close, 1), period_of(params)),)


RETURN_RANK = Indicator(
    IndicatorSignature(
        name="return_rank",
        summary="Rank of the bar's return among the last `period` returns: 0 the lowest, 1 the highest, ties in the middle.",
        inputs=("close",),
        parameters=(period(60),),
        outputs=("return_rank",),
        unit="ratio",
        warmup_bars=period_of,
        path_dependent=False,
        source="rolling rank of Alpha158 (Qlib), trailing only",
    ),
    _return_rank,
)
