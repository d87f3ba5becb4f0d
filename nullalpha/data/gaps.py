"""What an exchange's calendar says of a table: sessions and bars that are missing, and rows when there was no session.

An intraday bar belongs to a session when it closes in (open, close] of it or, where its stamp runs past the session's end (an hourly bar
from 15:30 in a session to 16:00), when it opens in [open, close). Early closes, changes of clocks and breaks for lunch are the calendar's.
Bars are expected from the first row to the last, and on whichever grid more of them lie: counted from each session's open, or by the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.errors import DataError
from nullalpha.data.bars import IntArray, TimeArray
from nullalpha.data.calendars import Sessions, sessions_between
from nullalpha.data.parse import ParsedTable, iso
from nullalpha.data.problems import Problem, table_problem
from nullalpha.data.sources.series import BarTime

_DAY = np.timedelta64(1, "D")
_NONE = np.timedelta64(0, "ns")

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Placed:
    """Rows and the sessions they belong to.

    Attributes:
        sessions: all sessions over the rows.
        place: (n,) row of the session in `sessions`, meaningful where inside.
        inside: (n,) whether there is one.
        known: (n,) datetime64[ns]: the session's date (daily), or when the bar closed, no later than its session's end.
    """

    sessions: Sessions
    place: IntArray
    inside: BoolArray
    known: TimeArray


def place_in_sessions(table: ParsedTable, calendar: str, bar_time: BarTime) -> Placed:
    """Return the session of each row.

    Args:
        table: its times readable and ascending.
    Raises:
        DataError: if the calendar is unknown.
    """
    margin = 0 * _DAY if table.daily else _DAY  # a session may start on the evening before its date
    first, last = table.time[0].astype("datetime64[D]"), table.time[-1].astype("datetime64[D]")
    sessions = sessions_between(calendar, first - margin, last + margin)
    if table.daily or table.duration is None:
        place = np.searchsorted(sessions.date, table.time, side="left")
        return Placed(sessions, place, _equal_at(sessions.date, place, table.time), table.time)
    opens, closes = stamped(table, bar_time)
    place = np.searchsorted(sessions.close, closes, side="left")
    inside = _after_open(sessions, place, closes)
    running = np.searchsorted(sessions.close, opens, side="right")
    over = ~inside & _open_at(sessions, running, opens)
    place = np.where(over, running, place)
    known = closes.copy()
    known[over] = sessions.close[running[over]]
    return Placed(sessions, place, inside | over, known)


def stamped(table: ParsedTable, bar_time: BarTime) -> tuple[TimeArray, TimeArray]:
    """Return when each intraday bar opened and closed, by its stamp and the timeframe alone."""
    if table.duration is None:
        return table.time, table.time
    if bar_time == "open":
        return table.time, table.time + table.duration
    return table.time - table.duration, table.time


def check_sessions(table: ParsedTable, calendar: str, bar_time: BarTime) -> Iterator[Problem]:
    """Yield what the calendar says against the rows whose time can be read."""
    places = np.flatnonzero(~np.isnat(table.time))
    if not len(places):
        return
    if (np.diff(table.time[places]) < _NONE).any():
        places = places[np.argsort(table.time[places], kind="stable")]
    ordered = table.kept(places)
    try:
        placed = place_in_sessions(ordered, calendar, bar_time)
    except DataError as error:
        yield table_problem("unknown_calendar", f"{error.message}; {error.suggestion}")
        return
    dates = ordered.time.astype("datetime64[D]").astype("datetime64[ns]")
    known = (dates >= placed.sessions.known_from) & (dates <= placed.sessions.known_to)
    if not known.all():
        text = f"calendar {calendar} knows no sessions of {np.count_nonzero(~known)} rows, this the first"
        yield _warning(ordered, "outside_calendar", np.flatnonzero(~known)[:1], [text])
    closed = np.flatnonzero(known & ~placed.inside)
    if len(closed):
        closed = closed[np.argsort(ordered.row[closed], kind="stable")]
        yield _warning(ordered, "not_a_session", closed, [f"{calendar} was closed"] * len(closed))
    if placed.inside.any():
        yield from _missing_sessions(ordered, placed, calendar)
        if ordered.duration is not None:
            yield from _missing_bars(ordered, placed, ordered.duration, bar_time)


def _missing_sessions(table: ParsedTable, placed: Placed, calendar: str) -> Iterator[Problem]:
    """Yield a row after each run of absent sessions between the first and the last that is present."""
    rows = np.flatnonzero(placed.inside)
    places = placed.place[rows]
    present = np.unique(places)
    gaps = np.flatnonzero(np.diff(present) > 1)
    if not len(gaps):
        return
    before, after = present[gaps], present[gaps + 1]
    dates = placed.sessions.date
    numbers = table.row[rows[np.searchsorted(places, after)]]

    def told(k: int) -> tuple[str | None, str]:
        count = int(after[k] - before[k] - 1)
        first, last = (iso(dates[at], True) for at in (before[k] + 1, after[k] - 1))
        span = first if count == 1 else f"{first} to {last}"
        return first, f"{count} session{'s' if count > 1 else ''} of {calendar} missing before this row: {span}"

    yield Problem("missing_sessions", numbers, told, "warning")


def _missing_bars(table: ParsedTable, placed: Placed, duration: np.timedelta64, bar_time: BarTime) -> Iterator[Problem]:
    """Yield a row for each session of which some bars are there and some are not."""
    rows = np.flatnonzero(placed.inside)
    have = placed.known[rows]
    present = np.unique(placed.place[rows])
    by_session, by_clock = (_grid(placed.sessions, present, duration, by_clock=by_clock) for by_clock in (False, True))
    session, closes = max(
        (by_session, by_clock), key=lambda grid: np.count_nonzero(_equal_at(grid[1], np.searchsorted(grid[1], have), have))
    )
    expected = (closes >= have[0]) & (closes <= have[-1])
    absent = expected & ~_equal_at(have, np.searchsorted(have, closes), closes)
    if not absent.any():
        return
    places = np.flatnonzero(absent)
    found, first, counts = np.unique(session[places], return_index=True, return_counts=True)
    n_expected = np.bincount(session, minlength=int(found[-1]) + 1)
    first_close = closes[places[first]]
    after = np.minimum(np.searchsorted(have, first_close), len(have) - 1)
    inside = placed.place[rows[after]] == found
    numbers = table.row[rows[np.where(inside, after, np.maximum(after - 1, 0))]]
    lead = duration if bar_time == "open" else _NONE

    def told(k: int) -> tuple[str | None, str]:
        date, stamp = iso(placed.sessions.date[found[k]], True), iso(first_close[k] - lead, False)
        return stamp, f"{counts[k]} of {n_expected[found[k]]} bars of the session {date} missing, the first at {stamp}"

    yield Problem("missing_bars", numbers, told, "warning")


def _grid(sessions: Sessions, present: IntArray, duration: np.timedelta64, *, by_clock: bool) -> tuple[IntArray, TimeArray]:
    """Return the session and the close of every bar that some sessions have; the last of a session ends with it."""
    opens, closes = sessions.open[present], sessions.close[present]
    length = duration.astype("timedelta64[ns]")
    start = opens - (opens.astype(np.int64) % length.astype(np.int64)).astype("timedelta64[ns]") if by_clock else opens
    counts = -((start - closes) // length)
    session = np.repeat(np.arange(len(present)), counts)
    number = np.arange(len(session)) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = np.minimum(start[session] + (number + 1) * length, closes[session])
    pauses, resumes = sessions.break_start[present][session], sessions.break_end[present][session]
    traded = ~((ends - length >= pauses) & (ends <= resumes))  # NaT compares as False: no break
    return present[session[traded]], ends[traded]


def _equal_at(values: TimeArray, place: IntArray, wanted: TimeArray) -> BoolArray:
    """Return whether `values[place] == wanted`, False beyond the end."""
    inside = place < len(values)
    inside[inside] &= values[place[inside]] == wanted[inside]
    return inside


def _after_open(sessions: Sessions, place: IntArray, closes: TimeArray) -> BoolArray:
    inside = place < len(sessions.close)
    inside[inside] &= closes[inside] > sessions.open[place[inside]]
    return inside


def _open_at(sessions: Sessions, place: IntArray, opens: TimeArray) -> BoolArray:
    inside = place < len(sessions.close)
    inside[inside] &= opens[inside] >= sessions.open[place[inside]]
    return inside


def _warning(table: ParsedTable, code: str, places: IntArray, messages: list[str]) -> Problem:
    return Problem(code, table.row[places], lambda k: (table.label(int(places[k])), messages[k]), "warning")
