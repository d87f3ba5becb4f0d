"""What is wrong, or doubtful, with a table of bars: row by row, everything at once.

Errors make a table unusable: it is not imported. Warnings travel with the snapshot.

| code | severity | meaning |
|---|---|---|
| missing_column, empty | error | no table of bars |
| unreadable_time, naive_time, mixed_time_zones | error | when a bar was cannot be told |
| duplicate_time, disorder | error | a time occurs again, or is before the row above |
| not_a_number, missing_price, non_positive_price, inconsistent_high, inconsistent_low | error | no price, or none that can be |
| negative_volume | error | |
| unknown_calendar | error | the instrument names no calendar that exists |
| zero_volume, missing_volume | warning | none reported, while other bars have some |
| missing_sessions, not_a_session, outside_calendar | warning | the exchange's calendar says otherwise, or nothing |
| jump | warning | over 40 % close to close: perhaps an unadjusted split |
| stale_price | warning | the same close in 5 bars or more |

Rows count from 0 after the header. The samples of `nullalpha.data.sources.arch_samples` have no errors; SPX has no warnings, IXIC two
(zero_volume on 2015-05-12 and 2018-01-09).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from nullalpha.core.errors import DataError, Finding
from nullalpha.data.bars import FloatArray
from nullalpha.data.calendars import Sessions, sessions_between
from nullalpha.data.parse import PRICES, ParsedTable, iso, parse_table

PRICE_TOLERANCE = 1e-6
"""Relative: how far a high may lie below its bar's other prices (or a low above) and still be a rounding of them."""
JUMP = 0.4
STALE_BARS = 5


def check_frame(frame: pd.DataFrame, calendar: str | None, timeframe: str) -> list[Finding]:
    """Return all findings about a received table, in row order, those about the whole table first.

    Args:
        frame: the columns that `RawSeries` describes.
        calendar: an `exchange_calendars` code; None to leave sessions unchecked.
        timeframe: `1d`, `1h`, ...
    Raises:
        DataError: if the timeframe is unknown.
    """
    table, findings = parse_table(frame, timeframe)
    return findings if table is None else check_table(table, calendar, findings)


def check_table(table: ParsedTable, calendar: str | None, unread: list[Finding]) -> list[Finding]:
    """Return the findings of an already read table: `unread`, what reading it found, and what the values show."""
    findings = [*unread, *_order(table), *_prices(table), *_volume(table), *_jumps(table), *_stale(table)]
    if calendar is not None:
        findings += _sessions(table, calendar)
    return sorted(findings, key=lambda finding: -1 if finding.row is None else finding.row)


def _order(table: ParsedTable) -> Iterator[Finding]:
    known = ~np.isnat(table.time)
    rows = np.flatnonzero(known)
    times = table.time[rows]
    _, first, group = np.unique(times, return_index=True, return_inverse=True)
    for place in np.flatnonzero(first[group] != np.arange(len(rows))):
        earlier = int(rows[first[group[place]]])
        yield _at(table, "duplicate_time", rows[place], f"this time is already in row {earlier}")
    for place in 1 + np.flatnonzero(np.diff(times) < np.timedelta64(0, "ns")):
        yield _at(table, "disorder", rows[place], f"before row {int(rows[place - 1])} ({table.label(int(rows[place - 1]))})")


def _prices(table: ParsedTable) -> Iterator[Finding]:
    columns = {name: getattr(table, name) for name in PRICES}
    if table.adj_close is not None:
        columns["adj_close"] = table.adj_close
    for name, values in columns.items():
        for row in np.flatnonzero(values <= 0):
            yield _at(table, "non_positive_price", row, f"{name} {values[row]:g} is not above 0")
    top = np.fmax(np.fmax(table.open, table.close), table.low)
    for row in np.flatnonzero(table.high < top * (1 - PRICE_TOLERANCE)):
        yield _at(table, "inconsistent_high", row, f"high {table.high[row]:.10g} is below {top[row]:.10g}, another price of its bar")
    bottom = np.fmin(np.fmin(table.open, table.close), table.high)
    for row in np.flatnonzero(table.low > bottom * (1 + PRICE_TOLERANCE)):
        yield _at(table, "inconsistent_low", row, f"low {table.low[row]:.10g} is above {bottom[row]:.10g}, another price of its bar")


