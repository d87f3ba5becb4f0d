"""What a portfolio's account left behind: equity and cash that instruments share, and what each of them held, traded and earned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import FloatArray, TimeArray
from nullalpha.engines.backtest.result import returns_of
from nullalpha.engines.backtest.trades import Fill, Trade, TradeArray, as_fills, as_trades


@dataclass(frozen=True)
class PortfolioResult:
    """One account over the times of all its instruments. It starts and ends flat.

    At every time equity = cash + the sum of position x close, and equity = capital + interest + the pnl of all instruments, summed so far.

    Attributes:
        instruments: symbols.
        capital: cash before the first time.
        time: (n_times,) at which any instrument has a bar.
        equity, cash: (n_times,) after everything that fills at that time.
        interest: (n_times,) that the shared cash earned since the time before, paid where it was borrowed (below 0).
        close: (n_instruments, n_times) last close known; NaN before the first.
        position: (n_instruments, n_times) units held, signed.
        pnl: (n_instruments, n_times) earned since the time before, net of all costs, without interest.
        commission, slippage, turnover_notional, carry, income: (n_instruments, n_times) as in `BacktestResult`.
        fill_arrays: of each instrument (n_fills, kernel.N_COLUMNS); rows count its own bars. What ruin closed at a time at which it had no
            bar stands in the row of its last one.
        trade_arrays: of each instrument (n_trades,) of `trades.TRADE_DTYPE`.
        ruined: whether equity fell to 0 or below, which closed every position and ended trading.
    """

    instruments: tuple[str, ...]
    capital: float
    time: TimeArray
    equity: FloatArray
    cash: FloatArray
    interest: FloatArray
    close: FloatArray
    position: FloatArray
    pnl: FloatArray
    commission: FloatArray
    slippage: FloatArray
    turnover_notional: FloatArray
    carry: FloatArray
    income: FloatArray
    fill_arrays: tuple[FloatArray, ...]
    trade_arrays: tuple[TradeArray, ...]
    ruined: bool

    def __len__(self) -> int:
        return len(self.time)

    @property
    def returns(self) -> FloatArray:
        """(n_times,) return of equity since the time before, the first against the capital."""
        return returns_of(self.equity, self.capital)

    @property
    def exposure(self) -> FloatArray:
        """(n_instruments, n_times) signed position value over equity; 0 where nothing is held."""
        held = self.position != 0.0
        value = np.where(held, self.position * np.where(held, self.close, 0.0), 0.0)
        return np.where(held, value / np.where(held.any(axis=0), self.equity, 1.0), 0.0)

    @property
    def gross_exposure(self) -> FloatArray:
        """(n_times,) sum of absolute exposures."""
        total: FloatArray = np.abs(self.exposure).sum(axis=0)
        return total

    @property
    def fees(self) -> FloatArray:
        """(n_times,) commission, half spread, slippage and carry of all instruments."""
        total: FloatArray = (self.commission + self.slippage + self.carry).sum(axis=0)
        return total

    @property
    def fills(self) -> dict[str, tuple[Fill, ...]]:
        """Every fill of each instrument, in order of time."""
        return {symbol: as_fills(fills) for symbol, fills in zip(self.instruments, self.fill_arrays, strict=True)}

    @property
    def trades(self) -> dict[str, tuple[Trade, ...]]:
        """Every round trip of each instrument, oldest exit first."""
        return {symbol: as_trades(trades, (symbol,)) for symbol, trades in zip(self.instruments, self.trade_arrays, strict=True)}
