"""Bar-by-bar backtest kernel: target positions in; fills, cash, position and equity out.

Compiled, pure, no allocation inside the loop. Money in the instrument's currency, costs in fractions, units fractional. It knows no
strategy, no calendar and no metrics; cash earns nothing, and holding a position (leverage, short sales, rolls) costs what `carry` says.

Rules of one bar t, in this order (everything happens inside rows [start_row, stop_row)):

1. An order waits only if the close of t-1 gave one. It fills at the open of t (fill basis `open`) or at the close of t (`close`).
   Units wanted = target x equity / price, both at the fill price before costs; so a target of 1 leaves cash slightly below 0 by the costs.
   Buying pays price x (1 + half spread + slippage), selling gets price x (1 - half spread - slippage); the commission is a fraction
   of the notional at the price paid. A reversal is two fills: one closes the old trade, one opens the new.
2. Protective exits. Levels lie at the distances known at the bar that gave the order; they are set when a position opens and neither
   levels nor distances change when it is resized. Stop and target lie at their distances from the fill price before costs. The
   trailing stop lies at its distance from the best price since the entry: the fill price before costs, then as below; it never moves
   away from the price. Where there are both a fixed and a trailing stop the nearer one acts, for its own reason; the fixed one when
   they are level. "The stop" below is the one that acts.
   Basis `open`: active inside the bar, from the fill bar on. A bar that opens at or beyond a level fills at its open (the stop is asked
   first); else the stop, if touched, fills at its level; else the target, if touched, at its level: the stop comes first when a bar
   touches both. Costs apply as to any fill. The trailing stop is tested at the level that the bars before t left (in the fill bar, the
   fill); only then, if the position is still held, does the high of t (for a short position its low) count as a best price. So one bar
   never makes a new best and is stopped out below it: which came first is not known.
   Basis `close` (indices and close-only series, whose open, high and low are no prices one could trade at): best prices are closes; a
   level reached at the close of t is an order that fills at the close of t+1.
   Both: `max_bars` closes the position at the fill max_bars bars after its entry (the order is given one close before).
3. What is still held after all fills of the bar is charged carry[t] x |units| x close, out of cash; nothing on the last row, at whose
   close nothing stays held.
4. The bar is marked: equity = cash + units x close. Equity <= 0 is ruin: the position is closed at the close and trading ends.
5. On the last row the position is flattened at the close, costs charged, and no order is given. On basis `close` an order waiting
   for that same close is netted with the flattening: nothing is opened there.
6. The close of t gives an order for t+1 if its target differs from the last target ordered; else if a level or max_bars asks for an exit
   (the stop before the target, both before max_bars). A protective exit leaves the last target ordered as it was, so there is no
   re-entry until the target differs from the one that was stopped out. The first order can come from start_row.

`step_nb` is the one definition of these rules; whatever simulates many accounts at once loops over it. Callers of `step_nb` belong in
this file: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray

SIGNAL, STOP, TARGET, TIME, EDGE, RUIN, TRAILING = range(7)
REASONS = ("signal", "stop", "target", "time", "edge", "ruin", "trailing")

# Columns of the log of fills: row, signed units, price paid, commission, spread and slippage, reason, units held after it, and the carry
# charged on the position since the fill before it.
ROW, UNITS, PRICE, COMMISSION, SLIPPAGE, REASON, HELD, CARRY = range(8)
N_COLUMNS = 8


class Terms(NamedTuple):
    """What holds for a whole run; `friction` is half spread plus slippage as a fraction of price."""

    at_open: bool
    friction: float
    commission: float
    max_bars: int


class Holding(NamedTuple):
    """The account: cash, units held, and of an open position the entry row, price levels and the trailing distance (NaN: none).

    `stop_level` is that of the stop that acts, `stop_reason` its reason (STOP or TRAILING): since the fixed stop stays and the trailing one
    only comes nearer, the farther one never acts again.
    """

    cash: float
    units: float
    entry_row: int
    stop_level: float
    stop_reason: int
    target_level: float
    trailing_distance: float


class Order(NamedTuple):
    """`ordered` is the last target that the signal ordered; the rest counts only while `waiting`."""

    ordered: float
    waiting: bool
    target: float
    reason: int
    stop_distance: float
    target_distance: float
    trailing_distance: float


class Leg(NamedTuple):
    """One fill: signed units (0: nothing filled), price paid, its costs, why, and the units held after it."""

    units: float
    price: float
    commission: float
    slippage: float
    reason: int
    held: float


def compiled_form(array: FloatArray) -> FloatArray:
    """Return the array as kernels were compiled for (float64, contiguous, writeable), copying only if it is not."""
    return np.require(array, np.float64, ["C", "W"])


# Step functions take and return tuples of scalars alone: an array among them would be reference-counted at every bar (6 times slower).


@njit(cache=True, inline="always")
def _funded_nb(holding: Any, cash: float, units: float) -> Any:
    """Return the same position's holding with other cash and units."""
    return Holding(cash, units, holding.entry_row, holding.stop_level, holding.stop_reason, holding.target_level, holding.trailing_distance)


