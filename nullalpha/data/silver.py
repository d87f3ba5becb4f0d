"""From a checked table to bars: adjusted prices, and the UTC time at which each bar became known."""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, TimeArray
from nullalpha.data.calendars import session_closes
from nullalpha.data.instruments import Instrument
from nullalpha.data.parse import ParsedTable
from nullalpha.data.sources.series import BarTime
from nullalpha.data.timeframes import bar_duration


def build_bars(table: ParsedTable, instrument: Instrument, timeframe: str, bar_time: BarTime) -> Bars:
    """Return the bars of a table that was checked and has no errors.

    Open, high, low and close are multiplied by adj_close / close where the table has an adjusted close. A high below its bar's other
    prices by no more than the check's tolerance is raised to them, a low lowered, so low <= open, close <= high holds
    exactly. Volume stays as received.

    A daily bar's time is its session's close; an intraday bar's is its own close (the open plus the timeframe where
    the source stamps opens).

    Raises:
        DataError: if the times do not ascend.
    """
    ratio = 1.0 if table.adj_close is None else table.adj_close / table.close
    open_, high, low, close = (prices * ratio for prices in (table.open, table.high, table.low, table.close))
    time = _known_at(table, instrument, timeframe, bar_time)
    if not (np.diff(time) > np.timedelta64(0, "ns")).all():
        raise DataError(f"the closing times of {instrument.symbol} {timeframe} do not ascend", path="time")
    return Bars(
        instrument.symbol,
        timeframe,
        time,
        open_,
        np.maximum.reduce([open_, high, low, close]),
        np.minimum.reduce([open_, high, low, close]),
        close,
        table.volume,
    )


def _known_at(table: ParsedTable, instrument: Instrument, timeframe: str, bar_time: BarTime) -> TimeArray:
    duration = bar_duration(timeframe)
    if duration is None:
        return session_closes(instrument.calendar, table.time)
    return table.time + duration if bar_time == "open" else table.time
