from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, SettingsError, TransientError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.config import AlpacaConfig, ConnectConfig
from nullalpha.data.connect.fetch import Fetched, FetchRequest, fetch
from nullalpha.data.connect.retry import Patience
from tests.support.recorded_service import Answer, Asked, Recording, Service, recorded_service
from tests.support.timekeeper import NOW, Timekeeper

KEYS = {"NULLALPHA_ALPACA_KEY": "PKTESTKEY", "NULLALPHA_ALPACA_SECRET": "s3cr3t-s3cr3t"}
DAILY = {
    "2024-01-09T05:00:00Z": (183.92, 185.15, 182.73, 185.14, 42841809),
    "2024-01-10T05:00:00Z": (184.35, 186.4, 183.92, 186.19, 46192908),
    "2024-01-11T05:00:00Z": (186.54, 187.05, 183.62, 185.59, 49128408),
    "2024-01-12T05:00:00Z": (186.06, 186.74, 185.19, 185.92, 40477782),
    "2024-01-16T05:00:00Z": (182.16, 184.26, 180.934, 183.63, 65603041),
    "2024-01-17T05:00:00Z": (181.27, 182.93, 180.3, 182.68, 47317433),
    "2024-01-18T05:00:00Z": (186.09, 189.14, 185.83, 188.63, 78005754),
    "2024-01-19T05:00:00Z": (189.33, 190.1, 188.82, 189.95, 11500000),
}
DIVIDEND = 0.9987


def bars(rows: Mapping[str, Sequence[float]], factor: float = 1.0) -> list[dict[str, Any]]:
    names = ("o", "h", "l", "c")
    return [
        {"t": stamp, **{name: price * factor for name, price in zip(names, row, strict=False)}, "v": row[4], "n": 5, "vw": row[3]}
        for stamp, row in rows.items()
    ]


def stocks(rows: Mapping[str, Sequence[float]] = DAILY, page: int = 10_000, factor: float = DIVIDEND) -> Recording:
    """/v2/stocks/bars in pages, with prices times a factor where adjusted ones are asked for."""

    def recording(asked: Asked) -> Answer:
        query = asked.query
        if asked.headers.get("apca-api-key-id") != KEYS["NULLALPHA_ALPACA_KEY"]:
            return Answer({"message": "forbidden."}, status=403)
        wanted = {stamp: row for stamp, row in rows.items() if query["start"][:19] <= stamp[:19] <= query["end"][:19]}
        listed = bars(wanted, 1.0 if query["adjustment"] == "raw" else factor)
        begin = int(query.get("page_token", "0"))
        token = str(begin + page) if begin + page < len(listed) else None
        return Answer({"bars": {query["symbols"]: listed[begin : begin + page]} if listed else {}, "next_page_token": token})

    return recording


def ask(
    service: Service, catalogue: Catalogue, patience: Patience, request: FetchRequest, variables: Mapping[str, str] = KEYS, **config: Any
) -> Fetched:
    settings = ConnectConfig(alpaca=AlpacaConfig(base_url=service.base, **config))
    return fetch("alpaca", request, catalogue, now=NOW, config=settings, variables=variables, patience=patience)


def test_stock_bars_are_as_traded_with_the_stated_adjustment_beside_them(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(stocks()) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("AAPL", start="2024-01-09"))
    assert fetched.raw is not None
    frame = fetched.raw.frame
    assert frame["time"].astype(str).tolist() == [stamp[:10] for stamp in list(DAILY)[:-1]]
    assert frame["close"].tolist() == [row[3] for row in list(DAILY.values())[:-1]]
    assert frame["adj_close"].tolist() == [row[3] * DIVIDEND for row in list(DAILY.values())[:-1]]
    assert [asked.query["adjustment"] for asked in service.seen] == ["raw", "all"]
    assert fetched.raw.source == "alpaca AAPL, adjusted close: all"
    assert len(catalogue.read(catalogue.ingest(fetched.raw))) == 7


def test_pages_follow_their_token(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(stocks(page=3)) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("AAPL", start="2024-01-09"), adjustment="raw")
    assert [asked.query.get("page_token") for asked in service.seen] == [None, "3", "6"]
    assert fetched.n_new == 7
    assert fetched.raw is not None
    assert "adj_close" not in fetched.raw.frame


def test_one_page_that_fails_is_asked_for_again_and_not_all_of_them(catalogue: Catalogue, patience: Patience) -> None:
    answers = iter([None, Answer({"message": "too many requests."}, status=429, headers={"Retry-After": "3"}), None, None])
    pages = stocks(page=3)

    def recording(asked: Asked) -> Answer:
        return next(answers) or pages(asked)

    with recorded_service(recording) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("AAPL", start="2024-01-09"), adjustment="raw")
    assert [asked.query.get("page_token") for asked in service.seen] == [None, "3", "3", "6"]
    assert fetched.n_new == 7