@njit(cache=True, inline="always")
def _trailed_nb(holding: Any, high: float, low: float) -> Any:
    """Bring the stop up to the best price of a bar that the position outlived, if the trailing one is then the nearer."""
    distance = holding.trailing_distance
    level = high - distance if holding.units > 0.0 else low + distance
    nearer = level > holding.stop_level if holding.units > 0.0 else level < holding.stop_level
    stop = level if nearer else holding.stop_level
    reason = TRAILING if nearer else holding.stop_reason
    return Holding(holding.cash, holding.units, holding.entry_row, stop, reason, holding.target_level, distance)


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
    return Holding(cash, 0.0, -1, np.nan, STOP, np.nan, np.nan), leg


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
        return _funded_nb(holding, cash, wanted), closed, opened
    side = 1.0 if wanted > 0.0 else -1.0
    stop = price - side * order.stop_distance if order.stop_distance > 0.0 else np.nan
    target = price + side * order.target_distance if order.target_distance > 0.0 else np.nan
    trailing = order.trailing_distance if order.trailing_distance > 0.0 else np.nan
    if trailing > 0.0 and not 0.0 < order.stop_distance <= trailing:
        return Holding(cash, wanted, row, price - side * trailing, TRAILING, target, trailing), closed, opened
    return Holding(cash, wanted, row, stop, STOP, target, trailing), closed, opened


@njit(cache=True, inline="always")
def _protect_nb(holding: Any, open_: float, high: float, low: float, terms: Any) -> Any:
    """Apply stop and target inside the bar (basis `open`); return the holding and the exit's fill."""
    stop, target = holding.stop_level, holding.target_level
    long = holding.units > 0.0
    if (open_ <= stop) if long else (open_ >= stop):
        return _close_nb(holding, open_, holding.stop_reason, terms)
    if (open_ >= target) if long else (open_ <= target):
        return _close_nb(holding, open_, TARGET, terms)
    if (low <= stop) if long else (high >= stop):
        return _close_nb(holding, stop, holding.stop_reason, terms)
    if (high >= target) if long else (low <= target):
        return _close_nb(holding, target, TARGET, terms)
    return holding, Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)


@njit(cache=True, inline="always")
def _next_order_nb(
    holding: Any,
    ordered: float,
    row: int,
    close: float,
    target: float,
    stop_distance: float,
    target_distance: float,
    trailing_distance: float,
    terms: Any,
) -> Any:
    """Return the order that the close of a bar gives: the signal's if its target is new, else a protective exit, else none."""
    if target != ordered:
        return Order(target, True, target, SIGNAL, stop_distance, target_distance, trailing_distance)
    if holding.units != 0.0:
        long = holding.units > 0.0
        if not terms.at_open:
            if (close <= holding.stop_level) if long else (close >= holding.stop_level):
                return Order(ordered, True, 0.0, holding.stop_reason, np.nan, np.nan, np.nan)
            if (close >= holding.target_level) if long else (close <= holding.target_level):
                return Order(ordered, True, 0.0, TARGET, np.nan, np.nan, np.nan)
        if terms.max_bars > 0 and row + 1 - holding.entry_row >= terms.max_bars:
            return Order(ordered, True, 0.0, TIME, np.nan, np.nan, np.nan)
    return Order(ordered, False, 0.0, SIGNAL, np.nan, np.nan, np.nan)


