from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from nullalpha.core.errors import NotFoundError, TransientError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.config import ConnectConfig, YfinanceConfig
from nullalpha.data.connect.fetch import Fetched, FetchRequest, fetch
from nullalpha.data.connect.retry import Patience
from tests.support.recorded_service import Answer, Asked, Recording, Service, recorded_service
from tests.support.timekeeper import NOW, Timekeeper

Day = tuple[str, float, float, float, float, float, int]
JANUARY: list[Day] = [
    ("2024-01-08", 182.089996, 185.600006, 181.5, 185.559998, 184.938217, 59144500),
    ("2024-01-09", 183.919998, 185.149994, 182.729996, 185.139999, 184.519623, 42841800),
    ("2024-01-10", 184.350006, 186.399994, 183.919998, 186.190002, 185.566116, 46792900),
    ("2024-01-11", 186.539993, 187.050003, 183.619995, 185.589996, 184.968124, 49128400),
    ("2024-01-12", 186.059998, 186.740005, 185.190002, 185.919998, 185.297012, 40444700),
    ("2024-01-16", 182.160004, 184.259995, 180.929993, 183.630005, 183.014694, 65603000),
    ("2024-01-17", 181.270004, 182.929993, 180.300003, 182.679993, 182.067871, 47317400),
    ("2024-01-18", 186.089996, 189.139999, 185.830002, 188.630005, 187.997940, 78005800),
    ("2024-01-19", 189.330002, 190.10, 188.82, 189.95, 189.95, 11500000),
]
"""Session, open, high, low, close, adjusted close, volume; the last session is still open at NOW."""


def _epoch(day: str, hour: int = 14, minute: int = 30) -> int:
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()) + hour * 3600 + minute * 60


def chart(days: Sequence[Day], asked: Asked, **meta: Any) -> dict[str, Any]:
    """The answer of /v8/finance/chart for those of the sessions that were asked for."""
    first, last = int(asked.query.get("period1", 0)), int(asked.query.get("period2", 2**40))
    rows = [row for row in days if first <= _epoch(row[0]) < last]
    columns: Mapping[str, list[Any]] = {
        name: [row[place] for row in rows] for place, name in enumerate(("day", "open", "high", "low", "close", "adjclose", "volume"))
    }
    told = {
        "currency": "USD",
        "symbol": "AAPL",
        "exchangeName": "NMS",
        "fullExchangeName": "NasdaqGS",
        "instrumentType": "EQUITY",
        "firstTradeDate": 345479400,
        "regularMarketTime": 1705676401,
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "longName": "Apple Inc.",
        "shortName": "Apple Inc.",
        "priceHint": 2,
        "dataGranularity": asked.query.get("interval", "1d"),
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
        **meta,
    }
    quote = {name: columns[name] for name in ("open", "high", "low", "close", "volume")} if rows else {}
    result: dict[str, Any] = {
        "meta": told,
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": columns["adjclose"]} if rows else {}]},
    }
    if rows:
        result["timestamp"] = [_epoch(row[0]) for row in rows]
    return {"chart": {"result": [result], "error": None}}


def yahoo(days: Sequence[Day] = JANUARY, **meta: Any) -> Recording:
    """Yahoo's part: a cookie, a crumb, and charts for who shows the crumb."""

    def recording(asked: Asked) -> Answer:
        if asked.path == "/v1/test/getcrumb":
            return Answer("Kx0.vQ1tZ9a", kind="text/plain")
        if asked.path.startswith("/v8/finance/chart/"):
            if asked.query.get("crumb") != "Kx0.vQ1tZ9a":
                return Answer({"chart": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}, status=401)
            return Answer(chart(days, asked, **meta))
        return Answer("<html></html>", status=404, kind="text/html", headers={"Set-Cookie": "A3=d=AQABBK; Path=/; Max-Age=31557600"})

    return recording


def ask(
    service: Service | str, catalogue: Catalogue, patience: Patience, cache: str, request: FetchRequest, now: datetime = NOW
) -> Fetched:
    base = service if isinstance(service, str) else service.base
    return fetch(
        "yfinance",
        request,
        catalogue,
        now=now,
        config=ConnectConfig(yfinance=YfinanceConfig(base_url=base, cache=cache)),
        patience=patience,
    )


