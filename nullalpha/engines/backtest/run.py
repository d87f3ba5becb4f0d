"""One backtest: checks what it is given, runs the compiled kernel, names what came out.

The rules of fills, costs, exits and ruin stand in `kernel`. Deterministic; no I/O.
"""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import Costs, FillBasis
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.kernel import Terms, simulate_nb
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.trades import trade_array


def run_backtest(
    bars: Bars,
    target: FloatArray,
    *,
    costs: Costs,
    fill_basis: FillBasis,
    exits: ExitDistances | None = None,
    capital: float = 1.0,
    start_row: int = 0,
    stop_row: int | None = None,
) -> BacktestResult:
    """Trade target positions over rows [start_row, stop_row) of one instrument's bars.

    A target known at the close of bar t fills at the open of t+1 (`open`) or at its close (`close`), never earlier. Any open
    position is flattened at the close of the last row, costs charged.

    Args:
        bars: (n_bars,) prices; `close` basis reads closes alone.
        target: (n_bars,) signed fraction of equity wanted after each bar's close; finite.
        costs: of one side of a trade.
        fill_basis: the instrument's.
        exits: protective exits; None for none.
        capital: cash at the start, > 0; returns do not depend on it.
        start_row: row whose close may give the first order.
        stop_row: end of the rows, exclusive; None for all.
    Raises:
        InsufficientBarsError: if the rows hold no bar.
        UsageError: if rows, capital or exits are out of range.
        DataError: if lengths differ, a target is not finite, or a price is not a positive number.
    """
    stop = len(bars) if stop_row is None else stop_row
    exits = ExitDistances(np.zeros(len(bars)), np.zeros(len(bars)), 0) if exits is None else exits
    _check_ranges(len(bars), start_row, stop, capital, exits.max_bars)
    _check_arrays(bars, target, exits, fill_basis, slice(start_row, stop))
    terms = Terms(fill_basis == "open", _friction(costs), float(costs.commission), int(exits.max_bars))
    account, cost, fills = simulate_nb(
        _compiled_form(bars.open),
        _compiled_form(bars.high),
        _compiled_form(bars.low),
        _compiled_form(bars.close),
        _compiled_form(target),
        _compiled_form(exits.stop),
        _compiled_form(exits.target),
        terms,
        float(capital),
        int(start_row),
        int(stop),
    )
    equity, cash, position = account
    commission, slippage, notional = cost
    rows = slice(start_row, stop)
    close = bars.close[rows]
    held = position != 0.0
    return BacktestResult(
        instrument=bars.instrument,
        timeframe=bars.timeframe,
        fill_basis=fill_basis,
        capital=float(capital),
        start_row=start_row,
        stop_row=stop,
        previous_close=float(bars.close[start_row - 1]) if start_row > 0 else float("nan"),
        time=bars.time[rows],
        close=close,
        equity=equity,
        cash=cash,
        position=position,
        exposure=np.where(held, position * close / np.where(held, equity, 1.0), 0.0),
        commission=commission,
        slippage=slippage,
        turnover_notional=notional,
        fill_array=fills,
        trade_array=trade_array(fills),
        ruined=bool(equity.min() <= 0.0),
    )


def buy_and_hold(
    bars: Bars, *, costs: Costs, fill_basis: FillBasis, capital: float = 1.0, start_row: int = 0, stop_row: int | None = None
) -> BacktestResult:
    """Hold the instrument over the same rows by the same rules: one entry at the first fill there is, one exit at the last close."""
    return run_backtest(
        bars, np.ones(len(bars)), costs=costs, fill_basis=fill_basis, capital=capital, start_row=start_row, stop_row=stop_row
    )


def _friction(costs: Costs) -> float:
    return (costs.half_spread_bps + costs.slippage_bps) / 10_000.0


def _compiled_form(array: FloatArray) -> FloatArray:
    """Return the array as the kernel was compiled for (contiguous, writeable), copying only if it is not."""
    return np.require(array, np.float64, ["C", "W"])


def _check_ranges(n_bars: int, start: int, stop: int, capital: float, max_bars: int) -> None:
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
    if max_bars < 0:
        raise UsageError("max_bars must be >= 0", path="run_backtest.exits.max_bars", value=max_bars, suggestion="0 means no limit")


def _check_arrays(bars: Bars, target: FloatArray, exits: ExitDistances, fill_basis: FillBasis, rows: slice) -> None:
    for name, array in (("target", target), ("exits.stop", exits.stop), ("exits.target", exits.target)):
        if array.shape != (len(bars),):
            raise DataError(f"{name} has shape {array.shape}, the bars ({len(bars)},)", path=f"run_backtest.{name}")
    if not np.isfinite(target[rows]).all():
        row = rows.start + int(np.argmin(np.isfinite(target[rows])))
        raise DataError(
            f"target of row {row} is not finite", path="run_backtest.target", value=target[row], suggestion="0 means no position"
        )
    for name, array in (("exits.stop", exits.stop), ("exits.target", exits.target)):
        if np.fmin.reduce(array[rows]) < 0.0:
            raise DataError(f"{name} holds a negative distance", path=f"run_backtest.{name}", suggestion="0 or NaN means none")
    columns = (
        {"close": bars.close} if fill_basis == "close" else {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    )
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
