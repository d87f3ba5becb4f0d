"""From a checked table to bars: adjusted prices, and the UTC time at which each bar became known."""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray, SessionTable, TimeArray
from nullalpha.data.calendars import session_closes
from nullalpha.data.corporate_events import event_factor
from nullalpha.data.gaps import place_in_sessions, stamped
from nullalpha.data.instruments import Instrument
from nullalpha.data.parse import ParsedTable
from nullalpha.data.sources.series import BarTime


def build_bars(table: ParsedTable, instrument: Instrument, timeframe: str, bar_time: BarTime) -> Bars:
    """Return the bars of a table that was checked and has no errors.

    Open, high, low, close and spread are multiplied by the table's factor, by adj_close / close where it has an adjusted close, or by what
    its dividends and splits make; what they were multiplied by is kept, so that price as traded = price / factor. A high below its bar's
    other prices by no more than the check's tolerance is raised to them, a low lowered, so low <= open, close <= high holds exactly.
    Volume stays as received: as traded, units of the price as traded. The values of an outside series stay as they are.

    A daily bar's time is its session's close; an intraday bar's is its own close (the open plus the timeframe where the source stamps
    opens), no later than the close of its session where no bar lies outside sessions; a published value's is its publication.

    Raises:
        DataError: if the times do not ascend.
    """
    time, sessions = _known_at(table, instrument, bar_time)
    if not (np.diff(time) > np.timedelta64(0, "ns")).all():
        raise DataError(f"the closing times of {instrument.symbol} {timeframe} do not ascend", path="time")
    if table.kind == "published":
        return Bars(instrument.symbol, timeframe, time, table.open, table.high, table.low, table.close, table.volume)
    factor = _factor(table)
    ratio = 1.0 if factor is None else factor
    open_, high, low, close = (prices * ratio for prices in (table.open, table.high, table.low, table.close))
    spread = table.spread
    return Bars(
        instrument.symbol,
        timeframe,
        time,
        open_,
        np.maximum.reduce([open_, high, low, close]),
        np.minimum.reduce([open_, high, low, close]),
        close,
        table.volume,
        None if spread is None else spread * ratio,
        factor,
        sessions,
    )


def _factor(table: ParsedTable) -> FloatArray | None:
    """Return what prices are multiplied by; None where it is one everywhere."""
    factor = table.adj_close / table.close if table.adj_close is not None else event_factor(table) if table.factor is None else table.factor
    return None if factor is None or (factor == 1.0).all() else factor


def _known_at(table: ParsedTable, instrument: Instrument, bar_time: BarTime) -> tuple[TimeArray, SessionTable | None]:
    if table.kind == "published":
        return table.time, None
    if table.kind == "daily":
        return session_closes(instrument.calendar, table.time), None
    placed = place_in_sessions(table, instrument.calendar, bar_time)
    _, closes = stamped(table, bar_time)
    time = placed.known if placed.inside.all() else closes
    return time, placed.sessions.over(time[0], time[-1])