def asked_days(service: Service) -> list[tuple[str, str]]:
    """The stretches of daily bars that were asked for, as dates in New York."""
    stretches = [asked.query for asked in service.seen if "period1" in asked.query and asked.query["interval"] == "1d"]
    zone = "America/New_York"
    return [tuple(str(pd.Timestamp(int(q[p]), unit="s", tz=zone).date()) for p in ("period1", "period2")) for q in stretches]  # type: ignore[misc]


def test_daily_bars_are_as_traded_with_adjusted_closes_and_without_the_open_session(
    catalogue: Catalogue, patience: Patience, yahoo_cache: str
) -> None:
    with recorded_service(yahoo()) as service:
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("aapl", start="2024-01-08"))
    assert fetched.raw is not None
    frame = fetched.raw.frame
    assert frame["time"].dt.strftime("%Y-%m-%d").tolist() == [row[0] for row in JANUARY[:-1]]
    assert frame.iloc[0][["open", "high", "low", "close", "adj_close", "volume"]].tolist() == list(JANUARY[0][1:])
    described = fetched.raw.instrument
    assert (described.symbol, described.name, described.calendar, described.currency) == ("AAPL", "Apple Inc.", "XNAS", "USD")
    assert (described.kind, described.distributions, described.source) == ("equity", "adjusted", "yfinance")


def test_the_catalogue_takes_the_bars_in_with_their_adjustment(catalogue: Catalogue, patience: Patience, yahoo_cache: str) -> None:
    with recorded_service(yahoo()) as service:
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", start="2024-01-08"))
    assert fetched.raw is not None
    bars = catalogue.read(catalogue.ingest(fetched.raw))
    assert bars.close[0] == pytest.approx(184.938217)
    assert bars.factor is not None
    assert bars.close[0] / bars.factor[0] == pytest.approx(185.559998)
    assert str(bars.time[0]) == "2024-01-08T21:00:00.000000000"


def test_a_session_counts_half_an_hour_after_its_close(catalogue: Catalogue, patience: Patience, yahoo_cache: str) -> None:
    close = datetime(2024, 1, 19, 21, 0, tzinfo=UTC)
    with recorded_service(yahoo()) as service:
        early = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", start="2024-01-08"), close + timedelta(minutes=29))
        late = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", start="2024-01-08"), close + timedelta(minutes=31))
    assert early.raw is not None
    assert late.raw is not None
    assert (len(early.raw.frame), len(late.raw.frame)) == (8, 9)


def taken(catalogue: Catalogue, patience: Patience, cache: str, days: Sequence[Day]) -> None:
    """Fetch some sessions and take them in."""
    with recorded_service(yahoo(days)) as service:
        fetched = ask(service, catalogue, patience, cache, FetchRequest("AAPL", start="2024-01-08"))
    assert fetched.raw is not None
    catalogue.ingest(fetched.raw)


def test_only_what_is_missing_is_asked_for_with_five_bars_of_overlap(catalogue: Catalogue, patience: Patience, yahoo_cache: str) -> None:
    taken(catalogue, patience, yahoo_cache, JANUARY[:6])
    with recorded_service(yahoo()) as service:
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL"))
    assert asked_days(service) == [("2024-01-09", "2024-01-19")]
    assert (fetched.n_new, fetched.findings) == (2, ())
    assert fetched.raw is not None
    assert len(fetched.raw.frame) == 8
    catalogue.ingest(fetched.raw)
    with recorded_service(yahoo()) as service:
        again = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL"))
    assert (again.raw, again.asked, service.seen) == (None, (), [])


def test_a_missing_stretch_in_the_middle_is_filled(catalogue: Catalogue, patience: Patience, yahoo_cache: str) -> None:
    taken(catalogue, patience, yahoo_cache, [*JANUARY[:2], *JANUARY[4:8]])
    with recorded_service(yahoo()) as service:
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL"))
    assert fetched.n_new == 2
    assert [(str(span.start)[:10], str(span.end)[:10]) for span in fetched.asked] == [("2024-01-08", "2024-01-19")]
    assert fetched.raw is not None
    assert len(catalogue.read(catalogue.ingest(fetched.raw)).time) == 8


