"""Tools on data: what there is, since when, and what is wrong with a file. Dates and counts are public; prices are not shown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from nullalpha.core.errors import DataError, Finding, NotFoundError, RefusedError
from nullalpha.tools.desk import Desk


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
    costs: dict[str, float]
    survivorship: bool
    source: str


class DataList(BaseModel):
    snapshots: list[SnapshotRecord]


class ZoneDates(BaseModel):
    search_start: str
    validation_start: str
    lockbox_start: str


class DataFacts(SnapshotRecord):
    zones: ZoneDates | None
    n_warnings: int


class FindingRecord(BaseModel):
    code: str
    row: int | None
    time: str | None
    message: str
    severity: str


class DataCheck(BaseModel):
    target: str
    ok: bool
    n_bars: int
    findings: list[FindingRecord]


def data_list(desk: Desk) -> DataList:
    """List the instruments that the lab has bars of, with their spans, costs and fill basis."""
    return DataList(snapshots=[_record(s) for s in desk.catalogue.snapshots()])


def data_show(desk: Desk, *, instrument: str, timeframe: str = "1d") -> DataFacts:
    """Show one instrument's snapshot: span, costs, fill basis, and where the home's sealed zones begin."""
    snapshot = desk.catalogue.latest(instrument, timeframe)
    current = desk.stores.looks.current_zones()
    zones = None if current is None else ZoneDates(**asdict(current[1]))
    return DataFacts(**_record(snapshot).model_dump(), zones=zones, n_warnings=len(snapshot.findings))


def data_check(desk: Desk, *, target: str, timeframe: str = "1d", calendar: str = "XNYS") -> DataCheck:
    """Check bars row by row: a catalogued instrument by its symbol, or a CSV or parquet file by its path.

    Finds duplicates, disorder, inconsistent or impossible prices, gaps against the exchange's calendar, jumps and stale prices.
    """
    from nullalpha.data.catalogue import checked  # noqa: PLC0415  (pandas is loaded only where bars are read)
    from nullalpha.data.instruments import Costs, Instrument  # noqa: PLC0415
    from nullalpha.data.sources.registry import FILE_READERS  # noqa: PLC0415

    suffix = Path(target).suffix.lower().lstrip(".")
    try:
        path = file_under_root(desk, target)
    except NotFoundError:
        if suffix in FILE_READERS or "/" in target:
            raise
        snapshot = desk.catalogue.latest(target, timeframe)
        findings = [FindingRecord(**asdict(f)) for f in snapshot.findings if _may_see(desk, f)]
        return DataCheck(target=target, ok=not any(f.severity == "error" for f in findings), n_bars=snapshot.n_bars, findings=findings)
    reader = FILE_READERS.get(suffix, FILE_READERS["csv"])
    instrument = Instrument("CHECKED", path.name, calendar, "USD", "open", 252, Costs(0.0, 0.0, 0.0), "file")
    raw = reader(path, instrument, timeframe)
    try:
        _, found = checked(raw)
    except DataError as error:
        if not error.findings:
            raise
        found = error.findings
    records = [FindingRecord(**asdict(f)) for f in found]
    return DataCheck(target=target, ok=not any(f.severity == "error" for f in records), n_bars=len(raw.frame), findings=records)


def file_under_root(desk: Desk, target: str) -> Path:
    """Return the path of a file that this actor may read.

    Raises:
        RefusedError: if it lies outside the actor's root.
        NotFoundError: if it is not there.
    """
    try:
        path = (desk.path_root / target).resolve()
        there = path.is_file()
    except (OSError, ValueError) as error:  # too long for a name, or with a null character
        raise NotFoundError("there is no such file", path="target", value=target) from error
    own = not desk.person and path.is_relative_to((desk.home / "data").resolve())  # the catalogue's files hold the sealed zones too
    if own or not path.is_relative_to(desk.path_root.resolve()):
        raise RefusedError(f"{target} lies outside {desk.path_root}", path="target", value=target, suggestion="name a file under it")
    if not there:
        raise NotFoundError(f"there is no file {target}", path="target", value=target)
    return path


def _may_see(desk: Desk, finding: Finding) -> bool:
    """Return whether a finding, which quotes values, is a person's to read or lies before the sealed zones."""
    if desk.person or finding.time is None:
        return True
    current = desk.stores.looks.current_zones()
    return current is not None and finding.time < current[1].validation_start


def _record(snapshot: Any) -> SnapshotRecord:
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
    )
