"""Bars of a longer timeframe made of shorter ones, on an exchange's calendar. Nothing of a bar is known before its own close.

An intraday bar is counted from its session's open, the last of a session ends with it; a daily bar is a session; a weekly bar is the
sessions from Saturday to Friday, which for markets that trade on weekdays is the calendar week, and which lets a Friday end the week in
markets that never close; a monthly bar is the sessions dated in a month. So changes of clocks, half days and holidays are the calendar's.

A bar is known at its scheduled close, whether or not its last base bars are there. A bar that has not closed when the base bars end is left
out, and so is the first if they begin in its midst. Base bars that close outside every session belong to no bar.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray, IntArray, TimeArray
from nullalpha.data.calendars import Sessions, sessions_between
from nullalpha.data.timeframes import DAILY, MONTHLY, PUBLISHED, WEEKLY, bar_duration

_DAY = np.timedelta64(1, "D")
_BEFORE, _AFTER = 10 * _DAY, 40 * _DAY  # a week's and a month's sessions on either side, and any holiday
_EPOCH_WEEKDAY = 5  # days since a Saturday on 1970-01-01, a Thursday
_OF_SESSIONS = (DAILY, WEEKLY, MONTHLY)


@dataclass(frozen=True)
class _Schedule:
    """The longer bars that the calendar has, oldest first.

    Attributes:
        open, close: (n,) datetime64[ns], UTC.
    """

    open: TimeArray
    close: TimeArray


def resample(bars: Bars, timeframe: str, calendar: str) -> Bars:
    """Return the complete bars of a longer timeframe.

    Open is the first, high the highest, low the lowest, close the last of its base bars'; volume is their sum (NaN where one is missing);
    spread and factor are the last.

    Args:
        bars: prices of one instrument, intraday or daily.
        timeframe: a multiple of an intraday one, `1d`, `1w` or `1mo`.
        calendar: an `exchange_calendars` code.
    Returns:
        Bars, with sessions where they are intraday; perhaps none.
    Raises:
        DataError: if the calendar is unknown or has no records of these bars' days, or such bars cannot be made of these.
    """
    length = _require_longer(bars, timeframe)
    if not len(bars):
        return replace(bars, timeframe=timeframe, sessions=None)
    first, last = bars.time[0].astype("datetime64[D]"), bars.time[-1].astype("datetime64[D]")
    sessions = sessions_between(calendar, first - _BEFORE, last + _AFTER)
    if bars.time[0] < sessions.known_from or bars.time[-1] > sessions.known_to + _DAY:
        raise DataError(f"calendar {calendar} has no records of all days from {first} to {last}", path="calendar", value=calendar)
    schedule = _of_sessions(sessions, timeframe) if timeframe in _OF_SESSIONS else _intraday(sessions, timeframe)
    rows = np.flatnonzero(_in_session(sessions, bars.time))
    place = np.searchsorted(schedule.close, bars.time[rows], side="left")
    starts, stops = _groups(place)
    longer = place[starts]
    whole = schedule.close[longer] <= bars.time[-1]
    if len(rows) and _begins(bars, sessions, int(rows[0]), length) > schedule.open[longer[0]]:
        whole[0] = False
    made = _made(bars, timeframe, rows, starts[whole], stops[whole], schedule.close[longer[whole]])
    if timeframe in _OF_SESSIONS or not len(made):
        return made
    return replace(made, sessions=sessions.over(bars.time[0], made.time[-1]))


def _require_longer(bars: Bars, timeframe: str) -> np.timedelta64 | None:
    """Return how long a base bar is; None for a session."""
    if bars.timeframe in (PUBLISHED, WEEKLY, MONTHLY):
        raise _refusal(bars, timeframe, "longer bars are made of intraday or daily ones")
    length = bar_duration(bars.timeframe)
    if length is None and timeframe not in (WEEKLY, MONTHLY):
        raise _refusal(bars, timeframe, f"use {WEEKLY} or {MONTHLY}")
    if length is not None and timeframe not in _OF_SESSIONS:
        wanted = bar_duration(timeframe)
        if wanted is None or wanted <= length or wanted % length != np.timedelta64(0, "m"):
            raise _refusal(bars, timeframe, f"use a multiple of {bars.timeframe}, or {', '.join(_OF_SESSIONS)}")
    return length


def _refusal(bars: Bars, timeframe: str, advice: str) -> DataError:
    return DataError(
        f"{timeframe!r} bars cannot be made of the {bars.timeframe} bars of {bars.instrument}",
        path="timeframe",
        value=timeframe,
        suggestion=advice,
    )


def _intraday(sessions: Sessions, timeframe: str) -> _Schedule:
    step = np.timedelta64(bar_duration(timeframe), "ns")
    counts = -((sessions.open - sessions.close) // step)
    session = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(session)) - np.repeat(np.cumsum(counts) - counts, counts)
    opens = sessions.open[session] + number * step
    return _Schedule(opens, np.minimum(opens + step, sessions.close[session]))


def _of_sessions(sessions: Sessions, timeframe: str) -> _Schedule:
    days = sessions.date.astype("datetime64[D]")
    period = {
        DAILY: np.arange(len(days)),
        WEEKLY: (days.astype(np.int64) + _EPOCH_WEEKDAY) // 7,
        MONTHLY: days.astype("datetime64[M]").astype(np.int64),
    }[timeframe]
    starts, stops = _groups(period)
    return _Schedule(sessions.open[starts], sessions.close[stops - 1])


def _groups(labels: IntArray) -> tuple[IntArray, IntArray]:
    """Return where each run of equal labels starts and stops."""
    if not len(labels):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    return starts, np.append(starts[1:], len(labels))


def _in_session(sessions: Sessions, times: TimeArray) -> NDArray[np.bool_]:
    """Return whether each time lies in (open, close] of a session."""
    place = np.searchsorted(sessions.close, times, side="left")
    inside = place < len(sessions.close)
    inside[inside] &= times[inside] > sessions.open[place[inside]]
    return inside


def _begins(bars: Bars, sessions: Sessions, row: int, length: np.timedelta64 | None) -> np.datetime64:
    """Return when a base bar opened: an intraday one its length before its close, a daily one with its session."""
    place = int(np.searchsorted(sessions.close, bars.time[row], side="left"))
    opened: np.datetime64 = sessions.open[place] if length is None else bars.time[row] - length
    return opened


def _made(bars: Bars, timeframe: str, rows: IntArray, starts: IntArray, stops: IntArray, time: TimeArray) -> Bars:
    """Return one bar for each run of base rows `rows[start:stop]`, known at `time`."""
    if not len(starts):
        return replace(bars.slice(0, 0), timeframe=timeframe)
    first, last = rows[starts], rows[stops - 1]
    edges = np.column_stack([starts, stops]).ravel()  # reduceat gives every second interval: from a start to its stop

    def reduced(ufunc: np.ufunc, column: FloatArray) -> FloatArray:
        values: FloatArray = ufunc.reduceat(np.append(column[rows], 0.0), edges)[::2]
        return values

    return Bars(
        bars.instrument,
        timeframe,
        time,
        bars.open[first],
        reduced(np.maximum, bars.high),
        reduced(np.minimum, bars.low),
        bars.close[last],
        reduced(np.add, bars.volume if bars.factor is None else bars.volume / bars.factor)
        * (1.0 if bars.factor is None else bars.factor[last]),
        None if bars.spread is None else bars.spread[last],
        None if bars.factor is None else bars.factor[last],
    )
