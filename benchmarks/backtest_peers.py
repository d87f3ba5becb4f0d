"""One strategy, end to end, by NullAlpha, vectorbt and backtesting.py: what `backtest.py` measures.

Two moving averages (20 and 100 bars); 90 % of equity is long while the fast one is above the slow one, from the next open on; a stop and a
target at fractions of the close that gave the order, from the fill price; commission on both sides; five figures. The footing on which all
three do the same: long or flat, because vectorbt's signals cannot reverse a share of equity; no spread, because backtesting.py charges it
at entry alone; prices of stops from the open to come, which backtesting.py must be told; capital so large that whole units round nothing;
from the bar on whose predecessor knows both averages, where backtesting.py begins, and flat at the end, where it leaves positions open.
Each uses what it offers for the purpose: its own indicators where it has some, its own stops, its own figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import vectorbt as vbt
from backtesting import Backtest, Strategy

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.execution import priced
from nullalpha.engines.backtest.metrics import drawdown, sharpe_ratio
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.engines.features.indicators import INDICATORS

FAST, SLOW, SIZE, CAPITAL = 20, 100, 0.9, 1e13
FLAT_BARS = 3
BARS_PER_YEAR = 252


@dataclass(frozen=True)
class Outcome:
    """Equity at each close, and the figures: total return, Sharpe ratio, deepest drawdown, trades, share of them that won."""

    equity: FloatArray
    figures: tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Work:
    """The bars, stop and target as fractions of price, and commission as a fraction of notional."""

    bars: Bars
    stop: float
    profit: float
    commission: float


def nullalpha_outcome(work: Work) -> Outcome:
    bars = work.bars
    (fast,), (slow,) = (INDICATORS["sma"].compute(bars, {"period": period}) for period in (FAST, SLOW))
    target = np.where(fast > slow, SIZE, 0.0)
    target[:SLOW] = target[-FLAT_BARS:] = 0.0
    exits = ExitDistances(work.stop * bars.close, work.profit * bars.close, 0)
    result = run_backtest(bars, target, priced(bars, Costs(work.commission, 0.0, 0.0), "open"), exits=exits, capital=CAPITAL)
    pnl = result.trade_array["pnl"]
    return Outcome(
        result.equity,
        (
            float(result.equity[-1] / CAPITAL - 1.0),
            sharpe_ratio(result.returns, BARS_PER_YEAR),
            float(drawdown(result.equity, CAPITAL).min()),
            float(len(pnl)),
            float((pnl > 0.0).mean()) if len(pnl) else math.nan,
        ),
    )


def vectorbt_candidate(work: Work, engine: Literal["rust", "numba"]) -> Callable[[], Outcome]:
    """Return vectorbt's way, by signals with its own stops, on one of its two engines."""
    bars = work.bars
    open_, high, low, close = (
        pd.Series(getattr(bars, name), index=pd.DatetimeIndex(bars.time)) for name in ("open", "high", "low", "close")
    )

    def run() -> Outcome:
        vbt.settings["engine"] = engine
        fast, slow = (vbt.MA.run(close, window).ma.to_numpy() for window in (FAST, SLOW))
        above = fast > slow
        above[:SLOW] = above[-FLAT_BARS:] = False
        changed = np.diff(above.astype(np.int8), prepend=0)
        entries = np.append(False, changed[:-1] > 0)
        exits = np.append(False, changed[:-1] < 0)
        fraction = np.append(np.nan, bars.close[:-1]) / bars.open
        portfolio = vbt.Portfolio.from_signals(
            close,
            entries=entries,
            exits=exits,
            price=open_,
            open=open_,
            high=high,
            low=low,
            size=SIZE * (1.0 + work.commission),
            size_type="percent",
            fees=work.commission,
            sl_stop=work.stop * fraction,
            tp_stop=work.profit * fraction,
            stop_entry_price="price",
            stop_exit_price="stopmarket",
            init_cash=CAPITAL,
            freq="1D",
        )
        trades = portfolio.trades
        return Outcome(
            portfolio.value().to_numpy(),
            (
                float(portfolio.total_return()),
                float(portfolio.sharpe_ratio(year_freq=f"{BARS_PER_YEAR} days")),
                float(portfolio.max_drawdown()),
                float(trades.count()),
                float(trades.win_rate()),
            ),
        )

    return run


def backtesting_candidate(work: Work) -> Callable[[], Outcome]:
    """Return backtesting.py's way; it always computes its whole table of figures, the Sharpe ratio among them by another definition."""
    bars = work.bars
    frame = pd.DataFrame(
        {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}, pd.DatetimeIndex(bars.time)
    )

    def average(close: Any, window: int) -> Any:
        return pd.Series(close).rolling(window).mean()

    class Crossing(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            self.fast = self.I(average, self.data.Close, FAST, plot=False)
            self.slow = self.I(average, self.data.Close, SLOW, plot=False)
            self.above = False

        def next(self) -> None:
            t = len(self.data) - 1
            above = bool(self.fast[-1] > self.slow[-1]) and t < len(bars) - FLAT_BARS
            if above == self.above:
                return
            self.above = above
            for trade in self.trades:
                trade.sl = trade.tp = None
            self.position.close()
            if above:
                fill, close = bars.open[t + 1], bars.close[t]
                self.buy(size=SIZE * (1.0 + work.commission), sl=fill - work.stop * close, tp=fill + work.profit * close)

    def run() -> Outcome:
        stats = Backtest(frame, Crossing, cash=CAPITAL, commission=work.commission).run()
        equity = stats["_equity_curve"]["Equity"].to_numpy()
        share = 0.01 * stats[["Return [%]", "Max. Drawdown [%]", "Win Rate [%]"]].astype(float)
        return Outcome(equity, (share.iloc[0], math.nan, share.iloc[1], float(stats["# Trades"]), share.iloc[2]))

    return run
