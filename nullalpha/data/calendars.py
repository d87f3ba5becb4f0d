"""Exchange sessions: which days were traded, and when each session opened and closed, in UTC. Read from `exchange_calendars`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from functools import lru_cache

import exchange_calendars as xc
import numpy as np
import pandas as pd
from exchange_calendars.errors import InvalidCalendarName

from nullalpha.core.errors import DataError, nearest
from nullalpha.data.bars import SessionTable, TimeArray

_MARGIN = pd.Timedelta(days=21)  # longer than any holiday, so that a calendar of a short range has sessions
_DECADE = 10


@dataclass(frozen=True)
class Sessions:
    """The sessions of a span of days, oldest first.

    Attributes:
        date: (n_sessions,) datetime64[ns] at midnight: the session's own date.
        open, close: (n_sessions,) datetime64[ns], UTC.
        break_start, break_end: (n_sessions,) datetime64[ns], UTC: a break for lunch; NaT where there is none.
        known_from, known_to: the part of the span that the calendar has records of; beyond it nothing can be said.
    """

    date: TimeArray
    open: TimeArray
    close: TimeArray
    break_start: TimeArray
    break_end: TimeArray
    known_from: np.datetime64
    known_to: np.datetime64

    def over(self, first: np.datetime64, last: np.datetime64) -> SessionTable:
        """Return the sessions that bars known from `first` to `last` can belong to, and those between."""
        start = int(np.searchsorted(self.close, first, side="left"))
        return SessionTable(self.open[start:], self.close[start:]).until(last)


def require_calendar(code: str) -> None:
    """Raise a DataError with the nearest code unless there is such a calendar."""
    if code not in xc.get_calendar_names():
        raise _unknown(code)


def sessions_between(calendar: str, first: np.datetime64, last: np.datetime64) -> Sessions:
    """Return the sessions dated `first` to `last`, both included.

    Raises:
        DataError: if the calendar is unknown.
    """
    begin, end = pd.Timestamp(first).normalize(), pd.Timestamp(last).normalize()
    book = _calendar(calendar, begin, end)
    known_from = max(begin, book.bound_min() or begin)
    known_to = min(end, book.bound_max() or end)
    table = book.schedule.loc[known_from:known_to]
    return Sessions(
        table.index.to_numpy().astype("datetime64[ns]"),
        _utc(table["open"]),
        _utc(table["close"]),
        _utc(table["break_start"]),
        _utc(table["break_end"]),
        np.datetime64(known_from, "ns"),
        np.datetime64(known_to, "ns"),
    )


def session_closes(calendar: str, dates: TimeArray) -> TimeArray:
    """Return when the session of each date closed.

    Args:
        calendar: an `exchange_calendars` code.
        dates: (n,) datetime64[ns] at midnight, ascending, not empty.
    Returns:
        (n,) datetime64[ns], UTC. A date that is no session gets the exchange's regular closing time on that date.
    Raises:
        DataError: if the calendar is unknown.
    """
    sessions = sessions_between(calendar, dates[0], dates[-1])
    places = np.searchsorted(sessions.date, dates)
    known = places < len(sessions.date)
    known[known] &= sessions.date[places[known]] == dates[known]
    closes = np.empty(len(dates), dtype="datetime64[ns]")
    closes[known] = sessions.close[places[known]]
    closes[~known] = [_regular_close(calendar, date) for date in dates[~known]]
    return closes


def _calendar(code: str, begin: pd.Timestamp, end: pd.Timestamp) -> xc.ExchangeCalendar:
    """Return a calendar over the decades of a span: making one takes a tenth of a second, and most series share their decades."""
    return _made_calendar(code, begin.year // _DECADE * _DECADE, (end.year // _DECADE + 1) * _DECADE)


@lru_cache(maxsize=64)
def _made_calendar(code: str, first_year: int, beyond_year: int) -> xc.ExchangeCalendar:
    begin, end = pd.Timestamp(first_year, 1, 1), pd.Timestamp(beyond_year, 1, 1)
    try:
        return xc.get_calendar(code, start=begin - _MARGIN, end=end + _MARGIN)
    except InvalidCalendarName as error:
        raise _unknown(code) from error
    except ValueError:  # the span reaches beyond what the calendar has records of
        bounds = xc.get_calendar(code)
        low, high = bounds.bound_min(), bounds.bound_max()
        start = max(begin - _MARGIN, low) if low is not None else begin - _MARGIN
        stop = min(end + _MARGIN, high) if high is not None else end + _MARGIN
        return xc.get_calendar(code, start=start, end=stop) if start < stop else bounds


def _unknown(code: str) -> DataError:
    near = nearest(code, xc.get_calendar_names())
    return DataError(
        f"unknown exchange calendar {code!r}",
        path="calendar",
        value=code,
        suggestion=f"did you mean {near}?" if near else "XNYS, XNAS, XLON, 24/7, ... (codes of exchange_calendars)",
    )


def _regular_close(code: str, date: np.datetime64) -> np.datetime64:
    book = xc.get_calendar(code)
    day = pd.Timestamp(date)
    closing = next((at for since, at in reversed(book.close_times) if since is None or since <= day), time(16))
    local = pd.Timestamp.combine(day + pd.Timedelta(days=book.close_offset), closing)
    return np.datetime64(local.tz_localize(book.tz, ambiguous=True, nonexistent="shift_forward").tz_convert(None), "ns")


def _utc(column: pd.Series) -> TimeArray:
    times: TimeArray = column.dt.tz_convert(None).to_numpy().astype("datetime64[ns]")
    return times
