"""The Sharpe estimate against formulas of the papers, an independent library and simulation."""

import math

import numpy as np
import pytest
from arch.covariance.kernel import Bartlett
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError
from nullalpha.engines.evidence.long_run import automatic_bandwidth, long_run_variance
from nullalpha.engines.evidence.sharpe import sharpe_estimate


def autoregressive(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    noise = rng.normal(size=n + 200)
    for t in range(1, len(noise)):
        noise[t] += rho * noise[t - 1]
    return noise[200:]


def test_sharpe_of_a_series_worked_by_hand() -> None:
    estimate = sharpe_estimate(np.array([0.01, 0.03, -0.01, 0.01]), 252)
    # mean 0.01, sum of squared deviations 0.0008, so standard deviation sqrt(0.0008 / 3)
    assert estimate.value == pytest.approx(0.01 / math.sqrt(0.0008 / 3) * math.sqrt(252))
    assert (estimate.skew, estimate.kurtosis) == (pytest.approx(0.0), pytest.approx(2.0))
    assert (estimate.n, estimate.sessions_per_year) == (4, 252)


def test_error_without_autocorrelation_is_that_of_mertens() -> None:
    rng = np.random.default_rng(3)
    returns = -0.004 * rng.gamma(1.0, size=200_000) + 0.005
    per_period = returns.mean() / returns.std()
    estimate = sharpe_estimate(returns, 1)
    mertens = math.sqrt((1 - estimate.skew * per_period + (estimate.kurtosis - 1) / 4 * per_period**2) / len(returns))
    normal = math.sqrt((1 + per_period**2 / 2) / len(returns))
    assert estimate.standard_error == pytest.approx(mertens, rel=0.04)
    assert abs(mertens / normal - 1) > 0.1  # the skew matters here, so that the figure above tests something


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.4])
def test_long_run_variance_agrees_with_arch(rho: float) -> None:
    values = autoregressive(np.random.default_rng(5), 1700, rho)
    reference = Bartlett(values)
    assert automatic_bandwidth(values) == pytest.approx(reference.opt_bandwidth)
    assert long_run_variance(values) == pytest.approx(float(np.squeeze(reference.cov.long_run)))


def test_bandwidth_never_exceeds_the_root_of_the_sample() -> None:
    alternating = np.tile([1.0, -1.0], 200) + 1e-3 * np.random.default_rng(0).normal(size=400)
    assert automatic_bandwidth(alternating) <= 20.0


def test_interval_from_the_error_covers_the_truth_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(300):
        returns = 0.01 * autoregressive(np.random.default_rng(seed), 800, 0.2)
        estimate = sharpe_estimate(returns, 252)
        inside += abs(estimate.value) < 1.645 * estimate.standard_error
    assert 0.84 <= inside / 300 <= 0.95  # 90 % +- 3 binomial deviations; an error blind to autocorrelation covers 82 %


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.1), np.array([]), np.array([0.01])])
def test_sharpe_without_variation_is_undefined_not_zero(returns: np.ndarray) -> None:
    estimate = sharpe_estimate(returns, 252)
    assert math.isnan(estimate.value)
    assert math.isnan(estimate.standard_error)


def test_a_missing_return_is_an_error_that_names_its_row() -> None:
    with pytest.raises(DataError, match=r"returns\[1\] is nan"):
        sharpe_estimate(np.array([0.01, np.nan, 0.02]), 252)
    with pytest.raises(DataError, match="sessions_per_year"):
        sharpe_estimate(np.array([0.01, 0.02]), 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
def test_sharpe_and_its_error_do_not_depend_on_leverage(seed: int, scale: float) -> None:
    returns = np.random.default_rng(seed).normal(0.001, 0.01, 120)
    one, other = sharpe_estimate(returns, 252), sharpe_estimate(returns * scale, 252)
    assert other.value == pytest.approx(one.value, rel=1e-9)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-6)
    assert sharpe_estimate(-returns, 252).value == pytest.approx(-one.value, rel=1e-9)
