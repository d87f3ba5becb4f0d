"""Random entry passes noise at its level however positions are entered and left: nothing inside a bar is spared its loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.engines.account_json import held_and_earned
from nullalpha.engines.backtest.decision import EntryKind, EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import execution_of
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.engines.backtest.stitch import stitch
from nullalpha.engines.evidence.random_entry import random_entry
from nullalpha.engines.experiment import MarketSeries

N, PRIOR, STEPS = 1500, 500, 30
FREE = Instrument("X", "x", "24/7", "USD", "open", 365, Costs(0.0, 0.0, 0.0), "invented")


def noise(seed: int) -> Bars:
    """Daily bars of a random walk of thirty steps a day."""
    steps = np.random.default_rng(seed).normal(0.0, 0.01 / np.sqrt(STEPS), N * STEPS)
    path = 100.0 * np.exp(np.cumsum(steps)).reshape(N, STEPS)
    open_ = np.concatenate(([100.0], path[:-1, -1]))
    time = np.datetime64("2010-01-01T21:00", "ns") + np.arange(N) * np.timedelta64(1, "D")
    return Bars("X", "1d", time, open_, np.maximum(path.max(1), open_), np.minimum(path.min(1), open_), path[:, -1], np.full(N, 1e6))


def p_of_uninformed_orders(seed: int, kind: EntryKind, exits: str) -> float:
    bars = noise(seed)
    execution = execution_of(bars, FREE)
    target = np.repeat(np.random.default_rng([seed, 1]).choice([0.0, 1.0, -1.0], N // 3 + 1), 3)[:N]
    entry = None if kind == "market" else EntryOrders(kind, 0.004 * bars.close, valid_bars=3)
    away, none = 0.008 * bars.close, np.zeros(N)
    leave = ExitDistances(away if exits == "stop" else none, away if exits == "target" else none, 0, away if exits == "trailing" else none)
    parts = [
        run_backtest(bars, target, execution, entry=entry, exits=leave, capital=1e6, start_row=start, stop_row=stop)
        for start, stop in ((0, PRIOR), (PRIOR, N))
    ]
    account = stitch([parts[1]], [parts[0].exposure])
    held, earned = held_and_earned(account, MarketSeries(FREE, bars))
    timing = (held - account.matched_exposure)[:, None]
    return random_entry(timing, earned[:, None], bars_per_year=365, seed=seed, n_draws=200).p


@pytest.mark.parametrize(
    ("kind", "exits"),
    [("market", ""), ("limit", ""), ("stop", ""), ("market", "stop"), ("market", "target"), ("market", "trailing"), ("stop", "stop")],
)
def test_orders_without_information_pass_no_more_often_than_the_level_says(kind: EntryKind, exits: str) -> None:
    n = 40
    passed = sum(p_of_uninformed_orders(seed, kind, exits) <= 0.2 for seed in range(n))
    assert passed <= binom.ppf(0.999, n, 0.2), f"{passed} of {n} at level 0.2"
