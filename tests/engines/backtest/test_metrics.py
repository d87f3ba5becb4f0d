"""Figures worked by hand, and what is undefined stays undefined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.exposure import excess_returns, matched_exposure
from nullalpha.engines.backtest.metrics import (
    annual_return,
    compounded_by_session,
    drawdown,
    performance,
    session_returns,
    sharpe_ratio,
)
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.engines.backtest.stitch import stitch
from tests.support.executions import execution


def account(bars, target, costs=None):
    costs = costs or Costs(0.0, 0.0, 0.0)
    return stitch([run_backtest(bars, np.array(target, dtype=float), execution(bars, costs, "close"), capital=1000.0)])


def times(*stamps):
    return np.array(stamps, dtype="datetime64[ns]")


def test_performance_of_a_small_account_by_hand(make_bars):
    # In at close 1 = 100 (10 units), out at close 3 = 120; short at close 4 = 125 for 1200 / 125 = 9.6 units, out at close 5 = 100.
    # Equity 1000 1000 900 1200 1200 1440. Traded 1000 + 1200 + 1200 + 960.
    result = account(make_bars([100, 100, 90, 120, 125, 100]), [1, 1, 0, -1, -1, -1])
    assert result.equity == pytest.approx([1000, 1000, 900, 1200, 1200, 1440])
    figures = performance(result, 252)
    returns = np.array([0, 0, -0.1, 1 / 3, 0, 0.2])
    assert figures.n_sessions == 6
    assert figures.total_return == pytest.approx(0.44)
    assert figures.annual_return == pytest.approx(1.44 ** (252 / 6) - 1)
    deviation = math.sqrt(((returns - returns.mean()) ** 2).sum() / 5)
    assert figures.annual_volatility == pytest.approx(deviation * math.sqrt(252))
    assert figures.sharpe == pytest.approx(returns.mean() / deviation * math.sqrt(252))
    assert figures.max_drawdown == pytest.approx(-0.1)
    assert figures.mean_exposure == pytest.approx((1 + 1 - 1) / 6)
    assert figures.annual_turnover == pytest.approx((1000 / 1000 + 1200 / 900 + 1200 / 1200 + 960 / 1200) / 6 * 252)
    assert (figures.n_trades, figures.hit_rate, figures.mean_holding_bars) == (2, 1.0, 1.5)
    assert figures.fees_fraction == 0


def test_costs_count_as_a_fraction_of_the_equity_before_them(make_bars):
    # 1 % commission, 10 units at 100: 10 of 1000; out at 110: 11 of the 990 before: flat 1079.
    figures = performance(account(make_bars([100, 100, 110]), [1, 1, 1], Costs(0.01, 0.0, 0.0)), 252)
    assert figures.fees_fraction == pytest.approx(10 / 1000 + 11 / 990)
    assert figures.total_return == pytest.approx(0.079)


def test_an_account_that_never_traded_has_undefined_figures_not_zeros(make_bars):
    figures = performance(account(make_bars([100, 90, 120]), [0, 0, 0]), 252)
    assert math.isnan(figures.sharpe)
    assert math.isnan(figures.hit_rate)
    assert math.isnan(figures.mean_holding_bars)
    assert (figures.total_return, figures.annual_volatility, figures.max_drawdown, figures.n_trades) == (0, 0, 0, 0)


def test_figures_that_need_two_sessions_are_nan_for_one(make_bars):
    figures = performance(account(make_bars([100]), [0]), 252)
    assert math.isnan(figures.sharpe)
    assert math.isnan(figures.annual_volatility)


def test_the_annualisation_factor_must_be_a_number_of_sessions(make_bars):
    with pytest.raises(UsageError, match="sessions_per_year"):
        performance(account(make_bars([100, 90, 120]), [0, 0, 0]), 0)


def test_a_year_of_sessions_annualises_to_itself():
    assert annual_return(0.21, 2.0) == pytest.approx(0.1)
    assert annual_return(-1.0, 2.0) == -1.0
    assert math.isnan(annual_return(-1.2, 2.0))
    assert math.isnan(annual_return(0.1, 0.0))


def test_equal_returns_have_no_sharpe_ratio():
    assert math.isnan(sharpe_ratio(np.full(7, 0.001), 252))
    assert math.isnan(sharpe_ratio(np.array([0.001]), 252))


def test_drawdown_counts_from_the_running_peak_and_the_capital():
    assert drawdown(np.array([90.0, 120.0, 60.0, 150.0, -15.0]), 100.0) == pytest.approx([-0.1, 0, -0.5, 0, -1.1])
    with pytest.raises(InsufficientBarsError):
        drawdown(np.array([]), 1.0)


def test_intraday_equity_is_read_at_each_date_s_last_bar():
    time = times("2020-01-01T15:00", "2020-01-01T21:00", "2020-01-02T15:00", "2020-01-02T21:00", "2020-01-06T15:00")
    sessions = session_returns(time, np.array([101.0, 110.0, 90.0, 99.0, 198.0]), 100.0)
    assert sessions.date.astype(str).tolist() == ["2020-01-01", "2020-01-02", "2020-01-06"]
    assert sessions.returns == pytest.approx([0.1, -0.1, 1.0])


def test_a_bar_that_closes_at_midnight_belongs_to_the_date_that_ends():
    time = times("2020-01-01T12:00", "2020-01-02T00:00", "2020-01-02T12:00")
    assert session_returns(time, np.array([100.0, 110.0, 121.0]), 100.0).returns == pytest.approx([0.1, 0.1])


def test_daily_returns_come_back_one_for_one(make_bars):
    result = account(make_bars([100, 100, 90, 120, 125, 100]), [1, 1, 0, -1, -1, -1])
    np.testing.assert_allclose(session_returns(result.time, result.equity, result.capital).returns, result.returns)
    np.testing.assert_allclose(compounded_by_session(result.time, result.returns).returns, result.returns, atol=1e-15)


def test_bar_returns_compound_within_a_date():
    time = times("2020-01-01T15:00", "2020-01-01T21:00", "2020-01-02T15:00")
    assert compounded_by_session(time, np.array([0.1, 0.1, -0.5])).returns == pytest.approx([0.21, -0.5])


def test_sessions_need_bars_and_a_value_for_each():
    with pytest.raises(InsufficientBarsError):
        session_returns(times(), np.array([]), 1.0)
    with pytest.raises(DataError, match="1 times for 2 values"):
        session_returns(times("2020-01-01"), np.array([1.0, 2.0]), 1.0)


def test_matched_exposure_is_the_mean_of_what_was_held_before_the_bar():
    # Fold 0: prior 1, 0: 0.5; then (1 + 0) / 3; then (1 + 0 + 1) / 4. Fold 1: prior 1, 1: 1; then (2 - 0.5) / 3.
    exposure = np.array([0.0, 1.0, 1.0, -0.5, 0.0])
    folds = np.array([0, 0, 0, 1, 1])
    matched = matched_exposure(exposure, folds, [np.array([1.0, 0.0]), np.array([1.0, 1.0])])
    assert matched == pytest.approx([0.5, 1 / 3, 0.5, 1.0, 0.5])
    returns, instrument = np.array([0.0, 0.06, -0.03, -0.02, 0.0]), np.array([0.03, 0.06, -0.03, 0.04, 0.02])
    assert excess_returns(returns, matched, instrument) == pytest.approx([-0.015, 0.04, -0.015, -0.06, -0.01])


@given(st.integers(0, 19), st.floats(-1, 1))
def test_no_exposure_of_a_bar_or_after_it_moves_what_the_bar_is_matched_with(row: int, changed: float):
    exposure = np.linspace(-1.0, 1.0, 20)
    other = exposure.copy()
    other[row:] = changed
    folds, priors = np.repeat([0, 1], 10), [np.array([0.2]), np.array([-0.3, 0.1])]
    before, after = (matched_exposure(e, folds, priors) for e in (exposure, other))
    np.testing.assert_array_equal(before[: row + 1], after[: row + 1])


def test_a_fold_with_nothing_before_it_has_no_match_in_its_first_bar():
    matched = matched_exposure(np.array([1.0, 1.0]), np.array([0, 0]), [np.zeros(0)])
    assert np.isnan(matched[0])
    assert matched[1] == 1.0


def test_always_holding_has_no_excess():
    rng = np.random.default_rng(3)
    instrument = rng.normal(0.001, 0.01, 50)
    matched = matched_exposure(np.full(50, 0.7), np.repeat([0, 1], 25), [np.full(5, 0.7)] * 2)
    np.testing.assert_allclose(excess_returns(0.7 * instrument, matched, instrument), 0.0, atol=1e-15)


def test_excess_needs_one_value_a_bar_of_each_series():
    with pytest.raises(DataError, match="3 and 2 bars"):
        matched_exposure(np.zeros(3), np.zeros(2, dtype=int), [np.zeros(1)])
    with pytest.raises(DataError, match="1 priors for 2 folds"):
        matched_exposure(np.zeros(2), np.array([0, 1]), [np.zeros(1)])
    with pytest.raises(DataError, match="2, 3 and 3 bars"):
        excess_returns(np.zeros(2), np.zeros(3), np.zeros(3))
