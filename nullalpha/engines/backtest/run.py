"""One backtest: checks what it is given, runs the compiled kernel, names what came out.

The rules of fills, costs, exits and ruin stand in `kernel`. Deterministic; no I/O.
"""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import Costs, FillBasis
from nullalpha.engines.backtest.carry import friction
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.kernel import Terms, compiled_form, simulate_nb
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.trades import trade_array


def run_backtest(
    bars: Bars,
    target: FloatArray,
    *,
    costs: Costs,
    fill_basis: FillBasis,
    exits: ExitDistances | None = None,
    carry: FloatArray | None = None,
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
        carry: (n_bars,) fraction >= 0 of the notional held at each close that holding it costs there, e.g. `carry.roll_carry`; None for
            none. A position that is flattened at the last close pays none there.
        capital: cash at the start, > 0; returns do not depend on it.
        start_row: row whose close may give the first order.
        stop_row: end of the rows, exclusive; None for all.
    Raises:
        InsufficientBarsError: if the rows hold no bar.
        UsageError: if rows, capital or exits are out of range.
        DataError: if lengths differ, a target is not finite, a distance or carry is negative, or a price or a factor of
            adjustment is not a positive number.
    """
    stop = len(bars) if stop_row is None else stop_row
    none = np.zeros(len(bars))
    exits = ExitDistances(none, none, 0) if exits is None else exits
    trailing = none if exits.trailing is None else exits.trailing
    rows = slice(start_row, stop)
    _check_ranges(len(bars), start_row, stop, capital, exits.max_bars)
    _check_target(len(bars), target, rows)
    for name, array in (("exits.stop", exits.stop), ("exits.target", exits.target), ("exits.trailing", trailing)):
        _check_shape(name, array, len(bars))
        if np.fmin.reduce(array[rows]) < 0.0:
            raise DataError(f"{name} holds a negative distance", path=f"run_backtest.{name}", suggestion="0 or NaN means none")
    _check_carry(len(bars), carry, rows)
    _check_prices(bars, fill_basis, rows)
    terms = Terms(fill_basis == "open", friction(costs), float(costs.commission), int(exits.max_bars))
    account, cost, fills = simulate_nb(
        compiled_form(bars.open),
        compiled_form(bars.high),
        compiled_form(bars.low),
        compiled_form(bars.close),
        compiled_form(target),
        compiled_form(exits.stop),
        compiled_form(exits.target),
        compiled_form(trailing),
        compiled_form(none if carry is None else carry),
        terms,
        float(capital),
        int(start_row),
        int(stop),
    )
    equity, cash, position = account
    commission, slippage, notional, carried = cost
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
        carry=carried,
        turnover_notional=notional,
        fill_array=fills,
        trade_array=trade_array(fills),
        factor=None if bars.factor is None else bars.factor[rows],
        ruined=bool(equity.min() <= 0.0),
    )


def buy_and_hold(
    bars: Bars,
    *,
    costs: Costs,
    fill_basis: FillBasis,
    carry: FloatArray | None = None,
    capital: float = 1.0,
    start_row: int = 0,
    stop_row: int | None = None,
) -> BacktestResult:
    """Hold the instrument over the same rows by the same rules: one entry at the first fill there is, one exit at the last close."""
    return run_backtest(
        bars,
        np.ones(len(bars)),
        costs=costs,
        fill_basis=fill_basis,
        carry=carry,
        capital=capital,
        start_row=start_row,
        stop_row=stop_row,
    )


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


def _check_shape(name: str, array: FloatArray, n_bars: int) -> None:
    if array.shape != (n_bars,):
        raise DataError(f"{name} has shape {array.shape}, the bars ({n_bars},)", path=f"run_backtest.{name}")


def _check_target(n_bars: int, target: FloatArray, rows: slice) -> None:
    _check_shape("target", target, n_bars)
    if not np.isfinite(target[rows]).all():
        row = rows.start + int(np.argmin(np.isfinite(target[rows])))
        raise DataError(
            f"target of row {row} is not finite", path="run_backtest.target", value=target[row], suggestion="0 means no position"
        )


def _check_carry(n_bars: int, carry: FloatArray | None, rows: slice) -> None:
    if carry is None:
        return
    _check_shape("carry", carry, n_bars)
    part = carry[rows]
    if not (part.min() >= 0.0 and part.max() < np.inf):
        row = rows.start + int(np.argmin((part >= 0.0) & (part < np.inf)))
        raise DataError(
            f"carry of row {row} is not a share of what is held",
            path="run_backtest.carry",
            value=carry[row],
            suggestion="a fraction >= 0 of the notional; 0 means none",
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
