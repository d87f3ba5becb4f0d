"""Taking bars in from files and folders. What is taken in is described in the home's instruments file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nullalpha.app.descriptions import Description, held_instruments, refuse_another
from nullalpha.core.errors import HomeError, NotFoundError, NullAlphaError, StorageFullError, UsageError, nearest
from nullalpha.data.instrument_kinds import DEFAULTS
from nullalpha.data.instruments import KINDS, Instrument
from nullalpha.data.sources.columns import YAHOO_EVENTS
from nullalpha.data.sources.lean import not_read
from nullalpha.data.sources.registry import CONTRACT_READERS, FILE_READERS, FOLDER_READERS, IMPORT_SOURCES, SAMPLE_SOURCE, samples_named
from nullalpha.data.timeframes import DAILY, PUBLISHED
from nullalpha.tools.data import format_of

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab
    from nullalpha.data.snapshots import Snapshot
    from nullalpha.data.sources.series import RawSeries

FILE = "file"
"""The source of an instrument whose bars came in a user's own file, whatever its format."""
_OF_A_TABLE = ("columns", "tz", "bar_time")
_OPTIONS = dict.fromkeys(FILE_READERS, _OF_A_TABLE) | dict.fromkeys(CONTRACT_READERS, (*_OF_A_TABLE, "roll", "adjustment"))
_FLAGS = {"columns": "--column", "tz": "--tz", "bar_time": "--bar-time", "roll": "--roll", "adjustment": "--adjustment"}


@dataclass(frozen=True)
class FileRequest:
    """A file or folder to take in; None is what was not said.

    Attributes:
        source: one of `IMPORT_SOURCES`; by default what the path looks like.
        symbol: what to know the series by; of a folder or the samples, which series to take (all).
        timeframe: of the bars (1d); of a folder or the samples, which to take (all).
        bar_time: whether an intraday time is the bar's `open` or its `close` (which it is by default).
        columns: which of the file's columns is which of ours.
        tz: zone of times that carry none.
        roll: of futures: `days:N` (`days:5`), `volume` or `open_interest`.
        adjustment: of futures: `ratio` (which it is by default) or `difference`.
    """

    path: Path | None
    source: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    bar_time: str | None = None
    columns: Mapping[str, str] | None = None
    tz: str | None = None
    roll: str | None = None
    adjustment: str | None = None


