"""Backtests small enough to be worked by hand; each test's comment is the working."""

from __future__ import annotations

import numpy as np
import pytest

from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import ExitDistances, target_positions
from nullalpha.engines.backtest.run import buy_and_hold, run_backtest
from nullalpha.strategy.plan import DecisionPlan, ExitPlan, SizingPlan
from tests.support.executions import execution

FREE = Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0)
COSTLY = Costs(commission=0.001, half_spread_bps=5.0, slippage_bps=5.0)  # friction 0.001 of price
ONE_PERCENT = Costs(commission=0.01, half_spread_bps=0.0, slippage_bps=0.0)


def exits(n, stop=0.0, target=0.0, max_bars=0):
    return ExitDistances(np.full(n, float(stop)), np.full(n, float(target)), max_bars)


def run(bars, target, costs=FREE, basis="open", **options):
    return run_backtest(bars, np.array(target, dtype=float), execution(bars, costs, basis), capital=1000.0, **options)


def only_trade(result):
    (trade,) = result.trades
    return trade


def test_a_long_trade_fills_at_the_next_open_and_pays_both_sides(make_bars):
    # Signal at close 0. Row 1 opens at 100: 1000 / 100 = 10 units at 100 x 1.001 = 100.10: 1001.00, commission 1.001; cash -2.001.
    # Marked at 105: 1050 - 2.001 = 1047.999; at 115: 1147.999. Signal 0 at close 2, row 3 opens at 120: 10 x 119.88 = 1198.80,
    # commission 1.1988; cash -2.001 + 1198.80 - 1.1988 = 1195.6002. Friction 10 x 100 x 0.001 + 10 x 120 x 0.001 = 2.2.
    bars = make_bars([100, 105, 115, 118], open_=[100, 100, 110, 120])
    result = run(bars, [1, 1, 0, 0], COSTLY)
    assert result.equity == pytest.approx([1000, 1047.999, 1147.999, 1195.6002], abs=1e-9)
    assert result.cash == pytest.approx([1000, -2.001, -2.001, 1195.6002], abs=1e-9)
    assert result.position == pytest.approx([0, 10, 10, 0])
    assert result.exposure == pytest.approx([0, 1050 / 1047.999, 1150 / 1147.999, 0])
    assert result.commission == pytest.approx([0, 1.001, 0, 1.1988])
    assert result.slippage == pytest.approx([0, 1.0, 0, 1.2])
    assert result.turnover_notional == pytest.approx([0, 1001.0, 0, 1198.8])
    trade = only_trade(result)
    assert (trade.entry_row, trade.exit_row, trade.side, trade.bars_held, trade.exit_reason) == (1, 3, 1, 2, "signal")
    assert (trade.units, trade.entry_price, trade.exit_price) == pytest.approx((10, 100.10, 119.88))
    assert trade.pnl == pytest.approx(195.6002, abs=1e-9)
    assert trade.fees == pytest.approx(1.001 + 1.1988 + 2.2, abs=1e-9)


def test_a_short_trade_adds_to_cash_and_earns_when_prices_fall(make_bars):
    # Row 1 opens at 100: -10 units at 99.90: +999, commission 0.999; cash 1998.001. Marked at 90: 1098.001; at 85: 1148.001.
    # Row 3 opens at 80: buys 10 at 80.08: 800.80, commission 0.8008; cash 1196.4002.
    bars = make_bars([100, 90, 85, 80], open_=[100, 100, 90, 80])
    result = run(bars, [-1, -1, 0, 0], COSTLY)
    assert result.cash == pytest.approx([1000, 1998.001, 1998.001, 1196.4002], abs=1e-9)
    assert result.equity == pytest.approx([1000, 1098.001, 1148.001, 1196.4002], abs=1e-9)
    trade = only_trade(result)
    assert (trade.side, trade.units, trade.entry_price, trade.exit_price) == pytest.approx((-1, 10, 99.90, 80.08))
    assert trade.pnl == pytest.approx(196.4002, abs=1e-9)


