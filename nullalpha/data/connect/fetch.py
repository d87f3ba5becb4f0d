"""The door to the network: ask one source for what is missing of one series, and hand the whole to the catalogue.

Nothing connects unless `fetch` is called, and a client's package is imported only then. Where nothing is missing, nothing is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import cast

import pandas as pd

from nullalpha.core.errors import Finding, NotFoundError, UsageError, nearest
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.config import SOURCE_NAMES, ConnectConfig, Credentials
from nullalpha.data.connect.describe import instrument_of
from nullalpha.data.connect.gaps import finished, missing_spans, plain_times
from nullalpha.data.connect.held import Held, held_in
from nullalpha.data.connect.merge import Merged, merge, replace, rescaling
from nullalpha.data.connect.received import BRONZE, Asking, BarSource, FigureSource, Identity, Received, Span, table_bytes
from nullalpha.data.connect.retry import Patience
from nullalpha.data.instruments import Instrument
from nullalpha.data.sources.series import RawSeries
from nullalpha.data.timeframes import DAILY, PUBLISHED, is_daily

PACKAGES = {"yfinance": "yfinance", "alpaca": "alpaca-py", "fred": "fredapi", "cftc": "sodapy", "ccxt": "ccxt"}
"""The client package of each source, as pip names it."""
INSTALL = "pip install nullalpha[connect]"
FIGURES = ("fred", "cftc")


@dataclass(frozen=True)
class FetchRequest:
    """What is wanted.

    Attributes:
        symbol: as the service writes it: `AAPL`, `BTC/USD`, `CPIAUCSL`, `13874A`, `13874A:net_commercial`, `kraken:BTC/USD`.
        timeframe: of bars; `1d` and `published` mean the same of FRED and CFTC, whose figures have no bars.
        start, end: ISO dates or times (UTC where they have no zone), half-open; None: as far back as there is, and to the present.
        name: another symbol to know it by; None for the service's own.
    """

    symbol: str
    timeframe: str = DAILY
    start: str | None = None
    end: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Fetched:
    """What came of it.

    Attributes:
        raw: the whole series for the catalogue, rows that were there and new ones; None where nothing is new and nothing was revised.
        symbol, timeframe: as the home names them.
        n_new: rows that were not there.
        asked: the stretches that the service was asked for, oldest first; none where nothing was missing.
        findings: warnings `revised`, `withdrawn`, `rescaled`, and what the source could not use; `raw` carries them too.
    """

    raw: RawSeries | None
    symbol: str
    timeframe: str
    n_new: int
    asked: tuple[Span, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Wanted:
    """A request with its words read."""

    symbol: str
    timeframe: str
    start: datetime | None
    end: datetime
    held: Held | None
    instrument: Instrument | None


@dataclass(frozen=True)
class _Answer:
    """What the service gave, as one table with what was there, and the stretches that it was asked for."""

    received: Received
    merged: Merged
    asked: tuple[Span, ...]


def fetch(
    source: str,
    request: FetchRequest,
    catalogue: Catalogue,
    *,
    now: datetime,
    config: ConnectConfig | None = None,
    instrument: Instrument | None = None,
    variables: Mapping[str, str] | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """Ask a service for what the catalogue lacks of a series.

    Args:
        source: one of `SOURCE_NAMES`.
        catalogue: only read; `ingest` what comes back as `raw`.
        now: the present: bars that have not closed by then are left out.
        instrument: as a person has described it, by whatever symbol; its source becomes this one. None for what the catalogue has, else
            what the service says, with cautious costs.
        variables: the environment that credentials are taken from; None for the process's own.
        patience: the ports of waiting; None for the real clock and `config.retry`.

    Raises:
        UsageError: an unknown source, a timeframe that it has not, or a client package that is not installed.
        SettingsError: a credential is missing or refused.
        NotFoundError: the service does not know the symbol, or has nothing of it in that time.
        RefusedError: the symbol stands for a series from elsewhere.
        TransientError: the service gave no whole answer within the tries and the deadline.
        DataError: it gave something that cannot be what it should be.
        ArtifactError: the rows that were there are torn.
    """
    _require_source(source)
    config = config or ConnectConfig()
    credentials = Credentials() if variables is None else Credentials(variables)
    asking = Asking(config, patience or Patience(config.retry), credentials, now.astimezone(UTC))
    module = _client_of(source)
    identity = module.identify(request.symbol, config)
    if request.name:
        identity = Identity(request.name, identity.origin)
    if instrument:
        identity = Identity(instrument.symbol, identity.origin)
        instrument = dataclasses.replace(instrument, source=identity.origin)
    timeframe = _timeframe(source, request.timeframe)
    wanted = _wanted(request, timeframe, held_in(catalogue, identity, timeframe), instrument, asking.now)
    answer: _Answer | None
    if source in FIGURES:
        answer = _ask_figures(cast(FigureSource, module), wanted, asking)
    else:
        answer = _ask_bars(cast(BarSource, module), wanted, asking)
    if answer is None:
        return Fetched(None, identity.symbol, timeframe, 0, (), ())
    return _fetched(answer, wanted, identity)


def _fetched(answer: _Answer, wanted: _Wanted, identity: Identity) -> Fetched:
    merged, received = answer.merged, answer.received
    if merged.frame.empty:
        raise NotFoundError(
            f"{identity.origin} has nothing of {wanted.symbol} {wanted.timeframe} in that time",
            path="symbol",
            value=wanted.symbol,
            suggestion="check the symbol as the service writes it, --start and --end",
        )
    findings = (*received.findings, *merged.findings)
    if not merged.n_new and not any(finding.code in ("revised", "rescaled") for finding in merged.findings):
        return Fetched(None, identity.symbol, wanted.timeframe, 0, answer.asked, findings)
    fresh = dataclasses.replace(instrument_of(received.facts, identity.origin), symbol=identity.symbol)
    described = wanted.instrument or (wanted.held.instrument if wanted.held else fresh)
    text = f"{identity.origin} {wanted.symbol}" + (f", {received.note}" if received.note else "")
    raw = RawSeries(described, wanted.timeframe, merged.frame, text, table_bytes(merged.frame), BRONZE, bar_time="open", findings=findings)
    return Fetched(raw, identity.symbol, wanted.timeframe, merged.n_new, answer.asked, findings)


def _ask_bars(module: BarSource, wanted: _Wanted, asking: Asking) -> _Answer | None:
    """Return None where nothing is missing."""
    held, timeframe, until = wanted.held, wanted.timeframe, min(wanted.end, asking.now - module.DELAY)
    described = wanted.instrument or (held.instrument if held else None)
    spans: tuple[Span, ...] = (Span(wanted.start, until),)
    if held and described:
        spans = missing_spans(plain_times(held.frame), timeframe, described.calendar, wanted.start, until)
    if not spans:
        return None

    def ask(stretches: tuple[Span, ...]) -> Received:
        received = module.receive(wanted.symbol, timeframe, stretches, asking)
        calendar = described.calendar if described else received.facts.calendar
        return dataclasses.replace(received, frame=finished(received.frame, timeframe, calendar, until))

    received = ask(spans)
    if held is None:
        return _Answer(received, Merged(received.frame, len(received.frame), ()), spans)
    daily = is_daily(timeframe)
    rescaled = rescaling(held.frame, received.frame) if received.facts.rescaled else None
    if rescaled is None:
        return _Answer(received, merge(held.frame, received.frame, daily=daily, asked=spans), spans)
    begin = _aware(held.frame)[0]
    whole = (Span(min(begin, wanted.start or begin), until),)
    received = ask(whole)
    return _Answer(received, replace(held.frame, received.frame, rescaled, daily=daily), whole)


def _ask_figures(module: FigureSource, wanted: _Wanted, asking: Asking) -> _Answer:
    held = wanted.held.frame if wanted.held else None
    received = module.receive(wanted.symbol, held, wanted.start, wanted.end, asking)
    begin = wanted.start if held is None else _aware(held)[-1]
    merged = Merged(received.frame, len(received.frame), ()) if held is None else merge(held, received.frame, daily=False)
    return _Answer(received, merged, (Span(begin, wanted.end),))


def _aware(frame: pd.DataFrame) -> list[datetime]:
    """Return the first and the last time of a table."""
    times = plain_times(frame)
    return [pd.Timestamp(time, tz="UTC").to_pydatetime(warn=False) for time in (times[0], times[-1])]


def _wanted(request: FetchRequest, timeframe: str, held: Held | None, instrument: Instrument | None, now: datetime) -> _Wanted:
    start, end = _moment("start", request.start), _moment("end", request.end) or now
    if start and start >= end:
        raise UsageError(
            f"the start {start} is not before the end {end}", path="start", value=request.start, suggestion="choose an earlier start"
        )
    return _Wanted(request.symbol, timeframe, start, min(end, now), held, instrument)


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{name} {text!r} is no ISO date or time", path=name, value=text, suggestion="write e.g. 2020-01-31") from error
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _timeframe(source: str, text: str) -> str:
    if source not in FIGURES:
        is_daily(text)
        return text
    if text not in (DAILY, PUBLISHED):
        raise UsageError(
            f"{source} publishes figures, not bars of {text}", path="timeframe", value=text, suggestion="leave --timeframe out"
        )
    return PUBLISHED


def _require_source(source: str) -> None:
    if source not in SOURCE_NAMES:
        near = nearest(source, SOURCE_NAMES)
        raise UsageError(f"there is no source {source!r}", path="--from", value=source, suggestion=f"use {near or ', '.join(SOURCE_NAMES)}")


def _client_of(source: str) -> BarSource | FigureSource:
    """Return the source's module, which imports its client."""
    try:
        return cast("BarSource | FigureSource", import_module(f"nullalpha.data.connect.{source}"))
    except ImportError as error:
        if (error.name or "").split(".")[0] == "nullalpha":
            raise
        raise UsageError(
            f"fetching from {source} needs the package {PACKAGES[source]}, which cannot be imported: {error.msg}",
            path="--from",
            value=source,
            suggestion=INSTALL,
        ) from error
