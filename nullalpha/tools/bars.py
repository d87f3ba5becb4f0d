"""Bars for tools: the search zone's and no others, before any campaign has fixed it too."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from nullalpha.core.errors import InsufficientBarsError, NotFoundError
from nullalpha.data.intervals import iso_day
from nullalpha.data.zones import BarStore, Zones, propose_zones
from nullalpha.engines.protocol import MIN_TEST_ROWS, MIN_TRAIN_ROWS, Protocol
from nullalpha.tools.desk import Desk

if TYPE_CHECKING:
    from nullalpha.data.bars import Bars
    from nullalpha.data.snapshots import Snapshot

FEWEST_BARS = MIN_TRAIN_ROWS + Protocol.n_folds * MIN_TEST_ROWS
"""No campaign trades an instrument that has fewer in its search zone."""
_BEGINNING = "1700-01-01"


def search_bars(desk: Desk, symbol: str, timeframe: str) -> Bars:
    """Return an instrument's bars up to the end of the search zone; of an outside series, what was published by then.

    Raises:
        NotFoundError: if there are none.
    """
    from nullalpha.data.timeframes import PUBLISHED  # noqa: PLC0415

    snapshots = desk.catalogue.snapshots()
    try:
        snapshot = desk.catalogue.latest(symbol, timeframe)
    except NotFoundError:
        if not any((s.instrument.symbol, s.timeframe) == (symbol, PUBLISHED) for s in snapshots):
            raise
        snapshot = desk.catalogue.latest(symbol, PUBLISHED)
    return bars_of(desk, snapshot)


def bars_of(desk: Desk, snapshot: Snapshot) -> Bars:
    """Return a snapshot's bars up to the end of the search zone.

    Before the first campaign: up to the earliest end that a search zone could get in which the instrument can be traded, or of a series
    that nothing trades, could get at all.
    """
    ends = search_ends(desk)
    bars = _bars_before(desk, snapshot, ends[-1])
    if len(ends) == 1:
        return bars
    if not snapshot.instrument.tradable:
        return bars.before(np.datetime64(ends[0], "ns"))
    # what is too coarse to be traded by itself must not show what finer bars of the same instrument hide
    symbol = snapshot.instrument.symbol
    others = [s for s in desk.catalogue.series() if s.instrument.symbol == symbol and s.timeframe != snapshot.timeframe]
    known = [bars, *(_bars_before(desk, other, ends[-1]) for other in others if other.n_bars >= FEWEST_BARS)]
    own = [end for end in (_first_tradable(one, ends) for one in known) if end is not None]
    return bars.before(np.datetime64(min(own), "ns")) if own else bars


def _bars_before(desk: Desk, snapshot: Snapshot, end: str) -> Bars:
    zones = Zones(_BEGINNING, end, (iso_day("end", end) + timedelta(days=1)).isoformat())
    return BarStore(desk.catalogue, zones, pinned=[snapshot]).search().bars(snapshot.instrument.symbol, snapshot.timeframe)


def _first_tradable(bars: Bars, ends: list[str]) -> str | None:
    """Return the first end of a search zone before which a campaign could trade these bars; None if there is none."""
    return next((end for end in ends if len(bars.before(np.datetime64(end, "ns"))) >= FEWEST_BARS), None)


def search_ends(desk: Desk) -> list[str]:
    """Return the ISO dates, ascending, before which the search zone of this home ends: one, or before its first campaign all it could get.

    What is fixed by the settings is fixed; otherwise any instruments with bars enough may be in the first campaign.
    """
    current = desk.stores.looks.current_zones()
    fixed = desk.validation_from() if current is None else current[1].validation_start
    if fixed is not None:
        return [iso_day("research.validation_from", fixed).isoformat()]
    snapshots = [s for s in desk.catalogue.snapshots() if s.instrument.tradable and s.n_bars >= FEWEST_BARS]
    firsts, lasts = {s.first[:10] for s in snapshots}, {s.last[:10] for s in snapshots}
    found = {_proposed(first, last) for first in firsts for last in lasts if first < last}
    return sorted(end for end in found if end is not None)


def _proposed(first: str, last: str) -> str | None:
    try:
        return propose_zones(first, last).validation_start
    except InsufficientBarsError:  # too short for zones of its own: it bounds nobody's
        return None
