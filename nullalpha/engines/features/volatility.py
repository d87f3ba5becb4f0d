"""Volatility per bar, as labels, sizing and exits use it. Not annualised; row t uses bars up to and including t."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.registry import INDICATORS
from nullalpha.engines.features.rolling import lagged, rolling_std

ATR_BARS = 14


def atr(bars: Bars, period: int = ATR_BARS) -> FloatArray:
    """Return (n_bars,) Wilder's average true range in price units; NaN in the warm-up that the indicator `atr` declares."""
    return INDICATORS["atr"].compute(bars, MappingProxyType({"period": period}))[0]


def trailing_volatility(bars: Bars, period: int) -> FloatArray:
    """Return (n_bars,) the sample standard deviation of the last `period` log close returns, per bar (not annual).

    The first `period` rows are NaN; a flat window gives 0.

    Args:
        bars: bars with closes > 0.
        period: returns in a window, >= 2.
    """
    return rolling_std(np.log(bars.close / lagged(bars.close, 1)), period)
