"""Commitments of traders of the CFTC (legacy report, futures only) through sodapy, the client of its Socrata service.

A symbol is a contract market code, and after a colon what is wanted of it (`MEASURES`; net non-commercial contracts where nothing is said):
`13874A`, `088691:open_interest`. A row is one report: `value` in contracts (shares of open interest: a fraction), `reference` the date that
it is about.

The report is about a Tuesday and comes out on the third business day of the federal government after it, at 15:30 in New York: on
Friday, or on Monday after a holiday in between. When the government was closed, or the CFTC could not publish, reports came out late and
many at once; then all of them count as known only when the CFTC had caught up (`BACKLOGS`, each date with a margin). Before October 1992
reports came out on the sixth business day, before 1990 on the 12th of the next month.
Source: CFTC, About the COT Reports; its announcements of 2013, 2019, 2023 and 2025.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.holiday import USFederalHolidayCalendar
from requests.exceptions import HTTPError
from sodapy import Socrata

from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, SettingsError, UsageError, nearest
from nullalpha.data.connect.config import ConnectConfig, scrubbed
from nullalpha.data.connect.received import Asking, Facts, Identity, Received
from nullalpha.data.connect.transport import PatientAdapter

SERVICE = "https://publicreporting.cftc.gov"
DATASET = "6dca-aqww"
"""Legacy report, futures only."""
PAGE = 1000
NEW_YORK = ZoneInfo("America/New_York")
RELEASE = time(15, 30)
OVERLAP_WEEKS = 3
BACKLOGS: tuple[tuple[date, date], ...] = (
    (date(2013, 10, 1), date(2013, 11, 8)),
    (date(2018, 12, 18), date(2019, 3, 15)),
    (date(2023, 1, 31), date(2023, 3, 31)),
    (date(2025, 9, 30), date(2026, 1, 30)),
)
"""The first reference date that was late, and by when the CFTC had caught up. A later interruption is a line to add."""
CLOSED = np.array(
    [
        *("2001-09-11", "2001-09-12", "2004-06-11", "2007-01-02", "2012-10-29", "2012-10-30", "2012-12-24", "2014-12-26", "2015-12-24"),
        *("2018-12-05", "2018-12-24", "2019-12-24", "2020-12-24", "2024-12-24", "2025-01-09", "2025-12-24", "2025-12-26"),
    ],
    dtype="datetime64[D]",
)
"""Weekdays on which the federal government was closed by order, holidays apart."""
_DATE = "report_date_as_yyyy_mm_dd"
_CODE = "cftc_contract_market_code"
_NAME = "market_and_exchange_names"
_OPEN = "open_interest_all"
_LEGS = {
    "net_noncommercial": ("noncomm_positions_long_all", "noncomm_positions_short_all"),
    "net_commercial": ("comm_positions_long_all", "comm_positions_short_all"),
    "net_nonreportable": ("nonrept_positions_long_all", "nonrept_positions_short_all"),
}
_SHORT = {"net_noncommercial": "", "net_commercial": ".C", "net_nonreportable": ".N", "open_interest": ".OI"}
MEASURES = (*_SHORT, *(f"{name}_share" for name in _LEGS))
"""What may be asked of a contract; a share is a fraction of open interest."""
_MARKET = re.compile(r"[0-9A-Z+]{3,8}")


def identify(symbol: str, config: ConnectConfig) -> Identity:
    """Return e.g. `COT-13874A` for `13874A`, `COT-13874A.C.S` for `13874A:net_commercial_share`.

    Raises:
        UsageError: if it is no code, or names no measure.
    """
    code, measure = _parts(symbol)
    name = measure.removesuffix("_share")
    return Identity(f"COT-{code.replace('+', '_')}{_SHORT[name]}{'.S' if measure != name else ''}", "cftc")


def receive(symbol: str, held: pd.DataFrame | None, start: datetime | None, end: datetime, asking: Asking) -> Received:
    """Return figures as `Received` describes, from a few weeks before the last that is held.

    Raises:
        SettingsError: a refused token.
        NotFoundError: the CFTC has no such contract in that time.
        TransientError: it gave no whole answer.
        DataError: a report without the figures wanted, or two that differ.
    """
    code, measure = _parts(symbol)
    since = None
    if held is not None and len(held) and not (start and start < held["time"].iloc[0]):
        since = pd.Timestamp(held["reference"].iloc[-1]).date() - timedelta(weeks=OVERLAP_WEEKS)
    elif start is not None:
        since = start.date() - timedelta(weeks=2 * OVERLAP_WEEKS)
    rows = _reports(code, measure, since, asking)
    frame = _published(rows, measure, code)
    wanted = (frame["time"] <= end) & ((frame["time"] >= start) if start else True)
    if held is not None and len(held) and since is not None:
        wanted &= frame["reference"] >= held["reference"].iloc[max(0, len(held) - OVERLAP_WEEKS)]
    name = str(rows[-1].get(_NAME, code)) if rows else code
    facts = Facts(identify(symbol, asking.config).symbol, f"{name}: {measure.replace('_', ' ')}", "series", "24/7", "USD")
    return Received(frame[wanted].reset_index(drop=True), facts)


def published_at(references: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Return when reports came out, by the rule above; never earlier than they did.

    Args:
        references: (n,) the dates that they are about.
    Returns:
        (n,) datetime64[ns], UTC.
    """
    days = references.astype("datetime64[D]")
    if not len(days):
        return np.empty(0, dtype="datetime64[ns]")
    holidays = USFederalHolidayCalendar().holidays(pd.Timestamp(days.min()), pd.Timestamp(days.max()) + pd.Timedelta(days=60))
    closed = np.unique(np.concatenate([holidays.to_numpy().astype("datetime64[D]"), CLOSED]))
    count = np.where(days < np.datetime64("1992-10-01"), 6, 3)
    released = np.busday_offset(np.busday_offset(days, 0, roll="backward", holidays=closed), count, holidays=closed)
    twelfth = (days.astype("datetime64[M]") + 1).astype("datetime64[D]") + 11
    released = np.where(days < np.datetime64("1990-01-01"), np.busday_offset(twelfth, 0, roll="forward", holidays=closed), released)
    for first, cleared in BACKLOGS:
        late = (days >= np.datetime64(first)) & (days < np.datetime64(cleared))
        released = np.where(late, np.maximum(released, np.datetime64(cleared)), released)
    moments = [datetime.combine(day, RELEASE, NEW_YORK).astimezone(UTC).replace(tzinfo=None) for day in released.tolist()]
    return np.array(moments, dtype="datetime64[ns]")


