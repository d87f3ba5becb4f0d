"""What holding costs, and prices as traded: worked by hand, and against an account kept in real contracts at real prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nullalpha.core.errors import DataError
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.carry import roll_carry
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.run import buy_and_hold, run_backtest
from nullalpha.engines.backtest.stitch import combine, stitch
from tests.support.executions import execution

FREE = Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0)
COSTLY = Costs(commission=0.001, half_spread_bps=5.0, slippage_bps=5.0)  # friction 0.001 of price
ONE_SIDE = np.float64(0.002)  # commission, and half spread with slippage, of COSTLY


def run(bars, target, costs=FREE, basis="open", **options):
    made = execution(bars, costs, basis, options.pop("carry", None))
    return run_backtest(bars, np.array(target, dtype=float), made, capital=1000.0, **options)


def adjusted(bars, factor):
    """Bars whose prices as traded are given and whose own prices are those times `factor`."""
    f = np.array(factor, dtype=float)
    return replace(bars, open=bars.open * f, high=bars.high * f, low=bars.low * f, close=bars.close * f, factor=f)


def test_carry_is_a_share_of_the_notional_held_at_the_close(make_bars):
    # 10 units from open 1 = 100. Close 1 = 100: 1 % of 1000 = 10. Close 2 = 110: 2 % of 1100 = 22. Sold at open 3 = 120: nothing is held
    # at close 3.
    bars = make_bars([100, 100, 110, 120, 120], open_=[100, 100, 105, 120, 120])
    result = run(bars, [1, 1, 0, 0, 0], carry=np.array([0.05, 0.01, 0.02, 0.05, 0.05]))
    assert result.carry == pytest.approx([0, 10, 22, 0, 0])
    assert result.fees == pytest.approx([0, 10, 22, 0, 0])
    assert result.equity == pytest.approx([1000, 990, 1068, 1168, 1168])
    (trade,) = result.trades
    assert (trade.pnl, trade.fees) == pytest.approx((200 - 32, 32))
    assert [fill.carry for fill in result.fills] == pytest.approx([0, 32])


def test_a_short_pays_carry_on_the_same_notional_and_the_last_close_charges_nothing(make_bars):
    # -10 units from close 1 = 100: 1 % of 1000 = 10 there (what fills at a close is held over it), 1 % of 900 = 9 at close 2; flattened at
    # close 3.
    result = run(make_bars([90, 100, 90, 80]), [-1, -1, -1, -1], basis="close", carry=np.full(4, 0.01))
    assert result.carry == pytest.approx([0, 10, 9, 0])
    assert result.equity == pytest.approx([1000, 990, 1081, 1181])


def test_a_reversal_leaves_each_trade_its_own_carry(make_bars):
    # Row 1: 10 units, 1 % of 1000 = 10. Row 2 opens at 100: equity 990, -9.9 units; 1 % of 990 = 9.9 at close 2; flattened at close 3.
    bars = make_bars([100, 100, 100, 100])
    long, short = run(bars, [1, -1, -1, -1], carry=np.full(4, 0.01)).trades
    assert (long.pnl, long.fees, short.pnl, short.fees) == pytest.approx((-10, 10, -9.9, 9.9))


def test_carry_can_ruin_an_account_and_the_trade_that_ends_there_pays_it(make_bars):
    # 30 units at 100, cash -2000. Close 1: carry of 40 % of 3000 = 1200: equity -200: closed at 100.
    result = run(make_bars([100, 100, 100]), [3, 3, 3], carry=np.array([0, 0.4, 0.4]))
    assert result.ruined
    assert result.equity == pytest.approx([1000, -200, -200])
    (trade,) = result.trades
    assert (trade.exit_row, trade.exit_reason, trade.pnl) == (1, "ruin", pytest.approx(-1200))


def test_a_carry_of_zeros_leaves_every_bit_as_without(make_bars):
    rng = np.random.default_rng(5)
    bars = make_bars(100 * np.exp(np.cumsum(rng.normal(0, 0.02, 200))))
    target = rng.choice([0.0, 1.0, -0.5], 200)
    with_zeros, without = run(bars, target, COSTLY, carry=np.zeros(200)), run(bars, target, COSTLY)
    for name in ("equity", "cash", "position", "fees", "fill_array"):
        assert getattr(with_zeros, name).tobytes() == getattr(without, name).tobytes()
    assert with_zeros.trades == without.trades


def test_carry_scales_with_the_equity_that_folds_reach_and_with_an_account_s_share(make_bars):
    # Each fold: in at its second close, carry 10 % there. Fold 0: 100; sold at 120 / 100 x 1000: 1100. Fold 1 begins with those 1100: carry
    # 110, sold at 150 / 120 x 1100 = 1375: 1265.
    bars = make_bars([90, 100, 120, 115, 120, 150])
    carry = np.array([0, 0.1, 0, 0, 0.1, 0])
    folds = [run(bars, np.ones(6), basis="close", carry=carry, start_row=a, stop_row=b) for a, b in ((0, 3), (3, 6))]
    account = stitch(folds)
    assert account.carry == pytest.approx([0, 100, 0, 0, 110, 0])
    assert account.equity == pytest.approx([1000, 900, 1100, 1100, 990, 1265])
    assert sum(trade.fees for trade in account.trades) == pytest.approx(account.fees.sum())
    other = stitch([run(make_bars([90, 100, 110], instrument="OTHER"), np.ones(3), basis="close", carry=carry[:3])])
    both = combine([account, other])
    assert both.carry == pytest.approx([0, 100, 0, 0, 55, 0])  # 500 each: 50 + 50 at row 1
    assert both.fees.sum() == pytest.approx(155)


def test_a_roll_costs_both_sides_at_the_last_close_of_the_old_contract(make_bars):
    bars = adjusted(make_bars([100, 100, 100, 100, 100]), [1.1, 1.1, 1.05, 1.05, 1.0])
    assert roll_carry(bars, ONE_SIDE) == pytest.approx([0, 2 * 0.002, 0, 2 * 0.002, 0])
    assert (roll_carry(make_bars([100, 100]), ONE_SIDE) == 0).all()


def test_a_factor_that_changes_at_every_bar_is_no_chain_of_contracts(make_bars):
    # A difference of 5 between contracts, written as a factor: (price + 5) / price.
    close = np.array([100.0, 101.0, 102.0, 110.0, 111.0])
    bars = adjusted(make_bars(close), np.where(np.arange(5) < 3, (close + 5) / close, 1.0))
    with pytest.raises(DataError, match="before and after row 1"):
        roll_carry(bars, ONE_SIDE)


def test_a_rolled_position_earns_what_real_contracts_at_real_prices_earn(make_bars):
    # Contract A: closes 100, 104, 106 (rows 0-2, row 1 opens at 102); at close 2 it is rolled into B, which then stands at 109. B: row 3
    # opens at 110 and closes at 112, row 4 opens at 115 and closes at 114. The adjusted prices of A are A x 109 / 106.
    ratio = 109 / 106
    bars = adjusted(make_bars([100, 104, 106, 112, 114], [100, 102, 105, 110, 115]), [ratio, ratio, ratio, 1, 1])
    result = run(bars, [1, 1, 1, 0, 0], COSTLY, carry=roll_carry(bars, ONE_SIDE))

    # The account in contracts: buys 1000 / 102 of A at open 1, rolls at close 2, sells all of B at open 4.
    friction, commission = 0.001, 0.001
    cash, a = 1000.0, 1000.0 / 102.0
    paid = a * 102.0 * (1 + friction)
    cash -= paid + commission * paid
    real = [1000.0, cash + a * 104.0]
    sold = a * 106.0 * (1 - friction)
    b = a * 106.0 / 109.0
    bought = b * 109.0 * (1 + friction)
    cash += sold - commission * sold - bought - commission * bought
    real += [cash + b * 109.0, cash + b * 112.0]
    sold = b * 115.0 * (1 - friction)
    cash += sold - commission * sold
    real.append(cash)
    assert result.equity == pytest.approx(real, abs=1e-9)

    bought_fill, sold_fill = result.fills_as_traded
    assert (bought_fill.units, bought_fill.price) == pytest.approx((a, 102 * 1.001))
    assert (sold_fill.units, sold_fill.price) == pytest.approx((-b, 115 * 0.999))
    (trade,) = result.trades_as_traded
    assert (trade.units, trade.exit_units, trade.entry_price, trade.exit_price) == pytest.approx((a, b, 102 * 1.001, 115 * 0.999))
    assert trade.pnl == pytest.approx(cash - 1000.0, abs=1e-9)


def test_a_short_future_rolled_twice_earns_what_real_contracts_earn_on_close_basis(make_bars):
    # A: 100, 98 | B: 101 at the roll (close 1), then 97, 99 | C: 96 at the roll (close 3), then 95, 90. The order of close 0 fills at
    # close 1 in A, which is rolled at that very close: what is held over a close at which the contract changes pays for it.
    first, second = 101 / 98, 96 / 99
    bars = adjusted(make_bars([100, 98, 97, 99, 95, 90]), [first * second, first * second, second, second, 1, 1])
    result = run(bars, [-1, -1, -1, -1, 0, 0], COSTLY, "close", carry=roll_carry(bars, ONE_SIDE))

    friction, commission = 0.001, 0.001

    def traded(units, price):
        """Cash from trading signed units at a price before costs."""
        paid = price * (1 + friction) if units > 0 else price * (1 - friction)
        return -units * paid - commission * abs(units) * paid

    a = -1000.0 / 98.0
    cash = 1000.0 + traded(a, 98.0)
    b = a * 98.0 / 101.0
    cash += traded(-a, 98.0) + traded(b, 101.0)
    real = [1000.0, cash + b * 101.0, cash + b * 97.0]
    c = b * 99.0 / 96.0
    cash += traded(-b, 99.0) + traded(c, 96.0)
    real += [cash + c * 96.0, cash + c * 95.0]
    cash += traded(-c, 90.0)
    real.append(cash)
    assert result.equity == pytest.approx(real, abs=1e-9)
    (trade,) = result.trades_as_traded
    assert (trade.units, trade.exit_units) == pytest.approx((-a, -c))


def test_a_split_changes_no_money_and_fills_are_given_in_shares_of_their_day(make_bars):
    # As traded: 200, 200, 220, then two for one: 112, 120. 5 shares bought at open 1 = 200 are 10 after the split, sold at open 4 = 118.
    # Costs: 5 x 200 x 1.001 = 1001, commission 1.001; 10 x 118 x 0.999 = 1178.82, commission 1.17882.
    bars = adjusted(make_bars([200, 200, 220, 112, 120], [200, 200, 205, 111, 118]), [0.5, 0.5, 0.5, 1, 1])
    result = run(bars, [1, 1, 1, 0, 0], COSTLY)
    cash = 1000 - 1001 - 1.001
    assert result.equity == pytest.approx([1000, cash + 1000, cash + 1100, cash + 1120, cash + 1178.82 - 1.17882], abs=1e-9)
    first, second = result.fills_as_traded
    assert (first.units, first.price, second.units, second.price) == pytest.approx((5, 200.2, -10, 117.882))
    (trade,) = result.trades_as_traded
    assert (trade.units, trade.exit_units, trade.entry_price, trade.exit_price) == pytest.approx((5, 10, 200.2, 117.882))
    assert trade.pnl == pytest.approx(1178.82 - 1.17882 - 1001 - 1.001, abs=1e-9)
    (own,) = result.trades
    assert (own.units, own.exit_units, own.entry_price, own.exit_price) == pytest.approx((10, 10, 100.1, 117.882))


def test_a_resize_across_a_split_averages_prices_over_shares_as_traded(make_bars):
    # 2.5 shares at 200 (half of 1000); after a two for one split 5, at 110: equity 1050, target 1: 1050 / 110 shares in all, sold at 120.
    bars = adjusted(make_bars([200, 200, 110, 110, 120]), [0.5, 0.5, 1, 1, 1])
    (trade,) = run(bars, [0.5, 0.5, 1, 1, 1], basis="open").trades_as_traded
    later = 1050 / 110 - 5
    assert trade.units == pytest.approx(2.5 + later)
    assert trade.entry_price == pytest.approx((500 + later * 110) / (2.5 + later))
    assert (trade.exit_units, trade.exit_price) == pytest.approx((1050 / 110, 120))


def test_prices_as_traded_pass_through_folds_and_accounts(make_bars):
    # Two folds at the same split-adjusted bars; fold 1 starts with the 1100 that fold 0 reached.
    bars = adjusted(make_bars([200, 200, 220, 110, 110, 121]), [0.5, 0.5, 0.5, 1, 1, 1])
    folds = [run(bars, np.ones(6), basis="close", start_row=a, stop_row=b) for a, b in ((0, 3), (3, 6))]
    account = stitch(folds)
    first, second = account.trades_as_traded
    assert (first.units, first.entry_price, first.exit_price) == pytest.approx((5, 200, 220))
    assert (second.units, second.entry_price, second.exit_price) == pytest.approx((10, 110, 121))
    plain = stitch([run(make_bars([100, 100, 110], instrument="OTHER"), np.ones(3), basis="close")])
    assert plain.trades_as_traded == plain.trades
    joined = combine([account, plain]).trades_as_traded
    assert [trade.instrument for trade in joined] == ["TEST", "TEST", "OTHER"]
    assert [trade.units for trade in joined] == pytest.approx([2.5, 5, 5])


def test_holding_pays_carry_too(make_bars):
    held = buy_and_hold((bars := make_bars([100, 100, 100])), execution(bars, FREE, "close", np.full(3, 0.01)), capital=1000.0)
    assert held.equity == pytest.approx([1000, 990, 990])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"carry": np.zeros(2)}, r"carry has shape \(2,\)"),
        ({"carry": np.array([0, 0, np.nan])}, "carry of row 2"),
        ({"carry": np.array([np.inf, 0, 0])}, "carry of row 0"),
        ({"exits": ExitDistances(np.zeros(3), np.zeros(3), 0, np.zeros(2))}, "exits.trailing has shape"),
        ({"exits": ExitDistances(np.zeros(3), np.zeros(3), 0, np.full(3, -1.0))}, "exits.trailing holds a negative distance"),
    ],
)
def test_carry_and_distances_that_are_none_are_refused_by_name(make_bars, options, message):
    with pytest.raises(DataError, match=message):
        run(make_bars([100, 100, 100]), [1, 1, 1], **options)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_a_factor_that_prices_cannot_be_divided_by_is_refused(make_bars, bad):
    bars = replace(make_bars([100, 100, 100]), factor=np.array([1.0, bad, 1.0]))
    with pytest.raises(DataError, match="factor of row 1 of TEST"):
        run(bars, [1, 1, 1])
