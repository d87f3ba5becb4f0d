"""Stocks and crypto through Alpaca's own client, alpaca-py. Bars are stamped with their opens.

Open, high, low and close are prices as traded; `adj_close` is the close under the adjustment that `connect.alpaca.adjustment` states,
fetched with a second request. Without credentials only crypto can be had. The last quarter of an hour costs extra, so a bar counts as
final 16 minutes after its close.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical.crypto import CryptoHistoricalDataClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import CryptoBarsRequest, StockBarsRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, SettingsError, UsageError
from nullalpha.data.connect.config import ConnectConfig, scrubbed
from nullalpha.data.connect.received import BAR_COLUMNS, Asking, Facts, Identity, Received, Span, in_order
from nullalpha.data.connect.transport import mount
from nullalpha.data.timeframes import bar_duration

DELAY = timedelta(minutes=16)
SECONDS_BETWEEN = 0.3
"""Alpaca allows 200 requests a minute."""
FIRST = {"stock": datetime(2016, 1, 1, tzinfo=UTC), "crypto": datetime(2021, 1, 1, tzinfo=UTC)}
"""Where Alpaca's records begin."""
_NAMES = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}


def identify(symbol: str, config: ConnectConfig) -> Identity:
    """Return `AAPL` for a stock, `BTC-USD` for the pair `BTC/USD`."""
    return Identity(symbol.strip().upper().replace("/", "-"), "alpaca")


def receive(symbol: str, timeframe: str, spans: Sequence[Span], asking: Asking) -> Received:
    """Return bars as `Received` describes.

    Raises:
        UsageError: a timeframe that Alpaca has not, or one that the account may not have.
        SettingsError: no credentials, or refused ones.
        NotFoundError: Alpaca does not know the symbol.
        TransientError: it gave no whole answer.
        DataError: daily bars of crypto that do not begin at midnight UTC.
    """
    name, crypto = symbol.strip().upper(), "/" in symbol
    length = _length(timeframe)
    settings, keys = asking.config.alpaca, asking.credentials
    key, secret = keys.get(settings.key_env), keys.get(settings.secret_env)
    if not crypto:
        key = keys.require(settings.key_env, "connect.alpaca.key_env", "Alpaca")
        secret = keys.require(settings.secret_env, "connect.alpaca.secret_env", "Alpaca")
    kind = CryptoHistoricalDataClient if crypto else StockHistoricalDataClient
    client = kind(api_key=key, secret_key=secret, raw_data=True, url_override=settings.base_url)
    mount(client._session, "Alpaca", replace(asking.patience, interval=SECONDS_BETWEEN))  # the client takes no session from outside
    begin = FIRST["crypto" if crypto else "stock"]
    daily = bar_duration(timeframe) is None
    pages = []
    try:
        for span in spans:
            when: dict[str, Any] = {"symbol_or_symbols": name, "timeframe": length, "start": span.start or begin, "end": span.end}
            if isinstance(client, CryptoHistoricalDataClient):
                pages.append(_table(client.get_crypto_bars(CryptoBarsRequest(**when)), name, daily, "UTC"))
            else:
                feed = None if settings.feed is None else DataFeed(settings.feed)
                pages.append(_stock_page(client, {**when, "feed": feed}, settings.adjustment, name, daily))
    except APIError as error:
        raise _refusal(error, name, key, secret) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"Alpaca answered about {name} what its client cannot read ({type(error).__name__})", path="symbol", value=name
        ) from error
    finally:
        client._session.close()
    frame = in_order(pd.concat(pages, ignore_index=True))
    note = "" if crypto or settings.adjustment == "raw" else f"adjusted close: {settings.adjustment}"
    return Received(frame, _facts(name, crypto, settings.adjustment), note=note)


def _stock_page(client: StockHistoricalDataClient, when: dict[str, Any], adjustment: str, name: str, daily: bool) -> pd.DataFrame:
    traded = _table(client.get_stock_bars(StockBarsRequest(**when, adjustment=Adjustment.RAW)), name, daily, "America/New_York")
    if adjustment == "raw":
        return traded
    adjusted = _table(client.get_stock_bars(StockBarsRequest(**when, adjustment=Adjustment(adjustment))), name, daily, "America/New_York")
    both = traded.merge(adjusted[["time", "close"]].rename(columns={"close": "adj_close"}), on="time", how="left")
    if both["adj_close"].isna().any():
        gone = both["time"][both["adj_close"].isna()].iloc[0]
        raise DataError(f"Alpaca gave no adjusted close of {name} at {gone}", path="symbol", value=name, suggestion="fetch again")
    return both


def _table(answer: Any, name: str, daily: bool, zone: str) -> pd.DataFrame:
    rows = answer.get(name) or []
    table = pd.DataFrame({long: pd.Series([row[short] for row in rows], dtype="float64") for short, long in _NAMES.items()})
    stamps = pd.DatetimeIndex(pd.to_datetime([row["t"] for row in rows], utc=True, format="ISO8601"))
    if daily:
        local = stamps.tz_convert(zone).tz_localize(None)
        if zone == "UTC" and (local != local.normalize()).any():
            raise DataError(
                f"Alpaca's daily bars of {name} begin at {local[0].time()} UTC, not at midnight: their dates do not tell when they close",
                path="timeframe",
                value="1d",
                suggestion="fetch 1h and resample",
            )
        stamps = local.normalize()
    table["time"] = stamps.as_unit("ns")
    return table[list(BAR_COLUMNS)]


def _length(timeframe: str) -> TimeFrame:
    duration = bar_duration(timeframe)
    if duration is None:
        return TimeFrame(1, TimeFrameUnit.Day)
    minutes = int(duration.astype("timedelta64[m]").astype(int))
    try:
        return TimeFrame(minutes // 60, TimeFrameUnit.Hour) if minutes % 60 == 0 else TimeFrame(minutes, TimeFrameUnit.Minute)
    except ValueError as error:
        raise UsageError(
            f"Alpaca has no bars of {timeframe}", path="timeframe", value=timeframe, suggestion="1d, 1h to 23h, 1m to 59m"
        ) from error


def _facts(name: str, crypto: bool, adjustment: str) -> Facts:
    symbol = name.replace("/", "-")
    if crypto:
        return Facts(symbol, name, "crypto", "24/7", name.split("/")[1])
    return Facts(symbol, name, "equity", "XNYS", "USD", adjustment != "raw", adjustment in ("dividend", "all"))


def _refusal(error: APIError, name: str, key: str | None, secret: str | None) -> NullAlphaError:
    try:
        said = str(json.loads(str(error))["message"])
    except (ValueError, KeyError, TypeError):
        said = str(error)
    words, status = scrubbed(said, key, secret), error.status_code
    if status == 401 or (status == 403 and "subscription" not in words):
        return SettingsError(
            f"Alpaca refuses the credentials: {words}", path="connect.alpaca.key_env", value=status, suggestion="check key and secret"
        )
    if status == 403:
        return UsageError(f"Alpaca: {words}", path="connect.alpaca.feed", value=status, suggestion="set connect.alpaca.feed to iex")
    if status == 404 or "invalid symbol" in words:
        return NotFoundError(
            f"Alpaca does not know {name}: {words}", path="symbol", value=name, suggestion="stocks as AAPL, pairs as BTC/USD"
        )
    return UsageError(f"Alpaca refuses the request for {name}: {words}", path="symbol", value=status)
