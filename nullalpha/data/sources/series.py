"""What a source hands to the catalogue: a table as received, and what it is a table of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pandas as pd

from nullalpha.core.errors import Finding
from nullalpha.core.fingerprint import sha256_hex
from nullalpha.data.instruments import Instrument
from nullalpha.data.snapshots import Derivation

BarTime = Literal["open", "close"]


@dataclass(frozen=True)
class RawSeries:
    """Bars, or an outside series' values, as received and unchecked.

    The frame's columns, in any order, rows in file order; cells may be text, numbers or timestamps, a column of one kind reads fastest:

    | column | meaning |
    |---|---|
    | time | when: see `nullalpha.data.times`; dates of sessions in a daily table, times of publication in a published one |
    | open, high, low, close | prices as traded |
    | value | of a published table, in place of the four prices; any sign |
    | volume | optional: units traded, as traded; a cell may be missing |
    | adj_close | optional: close adjusted for splits and distributions |
    | factor | optional, instead of adj_close: adjusted price = price * factor |
    | dividend | optional, of prices as traded: currency that a unit paid, on its ex-date's row; a cell may be missing |
    | split | optional, of prices as traded: units that one unit became before this row's bar; 1, 0 or missing for none |
    | dividends, stock_splits | Yahoo's names of these two, read where there is neither ours nor an adjusted close |
    | spread | optional: quoted ask minus bid at the close, in price as traded; a cell may be missing |

    Other columns are left alone.

    Attributes:
        instrument, timeframe: what the rows are bars of; `published` goes with an instrument of kind `series`, and only with one.
        source: where it came from, for people, e.g. a file name.
        original: the bytes as received, kept as the bronze copy.
        extension: of the bronze file, e.g. `csv.gz`.
        bar_time: whether an intraday time is the bar's open or its close; a daily date is always the session.
        tz: IANA name of the zone in which times that carry none are; None when there is none to assume.
        derived_from: of bars that were made of other bars: which, and how.
        findings: what the source itself found wrong with rows that it could not fit into the frame; they count as the check's own.
    """

    instrument: Instrument
    timeframe: str
    frame: pd.DataFrame = field(repr=False, compare=False)
    source: str
    original: bytes = field(repr=False)
    extension: str = "csv"
    bar_time: BarTime = "close"
    tz: str | None = None
    derived_from: Derivation | None = None
    findings: tuple[Finding, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the original bytes."""
        return sha256_hex(self.original)


@dataclass(frozen=True)
class SourceSeries:
    """One series that a source can load without being told anything more."""

    instrument: Instrument
    timeframe: str
    load: Callable[[], RawSeries]
