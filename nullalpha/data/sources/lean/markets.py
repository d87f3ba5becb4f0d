"""What LEAN's markets are: the time zone of their data, the calendar they trade on, and what to take their costs for.

A data folder's own `market-hours/market-hours-database.json` says the zone of each market's data; without one, the zones below,
which are those of LEAN's. Costs are a starting point for one side of a small order, to be corrected in the instruments file.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nullalpha.core.errors import DataError
from nullalpha.data.instrument_kinds import DEFAULTS
from nullalpha.data.instruments import Costs, Distributions, Instrument, Kind

UTC = "UTC"
SOURCE = "lean"
_EXCHANGES = {
    ("equity", "usa"): ("America/New_York", "XNYS", "USD"),
    ("equity", "india"): ("Asia/Kolkata", "XBOM", "INR"),
}
_ROUND_THE_CLOCK = {"forex": ("24/5", 260), "cfd": ("24/5", 260), "crypto": ("24/7", 365)}
_ZONES = {("forex", "oanda"): UTC, ("cfd", "oanda"): UTC, ("forex", "fxcm"): "Etc/GMT+5", ("cfd", "fxcm"): "Etc/GMT+5"}
_KINDS: dict[str, Kind] = {"equity": "equity", "forex": "forex", "cfd": "cfd", "crypto": "crypto"}
_COSTS = {
    "equity": DEFAULTS["equity"].costs,
    "forex": Costs(0.00002, 0.5, 0.5),
    "cfd": replace(DEFAULTS["cfd"].costs, commission=0.00002, half_spread_bps=1.5, slippage_bps=1.0),
    "crypto": Costs(0.001, 1.0, 2.0),
}
_LONG_QUOTES = ("usdt", "usdc", "busd", "tusd", "fdusd")
_OFFSET = re.compile(r"UTC([+-])(\d{2})(?::00)?")
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def market_hours(root: Path) -> dict[str, str]:
    """Return the time zones that a data folder's market-hours database names, by its lower-case keys; none if it has no database.

    Raises:
        DataError: if the database, which is JSON that may hold comments, cannot be read.
    """
    database = root / "market-hours" / "market-hours-database.json"
    if not database.is_file():
        return {}
    try:
        text = _COMMENT.sub(lambda match: match[1] or "", database.read_text("utf-8-sig"))
        return {str(key).lower(): str(entry["dataTimeZone"]) for key, entry in json.loads(text)["entries"].items()}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{database} is no market-hours database of LEAN: {error}", path=str(database)) from error


def data_zone(hours: dict[str, str], security_type: str, market: str, ticker: str) -> str:
    """Return the IANA name of the time zone in which a ticker's bars are stamped.

    Args:
        hours: what `market_hours` returned.
    Raises:
        DataError: if nothing says the zone, or there is no such zone.
    """
    prefix = f"{security_type}-{market}-".lower()
    named = hours.get(prefix + ticker.lower()) or hours.get(prefix + "[*]")
    if named is not None:
        return _iana(named)
    if (security_type, market) in _EXCHANGES:
        return _EXCHANGES[security_type, market][0]
    if security_type == "crypto":
        return UTC
    if (security_type, market) in _ZONES:
        return _ZONES[security_type, market]
    raise DataError(
        f"the time zone of {security_type}/{market} data is not known",
        value=market,
        suggestion="put LEAN's market-hours/market-hours-database.json into the data folder, or import as CSV with its time zone",
    )


def day_ends_with_session(security_type: str, zone: str) -> bool:
    """Return whether a daily bar ends when a session of its calendar does; those of markets open day and night end at midnight."""
    return security_type == "equity" or zone == UTC


def instrument_of(security_type: str, market: str, ticker: str, distributions: Distributions) -> Instrument:
    """Return the description of a ticker: its calendar, currency, fill basis and starting costs.

    Raises:
        DataError: if the market's trading calendar is not known.
        UsageError: if the ticker is no symbol.
    """
    symbol = ticker.upper()
    if security_type == "equity":
        if ("equity", market) not in _EXCHANGES:
            known = ", ".join(name for kind, name in _EXCHANGES if kind == "equity")
            raise DataError(
                f"no calendar is known for equity/{market}", value=market, suggestion=f"markets are {known}; import others as CSV"
            )
        _, calendar, currency = _EXCHANGES["equity", market]
        sessions = 252
    else:
        calendar, sessions = _ROUND_THE_CLOCK[security_type]
        currency = next((quote for quote in _LONG_QUOTES if ticker.endswith(quote)), ticker[-3:]).upper()
    return Instrument(
        symbol,
        f"{symbol} ({security_type}, {market})",
        calendar,
        currency,
        "open",
        sessions,
        _COSTS[security_type],
        SOURCE,
        kind=_KINDS[security_type],
        distributions=distributions,
    )


def _iana(name: str) -> str:
    offset = _OFFSET.fullmatch(name)
    if offset:
        hours = int(offset[2])
        return UTC if hours == 0 else f"Etc/GMT{'-' if offset[1] == '+' else '+'}{hours}"  # POSIX signs are the other way round
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DataError("the market-hours database names a time zone that does not exist", path="dataTimeZone", value=name) from error
    return UTC if name in ("Etc/UTC", "GMT", "Etc/GMT") else name
