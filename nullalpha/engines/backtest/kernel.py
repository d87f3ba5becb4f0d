"""Bar-by-bar backtest kernel: wishes of a signal in; fills, cash, position and equity out.

Compiled, pure. Money in the instrument's currency, costs in fractions of price unless said otherwise. It knows no strategy, no calendar and
no metrics. `step_nb` is the one definition of the rules below, with `eventless_nb` (then `idle_flows_nb`, `accrued_nb`, `followed_nb`) for
the many bars in which nothing happens; the single account (`simulate_nb`), the population (`population`) and the portfolio (`portfolio`)
loop over them, so they cannot differ in a fill.

Rules of one bar t, in this order (everything happens inside rows [start_row, stop_row)):

1. Overnight. Cash above 0 earns interest[t], cash below 0 pays debit[t]; proceeds of short sales are cash. A split multiplies the units by
   split[t] and divides every price level and distance by it. Then each unit held receives income[t] (a dividend; a short position pays it).
2. An order waits only if the close of t-1 or an earlier bar gave one. Kinds:
   market: fills at the open of t (fill basis `open`) or at the close of t (`close`).
   limit, stop, stop-limit: entries alone, that is orders that open a position or turn it round; what they leave of the old position is
   closed at the market first, and what only resizes or closes is a market order. Levels lie at their distance from the close that gave the
   order: a buy limit below it, a buy stop above it, the limit of a stop-limit beyond its stop; between ticks a limit is the next tick that
   is harder to reach, and so is a stop. A buy limit fills when the ask, price x (1 + friction), comes down to it: at the ask of the open if
   that is lower, else at the limit. A buy stop fills when the price comes up to it: at the open
   if that is higher, else at the stop, and pays friction on top. A stop-limit does the same unless that is above its limit: then it waits
   as a limit order from t+1 on. Sales mirror this. On basis `close` a bar is its close alone, for levels too. An order that has waited for
   valid_bars bars is cancelled (0: it waits until the target changes); what it was still closing is closed at the market.
   Units wanted = target x equity / price, both at the fill price before costs, towards zero in whole lots; so a target of 1 leaves cash
   slightly below 0 by the costs. A reversal is two fills: one closes the old trade, one opens the new. A market or stop order that meets
   equity <= 0 closes the position (ruin).
3. Costs of a fill. Buying pays price x (1 + friction + impact x sqrt(units filled)), selling gets the same below the price, both rounded to
   the tick to the trader's harm, a limit never exceeded; commission = max(least, rate x notional at the price paid + per_unit x units).
   What fills at a limit inside a bar pays no impact: it waited and was come to. A reversal pays the impact of each of its two fills.
   No more than cap[t] units fill in a bar, in whole lots; the rest of the order waits for the next bar: of a limit at its level, of all
   others at the market, towards target x equity at the next fill price. A limit order never trades against its side: it ends instead.
4. Protective exits. Levels lie at the distances known at the bar that gave the order, rounded to the nearest tick; they are set when a
   position opens and neither levels nor distances change when it is resized. Stop and target lie at their distances from the fill price
   before costs. The trailing stop lies at its distance from the best price since the entry: the fill price before costs, then as below; it
   never moves away from the price. Where there are both a fixed and a trailing stop the nearer one acts, for its own reason; the fixed one
   when they are level. "The stop" below is the one that acts.
   Basis `open`: active inside the bar, from the fill bar on. A bar that opens at or beyond a level fills at its open (the stop is asked
   first); else the stop, if touched, fills at its level; else the target, if touched, at its level: the stop comes first when a bar
   touches both. Costs apply as to any fill. The trailing stop is tested at the level that the bars before t left (in the fill bar, the
   fill); only then, if the position is still held, does the high of t (for a short position its low) count as a best price. So one bar
   never makes a new best and is stopped out below it: which came first is not known. A bar in which an entry filled inside (at a limit or a
   stop, not at the open) may have made its open, high or low before it: there no level fills at the open, the close is the only best
   price, the stop still acts when touched, and after a limit order the target only where the close lies beyond it.
   Basis `close` (indices and close-only series, whose open, high and low are no prices one could trade at): best prices are closes; a
   level reached at the close of t is an order that fills at the close of t+1. Here, too, the closes before t say where a trailing stop
   lies.
   Both: `max_bars` closes the position at the fill max_bars bars after its entry (the order is given one close before). An exit cancels
   what still waits of the entry.
5. What is still held after all fills of the bar is charged carry_long[t] or carry_short[t] x |units| x close, out of cash (below 0:
   earned); nothing on the last row, at whose close nothing stays held.
6. The bar is marked: equity = cash + units x close. Equity <= 0 is ruin: the position is closed at the close and trading ends.
7. On the last row the position is flattened at the close, whatever the cap, costs charged, and no order is given. On basis `close` an order
   waiting for that same close is netted with the flattening: nothing is opened there, and all is one fill. Ruin closes whatever the cap,
   too.
8. The close of t gives an order for t+1 if its target differs from the last target ordered, in the place of what still waits; else if a
   level or max_bars asks for an exit (the stop before the target, both before max_bars). A protective exit leaves the last target ordered
   as it was, so there is no re-entry until the target differs from the one that was stopped out. The first order can come from start_row.


Source: Harris (2003), Trading and Exchanges, ch. 4 (orders); Almgren et al. (2005), Risk 18(7), for impact as the root of size.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray

SIGNAL, STOP, TARGET, TIME, EDGE, RUIN, TRAILING = range(7)
REASONS = ("signal", "stop", "target", "time", "edge", "ruin", "trailing")
MARKET, AT_LIMIT, AT_STOP, AT_STOP_LIMIT = range(4)

# Columns of the log of fills: row, signed units, price paid, commission, spread and slippage, reason, units held after it; and since the
# fill before it: carry charged and income received on the position.
ROW, UNITS, PRICE, COMMISSION, SLIPPAGE, REASON, HELD, CARRY, INCOME = range(9)
N_COLUMNS = 9

# Columns of the rates of a bar; see `Execution` for their units.
FRICTION, IMPACT, LOT, TICK, PER_UNIT, CAP, CARRY_LONG, CARRY_SHORT, INTEREST, DEBIT, PAYOUT, SPLIT = range(12)
N_RATES = 12

# Columns of what the close of a bar says: the target and the distances of the order that it may give.
WISH_TARGET, WISH_STOP, WISH_PROFIT, WISH_TRAILING, WISH_ENTRY, WISH_LIMIT = range(6)


class Terms(NamedTuple):
    """What holds for a whole run.

    Attributes:
        at_open: fill basis `open`.
        plain: no bar has impact, lots, ticks, a cap or a commission other than a share of the notional.
        accrues: some bar has interest, debit, income, a split or carry.
        commission: share of the notional.
        least: least commission of a fill, in currency.
        max_bars: see rule 4; 0 for none.
        entry: MARKET, AT_LIMIT, AT_STOP or AT_STOP_LIMIT.
        valid_bars: see rule 2; 0 for no end.
    """

    at_open: bool
    plain: bool
    accrues: bool
    commission: float
    least: float
    max_bars: int
    entry: int
    valid_bars: int


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
    """`ordered` is the last target that the signal ordered; the rest counts only while `waiting`.

    `level` is where it fills, or where a stop-limit becomes active; `limit` a stop-limit's limit; `until` the last row on which it waits.
    """

    ordered: float
    waiting: bool
    target: float
    reason: int
    stop_distance: float
    target_distance: float
    trailing_distance: float
    kind: int
    level: float
    limit: float
    until: int


class Leg(NamedTuple):
    """One fill: signed units (0: nothing filled), price paid, its costs, why, and the units held after it."""

    units: float
    price: float
    commission: float
    slippage: float
    reason: int
    held: float


class Flows(NamedTuple):
    """Money of a bar that no fill moved: carry charged, interest and income received."""

    carry: float
    interest: float
    income: float


class Rates(NamedTuple):
    """One bar's rates; see `execution.Execution`."""

    friction: float
    impact: float
    lot: float
    tick: float
    per_unit: float
    cap: float
    carry_long: float
    carry_short: float
    interest: float
    debit: float
    payout: float
    split: float


