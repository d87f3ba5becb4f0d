"""Kaufman's efficiency ratio."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Parameters, period, period_of, series_operator
from nullalpha.engines.features.rolling import lagged, rolling_sum


def _efficiency_ratio(columns: Columns, params: Parameters) -> Columns:
    (values,) = columns
    net = np.abs(values - lagged(values, period_of(params)))
    path = rolling_sum(np.abs(values - lagged(values, 1)), period_of(params))
    return (np.minimum(net / path, 1.0),)  # a straight path may pass 1 by rounding


EFFICIENCY_RATIO = series_operator(
    "efficiency_ratio",
    "Net move over the length of the path in `period` bars: 1 for a straight move, near 0 for noise.",
    _efficiency_ratio,
    unit="bounded_0_1",
    parameters=(period(10),),
    warmup_bars=period_of,
    source="Kaufman (1995)",
)
