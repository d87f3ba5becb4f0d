"""A signal from outside: target positions that somebody else decided, and how they meet an instrument's bars.

A position is known at its time: it counts from the first bar that closes then or later, never from an earlier one, until the next row's.
Times that are all midnights, beside bars of a day or longer, are dates: a position counts from the close of its date's own session, on
calendars that never close the midnight that ends the date. Before the first row it is 0. Numpy alone, because worker processes import it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray, TimeArray, session_days
from nullalpha.data.timeframes import bar_duration


@dataclass(frozen=True)
class OutsideSignal:
    """Target positions, oldest first.

    Attributes:
        time: (n_rows,) datetime64[ns], UTC, rising: when each became known.
        target: (n_rows,) signed fractions of equity in -1..1.
    """

    time: TimeArray
    target: FloatArray

    def __len__(self) -> int:
        return len(self.time)

    def before(self, time: np.datetime64) -> OutsideSignal:
        """Return the rows known strictly before `time`."""
        stop = int(np.searchsorted(self.time, time, side="left"))
        return OutsideSignal(self.time[:stop].copy(), self.target[:stop].copy())

    @property
    def dated(self) -> bool:
        """Whether every time is a midnight: then it says on which day a position was decided, and not when."""
        return bool((self.time == self.time.astype("datetime64[D]")).all())

    def at(self, bars: Bars) -> FloatArray:
        """Return (n_bars,) the position known at each bar's close: that of the last row that is not later; 0 before the first row."""
        known, closes = self.time, bars.time
        if self.dated and bar_duration(bars.timeframe) is None:
            known, closes = self.time.astype("datetime64[D]"), session_days(bars.time)
        last = np.searchsorted(known, closes, side="right") - 1
        return np.where(last >= 0, self.target[np.maximum(last, 0)], 0.0) if len(self) else np.zeros(len(bars))


def refuse_outside_bars(signal: OutsideSignal, closes: TimeArray, instrument: str) -> None:
    """Refuse a signal of another time than the bars': one that is first known after the last close, or last known long before the first.

    Args:
        closes: (n_bars,) rising, of all bars up to the last one that is to be traded.
    Raises:
        DataError: if no row lies among the bars; the first bar reaches back as far as to the next one's close.
    """
    opened = closes[0] - (closes[min(1, len(closes) - 1)] - closes[0])
    if len(signal) and signal.time[0] <= closes[-1] and signal.time[-1] >= opened:
        return
    rows = " to ".join(written_times(signal.time[[0, -1]])) if len(signal) else "none is known before they end"
    traded = " to ".join(written_times(closes[[0, -1]]))
    raise DataError(
        f"no row of the signal lies among the bars of {instrument}, {traded}; its rows: {rows}",
        path="--signal",
        value=rows,
        suggestion="give a signal of the search zone; `nullalpha data show` says where that ends",
    )


def written_times(time: TimeArray) -> list[str]:
    """Return times as ISO 8601 text, to the second."""
    return [f"{text}Z" for text in np.datetime_as_string(time, unit="s")]
