"""Crypto exchanges through ccxt: public candles, stamped with their opens in UTC.

Requests go no faster than the exchange's own limit, which ccxt knows, with the cost of each kind of request. Pages follow one another by
`since`. An exchange that keeps only its newest candles, as Kraken does (720), gives a series that begins where its records do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt
import pandas as pd

from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, RefusedError, UsageError, nearest
from nullalpha.data.connect.config import ConnectConfig, scrubbed
from nullalpha.data.connect.received import BAR_COLUMNS, Asking, Facts, Identity, Received, Span, in_order
from nullalpha.data.connect.retry import FaultError, FaultKind, Patience
from nullalpha.data.connect.transport import patient_session
from nullalpha.data.timeframes import bar_duration

DELAY = timedelta(minutes=1)
FIRST = datetime(2011, 1, 1, tzinfo=UTC)
"""Before it no exchange that is left had candles."""
CANDLES_A_PAGE = 300
"""Where ccxt does not know an exchange's limit: what all of them give."""
_MILLISECOND = timedelta(milliseconds=1)
_DAY = "1d"


def identify(symbol: str, config: ConnectConfig) -> Identity:
    """Return `BTC-USD` for `BTC/USD`, or for `kraken:BTC/USD`; the exchange is part of the origin."""
    exchange, pair = _parts(symbol, config)
    return Identity(pair.replace("/", "-").replace(":", "."), f"ccxt {exchange}")


def receive(symbol: str, timeframe: str, spans: Sequence[Span], asking: Asking) -> Received:
    """Return bars as `Received` describes.

    Raises:
        NotFoundError: ccxt does not know the exchange, or the exchange the pair.
        UsageError: the exchange has no candles of this timeframe.
        RefusedError: it does not serve this place, or wants an account.
        TransientError: it gave no whole answer.
        DataError: daily candles that do not begin at midnight UTC.
    """
    name, pair = _parts(symbol, asking.config)
    exchange = _exchange(name, asking)
    try:
        _ask(exchange, asking.patience, exchange.load_markets)
        market = _market(exchange, pair)
        if not exchange.has.get("fetchOHLCV") or timeframe not in (exchange.timeframes or {}):
            known = ", ".join(exchange.timeframes or {}) or "none"
            raise UsageError(
                f"{exchange.name} has no candles of {timeframe}", path="timeframe", value=timeframe, suggestion=f"it has {known}"
            )
        rows = [row for span in spans for row in _candles(exchange, pair, timeframe, span, asking.patience)]
    except ccxt.BaseError as error:
        raise _refusal(exchange, error) from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{exchange.name} answered what ccxt cannot read ({type(error).__name__})", path="symbol", value=pair) from error
    finally:
        exchange.session.close()
    facts = Facts(identify(symbol, asking.config).symbol, f"{pair} on {exchange.name}", "crypto", "24/7", str(market.get("quote") or "USD"))
    return Received(_table(rows, pair, timeframe), facts)


def _exchange(name: str, asking: Asking) -> Any:
    if name not in ccxt.exchanges:
        raise NotFoundError(
            f"ccxt knows no exchange {name!r}",
            path="connect.ccxt.exchange",
            value=name,
            suggestion=f"did you mean {nearest(name, ccxt.exchanges)}?"
            if nearest(name, ccxt.exchanges)
            else "e.g. coinbase, kraken, bitstamp",
        )
    patience = asking.patience

    def throttle(self: Any, cost: float | None = None) -> None:
        patience.pace(self.rateLimit / 1000.0 * (1.0 if cost is None else cost))

    paced = type(name, (getattr(ccxt, name),), {"throttle": throttle})
    exchange = paced({"session": patient_session(f"{name} (ccxt)", patience), "enableRateLimit": True})
    base = asking.config.ccxt.base_url
    if base is not None:
        exchange.urls["api"] = _moved(exchange.urls["api"], base.rstrip("/"))
    return exchange


