"""Random entry tells timing from holding, at its level, whatever past the rule reacts to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from nullalpha.core.errors import DataError
from nullalpha.engines.backtest.exposure import matched_exposure
from nullalpha.engines.evidence.random_entry import random_entry

N_PRIOR, N_TEST = 500, 1500


def positions(returns: np.ndarray, look_back: int, sign: int) -> np.ndarray:
    """Long at the close of t when the last `look_back` returns say so; the position earns the return of t + 1."""
    total = np.cumsum(returns)
    past = np.zeros(len(returns))
    past[look_back:] = total[look_back:] - total[:-look_back]
    return (sign * past > 0).astype(float)


def timing_of(exposure: np.ndarray) -> np.ndarray:
    """Return what was held through each of the last bars less the matched exposure, both known before the bar."""
    start = len(exposure) - N_TEST
    matched = matched_exposure(exposure[start:], np.zeros(N_TEST, dtype=int), [exposure[start - N_PRIOR : start]])
    return exposure[start - 1 : -1] - matched


def p_of_a_rule(seed: int, look_back: int, sign: int, drift: float) -> float:
    returns = np.random.default_rng(seed).normal(drift, 0.01, N_PRIOR + N_TEST + 300)
    timing = timing_of(positions(returns, look_back, sign))
    return random_entry(timing[:, None], returns[-N_TEST:, None], bars_per_year=252, seed=seed, n_draws=200).p


@pytest.mark.parametrize("drift", [0.0, 0.0004])
@pytest.mark.parametrize("look_back", [5, 20, 200])
@pytest.mark.parametrize("sign", [-1, 1])
def test_rules_on_noise_pass_no_more_often_than_the_level_says(look_back: int, sign: int, drift: float) -> None:
    n = 80
    passed = sum(p_of_a_rule(seed, look_back, sign, drift) <= 0.2 for seed in range(n))
    assert passed <= binom.ppf(0.999, n, 0.2), f"{passed} of {n} at level 0.2"


def test_two_instruments_that_move_together_are_turned_together() -> None:
    """Were each turned alone, copies would be less volatile than the real, synchronous trades, and noise would pass too often."""
    n, passed = 80, 0
    for seed in range(n):
        rng = np.random.default_rng(seed)
        common = rng.normal(0.0, 0.01, (N_PRIOR + N_TEST + 300, 1))
        returns = 0.92 * common + 0.39 * rng.normal(0.0, 0.01, (len(common), 2))
        timing = timing_of(positions(common[:, 0], 20, 1))
        both = np.stack([timing, timing], axis=1) / 2
        passed += random_entry(both, returns[-N_TEST:], bars_per_year=252, seed=seed, n_draws=200).p <= 0.1
    assert passed <= binom.ppf(0.999, n, 0.1)


def test_real_timing_is_found() -> None:
    returns = np.random.default_rng(1).normal(0.0, 0.01, N_PRIOR + N_TEST + 300)
    knows_tomorrow = np.concatenate((returns[1:] > 0, [False])).astype(float)
    noise = np.random.default_rng(2).random(len(returns))
    exposure = np.where(noise < 0.9, positions(returns, 20, 1), knows_tomorrow)  # a tenth of its positions know
    result = random_entry(timing_of(exposure)[:, None], returns[-N_TEST:, None], bars_per_year=252, seed=1, n_draws=400)
    assert result.p < 0.05
    assert result.actual_sharpe > result.quantiles[-1]


def test_every_turn_of_a_small_ring_by_hand() -> None:
    """One bar held, on the one good bar of twenty: only the turn by nothing does as well, and no copy is turned by nothing."""
    timing, returns = np.zeros((20, 1)), np.full((20, 1), -0.01)
    timing[7], returns[7] = 1.0, 0.05
    result = random_entry(timing, returns, bars_per_year=1, seed=0, n_draws=99)
    assert result.p == pytest.approx(0.01)
    earned = np.zeros(20)
    earned[7] = 0.05
    assert result.actual_sharpe == pytest.approx(earned.mean() / earned.std())


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(0.1, 10.0), seed=st.integers(0, 1000))
def test_the_size_of_positions_does_not_matter(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    timing, returns = rng.normal(size=(60, 2)), rng.normal(0.0, 0.01, (60, 2))
    one, other = (random_entry(t, returns, bars_per_year=252, seed=3, n_draws=50) for t in (timing, timing * scale))
    assert one.p == other.p
    assert one.actual_sharpe == pytest.approx(other.actual_sharpe)


def test_the_same_seed_gives_the_same_p() -> None:
    rng = np.random.default_rng(5)
    timing, returns = rng.normal(size=(100, 1)), rng.normal(0.0, 0.01, (100, 1))
    assert random_entry(timing, returns, bars_per_year=252, seed=1) == random_entry(timing, returns, bars_per_year=252, seed=1)


def test_no_position_has_no_p() -> None:
    result = random_entry(np.zeros((30, 1)), np.ones((30, 1)), bars_per_year=252, seed=0)
    assert np.isnan(result.p)
    assert np.isnan(result.actual_sharpe)


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="shapes"):
        random_entry(np.zeros((30, 1)), np.zeros((30, 2)), bars_per_year=252, seed=0)
    with pytest.raises(DataError, match="at least 20"):
        random_entry(np.zeros((5, 1)), np.zeros((5, 1)), bars_per_year=252, seed=0)
    with pytest.raises(DataError, match="missing"):
        random_entry(np.full((30, 1), np.nan), np.zeros((30, 1)), bars_per_year=252, seed=0)
