"""Realised volatility: the deviation of log returns, per bar."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Parameters, period, period_of, series_operator
from nullalpha.engines.features.rolling import lagged, rolling_std


def _realised_volatility(columns: Columns, params: Parameters) -> Columns:
    return (rolling_std(np.log(columns[0] / lagged(columns[0], 1)), period_of(params)),)


REALISED_VOLATILITY = series_operator(
    "realised_volatility",
    "Sample standard deviation of the last `period` log returns, per bar (not annual), as a fraction.",
    _realised_volatility,
    unit="ratio",
    parameters=(period(20),),
    warmup_bars=period_of,
    source="Andersen & Bollerslev (1998), International Economic Review 39(4)",
)
