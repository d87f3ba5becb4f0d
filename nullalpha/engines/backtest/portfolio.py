"""Several instruments traded on one account: shared cash, one equity that sizes every position, a cap on gross exposure, netting.

Fills, costs and exits of each instrument are those of `kernel`. All money is in one currency. Deterministic; no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import Bars, FloatArray, IntArray, TimeArray
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import CashRates, Execution, years_between
from nullalpha.engines.backtest.kernel import (
    COMMISSION,
    DEBIT,
    INTEREST,
    PRICE,
    ROW,
    SLIPPAGE,
    SPLIT,
    UNITS,
    compiled_form,
)
from nullalpha.engines.backtest.portfolio_kernel import CHARGED, PNL, POSITION, RECEIVED, portfolio_nb
from nullalpha.engines.backtest.portfolio_result import PortfolioResult
from nullalpha.engines.backtest.records import TERMS_DTYPE
from nullalpha.engines.backtest.request import check_market, check_target, prices_of, terms_of, wishes_of
from nullalpha.engines.backtest.trades import trade_array

NETTING_DECIMALS = 12


@dataclass(frozen=True)
class PortfolioMember:
    """One instrument of a portfolio.

    Attributes:
        bars: (n_bars,) prices, in the portfolio's currency.
        target: (n_bars,) signed fraction of the whole account's equity wanted after each bar's close; finite. `net_targets` makes one of
            several strategies.
        execution: how orders fill on these bars, and what they cost; without interest.
        entry, exits: as of `run_backtest`.
    """

    bars: Bars
    target: FloatArray
    execution: Execution
    entry: EntryOrders | None = None
    exits: ExitDistances | None = None


def net_targets(targets: FloatArray, weights: Sequence[float]) -> FloatArray:
    """Return what several strategies want together of one instrument, before anything trades: long and short cancel out, free of costs.

    Args:
        targets: (n_strategies, n_bars) signed fractions of the equity that each strategy was given.
        weights: (n_strategies,) share of the account's equity that each was given, finite.
    Returns:
        (n_bars,) weighted sum, to 12 decimals, so that what cancels out leaves exactly 0.
    Raises:
        DataError: if there is not one weight a strategy, or a number is not finite.
    """
    weight = np.asarray(weights, dtype=np.float64)
    if targets.ndim != 2 or weight.shape != targets.shape[:1]:
        raise DataError(
            f"{weight.size} weights for targets of shape {targets.shape}",
            path="net_targets",
            suggestion="one weight for each row of targets",
        )
    for name, numbers in (("weights", weight), ("targets", targets)):
        if not np.isfinite(numbers).all():
            raise DataError(f"{name} hold a number that is not finite", path=f"net_targets.{name}", suggestion="0 means nothing")
    return np.round(weight @ targets, NETTING_DECIMALS)


def run_portfolio(
    members: Sequence[PortfolioMember],
    *,
    capital: float = 1.0,
    max_gross: float = np.inf,
    cash: CashRates | None = None,
    start: np.datetime64 | None = None,
    stop: np.datetime64 | None = None,
) -> PortfolioResult:
    """Trade several instruments on one account, at every time in [start, stop) at which any of them has a bar.

    - An instrument without a bar at a time keeps its last close and does nothing. Its last bar in the window flattens it at the close.
    - Interest is paid once, on the shared cash, before anything fills.
    - Orders are sized at the equity before any fill of the bar, so the order of the instruments does not matter. At opens (fill basis
      `open`) that is cash plus every position at its open; a position of basis `close`, or without a bar, at its last close. At closes
      (basis `close`) it is what is left after the bar's opens, every position at its close. An instrument's own position counts at its
      fill price.
    - Where the absolute targets of all instruments (each one's of its latest bar) sum to more than `max_gross`, all are scaled to it. A
      scaled target is a target: when the scale changes, instruments that have a bar resize, and an entry order that waits is given anew.
      The scale alone never opens a position: after an exit only the instrument's own target does.
    - Equity <= 0 at the closes is ruin of the whole account: every position is closed at its close (its last one, if it has no bar) and
      trading ends.

    Args:
        members: instruments, each once.
        capital: cash at the start, > 0.
        max_gross: largest sum of absolute targets, > 0; infinite for no cap.
        cash: what cash earns and costs a year; None for nothing.
        start, stop: times of the window; None for all.
    Raises:
        InsufficientBarsError: if there is no bar of any instrument in the window, or an instrument has none.
        UsageError: if capital, the cap, entries or exits are out of range, no or the same instrument is given twice, or an execution pays
            interest of its own.
        DataError: as of `run_backtest`, or if an instrument's times do not rise.
    """
    _check_account(members, max_gross)
    whole = reduce(_union, [member.bars.time for member in members])
    inside = _window(whole, start, stop)
    time = whole[inside]
    rows = [_window(member.bars.time, start, stop) for member in members]
    for member, part in zip(members, rows, strict=True):
        _check_member(member, part, capital)
    parts = list(zip(members, rows, strict=True))
    edges = np.concatenate(([0], np.cumsum([part.stop - part.start for part in rows])))
    row_of = _row_of(parts, edges, time)
    wishes = np.concatenate([wishes_of(len(m.bars), m.target, m.entry, m.exits, part) for m, part in parts], axis=1)
    own = wishes[0].copy()
    wishes[0] *= _scale(own, row_of, edges, max_gross)
    prices = np.concatenate([np.stack([p[part] for p in prices_of(m.bars, m.execution.fill_basis)]) for m, part in parts], axis=1)
    rates = np.concatenate([m.execution.rates[part] for m, part in parts])
    before = years_between(whole)[0][inside]
    paid = CashRates() if cash is None else cash
    account, held, log = portfolio_nb(
        compiled_form(prices),
        compiled_form(wishes),
        own,
        compiled_form(rates),
        np.array([tuple(terms_of(m.execution, m.entry, m.exits)) for m in members], dtype=TERMS_DTYPE),
        edges[1:] - 1,
        row_of,
        np.stack((paid.interest * before, paid.debit * before)),
        float(capital),
    )
    equity = account[0]
    fills, (commission, slippage, notional) = _fills_of(log, rows, edges, row_of)
    return PortfolioResult(
        instruments=tuple(member.bars.instrument for member in members),
        capital=float(capital),
        time=time,
        equity=equity,
        cash=account[1],
        interest=account[2],
        close=_last_known(prices[3], row_of),
        position=held[POSITION],
        pnl=held[PNL],
        commission=commission,
        slippage=slippage,
        turnover_notional=notional,
        carry=held[CHARGED],
        income=held[RECEIVED],
        fill_arrays=fills,
        trade_arrays=tuple(
            trade_array(
                fill, tuple(prices[:, edges[index] : edges[index + 1]]), rates[edges[index] : edges[index + 1], SPLIT], rows[index].start
            )
            for index, fill in enumerate(fills)
        ),
        ruined=bool(equity.min() <= 0.0),
    )


def _check_account(members: Sequence[PortfolioMember], max_gross: float) -> None:
    if not members:
        raise UsageError(
            "a portfolio needs at least one instrument", path="run_portfolio.members", suggestion="one PortfolioMember for each"
        )
    symbols = [member.bars.instrument for member in members]
    twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if twice:
        raise UsageError(
            f"{twice[0]} is there more than once",
            path="run_portfolio.members",
            value=twice[0],
            suggestion="one member for each instrument; `net_targets` makes one target of several strategies",
        )
    if not max_gross > 0.0:
        raise UsageError(
            f"max_gross is {max_gross}", path="run_portfolio.max_gross", value=max_gross, suggestion="above 0; infinite for no cap"
        )


def _check_member(member: PortfolioMember, rows: slice, capital: float) -> None:
    """Refuse what `run_backtest` refuses of one instrument, times that do not rise, and interest that the account pays."""
    bars, execution = member.bars, member.execution
    if (np.diff(bars.time) <= np.timedelta64(0)).any():
        row = int(np.argmax(np.diff(bars.time) <= np.timedelta64(0))) + 1
        raise DataError(f"row {row} of {bars.instrument} is not later than the one before", path="bars.time", value=bars.time[row])
    check_market(bars, execution, rows, capital, terms_of(execution, member.entry, member.exits))
    check_target(member.target, rows)
    if execution.rates[rows][:, [INTEREST, DEBIT]].any():
        raise UsageError(
            f"the execution of {bars.instrument} pays interest, which a portfolio pays once, on the cash that it shares",
            path="run_portfolio.execution",
            value=bars.instrument,
            suggestion="give `cash` to run_portfolio and none to execution_of",
        )


def _union(one: TimeArray, other: TimeArray) -> TimeArray:
    return one if np.array_equal(one, other) else np.union1d(one, other)


def _window(time: TimeArray, start: np.datetime64 | None, stop: np.datetime64 | None) -> slice:
    """Return the rows whose times lie in [start, stop)."""
    first = 0 if start is None else int(np.searchsorted(time, start))
    return slice(first, max(first, len(time) if stop is None else int(np.searchsorted(time, stop))))


def _row_of(parts: Sequence[tuple[PortfolioMember, slice]], edges: IntArray, time: TimeArray) -> IntArray:
    """Return (n_times, n_instruments) the row of each one's bar among all bars behind one another, -1 where it has none."""
    row_of = np.full((len(time), len(parts)), -1)
    for index, (member, part) in enumerate(parts):
        row_of[np.searchsorted(time, member.bars.time[part]), index] = np.arange(edges[index], edges[index + 1])
    return row_of


def _scale(target: FloatArray, row_of: IntArray, edges: IntArray, max_gross: float) -> FloatArray:
    """Return (n_rows,) what the cap on gross exposure multiplies the target of each bar by; 1 where it does not bind."""
    size = np.abs(target)
    size[edges[1:] - 1] = 0.0
    known = _last_known(size, row_of)
    gross = np.where(np.isnan(known), 0.0, known).sum(axis=0)
    scale = np.where(gross > max_gross, max_gross / np.where(gross > 0.0, gross, 1.0), 1.0)
    by_row = np.empty(len(target))
    times, instruments = np.nonzero(row_of >= 0)
    by_row[row_of[times, instruments]] = scale[times]
    return by_row


def _fills_of(log: FloatArray, rows: Sequence[slice], edges: IntArray, row_of: IntArray) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Return each instrument's fills by its own rows, and (3, n_instruments, n_times) their commission, slippage and notional summed."""
    n_times, n_instruments = row_of.shape
    summed = np.zeros((3, n_instruments, n_times))
    fills = []
    for index, part in enumerate(rows):
        own = log[log[:, 0] == index, 1:]
        row = own[:, ROW].astype(np.int64)
        time = np.searchsorted(np.maximum.accumulate(row_of[:, index]), row)
        for money, amounts in zip(summed, (own[:, COMMISSION], own[:, SLIPPAGE], np.abs(own[:, UNITS]) * own[:, PRICE]), strict=True):
            np.add.at(money[index], time, amounts)
        own[:, ROW] += part.start - edges[index]
        fills.append(own)
    return tuple(fills), summed


def _last_known(values: FloatArray, row_of: IntArray) -> FloatArray:
    """Return (n_instruments, n_times) the value of each one's latest bar; NaN before its first."""
    latest = np.maximum.accumulate(row_of.T, axis=1)
    return np.where(latest >= 0, values[np.maximum(latest, 0)], np.nan)
