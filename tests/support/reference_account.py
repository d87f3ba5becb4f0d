"""An account kept the slow way, by the rules in the kernel's docstring: one object, words of its own, nothing compiled or vectorised.

It shares no code with the kernel, and keeps other state: stop and trailing stop apart, the best price, orders as dictionaries of words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nullalpha.data.bars import Bars
from nullalpha.engines.backtest.decision import EntryOrders, ExitDistances
from nullalpha.engines.backtest.execution import Execution
from nullalpha.engines.backtest.kernel import (
    CAP,
    CARRY_LONG,
    CARRY_SHORT,
    DEBIT,
    FRICTION,
    IMPACT,
    INTEREST,
    LOT,
    PAYOUT,
    PER_UNIT,
    SPLIT,
    TICK,
)

A_MILLIONTH = 1e-6
A_BILLIONTH = 1e-9


@dataclass
class Fill:
    row: int
    units: float
    price: float
    commission: float
    slippage: float
    reason: str
    held: float
    carry: float
    income: float


@dataclass
class Position:
    """What is held, and its levels; a level that is None is not there."""

    units: float
    since: int
    stop: float | None
    goal: float | None
    trail: float | None
    trailed: float | None

    @property
    def side(self) -> int:
        return 1 if self.units > 0 else -1


@dataclass
class Day:
    """One bar's prices as they can be traded, and its rates by name."""

    row: int
    open: float
    high: float
    low: float
    close: float
    friction: float
    impact: float
    lot: float
    tick: float
    per_unit: float
    cap: float
    carry_long: float
    carry_short: float
    interest: float
    debit: float
    payout: float
    split: float


def on_tick(price: float, tick: float, way: str) -> float:
    if tick == 0:
        return price
    rounded = {
        "up": lambda x: math.ceil(x - A_MILLIONTH),
        "down": lambda x: math.floor(x + A_MILLIONTH),
        "near": lambda x: math.floor(x + 0.5),
    }
    return max(rounded[way](price / tick), 1) * tick


def nearest_tick(level: float, tick: float) -> float:
    return on_tick(level, tick, "near") if level > 0 else level


def in_lots(units: float, lot: float) -> float:
    """Whole lots of a number of units >= 0."""
    return units if lot == 0 else math.floor(units / lot + A_MILLIONTH) * lot


