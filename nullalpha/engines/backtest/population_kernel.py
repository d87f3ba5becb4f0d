"""Many strategies over the bars of one instrument, compiled: decide, trade, mark and gather in one pass, nothing kept but figures.

Every bar goes through `kernel.eventless_nb` and `kernel.step_nb`, as in the single account; every decision through `positions.decided_nb`,
every figure through `figures`. Ahead of them only bars are passed over of which bounds alone say that nothing happens (`_quiet_nb`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.figures import charged_nb, dealt_nb, marked_nb, unmarked_nb, write_nb
from nullalpha.engines.backtest.kernel import (
    TICK,
    Flows,
    Terms,
    accrued_nb,
    entry_order_nb,
    eventless_nb,
    followed_nb,
    idle_flows_nb,
    rates_nb,
    start_nb,
    step_nb,
)
from nullalpha.engines.backtest.positions import Rule, decided_nb, nearer_nb, undecided_nb
from nullalpha.engines.backtest.strategy_table import StrategyTable


class Plan(NamedTuple):
    """Distances of a strategy's orders, as multiples of ATR and fractions of price; 0 for none."""

    stop_atr: float
    stop_fraction: float
    target_atr: float
    target_fraction: float
    trailing_atr: float
    trailing_fraction: float
    distance_atr: float
    distance_fraction: float
    limit_atr: float
    limit_fraction: float


@njit(cache=True, inline="always")
def _rule_nb(strategy: Any) -> Any:
    return Rule(
        strategy.long_above, strategy.long_exit, strategy.short_below, strategy.short_exit, strategy.separation, strategy.constant,
        strategy.by_output, strategy.risk, strategy.scale, strategy.most,
    )  # fmt: skip


@njit(cache=True, inline="always")
def _plan_nb(strategy: Any) -> Any:
    return Plan(
        strategy.stop_atr, strategy.stop_fraction, strategy.target_atr, strategy.target_fraction, strategy.trailing_atr,
        strategy.trailing_fraction, strategy.distance_atr, strategy.distance_fraction, strategy.limit_atr, strategy.limit_fraction,
    )  # fmt: skip


@njit(cache=True, inline="always")
def _terms_nb(terms: Any, strategy: Any) -> Any:
    """Return the terms of the instrument with what the strategy adds."""
    return Terms(
        terms.at_open, terms.plain, terms.accrues, terms.commission, terms.least, strategy.max_bars, strategy.entry, strategy.valid_bars
    )


@njit(cache=True, inline="always")
def _distances_nb(plan: Any, close: float, atr: float) -> Any:
    """Return the distances that a bar's close gives its order: stop, target, trailing stop, entry, limit."""
    return (
        nearer_nb(plan.stop_atr, plan.stop_fraction, close, atr),
        nearer_nb(plan.target_atr, plan.target_fraction, close, atr),
        nearer_nb(plan.trailing_atr, plan.trailing_fraction, close, atr),
        nearer_nb(plan.distance_atr, plan.distance_fraction, close, atr),
        nearer_nb(plan.limit_atr, plan.limit_fraction, close, atr),
    )


@njit(cache=True, inline="always")
def _closings_nb(closed: Any, opened: Any, ended: Any) -> int:
    """Return how many of a bar's fills ended a trade."""
    n = 1 if closed.units != 0.0 and closed.held == 0.0 else 0
    n += 1 if opened.units != 0.0 and opened.held == 0.0 else 0
    return n + (1 if ended.units != 0.0 and ended.held == 0.0 else 0)


