"""When to leave a futures contract: contracts, rules, and the schedule of rolls that they make.

A rule looks at whole days; the roll happens at the close of the first bar of a later day that both contracts have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nullalpha.core.errors import DataError, UsageError, nearest
from nullalpha.data.bars import Bars, FloatArray, TimeArray

RuleKind = Literal["days", "volume", "open_interest"]
RULES: tuple[RuleKind, ...] = get_args(RuleKind)
MAX_DAYS = 120


@dataclass(frozen=True)
class Contract:
    """One contract.

    Attributes:
        symbol: e.g. `ESH4`.
        expiry: datetime64[D], the last day on which it trades.
        bars: its bars as traded; their times are whatever all contracts share: dates of sessions at midnight, or instants.
        open_interest: (n_bars,) contracts open after each bar, or None.
    """

    symbol: str
    expiry: np.datetime64
    bars: Bars
    open_interest: FloatArray | None = None

    @property
    def day(self) -> TimeArray:
        """(n_bars,) datetime64[D]: the day of each bar."""
        days: TimeArray = self.bars.time.astype("datetime64[D]")
        return days


@dataclass(frozen=True)
class RollRule:
    """When to leave a contract.

    Attributes:
        kind: `days`: once at most `days` calendar days are left to its expiry; `volume`, `open_interest`: once a later contract had
            more on one day. A contract that no rule makes one leave is left at the last close that it shares with a later one.
    """

    kind: RuleKind
    days: int = 0


@dataclass(frozen=True)
class Roll:
    """One change of contract, at the close of the bar of `time`; prices as traded."""

    time: np.datetime64
    from_contract: str
    to_contract: str
    old_price: float
    new_price: float


@dataclass(frozen=True)
class Held:
    """A contract, and when it was held: after the close of `since` up to the close of `until`; None: from its first, to its last bar."""

    contract: Contract
    since: np.datetime64 | None
    until: np.datetime64 | None


def parse_rule(text: str) -> RollRule:
    """Return the rule that `days:5`, `volume` or `open_interest` means.

    Raises:
        UsageError: if the text is no rule.
    """
    kind, colon, days = text.strip().lower().partition(":")
    if kind == "days" and days.isdecimal() and int(days) <= MAX_DAYS:
        return RollRule("days", int(days))
    for name in RULES[1:]:
        if kind == name and not colon:
            return RollRule(name)
    near = nearest(kind, RULES)
    advice = {"days": f"days:N with N from 0 to {MAX_DAYS}, e.g. days:5"}.get(near or "", near or "days:5, volume or open_interest")
    raise UsageError(f"{text!r} is no rule for rolling futures", path="roll", value=text, suggestion=f"use {advice}")


def _measure(contract: Contract, kind: RuleKind) -> FloatArray:
    if kind == "volume":
        return contract.bars.volume
    return np.full(len(contract.bars), np.nan) if contract.open_interest is None else contract.open_interest


def schedule(ordered: Sequence[Contract], rule: RollRule) -> tuple[list[Held], list[Roll]]:
    """Return the contracts that are held one after the other, and the rolls between them.

    Args:
        ordered: contracts with bars, at least one, by expiry.
    Raises:
        DataError: if a contract shares no close with any that outlasts it, or the rule finds nothing to go by.
    """
    _require_measure(ordered, rule)
    held: list[Held] = []
    rolls: list[Roll] = []
    place = 0
    since: np.datetime64 | None = None
    while True:
        current = ordered[place]
        target = _next(ordered, place, since, rule)
        if target is None:
            return [*held, Held(current, since, None)], rolls
        following, time = target
        new = ordered[following]
        rolls.append(Roll(time, current.symbol, new.symbol, _close(current, time), _close(new, time)))
        held.append(Held(current, since, time))
        place, since = following, time


def _next(ordered: Sequence[Contract], place: int, since: np.datetime64 | None, rule: RollRule) -> tuple[int, np.datetime64] | None:
    """Return the contract to roll into and the time, or None if the current one is held to the end of the data."""
    current = ordered[place]
    decided = _decision(ordered, place, since, rule)
    if decided is not None:
        following, day = decided
        shared = _shared(current, ordered[following], since)
        later = shared[shared.astype("datetime64[D]") > day]
        if len(later):
            return following, later[0]
    end = current.bars.time[-1]
    outlasting = [later for later in range(place + 1, len(ordered)) if ordered[later].bars.time[-1] > end]
    if not outlasting:
        return None
    for following in outlasting:
        shared = _shared(current, ordered[following], since)
        if len(shared):
            return following, shared[-1]
    raise DataError(
        f"contract {current.symbol} shares no close with a later one, so it cannot be rolled",
        path="contracts",
        value=current.symbol,
        suggestion=f"add bars of {ordered[outlasting[0]].symbol} from before {current.expiry}",
    )


def _decision(ordered: Sequence[Contract], place: int, since: np.datetime64 | None, rule: RollRule) -> tuple[int, np.datetime64] | None:
    """Return the contract that the rule would roll into, and the first day whose data say so."""
    current = ordered[place]
    first = current.day[0] if since is None else since.astype("datetime64[D]")
    days, own = _daily(current, rule.kind)
    days, own = days[days >= first], own[days >= first]
    if rule.kind == "days":
        due = days[(current.expiry - days) <= np.timedelta64(rule.days, "D")]
        return (place + 1, due[0]) if len(due) and place + 1 < len(ordered) else None
    best = np.full(len(days), -np.inf)
    whose = np.full(len(days), -1)
    for later in range(place + 1, len(ordered)):
        theirs = _on(days, *_daily(ordered[later], rule.kind))
        whose = np.where(theirs > best, later, whose)
        best = np.fmax(best, theirs)
    crossed = np.flatnonzero(best > own)  # a day without a figure of its own decides nothing
    return (int(whose[crossed[0]]), days[crossed[0]]) if len(crossed) else None


def _daily(contract: Contract, kind: RuleKind) -> tuple[TimeArray, FloatArray]:
    """Return a contract's days, and on each its volume in all or its open interest in the end; NaN by the rule `days`."""
    starts = np.flatnonzero(np.diff(contract.day, prepend=contract.day[0] - 1).astype(np.int64))
    days: TimeArray = contract.day[starts]
    if kind == "days":
        return days, np.full(len(days), np.nan)
    values = _measure(contract, kind)
    if kind == "volume":
        return days, np.add.reduceat(values, starts)
    return days, values[np.append(starts[1:], len(values)) - 1]


def _on(wanted: TimeArray, days: TimeArray, values: FloatArray) -> FloatArray:
    """Return the values of some days, NaN for days that are not there."""
    place = np.minimum(np.searchsorted(days, wanted), len(days) - 1)
    return np.where(days[place] == wanted, values[place], np.nan)


def _shared(current: Contract, other: Contract, since: np.datetime64 | None) -> TimeArray:
    shared: TimeArray = np.intersect1d(current.bars.time, other.bars.time)
    return shared if since is None else shared[shared > since]


def _close(contract: Contract, time: np.datetime64) -> float:
    return float(contract.bars.close[np.searchsorted(contract.bars.time, time)])


def _require_measure(ordered: Sequence[Contract], rule: RollRule) -> None:
    dark = [contract.symbol for contract in ordered if rule.kind != "days" and not np.isfinite(_measure(contract, rule.kind)).any()]
    if dark and len(ordered) > 1:
        raise DataError(
            f"contract {dark[0]} has no {rule.kind.replace('_', ' ')} to roll by",
            path="roll",
            value=rule.kind,
            suggestion="roll by days, e.g. days:5",
        )