def test_a_revised_bar_is_found_row_by_row_and_the_new_one_counts(catalogue: Catalogue, patience: Patience, yahoo_cache: str) -> None:
    taken(catalogue, patience, yahoo_cache, JANUARY[:6])
    revised = [*JANUARY[:4], ("2024-01-12", 186.06, 187.5, 185.19, 185.92, 185.297012, 40477800), *JANUARY[5:]]
    with recorded_service(yahoo(revised)) as service:
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL"))
    (finding,) = fetched.findings
    assert (finding.code, finding.row, finding.time, finding.severity) == ("revised", 4, "2024-01-12", "warning")
    assert finding.message == "high was 186.740005 and is 187.5; volume was 40444700 and is 40477800"
    assert fetched.raw is not None
    assert fetched.raw.frame["high"][4] == 187.5
    assert fetched.raw.findings == fetched.findings


def test_after_a_split_all_history_is_fetched_again(catalogue: Catalogue, patience: Patience, yahoo_cache: str) -> None:
    taken(catalogue, patience, yahoo_cache, JANUARY[:6])
    halved = [(day, *(price / 2 for price in prices), volume * 2) for day, *prices, volume in JANUARY]
    with recorded_service(yahoo(halved)) as service:  # type: ignore[arg-type]
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL"))
    assert asked_days(service) == [("2024-01-09", "2024-01-19"), ("2024-01-08", "2024-01-20")]
    assert [finding.code for finding in fetched.findings] == ["rescaled"]
    assert "adj_close by 0.5" in fetched.findings[0].message
    assert fetched.raw is not None
    assert fetched.raw.frame["close"].tolist() == [row[4] for row in halved[:8]]


def test_after_a_dividend_all_history_is_fetched_again_and_other_changes_still_show(
    catalogue: Catalogue, patience: Patience, yahoo_cache: str
) -> None:
    taken(catalogue, patience, yahoo_cache, JANUARY[:7])
    lowered = [(*row[:5], row[5] * 0.9987, row[6]) for row in JANUARY]
    lowered[0] = (*lowered[0][:2], 190.0, *lowered[0][3:])
    with recorded_service(yahoo(lowered)) as service:  # type: ignore[arg-type]
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL"))
    assert [(finding.code, finding.row) for finding in fetched.findings] == [("rescaled", None), ("revised", 0)]
    assert fetched.findings[1].message == "high was 185.600006 and is 190"
    assert fetched.raw is not None
    assert fetched.raw.frame["adj_close"].tolist() == [row[5] for row in lowered[:8]]
    assert fetched.raw.frame["close"][7] == JANUARY[7][4]


def minutes(days: Sequence[str]) -> Recording:
    """Hourly bars of a regular session, 14:30 to 20:30 UTC, with the session's times in the answer as Yahoo gives them."""
    whole = yahoo()

    def recording(asked: Asked) -> Answer:
        if not asked.path.startswith("/v8/") or asked.query.get("interval") != "1h":
            return whole(asked)
        stamps = [_epoch(day, 14 + hour) for day in days for hour in range(7)]
        stamps = [stamp for stamp in stamps if int(asked.query["period1"]) <= stamp < int(asked.query["period2"])]
        body = chart([], asked)
        quote = {name: [100.0 + place for place in range(len(stamps))] for name in ("open", "high", "low", "close")}
        quote["volume"] = [1000.0] * len(stamps)
        periods = [[{"timezone": "EST", "start": _epoch(day), "end": _epoch(day, 21, 0), "gmtoffset": -18000}] for day in days]
        body["chart"]["result"][0].update(timestamp=stamps, indicators={"quote": [quote]})
        body["chart"]["result"][0]["meta"]["tradingPeriods"] = periods
        return Answer(body)

    return recording


def test_intraday_bars_are_stamped_with_their_opens_and_end_before_the_present_one(
    catalogue: Catalogue, patience: Patience, yahoo_cache: str
) -> None:
    with recorded_service(minutes(["2024-01-18", "2024-01-19"])) as service:
        fetched = ask(
            service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", "1h", start="2024-01-18"), NOW.replace(hour=17, minute=15)
        )
    assert fetched.raw is not None
    assert fetched.raw.bar_time == "open"
    assert fetched.raw.frame["time"].iloc[[0, -1]].astype(str).tolist() == ["2024-01-18 14:30:00+00:00", "2024-01-19 15:30:00+00:00"]
    assert fetched.raw.instrument.distributions == "excluded"
    later = Catalogue(catalogue.root, now=lambda: NOW.replace(hour=17, minute=15))
    bars = later.read(later.ingest(fetched.raw))
    assert str(bars.time[0]) == "2024-01-18T15:30:00.000000000"


