"""Bar-by-bar backtest kernel: target positions in; fills, cash, position and equity out.

Compiled, pure, no allocation inside the loop. Money in the instrument's currency, costs in fractions, units fractional. It knows no
strategy, no calendar and no metrics; cash earns nothing and borrowing (leverage, short sales) costs nothing.

Rules of one bar t, in this order (everything happens inside rows [start_row, stop_row)):

1. An order waits only if the close of t-1 gave one. It fills at the open of t (fill basis `open`) or at the close of t (`close`).
   Units wanted = target x equity / price, both at the fill price before costs; so a target of 1 leaves cash slightly below 0 by the costs.
   Buying pays price x (1 + half spread + slippage), selling gets price x (1 - half spread - slippage); the commission is a fraction
   of the notional at the price paid. A reversal is two fills: one closes the old trade, one opens the new.
2. Protective exits. Levels lie at the distances known at the bar that gave the order, from the fill price before costs; they are set
   when a position opens and stay when it is resized.
   Basis `open`: active inside the bar, from the fill bar on. A bar that opens at or beyond a level fills at its open; else the stop, if
   touched, fills at its level; else the target, if touched, at its level: the stop comes first when a bar touches both. Costs apply
   as to any fill.
   Basis `close` (indices and close-only series, whose open, high and low are no prices one could trade at): a level reached at the
   close of t is an order that fills at the close of t+1.
   Both: `max_bars` closes the position at the fill max_bars bars after its entry (the order is given one close before).
3. The bar is marked: equity = cash + units x close. Equity <= 0 is ruin: the position is closed at the close and trading ends.
4. On the last row the position is flattened at the close, costs charged, and no order is given. On basis `close` an order waiting
   for that same close is netted with the flattening: nothing is opened there.
5. The close of t gives an order for t+1 if its target differs from the last target ordered; else if a level or max_bars asks for an exit.
   A protective exit leaves the last target ordered as it was, so there is no re-entry until the target differs from the one that was
   stopped out. The first order can come from start_row.

`step_nb` is the one definition of these rules; whatever simulates many accounts at once loops over it. Callers of `step_nb` belong in
this file: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray

SIGNAL, STOP, TARGET, TIME, EDGE, RUIN = range(6)
REASONS = ("signal", "stop", "target", "time", "edge", "ruin")

# Columns of the log of fills: row, signed units, price paid, commission, spread and slippage, reason, units held after it.
ROW, UNITS, PRICE, COMMISSION, SLIPPAGE, REASON, HELD = range(7)
N_COLUMNS = 7


class Terms(NamedTuple):
    """What holds for a whole run; `friction` is half spread plus slippage as a fraction of price."""

    at_open: bool
    friction: float
    commission: float
    max_bars: int


class Holding(NamedTuple):
    """The account: cash, units held, and of an open position the entry row and price levels (NaN: none)."""

    cash: float
    units: float
    entry_row: int
    stop_level: float
    target_level: float


class Order(NamedTuple):
    """`ordered` is the last target that the signal ordered; the rest counts only while `waiting`."""

    ordered: float
    waiting: bool
    target: float
    reason: int
    stop_distance: float
    target_distance: float


class Leg(NamedTuple):
    """One fill: signed units (0: nothing filled), price paid, its costs, why, and the units held after it."""

    units: float
    price: float
    commission: float
    slippage: float
    reason: int
    held: float


# Step functions take and return tuples of scalars alone: an array among them would be reference-counted at every bar (6 times slower).


@njit(cache=True, inline="always")
def _trade_nb(holding: Any, units: float, price: float, reason: int, terms: Any) -> Any:
    """Bring the position to `units` at `price`; return the cash left and the fill."""
    change = units - holding.units
    paid = price * (1.0 + terms.friction) if change > 0.0 else price * (1.0 - terms.friction)
    commission = terms.commission * abs(change) * paid
    slippage = abs(change) * price * terms.friction
    return holding.cash - change * paid - commission, Leg(change, paid, commission, slippage, reason, units)


@njit(cache=True, inline="always")
def _close_nb(holding: Any, price: float, reason: int, terms: Any) -> Any:
    """Close the position at `price`; return the flat holding and the fill."""
    cash, leg = _trade_nb(holding, 0.0, price, reason, terms)
    return Holding(cash, 0.0, -1, np.nan, np.nan), leg


@njit(cache=True, inline="always")
def _execute_nb(holding: Any, order: Any, price: float, row: int, terms: Any) -> Any:
    """Fill the waiting order at `price`; return the holding, the fill that closed, and the fill that opened or resized."""
    equity = holding.cash + holding.units * price
    reason = order.reason if equity > 0.0 else RUIN
    wanted = order.target * equity / price if equity > 0.0 else 0.0
    closed = Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)
    if holding.units != 0.0 and wanted * holding.units <= 0.0:
        holding, closed = _close_nb(holding, price, reason, terms)
    if wanted == holding.units:
        return holding, closed, Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)
    cash, opened = _trade_nb(holding, wanted, price, reason, terms)
    if holding.units != 0.0:
        return Holding(cash, wanted, holding.entry_row, holding.stop_level, holding.target_level), closed, opened
    side = 1.0 if wanted > 0.0 else -1.0
    stop = price - side * order.stop_distance if order.stop_distance > 0.0 else np.nan
    target = price + side * order.target_distance if order.target_distance > 0.0 else np.nan
    return Holding(cash, wanted, row, stop, target), closed, opened


@njit(cache=True, inline="always")
def _protect_nb(holding: Any, open_: float, high: float, low: float, terms: Any) -> Any:
    """Apply stop and target inside the bar (basis `open`); return the holding and the exit's fill."""
    stop, target = holding.stop_level, holding.target_level
    long = holding.units > 0.0
    if (open_ <= stop) if long else (open_ >= stop):
        return _close_nb(holding, open_, STOP, terms)
    if (open_ >= target) if long else (open_ <= target):
        return _close_nb(holding, open_, TARGET, terms)
    if (low <= stop) if long else (high >= stop):
        return _close_nb(holding, stop, STOP, terms)
    if (high >= target) if long else (low <= target):
        return _close_nb(holding, target, TARGET, terms)
    return holding, Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)


