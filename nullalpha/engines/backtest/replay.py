"""Event replay: rebuild an account bar by bar from its order log and the bars, with none of the kernel's code.

The log says what was traded and at which price; interest, dividends, splits and carry follow from the execution's rates. Nothing is decided
here: why an order filled is not asked, only what it did to cash and units. A replay that ends elsewhere than the backtest shows that log,
bars and rates do not belong together, or that one of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray, IntArray, TimeArray
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.kernel import CARRY_LONG, CARRY_SHORT, DEBIT, INTEREST, PAYOUT, REASONS, SPLIT
from nullalpha.engines.backtest.orders import OrderArray, orders_of
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.stitch import StitchedResult

Spans = Sequence[tuple[int, int]]

_RUIN = REASONS.index("ruin")


@dataclass(frozen=True)
class Replayed:
    """An account rebuilt from its order log.

    Attributes:
        capital: it began with.
        time: (n_bars,) of the bars it traded on.
        equity, cash, position: (n_bars,) at each close.
        carry, interest, income: (n_bars,) of each bar, as in `BacktestResult`.
    """

    capital: float
    time: TimeArray
    equity: FloatArray
    cash: FloatArray
    position: FloatArray
    carry: FloatArray
    interest: FloatArray
    income: FloatArray


@dataclass(frozen=True)
class Book:
    """What an instrument was traded on: its bars, its execution, and the rows [start, stop) of its folds, oldest first."""

    bars: Bars
    execution: Execution
    spans: Spans


@dataclass(frozen=True)
class Difference:
    """The first bar in which a replay and a result differ, in which column, and by what."""

    bar: int
    time: np.datetime64
    column: str
    replayed: float
    expected: float

    def __str__(self) -> str:
        return f"{self.column} of bar {self.bar} ({self.time}) is {self.replayed!r} replayed and {self.expected!r} in the result"


def order_log(result: BacktestResult | StitchedResult) -> OrderArray:
    """Return every fill of a result (`orders.ORDER_DTYPE`), instrument by instrument, in order of time."""
    return orders_of(result) if isinstance(result, BacktestResult) else result.order_array


def spans_of(bars: Bars, time: TimeArray, fold_ids: IntArray) -> Spans:
    """Return the rows of each fold from what a `StitchedResult` of one instrument says of its bars.

    Raises:
        DataError: if a time is none of the bars'.
    """
    rows = np.searchsorted(bars.time, time)
    if len(rows) and not (rows[-1] < len(bars) and np.array_equal(bars.time[rows], time)):
        raise DataError(f"the account's times are not those of {bars.instrument}'s bars", path="replay.bars", value=bars.instrument)
    starts = np.flatnonzero(np.diff(fold_ids, prepend=-1))
    stops = np.append(starts[1:], len(rows))
    return [(int(rows[start]), int(rows[stop - 1]) + 1) for start, stop in zip(starts, stops, strict=True)]


def replay(log: OrderArray, bars: Bars, execution: Execution, capital: float, spans: Spans | None = None) -> Replayed:
    """Rebuild the account that a log's orders make on one instrument's bars.

    Args:
        log: of one instrument, in order of time.
        bars, execution: that it was traded on.
        capital: cash before the first row.
        spans: the rows [start, stop) of each fold, oldest first; each begins flat with the equity that the one before reached. None for
            all bars in one.
    Raises:
        DataError: if the log is of other bars, or an order lies in no fold.
    """
    whole = [(0, len(bars))] if spans is None else list(spans)
    _check_log(log, bars, whole)
    parts, reached = [], capital
    for start, stop in whole:
        if reached > 0.0:
            part = _replayed_span(log[(log["row"] >= start) & (log["row"] < stop)], bars, execution.rates, reached, start, stop)
        else:
            part = np.zeros((6, stop - start))
            part[:2] = reached
        parts.append(part)
        reached = float(part[0, -1])
    time = np.concatenate([bars.time[start:stop] for start, stop in whole])
    return Replayed(capital, time, *np.concatenate(parts, axis=1))


def replay_account(log: OrderArray, instruments: Sequence[str], books: Mapping[str, Book], capital: float) -> tuple[TimeArray, FloatArray]:
    """Rebuild an account that holds several instruments side by side: the capital divided equally once, never rebalanced.

    Args:
        log: of all of them; its `instrument` counts into `instruments`.
    Returns:
        (n_bars,) the union of their times, and equity at each.
    Raises:
        DataError: as of `replay`, or if an instrument has no book.
    """
    for symbol in instruments:
        if symbol not in books:
            raise DataError(f"there are no bars to replay {symbol} on", path="replay_account.books", value=symbol)
    share = capital / len(instruments)
    accounts = []
    for number, symbol in enumerate(instruments):
        book = books[symbol]
        accounts.append(replay(log[log["instrument"] == number], book.bars, book.execution, share, book.spans))
    time = np.unique(np.concatenate([account.time for account in accounts]))
    equity = np.zeros(len(time))
    for account in accounts:
        equity += np.concatenate(([share], account.equity))[np.searchsorted(account.time, time, side="right")]
    return time, equity


def first_difference(replayed: Replayed, result: BacktestResult | StitchedResult, tolerance: float = 1e-9) -> Difference | None:
    """Return the first bar in which a replay is not what the result says; None if there is none.

    Args:
        tolerance: of money and units, as a share of the value or of the capital, whichever is larger.
    Raises:
        DataError: if they are not of the same bars.
    """
    if not np.array_equal(replayed.time, result.time):
        raise DataError(f"the replay has {len(replayed.time)} bars and the result {len(result)}, or other ones", path="first_difference")
    columns = ("cash", "position", "equity", "carry", "interest", "income")
    pairs = [(name, getattr(replayed, name), getattr(result, name)) for name in columns if hasattr(result, name)]
    found = []
    for order, (name, ours, theirs) in enumerate(pairs):
        apart = ~(np.abs(ours - theirs) <= tolerance * np.maximum(np.abs(theirs), replayed.capital))
        if apart.any():
            bar = int(np.argmax(apart))
            found.append((bar, order, Difference(bar, result.time[bar], name, float(ours[bar]), float(theirs[bar]))))
    return min(found, key=lambda difference: difference[:2])[2] if found else None


def _replayed_span(log: OrderArray, bars: Bars, rates: FloatArray, capital: float, start: int, stop: int) -> FloatArray:
    """Return (6, n_rows) equity, cash, position, carry, interest and income of one fold."""
    rows = np.zeros((6, stop - start))
    cash, units, unpaid = capital, 0.0, 0.0
    first = np.searchsorted(log["row"], np.arange(start, stop + 1))
    orders = log[["units", "price", "commission", "carry", "reason", "held"]].tolist()
    for bar, row in enumerate(range(start, stop)):
        units *= rates[row, SPLIT]
        interest = cash * rates[row, INTEREST if cash > 0.0 else DEBIT]
        income = units * rates[row, PAYOUT]
        cash += interest + income
        carried = 0.0
        for traded, price, commission, carry, reason, held in orders[first[bar] : first[bar + 1]]:
            if reason == _RUIN:
                # Ruin is found at the close, after carry; on what was then held only the log knows.
                carried = carry - unpaid
                cash -= carried
            cash -= traded * price + commission
            units, unpaid = held, 0.0
        if row < stop - 1 and units != 0.0:
            carried = rates[row, CARRY_LONG if units > 0.0 else CARRY_SHORT] * abs(units) * bars.close[row]
            cash -= carried
            unpaid += carried
        rows[:, bar] = cash + units * bars.close[row], cash, units, carried, interest, income
    return rows


def _check_log(log: OrderArray, bars: Bars, spans: Spans) -> None:
    """Refuse a log of other bars or several instruments, out of order, or with an order in no fold."""
    rows = log["row"]
    if len(np.unique(log["instrument"])) > 1:
        raise DataError("the log is of several instruments", path="replay.log", suggestion="`replay_account` replays them side by side")
    if (np.diff(rows) < 0).any():
        raise DataError("the log is not in order of time", path="replay.log.row", value=int(rows[int(np.argmax(np.diff(rows) < 0)) + 1]))
    inside = np.zeros(len(rows), dtype=np.bool_)
    for start, stop in spans:
        if not 0 <= start < stop <= len(bars):
            raise DataError(f"rows [{start}, {stop}) are not rows of {len(bars)} bars", path="replay.spans", value=(start, stop))
        inside |= (rows >= start) & (rows < stop)
    if not inside.all():
        raise DataError("an order lies in no fold", path="replay.log.row", value=int(rows[int(np.argmin(inside))]))
    other = bars.time[rows] != log["time"]
    if other.any():
        row = int(rows[int(np.argmax(other))])
        raise DataError(
            f"the log's order of row {row} is not at the time of {bars.instrument}'s row {row}",
            path="replay.log.time",
            value=str(log["time"][int(np.argmax(other))]),
            suggestion="replay a log on the bars of the snapshot that it was made on",
        )
