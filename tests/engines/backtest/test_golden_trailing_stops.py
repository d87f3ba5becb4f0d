"""Trailing stops worked by hand; each test's comment is the working. Every trade is 10 units at 100 of an account of 1000."""

from __future__ import annotations

import numpy as np
import pytest

from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import ExitDistances, exit_distances
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.strategy.plan import ExitPlan
from tests.support.executions import execution

FREE = Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0)
COSTLY = Costs(commission=0.001, half_spread_bps=5.0, slippage_bps=5.0)  # friction 0.001 of price


def trail(n, distance, stop=0.0, target=0.0, max_bars=0):
    return ExitDistances(np.full(n, float(stop)), np.full(n, float(target)), max_bars, np.full(n, float(distance)))


def run(bars, exits, side=1.0, basis="open", costs=FREE, target=None):
    wanted = np.full(len(bars), side) if target is None else np.array(target, dtype=float)
    return run_backtest(bars, wanted, execution(bars, costs, basis), exits=exits, capital=1000.0)


def exit_of(result):
    """Row, reason and price of the only trade's exit."""
    (trade,) = result.trades
    return trade.exit_row, trade.exit_reason, pytest.approx(trade.exit_price, abs=1e-9)


def test_a_long_s_stop_follows_the_highest_high_of_the_bars_before(make_bars):
    # In at open 1 = 100, distance 5: 95. Row 1's high of 104 brings it to 99, row 2's of 110 to 105. Row 3 opens at 108 and falls to 104:
    # out at 105: 10 x 5 = +50. Row 3's own high of 112 (107) does not count.
    bars = make_bars([100, 103, 109, 106, 106], [100, 100, 103, 108, 106], [100, 104, 110, 112, 106], [100, 98, 102, 104, 106])
    result = run(bars, trail(5, 5))
    assert exit_of(result) == (3, "trailing", 105)
    assert result.equity == pytest.approx([1000, 1030, 1090, 1050, 1050])


def test_a_short_s_stop_follows_the_lowest_low_of_the_bars_before(make_bars):
    # In at open 1 = 100, distance 5: 105. Row 1's low of 96 brings it to 101, row 2's of 90 to 95. Row 3 opens at 92 and rises to 96:
    # out at 95: 10 x 5 = +50.
    bars = make_bars([100, 97, 91, 94, 94], [100, 100, 97, 92, 94], [100, 102, 98, 96, 94], [100, 96, 90, 88, 94])
    result = run(bars, trail(5, 5), side=-1.0)
    assert exit_of(result) == (3, "trailing", 95)
    assert result.equity == pytest.approx([1000, 1030, 1090, 1050, 1050])


def test_a_gap_through_a_trailing_stop_fills_at_the_open_less_costs(make_bars):
    # Row 1's high of 110 brings the stop to 105; row 2 opens at 99: out at 99 x 0.999 = 98.901.
    bars = make_bars([100, 109, 99, 99], [100, 100, 99, 99], [100, 110, 99, 99], [100, 99, 98, 99])
    assert exit_of(run(bars, trail(4, 5), costs=COSTLY)) == (2, "trailing", 98.901)


def test_a_gap_through_a_short_s_trailing_stop_fills_at_the_open(make_bars):
    # Row 1's low of 90 brings the stop to 95; row 2 opens at 101.
    bars = make_bars([100, 91, 101, 101], [100, 100, 101, 101], [100, 101, 102, 101], [100, 90, 101, 101])
    assert exit_of(run(bars, trail(4, 5), side=-1.0)) == (2, "trailing", 101)


def test_a_trailing_stop_is_active_in_the_bar_of_its_own_fill_at_the_fill_s_distance(make_bars):
    # In at open 1 = 100; the bar rises to 120 and falls to 94: out at 95, not at 115: which came first is not known.
    bars = make_bars([100, 98, 99], [100, 100, 98], [100, 120, 99], [100, 94, 98])
    assert exit_of(run(bars, trail(3, 5))) == (1, "trailing", 95)


def test_a_bar_that_makes_the_best_price_is_not_stopped_out_below_it(make_bars):
    # Row 2 spans 99 to 120 with the stop at 96 (row 1's high of 101): held, and the stop is 115 for row 3, which opens at 114.
    bars = make_bars([100, 100, 118, 114, 114], [100, 100, 100, 114, 114], [100, 101, 120, 114, 114], [100, 99, 99, 113, 114])
    assert exit_of(run(bars, trail(5, 5))) == (3, "trailing", 114)


def test_the_trailing_stop_never_moves_away_from_the_price(make_bars):
    # Row 1's high of 106 brings it to 101; the lower highs of rows 2 and 3 leave it there; row 4's low of 100.5 touches it.
    bars = make_bars([100, 105, 104, 103, 102], [100, 100, 105, 104, 103], [100, 106, 105, 104, 103], [100, 100, 103, 102, 100.5])
    assert exit_of(run(bars, trail(5, 5))) == (4, "trailing", 101)


def test_the_fixed_stop_acts_while_it_is_the_nearer_and_the_trailing_one_after(make_bars):
    # Stop 97 (distance 3), trailing 92 (distance 8). A fall to 96 in row 2, after a high of 104 (trailing 96): the fixed one, at 97.
    falls = make_bars([100, 103, 97, 97], [100, 100, 103, 97], [100, 104, 103, 97], [100, 99, 96, 97])
    assert exit_of(run(falls, trail(4, 8, stop=3))) == (2, "stop", 97)
    # After a high of 110 the trailing one, at 102.
    rises = make_bars([100, 109, 97, 97], [100, 100, 108, 97], [100, 110, 108, 97], [100, 99, 96, 97])
    assert exit_of(run(rises, trail(4, 8, stop=3))) == (2, "trailing", 102)


