"""Money flow index: RSI's idea with volume.

Computed here because TA-Lib answers 0 wherever the flow over the window is under 1 currency unit, which small prices or volumes meet.
"""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, period, period_of
from nullalpha.engines.features.rolling import lagged, rolling_sum
from nullalpha.strategy.vocabulary import IndicatorSignature


def _mfi(columns: Columns, params: Parameters) -> Columns:
    high, low, close, volume = columns
    typical = (high + low + close) / 3
    flow = typical * volume
    change = typical - lagged(typical, 1)
    rising = rolling_sum(np.where(change > 0, flow, 0.0 * change), period_of(params))  # a missing change stays missing
    falling = rolling_sum(np.where(change < 0, flow, 0.0 * change), period_of(params))
    return (100 * rising / (rising + falling),)


MFI = Indicator(
    IndicatorSignature(
        name="mfi",
        summary="Money flow index: share of `period` bars' typical price times volume that came in rising bars.",
        inputs=("high", "low", "close", "volume"),
        parameters=(period(14),),
        outputs=("mfi",),
        unit="bounded_0_100",
        warmup_bars=period_of,
        stability="windowed",
        source="Quong & Soudack (1989)",
    ),
    _mfi,
)
