"""Maximum adverse and favourable excursion of trades: worked by hand, and against plain numpy on random markets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.kernel import HELD, SPLIT
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.engines.backtest.stitch import stitch
from tests.support.executions import execution
from tests.support.random_markets import markets

FREE = Costs(0.0, 0.0, 0.0)


def only_trade(bars, target, costs=FREE, basis="open", made=None, **options):
    n = len(bars)
    wanted = np.full(n, float(target)) if np.isscalar(target) else np.array(target, dtype=float)
    (trade,) = run_backtest(bars, wanted, execution(bars, costs, basis) if made is None else made, capital=1000.0, **options).trades
    return trade


def excursions(trade):
    return trade.mae, trade.mfe, trade.mae_money, trade.mfe_money


def levels(n, stop=0.0, target=0.0):
    return ExitDistances(np.full(n, float(stop)), np.full(n, float(target)), 0)


def test_a_long_trade_sees_the_lows_and_highs_from_its_fill_to_its_exit(make_bars):
    # 10 units at open 1 = 100. Lows 97, 92, 95 and highs 103, 104, 109; sold at the open of row 4 = 108, whose own extremes (80, 130) come
    # after, as those of row 0 (50, 150) came before. -8 % and +9 %.
    bars = make_bars([100, 101, 96, 105, 110], [100, 100, 99, 96, 108], [150, 103, 104, 109, 130], [50, 97, 92, 95, 80])
    trade = only_trade(bars, [1, 1, 1, 0, 0])
    assert excursions(trade) == pytest.approx((-0.08, 0.09, -80, 90))


def test_a_short_trade_mirrors_it_and_the_price_paid_contains_the_costs(make_bars):
    # Sold 10 units at 100 x 0.99 = 99; the high of 105 is 6 against it, the low of 90 is 9 in its favour. Bought back at the close, 95.
    bars = make_bars([100, 96, 95], [100, 100, 96], [100, 105, 99], [100, 95, 90])
    trade = only_trade(bars, -1, Costs(0.0, 100.0, 0.0))
    assert excursions(trade) == pytest.approx((-6 / 99, 9 / 99, -60, 90))


def test_on_basis_close_only_closes_count(make_bars):
    # In at close 1 = 100; closes 96, 104; out at close 4 = 99. Lows of 50 are no prices.
    trade = only_trade(make_bars([90, 100, 96, 104, 99], low=[50] * 5, high=[200] * 5), [1, 1, 1, 0, 0], basis="close")
    assert excursions(trade) == pytest.approx((-0.04, 0.04, -40, 40))


def test_a_stop_ends_the_trade_at_its_level(make_bars):
    # Stop 95. Row 2 falls to 90 and rises to 110, but nobody knows whether before: -5 %, and +2 % of row 1.
    bars = make_bars([100, 101, 96, 96], [100, 100, 101, 96], [100, 102, 110, 96], [100, 99, 90, 96])
    assert excursions(only_trade(bars, 1, exits=levels(4, stop=5))) == pytest.approx((-0.05, 0.02, -50, 20))


def test_a_gap_through_a_stop_counts_as_far_as_the_open(make_bars):
    bars = make_bars([100, 100, 91, 91], [100, 100, 92, 91], [100, 101, 99, 91], [100, 99, 88, 91])
    assert excursions(only_trade(bars, 1, exits=levels(4, stop=5))) == pytest.approx((-0.08, 0.01, -80, 10))


def test_a_target_s_bar_counts_its_adverse_end_and_no_more_than_the_target(make_bars):
    # Target 108 in row 2, which spans 96 to 115: +8 %, and -4 % since 96 may have come first.
    bars = make_bars([100, 101, 110, 110], [100, 100, 101, 110], [100, 102, 115, 110], [100, 99, 96, 110])
    assert excursions(only_trade(bars, 1, exits=levels(4, target=8))) == pytest.approx((-0.04, 0.08, -40, 80))


def test_after_a_limit_entry_inside_a_bar_its_high_does_not_count(make_bars):
    # Limit 95 in row 1, which spans 93 to 110 and closes at 96: -2 and +1 of 95. Row 2: 94 to 97; sold at its close.
    bars = make_bars([100, 96, 95], [100, 100, 96], [100, 110, 97], [100, 93, 94])
    trade = only_trade(bars, 1, entry=EntryOrders("limit", np.full(3, 5.0)))
    units = 1000 / 95
    assert excursions(trade) == pytest.approx((-2 / 95, 2 / 95, -2 * units, 2 * units))


def test_after_a_stop_entry_inside_a_bar_its_high_counts(make_bars):
    # Stop 102 in row 1, which opens at 100, falls to 99 and rises to 106: +4, and -3 since 99 may have come after.
    bars = make_bars([100, 103, 103], [100, 100, 103], [100, 106, 103], [100, 99, 103])
    trade = only_trade(bars, 1, entry=EntryOrders("stop", np.full(3, 2.0)))
    assert (trade.mae, trade.mfe) == pytest.approx((-3 / 102, 4 / 102))


def test_a_resized_trade_is_measured_from_its_average_price_on_what_it_holds(make_bars):
    # Basis close. 5 units at 100; close 2 = 90: -10 %, -50. There the target becomes 1, filled at close 3 = 80: equity 900, 11.25 units,
    # 6.25 more: before them -20 % and -100; after, the average is (500 + 500) / 11.25 = 88.889, so -10 %. Close 4 = 96: +8 %, +80.
    bars = make_bars([100, 100, 90, 80, 96, 96])
    trade = only_trade(bars, [0.5, 0.5, 1, 1, 1, 1], basis="close")
    assert trade.units == pytest.approx(11.25)
    assert excursions(trade) == pytest.approx((-0.10, 0.08, -100, 80))


def test_a_split_changes_no_excursion(make_bars):
    # 10 units at 100; 20 at 50 after the split. Low 46 is -8 %, high 53 is +6 %.
    bars = make_bars([100, 100, 50, 51], [100, 100, 50, 51], [100, 101, 53, 51], [100, 98, 46, 51])
    made = execution(bars, FREE, "open").with_events(split=np.array([1.0, 1.0, 2.0, 1.0]))
    assert excursions(only_trade(bars, 1, made=made)) == pytest.approx((-0.08, 0.06, -80, 60))


def test_folds_scale_the_money_and_not_the_fractions(make_bars):
    # Fold 0 doubles the account; fold 1's worst 10 % of 1000 are 200 of 2000.
    bars = make_bars([100, 100, 200, 100, 100, 90, 110])
    folds = [
        run_backtest(bars, np.ones(7), execution(bars, FREE, "close"), capital=1000.0, start_row=a, stop_row=b) for a, b in ((0, 3), (3, 7))
    ]
    first, second = stitch(folds).trades
    assert excursions(first) == pytest.approx((0, 1, 0, 1000))
    assert excursions(second) == pytest.approx((-0.1, 0.1, -200, 200))


@settings(max_examples=150, deadline=None)
@given(markets())
def test_every_trade_saw_at_least_its_own_exit_and_no_more_than_its_bars(market):
    result = market.backtest()
    opens = market.execution.fill_basis == "open"
    rises = np.cumprod(market.execution.rates[:, SPLIT])  # prices times this are those before any split
    high = (market.bars.high if opens else market.bars.close) * rises
    low = (market.bars.low if opens else market.bars.close) * rises
    for trade, exit_price in zip(result.trades, exits_before_costs(result), strict=True):
        assert trade.mae <= 0 <= trade.mfe
        assert trade.mae_money <= 0 <= trade.mfe_money
        entries = [fill for fill in result.fills if trade.entry_row <= fill.row <= trade.exit_row and fill.units * trade.side > 0]
        if len(entries) > 1:
            continue
        paid = trade.entry_price * rises[trade.entry_row]
        seen = slice(trade.entry_row, trade.exit_row + 1)
        worst, best = (low[seen].min(), high[seen].max()) if trade.side > 0 else (high[seen].max(), low[seen].min())
        assert trade.mae >= min(0.0, trade.side * (worst / paid - 1)) - 1e-9
        assert trade.mfe <= max(0.0, trade.side * (best / paid - 1)) + 1e-9
        left = trade.side * (exit_price * rises[trade.exit_row] / paid - 1)
        assert trade.mae - 1e-9 <= left <= trade.mfe + 1e-9


def exits_before_costs(result):
    """Price before costs of the last fill of each trade."""
    held, prices = 0.0, []
    for fill, after in zip(result.fills, result.fill_array[:, HELD], strict=True):
        if held != 0.0 and after == 0.0:
            prices.append(fill.price - fill.slippage / fill.units)
        held = after
    return prices


@settings(max_examples=150, deadline=None)
@given(markets(whole=False))
def test_on_basis_close_an_unresized_trade_saw_the_closes_between_its_fills(market):
    plain = replace(market, execution=replace(market.execution, fill_basis="close")).with_rates(split=1.0)
    result = plain.backtest()
    for trade in result.trades:
        held = slice(trade.entry_row, trade.exit_row + 1)
        if len([fill for fill in result.fills if trade.entry_row <= fill.row <= trade.exit_row]) != 2:
            continue
        moves = trade.side * (market.bars.close[held] / trade.entry_price - 1.0)
        assert (trade.mae, trade.mfe) == pytest.approx((min(0.0, moves.min()), max(0.0, moves.max())), abs=1e-12)
        money = trade.units * trade.entry_price
        assert (trade.mae_money, trade.mfe_money) == pytest.approx((trade.mae * money, trade.mfe * money), rel=1e-9, abs=1e-9)
