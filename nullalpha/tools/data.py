"""Tools on data: what there is, since when, and what is wrong with a file. Dates and counts are public; prices are not shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from nullalpha.core.errors import DataError, Finding, NotFoundError, RefusedError
from nullalpha.data.timeframes import DAILY, PUBLISHED
from nullalpha.tools.desk import Desk

if TYPE_CHECKING:
    from nullalpha.data.instruments import Instrument
    from nullalpha.data.snapshots import Snapshot

BarTime = Literal["open", "close"]


class SnapshotRecord(BaseModel):
    instrument: str
    name: str
    timeframe: str
    snapshot: str
    first: str
    last: str
    n_bars: int
    calendar: str
    currency: str
    fill_basis: str
    sessions_per_year: int
    costs: dict[str, float | str]
    survivorship: bool
    source: str
    kind: str
    tick: float
    lot: float
    multiplier: float
    distributions: str
    n_quarantined: int


class DataList(BaseModel):
    snapshots: list[SnapshotRecord]


class ZoneDates(BaseModel):
    search_start: str
    validation_start: str
    lockbox_start: str


class DataFacts(SnapshotRecord):
    zones: ZoneDates | None
    n_warnings: int
    lineage: list[str]


class FindingRecord(BaseModel):
    code: str
    row: int | None
    time: str | None
    message: str
    severity: str


class DataCheck(BaseModel):
    """`withheld`: how many findings lie in sealed zones; they quote values, so agents are told their number alone."""

    target: str
    ok: bool
    n_bars: int
    findings: list[FindingRecord]
    withheld: int = 0


def data_list(desk: Desk) -> DataList:
    """List the instruments that the lab has bars of, with their spans, costs and fill basis."""
    return DataList(snapshots=[record_of(s) for s in desk.catalogue.series()])


def data_show(desk: Desk, *, instrument: str, timeframe: str | None = None) -> DataFacts:
    """Show one instrument's snapshot: span, costs, fill basis, and where the home's sealed zones begin. By default its daily bars."""
    snapshot = standing(desk, instrument, timeframe)
    current = desk.stores.looks.current_zones()
    zones = None if current is None else ZoneDates(**asdict(current[1]))
    lineage = [_made_of(step) for step in desk.catalogue.lineage(snapshot.id)]
    warnings = sum(finding.severity == "warning" for finding in snapshot.findings)
    return DataFacts(**record_of(snapshot).model_dump(), zones=zones, n_warnings=warnings, lineage=lineage)


def standing(desk: Desk, instrument: str, timeframe: str | None) -> Snapshot:
    """Return the latest snapshot of a series; where no timeframe is named, of its daily bars or, without those, of what there is.

    Raises:
        NotFoundError: if there is none.
    """
    if timeframe is None:
        frames = [snapshot.timeframe for snapshot in desk.catalogue.snapshots() if snapshot.instrument.symbol == instrument]
        timeframe = DAILY if DAILY in frames or not frames else frames[-1]
    return desk.catalogue.latest(instrument, timeframe)


def _made_of(snapshot: Snapshot) -> str:
    received = f"bytes {snapshot.bronze[:12]} of {snapshot.source}" if snapshot.bronze else snapshot.source
    recipe = f", {snapshot.derived_from.recipe}" if snapshot.derived_from else ""
    return f"{snapshot.id[:12]} {snapshot.timeframe}, taken in {snapshot.created[:19]}Z: {received}{recipe}"


def data_check(
    desk: Desk,
    *,
    target: str,
    timeframe: str | None = None,
    calendar: str | None = None,
    tz: Annotated[str | None, Field(description="of a file: the zone of times that carry none, e.g. America/New_York")] = None,
    bar_time: Annotated[BarTime, Field(description="of a file: what an intraday time is")] = "close",
    columns: Annotated[
        dict[str, str] | None, Field(description="of a file: our column to the file's, e.g. close to Last; to nothing for none")
    ] = None,
) -> DataCheck:
    """Check bars row by row: a catalogued instrument by its symbol, or a CSV or parquet file by its path.

    Finds duplicates, disorder, inconsistent or impossible prices, gaps against the exchange's calendar (of a file: XNYS by default), jumps
    and stale prices; of an instrument also what its costs need and its bars lack (volumes, quotes), without which no backtest runs.
    """
    from nullalpha.data.intake import checked  # noqa: PLC0415  (pandas is loaded only where bars are read)
    from nullalpha.data.sources.registry import FILE_READERS  # noqa: PLC0415

    try:
        path = file_under_root(desk, target)
    except NotFoundError:
        if "/" in target or Path(target).suffix.lower() in (".csv", ".gz", ".parquet", ".pq"):
            raise
        snapshot = standing(desk, target, timeframe)
        all_found = [*_lacking(desk, snapshot), *snapshot.findings]
        found: Sequence[Finding] = [finding for finding in all_found if _may_see(desk, finding)]
        return _checked(target, snapshot.n_bars, found, withheld=len(all_found) - len(found))
    raw = FILE_READERS[format_of(path)](path, _nameless(path, timeframe, calendar), timeframe or DAILY, bar_time, columns=columns, tz=tz)
    try:
        _, found = checked(raw)
    except DataError as error:
        if not error.findings:
            raise
        found = error.findings
    return _checked(target, len(raw.frame), found)


def _lacking(desk: Desk, snapshot: Snapshot) -> list[Finding]:
    """Return what the instrument's costs need of its bars and these have not."""
    from nullalpha.data.check import lacking  # noqa: PLC0415

    costs = snapshot.instrument.costs
    needs = costs.impact or costs.volume_cap or costs.spread == "quoted"
    return lacking(desk.catalogue.read(snapshot), costs) if needs else []


