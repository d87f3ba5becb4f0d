"""Bars: the one shape in which prices travel. Times are UTC; prices in the instrument's currency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TimeArray = NDArray[np.datetime64]


@dataclass(frozen=True)
class Bars:
    """A run of bars of one instrument and timeframe, oldest first.

    Attributes:
        instrument: symbol, e.g. `SPX`.
        timeframe: `1d`, `1h`, ...
        time: (n_bars,) datetime64[ns], UTC: the bar's close, when its values became known.
        open, high, low, close: (n_bars,) prices adjusted for splits and distributions, > 0.
        volume: (n_bars,) NaN where the source has none.
    """

    instrument: str
    timeframe: str
    time: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.time)

    def slice(self, start: int, stop: int) -> Bars:
        """Return bars `start` up to but not including `stop`, as views."""
        part = np.s_[start:stop]
        return Bars(
            self.instrument,
            self.timeframe,
            self.time[part],
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            self.volume[part],
        )

    def before(self, time: np.datetime64) -> Bars:
        """Return the bars known strictly before `time`."""
        return self.slice(0, int(np.searchsorted(self.time, time, side="left")))
