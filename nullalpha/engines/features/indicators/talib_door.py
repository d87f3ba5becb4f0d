"""The one place that loads TA-Lib, on the first computation: a process that only reads signatures never pays for it (0.4-0.7 s).

TA-Lib's traps, and what is done about them. A NaN inside a series poisons its averages for good: it is handed validated prices only.
Where nothing moves it answers 0 for 0 / 0: callers mask what is undefined. It takes sums under 1e-14 for 0: prices are scaled by a
power of two, which is exact.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from nullalpha.data.bars import FloatArray


def ta(function: str, *series: FloatArray, **params: Any) -> FloatArray:
    """Return the output of one of TA-Lib's functions, e.g. `ta("RSI", close, timeperiod=14)`; (n_bars,), NaN in its lookback."""
    out: FloatArray = ta_outputs(function, *series, **params)
    return out


def ta_outputs(function: str, *series: FloatArray, **params: Any) -> Any:
    """Return what one of TA-Lib's functions returns: an array, or a tuple of arrays where it has several outputs."""
    library = importlib.import_module("talib")
    return getattr(library, function)(*(np.ascontiguousarray(one, dtype=np.float64) for one in series), **params)


def near_one(*series: FloatArray) -> tuple[FloatArray, ...]:
    """Return price series divided by one power of two that brings the first price near 1; exact, so ratios do not change."""
    _, exponent = np.frexp(series[0][0])
    return tuple(np.ldexp(one, -int(exponent)) for one in series)
