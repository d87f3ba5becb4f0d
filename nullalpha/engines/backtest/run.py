"""One backtest: checks what it is given, runs the compiled kernel, names what came out.

The rules of fills, costs, exits and ruin stand in `kernel`. Deterministic; no I/O.
"""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.kernel import simulate_nb
from nullalpha.engines.backtest.request import request_of, result_of
from nullalpha.engines.backtest.result import BacktestResult


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
    """Trade target positions over rows [start_row, stop_row) of one instrument's bars.

    A target known at the close of bar t fills at the open of t+1 (`open`) or at its close (`close`), never earlier. Any open
    position is flattened at the close of the last row, costs charged.

    Args:
        bars: (n_bars,) prices; `close` basis reads closes alone.
        target: (n_bars,) signed fraction of equity wanted after each bar's close; finite.
        execution: how orders fill on these bars, and what they cost.
        entry: how a position is entered; None for market orders.
        exits: protective exits; None for none.
        capital: cash at the start, > 0; returns do not depend on it where costs are fractions and units need not be whole.
        start_row: row whose close may give the first order.
        stop_row: end of the rows, exclusive; None for all.
    Raises:
        InsufficientBarsError: if the rows hold no bar.
        UsageError: if rows, capital, entry or exits are out of range.
        DataError: if lengths differ, a target is not finite, a distance is negative, a rate is no number, or a price or a factor of
            adjustment is not a positive number.
    """
    request = request_of(bars, target, execution, entry=entry, exits=exits, capital=capital, start_row=start_row, stop_row=stop_row)
    rates = execution.compact(request.rows)
    return result_of(request, *simulate_nb(*request.prices, request.wishes, rates, request.terms, request.capital))


def buy_and_hold(
    bars: Bars, execution: Execution, *, capital: float = 1.0, start_row: int = 0, stop_row: int | None = None
) -> BacktestResult:
    """Hold the instrument over the same rows by the same rules: one entry at the first fill there is, one exit at the last close."""
    return run_backtest(bars, np.ones(len(bars)), execution, capital=capital, start_row=start_row, stop_row=stop_row)
