"""The lab's protective exits, written as an order function of vectorbt's flexible simulation.

vectorbt keeps the account: it sizes, fills, charges and values. This function only says, order by order, what is to be traded at which
price. It is written from the rules in `kernel`'s description and shares no code with it, so that each can be held against the other.
Money in the instrument's currency; prices before costs.

Two columns share the cash: LOAN, whose price is always 1, and SHARE, the instrument. A short sale of LOAN is borrowed cash, so an account
can hold more than it owns, as the rules allow and vectorbt does not: its cash never falls below 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from vectorbt.portfolio.enums import SizeType
from vectorbt.portfolio.nb import order_nb, order_nothing_nb

from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.kernel import EDGE, RUIN, SIGNAL, STOP, TARGET, TIME, TRAILING

LOAN, SHARE = 0, 1

_BORROW, _FILL, _PROTECT, _END, _OVER = range(5)

MEMORY = np.dtype(
    [
        ("step", np.int64),
        ("ordered", np.float64),
        ("waiting", np.bool_),
        ("wanted", np.float64),
        ("reason", np.int64),
        ("stop_distance", np.float64),
        ("target_distance", np.float64),
        ("trailing_distance", np.float64),
        ("held", np.float64),
        ("entry_row", np.int64),
        ("stop_level", np.float64),
        ("target_level", np.float64),
        ("trail", np.float64),
        ("best", np.float64),
    ]
)
"""What the order function remembers: where in the bar it is; the last target ordered; the order that waits; units before the bar's first
fill; and of the open position its entry row, levels, trailing distance and best price (NaN for none)."""


class Market(NamedTuple):
    """(n_rows,) prices, wishes of each close (distances NaN for none), and half spread plus slippage of each bar."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    target: FloatArray
    stop: FloatArray
    profit: FloatArray
    trailing: FloatArray
    friction: FloatArray


class Rules(NamedTuple):
    """What holds for a whole run; `loan` is borrowed at each order, in multiples of equity."""

    at_open: bool
    commission: float
    max_bars: int
    loan: float


def new_memory() -> Any:
    """Return (1,) of MEMORY before the first bar."""
    memory = np.zeros(1, dtype=MEMORY)
    for name in ("stop_level", "target_level", "trail", "best"):
        memory[name] = np.nan
    return memory


@njit
def value_at_fill_nb(c: Any, market: Any, rules: Any) -> Any:
    """Value the account at the price at which the bar's waiting order fills."""
    c.last_val_price[LOAN] = 1.0
    c.last_val_price[SHARE] = market.open[c.i] if rules.at_open else market.close[c.i]
    return ()


@njit
def next_order_nb(c: Any, market: Any, rules: Any, memory: Any, reasons: Any) -> Any:
    """Return the column and the order that come next in a bar; column -1 when there is none left.

    Args:
        c: vectorbt's FlexOrderContext.
        memory: (1,) of MEMORY, changed in place.
        reasons: by the id of the order's record; written for each order of SHARE.
    """
    m, row = memory[0], c.i
    units = c.last_position[SHARE]
    if c.call_idx == 0:
        m.step, m.held = _BORROW, units
    if m.step == _BORROW:
        m.step = _FILL
        if m.waiting and c.last_value[0] > 0.0:
            return LOAN, order_nb(size=-rules.loan, size_type=SizeType.TargetPercent, price=1.0)
    last = row == c.target_shape[0] - 1
    if m.step == _FILL:
        m.step = _PROTECT
        if m.waiting:
            return SHARE, _waiting_order_nb(c, market, rules, m, reasons, last)
    if m.step == _PROTECT:
        m.step = _END
        _open_nb(m, units, market.open[row] if rules.at_open else market.close[row], row)
        if rules.at_open and units != 0.0:
            price, reason = _touched_nb(m, units, market.open[row], market.high[row], market.low[row])
            if reason != SIGNAL:
                return SHARE, _closing_order_nb(c, market, rules, price, reason, reasons)
    if m.step == _END:
        m.step = _OVER
        close = market.close[row]
        alive = c.last_cash[0] + c.last_position[LOAN] + units * close > 0.0
        if units != 0.0 and (last or not alive):
            return SHARE, _closing_order_nb(c, market, rules, close, EDGE if alive else RUIN, reasons)
        if alive:
            _decide_nb(m, units, market, rules, row)
    return -1, order_nothing_nb()


