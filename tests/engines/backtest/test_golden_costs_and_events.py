"""What fills cost and what happens overnight, worked by hand; each test's comment is the working. Every account begins with 1000."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nullalpha.data.instruments import Costs, Instrument
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import CashRates, execution_of
from nullalpha.engines.backtest.run import run_backtest
from tests.support.executions import execution

FREE = Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0)


def instrument(costs, **fields):
    return Instrument("TEST", "Test", "XNYS", "USD", fields.pop("fill_basis", "open"), 252, costs, "by hand", **fields)


def run(bars, target, made, **options):
    return run_backtest(bars, np.array(target, dtype=float), made, capital=1000.0, **options)


def test_lots_ticks_and_commissions_by_the_share_hold_for_shares_as_traded(make_bars):
    # Bars adjusted for a 2:1 split after row 2: as traded, row 1 opens at 203.33 (101.665 adjusted) and row 4 at 110.07.
    # Lots of 1 share, ticks of 0.01, spread 5 bp, 0.30 a share, at least 1.50.
    # Row 1: 1000 / 203.33 = 4.918 shares: 4. They cost 203.33 x 1.0005 = 203.4317, up to 203.44: 813.76; 4 x 0.30 = 1.20, so 1.50
    # commission: cash 184.74. That is 8 units at 101.72.
    # Row 4: 8 shares at 110.07 x 0.9995 = 110.015, down to 110.01: 880.08; 8 x 0.30 = 2.40: cash 184.74 + 880.08 - 2.40 = 1062.42.
    traded = make_bars([200.00, 204.00, 206.00, 109.00, 110.00], [200.00, 203.33, 205.00, 108.00, 110.07])
    factor = np.array([0.5, 0.5, 0.5, 1.0, 1.0])
    prices = {name: getattr(traded, name) * factor for name in ("open", "high", "low", "close")}
    bars = replace(traded, factor=factor, **prices)
    costs = Costs(0.0, 5.0, 0.0, commission_per_unit=0.30, commission_minimum=1.50)
    result = run(bars, [1, 1, 1, 0, 0], execution_of(bars, instrument(costs, lot=1.0, tick=0.01)))
    assert [(fill.row, fill.units, fill.price) for fill in result.fills] == [(1, 8, pytest.approx(101.72)), (4, -8, pytest.approx(110.01))]
    assert [(fill.units, fill.price) for fill in result.fills_as_traded] == [(4, pytest.approx(203.44)), (-8, pytest.approx(110.01))]
    assert result.commission == pytest.approx([0, 1.50, 0, 0, 2.40])
    assert result.slippage == pytest.approx([0, 4 * 0.11, 0, 0, 8 * 0.06])
    assert result.cash == pytest.approx([1000, 184.74, 184.74, 184.74, 1062.42])
    assert result.equity[2] == pytest.approx(184.74 + 4 * 206)


def test_protective_levels_lie_on_the_nearest_tick_and_their_fills_on_the_worse_one(make_bars):
    # In at 100.25 (a tick), ticks of 0.25, spread 10 bp: bought at 100.25 x 1.001 = 100.35025, up to 100.50. Stop 100.25 - 3.10 = 97.15,
    # nearest 97.25; sold at 97.25 x 0.999 = 97.15275, down to 97.00. 1000 / 100.25 units.
    bars = make_bars([100, 100, 99], [100, 100.25, 98], [100, 101, 99], [100, 99, 96])
    made = execution_of(bars, instrument(Costs(0.0, 10.0, 0.0), tick=0.25))
    result = run(bars, [1, 1, 1], made, exits=ExitDistances(np.full(3, 3.1), np.zeros(3), 0))
    assert [(fill.row, fill.price, fill.reason) for fill in result.fills] == [(1, 100.50, "signal"), (2, 97.00, "stop")]
    assert result.equity[-1] == pytest.approx(1000 - 3.5 * 1000 / 100.25)


def test_a_contract_of_a_future_is_its_multiplier_in_units_of_the_point(make_bars):
    # Multiplier 5, one contract a lot, 2.50 a contract, at most 10 % of a volume of 30 contracts. Target 3 of 1000 at 100: 30 units are 6
    # contracts; 3 fill: 15 units, commission 7.50. Row 2 at 100: equity 992.50, 3 x 992.5 / 100 = 29.775: 25 units are 5 contracts: 2 more.
    bars = replace(make_bars([100, 100, 100, 102]), volume=np.full(4, 30.0))
    costs = Costs(0.0, 0.0, 0.0, commission_per_unit=2.50, volume_cap=0.1)
    made = execution_of(bars, instrument(costs, lot=1.0, multiplier=5.0, kind="future"))
    result = run(bars, [3, 3, 3, 3], made)
    assert [(fill.row, fill.units, fill.commission) for fill in result.fills] == [(1, 15, 7.5), (2, 10, 5.0), (3, -25, 12.5)]
    assert result.equity[-1] == pytest.approx(1000 - 25 + 25 * 2)


def test_quoted_spread_volatility_and_the_root_of_size_add_up(make_bars):
    # Closes go up and down by r = 0.01 x sqrt(19 / 20) in logs: 20 such returns, ten of each sign, have a sample deviation of exactly 0.01.
    # Known at close 21 = 100: that, and a quote 0.20 wide: half of it is 0.001 of price. Row 22 opens at 100: 10 units of a volume of 1000,
    # so slippage 0.1 x 0.01 = 0.001 and 0.5 x 0.01 x sqrt(10 / 1000) = 0.0005. Bought at 100 x 1.0025 = 100.25.
    step = 0.01 * np.sqrt(19 / 20)
    close = np.where(np.arange(24) % 2 == 1, 100.0, 100.0 * np.exp(step))
    bars = replace(make_bars(close, np.full(24, 100.0)), volume=np.full(24, 1000.0), spread=np.full(24, 0.20))
    costs = Costs(0.0, 7.0, 0.0, spread="quoted", volatility_slippage=0.1, impact=0.5)
    target = np.where(np.arange(24) >= 21, 1.0, 0.0)
    result = run(bars, target, execution_of(bars, instrument(costs)))
    bought = result.fills[0]
    assert (bought.row, bought.units, bought.price) == (22, 10, pytest.approx(100.25))
    assert bought.slippage == pytest.approx(10 * 0.25)
    assert result.cash[22] == pytest.approx(-2.5)


def test_until_there_is_a_quote_the_fixed_spread_is_charged(make_bars):
    # Quotes from close 2 on, 0.40 wide at 100. Row 2's open knows of none: 7 bp; row 3's open: 20 bp.
    bars = replace(make_bars([100, 100, 100, 100, 100]), spread=np.array([np.nan, np.nan, 0.4, np.nan, 0.8]))
    made = execution_of(bars, instrument(Costs(0.0, 7.0, 0.0, spread="quoted")))
    result = run(bars, [0, 1, 0, 0, 0], made)
    assert [fill.price for fill in result.fills] == pytest.approx([100.07, 99.80])
    # On basis close the quote of the close itself is known: 40 bp at the last.
    made = execution_of(bars, instrument(Costs(0.0, 7.0, 0.0, spread="quoted"), fill_basis="close"))
    assert [fill.price for fill in run(bars, [0, 1, 1, 1, 1], made).fills] == pytest.approx([100.20, 99.60])


def test_borrow_swap_and_funding_are_charged_by_the_day(make_bars):
    # A year's 0.0365, 0.073, -0.01825 and 0.1095 are 0.0001, 0.0002, -0.00005 and 0.0003 a day. Long: swap 0.0002 + funding 0.0003 =
    # 0.0005. Short: borrow 0.0001 - swap 0.00005 - funding 0.0003 = -0.00025: received.
    # 10 units at 100 from row 1 on. Close 1 = 100: 0.50; close 2 = 110: 0.55; sold at open 3 = 110. Short: -0.25, -0.275.
    costs = Costs(0.0, 0.0, 0.0, borrow=0.0365, swap_long=0.073, swap_short=-0.01825, funding=0.1095)
    bars = make_bars([100, 100, 110, 110], [100, 100, 100, 110])
    made = execution(bars, costs, "open")
    long, short = run(bars, [1, 1, 0, 0], made), run(bars, [-1, -1, 0, 0], made)
    assert long.carry == pytest.approx([0, 0.5, 0.55, 0])
    assert long.equity == pytest.approx([1000, 999.5, 1098.95, 1098.95])
    assert short.carry == pytest.approx([0, -0.25, -0.275, 0])
    assert short.equity == pytest.approx([1000, 1000.25, 900.525, 900.525])
    assert (long.trades[0].pnl, short.trades[0].pnl) == pytest.approx((98.95, -99.475))


def test_cash_earns_interest_and_borrowed_cash_costs_it_over_a_weekend(make_bars):
    # Thursday, Friday, Monday, Tuesday. 0.0365 a year on cash is 0.0001 a day, 0.073 on debit 0.0002 a day.
    # Friday: 1000 x 0.0001 = 0.1; then 2 x 1000.1 / 100 = 20.002 units at the open of 100: cash -1000.1.
    # Monday: three days: -1000.1 x 0.0006 = -0.60006. Tuesday: -(1000.1 + 0.60006) x 0.0002 = -0.200140012; sold at the close of 100.
    time = np.array(["2024-01-04T21:00", "2024-01-05T21:00", "2024-01-08T21:00", "2024-01-09T21:00"], dtype="datetime64[ns]")
    bars = replace(make_bars([100, 100, 100, 100]), time=time)
    made = execution(bars, FREE, "open", cash=CashRates(interest=0.0365, debit=0.073))
    result = run(bars, [2, 2, 2, 2], made)
    assert result.interest == pytest.approx([0, 0.1, -0.60006, -0.200140012], abs=1e-12)
    assert result.equity == pytest.approx([1000, 1000.1, 999.49994, 999.299799988], abs=1e-9)
    assert result.trades[0].pnl == pytest.approx(0)  # interest is the account's, not the trade's


def test_proceeds_of_a_short_sale_earn_interest(make_bars):
    # Row 1: 0.1 on 1000, then -10.001 units at 100: cash 2000.2. Row 2: 0.20002.
    made = execution(bars := make_bars([100, 100, 100]), FREE, "open", cash=CashRates(interest=0.0365))
    assert run(bars, [-1, -1, -1], made).interest == pytest.approx([0, 0.1, 0.20002])


def test_a_dividend_is_received_by_who_was_long_overnight_and_paid_by_who_was_short(make_bars):
    # 10 units at open 1. Row 2: 1.50 a unit: 15. Row 3: the position of row 2's close gets 0.50 a unit, though it is sold at row 3's open;
    # row 1's dividend of 9 goes to those who held at close 0: nobody.
    bars = make_bars([100, 100, 98.5, 98])
    made = execution(bars, FREE, "open").with_events(payout=np.array([0.0, 9.0, 1.5, 0.5]))
    long, short = run(bars, [1, 1, 0, 0], made), run(bars, [-1, -1, 0, 0], made)
    assert long.income == pytest.approx([0, 0, 15, 5])
    assert long.equity == pytest.approx([1000, 1000, 1000, 1000])  # 985 + 15; sold at 98: 980 + 20
    assert short.income == pytest.approx([0, 0, -15, -5])
    assert short.equity == pytest.approx([1000, 1000, 1000, 1000])
    assert (long.trades[0].pnl, long.trades[0].income, long.trades[0].fees) == pytest.approx((0, 20, 0))
    assert [fill.income for fill in short.fills] == pytest.approx([0, -20])


def test_a_split_halves_what_a_waiting_limit_order_asks(make_bars):
    # Limit 100 - 10 = 90 at close 0, stop 8 below the fill. Row 1 stays above 90. 2:1 before row 2: the limit is 45, and row 2's low of 44
    # reaches it: 1000 / 45 units; the stop is 45 - 4 = 41: row 3's low of 40 touches it.
    bars = make_bars([100, 96, 46, 42], [100, 98, 48, 45], [100, 99, 49, 45], [100, 91, 44, 40])
    made = execution(bars, FREE, "open").with_events(split=np.array([1.0, 1.0, 2.0, 1.0]))
    entry, exits = EntryOrders("limit", np.full(4, 10.0)), ExitDistances(np.full(4, 8.0), np.zeros(4), 0)
    result = run(bars, [1, 1, 1, 1], made, entry=entry, exits=exits)
    assert [(fill.row, fill.price, fill.reason) for fill in result.fills] == [(2, 45, "signal"), (3, 41, "stop")]
    assert result.equity[-1] == pytest.approx(1000 * 41 / 45)


def test_a_split_doubles_what_is_held_and_halves_its_levels(make_bars):
    # 10 units at 100, stop 95, target 110, trailing 20 behind the best price. 2:1 before row 2: 20 units, stop 47.5, target 55. Row 2's low
    # of 48 holds; row 3's low of 47 does not: out at 47.5: 20 x 47.5 - 1000 = -50. A target of 55 instead is reached by a high of 55.
    bars = make_bars([100, 102, 50, 48], [100, 100, 51, 50], [100, 103, 52, 50], [100, 99, 48, 47])
    made = execution(bars, FREE, "open").with_events(split=np.array([1.0, 1.0, 2.0, 1.0]))
    exits = ExitDistances(np.full(4, 5.0), np.full(4, 10.0), 0, np.full(4, 20.0))
    result = run(bars, [1, 1, 1, 1], made, exits=exits)
    assert result.position == pytest.approx([0, 10, 20, 0])
    assert result.equity == pytest.approx([1000, 1020, 1000, 950])
    (trade,) = result.trades
    assert (trade.units, trade.exit_units, trade.entry_price, trade.exit_price, trade.pnl) == pytest.approx((10, 20, 100, 47.5, -50))
    rising = replace(bars, high=np.array([100.0, 103, 52, 55]))
    safe = replace(rising, low=np.array([100.0, 99, 48, 48]))
    assert run(safe, [1, 1, 1, 1], made, exits=exits).trades[0].exit_price == pytest.approx(55)
    # Trailing alone: the best price of 103 is 51.5 after the split, the distance 10: 41.5, then 52 - 10 = 42: a low of 41 leaves at 42.
    falling = replace(bars, low=np.array([100.0, 99, 48, 41]))
    trailing = replace(exits, stop=np.zeros(4), target=np.zeros(4))
    assert run(falling, [1, 1, 1, 1], made, exits=trailing).trades[0].exit_price == pytest.approx(42)


def test_a_dividend_after_a_split_is_paid_on_the_new_units(make_bars):
    # 10 units become 20 at row 2, whose dividend is 0.30 a new unit: 6.
    bars = make_bars([100, 100, 50, 50])
    made = execution(bars, FREE, "close").with_events(payout=np.array([0, 0, 0.3, 0]), split=np.array([1.0, 1.0, 2.0, 1.0]))
    result = run(bars, [1, 1, 1, 1], made)
    assert result.income == pytest.approx([0, 0, 6, 0])
    assert result.equity[-1] == pytest.approx(1006)
