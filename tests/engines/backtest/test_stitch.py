"""Folds chained into one account, and accounts held side by side."""

from __future__ import annotations

import numpy as np
import pytest

from nullalpha.core.errors import DataError, InsufficientBarsError
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.engines.backtest.stitch import combine, stitch
from tests.support.executions import execution

FREE = Costs(0.0, 0.0, 0.0)


def fold(bars, start, stop, target=1.0, costs=FREE, capital=1000.0):
    return run_backtest(bars, np.full(len(bars), target), execution(bars, costs, "close"), capital=capital, start_row=start, stop_row=stop)


def test_each_fold_starts_flat_with_the_equity_reached_before(make_bars):
    # Fold 0: in at close 1 = 100, out at close 2 = 110: 1.1. Fold 1: in at close 4 = 120, out at close 5 = 150: 1.25. In all 1.375.
    bars = make_bars([90, 100, 110, 115, 120, 150])
    result = stitch([fold(bars, 0, 3), fold(bars, 3, 6, capital=50.0)])
    assert result.equity == pytest.approx([1000, 1000, 1100, 1100, 1100, 1375])
    assert result.returns == pytest.approx([0, 0, 0.1, 0, 0, 0.25])
    assert result.fold_ids.tolist() == [0, 0, 0, 1, 1, 1]
    first, second = result.trades
    assert (first.pnl, second.pnl) == pytest.approx((100, 275))
    assert second.units == pytest.approx(1100 / 120)
    assert not result.ruined


def test_costs_and_trades_scale_with_the_equity_reached(make_bars):
    costs = Costs(0.01, 0.0, 0.0)
    bars = make_bars([90, 100, 110, 115, 120, 150])
    result = stitch([fold(bars, 0, 3, costs=costs), fold(bars, 3, 6, costs=costs)])
    # Fold 0: 10 units: -10 at entry, 1100 - 11 at exit: 1079. Fold 1: 1079 / 120 units: -10.79, then 1348.75 - 13.4875: 1324.4725.
    assert result.equity[[2, 5]] == pytest.approx([1079, 1324.4725])
    assert result.commission == pytest.approx([0, 10, 11, 0, 10.79, 13.4875])
    assert result.turnover_notional == pytest.approx([0, 1000, 1100, 0, 1079, 1348.75])
    assert sum(trade.pnl for trade in result.trades) == pytest.approx(result.equity[-1] - result.capital)
    assert sum(trade.fees for trade in result.trades) == pytest.approx(result.fees.sum())


def test_excess_is_matched_fold_by_fold(make_bars):
    # Fold 0 held 1/2 before it: then exposures 0, 1, 0 join: 1/2, 1/4, 2/4 x (0.5 + 0.5 + 0 + 1) ... Fold 1 held nothing and holds nothing.
    bars = make_bars([90, 100, 110, 115, 120, 150])
    result = stitch([fold(bars, 0, 3), fold(bars, 3, 6, target=0.0)], [np.array([0.5, 0.5]), np.array([0.0])])
    # Bar 1: (0.5 + 0.5 + 0) / 3 = 1/3. Bar 2: (0.5 + 0.5 + 0 + 1) / 4 = 1/2.
    assert result.matched_exposure == pytest.approx([0.5, 1 / 3, 0.5, 0, 0, 0])
    assert np.isnan(result.excess[0])  # the first bar has no return of its own: nothing precedes it
    assert result.excess[1:] == pytest.approx([-(1 / 3) * (1 / 9), 0.1 - 0.5 * 0.1, 0, 0, 0])
    assert result.instrument_returns[3] == pytest.approx(115 / 110 - 1)


def test_nothing_is_traded_after_a_fold_that_ruined_the_account(make_bars):
    bars = make_bars([100, 100, 300, 100, 100, 50])
    result = stitch([fold(bars, 0, 3, target=-1.0), fold(bars, 3, 6, target=-1.0)])
    assert result.ruined
    assert result.equity == pytest.approx([1000, 1000, -1000, -1000, -1000, -1000])
    assert result.returns[3:].tolist() == [0, 0, 0]
    assert result.exposure[3:].tolist() == [0, 0, 0]
    assert len(result.trades) == 1


def test_folds_that_do_not_follow_each_other_are_refused(make_bars):
    bars = make_bars([90, 100, 110, 115, 120, 150])
    with pytest.raises(DataError, match="begins before"):
        stitch([fold(bars, 0, 3), fold(bars, 2, 6)])
    with pytest.raises(DataError, match="begins before"):
        stitch([fold(bars, 3, 6), fold(bars, 0, 3)])
    with pytest.raises(DataError, match="cannot be stitched"):
        stitch([fold(bars, 0, 3), fold(make_bars([1] * 6, instrument="OTHER"), 3, 6)])
    with pytest.raises(InsufficientBarsError):
        stitch([])


def test_two_accounts_share_the_capital_and_are_never_rebalanced(make_bars):
    # A: 500 in at close 1 = 100, doubled by close 3. B begins two days later: 500 is cash until then, in at its close 1 = 50, up 20 % at
    # its close 2. Days 1 to 5; A has bars on days 1 to 4, B on days 3 to 5.
    a = stitch([fold(make_bars([100, 100, 150, 200], instrument="A"), 0, 4)])
    b = stitch([fold(make_bars([50, 50, 60], instrument="B", first="2020-01-03T21:00"), 0, 3, capital=7.0)])
    both = combine([a, b])
    assert both.instruments == ("A", "B")
    assert both.equity == pytest.approx([1000, 1000, 1250, 1500, 1600])
    assert both.returns == pytest.approx([0, 0, 0.25, 0.2, 1 / 15])
    # Day 2: A's 500 of 1000. Day 3: A's 750 of 1250. Day 4: A is flat, B holds 500 of 1500.
    assert both.exposure == pytest.approx([0, 0.5, 0.6, 500 / 1500, 0])
    assert [(trade.instrument, trade.pnl) for trade in both.trades] == [("A", pytest.approx(500)), ("B", pytest.approx(100))]


def test_combined_returns_are_the_accounts_weighted_by_equity_before_the_bar(make_bars):
    a = stitch([fold(make_bars([90, 100, 110, 121, 121], instrument="A"), 1, 5)])
    b = stitch([fold(make_bars([60, 50, 50, 40, 40], instrument="B"), 1, 5, target=-0.5)])
    both = combine([a, b])
    weight = 0.5 * np.concatenate(([1000.0], a.equity[:-1])) / np.concatenate(([1000.0], both.equity[:-1]))
    np.testing.assert_allclose(both.returns, weight * a.returns + (1 - weight) * b.returns, atol=1e-12)
    np.testing.assert_allclose(both.excess, weight * a.excess + (1 - weight) * b.excess, atol=1e-12)


def test_one_account_combined_is_itself(make_bars):
    one = stitch([fold(make_bars([90, 100, 110, 121, 100]), 1, 5)])
    same = combine([one])
    for name in (
        "time",
        "equity",
        "returns",
        "exposure",
        "matched_exposure",
        "excess",
        "fold_ids",
        "commission",
        "turnover_notional",
        "trade_array",
    ):
        np.testing.assert_array_equal(getattr(same, name), getattr(one, name))


def test_accounts_that_cannot_stand_side_by_side_are_refused(make_bars):
    one = stitch([fold(make_bars([90, 100, 110]), 0, 3)])
    with pytest.raises(DataError, match="twice"):
        combine([one, one])
    with pytest.raises(InsufficientBarsError):
        combine([])
