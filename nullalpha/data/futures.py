"""From futures contracts to one continuous series, and back to prices as traded.

A contract is held until a rule says that it is time for the next (`nullalpha.data.futures_rolls`); at the close of the roll the old one is
sold and the new one bought. Back-adjustment by ratio multiplies everything before a roll by new price / old price, so that the returns
of the series are those of holding and rolling; what each price was multiplied by is kept as `factor`, and price as traded =
price / factor. Adjustment by difference adds instead: gains in points are true, returns are not, and a price long ago can become 0 or
less, which is refused.

Costs of rolling are not in the prices: they are two sides of a trade at every `Roll`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars, IntArray
from nullalpha.data.futures_rolls import Contract, Held, Roll, RollRule, schedule

Adjustment = Literal["ratio", "difference"]
ADJUSTMENTS: tuple[Adjustment, ...] = get_args(Adjustment)
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class ContinuousSeries:
    """Attributes:
    bars: back-adjusted; `factor` is there for adjustment by ratio. Volumes are those of the contract that was held.
    contract: (n_bars,) place in `symbols` of the contract of each bar.
    symbols: the contracts held, in order.
    rolls: from each to the next.
    """

    bars: Bars
    contract: IntArray
    symbols: tuple[str, ...]
    rolls: tuple[Roll, ...]


def continuous(contracts: Sequence[Contract], rule: RollRule, adjustment: Adjustment = "ratio") -> ContinuousSeries:
    """Return the back-adjusted series of holding one contract after the other.

    Args:
        contracts: at least one, in any order, times ascending within each.
    Raises:
        DataError: if two contracts expire on one day, one trades after its expiry, two neighbours share no close, a rule finds nothing
            to go by, or adjustment by difference makes a price 0 or less.
    """
    held, rolls = schedule(_in_order(contracts), rule)
    parts = [_held_bars(one) for one in held]
    lengths = [len(part) for part in parts]
    place = np.repeat(np.arange(len(parts)), lengths)
    first = parts[0]
    time, open_, high, low, close, volume = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("time", *_PRICES, "volume")
    )
    traded = Bars(first.instrument, first.timeframe, time, open_, high, low, close, volume)
    bars = _by_ratio(traded, rolls, place) if adjustment == "ratio" else _by_difference(traded, rolls, place)
    return ContinuousSeries(bars, place, tuple(one.contract.symbol for one in held), tuple(rolls))


def as_traded(bars: Bars) -> Bars:
    """Return bars at the prices at which they were traded, which jump where a contract was rolled or a stock split.

    Bars without factors are as traded already.
    """
    if bars.factor is None:
        return bars
    prices = {name: getattr(bars, name) / bars.factor for name in _PRICES}
    spread = None if bars.spread is None else bars.spread / bars.factor
    return replace(bars, **prices, spread=spread, factor=None)


def _by_ratio(traded: Bars, rolls: Sequence[Roll], place: IntArray) -> Bars:
    for roll in rolls:
        if not (roll.old_price > 0 and roll.new_price > 0):
            raise _not_positive(roll.time, min(roll.old_price, roll.new_price), "leave the contract out, or start after it")
    ratios = np.array([roll.new_price / roll.old_price for roll in rolls])
    factor = np.append(np.cumprod(ratios[::-1])[::-1], 1.0)[place]
    return replace(traded, **{name: getattr(traded, name) * factor for name in _PRICES}, factor=factor)


def _by_difference(traded: Bars, rolls: Sequence[Roll], place: IntArray) -> Bars:
    differences = np.array([roll.new_price - roll.old_price for roll in rolls])
    offset = np.append(np.cumsum(differences[::-1])[::-1], 0.0)[place]
    shifted = {name: getattr(traded, name) + offset for name in _PRICES}
    least = int(np.argmin(shifted["low"]))
    if shifted["low"][least] <= 0:
        raise _not_positive(traded.time[least], float(shifted["low"][least]), "adjust by ratio, which keeps every price above 0")
    return replace(traded, **shifted)


def _not_positive(time: np.datetime64, price: float, advice: str) -> DataError:
    return DataError(
        f"the continuous price at {time} would be {price:g}, which is not above 0", path="adjustment", value=price, suggestion=advice
    )


def _in_order(contracts: Sequence[Contract]) -> list[Contract]:
    ordered = sorted((contract for contract in contracts if len(contract.bars)), key=lambda contract: contract.expiry)
    if not ordered:
        raise DataError("there are no contracts with bars", path="contracts")
    for earlier, later in pairwise(ordered):
        if earlier.expiry == later.expiry:
            text = f"contracts {earlier.symbol} and {later.symbol} expire on the same day, {later.expiry}"
            raise DataError(text, path="expiry", value=later.expiry, suggestion="import one series of contracts at a time")
    for contract in ordered:
        if contract.day[-1] > contract.expiry:
            text = f"contract {contract.symbol} has a bar on {contract.day[-1]}, after it expired on {contract.expiry}"
            raise DataError(text, path="expiry", value=contract.expiry, suggestion="correct the expiry: the last day on which it trades")
    return ordered


def _held_bars(held: Held) -> Bars:
    bars = held.contract.bars
    start = 0 if held.since is None else int(np.searchsorted(bars.time, held.since, side="right"))
    stop = len(bars) if held.until is None else int(np.searchsorted(bars.time, held.until, side="right"))
    return bars.slice(start, stop)