def test_a_trailing_stop_nearer_than_the_fixed_one_acts_from_the_fill(make_bars):
    bars = make_bars([100, 98, 98], [100, 100, 98], [100, 100, 98], [100, 90, 98])
    assert exit_of(run(bars, trail(3, 3, stop=8))) == (1, "trailing", 97)
    assert exit_of(run(bars, trail(3, 3, stop=3))) == (1, "stop", 97)  # level: the fixed one


def test_a_bar_that_touches_the_trailing_stop_and_the_target_is_stopped_out(make_bars):
    # Row 1's high of 104 brings the stop to 99; row 2 spans 98 to 112, with the target at 110.
    bars = make_bars([100, 103, 108, 108], [100, 100, 103, 108], [100, 104, 112, 108], [100, 99.5, 98, 108])
    assert exit_of(run(bars, trail(4, 5, target=10))) == (2, "trailing", 99)
    # A bar that opens beyond the target is out there.
    gap = make_bars([100, 103, 108, 108], [100, 100, 111, 108], [100, 104, 112, 108], [100, 99.5, 98, 108])
    assert exit_of(run(gap, trail(4, 5, target=10))) == (2, "target", 111)


def test_the_distance_is_that_of_the_bar_that_gave_the_order_and_a_resize_keeps_it(make_bars):
    # Distance 5 at row 0, 50 later. Half in at 100, row 1's high of 108 brings the stop to 103; resized at open 2 = 107; out at 103.
    bars = make_bars([100, 107, 106, 104], [100, 100, 107, 106], [100, 108, 107.5, 106], [100, 99, 105, 102])
    levels = ExitDistances(np.zeros(4), np.zeros(4), 0, np.array([5.0, 50.0, 50.0, 50.0]))
    assert exit_of(run(bars, levels, target=[0.5, 1, 1, 1])) == (3, "trailing", 103)


def test_a_reversal_starts_a_stop_of_its_own(make_bars):
    # Long from 100, high 110 (stop 105). Reversed at open 2 = 108: short, stop 113; row 2's low of 107 brings it to 112. Row 3's high of
    # 111 leaves it, and its low of 104 brings it to 109, which row 4 touches.
    bars = make_bars(
        [100, 109, 108, 106, 109, 109], [100, 100, 108, 108, 107, 109], [100, 110, 109, 111, 110, 109], [100, 99, 107, 104, 106, 109]
    )
    long, short = run(bars, trail(6, 5), target=[1, -1, -1, -1, -1, -1]).trades
    assert (long.exit_row, long.exit_reason, long.exit_price) == (2, "signal", 108)
    assert (short.exit_row, short.exit_reason, short.exit_price) == (4, "trailing", pytest.approx(109))


def test_on_close_basis_the_best_price_is_a_close_and_the_exit_fills_at_the_next_close(make_bars):
    # In at close 1 = 100: 95. Close 2 = 110 brings it to 105 (the high of 130 is no price). Close 3 = 106 holds, close 4 = 104 passes it,
    # out at close 5 = 107: 10 x 7 = +70.
    bars = make_bars([100, 100, 110, 106, 104, 107, 50], high=[130] * 7, low=[1] * 7)
    result = run(bars, trail(7, 5), basis="close")
    assert exit_of(result) == (5, "trailing", 107)
    assert result.equity == pytest.approx([1000, 1000, 1100, 1060, 1040, 1070, 1070])


def test_on_close_basis_a_short_s_stop_follows_the_lowest_close(make_bars):
    # In at close 1 = 100: 105. Close 2 = 88 brings it to 93, which close 3 = 93 reaches; out at close 4 = 95: +50.
    bars = make_bars([100, 100, 88, 93, 95, 200])
    result = run(bars, trail(6, 5), side=-1.0, basis="close")
    assert exit_of(result) == (4, "trailing", 95)
    assert result.equity[-1] == pytest.approx(1050)


def test_on_close_basis_the_nearer_stop_gives_the_reason(make_bars):
    # Stop 97, trailing 92: close 2 = 96 passes the fixed one alone. After a close of 110 the trailing one lies at 102.
    assert exit_of(run(make_bars([100, 100, 96, 95]), trail(4, 8, stop=3), basis="close")) == (3, "stop", 95)
    assert exit_of(run(make_bars([100, 100, 110, 96, 95]), trail(5, 8, stop=3), basis="close")) == (4, "trailing", 95)


def test_there_is_no_re_entry_after_a_trailing_stop_while_the_target_stays(make_bars):
    bars = make_bars([100, 94, 120, 140], [100, 100, 100, 120], [100, 100, 120, 140], [100, 94, 100, 120])
    assert [fill.reason for fill in run(bars, trail(4, 5)).fills] == ["signal", "trailing"]


def test_a_distance_of_nan_zero_or_none_is_no_trailing_stop(make_bars):
    bars = make_bars([100, 50, 150], [100, 100, 50], [100, 100, 150], [100, 50, 50])
    for distance in (np.full(3, np.nan), np.zeros(3), None):
        assert exit_of(run(bars, ExitDistances(np.zeros(3), np.zeros(3), 0, distance))) == (2, "edge", 150)


def test_a_plan_s_trailing_distance_is_a_multiple_of_atr_or_a_fraction_whichever_is_nearer():
    close, atr = np.array([100.0, 200.0, 50.0]), np.array([np.nan, 2.0, 2.0])
    both = exit_distances(ExitPlan(0, 0, 0, 0, 0, trailing_atr=2.0, trailing_fraction=0.03), close, atr)
    np.testing.assert_array_equal(both.trailing, [3.0, 4.0, 1.5])
    assert np.isnan(both.stop).all()
    assert np.isnan(exit_distances(ExitPlan(1.0, 0, 0, 0, 0), close, atr).trailing).all()
