"""What a source hands to the catalogue: a table as received, and what it is a table of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from nullalpha.core.fingerprint import sha256_hex
from nullalpha.data.instruments import Instrument

BarTime = Literal["open", "close"]


@dataclass(frozen=True)
class RawSeries:
    """Bars as received, unchecked.

    Attributes:
        instrument, timeframe: what the rows are bars of.
        frame: (n_rows) columns time, open, high, low, close and where given volume and adj_close (close adjusted for splits
            and distributions), in file order. Cells may still be text; `check_frame` reads and judges them. Times are
            ISO 8601; in a daily table they are session dates.
        source: where it came from, for people, e.g. a file name.
        original: the bytes as received, kept as the bronze copy.
        extension: of the bronze file, e.g. `csv.gz`.
        bar_time: whether an intraday time is the bar's open or its close; a daily date is always the session.
    """

    instrument: Instrument
    timeframe: str
    frame: pd.DataFrame = field(repr=False, compare=False)
    source: str
    original: bytes = field(repr=False)
    extension: str = "csv"
    bar_time: BarTime = "close"

    @property
    def sha256(self) -> str:
        """The SHA-256 of the original bytes."""
        return sha256_hex(self.original)


@dataclass(frozen=True)
class SourceSeries:
    """One series that a source can load without being told anything more."""

    instrument: Instrument
    timeframe: str
    load: Callable[[], RawSeries]
