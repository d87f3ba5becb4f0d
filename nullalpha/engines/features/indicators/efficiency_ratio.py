"""Kaufman's efficiency ratio."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import lagged, rolling_sum
from nullalpha.strategy.vocabulary import IndicatorSignature


def _efficiency_ratio(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    net = np.abs(bars.close - lagged(bars.close, period_of(params)))
    path = rolling_sum(np.abs(bars.close - lagged(bars.close, 1)), period_of(params))
    return (np.minimum(net / path, 1.0),)  # a straight path may pass 1 by rounding


EFFICIENCY_RATIO = Indicator(
    IndicatorSignature(
        name="efficiency_ratio",
        summary="Net move over the length of the path of closes in `period` bars: 1 for a straight move, near 0 for noise.",
        inputs=("close",),
        parameters=(period(10),),
        outputs=("efficiency_ratio",),
        unit="ratio",
        warmup_bars=period_of,
        path_dependent=False,
        source="Kaufman (1995)",
    ),
    _efficiency_ratio,
)
