"""Realised volatility: the deviation of log returns, per bar."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.contract import Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import lagged, rolling_std
from nullalpha.strategy.vocabulary import IndicatorSignature


def _realised_volatility(bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
    return (rolling_std(np.log(bars.close / lagged(bars.close, 1)), period_of(params)),)


REALISED_VOLATILITY = Indicator(
    IndicatorSignature(
        name="realised_volatility",
        summary="Sample standard deviation of the last `period` log returns, per bar (not annual), as a fraction.",
        inputs=("close",),
        parameters=(period(20),),
        outputs=("realised_volatility",),
        unit="ratio",
        warmup_bars=period_of,
        path_dependent=False,
        source="Andersen & Bollerslev (1998), International Economic Review 39(4)",
    ),
    _realised_volatility,
)
