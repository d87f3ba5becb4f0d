"""The three zones of a home's calendar, and the only way to bars: a view bound to one of them.

- search: what agents, memory, tools and optimisers may read;
- validation: read once at the end of a campaign, by a ticket of the ledger;
- lockbox: read at promotion alone, by an opening that the ledger recorded first.

A view holds every bar known strictly before its zone ends (earlier zones are its history), so nothing later can leak into
what is made from it. A bar is known at its close. Dates and counts are public, values are not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.errors import NotFoundError, SealedZoneError
from nullalpha.data.bars import Bars, SessionTable
from nullalpha.data.intervals import ZoneName, Zones, iso_day, propose_zones
from nullalpha.data.slices import OPTIONAL_COLUMNS, PRICE_COLUMNS, write_slice
from nullalpha.data.snapshots import Snapshot

if TYPE_CHECKING:  # its pandas and pyarrow are not needed to hold zones
    from collections.abc import Sequence

    from nullalpha.data.catalogue import Catalogue

__all__ = ["BarStore", "BarView", "LockboxOpening", "ValidationTicket", "ZoneName", "Zones", "propose_zones"]


@dataclass(frozen=True)
class ValidationTicket:
    """Permission for one look at the validation zone. Only the ledger issues it, after it has written the look.

    Attributes:
        ledger_id: the id of the row that recorded the look.
    """

    ledger_id: str

    def __post_init__(self) -> None:
        _require_record(self.ledger_id, "validation")


@dataclass(frozen=True)
class LockboxOpening:
    """Permission for one opening of the lockbox. Only the ledger issues it, after it has written the opening.

    Attributes:
        ledger_id: the id of the row that recorded the opening.
    """

    ledger_id: str

    def __post_init__(self) -> None:
        _require_record(self.ledger_id, "lockbox")


class BarView:
    """The bars of one zone and of the history before it. Made by `BarStore` alone.

    Attributes:
        zone: which zone it is bound to.
        start: ISO date on which the zone starts.
        end: ISO date before which everything in the view was known; None for the lockbox.
    """

    def __init__(self, catalogue: Catalogue, zones: Zones, zone: ZoneName, pinned: tuple[Snapshot, ...]) -> None:
        self.zone = zone
        self.start = zones.start(zone)
        self.end = zones.end(zone)
        self._catalogue = catalogue
        self._pinned = pinned

    def bars(self, instrument: str, timeframe: str, until: str | None = None) -> Bars:
        """Return all bars from the snapshot's start known strictly before `until` or, by default, before the zone ends.

        The arrays are copies: they share no memory with later bars.

        Args:
            instrument: symbol.
            timeframe: `1d`, `1h`, ...
            until: ISO date, no later than the zone's end.
        Raises:
            SealedZoneError: if `until` lies beyond the zone.
            NotFoundError: if there are no such bars.
            ArtifactError: if the stored bars are torn.
        """
        stop = self._bound(until)
        bars = self._catalogue.read(self._resolve(instrument, timeframe))
        return bars if stop is None else _copied(bars.before(np.datetime64(stop, "ns")))

    def zone_start_row(self, bars: Bars) -> int:
        """Return the row of the first bar that became known in this zone; `len(bars)` if there is none.

        Raises:
            SealedZoneError: if the bars reach beyond the zone.
        """
        self._refuse_beyond(bars)
        return int(np.searchsorted(bars.time, np.datetime64(self.start, "ns"), side="left"))

    def snapshot(self, instrument: str, timeframe: str) -> Snapshot:
        """Return the whole snapshot's facts, without the check's findings, which quote values.

        Raises:
            NotFoundError: if there are no such bars.
        """
        return replace(self._resolve(instrument, timeframe), findings=())

    def slice_artifact(self, instrument: str, timeframe: str, artifacts: ArtifactStore) -> str:
        """Store this view's bars for a worker process and return their SHA-256; `read_slice` reads them.

        The same bars always have the same hash, and the file holds nothing beyond the zone.
        """
        bars = self.bars(instrument, timeframe)
        self._refuse_beyond(bars)
        return write_slice(artifacts, bars)

    def _bound(self, until: str | None) -> str | None:
        if until is None:
            return self.end
        asked = iso_day("until", until).isoformat()
        if self.end is not None and asked > self.end:
            raise self._sealed(asked)
        return asked

    def _refuse_beyond(self, bars: Bars) -> None:
        if self.end is not None and len(bars) and bars.time[-1] >= np.datetime64(self.end, "ns"):
            raise self._sealed(str(bars.time[-1].astype("datetime64[D]")))

    def _sealed(self, asked: str) -> SealedZoneError:
        return SealedZoneError(
            f"the {self.zone} zone ends before {self.end}; {asked} lies beyond it",
            path="until",
            value=asked,
            suggestion=f"read up to {self.end}",
        )

    def _resolve(self, instrument: str, timeframe: str) -> Snapshot:
        if not self._pinned:
            return self._catalogue.latest(instrument, timeframe)
        for snapshot in self._pinned:
            if (snapshot.instrument.symbol, snapshot.timeframe) == (instrument, timeframe):
                return snapshot
        there = ", ".join(f"{snapshot.instrument.symbol} {snapshot.timeframe}" for snapshot in self._pinned)
        raise NotFoundError(f"no {timeframe} bars of {instrument!r} in this view", value=instrument, suggestion=f"there is {there}")


class BarStore:
    """The only reader of bars outside `nullalpha.data`.

    Args:
        catalogue: where the bars are.
        zones: the home's zones.
        pinned: the snapshots to read, one a series; with none, the latest of each series is read, whatever it then is. A
            campaign pins what it began with.
    """

    def __init__(self, catalogue: Catalogue, zones: Zones, pinned: Sequence[Snapshot] = ()) -> None:
        self.zones = zones
        self._catalogue = catalogue
        self._pinned = tuple(pinned)

    def search(self) -> BarView:
        """Return the view that anybody may read."""
        return self._view("search")

    def validation(self, ticket: ValidationTicket) -> BarView:
        """Return the view that a ledgered look at the validation zone may read.

        Raises:
            SealedZoneError: if this is no such ticket.
        """
        if not isinstance(ticket, ValidationTicket):
            raise SealedZoneError("the validation zone is read with a validation ticket of the ledger", value=type(ticket).__name__)
        return self._view("validation")

    def lockbox(self, opening: LockboxOpening) -> BarView:
        """Return the view that a ledgered opening of the lockbox may read.

        Raises:
            SealedZoneError: if this is no such opening.
        """
        if not isinstance(opening, LockboxOpening):
            raise SealedZoneError("the lockbox is read with an opening of the ledger", value=type(opening).__name__)
        return self._view("lockbox")

    def _view(self, zone: ZoneName) -> BarView:
        return BarView(self._catalogue, self.zones, zone, self._pinned)


def _require_record(ledger_id: str, zone: ZoneName) -> None:
    if not ledger_id.strip():
        raise SealedZoneError(f"the {zone} zone opens only after the ledger has recorded it", path="ledger_id", value=ledger_id)


def _copied(bars: Bars) -> Bars:
    sessions = bars.sessions
    return replace(
        bars,
        **{name: getattr(bars, name).copy() for name in ("time", *PRICE_COLUMNS)},
        **{name: getattr(bars, name).copy() for name in OPTIONAL_COLUMNS if getattr(bars, name) is not None},
        sessions=None if sessions is None else SessionTable(sessions.open.copy(), sessions.close.copy()),
    )
