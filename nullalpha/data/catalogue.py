"""The catalogue: every set of bars a home holds, as immutable snapshots named by content.

    bronze/<sha256>.<ext>            bytes as received
    silver/<id>/bars.parquet         checked and adjusted
    silver/<id>/snapshot.json        what is known of it; written last, so a folder without it does not exist

Only `nullalpha.data.zones` reads bars through it on behalf of research; everything else reads dates and counts.
"""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nullalpha.core.artifacts import write_durably
from nullalpha.core.clock import utc_now
from nullalpha.core.errors import ArtifactError, DataError, Finding, HomeError, NotFoundError, StorageFullError, nearest
from nullalpha.data.bars import Bars
from nullalpha.data.check import check_table
from nullalpha.data.parse import ParsedTable, parse_table
from nullalpha.data.silver import build_bars
from nullalpha.data.slices import PRICE_COLUMNS
from nullalpha.data.snapshots import Snapshot, parse_snapshot, snapshot_id, snapshot_of
from nullalpha.data.sources.registry import SAMPLES
from nullalpha.data.sources.series import RawSeries, SourceSeries

BARS_NAME = "bars.parquet"
SNAPSHOT_NAME = "snapshot.json"
_ID_LENGTH = 64


class Catalogue:
    """The bars under one folder; safe for several processes, because nothing written is ever changed.

    Args:
        root: `<home>/data`; made when something is first taken in.
        now: the clock that stamps new snapshots.
    """

    def __init__(self, root: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.root = root
        self._now = now

    def ingest(self, raw: RawSeries) -> Snapshot:
        """Check, adjust and store a series; a no-op that returns the stored snapshot when it is already there and whole.

        Raises:
            DataError: if the check finds any error: `findings` holds all of them, and nothing is stored.
            HomeError: if the folder cannot be written.
            StorageFullError: if the disk is full.
        """
        table, findings = checked(raw)
        bars = build_bars(table, raw.instrument, raw.timeframe, raw.bar_time)
        fresh = snapshot_of(bars, raw.instrument, raw.source, raw.sha256, findings, self._now())
        folder = self._silver / fresh.id
        with self._usable():
            if (folder / SNAPSHOT_NAME).is_file() and self._is_whole(fresh):
                return self.get(fresh.id)
            bronze = self.root / "bronze" / f"{raw.sha256}.{raw.extension}"
            bronze.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            if not bronze.exists():
                write_durably(bronze, raw.original)
            write_durably(folder / BARS_NAME, _parquet(bars))
            write_durably(folder / SNAPSHOT_NAME, json.dumps(fresh.to_dict(), indent=1, ensure_ascii=False).encode())
        return fresh

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots, oldest import first.

        Raises:
            ArtifactError: if a description is torn.
            HomeError: if the folder cannot be read.
        """
        with self._usable():
            folders = list(self._silver.iterdir()) if self._silver.is_dir() else []
            found = [self.get(folder.name) for folder in folders if (folder / SNAPSHOT_NAME).is_file()]
        return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.id))

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
        path = self._silver / snapshot_id / SNAPSHOT_NAME
        with self._usable():
            if len(snapshot_id) != _ID_LENGTH or not snapshot_id.isalnum() or not path.is_file():
                raise NotFoundError(f"no snapshot {snapshot_id[:12]!r} in {self.root}", value=snapshot_id)
            text = path.read_bytes()
        try:
            snapshot = parse_snapshot(text.decode())
        except (ValueError, KeyError, TypeError) as error:
            raise _torn(path, snapshot_id) from error
        if snapshot.id != snapshot_id:
            raise _torn(path, snapshot_id)
        return snapshot

    def read(self, snapshot: Snapshot) -> Bars:
        """Return a snapshot's bars, verified against its id.

        Raises:
            ArtifactError: if the file is missing, torn, or not what the id says.
        """
        path = self._silver / snapshot.id / BARS_NAME
        with self._usable():
            data = path.read_bytes() if path.is_file() else b""
        try:
            table = pq.read_table(pa.BufferReader(data), use_threads=False)
            bars = Bars(
                snapshot.instrument.symbol,
                snapshot.timeframe,
                table["time"].to_numpy().astype("datetime64[ns]"),
                **{name: table[name].to_numpy().astype(np.float64) for name in PRICE_COLUMNS},
            )
        except (OSError, KeyError, pa.ArrowException) as error:
            raise _torn(path, snapshot.id) from error
        if snapshot_id(bars, snapshot.instrument) != snapshot.id:
            raise _torn(path, snapshot.id)
        return bars

    @property
    def _silver(self) -> Path:
        return self.root / "silver"

    def _is_whole(self, snapshot: Snapshot) -> bool:
        try:
            self.get(snapshot.id)
            self.read(snapshot)
        except ArtifactError:
            return False
        return True

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(f"no space left in {self.root}", path=str(self.root)) from error
            raise HomeError(
                f"cannot use {self.root} for bars: {error.strerror}",
                path=str(self.root),
                suggestion="choose a folder that you may read and write with --home, or change its permissions",
            ) from error


def checked(raw: RawSeries) -> tuple[ParsedTable, tuple[Finding, ...]]:
    """Return a received table's columns and its warnings.

    Raises:
        DataError: if anything is an error; `findings` holds errors and warnings.
    """
    table, unread = parse_table(raw.frame, raw.timeframe)
    findings = unread if table is None else check_table(table, raw.instrument.calendar, unread)
    errors = [finding for finding in findings if finding.severity == "error"]
    if table is None or errors:
        first = errors[0]
        where = "" if first.row is None else f" row {first.row}" + (f" ({first.time})" if first.time else "")
        more = f" (+{len(errors) - 1} more)" if len(errors) > 1 else ""
        raise DataError(
            f"{raw.source}:{where} {first.message}{more}; nothing was imported",
            findings=findings,
            path=raw.source,
            value=first.code,
            suggestion="correct the rows named in the findings",
        )
    return table, tuple(findings)


def ensure_samples(catalogue: Catalogue) -> list[Snapshot]:
    """Return the sample series' snapshots, taking in those that are not there; a symbol that the user imported is left alone.

    Raises:
        NotFoundError: if the package that ships them is not installed.
        HomeError: if the folder cannot be written.
    """
    known = catalogue.snapshots()
    return [_ensured(catalogue, sample, known) for sample in SAMPLES]


def _ensured(catalogue: Catalogue, sample: SourceSeries, known: list[Snapshot]) -> Snapshot:
    declared = sample.instrument
    same = [item for item in known if (item.instrument.symbol, item.timeframe) == (declared.symbol, sample.timeframe)]
    if same and (same[-1].instrument == declared or same[-1].instrument.source != declared.source):
        return same[-1]
    return catalogue.ingest(sample.load())


def _parquet(bars: Bars) -> bytes:
    columns = {"time": pa.array(bars.time.astype(np.int64), pa.timestamp("ns", tz="UTC"))}
    columns.update({name: pa.array(getattr(bars, name), pa.float64()) for name in PRICE_COLUMNS})
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _advice(near: str | None, symbols: list[str]) -> str:
    if near:
        return f"did you mean {near}?"
    return f"there is {', '.join(symbols)}" if symbols else "`nullalpha data list` shows what there is"


def _torn(path: Path, snapshot_id: str) -> ArtifactError:
    return ArtifactError(
        f"snapshot {snapshot_id[:12]} is torn at {path}",
        path=str(path),
        value=snapshot_id,
        suggestion="delete its folder and import the bars again; bronze/ has them as received",
    )
