"""On-balance volume over a window. Granville's running total never forgets where history started, so a window takes its place."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import lagged, rolling_sum
from nullalpha.strategy.vocabulary import IndicatorSignature


def _obv(columns: Columns, params: Parameters) -> Columns:
    close, volume = columns
    return (rolling_sum(np.sign(close - lagged(close, 1)) * volume, period_of(params)),)


OBV = Indicator(
    IndicatorSignature(
        name="obv",
        summary="On-balance volume of the last `period` bars: volume of bars that closed higher minus volume of bars that closed lower.",
        inputs=("close", "volume"),
        parameters=(period(20),),
        outputs=("obv",),
        unit="signed_volume",
        warmup_bars=period_of,
        stability="windowed",
        source="Granville (1963), as a change over `period` bars",
    ),
    _obv,
)