def test_after_a_dividend_all_adjusted_closes_are_new_and_prices_as_traded_are_not(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(stocks(dict(list(DAILY.items())[:5]), factor=1.0)) as service:
        first = ask(service, catalogue, patience, FetchRequest("AAPL", start="2024-01-09"))
    assert first.raw is not None
    catalogue.ingest(first.raw)
    with recorded_service(stocks()) as service:
        second = ask(service, catalogue, patience, FetchRequest("AAPL"))
    assert [finding.code for finding in second.findings] == ["rescaled"]
    assert second.raw is not None
    assert second.raw.frame["adj_close"].tolist() == pytest.approx([row[3] * DIVIDEND for row in list(DAILY.values())[:-1]])
    assert second.raw.frame["close"][0] == first.raw.frame["close"][0]


def test_another_adjustment_replaces_the_whole_series(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(stocks(dict(list(DAILY.items())[:5]))) as service:
        first = ask(service, catalogue, patience, FetchRequest("AAPL", start="2024-01-09"), adjustment="raw")
    assert first.raw is not None
    catalogue.ingest(first.raw)
    with recorded_service(stocks()) as service:
        second = ask(service, catalogue, patience, FetchRequest("AAPL"))
    assert [finding.code for finding in second.findings] == ["rescaled"]
    assert second.raw is not None
    assert not second.raw.frame["adj_close"].isna().any()


def test_minutes_are_stamped_with_their_opens_and_only_whole_ones_are_taken(catalogue: Catalogue, patience: Patience) -> None:
    rows = {f"2024-01-19T14:{minute}:00Z": (189.0, 190.0, 188.0, 189.5, 1000) for minute in range(30, 60)}
    with recorded_service(stocks(rows)) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("AAPL", "1m", start="2024-01-19"), adjustment="raw")
    assert fetched.raw is not None
    assert fetched.raw.frame["time"].iloc[[0, -1]].astype(str).tolist() == ["2024-01-19 14:30:00+00:00", "2024-01-19 14:43:00+00:00"]
    assert str(catalogue.read(catalogue.ingest(fetched.raw)).time[0]) == "2024-01-19T14:31:00.000000000"


def crypto(hour: int = 0) -> Recording:
    rows = {f"2024-01-1{day}T0{hour}:00:00Z": (42_000.5, 43_000.0, 41_000.0, 42_500.25, 12.5) for day in range(5, 9)}
    return lambda asked: Answer({"bars": {"BTC/USD": bars(rows)}, "next_page_token": None})


def test_a_pair_is_crypto_and_needs_no_key(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(crypto()) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("btc/usd", start="2024-01-15"), variables={})
    assert service.paths() == ["/v1beta3/crypto/us/bars"]
    assert fetched.raw is not None
    described = fetched.raw.instrument
    assert (described.symbol, described.kind, described.calendar, described.sessions_per_year) == ("BTC-USD", "crypto", "24/7", 365)
    assert str(catalogue.read(catalogue.ingest(fetched.raw)).time[0]) == "2024-01-16T00:00:00.000000000"


def test_daily_bars_of_crypto_that_do_not_begin_at_midnight_are_refused(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(crypto(hour=5)) as service, pytest.raises(DataError, match="begin at 05:00:00 UTC, not at midnight"):
        ask(service, catalogue, patience, FetchRequest("BTC/USD", start="2024-01-15"))


def test_a_missing_key_is_named_and_nothing_is_asked(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(stocks()) as service, pytest.raises(SettingsError, match="NULLALPHA_ALPACA_SECRET is not set"):
        ask(service, catalogue, patience, FetchRequest("AAPL"), variables={"NULLALPHA_ALPACA_KEY": "PKTESTKEY"})
    assert service.seen == []


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (Answer({"message": "forbidden."}, status=403), SettingsError, "Alpaca refuses the credentials: forbidden."),
        (Answer({"message": "bad key PKTESTKEY and s3cr3t-s3cr3t"}, status=401), SettingsError, r"bad key \*\*\* and \*\*\*"),
        (Answer({"message": "subscription does not permit querying recent SIP data"}, status=403), UsageError, "recent SIP"),
        (Answer({"code": 40010001, "message": "invalid symbol: AAP L"}, status=400), NotFoundError, "does not know AAPL"),
        (Answer("<h1>no</h1>", status=422), UsageError, "refuses the request for AAPL"),
        (Answer({"nothing": "here"}), DataError, "cannot read"),
    ],
)
def test_a_refusal_is_typed_and_holds_no_secret(
    answer: Answer, kind: type[NullAlphaError], text: str, catalogue: Catalogue, patience: Patience
) -> None:
    with recorded_service(lambda asked: answer) as service, pytest.raises(kind, match=text) as error:
        ask(service, catalogue, patience, FetchRequest("AAPL"))
    assert len(service.seen) == 1
    assert not any(secret in str(error.value.to_dict()) for secret in KEYS.values())


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (Answer(status=502, body="bad gateway", kind="text/html"), "it answers 502"),
        (Answer({"bars": {"AAPL": []}}, cut=True), "hung up in the middle|broke off"),
        (Answer('{"bars": {"AAPL": [{"c": 1'), "no whole JSON"),
        (Answer(hang=True), r"no whole answer within 0\.2 s"),
        (Answer(drip=True), r"no whole answer within 0\.2 s"),
    ],
    ids=["bad gateway", "hung up in the middle", "half an answer", "hangs", "drips"],
)
def test_trouble_that_stays_is_a_typed_error(
    trouble: Answer, text: str, catalogue: Catalogue, hasty: Patience, timekeeper: Timekeeper
) -> None:
    with recorded_service(stocks(), [trouble] * 2) as service, pytest.raises(TransientError, match=text) as error:
        ask(service, catalogue, hasty, FetchRequest("AAPL"))
    assert (len(service.seen), timekeeper.waits) == (2, [1.0])
    assert "Alpaca: no answer in 2 tries" in error.value.message


def test_a_timeframe_that_alpaca_has_not_is_refused(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(stocks()) as service, pytest.raises(UsageError, match="Alpaca has no bars of 90m"):
        ask(service, catalogue, patience, FetchRequest("AAPL", "90m"))