@njit(cache=True, inline="always")
def _next_order_nb(
    holding: Any, ordered: float, row: int, close: float, target: float, stop_distance: float, target_distance: float, terms: Any
) -> Any:
    """Return the order that the close of a bar gives: the signal's if its target is new, else a protective exit, else none."""
    if target != ordered:
        return Order(target, True, target, SIGNAL, stop_distance, target_distance)
    if holding.units != 0.0:
        long = holding.units > 0.0
        if not terms.at_open:
            if (close <= holding.stop_level) if long else (close >= holding.stop_level):
                return Order(ordered, True, 0.0, STOP, np.nan, np.nan)
            if (close >= holding.target_level) if long else (close <= holding.target_level):
                return Order(ordered, True, 0.0, TARGET, np.nan, np.nan)
        if terms.max_bars > 0 and row + 1 - holding.entry_row >= terms.max_bars:
            return Order(ordered, True, 0.0, TIME, np.nan, np.nan)
    return Order(ordered, False, 0.0, SIGNAL, np.nan, np.nan)


@njit(cache=True, inline="always")
def _netted_nb(holding: Any, order: Any) -> Any:
    """Return what a waiting order becomes when it fills at the close that flattens: an exit, for the order's reason if it asked for one."""
    reason = EDGE if order.target * holding.units > 0.0 else order.reason
    return Order(order.ordered, True, 0.0, reason, np.nan, np.nan)


