"""Identities that any account must hold, on random markets with every order, cost and event."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.kernel import CAP, IMPACT, LOT, PAYOUT, PER_UNIT, TICK
from nullalpha.engines.backtest.run import run_backtest
from tests.support.executions import execution
from tests.support.random_markets import CAPITAL, Market, markets

ACCOUNT = ("equity", "cash", "position", "commission", "slippage", "carry", "interest", "income", "turnover_notional")


def distances_times(orders: EntryOrders | ExitDistances | None, factor: float | np.ndarray):
    """The same orders with every distance times `factor`."""
    if orders is None:
        return None
    return replace(orders, **{name: value * factor for name, value in vars(orders).items() if isinstance(value, np.ndarray)})


def prices_times(market: Market, factor: float | np.ndarray) -> Market:
    bars = market.bars
    scaled = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    entry, exits = distances_times(market.entry, factor), distances_times(market.exits, factor)
    return replace(market, bars=replace(bars, **scaled), entry=entry, exits=exits)


@settings(max_examples=150, deadline=None)
@given(markets())
def test_equity_is_cash_plus_position_times_price_at_every_bar(market):
    result = market.backtest()
    np.testing.assert_allclose(result.equity, result.cash + result.position * result.close, rtol=1e-12, atol=1e-9)
    held = result.position != 0
    np.testing.assert_allclose(result.exposure[held], (result.position * result.close / result.equity)[held], rtol=1e-12)
    assert (result.exposure[~held] == 0).all()
    assert result.position[-1] == 0


@settings(max_examples=150, deadline=None)
@given(markets())
def test_no_cash_comes_from_nothing(market):
    # Every change of cash between two closes is a fill's price, its commission, interest, a dividend or carry; and all of it together is
    # what the trades earned and what cash did.
    result = market.backtest()
    moved = result.interest + result.income - result.carry - result.commission
    for fill in result.fills:
        moved[fill.row - market.start] -= fill.units * fill.price
    np.testing.assert_allclose(np.diff(result.cash, prepend=CAPITAL), moved, rtol=1e-9, atol=1e-6)
    earned = sum(trade.pnl for trade in result.trades) + result.interest.sum()
    assert result.equity[-1] == pytest.approx(CAPITAL + earned, rel=1e-9, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(markets())
def test_costs_by_fill_by_trade_and_by_bar_are_the_same_money(market):
    result = market.backtest()
    for name in ("commission", "slippage", "carry", "income"):
        assert sum(getattr(fill, name) for fill in result.fills) == pytest.approx(getattr(result, name).sum(), rel=1e-9, abs=1e-7)
    assert sum(trade.fees for trade in result.trades) == pytest.approx(result.fees.sum(), rel=1e-9, abs=1e-7)
    assert sum(trade.income for trade in result.trades) == pytest.approx(result.income.sum(), rel=1e-9, abs=1e-7)
    notional = sum(abs(fill.units) * fill.price for fill in result.fills)
    assert notional == pytest.approx(result.turnover_notional.sum(), rel=1e-9, abs=1e-7)


@settings(max_examples=100, deadline=None)
@given(markets())
def test_fills_pay_at_least_the_commission_and_stay_within_the_cap_and_on_lots(market):
    result, rates = market.backtest(), market.execution.rates
    spent = dict.fromkeys(range(len(market.bars)), 0.0)
    for fill in result.fills:
        least = market.execution.commission * abs(fill.units) * fill.price + rates[fill.row, PER_UNIT] * abs(fill.units)
        assert fill.commission >= max(least, market.execution.least_commission) - 1e-9
        assert fill.slippage >= -1e-9
        if fill.reason not in ("edge", "ruin") and fill.row != market.stop - 1:
            spent[fill.row] += abs(fill.units)
        if (
            (tick := rates[fill.row, TICK])
            and fill.reason not in ("edge", "ruin")
            and (market.entry is None or market.entry.kind == "market")
        ):
            assert fill.price / tick == pytest.approx(round(fill.price / tick), abs=1e-6)
    for row, units in spent.items():
        assert units <= rates[row, CAP] * (1 + 1e-6) + 1e-9


@settings(max_examples=50, deadline=None)
@given(markets())
def test_a_target_of_zero_leaves_all_but_interest_flat(market):
    idle = replace(market, target=np.zeros_like(market.target))
    result = idle.backtest()
    np.testing.assert_allclose(result.equity, CAPITAL + np.cumsum(result.interest), rtol=1e-12)
    assert (result.fills, result.trades) == ((), ())
    assert (idle.with_rates(interest=0.0, debit=0.0).backtest().equity == CAPITAL).all()


@settings(max_examples=100, deadline=None)
@given(markets(whole=False))
def test_doubling_the_capital_doubles_money_and_leaves_returns(market):
    once, twice = market.backtest(), replace(market, capital=2 * CAPITAL).backtest()
    for name in ACCOUNT:
        np.testing.assert_array_equal(getattr(twice, name), 2 * getattr(once, name))
    np.testing.assert_array_equal(twice.returns, once.returns)
    assert [trade.exit_row for trade in twice.trades] == [trade.exit_row for trade in once.trades]
    assert [(trade.mae, trade.mfe) for trade in twice.trades] == [(trade.mae, trade.mfe) for trade in once.trades]


@settings(max_examples=100, deadline=None)
@given(markets())
def test_four_times_the_capital_is_four_times_the_money_if_lots_caps_and_least_commissions_are_four_times_as_large(market):
    # Impact goes with the root of the units: half the coefficient at four times the units. Powers of two leave every bit as it was.
    rates = market.execution.rates
    larger = market.with_rates(lot=4 * rates[:, LOT], cap=4 * rates[:, CAP], impact=0.5 * rates[:, IMPACT])
    execution = replace(larger.execution, least_commission=4 * market.execution.least_commission)
    once, fourfold = market.backtest(), replace(larger, execution=execution, capital=4 * CAPITAL).backtest()
    for name in ACCOUNT:
        np.testing.assert_array_equal(getattr(fourfold, name), 4 * getattr(once, name))
    np.testing.assert_array_equal(fourfold.returns, once.returns)


@settings(max_examples=100, deadline=None)
@given(markets())
def test_prices_in_another_unit_leave_all_money_as_it_was(market):
    # Four times the prices are a quarter of the units: ticks, dividends and commissions a unit are four times as large, lots and caps a
    # quarter.
    rates = market.execution.rates
    other = prices_times(market, 4.0).with_rates(
        tick=4 * rates[:, TICK],
        payout=4 * rates[:, PAYOUT],
        per_unit=4 * rates[:, PER_UNIT],
        impact=2 * rates[:, IMPACT],
        lot=0.25 * rates[:, LOT],
        cap=0.25 * rates[:, CAP],
    )
    ours, theirs = market.backtest(), other.backtest()
    for name in ACCOUNT:
        units = 0.25 if name == "position" else 1.0
        np.testing.assert_array_equal(getattr(theirs, name), units * getattr(ours, name))
    np.testing.assert_array_equal(theirs.returns, ours.returns)


@settings(max_examples=150, deadline=None)
@given(markets(), st.data())
def test_another_future_changes_nothing_up_to_t(market, data):
    t = data.draw(st.integers(market.start, market.stop - 1))
    future = np.arange(len(market.bars)) > t
    changed = prices_times(market, np.where(future, 3.0, 1.0))
    rates = market.execution.rates.copy()
    rates[future] = rates[future][::-1]
    rates[future, CAP] = 1.5
    other = replace(
        changed,
        target=np.where(future, -market.target, market.target),
        execution=replace(market.execution, rates=rates),
    )
    before, after = market.backtest(), other.backtest()
    known = t - market.start + (0 if t == market.stop - 1 else 1)
    for name in ACCOUNT:
        np.testing.assert_allclose(getattr(after, name)[:known], getattr(before, name)[:known], rtol=1e-12, atol=1e-12)
    done = [fill for fill in before.fills if fill.row < market.start + known]
    assert [(fill.row, fill.reason) for fill in after.fills if fill.row < market.start + known] == [
        (fill.row, fill.reason) for fill in done
    ]


@settings(max_examples=100, deadline=None)
@given(markets(), st.data())
def test_an_account_cut_short_is_the_same_until_its_last_row(market, data):
    cut = data.draw(st.integers(market.start + 1, market.stop))
    whole, short = market.backtest(), replace(market, stop=cut).backtest()
    known = cut - market.start - (0 if cut == market.stop else 1)
    for name in ACCOUNT:
        np.testing.assert_allclose(getattr(short, name)[:known], getattr(whole, name)[:known], rtol=1e-12, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(markets())
def test_costs_never_make_a_single_long_trade_better(market):
    bars, basis = market.bars, market.execution.fill_basis
    rows = {"start_row": market.start, "stop_row": market.stop}
    free = run_backtest(bars, np.ones(len(bars)), execution(bars, Costs(0, 0, 0), basis), **rows)
    paid = run_backtest(bars, np.ones(len(bars)), execution(bars, Costs(0.001, 5.0, 5.0), basis), **rows)
    assert (paid.equity <= free.equity + 1e-12).all()


@settings(max_examples=100, deadline=None)
@given(markets())
def test_fills_as_traded_move_the_same_money_and_leave_nothing_held(market):
    factor = np.where(np.arange(len(market.bars)) < len(market.bars) // 2, 0.25, 1.0)
    result = replace(market, bars=replace(market.bars, factor=factor)).backtest()
    for own, traded in zip(result.fills, result.fills_as_traded, strict=True):
        assert traded.price * factor[own.row] == pytest.approx(own.price, rel=1e-12)
        assert traded.price * traded.units == pytest.approx(own.price * own.units, rel=1e-12)
    for own, traded in zip(result.trades, result.trades_as_traded, strict=True):
        assert (traded.pnl, traded.fees, traded.mae, traded.mfe) == pytest.approx((own.pnl, own.fees, own.mae, own.mfe), rel=1e-9, abs=1e-9)
        assert traded.units * traded.entry_price == pytest.approx(own.units * own.entry_price, rel=1e-9)
        assert traded.exit_units * traded.exit_price == pytest.approx(own.exit_units * own.exit_price, rel=1e-9)
