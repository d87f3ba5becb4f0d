"""Bars that no file holds: fetched from services, made by recipes, made of shorter bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nullalpha.app.descriptions import held_instruments, pair, refuse_another
from nullalpha.core.clock import utc_now
from nullalpha.core.errors import DataError, InsufficientBarsError, NotFoundError, RefusedError, UsageError
from nullalpha.core.fingerprint import canonical_json
from nullalpha.data.instrument_kinds import DEFAULTS
from nullalpha.data.timeframes import DAILY, MONTHLY, PUBLISHED, WEEKLY, bar_duration

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab
    from nullalpha.data.bars import Bars
    from nullalpha.data.connect.fetch import Fetched
    from nullalpha.data.instruments import Instrument
    from nullalpha.data.snapshots import Snapshot
    from nullalpha.data.synthetic.market import SyntheticMarket, Venue

FIRST = "1999-01-04"
"""The first session of the packaged indices, so that a market can be traded beside them."""


@dataclass(frozen=True)
class MarketRequest:
    """A synthetic market to make; None is what was not said.

    Attributes:
        like: a real instrument to resample or to fit to.
        timeframe, calendar, fill_basis: by default those of `like`, else what the instruments file has of the symbol, else 1d, XNYS, open.
        first: ISO date; the first session is on or after it. By default that of `like`, else `FIRST`.
        options: of the kind, by name.
    """

    kind: str
    symbol: str
    n_bars: int
    seed: int
    like: str | None = None
    timeframe: str | None = None
    calendar: str | None = None
    fill_basis: str | None = None
    first: str | None = None
    options: Mapping[str, float] | None = None


def fetch_bars(
    lab: Lab, source: str, symbol: str, *, name: str | None, timeframe: str, start: str | None, end: str | None
) -> tuple[Fetched, Snapshot | None]:
    """Ask a service for what this home lacks of a series, and take it in; the one way in which the lab goes to the network for data.

    Args:
        name: another symbol to know it by.
    Raises:
        NullAlphaError: as `nullalpha.data.connect.fetch.fetch` does.
    """
    from nullalpha.data.connect.fetch import FetchRequest, fetch

    known = None if name is None else replace(DEFAULTS["equity"], symbol=name.upper()).symbol
    fetched = fetch(
        source,
        FetchRequest(symbol, timeframe, start, end, known),
        lab.catalogue,
        now=utc_now(),
        config=lab.connect_config(),
        instrument=next((one for one in lab.book.instruments(held_instruments(lab)) if one.symbol == known), None),
    )
    if fetched.raw is None:
        return fetched, None
    described = replace(lab.book.describe(fetched.raw.instrument), source=fetched.raw.instrument.source)
    snapshot = lab.catalogue.ingest(replace(fetched.raw, instrument=described))
    lab.book.put(described)
    return fetched, snapshot


def make_market(lab: Lab, request: MarketRequest, *, replacing: bool) -> tuple[SyntheticMarket, Snapshot]:
    """Make a synthetic market and take it in; real bars that it is made like are those of the search zone alone.

    Raises:
        UsageError, DataError: as `synthesise` does.
        NotFoundError: if there is nothing to make it like.
        RefusedError: if the symbol stands for something else already and `replacing` is False.
    """
    from nullalpha.data.synthetic.synthesise import synthesise

    real = None if request.like is None else _real(lab, request.like.upper(), request.timeframe)
    venue = _venue(lab, request, real)
    bars = None if real is None else _search_bars(lab, real)
    market = synthesise(request.kind, request.n_bars, request.seed, bars, venue, **(request.options or {}))
    raw = market.raw_series((real.id,) if real else ())
    described = lab.book.describing()
    held = [s for s in lab.catalogue.series() if s.instrument.symbol == raw.instrument.symbol]
    refuse_another(described(held[-1].instrument) if held else None, raw.instrument, replacing)
    snapshot = lab.catalogue.ingest(raw)
    if any(s.timeframe == snapshot.timeframe and snapshot.created < s.created for s in held):
        snapshot = lab.catalogue.stand(snapshot)
    lab.book.put(raw.instrument)
    return market, snapshot


def _real(lab: Lab, symbol: str, timeframe: str | None) -> Snapshot:
    from nullalpha.tools.data import standing

    snapshot = standing(lab.desk("cli", person=True, path_root=Path("/")), symbol, timeframe)
    if not snapshot.instrument.tradable:
        raise RefusedError(f"{symbol} is an outside series, which has no prices", path="--like", value=symbol, suggestion="--like SPX")
    return lab.standing(symbol, snapshot.timeframe)


def _search_bars(lab: Lab, snapshot: Snapshot) -> Bars:
    from nullalpha.tools.bars import bars_of

    bars = bars_of(lab.desk("cli", person=True, path_root=Path("/")), snapshot)
    if not len(bars):
        raise InsufficientBarsError(
            f"{snapshot.instrument.symbol} has no bars in the search zone",
            path="--like",
            value=snapshot.instrument.symbol,
            suggestion="before the first campaign, research.validation_from in the settings says where it ends",
        )
    return bars


def _venue(lab: Lab, request: MarketRequest, real: Snapshot | None) -> Venue:
    from nullalpha.data.synthetic.market import Venue

    listed = next((one for one in lab.book.instruments(held_instruments(lab)) if one.symbol == request.symbol.upper()), None)
    pattern: Instrument = real.instrument if real else listed or DEFAULTS["synthetic"]
    basis = request.fill_basis or pattern.fill_basis
    if basis not in ("open", "close"):
        raise UsageError(f"--fill-basis is {basis!r}", path="--fill-basis", value=basis, suggestion="use open or close")
    return Venue(
        symbol=request.symbol.upper(),
        timeframe=request.timeframe or (real.timeframe if real else DAILY),
        calendar=request.calendar or pattern.calendar,
        first=request.first or (real.first[:10] if real else FIRST),
        fill_basis="open" if basis == "open" else "close",
        sessions_per_year=pattern.sessions_per_year,
        costs=pattern.costs,
    )


def resample_bars(lab: Lab, symbol: str, timeframe: str | None, to: str) -> Snapshot:
    """Make longer bars of an instrument's shorter ones, and keep them beside those.

    Args:
        timeframe: of the bars to make them of; None for the shortest there are.
    Raises:
        NotFoundError: if there are no such bars.
        DataError: if such bars cannot be made of these.
    """
    from nullalpha.data.resample import resample
    from nullalpha.data.snapshots import Derivation

    base = lab.standing(symbol, timeframe or _shortest(lab, symbol))
    received = lab.catalogue.read(base)
    bars = resample(received, to, base.instrument.calendar)
    _refuse_rolls_inside(received, bars, base.instrument, to)
    if not len(bars):
        raise DataError(f"{symbol} has not one whole {to} bar", path="--to", value=to, suggestion="take a shorter timeframe")
    recipe = canonical_json({"resample": to})
    return lab.catalogue.store(bars, base.instrument, f"{base.source}, resampled", Derivation((base.id,), recipe))


def _refuse_rolls_inside(base: Bars, longer: Bars, instrument: Instrument, to: str) -> None:
    """Refuse longer bars of a future that roll in their midst: neither their prices as traded nor the cost of the roll could be told."""
    if instrument.kind != "future" or base.factor is None:
        return
    rolls = 1 + np.flatnonzero(np.diff(base.factor) != 0)
    bar = np.searchsorted(longer.time, base.time)
    inside = rolls[bar[rolls] == bar[rolls - 1]]
    if len(inside):
        raise DataError(
            f"{instrument.symbol} rolls inside a {to} bar at {str(base.time[inside[0]])[:16]}Z",
            path="--to",
            value=to,
            suggestion=f"resample the contracts to {to} and join those (data import --from futures)",
        )


def _shortest(lab: Lab, symbol: str) -> str:
    frames = {snapshot.timeframe for snapshot in lab.catalogue.series() if snapshot.instrument.symbol == symbol}
    received = frames - {PUBLISHED, WEEKLY, MONTHLY}
    if not received:
        there = frames or {snapshot.instrument.symbol for snapshot in lab.catalogue.series()}
        raise NotFoundError(
            f"there are no bars of {symbol!r} to make longer ones of", path="INSTRUMENT", value=symbol, suggestion=", ".join(sorted(there))
        )
    return min(received, key=lambda frame: bar_duration(frame) or np.timedelta64(1, "D"))


def numbers_of(pairs: Sequence[str]) -> dict[str, float]:
    """Return `name=number` pairs as a mapping.

    Raises:
        UsageError: for a text without `=`, or no number after it.
    """
    found: dict[str, float] = {}
    for text in pairs:
        name, value = pair(text, "--set", "volatility=0.2")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise UsageError(f"{name} is {value!r}, no number", path="--set", value=text, suggestion=f"{name}=0.2") from error
    return found