@njit
def _waiting_order_nb(c: Any, market: Any, rules: Any, m: Any, reasons: Any, last: bool) -> Any:
    """Return the order that waited for this bar."""
    m.waiting = False
    price = market.open[c.i] if rules.at_open else market.close[c.i]
    wanted, reason = m.wanted, m.reason
    if last and not rules.at_open:
        reason = EDGE if wanted * m.held > 0.0 else reason
        wanted = 0.0
    if c.last_value[0] <= 0.0:
        wanted, reason = 0.0, RUIN
    if wanted == 0.0:
        return _closing_order_nb(c, market, rules, price, reason, reasons)
    reasons[_next_record_nb(c)] = reason
    return order_nb(
        size=wanted, size_type=SizeType.TargetPercent, price=price, fees=rules.commission, slippage=market.friction[c.i],
        allow_partial=False, raise_reject=True,
    )  # fmt: skip


@njit
def _closing_order_nb(c: Any, market: Any, rules: Any, price: float, reason: int, reasons: Any) -> Any:
    reasons[_next_record_nb(c)] = reason
    return order_nb(
        size=0.0, size_type=SizeType.TargetAmount, price=price, fees=rules.commission, slippage=market.friction[c.i],
        allow_partial=False, raise_reject=True,
    )  # fmt: skip


@njit
def _next_record_nb(c: Any) -> Any:
    """Return the id that the next order gets if it fills."""
    return max(c.last_oidx[LOAN], c.last_oidx[SHARE]) + 1


@njit
def _open_nb(m: Any, units: float, price: float, row: int) -> None:
    """Set the levels of a position that the bar's order opened or turned round."""
    if units == 0.0 or units * m.held > 0.0:
        return
    side = 1.0 if units > 0.0 else -1.0
    m.entry_row = row
    m.stop_level = price - side * m.stop_distance
    m.target_level = price + side * m.target_distance
    m.trail = m.trailing_distance
    m.best = price


@njit
def _stop_nb(m: Any, units: float) -> Any:
    """Return the level of the stop that acts and its reason; NaN for none."""
    side = 1.0 if units > 0.0 else -1.0
    trailing = m.best - side * m.trail
    if np.isnan(trailing) or side * m.stop_level >= side * trailing:
        return m.stop_level, STOP
    return trailing, TRAILING


@njit
def _touched_nb(m: Any, units: float, open_: float, high: float, low: float) -> Any:
    """Return where a protective exit fills inside a bar, and its reason; SIGNAL for none."""
    stop, reason = _stop_nb(m, units)
    side = 1.0 if units > 0.0 else -1.0
    worst, best = (low, high) if units > 0.0 else (high, low)
    if side * open_ <= side * stop:
        return open_, reason
    if side * open_ >= side * m.target_level:
        return open_, TARGET
    if side * worst <= side * stop:
        return stop, reason
    if side * best >= side * m.target_level:
        return m.target_level, TARGET
    return np.nan, SIGNAL


@njit
def _decide_nb(m: Any, units: float, market: Any, rules: Any, row: int) -> None:
    """Follow the best price, and give the order of this close."""
    close = market.close[row]
    if units > 0.0:
        m.best = max(m.best, market.high[row] if rules.at_open else close)
    if units < 0.0:
        m.best = min(m.best, market.low[row] if rules.at_open else close)
    if market.target[row] != m.ordered:
        m.waiting, m.ordered, m.wanted, m.reason = True, market.target[row], market.target[row], SIGNAL
        m.stop_distance, m.target_distance, m.trailing_distance = market.stop[row], market.profit[row], market.trailing[row]
    elif units != 0.0:
        reason = TIME if 0 < rules.max_bars <= row + 1 - m.entry_row else SIGNAL
        if not rules.at_open:
            _, judged = _touched_nb(m, units, close, close, close)
            reason = judged if judged != SIGNAL else reason
        if reason != SIGNAL:
            m.waiting, m.wanted, m.reason = True, 0.0, reason
