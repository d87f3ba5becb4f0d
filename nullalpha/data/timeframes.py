"""Timeframes as text: `1d`, a number of minutes or hours such as `5m`, `1h`, `1w` and `1mo` made of daily bars, and `published`."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np

from nullalpha.core.errors import DataError

DAILY = "1d"
WEEKLY = "1w"
MONTHLY = "1mo"
PUBLISHED = "published"
"""Of an outside series: values at the times they were published."""

TableKind = Literal["daily", "intraday", "published"]
_INTRADAY = re.compile(r"([1-9]\d{0,3})([mh])")
_MINUTES = {"m": 1, "h": 60}
_MINUTES_A_DAY = 1440


def table_kind(timeframe: str) -> TableKind:
    """Return what a received table of this timeframe holds: sessions, intraday bars, or published values.

    Raises:
        DataError: if no table of this timeframe can be received.
    """
    if timeframe == PUBLISHED:
        return "published"
    return "daily" if is_daily(timeframe) else "intraday"


def is_daily(timeframe: str) -> bool:
    """Return True for `1d`.

    Raises:
        DataError: if the text is no timeframe of bars that are received.
    """
    return bar_duration(timeframe) is None


def bar_duration(timeframe: str) -> np.timedelta64 | None:
    """Return the length of an intraday bar, or None for a daily bar, which lasts as long as its session.

    Raises:
        DataError: if the text is no timeframe of bars that are received.
    """
    if timeframe == DAILY:
        return None
    match = _INTRADAY.fullmatch(timeframe)
    minutes = int(match[1]) * _MINUTES[match[2]] if match else _MINUTES_A_DAY
    if minutes >= _MINUTES_A_DAY:
        raise DataError(f"unknown timeframe {timeframe!r}", path="timeframe", value=timeframe, suggestion="use 1d, or e.g. 1h, 15m")
    return np.timedelta64(minutes, "m")
