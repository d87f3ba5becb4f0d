"""One entry to all kinds of synthetic markets."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from nullalpha.core.errors import DataError, NotFoundError, UsageError, nearest
from nullalpha.core.fingerprint import sha256_hex
from nullalpha.data.bars import Bars
from nullalpha.data.slices import encode_bars
from nullalpha.data.synthetic.clock import clock_of
from nullalpha.data.synthetic.kinds import KINDS, Kind
from nullalpha.data.synthetic.market import SyntheticMarket, Truth, Venue
from nullalpha.data.synthetic.oracle import realised_sharpe
from nullalpha.data.synthetic.recipe import Drawn, Recipe
from nullalpha.data.synthetic.shapes import assembled

MIN_BARS, MAX_BARS = 2, 2_000_000
MAX_SEED = 2**63 - 1
_PRICES = (1e-6, 1e12)


def synthesise(
    kind: str, n_bars: int, seed: int, like: Bars | None = None, venue: Venue | None = None, **options: float | None
) -> SyntheticMarket:
    """Return the market that a recipe and a seed make; the same ones make the same market.

    Args:
        kind: a name in KINDS.
        n_bars: from 2 to 2,000,000, and no more than the calendar has sessions for.
        seed: 0 or more.
        like: real bars to resample or to fit to, of the venue's timeframe. Their values reach the market: give bars of the search
            zone alone.
        venue: calendar, costs, fill basis and symbol.
        options: those of the kind; None for the default.
    Raises:
        NotFoundError: if there is no such kind; suggests the nearest.
        UsageError: if an option, the seed or the number of bars is out of range, or real bars are missing or of no use.
        DataError: if the recipe cannot be followed (too few sessions or real bars, an edge too large).
    """
    venue = Venue() if venue is None else venue
    chosen = _kind(kind)
    settled = chosen.settle(options)
    _require(chosen, n_bars, seed, like, venue)
    clock = clock_of(venue, n_bars)
    drawn = chosen.draw(Recipe(clock, venue, np.random.default_rng(seed), settled, like))
    bars = assembled(drawn.moves, venue, clock, venue.start_price if drawn.start_price is None else drawn.start_price)
    if not (_PRICES[0] < bars.low.min() and bars.high.max() < _PRICES[1]):
        raise DataError(
            f"{kind} with seed {seed} leads to prices from {bars.low.min():.3g} to {bars.high.max():.3g}",
            path="volatility",
            suggestion="ask for fewer bars, or less volatility or drift",
        )
    recipe = {"kind": kind, "seed": seed, "n_bars": n_bars, "options": settled, "venue": asdict(venue)}
    if like is not None:
        recipe["like"] = {"instrument": like.instrument, "timeframe": like.timeframe, "sha256": sha256_hex(encode_bars(like))}
    return SyntheticMarket(kind, venue, bars, clock.session, _truth(drawn, bars, venue, clock.bars_per_year), recipe)


def _truth(drawn: Drawn, bars: Bars, venue: Venue, bars_per_year: float) -> Truth:
    realised = None
    if drawn.position is not None:
        realised = realised_sharpe(bars, drawn.position, venue, drawn.warmup_bars, bars_per_year)
    return Truth(drawn.parameters, drawn.position, drawn.warmup_bars, drawn.stated_sharpe, realised, drawn.state)


def _kind(name: str) -> Kind:
    if name in KINDS:
        return KINDS[name]
    near = nearest(name, list(KINDS))
    raise NotFoundError(
        f"there is no kind of synthetic market {name!r}",
        path="kind",
        value=name,
        suggestion=f"did you mean {near}?" if near else f"there are {', '.join(KINDS)}",
    )


def _require(kind: Kind, n_bars: int, seed: int, like: Bars | None, venue: Venue) -> None:
    for name, value, low, high in (("n_bars", n_bars, MIN_BARS, MAX_BARS), ("seed", seed, 0, MAX_SEED)):
        if not low <= value <= high:
            raise UsageError(f"{name} is {value}", path=name, value=value, suggestion=f"a whole number from {low} to {high}")
    if kind.like == "needed" and like is None:
        raise UsageError(
            f"{kind.name} is made of real bars", path="like", suggestion="name an instrument whose bars to use, e.g. --like SPX"
        )
    if kind.like == "unused" and like is not None:
        users = ", ".join(name for name, other in KINDS.items() if other.like != "unused")
        raise UsageError(
            f"{kind.name} makes no use of real bars", path="like", value=like.instrument, suggestion=f"leave it out; {users} use them"
        )
    if like is not None and like.timeframe != venue.timeframe:
        raise UsageError(
            f"the real bars are {like.timeframe}, the market's {venue.timeframe}",
            path="timeframe",
            value=venue.timeframe,
            suggestion=f"ask for {like.timeframe}",
        )
