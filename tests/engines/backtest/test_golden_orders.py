"""Entry orders, brackets and partial fills worked by hand; each test's comment is the working. Every account begins with 1000."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.run import run_backtest
from tests.support.executions import execution
from tests.support.random_markets import COLUMNS

FREE = Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0)
ONE_PERCENT_SPREAD = Costs(commission=0.0, half_spread_bps=100.0, slippage_bps=0.0)


def entry(kind, distance, limit_distance=None, valid_bars=0):
    """Orders at the same distance from every close."""
    far = np.full(50, float(distance))
    return EntryOrders(kind, far, None if limit_distance is None else np.full(50, float(limit_distance)), valid_bars)


def exits(stop=0.0, target=0.0, trailing=0.0, max_bars=0):
    return ExitDistances(np.full(50, float(stop)), np.full(50, float(target)), max_bars, np.full(50, float(trailing)))


def cut(orders, n):
    """The first n bars of what `entry` and `exits` made."""
    return type(orders)(**{name: value[:n] if isinstance(value, np.ndarray) else value for name, value in vars(orders).items()})


def run(bars, target, orders=None, levels=None, costs=FREE, basis="open", **rates):
    n = len(bars)
    made = execution(bars, costs, basis)
    table = made.rates.copy()
    for name, column in rates.items():
        table[:, COLUMNS[name]] = column
    wanted = np.full(n, float(target)) if np.isscalar(target) else np.array(target, dtype=float)
    return run_backtest(
        bars,
        wanted,
        replace(made, rates=table),
        entry=None if orders is None else cut(orders, n),
        exits=None if levels is None else cut(levels, n),
        capital=1000.0,
    )


def fills_of(result):
    """Row, units, price paid and reason of every fill."""
    return [(fill.row, pytest.approx(fill.units), pytest.approx(fill.price), fill.reason) for fill in result.fills]


def test_a_buy_limit_fills_at_its_limit_once_the_ask_comes_down_to_it(make_bars):
    # Limit 100 - 5 = 95; ask = price x 1.01. Row 1's low of 94.5 asks 95.445: nothing. Row 2's low of 94 asks 94.94: filled, paying 95, so
    # at a price of 95 / 1.01 before costs: 1000 x 1.01 / 95 = 1010 / 95 units for 1010. Cash -10; marked at 96: -10 + 96 x 1010 / 95.
    # The last close sells at 97 x 0.99.
    bars = make_bars([100, 96, 96, 97], [100, 99, 98, 96], [100, 99, 98, 97], [100, 94.5, 94, 96])
    result = run(bars, 1, entry("limit", 5), costs=ONE_PERCENT_SPREAD)
    units = 1010 / 95
    assert fills_of(result) == [(2, units, 95, "signal"), (3, -units, 97 * 0.99, "edge")]
    assert result.cash == pytest.approx([1000, 1000, -10, -10 + units * 97 * 0.99])
    assert result.equity[:3] == pytest.approx([1000, 1000, -10 + 96 * units])
    assert result.slippage == pytest.approx([0, 0, 10, units * 0.97])


def test_a_buy_limit_that_the_market_opens_below_fills_at_the_better_open(make_bars):
    # Limit 95; row 1 opens at 92, asking 92.92: 1000 / 92 units at 92.92.
    bars = make_bars([100, 93, 94], [100, 92, 93])
    result = run(bars, 1, entry("limit", 5), costs=ONE_PERCENT_SPREAD)
    assert fills_of(result)[0] == (1, 1000 / 92, 92.92, "signal")
    assert result.equity[1] == pytest.approx(1000 - 1000 / 92 * 92.92 + 1000 / 92 * 93)


def test_a_sell_limit_fills_at_its_limit_or_at_a_better_open(make_bars):
    # Limit 105; bid = price x 0.99. Row 1's high of 106 bids 104.94: nothing. Row 2's high of 107 bids 105.93: sold at 105, at 105 / 0.99
    # before costs: 1000 x 0.99 / 105 units. With an open of 108 (bid 106.92) sold there: 1000 / 108 units.
    rising = make_bars([100, 105, 105, 104], [100, 104, 105, 105], [100, 106, 107, 105], [100, 103, 104, 104])
    assert fills_of(run(rising, -1, entry("limit", 5), costs=ONE_PERCENT_SPREAD))[0] == (2, -990 / 105, 105, "signal")
    gap = make_bars([100, 107, 107], [100, 108, 107])
    assert fills_of(run(gap, -1, entry("limit", 5), costs=ONE_PERCENT_SPREAD))[0] == (1, -1000 / 108, 106.92, "signal")


def test_a_limit_that_was_not_reached_in_time_is_cancelled_and_not_given_again(make_bars):
    # Limit 95 on rows 1 and 2 (lows 96 and 95.5); row 3's low of 90 comes too late. The target stays 1, so there is no new order until it
    # has been 0: the one of close 5 (100: limit 95) fills at row 6's open of 94: 1000 / 94 units, sold at 100.
    bars = make_bars(
        [100, 97, 97, 92, 98, 100, 96, 100],
        [100, 99, 97, 97, 92, 98, 94, 96],
        [100, 99, 98, 97, 98, 100, 96, 100],
        [100, 96, 95.5, 90, 92, 98, 93, 96],
    )
    result = run(bars, [1, 1, 1, 1, 0, 1, 1, 1], entry("limit", 5, valid_bars=2))
    assert fills_of(result) == [(6, 1000 / 94, 94, "signal"), (7, -1000 / 94, 100, "edge")]
    assert (result.equity[:6] == 1000).all()


def test_a_new_target_takes_the_place_of_the_order_that_waits(make_bars):
    # Limit 95 of close 0 is not reached; close 1 = 104 asks for half: limit 99, which row 2's low of 98 reaches: 500 / 99 units.
    bars = make_bars([100, 104, 100, 100], [100, 101, 103, 100], [100, 104, 103, 100], [100, 100, 98, 100])
    assert fills_of(run(bars, [1, 0.5, 0.5, 0.5], entry("limit", 5)))[0] == (2, 500 / 99, 99, "signal")


def test_a_buy_stop_fills_at_its_level_or_at_the_open_beyond_it_and_pays_the_spread(make_bars):
    # Stop 103. Row 1's high of 102 does not reach it; row 2 goes from 101 to 104: 1000 / 103 units at 103 x 1.01 = 104.03. With a gap, row
    # 2 opens at 105: 1000 / 105 units at 106.05.
    touched = make_bars([100, 101, 103.5, 104], [100, 100, 101, 103], [100, 102, 104, 104])
    assert fills_of(run(touched, 1, entry("stop", 3), costs=ONE_PERCENT_SPREAD))[0] == (2, 1000 / 103, 104.03, "signal")
    gap = make_bars([100, 101, 106, 106], [100, 100, 105, 106], [100, 102, 107, 106])
    result = run(gap, 1, entry("stop", 3), costs=ONE_PERCENT_SPREAD)
    assert fills_of(result)[0] == (2, 1000 / 105, 106.05, "signal")
    assert result.equity[2] == pytest.approx(1000 - 1000 / 105 * 106.05 + 1000 / 105 * 106)


def test_a_sell_stop_lies_below_the_close(make_bars):
    # Stop 97; row 1 falls from 99 to 96: 1000 / 97 units sold short at 97 x 0.99.
    bars = make_bars([100, 96.5, 96], [100, 99, 96.5], [100, 99, 97], [100, 96, 96])
    assert fills_of(run(bars, -1, entry("stop", 3), costs=ONE_PERCENT_SPREAD))[0] == (1, -1000 / 97, 97 * 0.99, "signal")


def test_a_stop_limit_skipped_by_a_gap_waits_as_a_limit_and_fills_later(make_bars):
    # Stop 103, limit 103 + 1 = 104. Row 1 opens at 106, above the limit: nothing, though its low of 103.5 is below. Row 2 (low 104.5):
    # nothing. Row 3 comes down to 103.8: bought at 104: 1000 / 104 units.
    bars = make_bars([100, 105, 105, 104, 110], [100, 106, 105.5, 105, 104], [100, 107, 106, 105, 110], [100, 103.5, 104.5, 103.8, 104])
    result = run(bars, 1, entry("stop_limit", 3, 1))
    assert fills_of(result) == [(3, 1000 / 104, 104, "signal"), (4, -1000 / 104, 110, "edge")]
    assert result.equity[-1] == pytest.approx(1000 * 110 / 104)


def test_a_stop_limit_fills_like_a_stop_while_the_price_is_within_its_limit(make_bars):
    # Stop 103, limit 105: row 1 rises from 101 to 104: at 103. With a gap to 104.5: there. The costs count: with a spread of 1 % an open of
    # 104.5 would pay 105.545, so it waits.
    inside = make_bars([100, 104, 104], [100, 101, 104], [100, 104, 104])
    assert fills_of(run(inside, 1, entry("stop_limit", 3, 2)))[0] == (1, 1000 / 103, 103, "signal")
    gap = make_bars([100, 105, 105.5], [100, 104.5, 105.2])
    assert fills_of(run(gap, 1, entry("stop_limit", 3, 2)))[0] == (1, 1000 / 104.5, 104.5, "signal")
    assert run(gap, 1, entry("stop_limit", 3, 2), costs=ONE_PERCENT_SPREAD).fills == ()


@pytest.mark.parametrize(
    ("low", "close", "expected"),
    [
        # Limit 95, stop 92, target 100, and row 1 opens at 98 and rises to 110. Falls to 90: stopped at 92, though the bar saw 100 as well.
        (90.0, 96.0, [(1, "signal", 95), (1, "stop", 92)]),
        # Falls to 94 and closes at 97: 110 may have come before the fill, so the target is not reached; out at the last close.
        (94.0, 97.0, [(1, "signal", 95), (2, "edge", 97)]),
        # Falls to 94 and closes at 101: the price went from 95 to 101 after the fill, through the target.
        (94.0, 101.0, [(1, "signal", 95), (1, "target", 100)]),
    ],
)
def test_a_bracket_within_one_bar_is_settled_against_the_trader(make_bars, low, close, expected):
    bars = make_bars([100, close, close if close < 100 else 99], [100, 98, 97], [100, 110, 99], [100, low, 97])
    result = run(bars, 1, entry("limit", 5), exits(stop=3, target=5))
    assert [(fill.row, fill.reason, pytest.approx(fill.price)) for fill in result.fills] == expected
    assert result.equity[-1] == pytest.approx(1000 / 95 * expected[-1][2])


def test_a_stop_entry_s_target_counts_within_its_bar_because_the_high_came_after(make_bars):
    # Bought at 103 on the way up, target 106, high 107: out at 106. With a stop at 101 that the low of 100.5 touches, the stop comes first.
    bars = make_bars([100, 104, 104], [100, 101, 104], [100, 107, 104], [100, 100.5, 104])
    assert [fill.reason for fill in run(bars, 1, entry("stop", 3), exits(target=3)).fills] == ["signal", "target"]
    stopped = run(bars, 1, entry("stop", 3), exits(stop=2, target=3))
    assert fills_of(stopped) == [(1, 1000 / 103, 103, "signal"), (1, -1000 / 103, 101, "stop")]


def test_a_trailing_stop_after_a_limit_entry_starts_from_the_fill_and_the_close_of_its_bar(make_bars):
    # Limit 95 fills in row 1, whose high of 104 may have come before: the stop is 95 - 4 = 91, then 96 - 4 = 92 by the close. Row 2 spans
    # 93 to 99: held; the stop is 95. Row 3 falls from 96 to 94: out at 95, for nothing.
    bars = make_bars([100, 96, 98, 95, 95], [100, 100, 96, 96, 95], [100, 104, 99, 97, 95], [100, 94, 93, 94, 95])
    result = run(bars, 1, entry("limit", 5), exits(trailing=4))
    assert fills_of(result) == [(1, 1000 / 95, 95, "signal"), (3, -1000 / 95, 95, "trailing")]
    assert result.equity[-1] == pytest.approx(1000)


def test_a_volume_cap_fills_over_three_bars_and_a_stop_leaves_at_the_same_pace(make_bars):
    # 4 units a bar. Row 1 opens at 100: 4 of 10; the stop is 95 from then on. Row 2 at 100: 4 more; cash 200. Row 3 opens at 98: equity 200
    # + 784 = 984, so 984 / 98 = 10.0408 are wanted, 2.0408 fill, cash exactly 0; then its low of 94 touches 95: 1.9592 of the 4 are left,
    # sold at 95. The rest leaves at the opens: 4 at 93, 4 at 92, 0.0816 at 91.
    wanted = 984 / 98
    bought, sold = wanted - 8, 4 - (wanted - 8)
    rest = wanted - sold - 8
    bars = make_bars(
        [100, 100, 99, 95, 93, 92, 91, 91],
        [100, 100, 100, 98, 93, 92, 91, 91],
        [100, 101, 101, 98, 93, 92, 91, 91],
        [100, 99, 96, 94, 92, 91, 91, 91],
    )
    result = run(bars, 1, levels=exits(stop=5), cap=4.0)
    assert fills_of(result) == [
        (1, 4, 100, "signal"),
        (2, 4, 100, "signal"),
        (3, bought, 98, "signal"),
        (3, -sold, 95, "stop"),
        (4, -4, 93, "stop"),
        (5, -4, 92, "stop"),
        (6, -rest, 91, "stop"),
    ]
    assert result.cash == pytest.approx([1000, 600, 200, 95 * sold, 95 * sold + 372, 95 * sold + 740] + [95 * sold + 740 + 91 * rest] * 2)
    (trade,) = result.trades
    assert (trade.entry_row, trade.exit_row, trade.units, trade.exit_reason) == (1, 6, pytest.approx(wanted), "stop")
    assert trade.pnl == pytest.approx(result.equity[-1] - 1000)


def test_what_a_cap_leaves_of_a_limit_order_waits_at_the_limit(make_bars):
    # Limit 95, 6 units a bar. Row 1 touches 95: 6 of 1000 / 95 = 10.526. Row 2 stays above. Row 3 touches it again: cash 430, equity 430 +
    # 6 x 95 = 1000: the other 4.526 at 95, cash 0.
    bars = make_bars([100, 96, 98, 96, 99], [100, 98, 97, 98, 96], [100, 98, 99, 98, 99], [100, 94, 96, 94.5, 96])
    result = run(bars, 1, entry("limit", 5), cap=6.0)
    assert fills_of(result)[:2] == [(1, 6, 95, "signal"), (3, 1000 / 95 - 6, 95, "signal")]
    assert result.cash[:4] == pytest.approx([1000, 430, 430, 0], abs=1e-9)


def test_the_last_row_flattens_whatever_the_cap(make_bars):
    # 3 a bar: 3 at row 1, 3 at row 2, 3 at row 3's open; all 9 are sold at its close.
    result = run(make_bars([100, 100, 100, 100]), 1, cap=3.0)
    assert [(fill.row, fill.units) for fill in result.fills] == [(1, 3), (2, 3), (3, 3), (3, -9)]


def test_on_basis_close_an_order_for_the_last_close_is_netted_with_the_flattening_in_one_fill(make_bars):
    # 3 units a bar: 9 by row 3, whose close asks for none: all 9 leave at row 4's close, for the signal's reason.
    result = run(make_bars([100] * 5), [1, 1, 1, 0, 0], basis="close", cap=3.0)
    assert [(fill.row, fill.units, fill.reason) for fill in result.fills] == [
        (1, 3, "signal"),
        (2, 3, "signal"),
        (3, 3, "signal"),
        (4, -9, "signal"),
    ]


def test_a_reversal_whose_entry_expires_still_closes_what_it_was_closing(make_bars):
    # 10 units at row 1. Close 1 asks for a short position at 105, for one bar; 4 units a bar. Row 2 closes 4, and the entry is cancelled;
    # rows 3 and 4 close 4 and 2; that row 4 reaches 110 opens nothing.
    bars = make_bars([100] * 6, high=[100, 100, 101, 101, 110, 110])
    orders = replace(entry("limit", 0, valid_bars=1), distance=np.where(np.arange(50) == 1, 5.0, 0.0))
    result = run(bars, [1, -1, -1, -1, -1, -1], orders, cap=np.array([0, np.inf, 4, 4, 4, 4]))
    assert [(fill.row, fill.units) for fill in result.fills] == [(1, 10), (2, -4), (3, -4), (4, -2)]


def test_on_basis_close_a_close_is_not_stopped_at_the_tick_that_it_moved_the_stop_to(make_bars):
    # Ticks of 1, trailing 0.4: 100.3 - 0.4 = 99.9, nearest 100. Close 2 = 100.9 is above 100 and moves it to 100.5, nearest 101 (half up),
    # above itself. Close 3 = 101.5 is above 101; close 4 = 100.95 is not: out at close 5, at 100.5 down to 100.
    bars = make_bars([100, 100.3, 100.9, 101.5, 100.95, 100.5, 100.5])
    result = run(bars, 1, levels=exits(trailing=0.4), basis="close", tick=1.0)
    assert [(fill.row, fill.price, fill.reason) for fill in result.fills] == [(1, 101, "signal"), (5, 100, "trailing")]


def test_a_reversal_by_entry_orders_closes_at_the_market_and_opens_at_its_level(make_bars):
    # Close 0 asks for a long position at 98: row 1 touches it: 1000 / 98 units. Close 2 = 101 asks for a short one: limit 103. Row 3 opens
    # at 102: the long position is sold there at once; equity 1000 x 102 / 98. Its high of 102.5 does not reach 103, row 4's 104 does:
    # equity / 103 units short. Flattened at 100.
    bars = make_bars(
        [100, 99, 101, 102, 103, 100], [100, 100, 99, 102, 102, 103], [100, 100, 101, 102.5, 104, 103], [100, 97, 99, 101, 102, 100]
    )
    result = run(bars, [1, 1, -1, -1, -1, -1], entry("limit", 2))
    equity = 1000 * 102 / 98
    assert fills_of(result) == [
        (1, 1000 / 98, 98, "signal"),
        (3, -1000 / 98, 102, "signal"),
        (4, -equity / 103, 103, "signal"),
        (5, equity / 103, 100, "edge"),
    ]
    assert result.equity[-1] == pytest.approx(equity + equity / 103 * 3)


def test_on_basis_close_a_limit_is_reached_by_closes_alone(make_bars):
    # Limit 97. The low of 90 in row 1 is no price: closes 99 and 98 do not reach it, 96 does: 1000 / 96 units there. Sold at the last
    # close.
    bars = make_bars([100, 99, 98, 96, 99, 102], low=[100, 90, 90, 90, 90, 90])
    result = run(bars, 1, entry("limit", 3), basis="close")
    assert fills_of(result) == [(3, 1000 / 96, 96, "signal"), (5, -1000 / 96, 102, "edge")]
    assert result.equity == pytest.approx([1000, 1000, 1000, 1000, 1000 * 99 / 96, 1000 * 102 / 96])


def test_on_basis_close_stops_and_stop_limits_are_reached_by_closes_alone(make_bars):
    # Stop 102. Closes 101, 104: bought at 104. As a stop-limit with limit 103 that is too dear; close 102.5 is not.
    bars = make_bars([100, 101, 104, 102.5, 105], high=[100, 110, 110, 110, 110])
    assert fills_of(run(bars, 1, entry("stop", 2), basis="close"))[0] == (2, 1000 / 104, 104, "signal")
    assert fills_of(run(bars, 1, entry("stop_limit", 2, 1), basis="close"))[0] == (3, 1000 / 102.5, 102.5, "signal")


def test_a_limit_order_never_trades_against_its_side(make_bars):
    # Target 3, limit 99, 10 units a bar. Row 1 fills 10 of 3 x 1000 / 99 at 99: cash 10. A carry of 40 % of 980 at close 1: cash 10 - 392 =
    # -382. Row 2 opens at 60: equity 218, 3 x 218 / 60 = 10.9 are wanted: 0.9 more. At an open of 50 equity is 118 and 7.08 are wanted: the
    # limit order ends, and nothing is sold at 99 while the price is 50.
    for opening, expected in ((60.0, 10.9), (50.0, 10.0)):
        bars = make_bars([100, 98, 60, 60], [100, 100, opening, 60], [100, 100, 60, 60], [100, 97, 50, 60])
        result = run(bars, 3, entry("limit", 1), cap=10.0, carry_long=np.array([0, 0.4, 0, 0]))
        assert result.position[2] == pytest.approx(expected)
