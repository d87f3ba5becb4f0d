"""Longer bars made from shorter ones, and when each became known. Never looks ahead.

A weekly bar is made of the sessions from Saturday to Friday, which for markets that trade on weekdays is the ISO week, and which lets a
Friday session end its week in markets that never close. It is known from its Friday's bar on or, where there is no such bar (a holiday),
from the first bar of a later week. A bar's session is the UTC date just before its close, so that a bar that closes at midnight belongs
to the day it covers. The first week is left out unless its bars start on a Monday: what is missing of it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import UsageError
from nullalpha.data.bars import Bars, FloatArray, IntArray

WEEK_BASE = "1d"
_MONDAY, _FRIDAY = 0, 4
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True)
class Alignment:
    """Bars of one timeframe and how they meet the base bars.

    Attributes:
        bars: bars of the timeframe; the last may be incomplete, and is then in no row's reach.
        known: (n_base_bars,) index into `bars` of the last complete bar at each base bar, -1 before the first; None when both are the same.
    """

    bars: Bars
    known: IntArray | None

    def join(self, values: FloatArray) -> FloatArray:
        """Return the values of the timeframe's bars at each base bar, as known there; NaN before the first."""
        if self.known is None:
            return values
        if not len(values):
            return np.full(len(self.known), np.nan)
        return np.where(self.known >= 0, values[np.maximum(self.known, 0)], np.nan)


def align(bars: Bars, timeframe: str) -> Alignment:
    """Return the bars of `timeframe` made from base bars.

    Raises:
        UsageError: if the timeframe is neither that of the bars nor `1w` on `1d` bars.
    """
    if timeframe == bars.timeframe:
        return Alignment(bars, None)
    if timeframe == "1w" and bars.timeframe == WEEK_BASE:
        return _weekly(bars)
    raise UsageError(
        f"timeframe {timeframe!r} cannot be made from {bars.timeframe!r} bars of {bars.instrument}",
        path="timeframe",
        value=timeframe,
        suggestion=f"use {bars.timeframe!r}" + (" or '1w'" if bars.timeframe == WEEK_BASE else ""),
    )


def _weekly(bars: Bars) -> Alignment:
    session = (bars.time - np.timedelta64(1, "ns")).astype("datetime64[D]").astype(np.int64)
    weekday = (session + _EPOCH_WEEKDAY) % 7  # 0 is Monday
    week = (session + _EPOCH_WEEKDAY + 2) // 7  # Saturday starts a week
    starts_week = np.diff(week, prepend=week[0] - 1 if len(week) else 0) != 0
    index = np.cumsum(starts_week) - 1
    starts = np.flatnonzero(starts_week)
    known = np.where(weekday == _FRIDAY, index, index - 1)
    if len(starts) and weekday[0] != _MONDAY:
        starts, known = starts[1:], np.maximum(known - 1, -1)
    return Alignment(_grouped(bars, starts), known)


def _grouped(bars: Bars, starts: IntArray) -> Bars:
    """Return one bar for each run of base bars that begins at `starts`; its time is that of the last base bar so far."""
    if not len(starts):
        return bars.slice(0, 0)
    stops = np.append(starts[1:], len(bars))
    return Bars(
        instrument=bars.instrument,
        timeframe="1w",
        time=bars.time[stops - 1],
        open=bars.open[starts],
        high=np.maximum.reduceat(bars.high, starts),
        low=np.minimum.reduceat(bars.low, starts),
        close=bars.close[stops - 1],
        volume=np.add.reduceat(bars.volume, starts),
    )
