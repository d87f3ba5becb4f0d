"""Bars: the one shape in which prices travel. Times are UTC; prices in the instrument's currency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TimeArray = NDArray[np.datetime64]


def session_days(time: TimeArray) -> TimeArray:
    """Return (n,) datetime64[D], UTC: the day that each bar covers; one that closes at midnight belongs to the day before."""
    days: TimeArray = (time.astype("datetime64[ns]") - np.timedelta64(1, "ns")).astype("datetime64[D]")
    return days


@dataclass(frozen=True)
class SessionTable:
    """The exchange's sessions over a run of intraday bars, oldest first.

    Attributes:
        open, close: (n_sessions,) datetime64[ns], UTC. A bar that closes in (open, close] belongs to the session.
    """

    open: TimeArray
    close: TimeArray

    def until(self, time: np.datetime64) -> SessionTable:
        """Return the sessions that open before `time`."""
        stop = int(np.searchsorted(self.open, time, side="left"))
        return SessionTable(self.open[:stop], self.close[:stop])


@dataclass(frozen=True)
class Bars:
    """A run of bars of one instrument and timeframe, oldest first.

    Attributes:
        instrument: symbol, e.g. `SPX`.
        timeframe: `1d`, `1h`, ...; `published` for an outside series, whose rows are values at the times they were published.
        time: (n_bars,) datetime64[ns], UTC: when a bar's values became known: its close, or its publication.
        open, high, low, close: (n_bars,) prices adjusted for splits and distributions (of a future, for rolls), > 0. Of an outside
            series all four are its value, of any sign.
        volume: (n_bars,) as traded, in units of the price as traded; NaN where the source has none.
        spread: (n_bars,) quoted ask minus bid at the close, in price; NaN where not known. None: the source has no quotes.
        factor: (n_bars,) what prices as traded were multiplied by: price as traded = price / factor. None: nothing was adjusted.
        sessions: of intraday bars on a known calendar: their sessions.
    """

    instrument: str
    timeframe: str
    time: TimeArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    spread: FloatArray | None = None
    factor: FloatArray | None = None
    sessions: SessionTable | None = None

    def __len__(self) -> int:
        return len(self.time)

    def slice(self, start: int, stop: int) -> Bars:
        """Return bars `start` up to but not including `stop`, as views."""
        part = np.s_[start:stop]
        time = self.time[part]
        return Bars(
            self.instrument,
            self.timeframe,
            time,
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            self.volume[part],
            None if self.spread is None else self.spread[part],
            None if self.factor is None else self.factor[part],
            None if self.sessions is None or not len(time) else self.sessions.until(time[-1]),
        )

    def before(self, time: np.datetime64) -> Bars:
        """Return the bars known strictly before `time`."""
        return self.slice(0, int(np.searchsorted(self.time, time, side="left")))