def _candles(exchange: Any, pair: str, timeframe: str, span: Span, patience: Patience) -> Iterator[list[float]]:
    """Yield candles of a stretch, page by page; without a start, from the first day that has any."""
    begin = _milliseconds(span.start or FIRST)
    if span.start is None and timeframe != _DAY and _DAY in exchange.timeframes:
        days = _candles(exchange, pair, _DAY, span, patience)
        first = next(days, None)
        begin = int(first[0]) if first else _milliseconds(span.end)
    step = exchange.parse_timeframe(timeframe) * 1000
    limit = exchange.feature_value(pair, "fetchOHLCV", "limit") or CANDLES_A_PAGE
    since, end = begin, _milliseconds(span.end)
    while since < end:
        page = _ask(exchange, patience, exchange.fetch_ohlcv, pair, timeframe, since, limit)
        fresh = [row for row in page if since <= row[0] < end]
        yield from fresh
        since = int(max(row[0] for row in fresh)) + step if fresh else _after_none(page, since + limit * step, end)


def _after_none(page: list[list[float]], next_page: int, end: int) -> int:
    """Return where to go on after a page without a candle of the stretch: nowhere, where the exchange's candles begin after it."""
    return end if any(row[0] >= end for row in page) else next_page


def _ask(exchange: Any, patience: Patience, call: Any, *arguments: Any) -> Any:
    """Call the client once; trouble that an exchange reports inside an answer is tried again like any other."""

    def once(seconds: float) -> Any:
        try:
            return call(*arguments)
        except ccxt.OperationFailed as error:
            kind: FaultKind = "rate limited" if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection) else "server error"
            raise FaultError(kind, f"it says {type(error).__name__}") from None

    return Patience(patience.policy, patience.clock, patience.sleep, patience.now).ask(f"{exchange.name} (ccxt)", once)


def _market(exchange: Any, pair: str) -> Any:
    if pair not in exchange.markets:
        near = nearest(pair, list(exchange.markets))
        raise NotFoundError(
            f"{exchange.name} has no pair {pair!r}",
            path="symbol",
            value=pair,
            suggestion=f"did you mean {near}?" if near else "write e.g. BTC/USD",
        )
    return exchange.market(pair)


def _table(rows: list[list[float]], pair: str, timeframe: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(BAR_COLUMNS)).astype(dict.fromkeys(BAR_COLUMNS[1:], "float64"))
    stamps = pd.DatetimeIndex(pd.to_datetime(table["time"].astype("int64"), unit="ms", utc=True)).as_unit("ns")
    if bar_duration(timeframe) is None:
        plain = stamps.tz_localize(None)
        if (plain != plain.normalize()).any():
            raise DataError(
                f"daily candles of {pair} begin at {plain[0].time()} UTC, not at midnight: their dates do not tell when they close",
                path="timeframe",
                value=timeframe,
                suggestion="fetch 1h and resample",
            )
        stamps = plain
    table["time"] = stamps
    return in_order(table)


def _moved(addresses: Any, base: str) -> Any:
    if isinstance(addresses, dict):
        return {name: _moved(address, base) for name, address in addresses.items()}
    path = str(addresses).split("://", 1)[-1].partition("/")[2]
    return f"{base}/{path}".rstrip("/")


def _parts(symbol: str, config: ConnectConfig) -> tuple[str, str]:
    """Return exchange and pair."""
    text = symbol.strip()
    exchange, colon, pair = text.partition(":")
    if colon and "/" not in exchange:
        return exchange.lower(), pair.upper()
    return config.ccxt.exchange.lower(), text.upper()


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND


def _refusal(exchange: Any, error: ccxt.BaseError) -> NullAlphaError:
    words = scrubbed(f"{type(error).__name__}: {error}")
    if isinstance(error, ccxt.BadSymbol):
        return NotFoundError(f"{exchange.name}: {words}", path="symbol", suggestion="write e.g. BTC/USD")
    if isinstance(error, ccxt.AuthenticationError | ccxt.RestrictedLocation):
        return RefusedError(f"{exchange.name}: {words}", path="connect.ccxt.exchange", suggestion="choose another exchange")
    return UsageError(f"{exchange.name} refuses the request: {words}", path="symbol")