def test_a_reversal_is_two_trades_and_two_commissions(make_bars):
    # Row 1 at 100: 10 units, commission 10, cash -10. Row 2 opens at 110: equity 1090. Closing sells 1100, commission 11: cash 1079.
    # Opening sells 1090 / 110 units for 1090, commission 10.9: cash 2158.1. Flattened at 99: buys 1090 / 110 x 99 = 981, commission
    # 9.81: cash 1167.29.
    bars = make_bars([100, 105, 104, 99], open_=[100, 100, 110, 100])
    result = run(bars, [1, -1, -1, -1], ONE_PERCENT)
    assert result.equity[-1] == pytest.approx(1167.29, abs=1e-9)
    assert [(fill.row, fill.reason) for fill in result.fills] == [(1, "signal"), (2, "signal"), (2, "signal"), (3, "edge")]
    assert [fill.units for fill in result.fills] == pytest.approx([10, -10, -1090 / 110, 1090 / 110])
    long, short = result.trades
    assert (long.pnl, short.pnl) == pytest.approx((1100 - 1000 - 10 - 11, 1090 - 981 - 10.9 - 9.81), abs=1e-9)
    assert (long.exit_reason, short.exit_reason) == ("signal", "edge")
    assert (long.side, short.side) == (1, -1)


def test_close_basis_fills_at_the_next_close_and_reads_no_other_price(make_bars):
    # Signal at close 0 fills at close 1 = 110: 1000 / 110 units. Marked at 121: 1100. Signal 0 at close 2 fills at close 3 = 120:
    # 1000 x 120 / 110 = 1090.909...; close 4 changes nothing.
    bars = make_bars([100, 110, 121, 120, 90], open_=[np.nan] * 5, high=[np.nan] * 5, low=[np.nan] * 5)
    result = run(bars, [1, 1, 0, 0, 0], basis="close")
    assert result.equity == pytest.approx([1000, 1000, 1100, 12000 / 11, 12000 / 11])
    trade = only_trade(result)
    assert (trade.entry_row, trade.exit_row, trade.bars_held) == (1, 3, 2)


def test_a_stop_inside_the_bar_fills_at_its_level_less_costs(make_bars):
    # The distance at the SIGNAL's bar (5) counts, not those of later bars. Fill at open 1 = 100: level 95. Row 1's low 96 holds, row 2's
    # 94 does not: sold at 95 x 0.999 = 94.905. 10 units cost 1001 + 1.001; sale 949.05 - 0.94905: pnl -53.90005.
    bars = make_bars([100, 99, 97, 99], open_=[100, 100, 98, 97], high=[101, 101, 99, 100], low=[99, 96, 94, 96])
    levels = ExitDistances(np.array([5.0, 50.0, 50.0, 50.0]), np.zeros(4), 0)
    trade = only_trade(run(bars, [1, 1, 1, 1], COSTLY, exits=levels))
    assert (trade.exit_row, trade.exit_reason, trade.bars_held) == (2, "stop", 1)
    assert trade.exit_price == pytest.approx(94.905)
    assert trade.pnl == pytest.approx(949.05 - 0.94905 - 1001 - 1.001, abs=1e-9)


def test_a_stop_is_active_in_the_bar_of_its_own_fill(make_bars):
    # Open 1 = 100, low 1 = 90: out at 95 within the bar: 10 units x -5 = -50.
    bars = make_bars([100, 98, 99], open_=[100, 100, 98], high=[100, 101, 99], low=[100, 90, 98])
    result = run(bars, [1, 1, 1], exits=exits(3, stop=5))
    assert (only_trade(result).exit_row, only_trade(result).bars_held) == (1, 0)
    assert result.equity == pytest.approx([1000, 950, 950])


def test_a_gap_through_the_stop_fills_at_the_open(make_bars):
    # Level 95; row 2 opens at 92: 10 units x -8 = -80.
    bars = make_bars([100, 99, 93, 93], open_=[100, 100, 92, 93], low=[100, 98, 91, 93])
    result = run(bars, [1, 1, 1, 1], exits=exits(4, stop=5))
    assert only_trade(result).exit_price == pytest.approx(92)
    assert result.equity == pytest.approx([1000, 990, 920, 920])


def test_a_gap_through_a_short_sale_s_stop_fills_at_the_open(make_bars):
    # Short 10 at 100, level 105; row 2 opens at 108: -80.
    bars = make_bars([100, 101, 107, 107], open_=[100, 100, 108, 107], high=[100, 102, 109, 107])
    result = run(bars, [-1, -1, -1, -1], exits=exits(4, stop=5))
    assert (only_trade(result).exit_price, only_trade(result).exit_reason) == (pytest.approx(108), "stop")
    assert result.equity[-1] == pytest.approx(920)


