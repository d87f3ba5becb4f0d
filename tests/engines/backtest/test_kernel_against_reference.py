"""The compiled kernel against a plain Python account that follows the same rules, and identities that any account must hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs
from nullalpha.engines.backtest.decision import ExitDistances
from nullalpha.engines.backtest.run import run_backtest


@dataclass
class ReferenceAccount:
    """An account kept the slow way: one object, one list of events, every rule in words of its own."""

    costs: Costs
    basis: str
    cash: float
    units: float = 0.0
    entry_row: int = -1
    stop: float | None = None
    goal: float | None = None
    trail: float | None = None
    best: float = 0.0
    unpaid: float = 0.0
    events: list[tuple[int, float, float, float, float, str]] = field(default_factory=list)

    def trade(self, row: int, units: float, price: float, reason: str) -> None:
        """Trade a signed number of units; buyers pay more, sellers get less."""
        rate = (self.costs.half_spread_bps + self.costs.slippage_bps) / 1e4
        paid = price + price * rate * (1 if units > 0 else -1)
        fee = self.costs.commission * abs(units * paid)
        self.cash -= units * paid + fee
        self.units += units
        self.events.append((row, units, paid, fee, self.unpaid, reason))
        self.unpaid = 0.0

    def flatten(self, row: int, price: float, reason: str) -> None:
        self.trade(row, -self.units, price, reason)
        self.units, self.stop, self.goal, self.trail, self.entry_row = 0.0, None, None, None, -1

    def hold(self, price: float, rate: float) -> None:
        """Pay for holding what is held; the next fill carries the bill."""
        bill = rate * abs(self.units * price)
        self.cash -= bill
        self.unpaid += bill

    def see(self, price: float) -> None:
        """Remember the best price that the position has seen."""
        if self.units * (price - self.best) > 0:
            self.best = price

    def stops(self) -> list[tuple[float, str]]:
        """Both stops with their names, the one that is reached first in front, the fixed one if they are level."""
        side = np.sign(self.units)
        levels = [] if self.stop is None else [(self.stop, "stop")]
        levels += [] if self.trail is None else [(self.best - side * self.trail, "trailing")]
        return sorted(levels, key=lambda level: -side * level[0])

    def go_to(self, row: int, fraction: float, price: float, reason: str, stop: float, goal: float, trail: float) -> None:
        equity = self.cash + self.units * price
        if equity <= 0:
            fraction, reason = 0.0, "ruin"
        wanted = fraction * equity / price
        if self.units and np.sign(wanted) != np.sign(self.units):
            self.flatten(row, price, reason)
        if wanted == self.units:
            return
        if self.units == 0:
            self.entry_row = row
            side = np.sign(wanted)
            self.stop = price - side * stop if stop > 0 else None
            self.goal = price + side * goal if goal > 0 else None
            self.trail, self.best = trail if trail > 0 else None, price
        self.trade(row, wanted - self.units, price, reason)
        self.units = wanted

    def reached(self, stop_price: float, goal_price: float) -> tuple[float, str] | None:
        """Which level these prices reach, the nearer stop first; mirrored for a short position."""
        side = np.sign(self.units)
        for level, name in self.stops():
            if side * (stop_price - level) <= 0:
                return level, name
        if self.goal is not None and side * (goal_price - self.goal) >= 0:
            return self.goal, "target"
        return None


def reference(bars: Bars, target, exits: ExitDistances, carry, costs: Costs, basis: str, capital: float, start: int, stop: int):
    account = ReferenceAccount(costs, basis, capital)
    ordered, waiting, over, curve = 0.0, None, False, []
    for row in range(start, stop):
        o, h, lo, c = bars.open[row], bars.high[row], bars.low[row], bars.close[row]
        last = row == stop - 1
        if waiting is not None:
            fraction, reason, *distances = waiting
            if basis == "close" and last:
                reason = "edge" if fraction * account.units > 0 else reason
                fraction = 0.0
            account.go_to(row, fraction, o if basis == "open" else c, reason, *distances)
            waiting = None
        if basis == "open" and account.units:
            worst, best = (lo, h) if account.units > 0 else (h, lo)
            if at_open := account.reached(o, o):
                account.flatten(row, o, at_open[1])
            elif inside := account.reached(worst, best):
                account.flatten(row, *inside)
            else:
                account.see(best)
        if not last:
            account.hold(c, carry[row])
        equity = account.cash + account.units * c
        if equity <= 0:
            over = True
        if account.units and (over or last):
            account.flatten(row, c, "ruin" if over else "edge")
        curve.append((account.cash + account.units * c, account.cash, account.units))
        if over or last:
            continue
        if target[row] != ordered:
            ordered = target[row]
            waiting = (ordered, "signal", exits.stop[row], exits.target[row], exits.trailing[row])
        elif account.units:
            if basis == "close" and (level := account.reached(c, c)):
                waiting = (0.0, level[1], 0.0, 0.0, 0.0)
            elif exits.max_bars and row + 1 - account.entry_row >= exits.max_bars:
                waiting = (0.0, "time", 0.0, 0.0, 0.0)
        if basis == "close" and account.units:
            account.see(c)
    return np.array(curve), account.events


@st.composite
def markets(draw):
    """Random bars, targets that change now and then, distances, costs of trading and holding, and a window."""
    n = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.005, 0.03, 0.3]))
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, scale, n)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0, scale / 2, n))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, scale / 2, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, scale / 2, n)))
    time = np.datetime64("2020-01-01T21:00", "ns") + np.arange(n) * np.timedelta64(1, "D")
    bars = Bars("TEST", "1d", time, open_, high, low, close, np.full(n, np.nan))
    levels = draw(st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.3, 2.5, -2.0]), min_size=1, max_size=4))
    target = rng.choice(levels, n)
    keep = rng.random(n) < draw(st.sampled_from([0.0, 0.5, 0.9]))
    for row in range(1, n):
        target[row] = target[row - 1] if keep[row] else target[row]
    distances = [np.where(rng.random(n) < 0.1, np.nan, close * scale * draw(st.sampled_from([0.0, 0.5, 2.0]))) for _ in range(3)]
    exits = ExitDistances(distances[0], distances[1], draw(st.sampled_from([0, 0, 1, 2, 7])), distances[2])
    carry = np.where(rng.random(n) < 0.3, draw(st.sampled_from([0.0, 0.001, 0.2])), 0.0)
    costs = draw(st.sampled_from([Costs(0.0, 0.0, 0.0), Costs(0.0005, 1.0, 2.0), Costs(0.02, 50.0, 100.0)]))
    start = draw(st.integers(0, n - 1))
    return bars, target, exits, carry, costs, draw(st.sampled_from(["open", "close"])), start, draw(st.integers(start + 1, n))


def backtest(market, capital=1000.0):
    bars, target, exits, carry, costs, basis, start, stop = market
    return run_backtest(
        bars, target, costs=costs, fill_basis=basis, exits=exits, carry=carry, capital=capital, start_row=start, stop_row=stop
    )


@settings(max_examples=400, deadline=None)
@given(markets())
def test_the_kernel_agrees_with_a_plain_account_in_every_figure_and_fill(market):
    bars, target, exits, carry, costs, basis, start, stop = market
    result = backtest(market)
    curve, events = reference(bars, target, exits, carry, costs, basis, 1000.0, start, stop)
    for column, values in enumerate((result.equity, result.cash, result.position)):
        np.testing.assert_allclose(values, curve[:, column], rtol=1e-9, atol=1e-9)
    assert [(fill.row, fill.reason) for fill in result.fills] == [(row, reason) for row, *_, reason in events]
    np.testing.assert_allclose(
        [(fill.units, fill.price, fill.commission, fill.carry) for fill in result.fills] or np.zeros((0, 4)),
        np.array([event[1:5] for event in events], dtype=float).reshape(-1, 4),
        rtol=1e-9,
        atol=1e-9,
    )


@settings(max_examples=150, deadline=None)
@given(markets())
def test_equity_is_cash_plus_position_times_price_at_every_bar(market):
    result = backtest(market)
    np.testing.assert_allclose(result.equity, result.cash + result.position * result.close, rtol=1e-12, atol=1e-9)
    held = result.position != 0
    np.testing.assert_allclose(result.exposure[held], (result.position * result.close / result.equity)[held], rtol=1e-12)
    assert (result.exposure[~held] == 0).all()


@settings(max_examples=150, deadline=None)
@given(markets())
def test_trades_and_costs_add_up_to_what_the_account_earned(market):
    result = backtest(market)
    trades = result.trades
    assert result.position[-1] == 0
    assert sum(trade.pnl for trade in trades) == pytest.approx(result.equity[-1] - 1000.0, rel=1e-9, abs=1e-6)
    assert sum(trade.fees for trade in trades) == pytest.approx(result.fees.sum(), rel=1e-9, abs=1e-9)
    assert sum(fill.commission for fill in result.fills) == pytest.approx(result.commission.sum(), rel=1e-9, abs=1e-9)
    assert sum(fill.slippage for fill in result.fills) == pytest.approx(result.slippage.sum(), rel=1e-9, abs=1e-9)
    assert sum(fill.carry for fill in result.fills) == pytest.approx(result.carry.sum(), rel=1e-9, abs=1e-9)
    commission = market[4].commission
    np.testing.assert_allclose(result.commission, commission * result.turnover_notional, rtol=1e-9, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(markets())
def test_doubling_the_capital_doubles_money_and_leaves_returns(market):
    once, twice = backtest(market), backtest(market, capital=2000.0)
    np.testing.assert_allclose(twice.equity, 2 * once.equity, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(twice.returns, once.returns, rtol=1e-9, atol=1e-12)
    assert [trade.exit_row for trade in twice.trades] == [trade.exit_row for trade in once.trades]


@settings(max_examples=100, deadline=None)
@given(markets(), st.data())
def test_another_future_changes_nothing_up_to_t(market, data):
    bars, target, exits, carry, costs, basis, start, stop = market
    t = data.draw(st.integers(start, stop - 1))
    future = np.arange(len(bars)) > t
    other = replace(
        bars,
        **{name: np.where(future, getattr(bars, name) * 3.0, getattr(bars, name)) for name in ("open", "high", "low", "close")},
    )
    shuffled = np.where(future, -target, target)
    wider = replace(exits, trailing=np.where(future, 2.0 * exits.trailing + 1.0, exits.trailing))
    before = backtest(market)
    after = backtest((other, shuffled, wider, np.where(future, carry + 0.01, carry), costs, basis, start, stop))
    known = t - start + (0 if t == stop - 1 else 1)
    np.testing.assert_array_equal(after.equity[:known], before.equity[:known])
    np.testing.assert_array_equal(after.position[:known], before.position[:known])


@settings(max_examples=100, deadline=None)
@given(markets(), st.data())
def test_an_account_cut_short_is_the_same_until_its_last_row(market, data):
    *rest, start, stop = market
    cut = data.draw(st.integers(start + 1, stop))
    whole, short = backtest(market), backtest((*rest, start, cut))
    known = cut - start - (0 if cut == stop else 1)
    for name in ("equity", "cash", "position", "carry", "commission"):
        np.testing.assert_array_equal(getattr(short, name)[:known], getattr(whole, name)[:known])


@settings(max_examples=50, deadline=None)
@given(markets())
def test_a_target_of_zero_leaves_equity_flat(market):
    bars, target, *rest = market
    result = backtest((bars, np.zeros_like(target), *rest))
    assert (result.equity == 1000.0).all()
    assert result.fills == ()
    assert result.trades == ()


@settings(max_examples=50, deadline=None)
@given(markets())
def test_costs_never_make_a_single_long_trade_better(market):
    bars, _, _, _, costs, basis, start, stop = market
    long = np.ones(len(bars))
    free = run_backtest(bars, long, costs=Costs(0, 0, 0), fill_basis=basis, start_row=start, stop_row=stop)
    paid = run_backtest(bars, long, costs=costs, fill_basis=basis, start_row=start, stop_row=stop)
    assert (paid.equity <= free.equity + 1e-12).all()


@settings(max_examples=100, deadline=None)
@given(markets())
def test_fills_as_traded_move_the_same_money_and_leave_nothing_held(market):
    bars, *rest = market
    factor = np.where(np.arange(len(bars)) < len(bars) // 2, 0.25, 1.0)
    result = backtest((replace(bars, factor=factor), *rest))
    for own, traded in zip(result.fills, result.fills_as_traded, strict=True):
        assert traded.price * factor[own.row] == pytest.approx(own.price, rel=1e-12)
        assert traded.price * traded.units == pytest.approx(own.price * own.units, rel=1e-12)
    for own, traded in zip(result.trades, result.trades_as_traded, strict=True):
        assert (traded.pnl, traded.fees) == pytest.approx((own.pnl, own.fees), rel=1e-9, abs=1e-9)
        assert traded.units * traded.entry_price == pytest.approx(own.units * own.entry_price, rel=1e-9)
        assert traded.exit_units * traded.exit_price == pytest.approx(own.units * own.exit_price, rel=1e-9)