_FOREVER = 2**62


def compiled_form(array: FloatArray) -> FloatArray:
    """Return the array as kernels were compiled for (float64, contiguous, writeable), copying only if it is not."""
    return np.require(array, np.float64, ["C", "W"])


# What runs at every bar takes and returns scalars and tuples of scalars alone: an array handed to an inlined function, or inside a tuple,
# is reference-counted at every bar, which takes longer than the bar.


@njit(cache=True, inline="always")
def rates_nb(rates: FloatArray, row: int) -> Any:
    """Return a bar's rates from (n_bars, N_RATES)."""
    return Rates(
        rates[row, FRICTION], rates[row, IMPACT], rates[row, LOT], rates[row, TICK], rates[row, PER_UNIT], rates[row, CAP],
        rates[row, CARRY_LONG], rates[row, CARRY_SHORT], rates[row, INTEREST], rates[row, DEBIT], rates[row, PAYOUT], rates[row, SPLIT],
    )  # fmt: skip


@njit(cache=True, inline="always")
def start_nb(capital: float) -> Any:
    """Return the account and the order, none, before the first bar."""
    return Holding(capital, 0.0, -1, np.nan, STOP, np.nan, np.nan), _no_order_nb(0.0)


@njit(cache=True, inline="always")
def _no_order_nb(ordered: float) -> Any:
    return Order(ordered, False, 0.0, SIGNAL, np.nan, np.nan, np.nan, MARKET, np.nan, np.nan, _FOREVER)


