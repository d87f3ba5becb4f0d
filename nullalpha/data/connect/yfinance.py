"""Yahoo Finance through yfinance.

Daily bars: prices are as traded but for splits, which Yahoo always takes out of its history; `adj_close` takes distributions out too.
After a split or a distribution all history is rescaled. Intraday bars are stamped with their opens; Yahoo keeps minutes for 30 days, other
intraday bars for 60 and hours for 730. Quotes of some exchanges are 20 minutes late, so a bar counts as final half an hour after its close.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus

import pandas as pd
import yfinance
from curl_cffi.requests.exceptions import RequestException
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFPricesMissingError, YFTzMissingError

from nullalpha.core.errors import DataError, NotFoundError, UsageError
from nullalpha.data.connect.config import ConnectConfig, scrubbed
from nullalpha.data.connect.received import BAR_COLUMNS, Asking, Facts, Identity, Received, Span, in_order
from nullalpha.data.connect.yahoo_session import YahooSession
from nullalpha.data.instruments import Kind
from nullalpha.data.timeframes import is_daily

DELAY = timedelta(minutes=30)
TIMEFRAMES = ("1d", "1h", "90m", "30m", "15m", "5m", "2m", "1m")
REACH = {"1h": timedelta(days=729), "1m": timedelta(days=29)}
OTHER_REACH = timedelta(days=59)
MINUTES_A_REQUEST = timedelta(days=7)
"""Of 1m bars, the longest stretch that one request may ask for."""
_UPGRADE = "upgrade yfinance: the service has probably changed"
_COLUMNS = {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Adj Close": "adj_close", "Volume": "volume"}
_KINDS: dict[str, Kind] = {
    "EQUITY": "equity",
    "ETF": "etf",
    "MUTUALFUND": "etf",
    "INDEX": "index",
    "CURRENCY": "forex",
    "CRYPTOCURRENCY": "crypto",
    "FUTURE": "future",
}
_CALENDARS = {
    "NYQ": "XNYS", "PCX": "XNYS", "ASE": "XNYS", "BTS": "XNYS", "SNP": "XNYS", "DJI": "XNYS", "CXI": "XNYS", "WCB": "XNYS", "NYS": "XNYS",
    "NMS": "XNAS", "NGM": "XNAS", "NCM": "XNAS", "NIM": "XNAS", "NAS": "XNAS", "PNK": "XNYS", "CBO": "XNYS",
    "CCC": "24/7", "CCY": "24/5", "CME": "CMES", "CBT": "CMES", "CMX": "CMES", "NYM": "CMES", "NYB": "IEPA",
    "LSE": "XLON", "GER": "XETR", "FRA": "XFRA", "PAR": "XPAR", "AMS": "XAMS", "BRU": "XBRU", "LIS": "XLIS", "MIL": "XMIL", "MCE": "XMAD",
    "EBS": "XSWX", "STO": "XSTO", "CPH": "XCSE", "HEL": "XHEL", "OSL": "XOSL", "VIE": "XWBO", "TOR": "XTSE", "VAN": "XTSE", "JPX": "XTKS",
    "HKG": "XHKG", "SHH": "XSHG", "SHZ": "XSHG", "NSI": "XBOM", "BSE": "XBOM", "ASX": "XASX", "KSC": "XKRX", "KOE": "XKRX", "TAI": "XTAI",
    "SES": "XSES", "SAO": "BVMF", "MEX": "XMEX", "JNB": "XJSE", "NZE": "XNZE",
}  # fmt: skip
"""Yahoo's exchange codes to those of exchange_calendars."""


def identify(symbol: str, config: ConnectConfig) -> Identity:
    """Return Yahoo's own symbol: `AAPL`, `^GSPC`, `EURUSD=X`, `BTC-USD`."""
    return Identity(symbol.strip().upper(), "yfinance")