@dataclass
class ReferenceAccount:
    execution: Execution
    entry: EntryOrders | None
    exits: ExitDistances
    cash: float
    position: Position | None = None
    order: dict[str, Any] | None = None
    ordered: float = 0.0
    spent: float = 0.0  # units filled in the bar so far
    unpaid: float = 0.0  # carry since the last fill
    received: float = 0.0  # dividends since the last fill
    fills: list[Fill] = field(default_factory=list)

    @property
    def units(self) -> float:
        return 0.0 if self.position is None else self.position.units

    def worth(self, price: float) -> float:
        return self.cash + self.units * price

    # Fills.

    def most(self, day: Day, wanted: float, whatever_the_cap: bool = False) -> float:
        """Of `wanted` units (without sign), as many as the bar still fills."""
        room = math.inf if whatever_the_cap else day.cap - self.spent
        if wanted <= room * (1 + A_BILLIONTH):
            return wanted
        return in_lots(room, day.lot) if room > A_BILLIONTH * day.cap else 0.0

    def pay(self, day: Day, change: float, price: float, reason: str, never_worse_than: float | None = None) -> None:
        """Exchange cash for a signed number of units."""
        buys = change > 0
        extra = price * (day.friction + day.impact * math.sqrt(abs(change)))
        paid = on_tick(price + extra, day.tick, "up") if buys else on_tick(max(price - extra, 0.0), day.tick, "down")
        if never_worse_than is not None:
            paid = min(paid, never_worse_than) if buys else max(paid, never_worse_than)
        fee = max(self.execution.least_commission, self.execution.commission * abs(change) * paid + day.per_unit * abs(change))
        self.cash -= change * paid
        self.cash -= fee
        self.spent += abs(change)
        held = self.units + change
        self.fills.append(Fill(day.row, change, paid, fee, abs(change) * abs(paid - price), reason, held, self.unpaid, self.received))
        self.unpaid = self.received = 0.0

    def close(self, day: Day, price: float, reason: str, whatever_the_cap: bool = False) -> None:
        """Sell what is held, or buy it back, as far as it goes."""
        assert self.position is not None
        size = self.most(day, abs(self.units), whatever_the_cap)
        if size == 0:
            return
        everything = size == abs(self.units)
        self.pay(day, -self.position.side * size, price, reason)
        if everything:
            self.position = None
            self.fills[-1].held = 0.0
        else:
            self.position.units -= self.position.side * size

    def open(self, day: Day, size: float, order: dict[str, Any], price: float, reason: str, limit: float | None) -> None:
        side = 1 if order["target"] > 0 else -1
        self.pay(day, side * size, price, reason, limit)
        away = {name: order[name] if order[name] > 0 else None for name in ("stop", "goal", "trail")}
        levels = {name: (1 if name == "goal" else -1) * side * far for name, far in away.items() if far is not None}
        at = {name: nearest_tick(price + far, day.tick) for name, far in levels.items()}
        self.position = Position(
            units=side * size,
            since=day.row,
            stop=at.get("stop"),
            goal=at.get("goal"),
            trail=away["trail"],
            trailed=at.get("trail"),
        )

    def go_to(self, day: Day, price: float, limit: float | None = None, whatever_the_cap: bool = False) -> None:
        """Work the waiting order at a price that it fills at."""
        order = self.order
        assert order is not None
        fraction, reason = order["target"], order["reason"]
        worth = self.worth(price)
        if worth <= 0 and limit is None:
            fraction, reason = 0.0, "ruin"
        size = in_lots(max(abs(fraction) * worth / price, 0.0), day.lot)
        side = (fraction > 0) - (fraction < 0)
        if limit is not None and self.position is not None and side * (side * size - self.units) <= 0:
            self.order = None  # a limit order that is after no more units; it never trades against its side
            return
        if self.position is not None and (size == 0 or side != self.position.side):
            self.close(day, price, reason, whatever_the_cap)
            if self.position is not None:
                return
        change = side * size - self.units
        if abs(change) <= A_MILLIONTH * day.lot:
            self.order = None
            return
        filled = self.most(day, abs(change))
        done = filled == abs(change)
        if filled > 0:
            if self.position is None:
                self.open(day, filled, order, price, reason, limit)
            else:
                self.pay(day, filled if change > 0 else -filled, price, reason, limit)
                self.position.units += filled if change > 0 else -filled
        if done:
            self.order = None
        elif order["kind"] in ("limit", "stop_limit"):
            self.order = {**order, "kind": "limit", "level": order["limit"]}
        else:
            self.order = {**order, "kind": "market"}

    # The bar, rule by rule.

    def overnight(self, day: Day) -> tuple[float, float]:
        interest = self.cash * (day.interest if self.cash > 0 else day.debit)
        if self.position is not None:
            held = self.position
            held.units *= day.split
            for name in ("stop", "goal", "trail", "trailed"):
                price = getattr(held, name)
                setattr(held, name, None if price is None else price / day.split)
        if self.order is not None:
            for name in ("stop", "goal", "trail", "level", "limit"):
                self.order[name] = None if self.order[name] is None else self.order[name] / day.split
        income = self.units * day.payout
        self.cash += interest + income
        self.received += income
        return interest, income

    def work(self, day: Day, last: bool) -> str | None:
        """Work what waits; return the kind of the order that filled inside the bar, not at its open."""
        order, basis = self.order, self.execution.fill_basis
        assert order is not None
        if last and basis == "close":
            reason = "edge" if order["target"] * self.units > 0 else order["reason"]
            self.order = {**order, "target": 0.0, "kind": "market", "reason": reason}
            self.go_to(day, day.close, whatever_the_cap=True)
            return None
        if order["kind"] == "market":
            self.go_to(day, day.open)
            return None
        long = order["target"] > 0
        if self.position is not None and self.position.side != (1 if long else -1):
            self.close(day, day.open, order["reason"])
            if self.position is not None:
                if day.row >= order["until"]:
                    self.order = exit_order(order["reason"])
                return None
        inside = None
        price = self.price_of(day, order, long)
        if price is not None:
            before = len(self.fills)
            self.go_to(day, price, order["limit"] if order["kind"] != "stop" else None)
            if len(self.fills) > before and price != day.open:
                inside = order["kind"]
        if self.order is not None and self.order["kind"] != "market" and day.row >= order["until"]:
            self.order = None
        return inside

    def price_of(self, day: Day, order: dict[str, Any], long: bool) -> float | None:
        """The price before costs at which an entry order fills in this bar; None where it does not."""
        cost = 1 + day.friction if long else 1 - day.friction
        level = order["level"]
        if order["kind"] == "limit":
            if (day.open * cost <= level) if long else (day.open * cost >= level):
                return day.open
            reached = day.low * cost <= level if long else day.high * cost >= level
            return level / cost if reached else None
        if (day.open >= level) if long else (day.open <= level):
            price = day.open
        elif (day.high >= level) if long else (day.low <= level):
            price = level
        else:
            return None
        if order["kind"] == "stop_limit" and ((price * cost > order["limit"]) if long else (price * cost < order["limit"])):
            self.order = {**order, "kind": "limit", "level": order["limit"]}
            return None
        return price

    def stops(self) -> list[tuple[float, str]]:
        """Both stops with their names, the one that is reached first in front, the fixed one if they are level."""
        held = self.position
        assert held is not None
        both = [] if held.stop is None else [(held.stop, "stop")]
        both += [] if held.trailed is None else [(held.trailed, "trailing")]
        return sorted(both, key=lambda level: -held.side * level[0])

    def reached(self, worst: float, best: float) -> tuple[float, str] | None:
        """Which level these prices reach, the nearer stop first."""
        held = self.position
        assert held is not None
        for level, name in self.stops():
            if held.side * (worst - level) <= 0:
                return level, name
        if held.goal is not None and held.side * (best - held.goal) >= 0:
            return held.goal, "target"
        return None

    def protect(self, day: Day, inside: str | None) -> None:
        """Ask the levels inside the bar."""
        held = self.position
        assert held is not None
        worst, best = (day.low, day.high) if held.side > 0 else (day.high, day.low)
        if inside is None and (at_open := self.reached(day.open, day.open)):
            self.close(day, day.open, at_open[1])
            reason = at_open[1]
        else:
            if inside == "limit":
                best = min(best, day.close) if held.side > 0 else max(best, day.close)
            acted = self.reached(worst, best)
            if acted is None:
                return
            self.close(day, *acted)
            reason = acted[1]
        self.order = None if self.position is None else exit_order(reason)

    def see(self, price: float, tick: float) -> None:
        """Bring the trailing stop after the best price of a bar; it only ever comes nearer."""
        held = self.position
        assert held is not None
        if held.trail is None or held.trailed is None:
            return
        level = nearest_tick(price - held.side * held.trail, tick)
        held.trailed = max(held.trailed, level) if held.side > 0 else min(held.trailed, level)

    def decide(self, day: Day, wish: dict[str, float], target: float) -> None:
        """Give the order of the close."""
        if target != self.ordered:
            self.ordered = target
            self.order = self.entry_order(day, wish, target)
        elif self.position is not None:
            if self.execution.fill_basis == "close" and (level := self.reached(day.close, day.close)):
                self.order = exit_order(level[1])
            elif self.exits.max_bars and day.row + 1 - self.position.since >= self.exits.max_bars:
                self.order = exit_order("time")

    def entry_order(self, day: Day, wish: dict[str, float], target: float) -> dict[str, Any]:
        order = {"target": target, "reason": "signal", "kind": "market", "level": None, "limit": None, "until": math.inf}
        order |= {name: wish[name] for name in ("stop", "goal", "trail")}
        if self.entry is None or self.entry.kind == "market" or target == 0 or target * self.units > 0:
            return order
        side = 1 if target > 0 else -1
        kind, away = self.entry.kind, wish["entry"] if wish["entry"] > 0 else 0.0
        towards, beyond = ("down", "up") if side > 0 else ("up", "down")
        level = (
            on_tick(day.close - side * away, day.tick, towards) if kind == "limit" else on_tick(day.close + side * away, day.tick, beyond)
        )
        limit = level
        if kind == "stop_limit" and wish["limit"] > 0:
            limit = on_tick(level + side * wish["limit"], day.tick, towards)
        until = day.row + self.entry.valid_bars if self.entry.valid_bars else math.inf
        return order | {"kind": kind, "level": level, "limit": limit, "until": until}


