"""What is asked of a source and what it gives: tables of one form, whatever the client."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nullalpha.core.errors import ArtifactError, Finding
from nullalpha.data.connect.config import ConnectConfig, Credentials
from nullalpha.data.connect.retry import Patience
from nullalpha.data.instruments import Kind

BRONZE = "parquet"
BAR_COLUMNS = ("time", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Span:
    """A stretch of time to ask for, half-open, UTC; of daily bars, the dates at midnight. No start: as far back as there is."""

    start: datetime | None
    end: datetime


@dataclass(frozen=True)
class Identity:
    """By what name a home knows a service's symbol, and what its `source` is: two series of one symbol and origin are the same."""

    symbol: str
    origin: str


@dataclass(frozen=True)
class Facts:
    """What a service says of an instrument.

    Attributes:
        calendar: an `exchange_calendars` code.
        rescaled: whether the source multiplies its history after a split or a distribution.
        distributions_in_prices: whether adjusted prices contain distributions.
    """

    symbol: str
    name: str
    kind: Kind
    calendar: str
    currency: str
    rescaled: bool = False
    distributions_in_prices: bool = False


@dataclass(frozen=True)
class Received:
    """A source's answer.

    Attributes:
        frame: rows in order of time, which is unique. Of bars: `time` (datetime64[ns, UTC] of the open; of daily bars, the session's date
            at midnight, without zone), open, high, low, close, volume and where there is one adj_close. Of published figures: `time`
            (datetime64[ns, UTC] of publication), value, and what the source needs to go on from there.
        findings: rows that the source could not use.
        note: what was asked of the source beyond the symbol, for people.
    """

    frame: pd.DataFrame = field(repr=False)
    facts: Facts
    findings: tuple[Finding, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Asking:
    """Who asks and how: a source's settings and its ports to the outside. `now` is the present, UTC."""

    config: ConnectConfig
    patience: Patience
    credentials: Credentials
    now: datetime


class BarSource(Protocol):
    """A module of this package that gives bars."""

    DELAY: timedelta
    """How long after a bar's close its figures are final."""

    def identify(self, symbol: str, config: ConnectConfig) -> Identity:
        """Return what a service's symbol is called in a home."""
        ...

    def receive(self, symbol: str, timeframe: str, spans: Sequence[Span], asking: Asking) -> Received:
        """Return the bars of some stretches; no rows where the service has none."""
        ...


class FigureSource(Protocol):
    """A module of this package that gives published figures."""

    def identify(self, symbol: str, config: ConnectConfig) -> Identity:
        """Return what a service's symbol is called in a home."""
        ...

    def receive(self, symbol: str, held: pd.DataFrame | None, start: datetime | None, end: datetime, asking: Asking) -> Received:
        """Return the figures published in [start, end), from the last that is held on."""
        ...


def table_bytes(frame: pd.DataFrame) -> bytes:
    """Return a table as parquet, for bronze: as the client gave it, the same bytes for the same table."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None), sink)
    return sink.getvalue()


def read_table(data: bytes, path: str) -> pd.DataFrame:
    """Return the table of `table_bytes`.

    Raises:
        ArtifactError: if these are not its bytes.
    """
    try:
        return pq.read_table(pa.BufferReader(data), use_threads=False).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"{path} holds no table that was fetched", path=path, suggestion="fetch the series anew") from error


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows in order of time, of those with one time the last given: pages and stretches may overlap."""
    return frame.drop_duplicates("time", keep="last").sort_values("time", ignore_index=True)
