"""vectorbt as a second engine: the same request and result as the lab's kernel, simulated by vectorbt's own code.

A backtest without protective exits runs in vectorbt's compiled loop over orders (`Portfolio.from_orders`); one with exits, or one that is
ruined, in its flexible simulation with the order function of `vectorbt_orders`, which takes some seconds to compile in each process. Cash,
sizes, fees, positions and equity are vectorbt's. It is given capital for a million units of the instrument, because it takes what is below
1e-12 for nothing, and money is scaled back.

vectorbt is Apache-2.0 with the Commons Clause, so an extra of this package (ADR 18).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vectorbt as vbt
import vectorbt_rust  # noqa: F401  vectorbt asks for it when it simulates; this says so at import
from numpy.typing import NDArray
from vectorbt.portfolio.enums import RejectedOrderError

from nullalpha.core.errors import OperationError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.engines.registry import NATIVE
from nullalpha.engines.backtest.engines.vectorbt_orders import LOAN, SHARE, Market, Rules, new_memory, next_order_nb, value_at_fill_nb
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.kernel import (
    COMMISSION,
    EDGE,
    FRICTION,
    HELD,
    N_COLUMNS,
    PRICE,
    REASON,
    ROW,
    SIGNAL,
    SLIPPAGE,
    UNITS,
)
from nullalpha.engines.backtest.request import request_of, result_of
from nullalpha.engines.backtest.result import BacktestResult

UNITS_OF_CAPITAL = 1e6
_SAME = 1e-9


def run_backtest(
    bars: Bars,
    target: FloatArray,
    execution: Execution,
    *,
    entry: EntryOrders | None = None,
    exits: ExitDistances | None = None,
    capital: float = 1.0,
    start_row: int = 0,
    stop_row: int | None = None,
) -> BacktestResult:
    """Trade target positions with vectorbt; arguments, result and errors as of `run.run_backtest`.

    The caller has made sure that vectorbt can do what the request needs (`registry.run_on` does).

    Raises:
        OperationError: if vectorbt refuses an order.
    """
    request = request_of(bars, target, execution, entry=entry, exits=exits, capital=capital, start_row=start_row, stop_row=stop_row)
    wishes, terms = request.wishes, request.terms
    distances = np.where(wishes[1:4] > 0.0, wishes[1:4], np.nan)
    market = Market._make((*request.prices, wishes[0], *distances, execution.rates[request.rows, FRICTION].copy()))
    # Twice what the largest target needs: a position that has grown since its last order can still be paid for.
    loan = 2.0 + 2.0 * float(np.abs(market.target).max())
    rules = Rules(terms.at_open, terms.commission, terms.max_bars, loan)
    account, fills = _simulated(market, rules, plain=terms.max_bars == 0 and not np.isfinite(distances).any())
    scale = capital / (UNITS_OF_CAPITAL * market.close[0])
    fills[:, [UNITS, COMMISSION, SLIPPAGE, HELD]] *= scale
    return result_of(request, account * scale, np.empty((3, 0)), fills)


def _simulated(market: Market, rules: Rules, plain: bool) -> tuple[FloatArray, FloatArray]:
    """Return the account (3, n_rows): equity, cash, units; and the fills, rows counted from 0.

    Raises:
        OperationError: if vectorbt refuses an order.
    """
    simple = _from_orders(market, rules) if plain else None
    if simple is not None and simple[0][0].min() > 0.0:
        return simple
    try:
        return _from_order_function(market, rules)
    except RejectedOrderError as error:
        raise OperationError(
            f"vectorbt refused an order: {error}", path="--engine", value="vectorbt", suggestion=f"use --engine {NATIVE}"
        ) from error


def _from_orders(market: Market, rules: Rules) -> tuple[FloatArray, FloatArray] | None:
    """Simulate orders that the targets alone determine; None if one is refused, as those of a ruined account are.

    A row after the last flattens the position at the last close. On the close basis an order that waits for that close is netted with it.
    """
    n = len(market.close)
    changed = np.flatnonzero(np.diff(market.target, prepend=0.0))
    filled = changed[changed < n - 1] + 1
    netted = not rules.at_open and filled.size > 0 and filled[-1] == n - 1
    if netted:
        filled = filled[:-1]
    at = market.open if rules.at_open else market.close
    size = np.full((n + 1, 2), np.nan)
    size[filled, LOAN], size[filled, SHARE] = -rules.loan, market.target[filled - 1]
    size[n, SHARE] = 0.0
    price = np.column_stack((np.ones(n + 1), np.append(at, market.close[-1])))
    close = np.column_stack((np.ones(n + 1), np.append(market.close, market.close[-1])))
    friction = np.append(market.friction, market.friction[-1])
    share = np.array([False, True])
    try:
        portfolio = vbt.Portfolio.from_orders(
            close,
            size=size,
            size_type="targetpercent",
            price=price,
            fees=np.where(share, rules.commission, 0.0),
            slippage=np.where(share, friction[:, None], 0.0),
            allow_partial=~share,
            raise_reject=share,
            init_cash=UNITS_OF_CAPITAL * market.close[0],
            cash_sharing=True,
            group_by=True,
            max_orders=2 * len(filled) + 1,
            engine="rust",
        )
    except RejectedOrderError:
        return None
    account = np.delete(_account(portfolio), n - 1, axis=1)
    fills = _fills(portfolio, friction)
    fills[:, ROW] = np.minimum(fills[:, ROW], n - 1)
    if len(fills) and fills[-1, ROW] == n - 1 and fills[-1, HELD] == 0.0:
        turned = netted and market.target[n - 2] * -fills[-1, UNITS] <= 0.0
        fills[-1, REASON] = SIGNAL if turned else EDGE
    return account, fills


def _from_order_function(market: Market, rules: Rules) -> tuple[FloatArray, FloatArray]:
    """Simulate with the order function, which knows protective exits and ruin."""
    n = len(market.close)
    most = 4 * (np.count_nonzero(np.diff(market.target, prepend=0.0)) + 1)
    reasons = np.full(most + 1, SIGNAL, dtype=np.int64)
    portfolio = vbt.Portfolio.from_order_func(
        np.column_stack((np.ones(n), market.close)),
        next_order_nb,
        market,
        rules,
        new_memory(),
        reasons,
        flexible=True,
        pre_segment_func_nb=value_at_fill_nb,
        pre_segment_args=(market, rules),
        init_cash=UNITS_OF_CAPITAL * market.close[0],
        cash_sharing=True,
        group_by=True,
        update_value=False,
        fill_pos_record=False,
        max_orders=most,
    )
    return _account(portfolio), _fills(portfolio, market.friction, reasons)


def _account(portfolio: Any) -> FloatArray:
    """Return (3, n_rows): equity, cash less what was borrowed, and units at each close."""
    assets = portfolio.assets().to_numpy()
    return np.vstack((portfolio.value().to_numpy(), portfolio.cash().to_numpy() + assets[:, LOAN], assets[:, SHARE]))


def _fills(portfolio: Any, friction: FloatArray, reasons: NDArray[np.int64] | None = None) -> FloatArray:
    """Return (n_fills, N_COLUMNS) of the instrument's orders; one that turns the position round becomes two fills."""
    records = portfolio.order_records[portfolio.order_records["col"] == SHARE]
    fills = np.zeros((2 * len(records), N_COLUMNS))
    n, held = 0, 0.0
    for record in records:
        row, price = int(record["idx"]), float(record["price"])
        side = 1.0 if record["side"] == 0 else -1.0
        change = side * float(record["size"])
        after = 0.0 if abs(held + change) <= _SAME * abs(change) else held + change
        slip = friction[row] / (1.0 + side * friction[row])
        for units, left in ((-held, 0.0), (after, after)) if held * after < 0.0 else ((change, after),):
            fills[n, [ROW, UNITS, PRICE, HELD]] = row, units, price, left
            fills[n, COMMISSION] = float(record["fees"]) * abs(units / change)
            fills[n, SLIPPAGE] = abs(units) * price * slip
            fills[n, REASON] = SIGNAL if reasons is None else reasons[record["id"]]
            n += 1
        held = after
    return fills[:n].copy()
