"""What an instrument's costs become on its bars, bar by bar, and every input that is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.engines.backtest.execution import CashRates, Execution, execution_of, priced
from nullalpha.engines.backtest.kernel import (
    CAP,
    CARRY_LONG,
    CARRY_SHORT,
    DEBIT,
    FRICTION,
    IMPACT,
    INTEREST,
    LOT,
    N_RATES,
    PAYOUT,
    PER_UNIT,
    SPLIT,
    TICK,
)
from nullalpha.engines.backtest.run import run_backtest

FREE = Costs(0.0, 0.0, 0.0)


def instrument(costs, **fields):
    return Instrument("TEST", "Test", "XNYS", "USD", fields.pop("fill_basis", "open"), 252, costs, "by hand", **fields)


def wavy(make_bars, n, volatility, **fields):
    """Bars whose closes go up and down so that 20 log returns have that sample deviation."""
    step = volatility * np.sqrt(19 / 20)
    return replace(make_bars(np.where(np.arange(n) % 2 == 1, 100.0, 100.0 * np.exp(step))), **fields)


def test_plain_costs_are_one_friction_and_nothing_else(make_bars):
    made = execution_of(make_bars([100, 101, 102]), instrument(Costs(0.001, 2.0, 3.0)))
    expected = np.zeros((3, N_RATES))
    expected[:, FRICTION], expected[:, CAP], expected[:, SPLIT] = 0.0005, np.inf, 1.0
    np.testing.assert_array_equal(made.rates, expected)
    assert (made.fill_basis, made.commission, made.least_commission) == ("open", 0.001, 0.0)
    assert (made.plain, made.accrues, len(made)) == (True, False, 3)


@pytest.mark.parametrize("field", ["commission_per_unit", "commission_minimum", "volume_cap", "impact"])
def test_costs_that_depend_on_units_are_not_plain(make_bars, field):
    bars = wavy(make_bars, 25, 0.01, volume=np.full(25, 100.0))
    assert not execution_of(bars, instrument(replace(FREE, **{field: 0.5}))).plain


@pytest.mark.parametrize("field", ["lot", "tick"])
def test_lots_and_ticks_are_not_plain(make_bars, field):
    assert not execution_of(make_bars([100, 101]), instrument(FREE, **{field: 0.5})).plain


def test_a_factor_turns_shares_as_traded_into_units_of_the_adjusted_bars(make_bars):
    # Factor 0.25: a share is 4 units, a price a quarter. Lots of 10 shares are 40 units; a tick of 0.01 is 0.0025; 0.02 a share is 0.005 a
    # unit; 5 % of 200 shares are 10 shares, 40 units.
    bars = replace(make_bars([100, 100]), factor=np.array([0.25, 1.0]), volume=np.array([200.0, 200.0]))
    costs = Costs(0.0, 0.0, 0.0, commission_per_unit=0.02, volume_cap=0.05)
    rates = execution_of(bars, instrument(costs, lot=10.0, tick=0.01)).rates
    np.testing.assert_allclose(rates[:, LOT], [40, 10])
    np.testing.assert_allclose(rates[:, TICK], [0.0025, 0.01])
    np.testing.assert_allclose(rates[:, PER_UNIT], [0.005, 0.02])
    np.testing.assert_allclose(rates[:, CAP], [40, 10])


def test_a_multiplier_turns_contracts_into_units_of_a_point(make_bars):
    # One contract is 50 units: a lot of 1 is 50; 2.50 a contract is 0.05 a unit; 10 % of 30 contracts are 150 units.
    # Impact: 0.8 x 0.01 x sqrt(contracts / 30) = 0.008 x sqrt(units / 1500).
    bars = wavy(make_bars, 25, 0.01, volume=np.full(25, 30.0))
    costs = Costs(0.0, 0.0, 0.0, commission_per_unit=2.50, volume_cap=0.1, impact=0.8)
    rates = execution_of(bars, instrument(costs, lot=1.0, tick=0.25, multiplier=50.0, kind="future")).rates
    assert (rates[:, LOT] == 50).all()
    assert (rates[:, TICK] == 0.25).all()
    np.testing.assert_allclose(rates[:, PER_UNIT], 0.05)
    np.testing.assert_allclose(rates[:, CAP], 150)
    np.testing.assert_allclose(rates[21:, IMPACT], 0.008 / np.sqrt(1500))


def test_volatility_is_that_of_the_close_before_and_0_until_it_is_known(make_bars):
    # 20 returns are known at close 20, so from row 21 on.
    bars = wavy(make_bars, 24, 0.02, volume=np.full(24, 400.0))
    rates = execution_of(bars, instrument(Costs(0.0, 1.0, 0.0, volatility_slippage=0.5, impact=1.0))).rates
    np.testing.assert_allclose(rates[:, FRICTION], np.where(np.arange(24) > 20, 0.0001 + 0.01, 0.0001))
    np.testing.assert_allclose(rates[:, IMPACT], np.where(np.arange(24) > 20, 0.02 / 20, 0.0), atol=1e-15)


def test_nothing_fills_in_a_bar_without_volume_if_costs_depend_on_it(make_bars):
    bars = replace(make_bars([100, 100, 100]), volume=np.array([10.0, 0.0, 20.0]))
    np.testing.assert_array_equal(execution_of(bars, instrument(replace(FREE, impact=0.5))).rates[:, CAP], [np.inf, 0, np.inf])
    np.testing.assert_array_equal(execution_of(bars, instrument(replace(FREE, volume_cap=0.5))).rates[:, CAP], [5, 0, 10])


def test_quotes_are_those_last_known_at_the_fill(make_bars):
    # Half of 0.2 / 100, 0.6 / 100: 10 and 30 bp; 4 bp until there is one.
    bars = replace(make_bars([100, 100, 100, 100]), spread=np.array([np.nan, 0.2, np.nan, 0.6]))
    costs = Costs(0.0, 4.0, 1.0, spread="quoted")
    opens = execution_of(bars, instrument(costs)).rates[:, FRICTION]
    closes = execution_of(bars, instrument(costs, fill_basis="close")).rates[:, FRICTION]
    np.testing.assert_allclose(opens, [0.0005, 0.0005, 0.0011, 0.0011])
    np.testing.assert_allclose(closes, [0.0005, 0.0011, 0.0011, 0.0031])


def test_interest_is_of_the_days_before_a_close_and_carry_of_those_after_it(make_bars):
    time = np.array(["2024-01-05T21:00", "2024-01-08T21:00", "2024-01-09T09:00"], dtype="datetime64[ns]")
    bars = replace(make_bars([100, 100, 100]), time=time)
    costs = replace(FREE, borrow=0.365, swap_long=0.73, swap_short=-0.1095, funding=0.0365)
    made = execution_of(bars, instrument(costs), CashRates(interest=0.0365, debit=0.073))
    np.testing.assert_allclose(made.rates[:, INTEREST], [0, 0.0003, 0.00005])
    np.testing.assert_allclose(made.rates[:, DEBIT], [0, 0.0006, 0.0001])
    np.testing.assert_allclose(made.rates[:, CARRY_LONG], [3 * 0.0021, 0.5 * 0.0021, 0])
    np.testing.assert_allclose(made.rates[:, CARRY_SHORT], [3 * 0.0006, 0.5 * 0.0006, 0])
    assert made.accrues


def test_a_future_pays_its_rolls_on_both_sides_besides_what_else_it_carries(make_bars):
    # The factor changes after row 1: 2 x (0.001 + 0.0005) at close 1; funding 0.0001 a day.
    bars = replace(make_bars([100, 100, 100, 100]), factor=np.array([1.1, 1.1, 1.0, 1.0]))
    made = execution_of(bars, instrument(Costs(0.001, 3.0, 2.0, funding=0.0365), kind="future"))
    np.testing.assert_allclose(made.rates[:, CARRY_LONG], [0.0001, 0.0031, 0.0001, 0])
    np.testing.assert_allclose(made.rates[:, CARRY_SHORT], [-0.0001, 0.0029, -0.0001, 0])
    share = execution_of(bars, instrument(Costs(0.001, 3.0, 2.0)))
    assert not share.accrues


def test_a_roll_pays_the_commission_of_both_contracts(make_bars):
    # 2.20 a contract of 50 units at 88 as traded (100 adjusted by 1.1 stands for 90.9): 0.044 x 1.1 a unit, over 100: 4.84 bp a side.
    bars = replace(make_bars([100, 100, 100]), factor=np.array([1.1, 1.1, 1.0]))
    made = execution_of(bars, instrument(Costs(0.0, 0.0, 0.0, commission_per_unit=2.20), multiplier=50.0, kind="future"))
    np.testing.assert_allclose(made.rates[:, CARRY_LONG], [0, 2 * 0.044 * 1.1 / 100, 0])
    np.testing.assert_allclose(made.rates[:, CARRY_SHORT], made.rates[:, CARRY_LONG])


def test_bars_that_all_cost_the_same_are_kept_as_one_row(make_bars):
    made = execution_of(make_bars([100, 101, 102]), instrument(Costs(0.001, 3.0, 2.0), lot=1.0))
    assert made.rates.shape == (3, N_RATES)
    assert made.compact(slice(0, 3)).shape == (1, N_RATES)
    assert execution_of(make_bars([100, 101, 102]), instrument(replace(FREE, borrow=0.01))).compact(slice(1, 3)).shape == (2, N_RATES)


def test_events_and_carry_replace_their_columns_and_leave_the_rest(make_bars):
    base = priced(make_bars([100, 100, 100]), Costs(0.001, 5.0, 0.0), "open")
    made = (
        base.with_events(payout=np.array([0, 2.0, 0]))
        .with_events(split=np.array([1.0, 1.0, 0.5]))
        .with_carry(np.full(3, 0.1), np.full(3, -0.2))
    )
    np.testing.assert_array_equal(made.rates[:, PAYOUT], [0, 2, 0])
    np.testing.assert_array_equal(made.rates[:, SPLIT], [1, 1, 0.5])
    assert (made.rates[:, CARRY_LONG] == 0.1).all()
    assert (made.rates[:, CARRY_SHORT] == -0.2).all()
    assert (made.rates[:, FRICTION] == 0.0005).all()
    assert not base.accrues
    assert made.accrues


@pytest.mark.parametrize(("payout", "split"), [(None, np.array([1.0, 2.0, 1.0])), (np.array([0.0, 0.1, 0.0]), None)])
def test_a_single_dividend_or_split_accrues(make_bars, payout, split):
    assert priced(make_bars([100, 100, 100]), FREE, "open").with_events(payout, split).accrues


@pytest.mark.parametrize(
    ("volume", "costs"),
    [
        (np.full(3, np.nan), replace(FREE, impact=0.1)),
        (np.array([1.0, np.nan, 1.0]), replace(FREE, volume_cap=0.1)),
        (np.array([1.0, -1.0, 1.0]), replace(FREE, volume_cap=0.1)),
    ],
)
def test_costs_that_need_volumes_are_refused_without_them(make_bars, volume, costs):
    bars = replace(make_bars([100, 100, 100]), volume=volume)
    with pytest.raises(DataError, match=r"costs of TEST depend on volume, and row [01] has none") as refused:
        execution_of(bars, instrument(costs))
    assert refused.value.path == "bars.volume"


def test_quoted_spreads_are_refused_without_quotes(make_bars):
    with pytest.raises(DataError, match="ask for quoted spreads, and its bars have no quotes"):
        execution_of(make_bars([100, 100]), instrument(replace(FREE, spread="quoted")))


def test_a_future_whose_factor_is_no_chain_of_rolls_is_refused(make_bars):
    bars = replace(make_bars([100, 100, 100, 100]), factor=np.array([1.3, 1.2, 1.1, 1.0]))
    with pytest.raises(DataError, match="before and after row 1"):
        execution_of(bars, instrument(FREE, kind="future"))


def test_a_price_below_one_tick_is_refused(make_bars):
    bars = replace(make_bars([100, 1, 100]), factor=np.array([5.0, 5.0, 1.0]))  # as traded: 20, 0.20, 100
    with pytest.raises(DataError, match="row 1 of TEST is below one tick"):
        execution_of(bars, instrument(FREE, tick=0.25))
    execution_of(bars, instrument(FREE, tick=0.2))


def test_a_spread_as_wide_as_the_price_is_refused(make_bars):
    bars = replace(make_bars([100, 100, 100]), spread=np.array([0.2, 250.0, 0.2]))
    with pytest.raises(DataError, match="half spread and slippage of row 2 of TEST are the whole price"):
        execution_of(bars, instrument(Costs(0.0, 4.0, 1.0, spread="quoted")))


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"payout": np.zeros(2)}, r"payout has shape \(2,\)"),
        ({"payout": np.array([0, np.nan, 0])}, "payout of row 1 is nan"),
        ({"split": np.array([1.0, 0.0, 1.0])}, "split of row 1 is 0"),
        ({"split": np.array([1.0, 1.0, -2.0])}, "split of row 2 is -2"),
        ({"split": np.array([np.inf, 1.0, 1.0])}, "split of row 0 is inf"),
    ],
)
def test_events_that_are_none_are_refused_by_name(make_bars, events, message):
    with pytest.raises(DataError, match=message):
        priced(make_bars([100, 100, 100]), FREE, "open").with_events(**events)


def test_carry_that_is_no_number_is_refused_by_its_side(make_bars):
    made = priced(make_bars([100, 100]), FREE, "open")
    with pytest.raises(DataError, match="carry of short positions of row 0 is nan"):
        made.with_carry(np.zeros(2), np.array([np.nan, 0]))
    with pytest.raises(DataError, match=r"carry has shape \(1,\)"):
        made.with_carry(np.zeros(1), np.zeros(2))


@pytest.mark.parametrize(("name", "value"), [("interest", -0.6), ("interest", 1.5), ("debit", float("nan")), ("debit", 3.0)])
def test_cash_rates_out_of_range_are_refused(name, value):
    with pytest.raises(UsageError, match=name):
        CashRates(**{name: value})


def test_an_execution_of_other_bars_or_with_a_rate_that_is_no_number_is_refused(make_bars):
    bars = make_bars([100, 101, 102])
    with pytest.raises(DataError, match="execution is of 2 bars, the bars are 3"):
        run_backtest(bars, np.ones(3), priced(make_bars([100, 101]), FREE, "open"))
    rates = priced(bars, FREE, "open").rates.copy()
    rates[1, INTEREST] = np.nan
    with pytest.raises(DataError, match="a rate of row 1"):
        run_backtest(bars, np.ones(3), Execution("open", 0.0, 0.0, rates))


@pytest.mark.parametrize("target", [1.0, -1.0, 3.0, 0.0])
def test_on_margin_interest_is_of_the_equity_whatever_is_held(make_bars, target):
    # A flat price, 5 % a year: 100 days earn 5 % x 100 / 365 simply a day, long, short or at leverage 3.
    bars = make_bars([100.0] * 101)
    cash = CashRates(interest=0.05, debit=0.08)
    made = execution_of(bars, instrument(FREE, kind="future"), cash)
    equity = run_backtest(bars, np.full(101, target), made, capital=1000.0).equity
    assert equity[-1] == pytest.approx(1000.0 * (1 + 0.05 / 365) ** 100, rel=1e-5)


def test_a_share_is_paid_for_in_cash(make_bars):
    # Long with everything: cash is 0, and nothing is earned from the fill at open 1 on.
    bars = make_bars([100.0] * 101)
    made = execution_of(bars, instrument(FREE), CashRates(interest=0.05))
    equity = run_backtest(bars, np.ones(101), made, capital=1000.0).equity
    assert equity[-1] == pytest.approx(1000.0 * (1 + 0.05 / 365), rel=1e-9)
