"""What a backtest is asked: checked, and in the form that kernels read; and how what they return becomes a result.

Every engine and every loop over the step takes its request through here, so that they refuse the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import FillBasis
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.kernel import (
    AT_LIMIT,
    AT_STOP,
    AT_STOP_LIMIT,
    COMMISSION,
    MARKET,
    N_RATES,
    PRICE,
    ROW,
    SLIPPAGE,
    SPLIT,
    UNITS,
    Terms,
    compiled_form,
)
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.trades import trade_array

ENTRY_KINDS = {"market": MARKET, "limit": AT_LIMIT, "stop": AT_STOP, "stop_limit": AT_STOP_LIMIT}
Prices = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True)
class Request:
    """One account over rows of one instrument's bars.

    Attributes:
        prices: open, high, low and close (n_rows,) as the kernel trades them.
        wishes: (6, n_rows) as the kernel reads them.
        terms: what holds for the whole run.
    """

    bars: Bars
    execution: Execution
    rows: slice
    capital: float
    prices: Prices
    wishes: FloatArray
    terms: Terms


def request_of(
    bars: Bars,
    target: FloatArray,
    execution: Execution,
    *,
    entry: EntryOrders | None,
    exits: ExitDistances | None,
    capital: float,
    start_row: int,
    stop_row: int | None,
) -> Request:
    """Return a request; arguments and errors as of `run.run_backtest`."""
    rows = slice(start_row, len(bars) if stop_row is None else stop_row)
    wishes, terms = wishes_of(len(bars), target, entry, exits, rows), terms_of(execution, entry, exits)
    check_market(bars, execution, rows, capital, terms)
    check_target(target, rows)
    open_, high, low, close = (compiled_form(column[rows]) for column in prices_of(bars, execution.fill_basis))
    return Request(bars, execution, rows, float(capital), (open_, high, low, close), wishes, terms)


def result_of(request: Request, account: FloatArray, flows: FloatArray, fills: FloatArray) -> BacktestResult:
    """Return what a kernel gave as a result.

    Args:
        request: what it was asked.
        account: (3, n_rows) equity, cash and units.
        flows: (3, n_rows) carry, interest and income; (3, 0) for none.
        fills: (n_fills, kernel.N_COLUMNS), rows counted from 0; they are counted from the bars' first row afterwards.
    """
    bars, rows, (_, _, _, close) = request.bars, request.rows, request.prices
    start, n_rows = rows.start, len(close)
    fills[:, ROW] += start
    equity, cash, position = account
    carry, interest, income = flows if flows.size else np.zeros((3, n_rows))
    commission, slippage, notional = _by_bar(fills, start, n_rows)
    held = position != 0.0
    split = request.execution.rates[rows, SPLIT] if request.terms.accrues else None
    return BacktestResult(
        instrument=bars.instrument,
        timeframe=bars.timeframe,
        fill_basis=request.execution.fill_basis,
        capital=request.capital,
        start_row=start,
        stop_row=rows.stop,
        previous_close=float(bars.close[start - 1]) if start > 0 else float("nan"),
        time=bars.time[rows],
        close=bars.close[rows],
        equity=equity,
        cash=cash,
        position=position,
        exposure=np.where(held, position * close / np.where(held, equity, 1.0), 0.0),
        commission=commission,
        slippage=slippage,
        carry=carry,
        interest=interest,
        income=income,
        turnover_notional=notional,
        fill_array=fills,
        trade_array=trade_array(fills, request.prices, split, start),
        factor=None if bars.factor is None else bars.factor[rows],
        ruined=bool(equity.min() <= 0.0),
    )


def prices_of(bars: Bars, fill_basis: FillBasis) -> Prices:
    """Return open, high, low and close (n_bars,) as the kernel trades them: on basis `close` the closes four times."""
    close = compiled_form(bars.close)
    if fill_basis == "close":
        return close, close, close, close
    return compiled_form(bars.open), compiled_form(bars.high), compiled_form(bars.low), close


def terms_of(execution: Execution, entry: EntryOrders | None = None, exits: ExitDistances | None = None) -> Terms:
    """Return what holds for a whole run."""
    return Terms(
        execution.fill_basis == "open",
        execution.plain,
        execution.accrues,
        float(execution.commission),
        float(execution.least_commission),
        0 if exits is None else int(exits.max_bars),
        MARKET if entry is None else ENTRY_KINDS[entry.kind],
        0 if entry is None else int(entry.valid_bars),
    )


def wishes_of(n_bars: int, target: FloatArray, entry: EntryOrders | None, exits: ExitDistances | None, rows: slice) -> FloatArray:
    """Return (6, n_rows) as the kernel reads them."""
    _check_shape("target", target, n_bars)
    distances = {
        "exits.stop": None if exits is None else exits.stop,
        "exits.target": None if exits is None else exits.target,
        "exits.trailing": None if exits is None else exits.trailing,
        "entry.distance": None if entry is None else entry.distance,
        "entry.limit_distance": None if entry is None else entry.limit_distance,
    }
    wishes = np.zeros((1 + len(distances), len(range(*rows.indices(n_bars)))))
    wishes[0] = target[rows]
    for row, (name, array) in enumerate(distances.items(), start=1):
        if array is not None:
            _check_shape(name, array, n_bars)
            if np.fmin.reduce(array[rows], initial=0.0) < 0.0:
                raise DataError(f"{name} holds a negative distance", path=f"run_backtest.{name}", suggestion="0 or NaN means none")
            wishes[row] = array[rows]
    return wishes


def check_market(bars: Bars, execution: Execution, rows: slice, capital: float, terms: Terms) -> None:
    """Refuse rows, capital or terms out of range, prices that are none, and rates of other bars or that are no numbers."""
    _check_ranges(len(bars), rows.start, rows.stop, capital, terms)
    _check_prices(bars, execution.fill_basis, rows)
    _check_rates(len(bars), execution)


def _by_bar(fills: FloatArray, start: int, n_rows: int) -> FloatArray:
    """Return (3, n_rows) commission, spread and slippage, and notional at the prices paid, summed over the fills of each bar."""
    row = fills[:, ROW].astype(np.int64) - start
    columns = (fills[:, COMMISSION], fills[:, SLIPPAGE], np.abs(fills[:, UNITS]) * fills[:, PRICE])
    return np.array([np.bincount(row, money, n_rows) for money in columns])


def _check_ranges(n_bars: int, start: int, stop: int, capital: float, terms: Terms) -> None:
    if not 0 <= start <= stop <= n_bars:
        raise UsageError(
            f"rows [{start}, {stop}) are not rows of {n_bars} bars",
            path="run_backtest",
            value=(start, stop),
            suggestion=f"use 0 <= start_row < stop_row <= {n_bars}",
        )
    if start == stop:
        raise InsufficientBarsError("a backtest needs at least one bar", path="run_backtest", value=(start, stop))
    if not 0.0 < capital < np.inf:
        raise UsageError("capital must be a positive number", path="run_backtest.capital", value=capital)
    for name, bars in (("exits.max_bars", terms.max_bars), ("entry.valid_bars", terms.valid_bars)):
        if bars < 0:
            raise UsageError(f"{name} must be >= 0", path=f"run_backtest.{name}", value=bars, suggestion="0 means no limit")


def _check_shape(name: str, array: FloatArray, n_bars: int) -> None:
    if array.shape != (n_bars,):
        raise DataError(f"{name} has shape {array.shape}, the bars ({n_bars},)", path=f"run_backtest.{name}")


def check_target(target: FloatArray, rows: slice) -> None:
    if not np.isfinite(target[rows]).all():
        row = rows.start + int(np.argmin(np.isfinite(target[rows])))
        raise DataError(
            f"target of row {row} is not finite", path="run_backtest.target", value=target[row], suggestion="0 means no position"
        )


def _check_rates(n_bars: int, execution: Execution) -> None:
    """Refuse rates of other bars, or a rate that is no number (only the cap may be infinite)."""
    if execution.rates.shape != (n_bars, N_RATES):
        raise DataError(f"execution is of {len(execution)} bars, the bars are {n_bars}", path="run_backtest.execution")
    if execution.broken_row is not None:
        raise DataError(
            f"a rate of row {execution.broken_row} is no number",
            path="run_backtest.execution",
            value=execution.rates[execution.broken_row].tolist(),
            suggestion="`execution_of(bars, instrument)` makes rates that are",
        )


def _check_prices(bars: Bars, fill_basis: FillBasis, rows: slice) -> None:
    """Refuse a price, or a factor of adjustment, that would be read and is not a positive number."""
    columns = (
        {"close": bars.close} if fill_basis == "close" else {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    )
    if bars.factor is not None:
        columns["factor"] = bars.factor
    for name, prices in columns.items():
        part = prices[rows]
        if not (part.min() > 0.0 and part.max() < np.inf):
            row = rows.start + int(np.argmin((part > 0.0) & (part < np.inf)))
            raise DataError(
                f"{name} of row {row} of {bars.instrument} is not a positive number",
                path=f"bars.{name}",
                value=prices[row],
                suggestion="`nullalpha data check` names every such bar",
            )
