"""An order log rebuilds its account bar by bar, without the kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from nullalpha.core.errors import DataError
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.execution import CashRates
from nullalpha.engines.backtest.kernel import DEBIT, INTEREST
from nullalpha.engines.backtest.orders import order_table, orders_from
from nullalpha.engines.backtest.replay import Book, first_difference, order_log, replay, replay_account, spans_of
from nullalpha.engines.backtest.run import run_backtest
from nullalpha.engines.backtest.stitch import combine, stitch
from tests.support.executions import execution
from tests.support.random_markets import markets

COSTLY = Costs(0.001, 5.0, 5.0, borrow=0.05, swap_long=0.02)
CASH = CashRates(0.03, 0.06)


@settings(max_examples=300, deadline=None)
@given(markets())
def test_a_replay_is_the_account_at_every_bar_in_every_column(market):
    result = market.backtest()
    replayed = replay(order_log(result), market.bars, market.execution, market.capital, [(market.start, market.stop)])
    assert first_difference(replayed, result) is None
    np.testing.assert_allclose(replayed.equity, result.equity, rtol=1e-9, atol=1e-9 * market.capital)


def noise(make_bars, n, seed, **fields):
    rng = np.random.default_rng(seed)
    bars = make_bars(100 * np.exp(np.cumsum(rng.normal(0, 0.02, n))), **fields)
    return bars, rng.choice([1.0, 0.0, -0.5], n)


def folded(make_bars, seed, spans, capital=1000.0, **fields):
    """Folds of one strategy, their account, and what they were traded on."""
    bars, target = noise(make_bars, 60, seed, **fields)
    made = execution(bars, COSTLY, "open", cash=CASH)
    account = stitch([run_backtest(bars, target, made, capital=capital, start_row=a, stop_row=b) for a, b in spans])
    return account, Book(bars, made, spans)


def test_the_log_of_a_hand_made_account(make_bars):
    # Row 1: 10 units at 100 for 1000, commission 10: cash -10, marked at 110: 1090. Row 2: sold at 120 for 1200, commission 12: 1178.
    bars = make_bars([100, 110, 120], [100, 100, 120])
    made = execution(bars, Costs(0.01, 0.0, 0.0), "open")
    result = run_backtest(bars, np.array([1.0, 0, 0]), made, capital=1000.0)
    log = order_log(result)
    assert log["row"].tolist() == [1, 2]
    assert log["time"].tolist() == bars.time[1:].tolist()
    assert [tuple(order) for order in log[["units", "price", "commission", "held"]]] == [(10, 100, 10, 10), (-10, 120, 12, 0)]
    assert replay(log, bars, made, 1000.0).equity == pytest.approx([1000, 1090, 1178])


def test_folds_are_replayed_each_from_the_equity_before_it(make_bars):
    spans = [(3, 20), (20, 31), (40, 60)]
    account, book = folded(make_bars, 1, spans)
    assert spans_of(book.bars, account.time, account.fold_ids) == spans
    assert sorted(set(order_log(account)["fold"])) == [0, 1, 2]
    replayed = replay(order_log(account), book.bars, book.execution, 1000.0, spans)
    assert first_difference(replayed, account) is None


def test_nothing_is_replayed_after_ruin(make_bars):
    bars = make_bars([100, 100, 300, 100, 100, 50])
    made = execution(bars, Costs(0.0, 0.0, 0.0), "close", cash=CASH)
    account = stitch([run_backtest(bars, np.full(6, -1.0), made, capital=1000.0, start_row=a, stop_row=b) for a, b in ((0, 3), (3, 6))])
    assert account.ruined
    replayed = replay(order_log(account), bars, made, 1000.0, [(0, 3), (3, 6)])
    assert first_difference(replayed, account) is None
    assert (replayed.equity[3:] == replayed.equity[2]).all()


def test_accounts_held_side_by_side_are_replayed_from_one_log(make_bars):
    first, one = folded(make_bars, 2, [(0, 30), (30, 60)], instrument="A")
    second, two = folded(make_bars, 3, [(10, 50)], capital=7.0, instrument="B", first="2020-01-20T21:00")
    both = combine([first, second])
    time, equity = replay_account(order_log(both), both.instruments, {"A": one, "B": two}, both.capital)
    np.testing.assert_array_equal(time, both.time)
    np.testing.assert_allclose(equity, both.equity, rtol=1e-12)
    with pytest.raises(DataError, match="no bars to replay B on"):
        replay_account(order_log(both), both.instruments, {"A": one}, both.capital)


def test_a_log_survives_being_written_as_a_table(make_bars):
    account, _ = folded(make_bars, 4, [(0, 60)])
    table = order_table(order_log(account), account.instruments)
    assert set(table["instrument"]) == {"TEST"}
    assert set(table["reason"]) == {"signal", "edge"}
    np.testing.assert_array_equal(orders_from(table, account.instruments), order_log(account))
    with pytest.raises(DataError, match="has a column 'held'"):
        orders_from({name: column for name, column in table.items() if name != "held"}, account.instruments)
    with pytest.raises(DataError, match="'TEST' is no instrument of this account"):
        orders_from(table, ("OTHER",))


def test_the_first_bar_that_differs_is_named(make_bars):
    account, book = folded(make_bars, 5, [(0, 60)])
    log = order_log(account).copy()
    log["price"][4] *= 1.001
    found = first_difference(replay(log, book.bars, book.execution, 1000.0), account)
    assert found is not None
    assert (found.bar, found.time, found.column) == (log["row"][4], log["time"][4], "equity")
    assert "equity of bar" in str(found)
    richer = replace(book.execution, rates=book.execution.rates.copy())
    richer.rates[7, [INTEREST, DEBIT]] += 0.01
    other = first_difference(replay(order_log(account), book.bars, richer, 1000.0), account)
    assert other is not None
    assert other.bar == 7


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda log, bars: {"log": log[::-1]}, "not in order of time"),
        (lambda log, bars: {"spans": [(0, 5)]}, "lies in no fold"),
        (lambda log, bars: {"spans": [(0, 99)]}, "are not rows of 60 bars"),
        (lambda log, bars: {"bars": replace(bars, time=bars.time + np.timedelta64(1, "h"))}, "is not at the time of TEST's row"),
        (lambda log, bars: {"log": np.concatenate((log, scaled_to_instrument_1(log)))}, "of several instruments"),
    ],
)
def test_a_log_that_does_not_belong_to_the_bars_is_refused(make_bars, spoil, message):
    account, book = folded(make_bars, 6, [(0, 60)])
    given_ = {"log": order_log(account), "bars": book.bars, "execution": book.execution, "capital": 1000.0}
    with pytest.raises(DataError, match=message):
        replay(**{**given_, **spoil(given_["log"], book.bars)})


def scaled_to_instrument_1(log):
    other = log.copy()
    other["instrument"] = 1
    return other


def test_times_that_are_not_the_bars_are_refused(make_bars):
    account, book = folded(make_bars, 7, [(0, 60)])
    with pytest.raises(DataError, match="not those of TEST's bars"):
        spans_of(book.bars.slice(1, 60), account.time, account.fold_ids)
    with pytest.raises(DataError, match="or other ones"):
        first_difference(replay(order_log(account), book.bars, book.execution, 1000.0), folded(make_bars, 7, [(0, 59)])[0])