@njit(cache=True, inline="always")
def _exit_order_nb(ordered: float, reason: int) -> Any:
    return Order(ordered, True, 0.0, reason, np.nan, np.nan, np.nan, MARKET, np.nan, np.nan, _FOREVER)


@njit(cache=True, inline="always")
def _no_leg_nb() -> Any:
    return Leg(0.0, 0.0, 0.0, 0.0, SIGNAL, 0.0)


@njit(cache=True, inline="always")
def funded_nb(holding: Any, cash: float, units: float) -> Any:
    """Return the same position's holding with other cash and units."""
    return Holding(cash, units, holding.entry_row, holding.stop_level, holding.stop_reason, holding.target_level, holding.trailing_distance)


@njit(cache=True)
def _whole_lots_nb(units: float, lot: float) -> float:
    """Return units towards zero in whole lots; a millionth of a lot short of the next one counts as it."""
    return units if lot <= 0.0 else math.trunc(units / lot + math.copysign(1e-6, units)) * lot


@njit(cache=True)
def _to_tick_nb(price: float, tick: float, upwards: float) -> float:
    """Return a price on a tick: the next above (`upwards` > 0), the next below (< 0), or the nearest (0); at least one tick."""
    if tick <= 0.0:
        return price
    steps = price / tick
    if upwards > 0.0:
        whole = math.ceil(steps - 1e-6)
    elif upwards < 0.0:
        whole = math.floor(steps + 1e-6)
    else:
        whole = math.floor(steps + 0.5)
    return max(whole, 1.0) * tick


@njit(cache=True, inline="always")
def _fillable_nb(change: float, left: float, rates: Any, row: int, terms: Any) -> float:
    """Return how much of a change of units fills in a bar that fills `left` more; a billionth of it more or less is rounding."""
    if terms.plain or abs(change) <= left * (1.0 + 1e-9):
        return change
    return math.copysign(_whole_lots_nb(left, rates.lot), change) if left > 1e-9 * rates.cap else 0.0


@njit(cache=True, inline="always")
def _trade_nb(holding: Any, units: float, price: float, bound: float, reason: int, rates: Any, row: int, terms: Any) -> Any:
    """Bring the position to `units` at `price`, paying no worse than `bound` (NaN: no bound); return the cash left and the fill."""
    change = units - holding.units
    friction = rates.friction
    if terms.plain:
        paid = price * (1.0 + friction) if change > 0.0 else price * (1.0 - friction)
    else:
        friction += rates.impact * math.sqrt(abs(change))
        side = 1.0 if change > 0.0 else -1.0
        paid = _to_tick_nb(price * max(1.0 + side * friction, 0.0), rates.tick, side)
    if (paid > bound) if change > 0.0 else (paid < bound):
        paid = bound
    commission = terms.commission * abs(change) * paid
    if terms.plain:
        slippage = abs(change) * price * friction
    else:
        commission = max(terms.least, commission + rates.per_unit * abs(change))
        slippage = change * (paid - price)
    return holding.cash - change * paid - commission, Leg(change, paid, commission, slippage, reason, units)


@njit(cache=True, inline="always")
def reduced_nb(holding: Any, price: float, left: float, reason: int, rates: Any, row: int, terms: Any) -> Any:
    """Close as much of the position as fills at `price`; return the holding and the fill."""
    change = _fillable_nb(-holding.units, left, rates, row, terms)
    if change == 0.0:
        return holding, _no_leg_nb()
    units = 0.0 if change == -holding.units else holding.units + change
    cash, leg = _trade_nb(holding, units, price, np.nan, reason, rates, row, terms)
    if units == 0.0:
        return Holding(cash, 0.0, -1, np.nan, STOP, np.nan, np.nan), leg
    return funded_nb(holding, cash, units), leg


