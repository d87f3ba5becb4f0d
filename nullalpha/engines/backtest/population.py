"""Many strategies over the bars of one instrument at once: figures alone, no equity, no fills, nothing of the size strategies x bars.

Fills, costs, exits and ruin are those of `kernel`, decisions those of `decision.target_positions`, figures those of `figures`: a strategy's
figures equal, to the bit, `figures_of([run_backtest(...)])` of it alone. Deterministic; no I/O; threads change the time it takes alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.figures import N_FIGURES, BoolArray, Figures, as_figures
from nullalpha.engines.backtest.kernel import (
    AT_STOP_LIMIT,
    CARRY_LONG,
    CARRY_SHORT,
    DEBIT,
    INTEREST,
    MARKET,
    PAYOUT,
    SPLIT,
    compiled_form,
)
from nullalpha.engines.backtest.population_kernel import population_nb
from nullalpha.engines.backtest.request import check_market, prices_of, terms_of
from nullalpha.engines.backtest.strategy_table import STRATEGY_DTYPE, StrategyTable

_SHARES_A_THREAD = 8
_DISTANCES = (
    "stop_atr", "stop_fraction", "target_atr", "target_fraction", "trailing_atr", "trailing_fraction", "distance_atr", "distance_fraction",
    "limit_atr", "limit_fraction",
)  # fmt: skip
_COUNTS = ("separation", "max_bars", "valid_bars")


def run_population(
    bars: Bars,
    table: StrategyTable,
    signals: FloatArray,
    execution: Execution,
    *,
    volatilities: FloatArray | None = None,
    atr: FloatArray | None = None,
    capital: float = 1.0,
    start_row: int = 0,
    stop_row: int | None = None,
    n_threads: int = 1,
) -> Figures:
    """Trade every strategy of a table over rows [start_row, stop_row) of one instrument's bars, each with an account of its own.

    A signal known at the close of bar t fills no earlier than bar t+1, as in `run_backtest`; the first row remembers no decision.

    Args:
        bars: (n_bars,) prices.
        table: (n_strategies,) of `strategy_table.STRATEGY_DTYPE`.
        signals: (n_signals, n_bars) in -1..1, NaN where unknown; of a direct strategy, its target positions, finite.
        execution: how orders fill on these bars, and what they cost.
        volatilities: (n_volatilities, n_bars) trailing standard deviations of returns per bar, NaN where unknown; None if every size is
            fixed.
        atr: (n_bars,) average true range in price units, NaN where unknown; None if no distance is a multiple of it.
        capital: cash of each account at the start, > 0.
        start_row: row whose close may give the first order.
        stop_row: end of the rows, exclusive; None for all.
        n_threads: that share the strategies out among them.
    Returns:
        the figures of each strategy, in the table's order.
    Raises:
        InsufficientBarsError: if the rows hold no bar.
        UsageError: if rows, capital, threads or a strategy of the table are out of range, or the table has another type.
        DataError: if lengths differ, a target is not finite, an ATR is negative, a strategy needs a volatility or an ATR that is not
            given, a rate is no number, or a price is not a positive number.
    """
    stop = len(bars) if stop_row is None else stop_row
    rows = slice(start_row, stop)
    terms = terms_of(execution)
    check_market(bars, execution, rows, capital, terms)
    volatility = np.full((1, len(bars)), np.nan) if volatilities is None else volatilities
    ranges = np.full(len(bars), np.nan) if atr is None else atr
    _check_table(table, len(signals), len(volatility))
    _check_series(len(bars), table, signals, volatility, ranges, rows)
    _check_needs(table, volatilities is None, atr is None)
    if n_threads < 1:
        raise UsageError(f"n_threads is {n_threads}", path="run_population.n_threads", value=n_threads, suggestion="1 or more")
    rates = compiled_form(execution.rates[rows])
    shared: tuple[Any, ...] = (
        *(compiled_form(prices[rows]) for prices in prices_of(bars, execution.fill_basis)),
        compiled_form(signals[:, rows]),
        compiled_form(volatility[:, rows]),
        compiled_form(ranges[rows]),
        rates,
        compiled_form(rates[:, [INTEREST, DEBIT, PAYOUT, CARRY_LONG, CARRY_SHORT, SPLIT]].T),
        bool(rates[:, [INTEREST, DEBIT]].any()),
    )
    ordered = np.require(table, STRATEGY_DTYPE, ["C", "W"])
    figures = np.empty((len(table), N_FIGURES))

    def trade(share: slice) -> None:
        arguments: tuple[Any, ...] = (*shared, ordered[share], terms, float(capital), figures[share])
        population_nb(*arguments)

    shares = _shares(len(table), n_threads)
    if n_threads == 1:
        for share in shares:
            trade(share)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(trade, shares))
    return as_figures(figures)


def _shares(n_strategies: int, n_threads: int) -> list[slice]:
    """Cut the strategies into parts, more than there are threads, so that one slow part keeps no thread waiting for long."""
    n_parts = 1 if n_threads == 1 else n_threads * _SHARES_A_THREAD
    edges = np.linspace(0, n_strategies, min(n_parts, max(n_strategies, 1)) + 1).astype(np.int64)
    return [slice(int(start), int(stop)) for start, stop in pairwise(edges)]


def _check_table(table: StrategyTable, n_signals: int, n_volatilities: int) -> None:
    """Refuse a table of another type, or a strategy that no rule is for."""
    if table.dtype != STRATEGY_DTYPE or table.ndim != 1:
        raise UsageError(
            f"the table has type {table.dtype} and shape {table.shape}",
            path="run_population.table",
            suggestion="make it with `strategy_table` or `target_table`",
        )
    for name, count in (("signal", n_signals), ("volatility", n_volatilities)):
        _refuse(table, name, (table[name] < 0) | (table[name] >= count), f"there are {count}, counted from 0")
    for name in _DISTANCES:
        _refuse(table, name, ~((table[name] >= 0.0) & (table[name] < np.inf)), "a number >= 0; 0 means none")
    for name in _COUNTS:
        _refuse(table, name, table[name] < 0, "0 or more")
    _refuse(table, "entry", (table["entry"] < MARKET) | (table["entry"] > AT_STOP_LIMIT), "use strategy_table.ENTRY_KINDS")
    for name in ("long_above", "long_exit", "short_below", "short_exit"):
        _refuse(table, name, np.isnan(table[name]), "a number; infinite for a side that is not traded")
    for name in ("risk", "scale", "most"):
        _refuse(table, name, ~((table[name] >= 0.0) & (table[name] < np.inf)), "a number >= 0")


def _refuse(table: StrategyTable, name: str, wrong: BoolArray, suggestion: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UsageError(
            f"{name} of strategy {row} is {table[name][row]}",
            path=f"run_population.table.{name}",
            value=table[name][row],
            suggestion=suggestion,
        )


def _check_series(n_bars: int, table: StrategyTable, signals: FloatArray, volatilities: FloatArray, atr: FloatArray, rows: slice) -> None:
    for name, array, shape in (
        ("signals", signals, (len(signals), n_bars)),
        ("volatilities", volatilities, (len(volatilities), n_bars)),
        ("atr", atr, (n_bars,)),
    ):
        if array.shape != shape:
            raise DataError(f"{name} has shape {array.shape}, not {shape}", path=f"run_population.{name}", suggestion="one value a bar")
    if np.fmin.reduce(atr[rows], initial=0.0) < 0.0:
        raise DataError("atr holds a negative range", path="run_population.atr", suggestion="NaN where it is not known")
    for index in np.unique(table["signal"][table["direct"]]):
        if not np.isfinite(signals[index, rows]).all():
            row = rows.start + int(np.argmin(np.isfinite(signals[index, rows])))
            raise DataError(
                f"target of row {row} of signal {index} is not finite",
                path="run_population.signals",
                value=signals[index, row],
                suggestion="0 means no position",
            )


def _check_needs(table: StrategyTable, no_volatility: bool, no_atr: bool) -> None:
    """Refuse strategies that read what was not given."""
    sized = ~table["constant"] & ~table["direct"]
    if no_volatility and sized.any():
        raise DataError(
            f"strategy {int(np.argmax(sized))} sizes by volatility, and none is given",
            path="run_population.volatilities",
            suggestion="`trailing_volatility(bars, n)`, one row for each n",
        )
    by_atr = np.logical_or.reduce([table[name] > 0.0 for name in _DISTANCES if name.endswith("_atr")])
    if no_atr and by_atr.any():
        raise DataError(
            f"strategy {int(np.argmax(by_atr))} has distances in multiples of ATR, and none is given",
            path="run_population.atr",
            suggestion="`atr(bars)`",
        )