def test_a_target_fills_at_its_level_and_pays_costs_too(make_bars):
    # Level 110; row 2's high 112 touches it: sold at 110 x 0.999 = 109.89: 1098.9 - 1.0989 - 1001 - 1.001 = 95.8001.
    bars = make_bars([100, 104, 109, 109], open_=[100, 100, 105, 109], high=[100, 105, 112, 109])
    trade = only_trade(run(bars, [1, 1, 1, 1], COSTLY, exits=exits(4, target=10)))
    assert (trade.exit_row, trade.exit_reason) == (2, "target")
    assert trade.exit_price == pytest.approx(109.89)
    assert trade.pnl == pytest.approx(95.8001, abs=1e-9)


def test_a_short_sale_s_target_lies_below_its_entry(make_bars):
    # Short 10 at 100, level 90; row 2's low 88 touches it: +100.
    bars = make_bars([100, 96, 91, 91], open_=[100, 100, 95, 91], low=[100, 95, 88, 91])
    result = run(bars, [-1, -1, -1, -1], exits=exits(4, target=10))
    assert (only_trade(result).exit_price, only_trade(result).exit_reason) == (pytest.approx(90), "target")
    assert result.equity[-1] == pytest.approx(1100)


def test_a_bar_that_touches_both_levels_is_stopped_out(make_bars):
    # Levels 95 and 110; row 2 spans 94 to 112: the stop counts: -50.
    bars = make_bars([100, 104, 109, 109], open_=[100, 100, 105, 109], high=[100, 105, 112, 109], low=[100, 99, 94, 109])
    result = run(bars, [1, 1, 1, 1], exits=exits(4, stop=5, target=10))
    assert only_trade(result).exit_reason == "stop"
    assert result.equity[-1] == pytest.approx(950)


def test_a_bar_that_opens_beyond_the_target_is_out_before_it_falls_to_the_stop(make_bars):
    # Row 2 opens at 115, above the target of 110, and falls to 94 later: out at 115: +150.
    bars = make_bars([100, 104, 95, 95], open_=[100, 100, 115, 95], high=[100, 105, 115, 95], low=[100, 99, 94, 95])
    result = run(bars, [1, 1, 1, 1], exits=exits(4, stop=5, target=10))
    assert only_trade(result).exit_reason == "target"
    assert result.equity[-1] == pytest.approx(1150)


def test_a_distance_of_nan_or_zero_is_no_level(make_bars):
    bars = make_bars([100, 50, 150], open_=[100, 100, 50], high=[100, 100, 150], low=[100, 50, 50])
    none = ExitDistances(np.full(3, np.nan), np.zeros(3), 0)
    assert only_trade(run(bars, [1, 1, 1], exits=none)).exit_reason == "edge"


def test_a_position_is_closed_after_max_bars_at_the_open(make_bars):
    # Filled at open 1, held for bars 1 and 2, out at open 3 = 130; no re-entry at an unchanged target.
    bars = make_bars([100, 110, 120, 135, 140], open_=[100, 100, 112, 130, 136])
    result = run(bars, [1, 1, 1, 1, 1], exits=exits(5, max_bars=2))
    trade = only_trade(result)
    assert (trade.entry_row, trade.exit_row, trade.bars_held, trade.exit_reason) == (1, 3, 2, "time")
    assert result.equity == pytest.approx([1000, 1100, 1200, 1300, 1300])


def test_a_position_is_closed_after_max_bars_at_the_close(make_bars):
    # Filled at close 1 = 100, out two bars later at close 3 = 130.
    bars = make_bars([90, 100, 120, 130, 140])
    result = run(bars, [1, 1, 1, 1, 1], basis="close", exits=exits(5, max_bars=2))
    trade = only_trade(result)
    assert (trade.entry_row, trade.exit_row, trade.bars_held, trade.exit_reason) == (1, 3, 2, "time")
    assert result.equity == pytest.approx([1000, 1000, 1200, 1300, 1300])


def test_on_close_basis_a_level_passed_at_one_close_exits_at_the_next(make_bars):
    # Filled at close 1 = 100: stop 95. Close 2 = 94 passes it; out at close 3 = 97 (the level itself is no fill): -30.
    # Row 1's low of 1 is not a price one could trade at.
    bars = make_bars([100, 100, 94, 97, 120], low=[100, 1, 94, 97, 120])
    result = run(bars, [1, 1, 1, 1, 1], basis="close", exits=exits(5, stop=5))
    assert (only_trade(result).exit_row, only_trade(result).exit_reason) == (3, "stop")
    assert result.equity == pytest.approx([1000, 1000, 940, 970, 970])


