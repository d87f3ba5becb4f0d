"""How much money a strategy can trade before it is a share of the volume, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nullalpha.core.errors import DataError
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.capacity import capacity, capacity_at, volume_shares
from nullalpha.engines.backtest.run import run_backtest
from tests.support.executions import execution


def run(bars, target, capital=1000.0, **rows):
    return run_backtest(bars, np.array(target, dtype=float), execution(bars, Costs(0, 0, 0), "open"), capital=capital, **rows)


def traded(make_bars, volume, **fields):
    return replace(make_bars([100, 100, 100, 100], **fields), volume=np.array(volume, dtype=float))


def test_the_account_whose_fills_are_one_percent_of_the_volume(make_bars):
    # 10 units of 5000 in and 10 of 2000 out, with 1000: 0.002 and 0.005 of volume, 0.000005 at most for each unit of money. 1 % of volume
    # is an account of 0.01 / 0.000005 = 2000, 5 % of 10000. With ten times the capital the same.
    bars = traded(make_bars, [9, 5000, 9, 2000])
    for capital in (1000.0, 10_000.0):
        found = capacity([run(bars, [1, 1, 0, 0], capital)], bars)
        assert (found.at_1_percent, found.at_5_percent) == pytest.approx((2000, 10_000))


def test_the_fills_of_a_reversal_take_from_the_same_volume(make_bars):
    # Row 2: 10 out and 10 short in: 20 of 1000, with 1000: 0.00002. Rows 1 and 3: 10 of 10000.
    bars = traded(make_bars, [9, 10_000, 1000, 10_000])
    assert volume_shares(run(bars, [1, -1, -1, -1]), bars) == pytest.approx([1e-6, 2e-5, 1e-6])
    assert capacity([run(bars, [1, -1, -1, -1])], bars).at_1_percent == pytest.approx(500)


def test_an_account_that_has_grown_is_measured_by_what_it_was_before_the_bar(make_bars):
    # 10 units at 100; marked at 200, equity 2000; sold at row 3's open: 10 of 1000 with 2000.
    bars = replace(make_bars([100, 100, 200, 200]), volume=np.full(4, 1000.0))
    assert volume_shares(run(bars, [1, 1, 0, 0]), bars) == pytest.approx([0.01 / 1000, 0.01 / 2000])


def test_shares_and_contracts_as_traded_are_compared_with_the_volume_as_traded(make_bars):
    # Factor 0.5: 10 units are 5 shares. Multiplier 5: 10 units are 2 contracts.
    bars = traded(make_bars, [1000] * 4)
    split = replace(bars, factor=np.array([0.5, 0.5, 1.0, 1.0]))
    assert volume_shares(run(split, [1, 1, 0, 0]), split) == pytest.approx([5e-6, 1e-5])
    assert volume_shares(run(bars, [1, 1, 0, 0]), bars, multiplier=5.0) == pytest.approx([2e-6, 2e-6])


def test_a_few_bars_without_volume_are_outside_the_95th_percentile_and_many_are_not():
    # Of 100 fills the 95th percentile is the 96th smallest: 4 without volume lie above it, 5 reach it.
    assert capacity_at(0.01, np.array([1e-6] * 96 + [np.inf] * 4)) == pytest.approx(10_000)
    assert capacity_at(0.01, np.array([1e-6] * 94 + [np.inf] * 6)) == 0.0


def test_without_volumes_the_capacity_is_not_known_and_without_trades_it_has_no_end(make_bars):
    unknown = make_bars([100, 100, 100, 100])
    assert np.isnan(capacity([run(unknown, [1, 1, 0, 0])], unknown).at_1_percent)
    bars = traded(make_bars, [5000] * 4)
    assert capacity([run(bars, [0, 0, 0, 0])], bars).at_5_percent == np.inf


def test_folds_are_pooled(make_bars):
    # The second fold's fills are 10 of 500 with 1000.
    bars = traded(make_bars, [5000, 5000, 500, 500])
    folds = [run(bars, [1, 1, 1, 1], start_row=a, stop_row=b) for a, b in ((0, 2), (2, 4))]
    assert capacity(folds, bars).at_1_percent == pytest.approx(0.01 / (20 / 500 / 1000))


def test_other_bars_are_refused(make_bars):
    bars = traded(make_bars, [5000] * 4)
    result = run(bars, [1, 1, 0, 0])
    for other in (bars.slice(1, 4), replace(bars, instrument="OTHER")):
        with pytest.raises(DataError, match="these bars are not"):
            capacity([result], other)