@njit(cache=True, inline="always")
def _opened_nb(holding: Any, cash: float, units: float, order: Any, price: float, rates: Any, row: int, terms: Any) -> Any:
    """Return the holding of a position that opens at `price`, with its levels."""
    side = 1.0 if units > 0.0 else -1.0
    stop = price - side * order.stop_distance if order.stop_distance > 0.0 else np.nan
    target = price + side * order.target_distance if order.target_distance > 0.0 else np.nan
    trailing = order.trailing_distance if order.trailing_distance > 0.0 else np.nan
    follower = price - side * trailing
    if not terms.plain:
        tick = rates.tick
        stop = _to_tick_nb(stop, tick, 0.0) if stop > 0.0 else stop
        target = _to_tick_nb(target, tick, 0.0) if target > 0.0 else target
        follower = _to_tick_nb(follower, tick, 0.0) if follower > 0.0 else follower
    follows = trailing > 0.0 and not side * (follower - stop) <= 0.0
    return Holding(cash, units, row, follower if follows else stop, TRAILING if follows else STOP, target, trailing)


@njit(cache=True, inline="always")
def _done_nb(order: Any) -> Any:
    return _no_order_nb(order.ordered)


@njit(cache=True, inline="always")
def _rest_nb(order: Any) -> Any:
    """Return what still waits of an order that filled in part: of a limit or a stop-limit a limit order, of all others a market order."""
    limits = order.kind == AT_LIMIT or order.kind == AT_STOP_LIMIT
    return Order(
        order.ordered, True, order.target, order.reason, order.stop_distance, order.target_distance, order.trailing_distance,
        AT_LIMIT if limits else MARKET, order.limit if limits else np.nan, order.limit if limits else np.nan,
        order.until if limits else _FOREVER,
    )  # fmt: skip


@njit(cache=True, inline="always")
def _execute_nb(holding: Any, order: Any, price: float, bound: float, left: float, others: float, rates: Any, row: int, terms: Any) -> Any:
    """Fill the waiting order at `price` as far as it can.

    Returns:
        the holding, what still waits, the fill that closed, and the fill that opened or resized.
    """
    equity = holding.cash + holding.units * price + others
    reason = order.reason if equity > 0.0 else RUIN
    wanted = order.target * equity / price if equity > 0.0 else 0.0
    if not terms.plain:
        wanted = _whole_lots_nb(wanted, rates.lot)
    closed = _no_leg_nb()
    if not np.isnan(bound) and holding.units != 0.0 and (wanted - holding.units) * order.target <= 0.0:
        return holding, _done_nb(order), closed, _no_leg_nb()
    if holding.units != 0.0 and wanted * holding.units <= 0.0:
        holding, closed = reduced_nb(holding, price, left, reason, rates, row, terms)
        left -= abs(closed.units)
        if holding.units != 0.0:
            return holding, order, closed, _no_leg_nb()
    change = wanted - holding.units
    if abs(change) <= 1e-6 * rates.lot:
        return holding, _done_nb(order), closed, _no_leg_nb()
    filled = _fillable_nb(change, left, rates, row, terms)
    if filled == 0.0:
        return holding, _rest_nb(order), closed, _no_leg_nb()
    units = wanted if filled == change else holding.units + filled
    cash, opened = _trade_nb(holding, units, price, bound, reason, rates, row, terms)
    if holding.units != 0.0:  # noqa: SIM108  (numba infers the branches apart)
        holding = funded_nb(holding, cash, units)
    else:
        holding = _opened_nb(holding, cash, units, order, price, rates, row, terms)
    return holding, _done_nb(order) if filled == change else _rest_nb(order), closed, opened


@njit(cache=True)
def _limit_price_nb(buys: bool, level: float, open_: float, high: float, low: float, friction: float) -> float:
    """Return the price before costs at which a limit order fills in a bar; NaN where it does not."""
    if buys:
        if open_ * (1.0 + friction) <= level:
            return open_
        return level / (1.0 + friction) if low * (1.0 + friction) <= level else np.nan
    if open_ * (1.0 - friction) >= level:
        return open_
    return level / (1.0 - friction) if high * (1.0 - friction) >= level else np.nan


