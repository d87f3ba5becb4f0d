"""Volume weighed by where its bar closed: the accumulation/distribution line as a change over a window, and Chaikin's money flow.

The share of a bar is -1 where it closes at its low, 1 at its high, and 0 for a bar without range, whose volume counts for no side.
The running total of the line never forgets where history started, so a window takes its place.
"""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, before_period, period, period_of
from nullalpha.engines.features.rolling import rolling_sum
from nullalpha.strategy.vocabulary import IndicatorSignature


def _accumulated(columns: Columns, params: Parameters) -> FloatArray:
    high, low, close, volume = columns
    height = high - low
    share = np.where(height == 0, 0.0, ((close - low) - (high - close)) / height)
    return rolling_sum(share * volume, period_of(params))


def _ad_line(columns: Columns, params: Parameters) -> Columns:
    return (_accumulated(columns, params),)


def _cmf(columns: Columns, params: Parameters) -> Columns:
    return (np.clip(_accumulated(columns, params) / rolling_sum(columns[3], period_of(params)), -1.0, 1.0),)  # by rounding it may pass


AD_LINE = Indicator(
    IndicatorSignature(
        name="ad_line",
        summary="Accumulation/distribution of the last `period` bars: volume times where each closed: 1 at its high, -1 at its low.",
        inputs=("high", "low", "close", "volume"),
        parameters=(period(20),),
        outputs=("ad_line",),
        unit="signed_volume",
        warmup_bars=before_period,
        stability="windowed",
        source="Chaikin; TA-Lib AD, as a change over `period` bars",
    ),
    _ad_line,
)

CMF = Indicator(
    IndicatorSignature(
        name="cmf",
        summary="Chaikin money flow: accumulation/distribution of `period` bars over their volume; 1 when every bar closes at its high.",
        inputs=("high", "low", "close", "volume"),
        parameters=(period(21),),
        outputs=("cmf",),
        unit="bounded_-1_1",
        warmup_bars=before_period,
        stability="windowed",
        source="Chaikin",
    ),
    _cmf,
)
