"""A stored experiment's orders and trades, and the proof that they are its account: replayed against its bars, bar by bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, FloatArray, TimeArray
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.slices import read_slice
from nullalpha.engines.backtest.execution import CashRates, execution_of
from nullalpha.engines.backtest.orders import OrderArray
from nullalpha.engines.backtest.replay import Book, replay_account
from nullalpha.engines.backtest.result import returns_of
from nullalpha.engines.backtest.trades import TradeArray
from nullalpha.engines.protocol import Protocol
from nullalpha.engines.series import get_arrays

TOLERANCE = 1e-9
"""Of equity, as a share of it or of the capital, whichever is larger."""


@dataclass(frozen=True)
class StoredAccount:
    """What is stored of an experiment's account over the search zone.

    Attributes:
        instruments: symbols that `orders` and `trades` count into.
        capital: it began with, in currency.
        time, equity, exposure: (n_bars,) at each close.
        orders: (n_fills,) of `orders.ORDER_DTYPE`.
        trades: (n_trades,) of `trades.TRADE_DTYPE`, at the prices and in the units of their own days.
        books: what each instrument was traded on.
    """

    instruments: tuple[str, ...]
    capital: float
    time: TimeArray
    equity: FloatArray
    exposure: FloatArray
    orders: OrderArray
    trades: TradeArray
    books: Mapping[str, Book]

    @property
    def cash(self) -> FloatArray:
        """(n_bars,) what is not in positions: below 0 it is borrowed."""
        return self.equity * (1.0 - self.exposure)

    @property
    def returns(self) -> FloatArray:
        """(n_bars,) of equity over each bar."""
        return returns_of(self.equity, self.capital)

    def bars(self, number: int) -> Bars:
        """Return the bars of an instrument by its number."""
        return self.books[self.instruments[number]].bars


@dataclass(frozen=True)
class ReplayReport:
    """How a replay of the log compares with the stored equity.

    Attributes:
        largest: largest difference of any bar, as `TOLERANCE` measures it.
        first: of the first bar that differs by more: its time, equity replayed, and equity stored; None if none does.
    """

    n_bars: int
    largest: float
    first: tuple[np.datetime64, float, float] | None


def instrument_of(facts: Mapping[str, Any]) -> Instrument:
    """Return an instrument from the facts that a job was handed."""
    return Instrument(**{**facts, "costs": Costs(**facts["costs"])})


def stored_account(artifacts: ArtifactStore, body: Mapping[str, Any], protocol: Protocol) -> StoredAccount:
    """Return what a done result stored.

    Args:
        body: of the result.
        protocol: that it was computed under.
    Raises:
        ArtifactError: if something of it is missing or torn.
    """
    series, log = get_arrays(artifacts, body["series"]), get_arrays(artifacts, body["orders"])
    capital, cash = float(series["capital"]), CashRates(protocol.cash_interest, protocol.cash_debit)
    books = {}
    for number, (symbol, item) in enumerate(body["market"].items()):
        bars, spans = read_slice(artifacts, item["slice"]), log[f"spans_{number}"]
        books[symbol] = Book(bars, execution_of(bars, instrument_of(item["instrument"]), cash), [(int(a), int(b)) for a, b in spans])
    time = series["bar_times"].view("datetime64[ns]")
    return StoredAccount(tuple(books), capital, time, series["equity"] * capital, series["exposure"], log["orders"], log["trades"], books)


def check_by_replay(account: StoredAccount) -> ReplayReport:
    """Rebuild equity from the log and the bars, and compare it with what is stored.

    Raises:
        DataError: if log and bars do not belong together.
    """
    time, equity = replay_account(account.orders, account.instruments, account.books, account.capital)
    if not np.array_equal(time, account.time):
        raise DataError(
            f"the log covers {len(time)} bars and the stored equity {len(account.time)}, or other ones",
            path="replay",
            suggestion="run the experiment again: its artifacts do not belong together",
        )
    apart = np.abs(equity - account.equity) / np.maximum(np.abs(account.equity), account.capital)
    wrong = ~(apart <= TOLERANCE)
    at = int(np.argmax(wrong))
    first = (time[at], float(equity[at]), float(account.equity[at])) if wrong.any() else None
    return ReplayReport(len(time), float(apart.max()), first)
