from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nullalpha.core.errors import NotFoundError, RefusedError, TransientError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.config import CcxtConfig, ConnectConfig
from nullalpha.data.connect.fetch import Fetched, FetchRequest, fetch
from nullalpha.data.connect.retry import Patience
from tests.support.recorded_service import Answer, Asked, Recording, Service, recorded_service
from tests.support.timekeeper import NOW, Timekeeper

HOUR = 3600
ASSETS = {
    "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5, "status": "enabled"},
    "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "display_decimals": 2, "status": "enabled"},
}
PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [2, 3],
        "leverage_sell": [2, 3],
        "fees": [[0, 0.4], [10000, 0.35]],
        "fees_maker": [[0, 0.25], [10000, 0.2]],
        "fee_volume_currency": "ZUSD",
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }
}


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def candles(first: str, count: int, step: int = HOUR) -> list[list[Any]]:
    """Candles as Kraken writes them: time, open, high, low, close, vwap, volume, count."""
    begin = seconds(first)
    return [
        [begin + n * step, f"{40000 + n}.0", f"{40010 + n}.5", f"{39990 + n}.1", f"{40001 + n}.2", "0.0", "12.5", 99] for n in range(count)
    ]


def kraken(rows: list[list[Any]], page: int = 720) -> Recording:
    """Kraken's public market data; `since` is exclusive, and a page is what comes first after it."""

    def recording(asked: Asked) -> Answer:
        if asked.path.endswith("/Assets"):
            return Answer({"error": [], "result": ASSETS})
        if asked.path.endswith("/AssetPairs"):
            return Answer({"error": [], "result": PAIRS})
        wanted = [row for row in rows if row[0] > int(asked.query.get("since", 0))][:page]
        return Answer({"error": [], "result": {"XXBTZUSD": wanted, "last": wanted[-1][0] if wanted else 0}})

    return recording


def ask(service: Service, catalogue: Catalogue, patience: Patience, request: FetchRequest) -> Fetched:
    config = ConnectConfig(ccxt=CcxtConfig(base_url=service.base))
    return fetch("ccxt", request, catalogue, now=NOW, config=config, patience=patience)


def test_candles_come_page_by_page_stamped_with_their_opens_and_without_the_open_one(
    catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper
) -> None:
    with recorded_service(kraken(candles("2024-01-18T00:00:00", 40), page=15)) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("kraken:btc/usd", "1h", start="2024-01-18"))
    assert [path.rsplit("/", 1)[1] for path in service.paths()] == ["Assets", "AssetPairs", "OHLC", "OHLC", "OHLC"]
    assert fetched.raw is not None
    frame = fetched.raw.frame
    assert frame["time"].iloc[[0, -1]].astype(str).tolist() == ["2024-01-18 00:00:00+00:00", "2024-01-19 13:00:00+00:00"]
    assert frame["time"].is_monotonic_increasing
    assert frame.iloc[1][["open", "high", "low", "close", "volume"]].tolist() == [40001.0, 40011.5, 39991.1, 40002.2, 12.5]
    assert (fetched.raw.instrument.symbol, fetched.raw.instrument.source) == ("BTC-USD", "ccxt kraken")
    assert len(catalogue.read(catalogue.ingest(fetched.raw))) == 38


def test_requests_go_no_faster_than_the_exchange_allows(catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper) -> None:
    with recorded_service(kraken(candles("2024-01-18T00:00:00", 38), page=15)) as service:
        ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h", start="2024-01-18"))
    assert len(service.seen) == 6
    assert timekeeper.waits == pytest.approx([1.0, 1.2, 1.2, 1.2, 1.2])  # a second a request, and candles cost 1.2


