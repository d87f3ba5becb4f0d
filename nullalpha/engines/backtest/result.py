"""What one backtest of one instrument gave: the account at every close, every fill, every trade.

Money in the instrument's currency, units fractional, fractions never percent. Nothing is annualised here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import FloatArray, TimeArray
from nullalpha.data.instruments import FillBasis
from nullalpha.engines.backtest.trades import (
    Fill,
    Trade,
    TradeArray,
    as_fills,
    as_trades,
    fill_array_as_traded,
    trade_array_as_traded,
)


@dataclass(frozen=True)
class BacktestResult:
    """One account over the rows [start_row, stop_row) of an instrument's bars.

    At every bar equity = cash + position x close. Short sales add to cash. The account starts and ends flat.

    Attributes:
        capital: cash before the first row.
        previous_close: close of the row before start_row; NaN when there is none.
        time, close: (n_rows,) of the bars.
        equity, cash: (n_rows,) at each close, after everything that fills at that close.
        position: (n_rows,) units held at each close, signed.
        exposure: (n_rows,) position x close / equity; 0 when nothing is held.
        commission: (n_rows,) paid in each bar.
        slippage: (n_rows,) cost of half spread and slippage in each bar (contained in the prices paid).
        carry: (n_rows,) charged at each close for what was held over it; below 0 it was received.
        interest: (n_rows,) that cash earned over each bar, paid where it was borrowed (below 0).
        income: (n_rows,) dividends received in each bar, paid by short positions (below 0).
        turnover_notional: (n_rows,) notional traded in each bar, at the prices paid.
        fill_array: (n_fills, kernel.N_COLUMNS), `trade_array`: (n_trades,) of `trades.TRADE_DTYPE`; `fills` and `trades` read better.
        ruined: whether equity fell to 0 or below, which ended trading.
        factor: (n_rows,) of the bars: price as traded = price / factor, units as traded = units x factor (of a future, contracts times the
            instrument's multiplier); None when nothing was adjusted.
    """

    instrument: str
    timeframe: str
    fill_basis: FillBasis
    capital: float
    start_row: int
    stop_row: int
    previous_close: float
    time: TimeArray
    close: FloatArray
    equity: FloatArray
    cash: FloatArray
    position: FloatArray
    exposure: FloatArray
    commission: FloatArray
    slippage: FloatArray
    carry: FloatArray
    interest: FloatArray
    income: FloatArray
    turnover_notional: FloatArray
    fill_array: FloatArray
    trade_array: TradeArray
    ruined: bool
    factor: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def fees(self) -> FloatArray:
        """(n_rows,) everything that trading and holding cost in each bar: commission, half spread, slippage and carry.

        Interest and dividends are no fees.
        """
        return self.commission + self.slippage + self.carry

    @property
    def returns(self) -> FloatArray:
        """(n_rows,) return of equity over each bar, the first against the capital."""
        return returns_of(self.equity, self.capital)

    @property
    def instrument_returns(self) -> FloatArray:
        """(n_rows,) close-to-close return of the instrument; the first is NaN when no bar precedes it."""
        previous = np.concatenate(([self.previous_close], self.close[:-1]))
        return self.close / previous - 1.0

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Every fill, in order of time."""
        return as_fills(self.fill_array)

    @property
    def trades(self) -> tuple[Trade, ...]:
        """Every round trip, oldest exit first."""
        return as_trades(self.trade_array, (self.instrument,))

    @property
    def traded_array(self) -> TradeArray:
        """(n_trades,) the same trades at the prices and in the units of their own days: as an exchange would have confirmed them."""
        return (
            self.trade_array
            if self.factor is None
            else trade_array_as_traded(self.trade_array, self.fill_array, self.factor, self.start_row)
        )

    @property
    def fills_as_traded(self) -> tuple[Fill, ...]:
        """Every fill at the price and in the units of its own day; the money is the same."""
        return self.fills if self.factor is None else as_fills(fill_array_as_traded(self.fill_array, self.factor, self.start_row))

    @property
    def trades_as_traded(self) -> tuple[Trade, ...]:
        """Every round trip at the prices and in the units of its own days."""
        return as_trades(self.traded_array, (self.instrument,))


def returns_of(equity: FloatArray, capital: float) -> FloatArray:
    """Return equity's return over each bar, the first against `capital`.

    A closed account (equity <= 0) neither holds nor trades anything, so after the bar that ruined it returns are 0.
    """
    previous = np.concatenate(([capital], equity[:-1]))
    alive = previous > 0.0
    return np.where(alive, equity / np.where(alive, previous, 1.0) - 1.0, 0.0)