def test_a_symbol_that_yahoo_does_not_know_is_said_so(catalogue: Catalogue, patience: Patience, yahoo_cache: str) -> None:
    def recording(asked: Asked) -> Answer:
        if "/chart/" in asked.path:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return Answer({"chart": {"result": None, "error": error}}, status=404)
        if "quoteSummary" in asked.path:
            return Answer({"quoteSummary": {"result": None, "error": {"code": "Not Found", "description": "Quote not found"}}}, status=404)
        return yahoo()(asked)

    with recorded_service(recording) as service, pytest.raises(NotFoundError, match="Yahoo does not know NOSUCH") as error:
        ask(service, catalogue, patience, yahoo_cache, FetchRequest("NOSUCH", start="2024-01-08"))
    assert error.value.suggestion is not None


def test_no_bars_in_the_time_asked_for_is_an_error_and_not_an_empty_series(
    catalogue: Catalogue, patience: Patience, yahoo_cache: str
) -> None:
    with recorded_service(yahoo()) as service, pytest.raises(NotFoundError, match="nothing of AAPL 1d in that time"):
        ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", start="2023-01-01", end="2023-01-02"))


def test_a_timeframe_that_yahoo_has_not_is_refused_before_anything_is_asked(
    catalogue: Catalogue, patience: Patience, yahoo_cache: str
) -> None:
    with recorded_service(yahoo()) as service, pytest.raises(UsageError, match="Yahoo has no bars of 7m"):
        ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", "7m"))
    assert service.seen == []


@pytest.mark.parametrize(
    "trouble",
    [
        Answer("Edge: Too Many Requests", status=429, kind="text/html", headers={"Retry-After": "7"}),
        Answer("<html>Will be right back</html>", status=503, kind="text/html"),
        Answer(chart(JANUARY, Asked("", {}, {})), cut=True),
        Answer('{"chart": {"result": [{"meta": {"cur'),
    ],
    ids=["rate limited", "unavailable", "hung up in the middle", "half an answer"],
)
def test_trouble_that_passes_is_outlived(
    trouble: Answer, catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper, yahoo_cache: str
) -> None:
    with recorded_service(yahoo(), [trouble, trouble], at="/chart/") as service:
        fetched = ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", start="2024-01-08"))
    assert fetched.n_new == 8
    assert timekeeper.waits == ([7.0, 7.0] if trouble.status == 429 else [1.0, 2.0])


def test_trouble_that_stays_is_a_typed_error(catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper, yahoo_cache: str) -> None:
    trouble = [Answer("Too Many Requests", status=429, kind="text/html")] * 3
    with recorded_service(yahoo(), trouble, at="/chart/") as service, pytest.raises(TransientError) as error:
        ask(service, catalogue, patience, yahoo_cache, FetchRequest("AAPL", start="2024-01-08"))
    assert error.value.message == "Yahoo Finance: no answer in 3 tries over 3 s: it answers 429: too many requests"
    assert error.value.value == "rate limited (429)"
    assert timekeeper.waits == [1.0, 2.0]


def test_a_server_that_hangs_and_one_that_is_not_there_are_typed_errors(
    catalogue: Catalogue, hasty: Patience, yahoo_cache: str, unused_port: Any
) -> None:
    hang = Answer(hang=True)
    with (
        recorded_service(yahoo(), [hang] * 2, at="/chart/") as service,
        pytest.raises(TransientError, match=r"no whole answer within 0\.2 s"),
    ):
        ask(service, catalogue, hasty, yahoo_cache, FetchRequest("AAPL", start="2024-01-08"))
    with pytest.raises(TransientError, match="it cannot be reached"):
        ask(unused_port(), catalogue, hasty, yahoo_cache, FetchRequest("AAPL", start="2024-01-08"))
