"""What is asked of FRED, through fredapi, patiently.

fredapi has no timeout and says what went wrong as text; the status is on the HTTP error that it was handling. ALFRED answers at most 2,000
dates of release at once, and no date in an answer is earlier than what was asked for; so releases are asked for in stretches, and the first
release of a stretch repeats all that was known then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TypeVar
from urllib.error import HTTPError, URLError
from xml.etree.ElementTree import ParseError

import pandas as pd
from fredapi import Fred

from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, SettingsError, UsageError
from nullalpha.data.connect.config import scrubbed
from nullalpha.data.connect.retry import FaultError, Patience, within

T = TypeVar("T")
VINTAGES_A_REQUEST = 1000
MOST_VINTAGES = 10_000
MOST_OBSERVATIONS = 100_000
"""FRED's limits of one answer, of which fredapi reads only the first page."""


@dataclass(frozen=True)
class FredService:
    """One series of FRED.

    Attributes:
        key: never in an error.
    """

    client: Fred
    series: str
    key: str = field(repr=False)
    patience: Patience

    def title(self) -> str:
        """Return what the series is, with its units."""
        said = self._ask(lambda: self.client.get_series_info(self.series))
        return f"{said.get('title', self.series)}, {said.get('units', 'no units')}, {said.get('frequency', 'no frequency')}"

    def vintages(self) -> list[pd.Timestamp]:
        """Return all dates of release, oldest first.

        Raises:
            DataError: if there are more than fredapi reads.
        """
        dates = self._ask(lambda: self.client.get_series_vintage_dates(self.series))
        if len(dates) >= MOST_VINTAGES:
            raise DataError(f"{self.series} has over {MOST_VINTAGES:,} releases, more than fredapi reads", path="symbol", value=self.series)
        return sorted(pd.Timestamp(date) for date in dates)

    def releases(self, vintages: Sequence[pd.Timestamp]) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
        """Yield each release's date and what it brought (columns date, value, in order of date)."""
        for begin in range(0, len(vintages), VINTAGES_A_REQUEST):
            yield from self._stretch(vintages[begin : begin + VINTAGES_A_REQUEST])

    def _stretch(self, vintages: Sequence[pd.Timestamp]) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
        first, last = (str(vintage.date()) for vintage in (vintages[0], vintages[-1]))
        table = self._ask(lambda: self.client.get_series_all_releases(self.series, realtime_start=first, realtime_end=last))
        if len(table) >= MOST_OBSERVATIONS:
            if len(vintages) == 1:
                raise DataError(f"{self.series} has more observations than fredapi reads", path="symbol", value=self.series)
            middle = len(vintages) // 2
            yield from self._stretch(vintages[:middle])
            yield from self._stretch(vintages[middle:])
        elif len(table):
            table = table.astype({"date": "datetime64[ns]", "realtime_start": "datetime64[ns]"})
            table["value"] = [math.nan if pd.isna(value) else float(value) for value in table["value"]]  # fredapi gives NaT among NaN
            for vintage, rows in table.sort_values(["realtime_start", "date"]).groupby("realtime_start"):
                yield pd.Timestamp(vintage), rows[["date", "value"]]

    def _ask(self, call: Callable[[], T]) -> T:
        def once(seconds: float) -> T:
            try:
                return within(seconds, call)
            except (ValueError, ParseError, URLError, HTTPException, OSError) as error:
                raise self._reading(error) from None

        return self.patience.ask("FRED", once)

    def _reading(self, error: Exception) -> Exception:
        """Return what went wrong: a fault that may pass, or the error to end with."""
        answer = error if isinstance(error, HTTPError) else error.__context__
        if isinstance(answer, HTTPError):
            try:
                self.patience.judge(answer.code, answer.headers.get("Retry-After"))
            except FaultError as fault:
                return fault
            return self._refusal(answer.code, "" if isinstance(error, ParseError) else str(error))
        if isinstance(error, ParseError):
            return FaultError("broken answer", "its answer is no whole XML")
        if isinstance(error, HTTPException | ConnectionResetError):
            return FaultError("broken answer", "it hung up in the middle")
        if isinstance(error, TimeoutError) or (isinstance(error, URLError) and isinstance(error.reason, TimeoutError)):
            return FaultError("timeout", "it did not send in time")
        if isinstance(error, URLError):
            return FaultError("unreachable", "it cannot be reached")
        if isinstance(error, OSError):
            return FaultError("unreachable", f"the connection failed ({type(error).__name__})")
        return DataError(f"fredapi cannot read what FRED answered about {self.series}", path="symbol", value=self.series)

    def _refusal(self, status: int, said: str) -> NullAlphaError:
        words = scrubbed(said, self.key) or "no reason given"
        if "api_key" in words or status in (401, 403):
            return SettingsError(f"FRED refuses the key: {words}", path="connect.fred.key_env", value=status, suggestion="check the key")
        if status == 404 or "does not exist" in words or "series_id" in words:
            return NotFoundError(
                f"FRED does not know {self.series}: {words}", path="symbol", value=self.series, suggestion="look it up at FRED"
            )
        return UsageError(f"FRED refuses the request for {self.series}: {words}", path="symbol", value=status)
