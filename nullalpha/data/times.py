"""Reading a column of times: ISO 8601 with or without a zone, epochs, dates, timestamps. Nothing about a time is guessed.

| cell | read as |
|---|---|
| `2024-03-01T14:30:00Z`, `...-05:00`, a timestamp with a zone | that instant |
| `2024-03-01 14:30`, a timestamp without a zone | local time in the zone that the table states; an error where it states none |
| a column of whole numbers | seconds, milli-, micro- or nanoseconds since 1970 UTC, by the size of their median |
| a column of whole numbers of 8 digits | dates, as `20240301` |
| `2024-03-01` | in a daily table the session's date; in a published one the end of that day, when all it brought was known |

In a daily table the date is the one written or, where the table states a zone, the date in that zone of a time with one.
A local time that a change of clocks skips or repeats is an error at its row.
"""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from nullalpha.core.errors import DataError, nearest
from nullalpha.data.bars import IntArray, TimeArray
from nullalpha.data.problems import Problem
from nullalpha.data.timeframes import TableKind
from nullalpha.data.written_times import BoolArray, Written, as_written

_NS = "datetime64[ns]"


def read_times(column: pd.Series, kind: TableKind, tz: str | None) -> tuple[TimeArray, list[Problem]]:
    """Return a received column's times.

    Args:
        column: (n_rows) cells of any kind.
        kind: what the table holds.
        tz: IANA name of the zone of times that carry none.
    Returns:
        (n_rows,) datetime64[ns], NaT where unreadable: session dates at midnight in a daily table, UTC instants otherwise; and what
            is wrong.
    Raises:
        DataError: if there is no such zone.
    """
    require_zone(tz)
    written = as_written(column, kind)
    unread = np.isnat(written.wall)

    def cell(row: int) -> object:
        return column.iloc[row]

    problems = [_cells_problem("unreadable_time", unread, lambda row: (None, _complaint(cell(row))))]
    if kind == "daily":
        time = _dates(written, tz)
        problems.append(_mixed(written, unread, cell))
    else:
        time, found = _instants(written, unread, kind, tz, cell)
        problems += found
    return np.where(unread, np.datetime64("NaT", "ns"), time), [problem for problem in problems if len(problem.rows)]


def require_zone(tz: str | None) -> None:
    """Raise a DataError with the nearest name unless `tz` is None or the IANA name of a zone."""
    if tz is None or tz in available_timezones():
        return
    near = nearest(tz, sorted(available_timezones()))
    raise DataError(
        f"there is no time zone {tz!r}",
        path="tz",
        value=tz,
        suggestion=f"did you mean {near}?" if near else "use an IANA name such as America/New_York or UTC",
    )


def _dates(written: Written, tz: str | None) -> TimeArray:
    wall = written.wall
    if tz is not None and written.zoned.any():
        local = pd.DatetimeIndex(written.utc, tz="UTC").tz_convert(tz).tz_localize(None).to_numpy().astype(_NS)
        wall = np.where(written.zoned, local, wall)
    return wall.astype("datetime64[D]").astype(_NS)


def _mixed(written: Written, unread: BoolArray, cell: Callable[[int], object]) -> Problem:
    known = written.zoned[~unread]
    most = bool(known.mean() > 0.5) if len(known) else False
    message = f"the time {'lacks a' if most else 'has a'} zone, unlike most rows'"
    return _cells_problem("mixed_time_zones", ~unread & (written.zoned != most), lambda row: (str(cell(row)), message))


def _instants(
    written: Written, unread: BoolArray, kind: TableKind, tz: str | None, cell: Callable[[int], object]
) -> tuple[TimeArray, list[Problem]]:
    naive = ~written.zoned & ~unread
    if tz is None:
        noun = "an intraday time" if kind == "intraday" else "a time of publication"
        message = f"{noun} needs its zone, e.g. 2024-03-01T14:30:00Z"
        time = np.where(written.zoned, written.utc, written.wall)
        return time, [_cells_problem("naive_time", naive, lambda row: (str(cell(row)), message))]
    time = written.utc.copy()
    places = np.flatnonzero(naive)
    ends_day = written.bare[places] if kind == "published" else np.zeros(len(places), dtype=np.bool_)
    walls = np.where(ends_day, written.wall[places] + np.timedelta64(1, "D"), written.wall[places])
    local, repeated, skipped = _localised(walls, tz)
    closing = ends_day & (repeated | skipped)
    local[closing] = _end_of_day(walls[closing], tz)
    time[places] = local
    twice, never = (f"the clocks of {tz} show this time {times}" for times in ("twice", "never"))
    return time, [
        _mixed(written, unread, cell),
        _problem("ambiguous_time", places[repeated & ~closing], lambda row: (str(cell(row)), f"{twice}; write its offset")),
        _problem("nonexistent_time", places[skipped & ~closing], lambda row: (str(cell(row)), never)),
    ]


def _localised(walls: TimeArray, tz: str) -> tuple[TimeArray, BoolArray, BoolArray]:
    """Return the UTC instants of local times, and which of these the clocks showed twice, or never (NaT)."""
    index = pd.DatetimeIndex(walls)
    utc = index.tz_localize(tz, ambiguous="NaT", nonexistent="NaT").tz_convert(None).to_numpy().astype(_NS)
    lost = np.isnat(utc) & ~np.isnat(walls)
    repeated = np.zeros(len(walls), dtype=np.bool_)
    if lost.any():
        places = np.flatnonzero(lost)
        again = index[places].tz_localize(tz, ambiguous=np.ones(len(places), dtype=np.bool_), nonexistent="NaT")
        repeated[places] = ~np.asarray(again.isna())
    return utc, repeated, lost & ~repeated


def _end_of_day(walls: TimeArray, tz: str) -> TimeArray:
    """Return the later of the instants of midnights at which the clocks change."""
    later = np.zeros(len(walls), dtype=np.bool_)
    index = pd.DatetimeIndex(walls).tz_localize(tz, ambiguous=later, nonexistent="shift_forward")
    end: TimeArray = index.tz_convert(None).to_numpy().astype(_NS)
    return end


def _complaint(value: object) -> str:
    return f"{value!r} is no ISO 8601 time, e.g. 2024-03-01 or 2024-03-01T14:30:00Z"


def _cells_problem(code: str, mask: BoolArray, told: Callable[[int], tuple[str | None, str]]) -> Problem:
    return _problem(code, np.flatnonzero(mask), told)


def _problem(code: str, rows: IntArray, told: Callable[[int], tuple[str | None, str]]) -> Problem:
    return Problem(code, rows, lambda k: told(int(rows[k])))
