"""When a synthetic market's bars close: on the sessions of a real calendar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import IntArray, TimeArray
from nullalpha.data.calendars import sessions_between
from nullalpha.data.synthetic.market import Venue
from nullalpha.data.timeframes import bar_duration

_LAST = np.datetime64("2200-01-01", "D")
_FRIDAY = 4
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_SPARE_DAYS = 40


@dataclass(frozen=True)
class Clock:
    """The closes of bars.

    Attributes:
        time: (n_bars,) datetime64[ns], UTC.
        session: (n_bars,) datetime64[ns] at midnight: the session of each bar.
        bars_per_year: by the venue's sessions a year and the usual number of bars in a session.
    """

    time: TimeArray
    session: TimeArray
    bars_per_year: float

    def __len__(self) -> int:
        return len(self.time)

    def week_ends(self) -> tuple[IntArray, IntArray]:
        """Return the last bar of each week (Saturday to Friday), and for each bar the last week whose bars are all known by then, or -1."""
        day = self.session.astype("datetime64[D]").astype(np.int64)
        week = (day + _EPOCH_WEEKDAY + 2) // 7
        ordinal = np.cumsum(np.diff(week, prepend=week[0]) != 0)
        ends = np.append(np.flatnonzero(np.diff(ordinal)), len(day) - 1)
        last_of_session = np.append(np.diff(day) != 0, True)
        friday = (day + _EPOCH_WEEKDAY) % 7 == _FRIDAY
        return ends, np.where(friday & last_of_session, ordinal, ordinal - 1)


@lru_cache(maxsize=16)
def clock_of(venue: Venue, n_bars: int) -> Clock:
    """Return the closes of the first `n_bars` bars of a venue; kept, because making a calendar's sessions takes a tenth of a second.

    The arrays cannot be written to.

    Raises:
        DataError: if the calendar or the timeframe is unknown, or the calendar has too few sessions.
    """
    first = np.datetime64(venue.first, "D")
    duration = bar_duration(venue.timeframe)
    a_session = 1 if duration is None else _bars_in(venue, first, duration)
    days = int(n_bars / a_session * 366 / min(venue.sessions_per_year, 250)) + _SPARE_DAYS
    sessions = sessions_between(venue.calendar, first, min(first + np.timedelta64(days, "D"), _LAST))
    if duration is None:
        time, session = sessions.close, sessions.date
    else:
        counts = -(-(sessions.close - sessions.open) // duration)
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        closes = np.repeat(sessions.open, counts) + (place + 1) * duration
        time, session = np.minimum(closes, np.repeat(sessions.close, counts)), np.repeat(sessions.date, counts)
    if len(time) < n_bars:
        raise DataError(
            f"{n_bars} {venue.timeframe} bars from {venue.first} are more than {venue.calendar} has sessions for ({len(time)})",
            path="n_bars",
            value=n_bars,
            suggestion="ask for fewer bars, an earlier first session, or a shorter timeframe",
        )
    clock = Clock(time[:n_bars].copy(), session[:n_bars].copy(), float(venue.sessions_per_year * a_session))
    clock.time.setflags(write=False)
    clock.session.setflags(write=False)
    return clock


def _bars_in(venue: Venue, first: np.datetime64, duration: np.timedelta64) -> int:
    """Return the usual number of bars in a session."""
    sessions = sessions_between(venue.calendar, first, first + np.timedelta64(_SPARE_DAYS, "D"))
    if not len(sessions.date):
        raise DataError(f"{venue.calendar} has no sessions from {venue.first}", path="first", value=venue.first)
    return int(np.median(-(-(sessions.close - sessions.open) // duration)))