def exit_order(reason: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("level", "limit"))
    return {"target": 0.0, "reason": reason, "kind": "market", "until": math.inf, "stop": 0.0, "goal": 0.0, "trail": 0.0, **nothing}


@dataclass(frozen=True)
class ReferenceResult:
    """(n_rows, 3) equity, cash and units; (n_rows, 3) carry, interest and income; fills."""

    account: np.ndarray
    flows: np.ndarray
    fills: list[Fill]


def reference(
    bars: Bars,
    target: np.ndarray,
    execution: Execution,
    entry: EntryOrders | None,
    exits: ExitDistances,
    capital: float,
    start: int,
    stop: int,
) -> ReferenceResult:
    """Keep the account over rows [start, stop)."""
    account = ReferenceAccount(execution, entry, exits, capital)
    at_open, over = execution.fill_basis == "open", False
    curve, flows = [], []
    for row in range(start, stop):
        day, last = day_of(bars, execution, row), row == stop - 1
        account.spent = 0.0
        interest, income = account.overnight(day)
        inside = account.work(day, last) if account.order is not None else None
        before = len(account.fills)
        if at_open and account.position is not None:
            account.protect(day, inside)
        cut_short = len(account.fills) > before
        bill = 0.0
        if not last and account.position is not None:
            bill = (day.carry_long if account.units > 0 else day.carry_short) * abs(account.units) * day.close
            account.cash -= bill
            account.unpaid += bill
        flows.append((bill, interest, income))
        over = over or account.worth(day.close) <= 0
        if over or last:
            if account.position is not None:
                account.close(day, day.close, "ruin" if over else "edge", whatever_the_cap=True)
                if cut_short:
                    account.fills[-2:] = [one_fill(*account.fills[-2:])]
            account.order = None
        else:
            wish = wish_of(entry, exits, row)
            if account.position is not None and at_open:
                favourable = day.high if account.units > 0 else day.low
                account.see(favourable if inside is None else day.close, day.tick)
            account.decide(day, wish, float(target[row]))
            if account.position is not None and not at_open:
                account.see(day.close, day.tick)
        curve.append((account.worth(day.close), account.cash, account.units))
    return ReferenceResult(np.array(curve), np.array(flows), account.fills)