def _reports(code: str, measure: str, since: date | None, asking: Asking) -> list[Mapping[str, Any]]:
    settings = asking.config.cftc
    token = asking.credentials.get(settings.token_env)
    scheme, _, host = (settings.base_url or SERVICE).rstrip("/").partition("://")
    adapter = {"prefix": f"{scheme}://", "adapter": PatientAdapter("the CFTC", asking.patience)}
    where = f"{_CODE} = '{code}'" + ("" if since is None else f" AND {_DATE} >= '{since}T00:00:00.000'")
    client = Socrata(host, token or "none", session_adapter=adapter)
    if token is None:  # without one, sodapy would set up logging for the whole process to warn of it
        del client.session.headers["X-App-token"]
    try:
        return list(
            client.get_all(DATASET, select=",".join([_DATE, _NAME, *_columns(measure)]), where=where, order=f"{_DATE} ASC", limit=PAGE)
        )
    except HTTPError as error:
        raise _refusal(error, code, token) from error
    finally:
        client.close()


def _columns(measure: str) -> tuple[str, ...]:
    name = measure.removesuffix("_share")
    return (*_LEGS.get(name, ()), *((_OPEN,) if name == "open_interest" or name != measure else ()))


def _published(rows: list[Mapping[str, Any]], measure: str, code: str) -> pd.DataFrame:
    try:
        references = np.array([str(row[_DATE])[:10] for row in rows], dtype="datetime64[D]")
        columns = {name: np.array([float(row[name]) for row in rows]) for name in _columns(measure)}
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"a report of {code} lacks a figure: {scrubbed(str(error))}", path="symbol", value=code) from error
    frame = pd.DataFrame({"value": _MEASURED[measure](columns), "reference": references.astype("datetime64[ns]")})
    frame = frame.drop_duplicates().sort_values("reference", ignore_index=True)
    twice = frame["reference"][frame["reference"].duplicated()]
    if len(twice):
        raise DataError(f"the CFTC has two reports of {code} about {twice.iloc[0].date()} that differ", path="symbol", value=code)
    times = pd.DatetimeIndex(published_at(frame["reference"].to_numpy())).tz_localize("UTC")
    frame.insert(0, "time", times)
    return frame.drop_duplicates("time", keep="last").reset_index(drop=True)


def _net(name: str) -> Callable[[Mapping[str, NDArray[np.float64]]], NDArray[np.float64]]:
    long, short = _LEGS[name]
    return lambda columns: columns[long] - columns[short]


def _share(name: str) -> Callable[[Mapping[str, NDArray[np.float64]]], NDArray[np.float64]]:
    net = _net(name)
    return lambda columns: net(columns) / np.where(columns[_OPEN] > 0, columns[_OPEN], np.nan)


_MEASURED = {
    "open_interest": lambda columns: columns[_OPEN],
    **{name: _net(name) for name in _LEGS},
    **{f"{name}_share": _share(name) for name in _LEGS},
}


def _parts(symbol: str) -> tuple[str, str]:
    code, _, measure = symbol.strip().partition(":")
    code, measure = code.upper(), measure.lower() or "net_noncommercial"
    if not _MARKET.fullmatch(code):
        raise UsageError(
            f"{code!r} is no contract market code of the CFTC",
            path="symbol",
            value=symbol,
            suggestion="write e.g. 13874A (E-mini S&P 500), 088691 (gold)",
        )
    if measure not in MEASURES:
        raise UsageError(
            f"there is no measure {measure!r}",
            path="symbol",
            value=symbol,
            suggestion=f"use {nearest(measure, MEASURES) or ', '.join(MEASURES)}",
        )
    return code, measure


def _refusal(error: HTTPError, code: str, token: str | None) -> NullAlphaError:
    status = None if error.response is None else error.response.status_code
    words = scrubbed(str(error), token)
    if status in (401, 403):
        return SettingsError(
            f"the CFTC refuses the token: {words}", path="connect.cftc.token_env", value=status, suggestion="check or unset it"
        )
    if status == 404:
        return NotFoundError(f"the CFTC does not know {code}: {words}", path="symbol", value=code)
    return UsageError(f"the CFTC refuses the request for {code}: {words}", path="symbol", value=status)