@njit(cache=True, inline="always")
def step_nb(
    holding: Any,
    order: Any,
    open_: float,
    high: float,
    low: float,
    close: float,
    target: float,
    stop_distance: float,
    target_distance: float,
    row: int,
    last: bool,
    terms: Any,
) -> Any:
    """Carry one account through one bar by the rules above.

    Args:
        holding, order: the account and what waits, as the last step returned them.
        open_, high, low, close: the bar.
        target, stop_distance, target_distance: known at this bar's close.
        last: whether this is the last row.
    Returns:
        the new holding, the new order, and the bar's fills in order: the one that closed, the one that opened or resized, and the
        one that ended the position after them (protective exit, edge or ruin); `units` is 0 where there was none.
    """
    closed = Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)
    opened = Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)
    ended = Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)
    if order.waiting:
        if last and not terms.at_open:
            order = _netted_nb(holding, order)
        holding, closed, opened = _execute_nb(holding, order, open_ if terms.at_open else close, row, terms)
    if terms.at_open and holding.units != 0.0:
        holding, ended = _protect_nb(holding, open_, high, low, terms)
    equity = holding.cash + holding.units * close
    if last or equity <= 0.0:
        if holding.units != 0.0:
            holding, ended = _close_nb(holding, close, EDGE if equity > 0.0 else RUIN, terms)
        return holding, Order(0.0, False, 0.0, SIGNAL, np.nan, np.nan), closed, opened, ended
    order = _next_order_nb(holding, order.ordered, row, close, target, stop_distance, target_distance, terms)
    return holding, order, closed, opened, ended


@njit(cache=True)
def _record_nb(leg: Any, row: int, log: Any, n: int, costs: Any, i: int) -> Any:
    """Write a fill to the log and to its bar's sums; return the number of fills so far."""
    log[n, ROW] = row
    log[n, UNITS] = leg.units
    log[n, PRICE] = leg.price
    log[n, COMMISSION] = leg.commission
    log[n, SLIPPAGE] = leg.slippage
    log[n, REASON] = leg.reason
    log[n, HELD] = leg.held
    costs[0, i] += leg.commission
    costs[1, i] += leg.slippage
    costs[2, i] += abs(leg.units) * leg.price
    return n + 1


@njit(cache=True)
def simulate_nb(
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    target: FloatArray,
    stop_distance: FloatArray,
    target_distance: FloatArray,
    terms: Any,
    capital: float,
    start_row: int,
    stop_row: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Simulate one account over rows [start_row, stop_row).

    Args:
        open_, high, low, close: (n_bars,) prices > 0; basis `close` reads close alone.
        target: (n_bars,) signed fraction of equity, finite.
        stop_distance, target_distance: (n_bars,) price units; 0 or NaN for none.
        terms: see `Terms`.
        capital: cash at the start, > 0.
    Returns:
        account (3, n_rows): equity, cash and units at each close; costs (3, n_rows): commission, spread and slippage, traded
        notional of each bar; log (n_fills, N_COLUMNS) of fills, in order of time.
    """
    account = np.empty((3, stop_row - start_row))
    costs = np.zeros((3, stop_row - start_row))
    changes = 1 if target[start_row] != 0.0 else 0
    for row in range(start_row + 1, stop_row):
        changes += 1 if target[row] != target[row - 1] else 0
    # A fill opens or resizes (once at most for an order of the signal) or closes (once for each time it opened).
    log = np.empty((2 * changes, N_COLUMNS))
    holding = Holding(capital, 0.0, -1, np.nan, np.nan)
    order = Order(0.0, False, 0.0, SIGNAL, np.nan, np.nan)
    n = 0
    for row in range(start_row, stop_row):
        holding, order, closed, opened, ended = step_nb(
            holding, order, open_[row], high[row], low[row], close[row], target[row], stop_distance[row], target_distance[row],
            row, row == stop_row - 1, terms,
        )  # fmt: skip
        i = row - start_row
        account[0, i] = holding.cash + holding.units * close[row]
        account[1, i] = holding.cash
        account[2, i] = holding.units
        if closed.units != 0.0:
            n = _record_nb(closed, row, log, n, costs, i)
        if opened.units != 0.0:
            n = _record_nb(opened, row, log, n, costs, i)
        if ended.units != 0.0:
            n = _record_nb(ended, row, log, n, costs, i)
    return account, costs, log[:n].copy()
