"""The catalogue: every set of bars a home holds, as immutable snapshots named by content. `snapshot_files` says which files they are.

Only `nullalpha.data.zones` reads bars through it on behalf of research; everything else reads dates and counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from nullalpha.core.clock import utc_now
from nullalpha.core.errors import Finding, NotFoundError, RefusedError, nearest
from nullalpha.data.bars import Bars
from nullalpha.data.instrument_book import InstrumentBook
from nullalpha.data.instruments import Instrument, Kind
from nullalpha.data.intake import checked, take
from nullalpha.data.snapshot_files import BARS_NAME, SnapshotFiles
from nullalpha.data.snapshots import Derivation, Snapshot, snapshot_id, snapshot_of, stamp
from nullalpha.data.sources.registry import SAMPLES
from nullalpha.data.sources.series import RawSeries, SourceSeries

__all__ = ["Catalogue", "checked", "ensure_samples"]

REDESCRIBED = "the same bars under another description"


class Catalogue:
    """The bars under one folder; safe for several processes: nothing written is ever changed, and one at a time adds to it.

    Args:
        root: `<home>/data`; made when something is first taken in.
        now: the clock that stamps new snapshots.
    """

    def __init__(self, root: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.root = root
        self._files = SnapshotFiles(root)
        self._now = now

    def ingest(self, raw: RawSeries, *, quarantine: bool = False) -> Snapshot:
        """Check, adjust and store a series; a no-op that returns the stored snapshot when it is already there and whole.

        Args:
            quarantine: whether rows with errors are set apart, and the others taken in.
        Raises:
            DataError: if the check finds any error (with `quarantine`: one of the table as a whole, or no row without);
                `findings` holds all of them, and nothing is stored.
            HomeError: if the folder cannot be written.
            StorageFullError: if the disk is full.
        """
        now = self._now()
        taken = take(raw, quarantine=quarantine, now=now)
        fresh = snapshot_of(
            taken.bars,
            raw.instrument,
            raw.source,
            raw.sha256,
            taken.findings,
            now,
            derived_from=raw.derived_from,
            n_quarantined=0 if taken.apart is None else len(taken.apart),
        )
        return self._kept(fresh, taken.bars, raw, taken.apart)

    def store(
        self, bars: Bars, instrument: Instrument, source: str, derived_from: Derivation, findings: tuple[Finding, ...] = ()
    ) -> Snapshot:
        """Store bars that were made of other bars, e.g. resampled ones; a no-op when they are already there and whole.

        Args:
            bars: at least one, of that instrument.
        Raises:
            HomeError: if the folder cannot be written.
            StorageFullError: if the disk is full.
        """
        return self._kept(snapshot_of(bars, instrument, source, "", findings, self._now(), derived_from=derived_from), bars)

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots, oldest import first.

        Raises:
            ArtifactError: if a description is torn.
            HomeError: if the folder cannot be read.
        """
        found = [self.get(snapshot_id) for snapshot_id in self._files.ids()]
        return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.id))

    def series(self, kind: Kind | None = None) -> list[Snapshot]:
        """Return the latest snapshot of every instrument and timeframe, by symbol; of one kind of instrument, if one is named.

        Raises:
            ArtifactError: if a description is torn.
        """
        latest = {(snapshot.instrument.symbol, snapshot.timeframe): snapshot for snapshot in self.snapshots()}
        return [snapshot for _, snapshot in sorted(latest.items()) if kind is None or snapshot.instrument.kind == kind]

    def latest(self, instrument: str, timeframe: str) -> Snapshot:
        """Return the most recently imported snapshot of a series.

        Raises:
            NotFoundError: if there is none; suggests the nearest symbol, or the timeframes that there are.
        """
        known = self.snapshots()
        matching = [snapshot for snapshot in known if (snapshot.instrument.symbol, snapshot.timeframe) == (instrument, timeframe)]
        if matching:
            return matching[-1]
        frames = sorted({snapshot.timeframe for snapshot in known if snapshot.instrument.symbol == instrument})
        symbols = sorted({snapshot.instrument.symbol for snapshot in known})
        near = nearest(instrument.upper(), symbols)
        raise NotFoundError(
            f"no {timeframe} bars of {instrument!r} in {self.root}",
            path="timeframe" if frames else "instrument",
            value=timeframe if frames else instrument,
            suggestion=f"there is {', '.join(frames)}" if frames else _advice(near, symbols),
        )

    def get(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot by its id.

        Raises:
            NotFoundError: if there is none.
            ArtifactError: if its description is torn.
        """
        return self._files.described(snapshot_id)

    def read(self, snapshot: Snapshot) -> Bars:
        """Return a snapshot's bars, verified against its id.

        Raises:
            ArtifactError: if a file is missing, torn, or not what the id says.
        """
        return self._files.bars(snapshot)

    def bars_path(self, snapshot: Snapshot) -> Path:
        """Return the parquet file that holds a snapshot's bars; `read` alone verifies it."""
        return self._files.path(snapshot.id, BARS_NAME)

    def quarantined(self, snapshot: Snapshot) -> pa.Table | None:
        """Return the rows that were set apart when a snapshot was taken in, as `Taken.apart` describes; None if there were none.

        Raises:
            ArtifactError: if they are gone or torn.
        """
        return self._files.apart(snapshot) if snapshot.n_quarantined else None

    def lineage(self, snapshot_id: str) -> list[Snapshot]:
        """Return a snapshot and then everything it was made of, nearest first; the last ones' bronze is what was received.

        Raises:
            NotFoundError: if one of them is not in this home.
            ArtifactError: if a description is torn.
        """
        found: dict[str, Snapshot] = {}
        waiting = [snapshot_id]
        while waiting:
            snapshot = self.get(waiting.pop(0))
            if snapshot.id not in found:
                found[snapshot.id] = snapshot
                waiting += snapshot.derived_from.snapshots if snapshot.derived_from else ()
        return list(found.values())

    def redescribe(self, symbol: str, instrument: Instrument) -> list[Snapshot]:
        """Return snapshots of the latest bars of a symbol, one a timeframe, under a new description; they are then the latest.

        Campaigns that began with the old description keep it: its snapshots stay as they are.

        Raises:
            NotFoundError: if there are no bars of the symbol.
            RefusedError: if the description is of another symbol, calendar, or changes what can be traded into a series or back: such
                bars have to be imported again.
            ArtifactError: if the stored bars are torn.
        """
        standing = [snapshot for snapshot in self.series() if snapshot.instrument.symbol == symbol]
        if not standing:
            raise NotFoundError(f"no bars of {symbol!r} in {self.root}", path="instrument", value=symbol)
        _require_same_bars(standing[0].instrument, instrument)
        return [snapshot if snapshot.instrument == instrument else self._redescribed(snapshot, instrument) for snapshot in standing]

    def stand(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot that is there as the latest of its series: its bars were taken in again after others."""
        again = replace(snapshot, created=stamp(self._now()))
        with self._files.alone():
            self._files.describe(again)
        return again

    def _redescribed(self, old: Snapshot, instrument: Instrument) -> Snapshot:
        bars = self.read(old)
        fresh = replace(
            old,
            id=snapshot_id(bars, instrument),
            instrument=instrument,
            created=stamp(self._now()),
            derived_from=Derivation((old.id,), REDESCRIBED),
        )
        with self._files.alone():
            if self._files.is_whole(fresh.id):
                fresh = replace(self.get(fresh.id), created=fresh.created)
            else:
                self._files.share(old.id, fresh.id)
            self._files.describe(fresh)
        return fresh

    def _kept(self, fresh: Snapshot, bars: Bars, raw: RawSeries | None = None, apart: pa.Table | None = None) -> Snapshot:
        with self._files.alone():
            if self._files.is_whole(fresh.id):
                stored = self.get(fresh.id)
                if stored.n_quarantined or apart is None:
                    return stored
            self._files.write(fresh, bars, apart, raw)
        return fresh


def ensure_samples(catalogue: Catalogue, book: InstrumentBook | None = None) -> list[Snapshot]:
    """Return the sample series' snapshots, taking in those that are not there; a symbol that the user imported is left alone.

    Args:
        book: the home's instruments; what it says of a sample goes before what the sample says of itself.
    Raises:
        NotFoundError: if the package that ships them is not installed.
        SettingsError: if the book is broken.
        HomeError: if the folder cannot be written.
    """
    known = catalogue.snapshots()
    return [_ensured(catalogue, sample, known, book) for sample in SAMPLES]


def _ensured(catalogue: Catalogue, sample: SourceSeries, known: list[Snapshot], book: InstrumentBook | None) -> Snapshot:
    declared = sample.instrument if book is None else book.describe(sample.instrument)
    same = [item for item in known if (item.instrument.symbol, item.timeframe) == (declared.symbol, sample.timeframe)]
    if same and (same[-1].instrument == declared or same[-1].instrument.source != sample.instrument.source):
        return same[-1]
    if same and same[-1].instrument.calendar == declared.calendar:
        described = catalogue.redescribe(declared.symbol, declared)
        return next(snapshot for snapshot in described if snapshot.timeframe == sample.timeframe)
    return catalogue.ingest(replace(sample.load(), instrument=declared))


def _require_same_bars(old: Instrument, new: Instrument) -> None:
    for what, before, after in (
        ("symbol", old.symbol, new.symbol),
        ("calendar", old.calendar, new.calendar),
        ("kind", old.kind if "series" in (old.kind, new.kind) else new.kind, new.kind),
    ):
        if before != after:
            raise RefusedError(
                f"the bars of {old.symbol} were taken in with {what} {before!r}, which decides what they are; it cannot become {after!r}",
                path=what,
                value=after,
                suggestion="import the bars again with the new description",
            )


def _advice(near: str | None, symbols: list[str]) -> str:
    if near:
        return f"did you mean {near}?"
    return f"there is {', '.join(symbols)}" if symbols else "`nullalpha data list` shows what there is"