@njit(cache=True)
def _stop_price_nb(buys: bool, level: float, open_: float, high: float, low: float) -> float:
    """Return the price before costs at which a stop order fills in a bar; NaN where it does not."""
    if buys:
        return open_ if open_ >= level else (level if high >= level else np.nan)
    return open_ if open_ <= level else (level if low <= level else np.nan)


@njit(cache=True, inline="always")
def _enter_nb(holding: Any, order: Any, open_: float, high: float, low: float, others: float, rates: Any, row: int, terms: Any) -> Any:
    """Work a waiting limit, stop or stop-limit order through a bar; returns as `_execute_nb`, and of what kind filled inside the bar."""
    left = rates.cap
    closed = _no_leg_nb()
    if holding.units * order.target < 0.0:
        holding, closed = reduced_nb(holding, open_, left, order.reason, rates, row, terms)
        left -= abs(closed.units)
        if holding.units != 0.0:
            order = _exit_order_nb(order.ordered, order.reason) if row >= order.until else order
            return holding, order, closed, _no_leg_nb(), MARKET
    buys = order.target > 0.0
    friction = rates.friction
    bound = np.nan
    kind = order.kind
    if kind == AT_LIMIT:
        price = _limit_price_nb(buys, order.level, open_, high, low, friction)
        bound = order.level
    else:
        price = _stop_price_nb(buys, order.level, open_, high, low)
        if kind == AT_STOP_LIMIT and not np.isnan(price):
            bound = order.limit
            beyond = price * (1.0 + friction) > bound if buys else price * (1.0 - friction) < bound
            if beyond:
                price = np.nan
                order = Order(
                    order.ordered, True, order.target, order.reason, order.stop_distance, order.target_distance,
                    order.trailing_distance, AT_LIMIT, bound, bound, order.until,
                )  # fmt: skip
    opened = _no_leg_nb()
    if not np.isnan(price):
        holding, order, _, opened = _execute_nb(holding, order, price, bound, left, others, rates, row, terms)
    if order.waiting and order.kind != MARKET and row >= order.until:
        order = _done_nb(order)
    return holding, order, closed, opened, kind if opened.units != 0.0 and price != open_ else MARKET


@njit(cache=True, inline="always")
def _protect_nb(
    holding: Any, open_: float, high: float, low: float, close: float, entered: int, left: float, rates: Any, row: int, terms: Any
) -> Any:
    """Apply stop and target inside the bar (basis `open`); return the holding, the exit's fill, and what acted (SIGNAL: nothing).

    `entered` is the kind of order that filled inside this bar, MARKET for none.
    """
    stop, target = holding.stop_level, holding.target_level
    long = holding.units > 0.0
    price, reason = np.nan, SIGNAL
    if entered != MARKET:
        open_ = np.nan
    if entered == AT_LIMIT:
        high = min(high, close) if long else high
        low = low if long else max(low, close)
    if (open_ <= stop) if long else (open_ >= stop):
        price, reason = open_, holding.stop_reason
    elif (open_ >= target) if long else (open_ <= target):
        price, reason = open_, TARGET
    elif (low <= stop) if long else (high >= stop):
        price, reason = stop, holding.stop_reason
    elif (high >= target) if long else (low <= target):
        price, reason = target, TARGET
    if reason == SIGNAL:
        return holding, _no_leg_nb(), SIGNAL
    holding, leg = reduced_nb(holding, price, left, reason, rates, row, terms)
    return holding, leg, reason


@njit(cache=True, inline="always")
def _trailed_nb(holding: Any, high: float, low: float, tick: float) -> Any:
    """Bring the stop up to the best price of a bar that the position outlived, if the trailing one is then the nearer."""
    distance = holding.trailing_distance
    level = high - distance if holding.units > 0.0 else low + distance
    if tick > 0.0 and level > 0.0:
        level = _to_tick_nb(level, tick, 0.0)
    nearer = level > holding.stop_level if holding.units > 0.0 else level < holding.stop_level
    stop = level if nearer else holding.stop_level
    reason = TRAILING if nearer else holding.stop_reason
    return Holding(holding.cash, holding.units, holding.entry_row, stop, reason, holding.target_level, distance)


