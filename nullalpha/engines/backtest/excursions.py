"""How far prices went against each trade and in its favour while it was held (MAE and MFE).

Measured from the average price paid so far, on the position held, costs in that price included and commissions not. Of a bar that was held
throughout, its high and low count (on basis `close` its close, which is then all four prices). What came first inside a bar is not known:
of the bars in which a trade begins or ends those prices count that it has certainly seen, and against it also those that it may have seen:

- entered at the open, it sees the whole bar; at a limit inside, the adverse end and the close; at a stop inside, both ends;
- left at the open, it sees the open alone; at a stop inside, that level; at a target inside, that level and the adverse end; at the close,
  the whole bar.

Source: Sweeney (1997), Maximum Adverse Excursion.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.kernel import EDGE, HELD, PRICE, REASON, ROW, RUIN, SLIPPAGE, TARGET, UNITS

_THROUGHOUT, _AT_LIMIT, _AT_STOP = range(3)
_SAME = 1e-9


@njit(cache=True)
def excursions_nb(
    fills: FloatArray, open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, split: FloatArray, start_row: int
) -> FloatArray:
    """Return each trade's excursions.

    Args:
        fills: (n_fills, kernel.N_COLUMNS) of a run that ends flat.
        open_, high, low, close: (n_rows,) as the kernel traded them.
        split: (n_rows,) units that one unit becomes at a bar's start; (0,) for none.
        start_row: the fills' row of the first price.
    Returns:
        (n_trades, 4): worst and best move as a fraction of the entry price, <= 0 and >= 0, and the worst and best open profit in currency.
    """
    found = np.zeros((len(fills), 4))
    n, held, average, side, entered = 0, 0.0, 0.0, 1.0, _THROUGHOUT
    for i in range(len(fills)):
        row = int(fills[i, ROW]) - start_row
        units, paid = fills[i, UNITS], fills[i, PRICE]
        price = paid - fills[i, SLIPPAGE] / units
        if held == 0.0:
            side, average = (1.0, paid) if units > 0.0 else (-1.0, paid)
            entered = _inside_nb(price, open_[row], side)
            held = abs(units)
            found[n] = 0.0
        else:
            if fills[i - 1, ROW] != fills[i, ROW]:
                entered = _THROUGHOUT
                if len(split):
                    held *= split[row]
                    average /= split[row]
            if units * side > 0.0:
                average = (average * held + paid * abs(units)) / (held + abs(units))
            elif fills[i, HELD] == 0.0:
                _leave_nb(found[n], fills[i, REASON], price, open_[row], high[row], low[row], close[row], entered, held, average, side)
                n += 1
            else:
                _see_nb(found[n], price, price, held, average, side)
            held = abs(fills[i, HELD])
        if held != 0.0:
            following = int(fills[i + 1, ROW]) - start_row
            if following != row:
                _see_bar_nb(found[n], high[row], low[row], close[row], entered, held, average, side)
                held, average = _see_rows_nb(found[n], high, low, split, row + 1, following, held, average, side)
    return found[:n].copy()


@njit(cache=True)
def _inside_nb(price: float, open_: float, side: float) -> int:
    """Return whether an entry filled at the bar's open, or at a limit or a stop inside it."""
    if abs(price - open_) <= _SAME * open_:
        return _THROUGHOUT
    return _AT_STOP if (price - open_) * side > 0.0 else _AT_LIMIT


@njit(cache=True)
def _see_nb(found: FloatArray, top: float, bottom: float, held: float, average: float, side: float) -> None:
    """Take two prices that the trade has seen."""
    best, worst = (top - average, bottom - average) if side > 0.0 else (average - bottom, average - top)
    found[0] = min(found[0], worst / average)
    found[1] = max(found[1], best / average)
    found[2] = min(found[2], worst * held)
    found[3] = max(found[3], best * held)


@njit(cache=True)
def _see_bar_nb(found: FloatArray, high: float, low: float, close: float, entered: int, held: float, average: float, side: float) -> None:
    """Take the prices of a bar at whose close the trade is held."""
    if entered == _AT_LIMIT:
        high, low = (close, low) if side > 0.0 else (high, close)
    _see_nb(found, high, low, held, average, side)


@njit(cache=True)
def _see_rows_nb(
    found: FloatArray, high: FloatArray, low: FloatArray, split: FloatArray, start: int, stop: int, held: float, average: float, side: float
) -> Any:
    """Take the bars [start, stop), in which nothing fills; return what is held then, and its average price."""
    if start >= stop:
        return held, average
    if len(split) == 0:
        top, bottom = high[start], low[start]
        for row in range(start + 1, stop):
            top = high[row] if high[row] > top else top
            bottom = low[row] if low[row] < bottom else bottom
        _see_nb(found, top, bottom, held, average, side)
        return held, average
    for row in range(start, stop):
        held *= split[row]
        average /= split[row]
        _see_nb(found, high[row], low[row], held, average, side)
    return held, average


@njit(cache=True)
def _leave_nb(
    found: FloatArray, reason: float, price: float, open_: float, high: float, low: float, close: float, entered: int, held: float,
    average: float, side: float,
) -> None:  # fmt: skip
    """Take the prices of the bar in which the trade ended."""
    if entered == _THROUGHOUT:
        _see_nb(found, open_, open_, held, average, side)
    _see_nb(found, price, price, held, average, side)
    inside = abs(price - open_) > _SAME * open_
    if reason == EDGE or (reason == RUIN and inside):
        _see_bar_nb(found, high, low, close, entered, held, average, side)
    elif reason == TARGET and inside:
        adverse = low if side > 0.0 else high
        _see_nb(found, adverse, adverse, held, average, side)