def format_of(path: Path) -> str:
    """Return which of `FILE_READERS` a file is for, by its suffix."""
    return "parquet" if path.suffix.lower() in (".parquet", ".pq") else "csv"


def _nameless(path: Path, timeframe: str | None, calendar: str | None) -> Instrument:
    """Return what a file that is only checked holds the bars of."""
    from nullalpha.data.instrument_kinds import DEFAULTS  # noqa: PLC0415

    kind = DEFAULTS["series" if timeframe == PUBLISHED else "equity"]
    return replace(kind, symbol="CHECKED", name=path.name, calendar=calendar or kind.calendar)


def _checked(target: str, n_bars: int, findings: Sequence[Finding], withheld: int = 0) -> DataCheck:
    records = [FindingRecord(**asdict(finding)) for finding in findings]
    clean = not any(record.severity == "error" for record in records)
    return DataCheck(target=target, ok=clean, n_bars=n_bars, findings=records, withheld=withheld)


def file_under_root(desk: Desk, target: str, argument: str = "target") -> Path:
    """Return the path of a file that this actor may read.

    Raises:
        RefusedError: if it lies outside the actor's root.
        NotFoundError: if it is not there.
    """
    try:
        path = (desk.path_root / target).resolve()
        there = path.is_file()
    except (OSError, ValueError) as error:  # too long for a name, or with a null character
        raise NotFoundError("there is no such file", path=argument, value=target) from error
    own = not desk.person and path.is_relative_to((desk.home / "data").resolve())  # the catalogue's files hold the sealed zones too
    if own or not path.is_relative_to(desk.path_root.resolve()):
        raise RefusedError(f"{target} lies outside {desk.path_root}", path=argument, value=target, suggestion="name a file under it")
    if not there:
        raise NotFoundError(f"there is no file {target}", path=argument, value=target)
    return path


def _may_see(desk: Desk, finding: Finding) -> bool:
    """Return whether a finding, which quotes values, is a person's to read or lies before the sealed zones."""
    if desk.person or finding.time is None:
        return True
    current = desk.stores.looks.current_zones()
    return current is not None and finding.time < current[1].validation_start


def record_of(snapshot: Snapshot) -> SnapshotRecord:
    """Return what is public of a snapshot."""
    instrument = snapshot.instrument
    return SnapshotRecord(
        instrument=instrument.symbol,
        name=instrument.name,
        timeframe=snapshot.timeframe,
        snapshot=snapshot.id,
        first=snapshot.first[:10],
        last=snapshot.last[:10],
        n_bars=snapshot.n_bars,
        calendar=instrument.calendar,
        currency=instrument.currency,
        fill_basis=instrument.fill_basis,
        sessions_per_year=instrument.sessions_per_year,
        costs=asdict(instrument.costs),
        survivorship=instrument.survivorship,
        source=snapshot.source,
        kind=instrument.kind,
        tick=instrument.tick,
        lot=instrument.lot,
        multiplier=instrument.multiplier,
        distributions=instrument.distributions,
        n_quarantined=snapshot.n_quarantined,
    )