def receive(symbol: str, timeframe: str, spans: Sequence[Span], asking: Asking) -> Received:
    """Return bars as `Received` describes.

    Raises:
        UsageError: a timeframe that Yahoo has not, or a stretch for which it keeps no bars of it.
        NotFoundError: Yahoo does not know the symbol.
        TransientError: it gave no whole answer.
        DataError: it answered something that yfinance cannot read.
    """
    if timeframe not in TIMEFRAMES:
        raise UsageError(f"Yahoo has no bars of {timeframe}", path="timeframe", value=timeframe, suggestion=", ".join(TIMEFRAMES))
    settings = asking.config.yfinance
    if settings.cache is not None:
        yfinance.set_tz_cache_location(settings.cache)
    YfData.cache_get.cache_clear()
    session = YahooSession(asking.patience, settings.base_url)
    name = symbol.strip().upper()
    try:
        with _speaking_out():
            ticker = yfinance.Ticker(name, session=session)
            pages = [_page(ticker, timeframe, part) for span in spans for part in _parts(span, timeframe, asking.now)]
            facts = _facts(name, ticker.get_history_metadata(), is_daily(timeframe))
    except YFTzMissingError as error:
        raise _unknown(name) from error
    except RequestException as error:
        code = getattr(error.response, "status_code", None)
        if code == HTTPStatus.NOT_FOUND:
            raise _unknown(name) from error
        raise DataError(f"Yahoo refuses what yfinance asks about {name}", path="symbol", value=code, suggestion=_UPGRADE) from error
    except YFException as error:
        raise DataError(f"Yahoo on {name}: {scrubbed(str(error))}", path="symbol", value=name) from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"yfinance cannot read what Yahoo answered about {name} ({type(error).__name__})",
            path="symbol",
            value=name,
            suggestion=_UPGRADE,
        ) from error
    finally:
        session.close()
    return Received(in_order(pd.concat(pages, ignore_index=True)), facts)


def _page(ticker: yfinance.Ticker, timeframe: str, span: Span) -> pd.DataFrame:
    daily = is_daily(timeframe)
    if span.start is None:
        when: dict[str, object] = {"period": "max"}
    elif daily:
        when = {"start": span.start.date(), "end": (span.end + timedelta(days=1, microseconds=-1)).date()}
    else:
        when = {"start": span.start, "end": span.end}
    try:
        given = ticker.history(interval=timeframe, auto_adjust=False, actions=False, **when)
    except YFPricesMissingError as error:
        reason = error.yahoo_reason or ""
        if "delisted" in reason or "No data found" in reason:
            raise _unknown(ticker.ticker) from error
        if "must be within" in reason or "not available" in reason:
            raise UsageError(f"Yahoo on {ticker.ticker}: {scrubbed(reason)}", path="start", value=span.start) from error
        return _table(pd.DataFrame(columns=list(_COLUMNS), index=pd.DatetimeIndex([], tz="UTC")), daily)  # nothing was traded
    return _table(given, daily)


def _parts(span: Span, timeframe: str, now: datetime) -> list[Span]:
    """Return the requests that a stretch takes; one without a start begins where Yahoo's records of such bars do."""
    if is_daily(timeframe):
        return [span]
    start = span.start or now - REACH.get(timeframe, OTHER_REACH)
    if timeframe != "1m":
        return [Span(start, span.end)]
    parts = []
    while start < span.end:
        stop = min(start + MINUTES_A_REQUEST, span.end)
        parts.append(Span(start, stop))
        start = stop
    return parts


def _table(given: pd.DataFrame, daily: bool) -> pd.DataFrame:
    table = given[list(_COLUMNS)].rename(columns=_COLUMNS).astype("float64")
    stamps = pd.DatetimeIndex(given.index)
    table["time"] = (stamps.tz_localize(None).normalize() if daily else stamps.tz_convert("UTC")).as_unit("ns")
    return table[[*BAR_COLUMNS, "adj_close"] if daily else list(BAR_COLUMNS)].reset_index(drop=True)


def _facts(symbol: str, said: Mapping[str, object], daily: bool) -> Facts:
    kind = _KINDS.get(str(said.get("instrumentType", "")), "equity")
    exchange = str(said.get("exchangeName", ""))
    calendar = {"crypto": "24/7", "forex": "24/5"}.get(kind) or _CALENDARS.get(exchange)
    if calendar is None:
        raise DataError(
            f"Yahoo trades {symbol} on {exchange!r}, whose calendar is not known here",
            path="symbol",
            value=exchange,
            suggestion="describe the instrument, with its calendar, in the instruments file first",
        )
    return Facts(
        symbol=symbol,
        name=str(said.get("longName") or said.get("shortName") or symbol),
        kind=kind,
        calendar=calendar,
        currency=str(said.get("currency") or "USD"),
        rescaled=kind in ("equity", "etf"),
        distributions_in_prices=daily,
    )


@contextmanager
def _speaking_out() -> Iterator[None]:
    """Let yfinance raise what it would otherwise write to its log, and keep its log quiet meanwhile."""
    debug, log = yfinance.config.debug, logging.getLogger("yfinance")
    hidden, level = debug.hide_exceptions, log.level
    debug.hide_exceptions = False
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        debug.hide_exceptions = hidden
        log.setLevel(level)


def _unknown(symbol: str) -> NotFoundError:
    return NotFoundError(
        f"Yahoo does not know {symbol}, or has nothing of it",
        path="symbol",
        value=symbol,
        suggestion="write it as Yahoo does, e.g. BRK-B, ^GSPC, EURUSD=X",
    )