@njit(cache=True, nogil=True)
def _strategy_nb(
    open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, signal: FloatArray, volatility: FloatArray,
    atr: FloatArray, rates: FloatArray, flows: FloatArray, earns: bool, rule: Any, plan: Any, direct: bool, terms: Any, capital: float,
    out: FloatArray,
) -> None:  # fmt: skip
    """Trade one strategy and write its figures to (N_FIGURES,); arguments as of `population_nb`."""
    n_rows = len(close)
    last_row = n_rows - 1
    holding, order = start_nb(capital)
    curve, dealt = unmarked_nb(capital)
    held, begun = 0.0, -rule.separation
    idle = Flows(0.0, 0.0, 0.0)
    split, tick = 1.0, 0.0
    row = 0
    while row < n_rows:
        if held == order.ordered and not order.waiting:
            least, most = undecided_nb(held, rule)
            same = np.nan
            if direct:
                least, most, same = np.nan, np.nan, held
            if holding.units == 0.0 and not earns:
                while row < last_row and (least < signal[np.uint64(row)] < most or signal[np.uint64(row)] == same):
                    row += 1
            while row < last_row:
                at = np.uint64(row)  # what cannot be negative is not asked whether it is
                if not (least < signal[at] < most or signal[at] == same):
                    break
                if terms.accrues:
                    idle = idle_flows_nb(holding, close[at], flows[0, at], flows[1, at], flows[2, at], flows[3, at], flows[4, at])
                    split = flows[5, at]
                if not eventless_nb(
                    holding, order, open_[at], high[at], low[at], close[at], order.ordered, split,
                    idle.interest + idle.income - idle.carry, 0.0, row, False, terms,
                ):  # fmt: skip
                    break
                if terms.accrues:
                    holding = accrued_nb(holding, idle)
                    if idle.carry != 0.0:
                        dealt = charged_nb(dealt, curve.equity, idle.carry)
                if holding.trailing_distance > 0.0:
                    if not terms.plain:
                        tick = rates[at, TICK]
                    holding = followed_nb(holding, high[at], low[at], close[at], tick, terms)
                value = holding.units * close[at]
                curve = marked_nb(curve, holding.cash + value, value, row)
                row += 1
        if direct:
            held = signal[row]
        else:
            held, begun = decided_nb(held, begun, signal[row], volatility[row], row, rule)
        last = row == last_row
        stop, target, trailing, distance, limit = 0.0, 0.0, 0.0, 0.0, 0.0
        if held != order.ordered:
            stop, target, trailing, distance, limit = _distances_nb(plan, close[row], atr[row])
        if terms.accrues:
            idle = idle_flows_nb(holding, close[row], flows[0, row], flows[1, row], flows[2, row], flows[3, row], flows[4, row])
            split = flows[5, row]
        if not curve.ruined and eventless_nb(
            holding, order, open_[row], high[row], low[row], close[row], order.ordered, split,
            idle.interest + idle.income - idle.carry, 0.0, row, last, terms,
        ):  # fmt: skip
            if terms.accrues:
                holding = accrued_nb(holding, idle)
                if idle.carry != 0.0:
                    dealt = charged_nb(dealt, curve.equity, idle.carry)
            if holding.trailing_distance > 0.0:
                if not terms.plain:
                    tick = rates[row, TICK]
                holding = followed_nb(holding, high[row], low[row], close[row], tick, terms)
            if held != order.ordered:
                order = entry_order_nb(
                    holding.units, row, close[row], held, stop, target, trailing, distance, limit, rates_nb(rates, row), terms
                )
        else:
            holding, order, closed, opened, ended, moved = step_nb(
                holding, order, open_[row], high[row], low[row], close[row], held, stop, target, trailing, distance, limit, rates,
                0.0, 0.0, row, last, terms,
            )  # fmt: skip
            notional = abs(closed.units) * closed.price + abs(opened.units) * opened.price + abs(ended.units) * ended.price
            commission = closed.commission + opened.commission + ended.commission
            slippage = closed.slippage + opened.slippage + ended.slippage
            dealt = dealt_nb(dealt, curve.equity, notional, _closings_nb(closed, opened, ended))
            dealt = charged_nb(dealt, curve.equity, commission + slippage + moved.carry)
        value = holding.units * close[row]
        curve = marked_nb(curve, holding.cash + value, value, row)
        row += 1
    write_nb(curve, dealt, capital, n_rows, out)


@njit(cache=True, nogil=True)
def population_nb(
    open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, signals: FloatArray, volatilities: FloatArray,
    atr: FloatArray, rates: FloatArray, flows: FloatArray, earns: bool, table: StrategyTable, terms: Any, capital: float,
    out: FloatArray,
) -> None:  # fmt: skip
    """Trade each strategy of `table` and write its figures to its row of (n_strategies, N_FIGURES).

    Args:
        open_, high, low, close: (n_rows,) as of `kernel.simulate_nb`; rates and terms too.
        signals: (n_signals, n_rows).
        volatilities: (n_volatilities, n_rows).
        atr: (n_rows,).
        flows: (6, n_rows) of the rates: interest, debit, payout, carry of long and of short positions, split; read where terms accrue.
        earns: whether cash earns or pays interest in some bar.
    """
    for i in range(len(table)):
        strategy = table[i]
        _strategy_nb(
            open_, high, low, close, signals[strategy.signal], volatilities[strategy.volatility], atr, rates, flows, earns,
            _rule_nb(strategy), _plan_nb(strategy), strategy.direct, _terms_nb(terms, strategy), capital, out[i],
        )  # fmt: skip