@njit(cache=True, inline="always")
def _overnight_nb(holding: Any, order: Any, rates: Any) -> Any:
    """Pay interest, split what is held and what waits, pay income; return the holding, the order, interest and income."""
    cash = holding.cash
    split = rates.split
    if split != 1.0:
        holding = Holding(
            holding.cash, holding.units * split, holding.entry_row, holding.stop_level / split, holding.stop_reason,
            holding.target_level / split, holding.trailing_distance / split,
        )  # fmt: skip
        order = Order(
            order.ordered, order.waiting, order.target, order.reason, order.stop_distance / split, order.target_distance / split,
            order.trailing_distance / split, order.kind, order.level / split, order.limit / split, order.until,
        )  # fmt: skip
    interest = cash * (rates.interest if cash > 0.0 else rates.debit)
    income = holding.units * rates.payout
    return funded_nb(holding, cash + interest + income, holding.units), order, interest, income


@njit(cache=True, inline="always")
def entry_order_nb(
    units: float, row: int, close: float, target: float, stop_distance: float, target_distance: float, trailing_distance: float,
    entry_distance: float, limit_distance: float, rates: Any, terms: Any,
) -> Any:  # fmt: skip
    """Return the order that a new target gives."""
    kind = terms.entry
    if target == 0.0 or units * target > 0.0:
        kind = MARKET
    level, limit, until = np.nan, np.nan, _FOREVER
    if kind != MARKET:
        side = 1.0 if target > 0.0 else -1.0
        away = entry_distance if entry_distance > 0.0 else 0.0
        tick = rates.tick
        level = _to_tick_nb(close - side * away if kind == AT_LIMIT else close + side * away, tick, -side if kind == AT_LIMIT else side)
        limit = level
        if kind == AT_STOP_LIMIT and limit_distance > 0.0:
            limit = _to_tick_nb(level + side * limit_distance, tick, -side)
        until = row + terms.valid_bars if terms.valid_bars > 0 else _FOREVER
    return Order(target, True, target, SIGNAL, stop_distance, target_distance, trailing_distance, kind, level, limit, until)


@njit(cache=True, inline="always")
def _asked_exit_nb(holding: Any, row: int, close: float, terms: Any) -> int:
    """Return for what reason the close of a bar asks for a protective exit; SIGNAL for none."""
    long = holding.units > 0.0
    if not terms.at_open:
        if (close <= holding.stop_level) if long else (close >= holding.stop_level):
            return int(holding.stop_reason)
        if (close >= holding.target_level) if long else (close <= holding.target_level):
            return TARGET
    if terms.max_bars > 0 and row + 1 - holding.entry_row >= terms.max_bars:
        return TIME
    return SIGNAL


@njit(cache=True, inline="always")
def _netted_nb(holding: Any, order: Any) -> Any:
    """Return what a waiting order becomes when it fills at the close that flattens: an exit, for the order's reason if it asked for one."""
    return _exit_order_nb(order.ordered, EDGE if order.target * holding.units > 0.0 else order.reason)