@njit(cache=True, inline="always")
def _netted_nb(holding: Any, order: Any) -> Any:
    """Return what a waiting order becomes when it fills at the close that flattens: an exit, for the order's reason if it asked for one."""
    reason = EDGE if order.target * holding.units > 0.0 else order.reason
    return Order(order.ordered, True, 0.0, reason, np.nan, np.nan, np.nan)


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
    trailing_distance: float,
    carry: float,
    row: int,
    last: bool,
    terms: Any,
) -> Any:
    """Carry one account through one bar by the rules above.

    Args:
        holding, order: the account and what waits, as the last step returned them.
        open_, high, low, close: the bar.
        target, stop_distance, target_distance, trailing_distance: known at this bar's close.
        carry: share of the notional held at this close that holding it costs.
        last: whether this is the last row.
    Returns:
        the new holding, the new order, the bar's fills in order (the one that closed, the one that opened or resized, and the one that
        ended the position after them: protective exit, edge or ruin; `units` is 0 where there was none), and the carry charged.
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
    charged = 0.0 if last else carry * abs(holding.units) * close
    holding = _funded_nb(holding, holding.cash - charged, holding.units)
    equity = holding.cash + holding.units * close
    if last or equity <= 0.0:
        if holding.units != 0.0:
            holding, ended = _close_nb(holding, close, EDGE if equity > 0.0 else RUIN, terms)
        return holding, Order(0.0, False, 0.0, SIGNAL, np.nan, np.nan, np.nan), closed, opened, ended, charged
    if holding.units != 0.0:
        holding = _trailed_nb(holding, high if terms.at_open else close, low if terms.at_open else close)
    order = _next_order_nb(holding, order.ordered, row, close, target, stop_distance, target_distance, trailing_distance, terms)
    return holding, order, closed, opened, ended, charged


@njit(cache=True)
def _record_nb(leg: Any, row: int, carried: float, log: Any, n: int, costs: Any, i: int) -> Any:
    """Write a fill to the log and to its bar's sums; return the number of fills so far and the carry that none has recorded yet: 0."""
    log[n, ROW] = row
    log[n, UNITS] = leg.units
    log[n, PRICE] = leg.price
    log[n, COMMISSION] = leg.commission
    log[n, SLIPPAGE] = leg.slippage
    log[n, REASON] = leg.reason
    log[n, HELD] = leg.held
    log[n, CARRY] = carried
    costs[0, i] += leg.commission
    costs[1, i] += leg.slippage
    costs[2, i] += abs(leg.units) * leg.price
    return n + 1, 0.0


@njit(cache=True)
def simulate_nb(
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    target: FloatArray,
    stop_distance: FloatArray,
    target_distance: FloatArray,
    trailing_distance: FloatArray,
    carry: FloatArray,
    terms: Any,
    capital: float,
    start_row: int,
    stop_row: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Simulate one account over rows [start_row, stop_row).

    Args:
        open_, high, low, close: (n_bars,) prices > 0; basis `close` reads close alone.
        target: (n_bars,) signed fraction of equity, finite.
        stop_distance, target_distance, trailing_distance: (n_bars,) price units; 0 or NaN for none.
        carry: (n_bars,) fraction of the notional held at each close, finite.
        terms: see `Terms`.
        capital: cash at the start, > 0.
    Returns:
        account (3, n_rows): equity, cash and units at each close; costs (4, n_rows): commission, spread and slippage, traded
        notional, and carry of each bar; log (n_fills, N_COLUMNS) of fills, in order of time.
    """
    account = np.empty((3, stop_row - start_row))
    costs = np.zeros((4, stop_row - start_row))
    changes = 1 if target[start_row] != 0.0 else 0
    for row in range(start_row + 1, stop_row):
        changes += 1 if target[row] != target[row - 1] else 0
    # A fill opens or resizes (once at most for an order of the signal) or closes (once for each time it opened).
    log = np.empty((2 * changes, N_COLUMNS))
    holding = Holding(capital, 0.0, -1, np.nan, STOP, np.nan, np.nan)
    order = Order(0.0, False, 0.0, SIGNAL, np.nan, np.nan, np.nan)
    n = 0
    carried = 0.0
    for row in range(start_row, stop_row):
        holding, order, closed, opened, ended, charged = step_nb(
            holding, order, open_[row], high[row], low[row], close[row], target[row], stop_distance[row], target_distance[row],
            trailing_distance[row], carry[row], row, row == stop_row - 1, terms,
        )  # fmt: skip
        i = row - start_row
        account[0, i] = holding.cash + holding.units * close[row]
        account[1, i] = holding.cash
        account[2, i] = holding.units
        costs[3, i] = charged
        if closed.units != 0.0:
            n, carried = _record_nb(closed, row, carried, log, n, costs, i)
        if opened.units != 0.0:
            n, carried = _record_nb(opened, row, carried, log, n, costs, i)
        carried += charged
        if ended.units != 0.0:
            n, carried = _record_nb(ended, row, carried, log, n, costs, i)
    return account, costs, log[:n].copy()