def one_fill(first: Fill, second: Fill) -> Fill:
    """Two exits of one bar are one fill, at their average price: what a level closed, and what the end closed of the rest."""
    units = first.units + second.units
    price = (first.units * first.price + second.units * second.price) / units
    sums = {name: getattr(first, name) + getattr(second, name) for name in ("commission", "slippage", "carry", "income")}
    return Fill(row=second.row, units=units, price=price, reason=second.reason, held=second.held, **sums)


def day_of(bars: Bars, execution: Execution, row: int) -> Day:
    names = {
        "friction": FRICTION, "impact": IMPACT, "lot": LOT, "tick": TICK, "per_unit": PER_UNIT, "cap": CAP, "carry_long": CARRY_LONG,
        "carry_short": CARRY_SHORT, "interest": INTEREST, "debit": DEBIT, "payout": PAYOUT, "split": SPLIT,
    }  # fmt: skip
    rates = {name: float(execution.rates[row, column]) for name, column in names.items()}
    prices = {
        name: float((getattr(bars, name) if execution.fill_basis == "open" else bars.close)[row])
        for name in ("open", "high", "low", "close")
    }
    return Day(row=row, **prices, **rates)


def wish_of(entry: EntryOrders | None, exits: ExitDistances, row: int) -> dict[str, float]:
    """The distances known at a close; 0 where there is none."""
    arrays = {
        "stop": exits.stop,
        "goal": exits.target,
        "trail": exits.trailing,
        "entry": None if entry is None else entry.distance,
        "limit": None if entry is None else entry.limit_distance,
    }
    return {name: 0.0 if array is None or not array[row] > 0 else float(array[row]) for name, array in arrays.items()}
