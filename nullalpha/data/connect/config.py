"""What a fetch may be told: addresses, names of credentials, and what of a source is wanted. Frozen; no credential is ever held here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

from nullalpha.core.errors import SettingsError, nearest
from nullalpha.data.connect.retry import RetryPolicy

SourceName = Literal["yfinance", "alpaca", "fred", "cftc", "ccxt"]
SOURCE_NAMES: tuple[SourceName, ...] = get_args(SourceName)
Adjustment = Literal["raw", "split", "dividend", "all"]
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
Feed = Literal["iex", "sip", "delayed_sip", "otc"]


@dataclass(frozen=True)
class YfinanceConfig:
    """Yahoo Finance.

    Attributes:
        base_url: asked in place of every host of Yahoo's, e.g. a proxy that records; None for Yahoo itself.
        cache: folder for yfinance's cookie and time zones; None for its own place in the user's cache folder.
    """

    base_url: str | None = None
    cache: str | None = None

    def __post_init__(self) -> None:
        _require_url("yfinance", self.base_url)


@dataclass(frozen=True)
class AlpacaConfig:
    """Alpaca's market data.

    Attributes:
        base_url: None for Alpaca itself.
        key_env, secret_env: names of the environment variables that hold the credentials.
        adjustment: what the adjusted close is adjusted for; open, high, low and close are always prices as traded.
        feed: of stocks; None for the best that the account has.
    """

    base_url: str | None = None
    key_env: str = "NULLALPHA_ALPACA_KEY"
    secret_env: str = "NULLALPHA_ALPACA_SECRET"
    adjustment: Adjustment = "all"
    feed: Feed | None = None

    def __post_init__(self) -> None:
        _require_url("alpaca", self.base_url)
        _require_word("connect.alpaca.adjustment", self.adjustment, get_args(Adjustment))
        if self.feed is not None:
            _require_word("connect.alpaca.feed", self.feed, get_args(Feed))


@dataclass(frozen=True)
class FredConfig:
    """FRED and ALFRED of the Federal Reserve Bank of St. Louis.

    Attributes:
        base_url: None for FRED itself; otherwise the address that stands for `https://api.stlouisfed.org/fred`.
        key_env: name of the environment variable that holds the key.
        revisions: also take each later value of the newest observation, at the time at which it was revised.
        release_time: time of day in New York at which this series is released, e.g. `08:30`; None when it is not known: then a value
            counts as known when its date of release has ended in St. Louis.
        lag_days: for observations older than FRED's records of releases: how long after the observation's date they were published.
            None leaves them out, because nothing tells when they were known.
    """

    base_url: str | None = None
    key_env: str = "NULLALPHA_FRED_KEY"
    revisions: bool = False
    release_time: str | None = None
    lag_days: int | None = None

    def __post_init__(self) -> None:
        _require_url("fred", self.base_url)
        _require_time("connect.fred.release_time", self.release_time)
        if self.lag_days is not None and not 0 <= self.lag_days <= 1000:
            path = "connect.fred.lag_days"
            raise SettingsError(f"{path} is {self.lag_days}", path=path, value=self.lag_days, suggestion="days, 0 to 1000")


@dataclass(frozen=True)
class CftcConfig:
    """The public reporting service of the Commodity Futures Trading Commission.

    Attributes:
        base_url: None for `https://publicreporting.cftc.gov`.
        token_env: name of the environment variable that may hold an application token, which allows more requests; may be unset.
    """

    base_url: str | None = None
    token_env: str = "NULLALPHA_CFTC_TOKEN"

    def __post_init__(self) -> None:
        _require_url("cftc", self.base_url)


@dataclass(frozen=True)
class CcxtConfig:
    """A crypto exchange, public data only.

    Attributes:
        base_url: asked in place of every host of the exchange's; None for the exchange itself.
        exchange: its name in ccxt, where the symbol does not name one (`kraken:BTC/USD`).
    """

    base_url: str | None = None
    exchange: str = "coinbase"

    def __post_init__(self) -> None:
        _require_url("ccxt", self.base_url)


@dataclass(frozen=True)
class ConnectConfig:
    """Everything about connections: one section a source, and how long to insist."""

    yfinance: YfinanceConfig = field(default_factory=YfinanceConfig)
    alpaca: AlpacaConfig = field(default_factory=AlpacaConfig)
    fred: FredConfig = field(default_factory=FredConfig)
    cftc: CftcConfig = field(default_factory=CftcConfig)
    ccxt: CcxtConfig = field(default_factory=CcxtConfig)
    retry: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class Credentials:
    """The environment that names of credentials refer to; never printed."""

    variables: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def get(self, name: str) -> str | None:
        """Return a credential, or None where the variable is not set or empty."""
        return self.variables.get(name, "").strip() or None

    def require(self, name: str, path: str, what: str) -> str:
        """Return a credential.

        Raises:
            SettingsError: if the variable is not set; names it and where else one may be named.
        """
        found = self.get(name)
        if found is None:
            raise SettingsError(
                f"{what} needs a key, and the environment variable {name} is not set",
                path=path,
                value=name,
                suggestion=f"export {name}=..., or name another variable in {path}",
            )
        return found


def scrubbed(text: str, *secrets: str | None) -> str:
    """Return a service's words without secrets, on one line, at most 200 characters."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return " ".join(text.split())[:200]


def _require_url(source: str, url: str | None) -> None:
    if url is None:
        return
    path = f"connect.{source}.base_url"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(f"{path} is no address", path=path, suggestion="write e.g. http://127.0.0.1:8000")
    if parts.username or parts.password:
        raise SettingsError(f"{path} holds a user or a password", path=path, suggestion="credentials go into environment variables")


def _require_time(path: str, text: str | None) -> None:
    if text is not None and not _TIME_OF_DAY.fullmatch(text):
        raise SettingsError(f"{path} {text!r} is no time of day", path=path, value=text, suggestion="write e.g. 08:30, New York time")


def _require_word(path: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(
            f"{path} is {value!r}", path=path, value=value, suggestion=f"use {nearest(value, allowed) or ', '.join(allowed)}"
        )
