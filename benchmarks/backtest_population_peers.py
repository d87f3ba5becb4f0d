"""Many strategies over one instrument's bars as vectorbt runs them: what the population kernel is compared with.

Moving averages of many lengths, each pair with a stop and a target of its own; 90 % of equity long while the fast average is above the slow
one, from the next open on; commission on both sides; four figures. Positions wanted are given to both sides: what is timed begins there.
The footing is that of `backtest_peers`, with stops and targets so far off that none is reached in a bar of entry, where vectorbt does not
look, nor in a bar that opens with an exit, where it looks first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import vectorbt as vbt

from benchmarks.backtest_population import CAPITAL, COMMISSION, SIZE, Sweep
from nullalpha.data.bars import FloatArray


@dataclass(frozen=True)
class SweepFigures:
    """(n_strategies,) each: total return, Sharpe ratio per bar, deepest drawdown, number of trades."""

    total_return: FloatArray
    sharpe: FloatArray
    max_drawdown: FloatArray
    n_trades: FloatArray


def vectorbt_simulation(sweep: Sweep) -> Callable[[], vbt.Portfolio]:
    """Return vectorbt's simulation of all strategies at once, one a column; signals and stops are made before it is timed."""
    bars = sweep.bars
    index = pd.DatetimeIndex(bars.time)
    open_, high, low, close = (pd.Series(getattr(bars, name), index=index) for name in ("open", "high", "low", "close"))
    changed = np.diff(np.sign(sweep.targets[sweep.chosen]), axis=1, prepend=0.0).T
    begun = np.vstack((np.zeros((1, len(sweep)), dtype=bool), changed[:-1] > 0.0))
    ended = np.vstack((np.zeros((1, len(sweep)), dtype=bool), changed[:-1] < 0.0))
    fraction = (np.append(np.nan, bars.close[:-1]) / bars.open)[:, None]
    stop, profit = fraction * sweep.stop, fraction * sweep.profit

    def run() -> vbt.Portfolio:
        return vbt.Portfolio.from_signals(
            close,
            entries=begun,
            exits=ended,
            price=open_,
            open=open_,
            high=high,
            low=low,
            size=SIZE * (1.0 + COMMISSION),
            size_type="percent",
            fees=COMMISSION,
            sl_stop=stop,
            tp_stop=profit,
            stop_entry_price="price",
            stop_exit_price="stopmarket",
            init_cash=CAPITAL,
            freq="1D",
            engine="rust",
        )

    return run


def vectorbt_figures(sweep: Sweep) -> Callable[[], SweepFigures]:
    """Return vectorbt's simulation with the four figures of every column."""
    simulate = vectorbt_simulation(sweep)

    def run() -> SweepFigures:
        portfolio = simulate()
        return SweepFigures(
            portfolio.total_return().to_numpy(),
            portfolio.sharpe_ratio(year_freq="1D").to_numpy(),
            portfolio.max_drawdown().to_numpy(),
            portfolio.trades.count().to_numpy().astype(float),
        )

    return run
