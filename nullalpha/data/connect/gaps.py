"""What is missing: from the bars that are there and the exchange's calendar to the stretches to ask for.

A stretch is missing where whole sessions are, and after the last bar; single bars within a session may not exist at all, because nobody
traded. Each stretch reaches a few bars into what is there on either side, so that what a source has changed since shows.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from nullalpha.data.bars import TimeArray
from nullalpha.data.calendars import Sessions, session_closes, sessions_between
from nullalpha.data.connect.received import Span
from nullalpha.data.timeframes import bar_duration

OVERLAP_BARS = 5
_DAY = np.timedelta64(1, "D")
_LONGEST_SESSION = np.timedelta64(4, "D")
"""More than any session lasts after 00:00 UTC of its date."""


def finished(frame: pd.DataFrame, timeframe: str, calendar: str, until: datetime) -> pd.DataFrame:
    """Return the bars that had closed at `until`: an intraday bar a bar's length after its open, a daily bar with its session.

    Raises:
        DataError: if the calendar is unknown.
    """
    if frame.empty:
        return frame
    times, limit, step = plain_times(frame), as_time(until), bar_duration(timeframe)
    if step is not None:
        return frame[times + step <= limit].reset_index(drop=True)
    recent = times > limit - _LONGEST_SESSION
    closed = np.ones(len(times), dtype=bool)
    if recent.any():
        closed[recent] = session_closes(calendar, times[recent]) <= limit
    return frame[closed].reset_index(drop=True)


def missing_spans(times: TimeArray, timeframe: str, calendar: str, start: datetime | None, until: datetime) -> tuple[Span, ...]:
    """Return what to ask for, oldest first; nothing where nothing is missing.

    Args:
        times: (n,) datetime64[ns], ascending: opens, or dates of sessions, of the bars that are there.
        start: bars before it are not wanted; None: none before the first that is there.
        until: only bars that have closed by then are wanted.
    Raises:
        DataError: if the calendar is unknown.
    """
    if not len(times):
        return (Span(start, until),)
    begin = times[0] if start is None else as_time(start)
    step, limit = bar_duration(timeframe), as_time(until)
    sessions = sessions_between(calendar, min(begin, times[0]).astype("datetime64[D]"), limit.astype("datetime64[D]"))
    holes = _session_holes(times, sessions, begin, limit, step) if step else _daily_holes(times, sessions, begin, limit)
    return _joined([_widened(hole, times, step or _DAY) for hole in holes])


def plain_times(frame: pd.DataFrame) -> TimeArray:
    """Return a frame's times as datetime64[ns], UTC where they have a zone."""
    column = frame["time"]
    plain = column if column.dt.tz is None else column.dt.tz_convert(None)
    times: TimeArray = plain.to_numpy().astype("datetime64[ns]")
    return times


def _daily_holes(
    times: TimeArray, sessions: Sessions, begin: np.datetime64, limit: np.datetime64
) -> list[tuple[np.datetime64, np.datetime64]]:
    wanted = sessions.date[(sessions.date >= begin.astype("datetime64[D]")) & (sessions.close <= limit)]
    absent = ~np.isin(wanted, times)
    return [(wanted[first], wanted[last] + _DAY) for first, last in _runs(absent)]


def _session_holes(
    times: TimeArray, sessions: Sessions, begin: np.datetime64, limit: np.datetime64, step: np.timedelta64
) -> list[tuple[np.datetime64, np.datetime64]]:
    wanted = (sessions.close > begin) & (sessions.open + step <= limit)
    opens, closes = sessions.open[wanted], np.minimum(sessions.close[wanted], limit)
    absent = np.searchsorted(times, opens) == np.searchsorted(times, closes)
    holes = [(max(opens[first], begin), closes[last]) for first, last in _runs(absent)]
    after = times[-1] + step
    rest = closes[(opens <= times[-1]) & (closes >= after + step)]
    return [*holes, (after, rest[-1])] if len(rest) else holes


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last place of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(stop) - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True)]


def _widened(hole: tuple[np.datetime64, np.datetime64], times: TimeArray, step: np.timedelta64) -> tuple[np.datetime64, np.datetime64]:
    before = int(np.searchsorted(times, hole[0], side="left"))
    after = int(np.searchsorted(times, hole[1], side="left"))
    first = times[max(0, before - OVERLAP_BARS)] if before else hole[0]
    last = times[min(len(times), after + OVERLAP_BARS) - 1] + step if after < len(times) else hole[1]
    return first, last


def _joined(holes: list[tuple[np.datetime64, np.datetime64]]) -> tuple[Span, ...]:
    joined: list[tuple[np.datetime64, np.datetime64]] = []
    for hole in sorted(holes):
        if joined and hole[0] <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], hole[1]))
        else:
            joined.append(hole)
    return tuple(Span(_aware(first), _aware(stop)) for first, stop in joined)


def as_time(moment: datetime) -> np.datetime64:
    """Return an aware time as datetime64[ns], UTC."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ns")


def _aware(time: np.datetime64) -> datetime:
    moment: datetime = pd.Timestamp(time, tz="UTC").to_pydatetime(warn=False)
    return moment