@njit(cache=True)
def step_nb(
    holding: Any, order: Any, open_: float, high: float, low: float, close: float, target: float, stop_distance: float,
    target_distance: float, trailing_distance: float, entry_distance: float, limit_distance: float, table: FloatArray, others: float,
    others_at_close: float, row: int, last: bool, terms: Any,
) -> Any:  # fmt: skip
    """Carry one account through one bar by the rules above.

    Args:
        holding, order: the account and what waits, as the last step returned them.
        open_, high, low, close: the bar; on basis `close` the close four times.
        target, stop_distance, target_distance, trailing_distance, entry_distance, limit_distance: known at this bar's close.
        table: (n_bars, N_RATES) of the instrument, or one row for all bars.
        others, others_at_close: what else the account is worth while this bar's orders fill, and at its close: 0 unless it holds other
            instruments.
        row: of the bar.
        last: whether this is the last row.
    Returns:
        the new holding, the new order, the bar's fills in order (the one that closed, the one that opened or resized, and the one that
        ended the position after them: protective exit, edge or ruin; `units` is 0 where there was none), and the money of no fill.
    """
    rates = rates_nb(table, row if len(table) > 1 else 0)
    closed = _no_leg_nb()
    opened = _no_leg_nb()
    ended = _no_leg_nb()
    interest, income, charged = 0.0, 0.0, 0.0
    if terms.accrues:
        holding, order, interest, income = _overnight_nb(holding, order, rates)
    entered = MARKET
    if order.waiting:
        netted = last and not terms.at_open
        if netted:
            order = _netted_nb(holding, order)
        if order.kind == MARKET:
            price, room = open_ if terms.at_open else close, np.inf if netted else rates.cap
            holding, order, closed, opened = _execute_nb(holding, order, price, np.nan, room, others, rates, row, terms)
        else:
            holding, order, closed, opened, entered = _enter_nb(holding, order, open_, high, low, others, rates, row, terms)
    if terms.at_open and holding.units != 0.0:
        left = rates.cap - abs(closed.units) - abs(opened.units)
        holding, ended, reason = _protect_nb(holding, open_, high, low, close, entered, left, rates, row, terms)
        if reason != SIGNAL:
            order = _done_nb(order) if holding.units == 0.0 else _exit_order_nb(order.ordered, reason)
    if terms.accrues and not last:
        charged = (rates.carry_long if holding.units > 0.0 else rates.carry_short) * abs(holding.units) * close
        holding = funded_nb(holding, holding.cash - charged, holding.units)
    flows = Flows(charged, interest, income)
    equity = holding.cash + holding.units * close + others_at_close
    if last or equity <= 0.0:
        if holding.units != 0.0:
            holding, final = reduced_nb(holding, close, np.inf, EDGE if equity > 0.0 else RUIN, rates, row, terms)
            ended = final if ended.units == 0.0 else _joined_nb(ended, final)
        return holding, _no_order_nb(0.0), closed, opened, ended, flows
    if target != order.ordered:
        order = entry_order_nb(
            holding.units,
            row,
            close,
            target,
            stop_distance,
            target_distance,
            trailing_distance,
            entry_distance,
            limit_distance,
            rates,
            terms,
        )
    elif holding.units != 0.0:
        reason = _asked_exit_nb(holding, row, close, terms)
        if reason != SIGNAL:
            order = _exit_order_nb(order.ordered, reason)
    if holding.units != 0.0:
        outlived = terms.at_open and entered == MARKET
        holding = _trailed_nb(holding, high if outlived else close, low if outlived else close, 0.0 if terms.plain else rates.tick)
    return holding, order, closed, opened, ended, flows


@njit(cache=True)
def _joined_nb(first: Any, second: Any) -> Any:
    """Return two exits of one bar as one fill at their average price: a protective one that the cap cut short, and the rest at the edge."""
    units = first.units + second.units
    price = (first.units * first.price + second.units * second.price) / units
    return Leg(units, price, first.commission + second.commission, first.slippage + second.slippage, second.reason, second.held)


@njit(cache=True, inline="always")
def eventless_nb(
    holding: Any, order: Any, open_: float, high: float, low: float, close: float, target: float, split: float, moved: float,
    others_at_close: float, row: int, last: bool, terms: Any,
) -> bool:  # fmt: skip
    """Return whether a bar neither fills nor orders nor splits nor ruins anything, so that money and a trailing stop alone move.

    `moved` is the money that moves (see `Flows`), `split` the bar's.
    """
    if order.waiting or last or target != order.ordered or split != 1.0:
        return False
    if holding.units == 0.0:
        return True
    if terms.max_bars > 0 and row + 1 - holding.entry_row >= terms.max_bars:
        return False
    if holding.units > 0.0:
        if min(open_, low) <= holding.stop_level or max(open_, high) >= holding.target_level:
            return False
    elif max(open_, high) >= holding.stop_level or min(open_, low) <= holding.target_level:
        return False
    return bool(holding.cash + moved + holding.units * close + others_at_close > 0.0)


@njit(cache=True, inline="always")
def idle_flows_nb(holding: Any, close: float, interest: float, debit: float, payout: float, carry_long: float, carry_short: float) -> Any:
    """Return the money that moves in an eventless bar of an account that accrues."""
    charged = (carry_long if holding.units > 0.0 else carry_short) * abs(holding.units) * close
    return Flows(charged, holding.cash * (interest if holding.cash > 0.0 else debit), holding.units * payout)


@njit(cache=True, inline="always")
def accrued_nb(holding: Any, flows: Any) -> Any:
    """Return the holding after that money has moved."""
    return funded_nb(holding, holding.cash + flows.interest + flows.income - flows.carry, holding.units)


@njit(cache=True, inline="always")
def followed_nb(holding: Any, high: float, low: float, close: float, tick: float, terms: Any) -> Any:
    """Return the holding, whose stop trails, after an eventless bar; `tick` is the bar's, 0 for none."""
    return _trailed_nb(holding, high if terms.at_open else close, low if terms.at_open else close, tick)


