"""backtesting.py 0.6 against the lab's kernel on real bars: 200 random strategies, the same trades, equity to 1e-9.

Where the two differ, the strategies are brought to one footing; what each difference is worth is said here or measured below.

- Units. backtesting.py trades whole units, so ours trade in lots of 1. It takes a fraction of free cash at the fill price with costs; that
  fraction is given as target x (1 + commission), so both want the whole units in target x equity / price.
- Order of sizing. At a reversal it closes first and sizes by what is left after that commission; the lab sizes by the equity before costs
  (as vectorbt does). So with a commission targets pass through flat here; without one they reverse directly. The last test bounds the
  difference.
- Resizes. It has no order towards a target: a second order opens a second trade. Targets here are entries, exits and reversals alone.
- Spread. It is paid once, at entry, and stops are not adjusted for it; the lab pays half on each side. Spread and slippage are 0 here.
- Stop and target are prices fixed when the order is given, ours lie at a distance from the fill price. The strategy is told the next open,
  from which it computes the price of the level: no other use is made of it.
- Stops before the market. When a position's exit waits for the open, backtesting.py first asks whether the whole bar touches its stop. The
  strategy cancels stop and target when it closes, so that the open comes first, as in time it does.
- Inside a bar. It asks for the stop before the target, as we do, and it does so even where the bar opened beyond the target; there the lab
  fills the target at the open. It takes a bar as long as both distances together: none is here.
- The end. `finalize_trades` closes at the open of the last bar, the lab at its close: targets end flat.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from backtesting import Backtest, Strategy

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.execution import Execution, priced
from nullalpha.engines.backtest.kernel import LOT
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.run import run_backtest
from tests.support.real_bars import INDICES, real_bars

CAPITAL = 10_000_000.0
N_BARS = 500
BATCHES = 10
STRATEGIES_A_BATCH = 20


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bars]:
    return real_bars(tmp_path_factory.mktemp("bars"), INDICES)


def random_targets(rng: np.random.Generator, reverses: bool) -> FloatArray:
    """Return (N_BARS,) targets of one size, flat in the first two bars and the last; unless they reverse, flat between two positions."""
    size = rng.uniform(0.2, 0.9)
    sides = rng.choice([-1.0, 1.0], N_BARS) if reverses else rng.choice([-1.0, 1.0], N_BARS) * (np.arange(N_BARS) % 2)
    if reverses:
        sides[rng.random(N_BARS) < 0.3] = 0.0
    target = size * np.repeat(sides, rng.geometric(1.0 / rng.integers(2, 16), N_BARS))[:N_BARS]
    target[:2] = target[-3:] = 0.0
    return target


def in_whole_units(execution: Execution) -> Execution:
    rates = execution.rates.copy()
    rates[:, LOT] = 1.0
    return Execution(execution.fill_basis, execution.commission, execution.least_commission, rates)


def peer(bars: Bars, target: FloatArray, commission: float, stop: FloatArray, profit: FloatArray) -> tuple[FloatArray, pd.DataFrame]:
    """Return backtesting.py's equity at each close and its trades, oldest entry first; distances NaN for none."""

    class Targets(Strategy):  # type: ignore[misc]
        ordered = 0.0

        def init(self) -> None: ...

        def next(self) -> None:
            t = len(self.data) - 1
            if target[t] == self.ordered:
                return
            self.ordered = wanted = target[t]
            for trade in self.trades:
                trade.sl = trade.tp = None
            self.position.close()
            if wanted == 0.0:
                return
            side, fill = np.sign(wanted), bars.open[t + 1]
            levels = {"sl": fill - side * stop[t], "tp": fill + side * profit[t]}
            order = self.buy if wanted > 0.0 else self.sell
            order(size=abs(wanted) * (1.0 + commission), **{name: level for name, level in levels.items() if np.isfinite(level)})

    frame = pd.DataFrame(
        {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}, pd.DatetimeIndex(bars.time)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # an order that it cancels is a warning there
        stats = Backtest(frame, Targets, cash=CAPITAL, commission=commission).run()
    return stats["_equity_curve"]["Equity"].to_numpy(), stats["_trades"].sort_values("EntryBar")


def distances(rng: np.random.Generator, bars: Bars) -> FloatArray:
    """Return distances of 2.5 to 8 % of price, absent for a third of the bars, never so near that the next open lies beyond the level."""
    gap = np.abs(np.append(bars.open[1:], bars.close[-1]) - bars.close)
    wide = np.maximum(bars.close * rng.uniform(0.025, 0.08, len(bars)), 2.0 * gap)
    return np.where(rng.random(len(bars)) < 2 / 3, wide, np.nan)


def assert_same_trades(ours: BacktestResult, theirs: pd.DataFrame) -> None:
    own = sorted(ours.trades, key=lambda trade: trade.entry_row)
    assert [(trade.entry_row, trade.exit_row, trade.side * trade.units) for trade in own] == list(
        zip(theirs["EntryBar"], theirs["ExitBar"], theirs["Size"], strict=True)
    )
    for name, column in (("entry_price", "EntryPrice"), ("exit_price", "ExitPrice")):
        np.testing.assert_allclose([getattr(trade, name) for trade in own], theirs[column], rtol=1e-12)
    np.testing.assert_allclose([trade.fees for trade in own], theirs["Commission"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_strategies_make_the_same_trades_and_end_every_bar_with_the_same_equity(batch: int, market: dict[str, Bars]) -> None:
    rng = np.random.default_rng([11, batch])
    reasons: list[str] = []
    for number in range(STRATEGIES_A_BATCH):
        whole = market[INDICES[number % 2]]
        start = int(rng.integers(0, len(whole) - N_BARS))
        bars = whole.slice(start, start + N_BARS)
        reverses = number % 4 < 2
        commission = 0.0 if reverses else rng.uniform(0.0, 3e-3)
        target, stop, profit = random_targets(rng, reverses), distances(rng, bars), distances(rng, bars)
        execution = in_whole_units(priced(bars, Costs(commission, 0, 0), "open"))
        ours = run_backtest(bars, target, execution, exits=ExitDistances(stop, profit, 0), capital=CAPITAL)
        equity, trades = peer(bars, target, commission, stop, profit)
        assert_same_trades(ours, trades)
        np.testing.assert_allclose(equity, ours.equity, rtol=1e-9)
        reasons += [trade.exit_reason for trade in ours.trades]
    assert min(reasons.count(reason) for reason in ("signal", "stop", "target")) > 20


def test_sizing_a_reversal_before_its_costs_moves_each_profit_by_at_most_that_share(market: dict[str, Bars]) -> None:
    """A position of target f that is closed at commission c leaves the account c x f smaller before the next is sized, so of what a
    reversal opens backtesting.py trades the share c x f fewer units, and each profit or loss differs by that share. Summed over all
    trades, and doubled for what compounds, that bounds how far the two equities ever are apart.
    """
    commission = 1e-3
    bars = market["SPX"].slice(1000, 1000 + N_BARS)
    target = random_targets(np.random.default_rng(5), reverses=True)
    none = np.full(N_BARS, np.nan)
    ours = run_backtest(bars, target, in_whole_units(priced(bars, Costs(commission, 0, 0), "open")), capital=CAPITAL)
    equity, trades = peer(bars, target, commission, none, none)
    assert [(trade.entry_row, trade.exit_row, trade.side) for trade in ours.trades] == [
        (entry, left, int(np.sign(size))) for entry, left, size in zip(trades["EntryBar"], trades["ExitBar"], trades["Size"], strict=True)
    ]
    share = commission * np.abs(target).max()
    apart = np.abs(equity - ours.equity).max()
    assert 1e-9 * CAPITAL < apart < 2.0 * share * sum(abs(trade.pnl) for trade in ours.trades)
