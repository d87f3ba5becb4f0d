"""Bar fields: what a series operator reads of bars by itself. Row t uses bars t - 1 and t alone."""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.sessions import session_numbers
from nullalpha.strategy.vocabulary import BarColumn, BarField

PRICES: tuple[BarField, ...] = ("open", "high", "low", "close")


def bar_field(bars: Bars, field: BarField | BarColumn, reader: str, close_before: float = np.nan) -> FloatArray:
    """Return (n_bars,) one field of bars; volume in units of today, so that adjusted price x volume stays the money that was traded.

    Args:
        bars: validated bars, whose prices hold no NaN.
        field: a column, or what is computed from columns.
        reader: the indicator that asks, for the error.
        close_before: close of the bar before the first, from which the first return is taken; NaN if there is none.

    Raises:
        DataError: if volume is asked for and some bars have none, or the spread of an instrument without quotes.
    """
    if field == "volume":
        _require_volume(bars, reader)
        return bars.volume if bars.factor is None else bars.volume / bars.factor
    if field == "spread":
        return _spread(bars, reader)
    if field == "session":
        return session_numbers(bars)
    if field in PRICES:
        column: FloatArray = getattr(bars, field)
        return column
    if field == "typical":
        return (bars.high + bars.low + bars.close) / 3
    if field == "median":
        return (bars.high + bars.low) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        change = bars.close / np.concatenate([[close_before], bars.close])[:-1]
        out = np.log(change) if field == "log_returns" else change - 1
    return np.where(np.isfinite(out), out, np.nan)  # an outside series may stand at 0 or below


def _require_volume(bars: Bars, reader: str) -> None:
    missing = int(np.isnan(bars.volume).sum())
    if missing:
        what = "has no volume" if missing == len(bars) else f"has no volume at {missing} of {len(bars)} bars"
        raise DataError(
            f"instrument {bars.instrument} {what}, which indicator {reader!r} needs",
            path=f"{reader}.volume",
            value=bars.instrument,
            suggestion="use an indicator that reads prices alone",
        )


def _spread(bars: Bars, reader: str) -> FloatArray:
    if bars.spread is None:
        raise DataError(
            f"instrument {bars.instrument} has no quoted spread, which indicator {reader!r} needs",
            path=f"{reader}.spread",
            value=bars.instrument,
            suggestion="use bars imported from quotes, or an indicator that reads prices alone",
        )
    return bars.spread
