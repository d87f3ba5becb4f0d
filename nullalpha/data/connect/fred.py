"""Figures of FRED with the dates on which they became known, from ALFRED, through fredapi.

A row is one publication: its `value` is that of the newest observation then out, `observation` the date that it is about, `vintage` the
date of release. Observations that came out together give one row, with the newest of them. Later values of an observation count only with
`connect.fred.revisions`, and then only those of the newest one.

ALFRED keeps dates, not times: without a known time of release a value counts as known when its date of release has ended in St. Louis,
which is 05:00 or 06:00 UTC of the next day. It was out earlier, never later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from fredapi import Fred

from nullalpha.core.errors import Finding, UsageError
from nullalpha.data.connect.config import ConnectConfig, FredConfig
from nullalpha.data.connect.fred_service import FredService
from nullalpha.data.connect.received import Asking, Facts, Identity, Received

SECONDS_BETWEEN = 0.5
"""FRED allows 120 requests a minute."""
ST_LOUIS = ZoneInfo("America/Chicago")
NEW_YORK = ZoneInfo("America/New_York")
COLUMNS = ("time", "value", "observation", "vintage")
_ID = re.compile(r"[A-Z0-9_.-]{1,60}")
_DAY = timedelta(days=1)
Row = tuple[datetime, float, pd.Timestamp, pd.Timestamp]


def identify(symbol: str, config: ConnectConfig) -> Identity:
    """Return FRED's own id, e.g. `CPIAUCSL`.

    Raises:
        UsageError: if it can be none.
    """
    name = symbol.strip().upper()
    if not _ID.fullmatch(name):
        raise UsageError(f"{symbol!r} is no id of a FRED series", path="symbol", value=symbol, suggestion="write e.g. CPIAUCSL")
    return Identity(name, "fred")


def receive(symbol: str, held: pd.DataFrame | None, start: datetime | None, end: datetime, asking: Asking) -> Received:
    """Return figures as `Received` describes, from the last release that is held on.

    Raises:
        SettingsError: no key, or a refused one.
        NotFoundError: FRED does not know the series.
        TransientError: it gave no whole answer.
        DataError: more releases than fredapi can read.
    """
    settings, name = asking.config.fred, identify(symbol, asking.config).symbol
    key = asking.credentials.require(settings.key_env, "connect.fred.key_env", "FRED")
    client = Fred(api_key=key)
    if settings.base_url is not None:
        client.root_url = settings.base_url.rstrip("/")
    service = FredService(client, name, key, replace(asking.patience, interval=SECONDS_BETWEEN))
    facts = Facts(name, service.title(), "series", "24/7", "USD")
    vintages = [vintage for vintage in service.vintages() if vintage <= pd.Timestamp(end.date())]
    walk = _Walk(settings)
    if held is not None and len(held) and not (start and start < held["time"].iloc[0]):
        last = pd.Timestamp(held["vintage"].iloc[-1])
        vintages = [vintage for vintage in vintages if vintage >= last]
        walk.resume(held.iloc[:-1])
    elif start is not None:
        before = [vintage for vintage in vintages if walk.known_at(vintage) < start]
        vintages = before[-1:] + vintages[len(before) :]
    rows = [row for release in service.releases(vintages) for row in walk.step(release)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame = frame.astype({"time": "datetime64[ns, UTC]", "value": "float64", "observation": "datetime64[ns]", "vintage": "datetime64[ns]"})
    wanted = (frame["time"] <= end) & ((frame["time"] >= start) if start else True)
    return Received(frame[wanted].reset_index(drop=True), facts, tuple(walk.findings), _note(settings))


class _Walk:
    """Goes through releases in order and keeps what was the newest observation, and its value."""

    def __init__(self, settings: FredConfig) -> None:
        self._settings = settings
        self._release_time = None if settings.release_time is None else time.fromisoformat(settings.release_time)
        self._newest: pd.Timestamp | None = None
        self._value = float("nan")
        self.findings: list[Finding] = []

    def resume(self, held: pd.DataFrame) -> None:
        """Stand where the last of these rows left off."""
        if len(held):
            self._newest, self._value = pd.Timestamp(held["observation"].iloc[-1]), float(held["value"].iloc[-1])

    def known_at(self, vintage: pd.Timestamp) -> datetime:
        """Return when what was released on a date counts as known."""
        if self._release_time is None:
            return _end_of_day(vintage)
        return datetime.combine(vintage.date(), self._release_time, NEW_YORK).astimezone(UTC)

    def step(self, release: tuple[pd.Timestamp, pd.DataFrame]) -> Iterator[Row]:
        """Yield the rows that one release brings: none, or one; the first release of all may bring older ones by the stated lag.

        Args:
            release: its date; and observations as they stood then, columns date and value, in order of date.
        """
        vintage, table = release
        table = table.dropna(subset=["value"])
        if table.empty:
            return
        if self._newest is None:
            yield from self._older(table.iloc[:-1], vintage)
        date, value = pd.Timestamp(table["date"].iloc[-1]), float(table["value"].iloc[-1])
        news = self._newest is None or date > self._newest
        if not news and self._settings.revisions:
            same = table[table["date"] == self._newest]
            news = len(same) > 0 and float(same["value"].iloc[-1]) != self._value
            date, value = (date, value) if same.empty else (pd.Timestamp(same["date"].iloc[-1]), float(same["value"].iloc[-1]))
        if news:
            self._newest, self._value = date, value
            yield self.known_at(vintage), value, date, vintage

    def _older(self, table: pd.DataFrame, vintage: pd.Timestamp) -> Iterator[Row]:
        lag = self._settings.lag_days
        limit = self.known_at(vintage)
        rows: list[Row] = []
        if lag is not None:
            stamped = [
                (_end_of_day(pd.Timestamp(date) + lag * _DAY), float(value), pd.Timestamp(date), vintage) for date, value in _pairs(table)
            ]
            rows = [row for row in stamped if row[0] < limit]
        left = len(table) - len(rows)
        if left:
            day = str(vintage.date())
            text = f"{left} observations before FRED's first record of a release ({day}) left out: nothing tells when they were known"
            self.findings.append(Finding("publication_unknown", None, day, text, "warning"))
        yield from rows


def _note(settings: FredConfig) -> str:
    told = (
        ("with revisions", settings.revisions),
        (f"released at {settings.release_time} in New York", settings.release_time is not None),
        (f"{settings.lag_days} days' lag before FRED's records of releases", settings.lag_days is not None),
    )
    return ", ".join(words for words, said in told if said)


def _pairs(table: pd.DataFrame) -> Iterator[tuple[Any, Any]]:
    return zip(table["date"], table["value"], strict=True)


def _end_of_day(day: pd.Timestamp) -> datetime:
    return datetime.combine(day.date() + _DAY, time(0), ST_LOUIS).astimezone(UTC)
