"""The joint test: against `arch`, by its error rate under the null, and by its power."""

import math

import numpy as np
import pytest
from arch.bootstrap import SPA, StepM
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError
from nullalpha.engines.evidence.stepm import stepm_p_values


def correlated(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    return rng.standard_t(5, size=(n, k)) + 1.5 * rng.standard_t(5, size=(n, 1))


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_p_values_and_rejections_agree_with_arch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    excess = rng.normal(size=(600, 10)) + 0.7 * rng.normal(size=(600, 1))
    excess[:, :3] += [0.30, 0.22, 0.26]
    excess /= excess.std(axis=0)  # arch's statistic is not studentised: on equal scales the two tests are the same
    p_values = stepm_p_values(excess, seed, 2000, block=4.0)
    for size in (0.05, 0.1, 0.2):
        theirs = StepM(np.zeros(600), -excess, size=size, block_size=4, reps=1000, seed=seed)
        theirs.compute()
        clear = np.abs(p_values - size) > 0.03  # beyond the noise of two sets of resamples
        superior = np.isin(np.arange(10), theirs.superior_models)
        np.testing.assert_array_equal((p_values <= size)[clear], superior[clear])
    reality_check = SPA(np.zeros(600), -excess, block_size=4, reps=2000, seed=seed)
    reality_check.compute()
    assert p_values.min() == pytest.approx(reality_check.pvalues["upper"], abs=0.01)
    reality_check.subset(p_values > 0.05)
    reality_check.compute()
    assert p_values[p_values > 0.05].min() == pytest.approx(reality_check.pvalues["upper"], abs=0.045)


def test_p_value_of_one_strategy_is_that_of_its_t_statistic() -> None:
    excess = np.random.default_rng(0).normal(0.05, 1.0, (800, 1))
    t = excess.mean() / excess.std() * math.sqrt(800)
    normal = 0.5 * math.erfc(t / math.sqrt(2))
    assert stepm_p_values(excess, 3, 8000, block=1.0)[0] == pytest.approx(normal, abs=0.02)


@pytest.mark.parametrize("q", [0.05, 0.2])
def test_family_wise_error_is_held_under_correlation(q: float) -> None:
    n_simulations = 300
    false = sum(
        stepm_p_values(correlated(np.random.default_rng(seed), 300, 8), seed, 199, block=2.0).min() <= q for seed in range(n_simulations)
    )
    assert false / n_simulations <= q + 3 * math.sqrt(q * (1 - q) / n_simulations)
    assert false / n_simulations >= q / 3  # a test that never rejects would hold the error too


def test_a_planted_edge_is_found_and_its_copies_without_edge_are_not() -> None:
    found, false = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        excess = correlated(rng, 400, 8)
        excess[:, 5] += 0.25 * excess[:, 5].std()
        rejected = stepm_p_values(excess, seed, 299, block=2.0) <= 0.1
        found += rejected[5]
        false += rejected[np.arange(8) != 5].any()
    assert found >= 36
    assert false <= 10  # at q = 0.1 of 40, three deviations above


def test_strategies_that_never_trade_get_one_and_change_nothing() -> None:
    excess = np.random.default_rng(3).normal(0.1, 1.0, (300, 3))
    with_idle = np.insert(excess, 1, 0.0, axis=1)
    p_values = stepm_p_values(with_idle, 5, 500, block=1.0)
    assert p_values[1] == 1.0
    np.testing.assert_array_equal(p_values[[0, 2, 3]], stepm_p_values(excess, 5, 500, block=1.0))
    np.testing.assert_array_equal(stepm_p_values(np.zeros((50, 2)), 0), [1.0, 1.0])


def test_bad_arrays_are_errors_that_say_where() -> None:
    excess = np.zeros((5, 2))
    excess[3, 1] = np.nan
    with pytest.raises(DataError, match=r"excess_returns\[3, 1\] is nan"):
        stepm_p_values(excess, 0)
    with pytest.raises(DataError, match="shape"):
        stepm_p_values(np.zeros(5), 0)
    with pytest.raises(DataError, match="reps is 1"):
        stepm_p_values(np.zeros((5, 2)), 0, reps=1)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 6))
def test_adjusted_p_values_are_ordered_and_never_below_the_marginal_ones(seed: int, k: int) -> None:
    excess = np.random.default_rng(seed).normal(0.05, 1.0, (120, k)) * np.arange(1, k + 1)
    joint = stepm_p_values(excess, seed, 99, block=2.0)
    alone = np.array([stepm_p_values(excess[:, [i]], seed, 99, block=2.0)[0] for i in range(k)])
    assert ((joint > 0) & (joint <= 1)).all()
    assert (joint >= alone - 1e-12).all()
    np.testing.assert_array_equal(stepm_p_values(1e-4 * excess, seed, 99, block=2.0), joint)