@dataclass(frozen=True)
class Intake:
    """What was taken in, what could not be (by symbol and timeframe), and what of a folder was left out, in words."""

    snapshots: tuple[Snapshot, ...]
    failed: tuple[tuple[str, str, NullAlphaError], ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Offer:
    """A series that may be taken in; `load` returns None where it has no bars after all."""

    symbol: str
    timeframe: str
    load: Callable[[], RawSeries | None]


def import_bars(lab: Lab, request: FileRequest, description: Description, *, quarantine: bool, replacing: bool) -> Intake:
    """Check, adjust and store what a file or folder holds; a series with errors is not taken in, unless its bad rows are set apart.

    Of several series each is taken in or fails alone.

    Raises:
        UsageError: for an unknown source, or options that do not go with it.
        RefusedError: if the one symbol stands for something else already and `replacing` is False.
        DataError: if the one series cannot be taken in, or there is none.
        HomeError, StorageFullError: if nothing can be written.
    """
    source = _source_of(request, quarantine)
    offers, nothing = _offers(lab, source, request, description, quarantine)
    described = lab.book.describing()
    latest = {(snapshot.instrument.symbol, snapshot.timeframe): snapshot for snapshot in lab.catalogue.snapshots()}
    known = {symbol: described(snapshot.instrument) for (symbol, _), snapshot in latest.items()}
    listed = {one.symbol for one in lab.book.instruments()} & set(known)
    taken: list[Snapshot] = []
    failed: list[tuple[str, str, NullAlphaError]] = []
    for offer in offers:
        try:
            raw = offer.load()
            if raw is None:
                continue
            if source not in _OPTIONS:
                base = known[raw.instrument.symbol] if raw.instrument.symbol in listed else described(raw.instrument)
                raw = replace(raw, instrument=replace(description.over(base), source=raw.instrument.source))
            refuse_another(known.get(raw.instrument.symbol), raw.instrument, replacing)
            snapshot = lab.catalogue.ingest(raw, quarantine=quarantine)
            before = latest.get((snapshot.instrument.symbol, snapshot.timeframe), snapshot)
            taken.append(lab.catalogue.stand(snapshot) if snapshot.created < before.created else snapshot)
        except (HomeError, StorageFullError):
            raise
        except NullAlphaError as error:
            if len(offers) == 1:
                raise
            failed.append((offer.symbol, offer.timeframe, error))
    if not taken and not failed:
        raise nothing
    lab.book.put_all([snapshot.instrument for snapshot in taken])
    left_out = not_read(request.path) if source in FOLDER_READERS and request.path is not None else []
    return Intake(tuple(taken), tuple(failed), tuple(left_out))


def _source_of(request: FileRequest, quarantine: bool) -> str:
    """Return the source of a request, all of whose options go with it."""
    source = request.source
    if source is None:
        source = SAMPLE_SOURCE if request.path is None else "lean" if request.path.is_dir() else format_of(request.path)
    if source not in IMPORT_SOURCES:
        fix = f"use {nearest(source, IMPORT_SOURCES) or ', '.join(IMPORT_SOURCES)}"
        raise UsageError(f"there is no source {source!r}", path="--from", value=source, suggestion=fix)
    if (request.path is None) != (source == SAMPLE_SOURCE):
        needs = "needs no file or folder" if source == SAMPLE_SOURCE else "needs a file or folder"
        example = source if source == SAMPLE_SOURCE else f"{source} PATH"
        raise UsageError(f"--from {source} {needs}", path="PATH", value=request.path, suggestion=f"nullalpha data import --from {example}")
    takes = _OPTIONS.get(source, ())
    for name, flag in _FLAGS.items():
        if getattr(request, name) is not None and name not in takes:
            users = ", ".join(other for other, names in _OPTIONS.items() if name in names)
            raise UsageError(f"{flag} does not go with --from {source}", path=flag, value=source, suggestion=f"it is for {users}")
    if quarantine and source in CONTRACT_READERS:
        fix = "correct the rows named in the findings"
        raise UsageError(
            "--quarantine does not go with --from futures: joining contracts needs every row", path="--quarantine", suggestion=fix
        )
    for name, allowed in (("bar_time", ("open", "close")), ("adjustment", ("ratio", "difference"))):
        value = getattr(request, name)
        if value not in (None, *allowed):
            raise UsageError(f"{_FLAGS[name]} is {value!r}", path=_FLAGS[name], value=value, suggestion=f"use {' or '.join(allowed)}")
    return source


def _offers(
    lab: Lab, source: str, request: FileRequest, description: Description, quarantine: bool
) -> tuple[Sequence[_Offer], NullAlphaError]:
    """Return the series of a request, and what to say where none of them has bars."""
    nothing: NullAlphaError = NotFoundError(f"there are no {request.timeframe} bars there", path="--timeframe", value=request.timeframe)
    if source == SAMPLE_SOURCE:
        samples = [s for s in samples_named(request.symbol) if request.timeframe in (None, s.timeframe)]
        return [_Offer(sample.instrument.symbol, sample.timeframe, sample.load) for sample in samples], nothing
    assert request.path is not None
    if source in FOLDER_READERS:
        folder = FOLDER_READERS[source](request.path, request.symbol, request.timeframe)
        return [_Offer(one.symbol, one.timeframe, one.load) for one in folder.series], folder.nothing
    instrument = _instrument(lab, source, request, description)
    timeframe = request.timeframe or (PUBLISHED if instrument.kind == "series" else DAILY)
    read = partial(_read, source, request, instrument, timeframe, quarantine)
    return [_Offer(instrument.symbol, timeframe, lambda: _with_its_distributions(read(), description))], nothing


def _read(source: str, request: FileRequest, instrument: Instrument, timeframe: str, quarantine: bool) -> RawSeries:
    from nullalpha.data.futures_rolls import parse_rule

    assert request.path is not None
    further: dict[str, Any] = {"columns": request.columns, "tz": request.tz, "bar_time": request.bar_time or "close"}
    if source in CONTRACT_READERS:
        rule = parse_rule(request.roll or "days:5")
        return CONTRACT_READERS[source](request.path, instrument, timeframe, rule, request.adjustment or "ratio", **further).series  # type: ignore[arg-type]
    if source == "csv":
        further["quarantine"] = quarantine
    return FILE_READERS[source](request.path, instrument, timeframe, **further)


def _with_its_distributions(raw: RawSeries, said: Description) -> RawSeries:
    """Return a series whose table names its dividends, which taking in puts into prices, as one whose prices contain them."""
    names = {"dividend", YAHOO_EVENTS["dividend"]} & set(raw.frame.columns)
    if not names or said.distributions is not None:
        return raw
    return replace(raw, instrument=replace(raw.instrument, distributions="adjusted"))


def _instrument(lab: Lab, source: str, request: FileRequest, description: Description) -> Instrument:
    """Return what a file's bars are of: as said, else as the instruments file has it, else as its kind is."""
    assert request.path is not None
    symbol = (request.symbol or _symbol_of(request.path)).upper()
    listed = next((one for one in lab.book.instruments(held_instruments(lab)) if one.symbol == symbol), None)
    if listed is None:
        usual = "future" if source in CONTRACT_READERS else "series" if request.timeframe == PUBLISHED else "equity"
        kind = description.kind or usual
        if kind not in DEFAULTS:
            fix = f"use {nearest(kind, KINDS) or ', '.join(KINDS)}"
            raise UsageError(f"kind is {kind!r}", path="--kind", value=kind, suggestion=fix)
        listed = replace(DEFAULTS[kind], symbol=symbol, name=request.path.name.split(".")[0])  # type: ignore[index]
    return replace(description.over(listed), source=FILE)


def _symbol_of(path: Path) -> str:
    """Return the symbol that a file's name stands for."""
    stem = path.name.split(".")[0].upper()
    return "".join(character if (character.isascii() and character.isalnum()) or character in "^=_-" else "_" for character in stem)[:20]


def columns_of(pairs: Sequence[str]) -> dict[str, str]:
    """Return `ours=theirs` pairs as a mapping; nothing after `=` leaves a column of the file out.

    Raises:
        UsageError: for a text without `=` or a name before it, or a column named twice.
    """
    found: dict[str, str] = {}
    for text in pairs:
        ours, equals, theirs = (part.strip() for part in text.partition("="))
        if not equals or not ours:
            raise UsageError(f"--column is {text!r}", path="--column", value=text, suggestion="--column close=Last")
        if ours in found:
            raise UsageError(f"--column names {ours} twice", path="--column", value=ours, suggestion="name it once")
        found[ours] = theirs
    return found


def failures(intake: Intake) -> list[dict[str, object]]:
    """Return what could not be taken in as plain values."""
    return [{"instrument": symbol, "timeframe": frame, "error": error.to_dict()} for symbol, frame, error in intake.failed]


def taken(snapshot: Snapshot) -> dict[str, Any]:
    """Return what was taken in as plain values."""
    return {
        "instrument": snapshot.instrument.symbol,
        "timeframe": snapshot.timeframe,
        "snapshot": snapshot.id,
        "n_bars": snapshot.n_bars,
        "first": snapshot.first,
        "last": snapshot.last,
        "n_quarantined": snapshot.n_quarantined,
        "findings": [asdict(finding) for finding in snapshot.findings],
    }
