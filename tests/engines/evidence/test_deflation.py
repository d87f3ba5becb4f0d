"""Probabilistic and deflated Sharpe ratios against the worked examples of the papers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError
from nullalpha.engines.evidence.deflation import (
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_length,
    minimum_track_length_from_moments,
    probabilistic_sharpe,
    probabilistic_sharpe_from_moments,
)


@pytest.mark.parametrize(("skew", "kurtosis", "expected"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_probabilistic_sharpe_of_the_2012_paper(skew: float, kurtosis: float, expected: float) -> None:
    assert probabilistic_sharpe_from_moments(0.458, 24, skew, kurtosis) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("periods", "years"), [(250, 2.73), (52, 2.83), (12, 3.24)])
def test_minimum_track_record_of_the_2012_paper(periods: int, years: float) -> None:
    length = minimum_track_length_from_moments(2 / math.sqrt(periods), 0.0, 3.0, 1 / math.sqrt(periods))
    assert length / periods == pytest.approx(years, abs=5e-3)


@pytest.mark.parametrize(("n_trials", "skew", "kurtosis", "expected"), [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)])
def test_deflated_sharpe_of_the_2014_paper(n_trials: int, skew: float, kurtosis: float, expected: float) -> None:
    benchmark = expected_maximum_sharpe(n_trials, 0.5 / 250)
    if n_trials == 100:
        assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe_from_moments(2.5 / math.sqrt(250), 1250, skew, kurtosis, benchmark) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("n_trials", "best"), [(100, 1.13), (1_000, 1.46), (10_000, 1.73)])
def test_best_annual_sharpe_by_luck_over_five_years(n_trials: int, best: float) -> None:
    assert expected_maximum_sharpe(n_trials, 1 / 5) == pytest.approx(best, abs=5e-3)


def test_expected_maximum_agrees_with_simulation() -> None:
    best = np.random.default_rng(1).normal(size=(20_000, 50)).max(axis=1)
    assert expected_maximum_sharpe(50, 1.0) == pytest.approx(best.mean(), rel=0.02)  # the paper's formula is 1.3 % high at 50


def test_one_trial_has_no_maximum_to_expect() -> None:
    returns = np.random.default_rng(2).normal(0.001, 0.01, 500)
    assert expected_maximum_sharpe(1, 0.3) == 0.0
    assert deflated_sharpe(returns, np.array([0.05]), 1) == probabilistic_sharpe(returns, 0.0)


def test_deflation_uses_the_spread_of_the_known_trials_and_the_count_of_all() -> None:
    returns = np.random.default_rng(2).normal(0.001, 0.01, 500)
    sharpes = np.array([0.01, -0.03, np.nan, 0.05])
    variance = np.array([0.01, -0.03, 0.05]).var(ddof=1)
    assert deflated_sharpe(returns, sharpes, 40) == probabilistic_sharpe(returns, expected_maximum_sharpe(40, variance))


def test_undefined_figures_are_nan_and_bad_counts_are_errors() -> None:
    returns = np.random.default_rng(2).normal(0.001, 0.01, 50)
    assert math.isnan(probabilistic_sharpe(np.zeros(50)))
    assert math.isnan(minimum_track_length(np.zeros(50)))
    assert math.isnan(deflated_sharpe(returns, np.array([0.1]), 5))
    assert minimum_track_length(-np.abs(returns)) == math.inf
    with pytest.raises(DataError, match="n_trials is 1"):
        deflated_sharpe(returns, np.array([0.1, 0.2]), 1)
    with pytest.raises(DataError, match="n_trials is 0"):
        expected_maximum_sharpe(0, 1.0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), fewer=st.integers(2, 500), more=st.integers(1, 5_000))
def test_more_trials_never_make_a_result_more_credible(seed: int, fewer: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    returns, sharpes = rng.normal(0.0005, 0.01, 250), rng.normal(0.0, 0.05, 2)
    few, many = deflated_sharpe(returns, sharpes, fewer), deflated_sharpe(returns, sharpes, fewer + more)
    assert 0.0 <= many <= few <= 1.0