@njit(cache=True)
def record_nb(leg: Any, row: int, carried: float, received: float, log: FloatArray, n: int) -> int:
    """Write a fill to the log; return the number of fills so far."""
    log[n, ROW] = row
    log[n, UNITS] = leg.units
    log[n, PRICE] = leg.price
    log[n, COMMISSION] = leg.commission
    log[n, SLIPPAGE] = leg.slippage
    log[n, REASON] = leg.reason
    log[n, HELD] = leg.held
    log[n, CARRY] = carried
    log[n, INCOME] = received
    return n + 1


@njit(cache=True)
def simulate_nb(
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    wishes: FloatArray,
    rates: FloatArray,
    terms: Any,
    capital: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Simulate one account over all rows that it is given.

    Args:
        open_, high, low, close: (n_rows,) prices > 0; on basis `close` the closes four times.
        wishes: (6, n_rows) of the close of each bar: target, a signed fraction of equity, finite; and in price units, 0 or NaN for none,
            the distances of stop, target, trailing stop, entry level and a stop-limit's limit.
        rates: (n_rows, N_RATES), or one row for all.
        terms: see `Terms`.
        capital: cash at the start, > 0.
    Returns:
        account (3, n_rows): equity, cash and units at each close; flows (3, n_rows): carry, interest and income of each bar, (3, 0) where
        nothing accrues; log (n_fills, N_COLUMNS) of fills, in order of time, rows counted from 0.
    """
    n_rows = len(close)
    vary = 1 if len(rates) > 1 else 0
    account = np.empty((3, n_rows))
    flowed = np.zeros((3, n_rows if terms.accrues else 0))
    log = np.empty((_most_fills_nb(wishes, terms), N_COLUMNS))
    holding, order = start_nb(capital)
    n = 0
    carried, received = 0.0, 0.0
    idle = Flows(0.0, 0.0, 0.0)
    split, tick = 1.0, 0.0
    for row in range(n_rows):
        last = row == n_rows - 1
        if terms.accrues:
            at = vary * row
            idle = idle_flows_nb(
                holding, close[row], rates[at, INTEREST], rates[at, DEBIT], rates[at, PAYOUT], rates[at, CARRY_LONG],
                rates[at, CARRY_SHORT],
            )  # fmt: skip
            split = rates[at, SPLIT]
        if eventless_nb(
            holding, order, open_[row], high[row], low[row], close[row], wishes[0, row], split, idle.interest + idle.income - idle.carry,
            0.0, row, last, terms,
        ):  # fmt: skip
            if terms.accrues:
                holding = accrued_nb(holding, idle)
                carried += idle.carry
                received += idle.income
                flowed[0, row], flowed[1, row], flowed[2, row] = idle.carry, idle.interest, idle.income
            if holding.trailing_distance > 0.0:
                if not terms.plain:
                    tick = rates[vary * row, TICK]
                holding = followed_nb(holding, high[row], low[row], close[row], tick, terms)
        else:
            holding, order, closed, opened, ended, flows = step_nb(
                holding, order, open_[row], high[row], low[row], close[row], wishes[0, row], wishes[1, row], wishes[2, row],
                wishes[3, row], wishes[4, row], wishes[5, row], rates, 0.0, 0.0, row, last, terms,
            )  # fmt: skip
            if terms.accrues:
                received += flows.income
                flowed[0, row], flowed[1, row], flowed[2, row] = flows.carry, flows.interest, flows.income
            if closed.units != 0.0:
                n = record_nb(closed, row, carried, received, log, n)
                carried, received = 0.0, 0.0
            if opened.units != 0.0:
                n = record_nb(opened, row, carried, received, log, n)
                carried, received = 0.0, 0.0
            if ended.reason == RUIN:
                carried += flows.carry
            if ended.units != 0.0:
                n = record_nb(ended, row, carried, received, log, n)
                carried, received = 0.0, 0.0
            if ended.reason != RUIN:
                carried += flows.carry
        account[0, row] = holding.cash + holding.units * close[row]
        account[1, row] = holding.cash
        account[2, row] = holding.units
    return account, flowed, log[:n].copy()


@njit(cache=True)
def _most_fills_nb(wishes: FloatArray, terms: Any) -> int:
    """Return how many fills there can be: three a bar where a cap cuts orders into parts, else two for each target ordered."""
    n_rows = int(wishes.shape[1])
    if not terms.plain:
        return 3 * n_rows
    changes = 1 if wishes[0, 0] != 0.0 else 0
    for row in range(1, n_rows):
        changes += 1 if wishes[0, row] != wishes[0, row - 1] else 0
    return 2 * changes
