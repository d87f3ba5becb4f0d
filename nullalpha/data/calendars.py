"""Exchange sessions: which days were traded, and when each session opened and closed, in UTC. Read from `exchange_calendars`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

import exchange_calendars as xc
import numpy as np
import pandas as pd
from exchange_calendars.errors import InvalidCalendarName

from nullalpha.core.errors import DataError, nearest
from nullalpha.data.bars import TimeArray

_MARGIN = pd.Timedelta(days=21)  # longer than any holiday, so that a calendar of a short range has sessions


@dataclass(frozen=True)
class Sessions:
    """The sessions of a span of days, oldest first.

    Attributes:
        date: (n_sessions,) datetime64[ns] at midnight: the session's own date.
        open, close: (n_sessions,) datetime64[ns], UTC.
        known_from, known_to: the part of the span that the calendar has records of; beyond it nothing can be said.
    """

    date: TimeArray
    open: TimeArray
    close: TimeArray
    known_from: np.datetime64
    known_to: np.datetime64


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
    closes = np.empty(len(dates), dtype="datetime64[ns]")
    for row, (place, date) in enumerate(zip(places, dates, strict=True)):
        known = place < len(sessions.date) and sessions.date[place] == date
        closes[row] = sessions.close[place] if known else _regular_close(calendar, date)
    return closes


def _calendar(code: str, begin: pd.Timestamp, end: pd.Timestamp) -> xc.ExchangeCalendar:
    try:
        return xc.get_calendar(code, start=begin - _MARGIN, end=end + _MARGIN)
    except InvalidCalendarName as error:
        near = nearest(code, xc.get_calendar_names())
        raise DataError(
            f"unknown exchange calendar {code!r}",
            path="calendar",
            value=code,
            suggestion=f"did you mean {near}?" if near else "XNYS, XNAS, XLON, 24/7, ... (codes of exchange_calendars)",
        ) from error
    except ValueError:  # the span reaches beyond what the calendar has records of
        bounds = xc.get_calendar(code)
        low, high = bounds.bound_min(), bounds.bound_max()
        start = max(begin - _MARGIN, low) if low is not None else begin - _MARGIN
        stop = min(end + _MARGIN, high) if high is not None else end + _MARGIN
        return xc.get_calendar(code, start=start, end=stop) if start < stop else bounds


def _regular_close(code: str, date: np.datetime64) -> np.datetime64:
    book = xc.get_calendar(code)
    day = pd.Timestamp(date)
    closing = next((at for since, at in reversed(book.close_times) if since is None or since <= day), time(16))
    local = pd.Timestamp.combine(day + pd.Timedelta(days=book.close_offset), closing)
    return np.datetime64(local.tz_localize(book.tz, ambiguous=True, nonexistent="shift_forward").tz_convert(None), "ns")


def _utc(column: pd.Series) -> TimeArray:
    times: TimeArray = column.dt.tz_convert(None).to_numpy().astype("datetime64[ns]")
    return times
