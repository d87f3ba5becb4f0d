"""Portfolios small enough to be worked by hand (each test's comment is the working), and what any shared account must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, InsufficientBarsError, UsageError
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.execution import CashRates, priced
from nullalpha.engines.backtest.kernel import DEBIT, INTEREST
from nullalpha.engines.backtest.portfolio import PortfolioMember, net_targets, run_portfolio
from nullalpha.engines.backtest.run import run_backtest
from tests.support.executions import execution
from tests.support.random_markets import CAPITAL, Market, market_of

FREE = Costs(commission=0.0, half_spread_bps=0.0, slippage_bps=0.0)
ONE_PERCENT = Costs(commission=0.01, half_spread_bps=0.0, slippage_bps=0.0)


def member(bars, target, costs=FREE, basis="open", **options):
    return PortfolioMember(bars, np.array(target, dtype=float), execution(bars, costs, basis), **options)


def named(market: Market, symbol: str) -> PortfolioMember:
    """A random market's instrument without interest of its own."""
    rates = market.execution.rates.copy()
    rates[:, [INTEREST, DEBIT]] = 0.0
    return PortfolioMember(
        replace(market.bars, instrument=symbol), market.target, replace(market.execution, rates=rates), market.entry, market.exits
    )


@st.composite
def portfolios(draw, whole: bool = True) -> list[PortfolioMember]:
    """Two or three random instruments whose bars begin, end and are missing at times of their own."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    members = []
    for symbol in ("AAA", "BBB", "CCC")[: draw(st.integers(2, 3))]:
        one = named(market_of(rng, lambda values: draw(st.sampled_from(values)), whole), symbol)
        n = len(one.bars)
        days = np.sort(rng.choice(np.arange(n + draw(st.sampled_from([0, 5]))), n, replace=False)) + draw(st.integers(0, 4))
        time = np.datetime64("2020-01-01T21:00", "ns") + days * np.timedelta64(1, "D")
        members.append(replace(one, bars=replace(one.bars, time=time), target=one.target / 2.0))
    return members


def test_two_instruments_share_cash_and_the_equity_that_sizes_them(make_bars):
    # 1000. Row 1: A opens at 100, B at 50, each half of 1000: 5 A (commission 5), 10 B (commission 5): cash -10. Marked at 120 and 40:
    # 600 + 400 - 10 = 990. A ends: row 2 opens A at 130: 650 - 6.5: cash 633.5; B is not touched. Marked at 45: 450 + 633.5 = 1083.5.
    # Target of B 1.0 after close 2: row 3 opens at 44: equity 633.5 + 440 = 1073.5, wanted 1073.5 / 44 units, bought for 633.5,
    # commission 6.335: cash -6.335. Flattened at 44: 1073.5 - 10.735 - 6.335 = 1056.43.
    a = make_bars([100, 120, 131, 131], open_=[100, 100, 130, 131], instrument="AAA")
    b = make_bars([50, 40, 45, 44], open_=[50, 50, 41, 44], instrument="BBB")
    result = run_portfolio([member(a, [0.5, 0, 0, 0], ONE_PERCENT), member(b, [0.5, 0.5, 1, 1], ONE_PERCENT)], capital=1000.0)
    assert result.equity == pytest.approx([1000, 990, 1083.5, 1056.43], abs=1e-9)
    assert result.cash == pytest.approx([1000, -10, 633.5, 1056.43], abs=1e-9)
    assert result.position == pytest.approx(np.array([[0, 5, 0, 0], [0, 10, 10, 0]]))
    assert result.pnl == pytest.approx(np.array([[0, 95, 43.5, 0], [0, -105, 50, -10 - 6.335 - 10.735]]), abs=1e-9)
    assert [(fill.row, fill.reason) for fill in result.fills["BBB"]] == [(1, "signal"), (3, "signal"), (3, "edge")]
    assert [trade.pnl for trade in result.trades["AAA"]] == pytest.approx([650 - 500 - 5 - 6.5])
    assert result.exposure[:, 1] == pytest.approx([600 / 990, 400 / 990])
    assert result.gross_exposure == pytest.approx([0, 1000 / 990, 450 / 1083.5, 0])
    assert result.returns == pytest.approx([0, -0.01, 1083.5 / 990 - 1, 1056.43 / 1083.5 - 1])
    assert result.fees == pytest.approx([0, 10, 6.5, 6.335 + 10.735])
    assert not result.ruined


def test_long_and_short_of_two_strategies_cancel_before_they_trade(make_bars):
    bars = make_bars([100, 110, 90, 95])
    wanted = net_targets(np.array([[1.0, 1.0, 1.0, 0.0], [-1.0, -1.0, 0.0, 0.0]]), [0.5, 0.5])
    assert wanted.tolist() == [0, 0, 0.5, 0]
    result = run_portfolio([member(bars, wanted, ONE_PERCENT)], capital=1000.0)
    assert [(fill.row, fill.reason) for fill in result.fills["TEST"]] == [(3, "signal"), (3, "edge")]
    assert net_targets(np.array([[0.1], [0.2], [-0.3]]), [1, 1, 1]).tolist() == [0.0]


def test_the_cap_scales_the_targets_of_a_bar_to_its_sum(make_bars):
    # 1.5 long and 0.5 short is 2 gross; capped at 1: 0.75 and -0.25 of 1000. After close 1 the short ends: 1.5 alone is capped to 1:
    # row 2 opens at 100: 1000 / 100 - 7.5 = 2.5 more units.
    a, b = make_bars([100] * 4, instrument="AAA"), make_bars([10] * 4, instrument="BBB")
    result = run_portfolio([member(a, [1.5] * 4), member(b, [-0.5, 0, 0, 0])], capital=1000.0, max_gross=1.0)
    assert result.position == pytest.approx(np.array([[0, 7.5, 10, 0], [0, -25, 0, 0]]))
    assert result.gross_exposure.max() == pytest.approx(1.0)


def test_a_change_of_the_scale_never_reopens_what_a_stop_closed(make_bars):
    # A is stopped out in row 2 (low 90). When B's target ends, A's scale goes from 1/2 to 1, its own target has not changed.
    a = make_bars([100, 100, 95, 95, 95, 95], low=[100, 100, 90, 95, 95, 95], instrument="AAA")
    b = make_bars([10] * 6, instrument="BBB")
    levels = ExitDistances(np.full(6, 5.0), np.zeros(6), 0)
    result = run_portfolio([member(a, [1.0] * 6, exits=levels), member(b, [1, 1, 1, 0, 0, 0])], capital=1000.0, max_gross=1.0)
    assert [fill.reason for fill in result.fills["AAA"]] == ["signal", "stop"]
    assert (result.position[0, 2:] == 0).all()


def test_an_instrument_without_a_bar_keeps_its_last_close_and_waits(make_bars):
    # B has no bar on day 2: A's order of that day is sized at B's last close, 60: cash 500 + 10 x 60 = 1100, half of it 5.5 units.
    # B's order of close 1 fills on its next bar, day 3, at 70.
    a = make_bars([100] * 4, instrument="AAA")
    b = make_bars([50, 60, 99, 70], open_=[50, 50, 99, 70], instrument="BBB")
    kept = np.array([0, 1, 3])
    b = replace(b, **{name: getattr(b, name)[kept] for name in ("time", "open", "high", "low", "close", "volume")})
    result = run_portfolio([member(a, [0, 0.5, 0.5, 0.5]), member(b, [0.5, 0, 0])], capital=1000.0)
    assert result.close[1].tolist() == [50, 60, 60, 70]
    assert result.position == pytest.approx(np.array([[0, 0, 5.5, 0], [0, 10, 10, 0]]))
    assert result.equity == pytest.approx([1000, 1100, 1100, 1200])
    assert [(fill.row, fill.price) for fill in result.fills["BBB"]] == [(1, 50.0), (2, 70.0)]


def test_at_closes_an_order_counts_what_the_opens_left(make_bars):
    # Row 1: A (basis open) buys 5 at 100 and stands at 120 at the close: equity 1100. B (basis close) buys half of it at 50: 11 units.
    a = make_bars([100, 120, 120], open_=[100, 100, 120], instrument="AAA")
    b = make_bars([50, 50, 50], instrument="BBB")
    result = run_portfolio([member(a, [0.5] * 3), member(b, [0.5] * 3, basis="close")], capital=1000.0)
    assert result.position[:, 1] == pytest.approx([5, 11])
    assert result.cash[1] == pytest.approx(1000 - 500 - 550)


def test_interest_is_paid_once_on_the_shared_cash(make_bars):
    # Half in A, nothing in B: from the close of day 1 on 500 lie idle, 3.65 % a year is 1e-4 a day.
    a, b = make_bars([100] * 4, instrument="AAA"), make_bars([50] * 4, instrument="BBB")
    result = run_portfolio([member(a, [0.5] * 4), member(b, [0.0] * 4)], capital=1000.0, cash=CashRates(0.0365, 0.05))
    first = 1000 * 1e-4
    held = 0.5 * (1000 + first)
    assert result.interest == pytest.approx([0, first, held * 1e-4, held * 1.0001 * 1e-4], rel=1e-9)
    assert result.equity[-1] == pytest.approx(1000 + result.interest.sum(), rel=1e-12)


def test_ruin_closes_every_position_and_ends_trading(make_bars):
    # 2 x long A and 0.5 long B of 1000: 20 A, 10 B; cash -1500. A falls to 40: 800 + 500 - 1500 = -200: both are closed at their closes.
    # B has no bar on that day and is closed at its last close.
    a = make_bars([100, 100, 40, 90, 90], open_=[100, 100, 90, 90, 90], instrument="AAA")
    b = make_bars([50] * 5, instrument="BBB")
    kept = np.array([0, 1, 3, 4])
    b = replace(b, **{name: getattr(b, name)[kept] for name in ("time", "open", "high", "low", "close", "volume")})
    result = run_portfolio([member(a, [2, 2, 2, 1, 1]), member(b, [0.5, 0.5, 1, 1])], capital=1000.0)
    assert result.ruined
    assert result.equity == pytest.approx([1000, 1000, -200, -200, -200])
    assert (result.position[:, 2:] == 0).all()
    assert [fill.reason for fill in result.fills["AAA"]] == ["signal", "ruin"]
    assert [(fill.row, fill.reason) for fill in result.fills["BBB"]] == [(1, "signal"), (1, "ruin")]


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_one_instrument_alone_is_a_backtest_to_the_bit(seed, data):
    market = market_of(np.random.default_rng(seed), lambda values: data.draw(st.sampled_from(values)))
    rates = data.draw(st.sampled_from([None, CashRates(0.03, 0.05), CashRates(-0.02, 0.5)]))
    alone = named(market, "TEST")
    before = priced(alone.bars, FREE, "open", rates).rates
    earning = alone.execution.rates.copy()
    earning[:, [INTEREST, DEBIT]] = before[:, [INTEREST, DEBIT]]
    single = run_backtest(
        alone.bars, alone.target, replace(alone.execution, rates=earning), entry=alone.entry, exits=alone.exits, capital=CAPITAL,
        start_row=market.start, stop_row=market.stop,
    )  # fmt: skip
    time = alone.bars.time
    shared = run_portfolio(
        [alone], capital=CAPITAL, cash=rates, start=time[market.start], stop=time[market.stop] if market.stop < len(time) else None
    )
    for name in ("time", "equity", "cash", "interest"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(single, name), err_msg=name)
    for name in ("position", "commission", "slippage", "turnover_notional", "carry", "income"):
        np.testing.assert_array_equal(getattr(shared, name)[0], getattr(single, name), err_msg=name)
    np.testing.assert_array_equal(shared.fill_arrays[0], single.fill_array)
    np.testing.assert_array_equal(shared.trade_arrays[0], single.trade_array)
    assert shared.ruined == single.ruined


@settings(max_examples=200, deadline=None)
@given(portfolios(), st.sampled_from([np.inf, 0.8]), st.sampled_from([None, CashRates(0.03, 0.05)]))
def test_equity_is_cash_plus_positions_at_their_prices_and_the_sum_of_what_was_earned(members, max_gross, cash):
    result = run_portfolio(members, capital=CAPITAL, max_gross=max_gross, cash=cash)
    value = np.where(result.position == 0.0, 0.0, result.position * result.close).sum(axis=0)
    scale = np.abs(result.cash).max() + np.abs(result.equity).max()
    np.testing.assert_allclose(result.equity, result.cash + value, atol=1e-12 * scale)
    earned = np.cumsum(result.interest + result.pnl.sum(axis=0))
    np.testing.assert_allclose(result.equity, CAPITAL + earned, atol=1e-9 * scale)
    assert (result.position[:, -1] == 0.0).all()
    for index, symbol in enumerate(result.instruments):
        assert sum(trade.pnl for trade in result.trades[symbol]) == pytest.approx(result.pnl[index].sum(), abs=1e-9 * scale)
    assert result.fees.sum() == pytest.approx(sum(t.fees for trades in result.trades.values() for t in trades), abs=1e-9 * scale)


@settings(max_examples=200, deadline=None)
@given(portfolios(), st.sampled_from([np.inf, 0.8]))
def test_the_order_of_the_instruments_does_not_matter(members, max_gross):
    one, other = (run_portfolio(list(order), capital=CAPITAL, max_gross=max_gross) for order in (members, members[::-1]))
    scale = np.abs(one.cash).max() + np.abs(one.equity).max()
    np.testing.assert_allclose(other.equity, one.equity, atol=1e-9 * scale)
    np.testing.assert_allclose(other.position[::-1], one.position, rtol=1e-6, atol=1e-9 * scale)


@settings(max_examples=100, deadline=None)
@given(portfolios(whole=False))
def test_doubling_the_capital_doubles_money_and_leaves_returns(members):
    once, twice = (run_portfolio(members, capital=capital, max_gross=1.2) for capital in (CAPITAL, 2 * CAPITAL))
    np.testing.assert_array_equal(twice.equity, 2 * once.equity)
    np.testing.assert_array_equal(twice.position, 2 * once.position)
    np.testing.assert_array_equal(twice.returns, once.returns)


@settings(max_examples=100, deadline=None)
@given(portfolios(), st.data())
def test_another_future_changes_nothing_up_to_t(members, data):
    result = run_portfolio(members, capital=CAPITAL, max_gross=1.0)
    t = data.draw(st.integers(0, len(result) - 1))
    others = []
    for one in members:
        future = one.bars.time > result.time[t]
        prices = {
            name: np.where(future, getattr(one.bars, name) * 3.0, getattr(one.bars, name)) for name in ("open", "high", "low", "close")
        }
        others.append(replace(one, bars=replace(one.bars, **prices), target=np.where(future, -one.target, one.target)))
    other = run_portfolio(others, capital=CAPITAL, max_gross=1.0)
    np.testing.assert_array_equal(other.equity[: t + 1], result.equity[: t + 1])
    np.testing.assert_array_equal(other.position[:, : t + 1], result.position[:, : t + 1])


def test_what_no_account_can_trade_is_refused(make_bars):
    bars = make_bars([100, 101, 102])
    one = member(bars, [1, 1, 1])
    with pytest.raises(UsageError, match="at least one instrument"):
        run_portfolio([])
    with pytest.raises(UsageError, match="TEST is there more than once"):
        run_portfolio([one, one])
    with pytest.raises(UsageError, match="max_gross is 0"):
        run_portfolio([one], max_gross=0)
    with pytest.raises(UsageError, match="capital"):
        run_portfolio([one], capital=-1.0)
    with pytest.raises(UsageError, match="pays interest") as refused:
        run_portfolio([replace(one, execution=execution(bars, FREE, "open", cash=CashRates(0.03)))])
    assert "give `cash`" in refused.value.suggestion
    with pytest.raises(DataError, match="target of row 1"):
        run_portfolio([replace(one, target=np.array([1.0, np.nan, 1.0]))])
    with pytest.raises(DataError, match="not later"):
        run_portfolio([replace(one, bars=replace(bars, time=bars.time[::-1]))])
    with pytest.raises(InsufficientBarsError):
        run_portfolio([one], start=np.datetime64("2030-01-01"))
    with pytest.raises(DataError, match="2 weights"):
        net_targets(np.zeros((1, 3)), [1.0, 2.0])
    with pytest.raises(DataError, match="not finite"):
        net_targets(np.zeros((1, 3)), [np.nan])
