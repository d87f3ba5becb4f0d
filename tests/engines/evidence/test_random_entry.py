"""Random entry: its accounting by hand, its kernel by a plain reference, its p-values by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError
from nullalpha.engines.evidence.random_entry import RandomEntry, TradeSpans, random_entry

FOLDS = np.array([[0, 100], [100, 220]])


def spans(*trades: tuple[int, int, float]) -> TradeSpans:
    entry, leave, exposure = zip(*trades, strict=True)
    return TradeSpans(np.array(entry), np.array(leave), np.array(exposure, dtype=float))


def run(returns: np.ndarray, folds: np.ndarray, trades: TradeSpans, cost: float = 0.0, seed: int = 0, n_draws: int = 200) -> RandomEntry:
    return random_entry(returns, folds, trades, cost_per_round_trip=cost, bars_per_year=252, seed=seed, n_draws=n_draws)


def net_returns(returns: np.ndarray, trades: TradeSpans, cost: float) -> np.ndarray:
    net = np.zeros(len(returns))
    for entry, leave, exposure in zip(trades.entry_row, trades.exit_row, trades.exposure, strict=True):
        net[entry + 1 : leave + 1] += exposure * returns[entry + 1 : leave + 1]
        net[entry] -= cost * abs(exposure) / 2
        net[leave] -= cost * abs(exposure) / 2
    return net


def test_the_actual_sharpe_is_that_of_the_trades_by_hand() -> None:
    returns = np.array([9.0, 0.01, 0.02, -0.01, 0.03, 0.0])
    trades = spans((0, 2, 1.0), (2, 4, -0.5))
    # the fill's own row earns nothing; costs: half of 0.002 x |exposure| at rows 0, 2 (long) and 2, 4 (short)
    net = np.array([-0.001, 0.01, 0.02 - 0.001 - 0.0005, 0.005, -0.015 - 0.0005, 0.0])
    result = run(returns, np.array([[0, 6]]), trades, cost=0.002)
    assert result.actual_sharpe == pytest.approx(net.mean() / net.std(ddof=1) * math.sqrt(252))


def test_draws_equal_a_plain_reference_on_the_same_random_numbers() -> None:
    rng = np.random.default_rng(8)
    returns, cost = rng.normal(0, 0.01, 220), 0.001
    trades = spans((3, 9, 1.0), (9, 30, -0.5), (50, 50, 1.0), (101, 140, 0.7), (150, 151, -1.0))
    draws = np.random.default_rng(17)
    sharpes = []
    for _ in range(300):
        entry = np.empty(5, dtype=int)
        for (start, stop), group in zip(FOLDS, ([0, 1, 2], [3, 4]), strict=True):
            order = list(group)
            for k in range(len(order) - 1, 0, -1):
                other = int(draws.random() * (k + 1))
                order[k], order[other] = order[other], order[k]
            lengths = [int(trades.exit_row[i] - trades.entry_row[i]) for i in group]
            left, cells, row = len(order), len(order) + (stop - start - 1) - sum(lengths), start
            for i in order:
                while draws.random() * cells >= left:
                    row, cells = row + 1, cells - 1
                entry[i] = row
                row += int(trades.exit_row[i] - trades.entry_row[i])
                cells, left = cells - 1, left - 1
            assert row <= stop - 1
        leave = entry + trades.exit_row - trades.entry_row
        placed = np.argsort(entry, kind="stable")
        assert (np.sort(leave)[:-1] <= entry[placed][1:]).all()
        net = net_returns(returns, TradeSpans(entry, leave, trades.exposure), cost)
        sharpes.append(net.mean() / net.std(ddof=1))
    actual = net_returns(returns, trades, cost)
    p = (1 + sum(s >= actual.mean() / actual.std(ddof=1) for s in sharpes)) / 301
    result = run(returns, FOLDS, trades, cost=cost, seed=17, n_draws=300)
    assert result.p == pytest.approx(p)
    np.testing.assert_allclose(result.quantiles, np.quantile(sharpes, [0.05, 0.25, 0.5, 0.75, 0.95]) * math.sqrt(252))


def test_every_layout_is_equally_likely() -> None:
    # one trade of 1 bar in a fold of 5 rows: 4 places, and a return at one of them
    returns = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    result = run(returns, np.array([[0, 5]]), spans((1, 2, 1.0)), n_draws=4000)
    assert result.p == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 4000))


def test_a_fold_that_leaves_no_room_gives_no_evidence() -> None:
    returns = np.random.default_rng(0).normal(0, 0.01, 50)
    assert run(returns, np.array([[0, 50]]), spans((0, 49, 1.0))).p == 1.0


def test_p_values_are_uniform_for_trades_without_timing() -> None:
    p_values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        entry = np.sort(rng.choice(np.arange(0, 210, 6), 15, replace=False))
        trades = TradeSpans(entry, entry + rng.integers(0, 6, 15), rng.choice([1.0, -1.0, 0.4], 15))
        returns = rng.normal(0.001, 0.01, 220)
        p_values.append(run(returns, np.array([[0, 220]]), trades, cost=0.001, seed=seed, n_draws=99).p)
    for q in (0.1, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= q) == pytest.approx(q, abs=3 * math.sqrt(q * (1 - q) / 300))


def test_holding_a_rising_market_is_no_timing_but_catching_its_rises_is() -> None:
    idle = spans(*[(row, row + 6, 1.0) for row in range(3, 90, 9)])
    markets = [np.random.default_rng(seed).normal(0.004, 0.01, 220) for seed in range(60)]
    results = [run(returns, FOLDS, idle) for returns in markets]
    assert np.mean([result.actual_sharpe for result in results]) > 1.0
    assert np.mean([result.p for result in results]) == pytest.approx(0.5, abs=3 * math.sqrt(1 / 12 / 60))
    returns = markets[0]
    best = [row for row in np.argsort(-returns)[:25] if row % 100 != 0 and row > 0]
    assert run(returns, FOLDS, spans(*[(row - 1, row, 1.0) for row in sorted(best)])).p < 0.02


def test_without_trades_or_variation_there_is_no_p_value() -> None:
    none = TradeSpans(np.array([], dtype=int), np.array([], dtype=int), np.array([]))
    assert math.isnan(run(np.zeros(220), FOLDS, none).p)
    assert math.isnan(run(np.zeros(220), FOLDS, spans((1, 5, 1.0))).p)


@pytest.mark.parametrize(
    ("trades", "message"),
    [
        (spans((90, 105, 1.0)), "does not lie inside one fold"),
        (spans((5, 3, 1.0)), "does not lie inside one fold"),
        (spans((5, 9, 1.0), (8, 12, 1.0)), "before trade 0 left"),
    ],
)
def test_trades_that_no_fold_could_hold_are_errors(trades: TradeSpans, message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(np.zeros(220), FOLDS, trades)


def test_overlapping_folds_and_missing_returns_are_errors() -> None:
    with pytest.raises(DataError, match="disjoint"):
        run(np.zeros(220), np.array([[0, 100], [90, 220]]), spans((1, 5, 1.0)))
    with pytest.raises(DataError, match="missing"):
        run(np.full(220, np.nan), FOLDS, spans((1, 5, 1.0)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n_draws=st.integers(1, 60))
def test_p_lies_in_its_range_and_leverage_does_not_move_it(seed: int, n_draws: int) -> None:
    rng = np.random.default_rng(seed)
    entry = np.arange(0, 90, 9)
    trades = TradeSpans(entry, entry + rng.integers(1, 9, 10), rng.choice([1.0, -1.0], 10))
    returns = rng.normal(0, 0.01, 220)
    result = run(returns, FOLDS, trades, cost=0.001, seed=seed, n_draws=n_draws)
    doubled = run(returns, FOLDS, TradeSpans(entry, trades.exit_row, 2 * trades.exposure), cost=0.001, seed=seed, n_draws=n_draws)
    assert 1 / (1 + n_draws) <= result.p <= 1
    assert doubled.p == result.p
    assert list(result.quantiles) == sorted(result.quantiles)
