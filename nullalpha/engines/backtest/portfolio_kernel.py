"""Several instruments with one account, compiled: each bar of each instrument by `kernel.step_nb`, on the cash that they share.

The rules of the shared account stand in `portfolio.run_portfolio`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.backtest.figures import BoolArray
from nullalpha.engines.backtest.kernel import (
    CARRY_LONG,
    CARRY_SHORT,
    EDGE,
    N_COLUMNS,
    PAYOUT,
    RUIN,
    SPLIT,
    TICK,
    Flows,
    Leg,
    accrued_nb,
    eventless_nb,
    followed_nb,
    idle_flows_nb,
    rates_nb,
    record_nb,
    reduced_nb,
    start_nb,
    step_nb,
)
from nullalpha.engines.backtest.records import (
    HOLDING_DTYPE,
    ORDER_DTYPE,
    Records,
    holding_nb,
    order_nb,
    terms_nb,
    write_holding_nb,
    write_order_nb,
)

# Rows of what each instrument's bars left behind, (4, n_instruments, n_times): units at the close, profit, carry, income.
POSITION, PNL, CHARGED, RECEIVED = range(4)


@njit(nogil=True)
def _idle_step_nb(holding: Any, order: Any) -> Any:
    """Return a step in which nothing happened, shaped as `step_nb` returns it."""
    none = Leg(0.0, 0.0, 0.0, 0.0, 0, 0.0)
    return holding, order, none, none, none, Flows(0.0, 0.0, 0.0)


@njit(nogil=True)
def _worth_nb(units: float, row: int, at_open: bool, phase: int, last_close: float, prices: FloatArray, rates: FloatArray) -> Any:
    """Return what a position is worth, with what it receives in this bar, when the orders of a phase fill."""
    if units == 0.0:
        return 0.0
    if row < 0 or (phase == 0 and not at_open):
        return units * last_close
    if phase == 1 and at_open:
        return units * prices[3, row]
    return units * rates[row, SPLIT] * (prices[0 if at_open else 3, row] + rates[row, PAYOUT])


@njit(nogil=True)
def _bar_nb(
    nexts: Records, steps: Any, busy: BoolArray, flows: FloatArray, holdings: Records, orders: Records, cash: float, bound: float,
    rows: IntArray, ends: IntArray, same: BoolArray, last_close: FloatArray, prices: FloatArray, wishes: FloatArray, rates: FloatArray,
    members: Records,
) -> float:  # fmt: skip
    """Carry the account through one time: first what fills at opens, then what fills at closes.

    Args:
        nexts: where each instrument's holding after the bar is written; `flows` (2, n_instruments): its carry and income;
            `steps`: its step, where it is `busy`.
        bound: what else each counts the account as worth at its close: infinite, or minus infinite to close everything for ruin.
        rows: (n_instruments,) of each one's bar in the arrays of all bars, -1 for none; `ends` its last row.
        same: whether its own target is that of its bar before.
    Returns:
        cash after all fills.
    """
    n = len(rows)
    worth = np.empty(n)
    for phase in range(2):
        total, n_trading = 0.0, 0
        for i in range(n):
            at_open = members[i].at_open
            n_trading += 1 if at_open == (phase == 0) else 0
            units = nexts[i].units if phase == 1 and at_open else holdings[i].units
            worth[i] = _worth_nb(units, rows[i], at_open, phase, last_close[i], prices, rates)
            total += worth[i]
        before, untouched = cash, True
        for i in range(n if n_trading > 0 else 0):
            row = rows[i]
            if members[i].at_open != (phase == 0):
                continue
            busy[i], flows[0, i], flows[1, i] = False, 0.0, 0.0
            if row < 0:
                nexts[i] = holdings[i]
                continue
            terms, order = terms_nb(members[i]), order_nb(orders[i])
            holding = holding_nb(holdings[i], before)
            open_, high, low, close = prices[0, row], prices[1, row], prices[2, row], prices[3, row]
            target = order.ordered if same[i] and holding.units == 0.0 and not order.waiting else wishes[0, row]
            idle = Flows(0.0, 0.0, 0.0)
            if terms.accrues:
                idle = idle_flows_nb(holding, close, 0.0, 0.0, rates[row, PAYOUT], rates[row, CARRY_LONG], rates[row, CARRY_SHORT])
            moved = idle.interest + idle.income - idle.carry
            if eventless_nb(holding, order, open_, high, low, close, target, rates[row, SPLIT], moved, bound, row, row == ends[i], terms):
                if terms.accrues:
                    holding = accrued_nb(holding, idle)
                    flows[0, i], flows[1, i] = idle.carry, idle.income
                if holding.trailing_distance > 0.0:
                    holding = followed_nb(holding, high, low, close, rates[row, TICK], terms)
                write_holding_nb(holding, nexts[i])
                after = holding.cash
            else:
                step = step_nb(
                    holding, order, open_, high, low, close, target, wishes[1, row], wishes[2, row], wishes[3, row], wishes[4, row],
                    wishes[5, row], rates, total - worth[i], bound, row, row == ends[i], terms,
                )  # fmt: skip
                busy[i], flows[0, i], flows[1, i] = True, step[5].carry, step[5].income
                steps[i] = step
                write_holding_nb(step[0], nexts[i])
                after = step[0].cash
            if after != before:
                cash = after if untouched else cash + (after - before)
                untouched = False
    return cash


@njit(nogil=True)
def _equity_nb(
    nexts: Records, steps: Any, busy: BoolArray, cash: float, rows: IntArray, last_close: FloatArray, prices: FloatArray
) -> float:
    """Return the equity at the closes, before the costs of what was flattened there."""
    value, costs = 0.0, 0.0
    for i in range(len(rows)):
        units = nexts[i].units
        if units != 0.0:
            value += units * (last_close[i] if rows[i] < 0 else prices[3, rows[i]])
        if busy[i]:
            ended = steps[i][4]
            if ended.units != 0.0 and ended.reason == EDGE:
                costs += ended.commission + ended.slippage
    return cash + value + costs


@njit(nogil=True)
def _close_absent_nb(
    nexts: Records, steps: Any, busy: BoolArray, cash: float, rows: IntArray, latest: IntArray, last_close: FloatArray, rates: FloatArray,
    members: Records,
) -> float:  # fmt: skip
    """Close for ruin, at its last close, what has no bar; return the cash after it."""
    for i in range(len(rows)):
        holding = holding_nb(nexts[i], cash)
        if rows[i] < 0 and holding.units != 0.0:
            row = latest[i]
            left, leg = reduced_nb(holding, last_close[i], np.inf, RUIN, rates_nb(rates, row), row, terms_nb(members[i]))
            none = Leg(0.0, 0.0, 0.0, 0.0, 0, 0.0)
            steps[i] = (left, start_nb(0.0)[1], none, none, leg, Flows(0.0, 0.0, 0.0))
            write_holding_nb(left, nexts[i])
            busy[i], cash = True, left.cash
    return cash


@njit(nogil=True)
def _recorded_nb(log: FloatArray, n: int, i: int, row: int, step: Any, owed: FloatArray) -> Any:
    """Write an instrument's fills of a bar to the log; return the log, the number of fills in it, and what they moved in cash.

    `owed` (2, n_instruments) is the carry and income since each one's last fill; those of this bar are added.
    """
    _, _, closed, opened, ended, flows = step
    if n + 3 > len(log):
        longer = np.empty((2 * len(log) + 3, log.shape[1]))
        longer[:n] = log[:n]
        log = longer
    paid = 0.0
    owed[1, i] += flows.income
    for count, leg in enumerate((closed, opened, ended)):
        if count == 2 and leg.reason == RUIN:
            owed[0, i] += flows.carry
        if leg.units != 0.0:
            log[n, 0] = i
            n = record_nb(leg, row, owed[0, i], owed[1, i], log[:, 1:], n)
            owed[0, i], owed[1, i] = 0.0, 0.0
            paid += leg.units * leg.price + leg.commission
    if ended.reason != RUIN:
        owed[0, i] += flows.carry
    return log, n, paid


@njit(cache=True, nogil=True)
def portfolio_nb(
    prices: FloatArray, wishes: FloatArray, own: FloatArray, rates: FloatArray, members: Records, ends: IntArray, row_of: IntArray,
    cash_rates: FloatArray, capital: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Trade instruments on shared cash over all times.

    The bars of all instruments lie behind one another: row r is one bar of one of them.

    Args:
        prices: (4, n_rows) open, high, low, close; on basis `close` the close four times.
        wishes: (6, n_rows), as of `kernel.simulate_nb`, targets after the cap; `own` (n_rows,) the targets before it.
        rates: (n_rows, kernel.N_RATES), without interest.
        members: (n_instruments,) of TERMS_DTYPE.
        ends: (n_instruments,) each one's last row.
        row_of: (n_times, n_instruments) row of the bar at each time, -1 for none.
        cash_rates: (2, n_times) interest and debit, fractions over the time before.
    Returns:
        account (3, n_times): equity, cash, interest; held (4, n_instruments, n_times): see POSITION; log (n_fills, 1 + N_COLUMNS): the
        instrument, then as in `kernel`, rows being those of all bars.
    """
    n_times, n = row_of.shape
    account = np.empty((3, n_times))
    held = np.zeros((4, n, n_times))
    log = np.empty((64, 1 + N_COLUMNS))
    first_holding, first_order = start_nb(capital)
    holdings, nexts, orders = np.empty(n, HOLDING_DTYPE), np.empty(n, HOLDING_DTYPE), np.empty(n, ORDER_DTYPE)
    for i in range(n):
        write_holding_nb(first_holding, holdings[i])
        write_order_nb(first_order, orders[i])
    steps = [_idle_step_nb(first_holding, first_order) for _ in range(n)]
    busy, same = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    flows, owed = np.zeros((2, n)), np.zeros((2, n))
    last_close, own_before, latest = np.full(n, np.nan), np.zeros(n), np.full(n, -1)
    cash, ruined, n_fills = capital, False, 0
    for time in range(n_times):
        rows = row_of[time]
        interest = cash * cash_rates[0 if cash > 0.0 else 1, time]
        cash += interest
        value = 0.0
        if not ruined:
            for i in range(n):
                if rows[i] >= 0:
                    same[i], own_before[i] = own[rows[i]] == own_before[i], own[rows[i]]
            before = cash
            cash = _bar_nb(
                nexts,
                steps,
                busy,
                flows,
                holdings,
                orders,
                before,
                np.inf,
                rows,
                ends,
                same,
                last_close,
                prices,
                wishes,
                rates,
                members,
            )
            ruined = _equity_nb(nexts, steps, busy, cash, rows, last_close, prices) <= 0.0
            if ruined:
                cash = _bar_nb(
                    nexts, steps, busy, flows, holdings, orders, before, -np.inf, rows, ends, same, last_close, prices, wishes, rates,
                    members,
                )  # fmt: skip
                cash = _close_absent_nb(nexts, steps, busy, cash, rows, latest, last_close, rates, members)
            for i in range(n):
                worth = 0.0 if holdings[i].units == 0.0 else holdings[i].units * last_close[i]
                if rows[i] >= 0:
                    latest[i], last_close[i] = rows[i], prices[3, rows[i]]
                paid = 0.0
                if busy[i]:
                    log, n_fills, paid = _recorded_nb(log, n_fills, i, latest[i], steps[i], owed)
                    write_order_nb(steps[i][1], orders[i])
                else:
                    owed[0, i] += flows[0, i]
                    owed[1, i] += flows[1, i]
                holdings[i] = nexts[i]
                units = nexts[i].units
                after = 0.0 if units == 0.0 else units * last_close[i]
                value += after
                held[POSITION, i, time] = units
                held[PNL, i, time] = after - worth - paid + flows[1, i] - flows[0, i]
                held[CHARGED, i, time], held[RECEIVED, i, time] = flows[0, i], flows[1, i]
        account[0, time], account[1, time], account[2, time] = cash + value, cash, interest
    return account, held, log[:n_fills].copy()
