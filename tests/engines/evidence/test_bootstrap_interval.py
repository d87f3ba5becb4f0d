"""The stationary bootstrap against a plain reference, `arch`, and its own promised coverage."""

import math

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from nullalpha.core.errors import DataError
from nullalpha.engines.evidence.block_length import stationary_block_length
from nullalpha.engines.evidence.bootstrap import bootstrap_sharpes, sharpe_interval
from nullalpha.engines.evidence.resampling import stationary_weights


def weights_by_definition(n: int, block: float, reps: int, rng: np.random.Generator) -> np.ndarray:
    weights = np.zeros((reps, n))
    for rep in range(reps):
        row = -1
        for i in range(n):
            row = int(rng.random() * n) if i == 0 or rng.random() < 1 / block else (row + 1) % n
            weights[rep, row] += 1
    return weights


@pytest.mark.parametrize("block", [1.0, 4.5, 30.0])
def test_kernel_equals_the_definition(block: float) -> None:
    expected = weights_by_definition(37, block, 20, np.random.default_rng(9))
    np.testing.assert_array_equal(stationary_weights(37, block, 20, np.random.default_rng(9)), expected)


def test_each_resample_has_as_many_rows_as_the_series() -> None:
    weights = stationary_weights(100, 7.0, 200, np.random.default_rng(0))
    assert (weights.sum(axis=1) == 100).all()
    assert weights.mean(axis=0) == pytest.approx(1.0, abs=0.5)


def test_resampled_sharpes_are_distributed_as_those_of_arch() -> None:
    rng = np.random.default_rng(4)
    returns = rng.normal(0.0006, 0.01, 400) + 0.5 * np.roll(rng.normal(0, 0.01, 400), 1)

    def ratio(x: np.ndarray) -> np.ndarray:
        return np.array([x.mean() / x.std(ddof=1)])

    theirs = StationaryBootstrap(8, returns, seed=1).apply(ratio, reps=4000)[:, 0]
    ours = bootstrap_sharpes(returns, 8.0, 1, 4000)
    spread = theirs.std()
    assert ours.mean() == pytest.approx(theirs.mean(), abs=5 * spread / math.sqrt(2000))
    assert ours.std() == pytest.approx(spread, rel=0.06)
    for q in (0.05, 0.5, 0.95):
        assert np.quantile(ours, q) == pytest.approx(np.quantile(theirs, q), abs=0.15 * spread)


def test_block_length_is_that_of_arch_held_between_one_and_the_root() -> None:
    rng = np.random.default_rng(6)
    noise = rng.normal(size=900)
    smooth = np.convolve(noise, np.ones(4) / 4, mode="same")
    trend = np.cumsum(noise)
    expected = float(optimal_block_length(smooth)["stationary"].iloc[0])
    assert stationary_block_length(smooth) == pytest.approx(expected)
    assert expected > 1.5
    assert stationary_block_length(trend) == 30.0
    assert stationary_block_length(np.zeros(900)) == 1.0
    assert stationary_block_length(np.column_stack([smooth, smooth, trend, np.zeros(900)])) == pytest.approx(expected)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    truth, inside = 0.05 * math.sqrt(252), 0
    for seed in range(200):
        returns = np.random.default_rng(seed).normal(0.05, 1.0, 400)
        interval = sharpe_interval(returns, 252, seed, reps=300, block=1.0)
        inside += interval.low <= truth <= interval.high
    assert 0.83 <= inside / 200 <= 0.96  # 90 % +- 3 binomial deviations


def test_interval_is_repeatable_and_widens_with_its_level() -> None:
    returns = np.random.default_rng(1).normal(0.0004, 0.01, 600)
    narrow, wide = sharpe_interval(returns, 252, 7, level=0.5), sharpe_interval(returns, 252, 7, level=0.95)
    assert sharpe_interval(returns, 252, 7, level=0.5) == narrow
    assert sharpe_interval(returns, 252, 8, level=0.5) != narrow
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.level, wide.level) == (0.5, 0.95)


def test_undefined_intervals_are_nan_and_bad_arguments_are_errors() -> None:
    interval = sharpe_interval(np.zeros(100), 252, 0)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    with pytest.raises(DataError, match="level is 1"):
        sharpe_interval(np.arange(10.0), 252, 0, level=1.0)
    with pytest.raises(DataError, match=r"block is 0\.5"):
        stationary_weights(10, 0.5, 1, np.random.default_rng(0))