def test_daily_candles_are_sessions_of_the_calendar_that_never_closes(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(kraken(candles("2024-01-10T00:00:00", 10, 24 * HOUR))) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", start="2024-01-10"))
    assert fetched.raw is not None
    assert fetched.raw.frame["time"].iloc[[0, -1]].astype(str).tolist() == ["2024-01-10", "2024-01-18"]
    bars = catalogue.read(catalogue.ingest(fetched.raw))
    assert str(bars.time[-1]) == "2024-01-19T00:00:00.000000000"


def test_only_what_is_missing_is_asked_for(catalogue: Catalogue, patience: Patience) -> None:
    rows = candles("2024-01-18T00:00:00", 40)
    with recorded_service(kraken(rows[:20])) as service:
        first = ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h", start="2024-01-18"))
    assert first.raw is not None
    catalogue.ingest(first.raw)
    with recorded_service(kraken(rows)) as service:
        second = ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h"))
    assert (first.n_new, second.n_new, second.findings) == (20, 18, ())
    assert int(service.seen[2].query["since"]) >= seconds("2024-01-18T14:00:00")
    assert second.raw is not None
    assert len(second.raw.frame) == 38


def test_without_a_start_the_first_day_that_has_candles_is_found(catalogue: Catalogue, patience: Patience) -> None:
    hours, days = candles("2024-01-18T06:00:00", 33), candles("2024-01-18T00:00:00", 2, 24 * HOUR)

    def recording(asked: Asked) -> Answer:
        return kraken(days if asked.query.get("interval") == "1440" else hours)(asked)

    with recorded_service(recording) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h"))
    assert fetched.n_new == 32
    assert [asked.query.get("interval") for asked in service.seen[2:]].count("60") == 1


def test_trouble_that_an_exchange_reports_inside_an_answer_is_outlived(
    catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper
) -> None:
    trouble = [Answer({"error": ["EAPI:Rate limit exceeded"]}), Answer({"error": ["EService:Unavailable"]})]
    with recorded_service(kraken(candles("2024-01-18T00:00:00", 10)), trouble, at="OHLC") as service:
        fetched = ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h", start="2024-01-18"))
    assert fetched.n_new == 10
    assert 1.0 in timekeeper.waits
    assert 2.0 in timekeeper.waits


@pytest.mark.parametrize(
    "trouble",
    [Answer("", status=429, headers={"Retry-After": "9"}), Answer('{"error": [], "resu'), Answer({"error": [], "result": {}}, cut=True)],
    ids=["rate limited", "half an answer", "hung up in the middle"],
)
def test_trouble_of_the_transport_is_outlived(trouble: Answer, catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper) -> None:
    with recorded_service(kraken(candles("2024-01-18T00:00:00", 10)), [trouble], at="OHLC") as service:
        fetched = ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h", start="2024-01-18"))
    assert fetched.n_new == 10
    assert (9.0 in timekeeper.waits) == (trouble.status == 429)


def test_trouble_that_stays_is_a_typed_error(catalogue: Catalogue, patience: Patience) -> None:
    trouble = [Answer({"error": ["EService:Unavailable"]})] * 3
    with (
        recorded_service(kraken([]), trouble, at="OHLC") as service,
        pytest.raises(TransientError, match="no answer in 3 tries over 4 s: it says ExchangeNotAvailable"),
    ):
        ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h", start="2024-01-18"))


@pytest.mark.parametrize(
    ("symbol", "kind", "text", "fix"),
    [
        ("krakn:BTC/USD", NotFoundError, "ccxt knows no exchange 'krakn'", "kraken"),
        ("kraken:BTC/USDD", NotFoundError, "Kraken has no pair 'BTC/USDD'", "BTC/USD"),
    ],
)
def test_an_unknown_name_gets_the_nearest(
    symbol: str, kind: type[UsageError], text: str, fix: str, catalogue: Catalogue, patience: Patience
) -> None:
    with recorded_service(kraken([])) as service, pytest.raises(kind, match=text) as error:
        ask(service, catalogue, patience, FetchRequest(symbol, start="2024-01-18"))
    assert fix in str(error.value.suggestion)


def test_a_timeframe_that_the_exchange_has_not_is_refused(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(kraken([])) as service, pytest.raises(UsageError, match="Kraken has no candles of 7m") as error:
        ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "7m", start="2024-01-18"))
    assert "1m, 5m" in str(error.value.suggestion)


def test_a_refusal_of_the_exchange_is_typed(catalogue: Catalogue, patience: Patience) -> None:
    denied = [Answer({"error": ["EGeneral:Permission denied"]})]
    with recorded_service(kraken([]), denied, at="OHLC") as service, pytest.raises(RefusedError, match="Kraken: PermissionDenied"):
        ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h", start="2024-01-18"))


def test_an_exchange_is_part_of_what_a_series_is(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(kraken(candles("2024-01-18T00:00:00", 10))) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("kraken:BTC/USD", "1h", start="2024-01-18"))
        assert fetched.raw is not None
        catalogue.ingest(fetched.raw)
        with pytest.raises(RefusedError, match="BTC-USD is there already, from ccxt kraken"):
            ask(service, catalogue, patience, FetchRequest("bitstamp:BTC/USD", "1h", start="2024-01-18"))