def test_on_close_basis_a_target_passed_at_one_close_exits_at_the_next(make_bars):
    # Short 10 at close 1 = 100: target 90. Close 2 = 88 passes it; out at close 3 = 85: +150.
    bars = make_bars([100, 100, 88, 85, 120])
    result = run(bars, [-1, -1, -1, -1, -1], basis="close", exits=exits(5, target=10))
    assert (only_trade(result).exit_row, only_trade(result).exit_reason) == (3, "target")
    assert result.equity[-1] == pytest.approx(1150)


def test_size_follows_the_volatility_target_and_stays_until_the_direction_ends(make_bars):
    # Daily volatility 0.01 x sqrt(252) = 0.158745 a year; a target of 0.15 gives 0.15 / 0.158745 = 0.944911. The volatility of 0.02 at
    # row 1 comes within the same stretch and changes nothing. The next stretch begins at row 3 with 0.02: -0.472456.
    sizing = SizingPlan("volatility_target", 0.0, annual=0.15, max_leverage=2.0, volatility_bars=20)
    decision = DecisionPlan(0.2, -0.2, sizing, ExitPlan(0, 0, 0, 0, 0))
    signal = np.array([0.5, 0.9, 0.1, -0.5, -0.5])
    target = target_positions(decision, signal, np.array([0.01, 0.02, 0.02, 0.02, 0.02]), 252)
    assert target == pytest.approx([0.944911, 0.944911, 0, -0.472456, -0.472456], abs=1e-6)
    # 9.44911 units at 100 rise to 110: +94.4911. Out at 110. Short 0.472456 x 1094.4911 / 110 units at open 4 = 110 fall to 99: +51.7099.
    bars = make_bars([100, 105, 110, 110, 99], open_=[100, 100, 106, 110, 110])
    result = run(bars, target)
    assert result.equity[2] == pytest.approx(1094.4911, abs=1e-4)
    assert result.equity[4] == pytest.approx(1094.4911 + 0.472456 * 1094.4911 * 0.1, abs=1e-3)


def test_the_last_row_flattens_at_its_close_and_costs_are_charged(make_bars):
    # 10 units at 100.10 and 1.001; sold at the last close 120 x 0.999 = 119.88: 1198.8 - 1.1988; cash 1195.6002.
    bars = make_bars([100, 110, 120], open_=[100, 100, 111])
    result = run(bars, [1, 1, 1], COSTLY)
    assert result.equity == pytest.approx([1000, 1097.999, 1195.6002], abs=1e-9)
    assert (result.position[-1], result.exposure[-1]) == (0, 0)
    assert only_trade(result).exit_reason == "edge"


def test_on_close_basis_nothing_is_opened_at_the_close_that_flattens(make_bars):
    # The order of close 1 would fill at close 2, where the run ends: nothing is traded. A resize there is the flattening.
    bars = make_bars([100, 110, 120])
    assert run(bars, [0, 1, 1], COSTLY, basis="close").fills == ()
    resized = run(make_bars([100, 100, 110, 120]), [1, 1, 0.5, 1], basis="close")
    assert [(fill.row, fill.units, fill.reason) for fill in resized.fills] == [(1, 10, "signal"), (3, -10, "edge")]
    reversed_ = run(make_bars([100, 100, 110, 120]), [1, 1, -1, -1], basis="close")
    assert [(fill.row, fill.units, fill.reason) for fill in reversed_.fills] == [(1, 10, "signal"), (3, -10, "signal")]


def test_there_is_no_re_entry_after_a_stop_while_the_target_stays(make_bars):
    bars = make_bars([100, 90, 100, 120, 140], open_=[100, 100, 91, 101, 121])
    result = run(bars, [1, 1, 1, 1, 1], exits=exits(5, stop=5))
    assert [fill.reason for fill in result.fills] == ["signal", "stop"]
    assert result.equity[-1] == pytest.approx(950)


