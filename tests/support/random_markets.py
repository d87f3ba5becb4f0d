"""Random markets for the property tests: bars, a signal, orders of every kind, exits, and every rate that a bar can have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.kernel import (
    CAP,
    CARRY_LONG,
    CARRY_SHORT,
    DEBIT,
    FRICTION,
    IMPACT,
    INTEREST,
    LOT,
    N_RATES,
    PAYOUT,
    PER_UNIT,
    SPLIT,
    TICK,
)
from nullalpha.engines.backtest.result import BacktestResult
from nullalpha.engines.backtest.run import run_backtest

CAPITAL = 1000.0


@dataclass(frozen=True)
class Market:
    """All that `run_backtest` is asked."""

    bars: Bars
    target: FloatArray
    execution: Execution
    entry: EntryOrders | None
    exits: ExitDistances
    start: int
    stop: int
    capital: float = CAPITAL

    def backtest(self) -> BacktestResult:
        return run_backtest(
            self.bars, self.target, self.execution, entry=self.entry, exits=self.exits, capital=self.capital,
            start_row=self.start, stop_row=self.stop,
        )  # fmt: skip

    def with_rates(self, **columns: float | FloatArray) -> Market:
        """Return the same with columns of the rates, by the kernel's names in lower case, replaced."""
        rates = self.execution.rates.copy()
        for name, values in columns.items():
            rates[:, COLUMNS[name]] = values
        return replace(self, execution=replace(self.execution, rates=rates))


COLUMNS = {
    "friction": FRICTION, "impact": IMPACT, "lot": LOT, "tick": TICK, "per_unit": PER_UNIT, "cap": CAP, "carry_long": CARRY_LONG,
    "carry_short": CARRY_SHORT, "interest": INTEREST, "debit": DEBIT, "payout": PAYOUT, "split": SPLIT,
}  # fmt: skip


Choose = Callable[[Sequence[Any]], Any]


@st.composite
def markets(draw: st.DrawFn, whole: bool = True) -> Market:
    """Draw a market; `whole=False` leaves out what makes returns depend on the capital: lots, ticks, caps, impact, commissions by unit."""
    seed = draw(st.integers(0, 2**32 - 1))
    return market_of(np.random.default_rng(seed), lambda values: draw(st.sampled_from(values)), whole)


def market_of(rng: np.random.Generator, choose: Choose, whole: bool = True) -> Market:
    """Return a market: noise from `rng`, everything else as `choose` picks it."""
    n = choose(range(2, 61))
    scale = choose([0.005, 0.03, 0.3])
    rates = _rates(choose, rng, n, whole)
    bars = _bars(rng, n, scale, rates[:, SPLIT])
    rates[:, TICK] = np.where(rates[:, TICK] < bars.low.min(), rates[:, TICK], 0.0)
    levels = [choose([0.0, 1.0, -1.0, 0.5, -0.3, 2.5, -2.0]) for _ in range(choose([1, 2, 3, 4]))]
    target = rng.choice(levels, n)
    keep = rng.random(n) < choose([0.0, 0.5, 0.9])
    for row in range(1, n):
        target[row] = target[row - 1] if keep[row] else target[row]

    def distance() -> FloatArray:
        return np.where(rng.random(n) < 0.1, np.nan, bars.close * scale * choose([0.0, 0.5, 2.0]))

    exits = ExitDistances(distance(), distance(), choose([0, 0, 1, 2, 7]), distance())
    beyond = distance() if choose([False, True]) else None
    entry = EntryOrders(choose(["market", "limit", "stop", "stop_limit"]), distance(), beyond, choose([0, 1, 2, 5]))
    least = choose([0.0, 0.0, 1.0, 5.0]) if whole else 0.0
    execution = Execution(choose(["open", "close"]), choose([0.0, 0.0005, 0.02]), least, rates)
    start = choose(range(n))
    return Market(bars, target, execution, entry if choose([True, True, False]) else None, exits, start, choose(range(start + 1, n + 1)))


def _bars(rng: np.random.Generator, n: int, scale: float, split: FloatArray) -> Bars:
    shares = np.cumprod(split)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, scale, n)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0, scale / 2, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, scale / 2, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, scale / 2, n)))
    time = np.datetime64("2020-01-01T21:00", "ns") + np.arange(n) * np.timedelta64(1, "D")
    return Bars("TEST", "1d", time, open_ / shares, high / shares, low / shares, close / shares, rng.integers(0, 1000, n).astype(float))


def _rates(choose: Choose, rng: np.random.Generator, n: int, whole: bool) -> FloatArray:
    def now_and_then(share: float, values: list[float], otherwise: float = 0.0) -> FloatArray:
        return np.where(rng.random(n) < share, choose(values), otherwise)

    def two_halves(values: list[float]) -> FloatArray:
        first, second = choose(values), choose(values)
        return np.where(np.arange(n) < n // 2, first, second)

    rates = np.zeros((n, N_RATES))
    rates[:, FRICTION] = choose([0.0, 0.0002, 0.02]) * (1.0 + rng.random(n))
    rates[:, PAYOUT] = now_and_then(0.1, [0.0, 0.0, 0.5, 20.0])
    rates[:, SPLIT] = now_and_then(0.1, [1.0, 1.0, 2.0, 0.5], otherwise=1.0)
    rates[:, CARRY_LONG] = now_and_then(0.5, [0.0, 0.001, -0.0005, 0.2])
    rates[:, CARRY_SHORT] = now_and_then(0.5, [0.0, 0.001, -0.0005, 0.2])
    rates[:, INTEREST], rates[:, DEBIT] = choose([(0.0, 0.0), (0.001, 0.002), (-0.001, 0.05)])
    rates[:, CAP] = np.inf
    rates[:, PER_UNIT] = choose([0.0, 0.05]) if whole else 0.0
    if whole:
        rates[:, IMPACT] = now_and_then(0.7, [0.0, 0.0, 0.003])
        rates[:, LOT], rates[:, TICK] = two_halves([0.0, 0.0, 0.1, 1.0, 3.0]), two_halves([0.0, 0.0, 0.01, 0.25])
        rates[:, CAP] = rng.choice(choose([[np.inf], [np.inf], [0.0, 2.0, 5.0], [np.inf, 3.3], [1.0, 4.0]]), n)
    return rates