def _volume(table: ParsedTable) -> Iterator[Finding]:
    for row in np.flatnonzero(table.volume < 0):
        yield _at(table, "negative_volume", row, f"volume {table.volume[row]:g} is below 0")
    if (table.volume > 0).any():
        for row in np.flatnonzero(table.volume == 0):
            yield _at(table, "zero_volume", row, "volume is 0", "warning")


def _jumps(table: ParsedTable) -> Iterator[Finding]:
    close = table.close if table.adj_close is None else table.adj_close
    usable = np.where(close > 0, close, np.nan)
    change = usable[1:] / usable[:-1] - 1
    for row in 1 + np.flatnonzero(np.abs(change) > JUMP):
        yield _at(table, "jump", row, f"the close moved by {change[row - 1]:+.3f} of itself; a split that is not adjusted for?", "warning")


def _stale(table: ParsedTable) -> Iterator[Finding]:
    for start, stop in _runs(table.close):
        if stop - start >= STALE_BARS:
            yield _at(table, "stale_price", start, f"the same close in {stop - start} bars", "warning")


def _runs(values: FloatArray) -> Iterator[tuple[int, int]]:
    edges = [0, *(1 + np.flatnonzero(np.diff(values) != 0)).tolist(), len(values)]  # NaN differs from itself
    yield from pairwise(edges)


def _sessions(table: ParsedTable, calendar: str) -> Iterator[Finding]:
    rows = np.flatnonzero(~np.isnat(table.time))
    if not len(rows):
        return
    rows = rows[np.argsort(table.time[rows], kind="stable")]
    times = table.time[rows]
    day = np.timedelta64(0 if table.daily else 1, "D")  # a session may start on the evening before its date
    try:
        sessions = sessions_between(calendar, times[0].astype("datetime64[D]") - day, times[-1].astype("datetime64[D]") + day)
    except DataError as error:
        yield Finding("unknown_calendar", None, None, f"{error.message}; {error.suggestion}")
        return
    dates = times.astype("datetime64[D]").astype("datetime64[ns]")
    known = (dates >= sessions.known_from) & (dates <= sessions.known_to)
    if not known.all():
        row = int(rows[np.argmin(known)])
        text = f"calendar {calendar} knows no sessions of {np.count_nonzero(~known)} rows, this the first"
        yield _at(table, "outside_calendar", row, text, "warning")
    place, inside = _placed(times, sessions, table.daily)
    for row in rows[known & ~inside]:
        yield _at(table, "not_a_session", row, f"{calendar} was closed", "warning")
    if inside.any():
        yield from _gaps(sessions, np.unique(place[inside]), rows[inside], place[inside], calendar)


def _placed(times: np.ndarray, sessions: Sessions, daily: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return for each time the row of its session, and whether there is one."""
    ends = sessions.date if daily else sessions.close
    starts = sessions.date if daily else sessions.open
    place = np.searchsorted(ends, times, side="left")
    inside = place < len(ends)
    inside[inside] &= times[inside] >= starts[place[inside]]
    return place, inside


def _gaps(sessions: Sessions, present: np.ndarray, rows: np.ndarray, place: np.ndarray, calendar: str) -> Iterator[Finding]:
    """Yield one finding for each run of absent sessions between the first and the last that is present, at the row after it."""
    for before, after in pairwise(present.tolist()):
        count = after - before - 1
        if count:
            first, last = (iso(sessions.date[at], True) for at in (before + 1, after - 1))
            span = first if count == 1 else f"{first} to {last}"
            row = int(rows[np.searchsorted(place, after)])
            text = f"{count} session{'s' if count > 1 else ''} of {calendar} missing before this row: {span}"
            yield Finding("missing_sessions", row, first, text, "warning")


def _at(table: ParsedTable, code: str, row: int | np.intp, message: str, severity: str = "error") -> Finding:
    return Finding(code, int(row), table.label(int(row)), message, severity)