@pytest.mark.parametrize(
    ("target", "entry_row", "units"),
    [
        ([1, 1, 0, 1, 1, 1], 4, 9.5),  # flat, then long again: a new decision at row 3
        ([1, 1, 0.5, 0.5, 0.5, 0.5], 3, 4.75),  # a new size at row 2
        ([1, 1, -1, -1, -1, -1], 3, -9.5),  # a new direction at row 2
    ],
)
def test_re_entry_follows_a_target_that_differs_from_the_stopped_one(make_bars, target, entry_row, units):
    # Stopped at 95 within row 1: equity 950. Every later price is 100.
    bars = make_bars([100] * 6, low=[100, 90, 100, 100, 100, 100])
    result = run(bars, target, exits=exits(6, stop=5))
    entry = result.fills[2]
    assert (entry.row, entry.reason) == (entry_row, "signal")
    assert entry.units == pytest.approx(units)


def test_ruin_closes_the_position_and_ends_trading(make_bars):
    # Short 10 at 100: cash 2000. Close 1 = 250: equity -500: closed at 250. The order for long at row 1 is never given.
    bars = make_bars([100, 250, 100, 100], open_=[100, 100, 100, 100])
    result = run(bars, [-1, 1, 1, 1])
    assert result.ruined
    assert result.equity == pytest.approx([1000, -500, -500, -500])
    assert result.position == pytest.approx([0, 0, 0, 0])
    assert only_trade(result).exit_reason == "ruin"
    assert result.returns == pytest.approx([0, -1.5, 0, 0])


def test_ruin_at_a_gap_cancels_the_order_that_would_fill_there(make_bars):
    # Short 10 at 100: cash 2000, marked at 150: 500. The reversal fills at open 2 = 300, where equity is -1000: closed, nothing opened.
    bars = make_bars([100, 150, 200, 200], open_=[100, 100, 300, 200])
    result = run(bars, [-1, 1, 1, 1])
    assert result.equity == pytest.approx([1000, 500, -1000, -1000])
    assert only_trade(result).exit_reason == "ruin"


def test_a_resize_is_one_trade_at_average_prices(make_bars):
    # 5 units at 100 (target 0.5). Row 2 opens at 120: equity 1100, target 1: 1100 / 120 units: buys 4.1666 more. Sold at 150 at the end.
    bars = make_bars([100, 110, 130, 150], open_=[100, 100, 120, 130])
    result = run(bars, [0.5, 1, 1, 1])
    trade = only_trade(result)
    units = 1100 / 120
    assert trade.units == pytest.approx(units)
    assert trade.entry_price == pytest.approx((5 * 100 + (units - 5) * 120) / units)
    assert trade.pnl == pytest.approx(5 * 50 + (units - 5) * 30)
    assert result.equity[-1] == pytest.approx(1000 + trade.pnl)


def test_a_resize_keeps_the_levels_of_the_entry(make_bars):
    # Entered at 100 with a stop of 5; resized at 110 where the distance is 50: the level stays 95.
    bars = make_bars([100, 108, 110, 96], open_=[100, 100, 110, 108], low=[100, 99, 109, 94])
    levels = ExitDistances(np.array([5.0, 50.0, 50.0, 50.0]), np.zeros(4), 0)
    result = run(bars, [0.5, 1, 1, 1], exits=levels)
    assert (only_trade(result).exit_reason, result.fills[-1].price) == ("stop", pytest.approx(95))


def test_rows_outside_the_window_neither_order_nor_fill(make_bars):
    # Window [2, 5): the target of row 2 is the first order, filled at open 3 = 100, though rows 0 and 1 had the same target.
    # Out at close 4.
    bars = make_bars([50, 60, 100, 105, 110, 500], open_=[50, 50, 60, 100, 105, 110])
    result = run(bars, [1, 1, 1, 1, 1, 1], start_row=2, stop_row=5)
    assert len(result) == 3
    assert (only_trade(result).entry_row, only_trade(result).exit_row) == (3, 4)
    assert result.equity == pytest.approx([1000, 1050, 1100])
    assert result.instrument_returns == pytest.approx([100 / 60 - 1, 0.05, 110 / 105 - 1])


def test_one_row_trades_nothing(make_bars):
    assert run(make_bars([100]), [1]).equity == pytest.approx([1000])


def test_buying_and_holding_pays_one_entry_and_one_exit(make_bars):
    # As the long trade above, from the first fill (open 1) to the last close.
    bars = make_bars([100, 110, 120], open_=[100, 100, 111])
    held = buy_and_hold(bars, execution(bars, COSTLY, "open"), capital=1000.0)
    assert held.equity[-1] == pytest.approx(1195.6002, abs=1e-9)
    assert len(held.fills) == 2
