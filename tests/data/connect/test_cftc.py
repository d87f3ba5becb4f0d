from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pytest

from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, SettingsError, TransientError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.cftc import published_at
from nullalpha.data.connect.config import CftcConfig, ConnectConfig
from nullalpha.data.connect.fetch import Fetched, FetchRequest, fetch
from nullalpha.data.connect.retry import Patience
from tests.support.recorded_service import Answer, Asked, Recording, Service, recorded_service
from tests.support.timekeeper import NOW, Timekeeper

FIELDS = (
    "open_interest_all",
    "noncomm_positions_long_all",
    "noncomm_positions_short_all",
    "comm_positions_long_all",
    "comm_positions_short_all",
)
REPORTS: dict[str, tuple[int, ...]] = {
    "2023-11-14": (2210000, 300000, 420000, 1500000, 1400000),
    "2023-11-21": (2198345, 310500, 431200, 1480000, 1390000),
    "2023-12-12": (2301500, 330000, 420000, 1470000, 1410000),
    "2023-12-26": (2105000, 345000, 405000, 1450000, 1420000),
    "2024-01-02": (2110000, 350000, 400000, 1440000, 1425000),
    "2024-01-09": (2115500, 365000, 390000, 1435000, 1420000),
    "2024-01-16": (2120000, 370000, 385000, 1430000, 1425000),
}


def cftc(reports: Mapping[str, tuple[int, ...]] = REPORTS) -> Recording:
    """/resource/6dca-aqww.json with the parts of SoQL that are used: numbers come as text, dates with a time."""

    def recording(asked: Asked) -> Answer:
        query = asked.query
        since = re.search(r">= '(\S+)'", query["$where"])
        wanted = [(day, row) for day, row in sorted(reports.items()) if not since or f"{day}T00:00:00.000" >= since[1]]
        listed = [
            {
                "report_date_as_yyyy_mm_dd": f"{day}T00:00:00.000",
                "market_and_exchange_names": "E-MINI S&P 500 - CHICAGO MERCANTILE EXCHANGE",
                **{name: str(value) for name, value in zip(FIELDS, row, strict=True) if name in query["$select"]},
            }
            for day, row in wanted
            if "'13874A'" in query["$where"]
        ]
        begin = int(query["$offset"])
        return Answer(listed[begin : begin + int(query["$limit"])], kind="application/json;charset=utf-8")

    return recording


def ask(
    service: Service,
    catalogue: Catalogue,
    patience: Patience,
    symbol: str = "13874A",
    variables: Mapping[str, str] | None = None,
    **request: Any,
) -> Fetched:
    config = ConnectConfig(cftc=CftcConfig(base_url=service.base))
    return fetch("cftc", FetchRequest(symbol, **request), catalogue, now=NOW, config=config, variables=variables or {}, patience=patience)


def rows(fetched: Fetched) -> list[tuple[str, float]]:
    assert fetched.raw is not None
    return list(zip(fetched.raw.frame["time"].astype(str), fetched.raw.frame["value"], strict=True))


def test_net_positions_are_known_at_their_publication_and_reports_to_come_are_not(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(cftc()) as service:
        fetched = ask(service, catalogue, patience)
    assert rows(fetched) == [
        ("2023-11-17 20:30:00+00:00", -120000.0),
        ("2023-11-27 20:30:00+00:00", -120700.0),  # Thanksgiving in between: Monday
        ("2023-12-15 20:30:00+00:00", -90000.0),
        ("2023-12-29 20:30:00+00:00", -60000.0),
        ("2024-01-05 20:30:00+00:00", -50000.0),
        ("2024-01-12 20:30:00+00:00", -25000.0),
    ]
    assert fetched.raw is not None
    assert fetched.raw.instrument.symbol == "COT-13874A"
    assert fetched.raw.instrument.name == "E-MINI S&P 500 - CHICAGO MERCANTILE EXCHANGE: net noncommercial"
    bars = catalogue.read(catalogue.ingest(fetched.raw))
    assert (bars.timeframe, bars.close[0]) == ("published", -120000.0)


@pytest.mark.parametrize(
    ("reference", "published"),
    [
        ("2024-01-16", "2024-01-19T20:30"),  # a holiday on the Monday before changes nothing
        ("2024-07-02", "2024-07-08T19:30"),  # 4 July on Thursday
        ("2018-07-03", "2018-07-09T19:30"),  # 4 July on Wednesday
        ("2006-07-03", "2006-07-07T19:30"),  # about a Monday
        ("2018-12-24", "2019-03-15T19:30"),  # the government was closed
        ("2023-02-07", "2023-03-31T19:30"),  # brokers could not report
        ("2025-10-07", "2026-01-30T20:30"),  # the government was closed
        ("1991-05-31", "1991-06-10T19:30"),  # sixth business day
        ("1988-05-31", "1988-06-13T19:30"),  # the 12th was a Sunday
    ],
)
def test_publication_follows_the_business_days_of_the_government(reference: str, published: str) -> None:
    (moment,) = published_at(np.array([reference], dtype="datetime64[D]"))
    assert str(moment.astype("datetime64[m]")) == published


def test_publication_is_never_before_the_third_day_and_its_order_is_that_of_the_references() -> None:
    tuesdays = np.arange(np.datetime64("1993-01-05"), np.datetime64("2026-06-30"), np.timedelta64(7, "D"))
    moments = published_at(tuesdays)
    assert (moments - tuesdays >= np.timedelta64(3, "D")).all()
    assert (np.diff(moments) >= np.timedelta64(0, "s")).all()
    late = np.count_nonzero(moments - tuesdays > np.timedelta64(4, "D")) / len(moments)
    assert late < 0.15


def test_reports_that_count_as_known_at_once_leave_the_newest(catalogue: Catalogue, patience: Patience) -> None:
    late = dict.fromkeys(("2023-01-24", "2023-01-31", "2023-02-07"), REPORTS["2024-01-02"]) | {"2023-03-14": REPORTS["2024-01-09"]}
    with recorded_service(cftc(late)) as service:
        fetched = ask(service, catalogue, patience)
    assert rows(fetched) == [("2023-01-27 20:30:00+00:00", -50000.0), ("2023-03-31 19:30:00+00:00", -25000.0)]


@pytest.mark.parametrize(
    ("measure", "symbol", "value"),
    [
        ("open_interest", "COT-13874A.OI", 2210000.0),
        ("net_commercial", "COT-13874A.C", 100000.0),
        ("net_noncommercial_share", "COT-13874A.S", -120000 / 2210000),
    ],
)
def test_other_measures_are_series_of_their_own(measure: str, symbol: str, value: float, catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(cftc()) as service:
        fetched = ask(service, catalogue, patience, f"13874a:{measure}")
    assert fetched.symbol == symbol
    assert rows(fetched)[0][1] == pytest.approx(value)


def test_only_reports_since_the_last_are_asked_for_and_a_revised_one_is_found(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(cftc(dict(list(REPORTS.items())[:5]))) as service:
        first = ask(service, catalogue, patience)
    assert first.raw is not None
    catalogue.ingest(first.raw)
    revised = {**REPORTS, "2024-01-02": (2110000, 351000, 400000, 1440000, 1425000)}
    with recorded_service(cftc(revised)) as service:
        second = ask(service, catalogue, patience)
    assert "2023-12-12T00:00:00.000" in service.seen[0].query["$where"]
    assert second.n_new == 1
    (finding,) = second.findings
    assert (finding.code, finding.row, finding.message) == ("revised", 4, "value was -50000 and is -49000")
    assert [value for _, value in rows(second)][-2:] == [-49000.0, -25000.0]


def test_nothing_new_gives_nothing_to_take_in(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(cftc()) as service:
        first = ask(service, catalogue, patience)
        assert first.raw is not None
        catalogue.ingest(first.raw)
        second = ask(service, catalogue, patience)
    assert (second.raw, second.n_new, second.findings) == (None, 0, ())


def test_many_reports_come_in_pages(catalogue: Catalogue, patience: Patience) -> None:
    days = np.arange(np.datetime64("1995-01-03"), np.datetime64("2023-12-26"), np.timedelta64(7, "D"))
    with recorded_service(cftc({str(day): REPORTS["2024-01-02"] for day in days})) as service:
        ask(service, catalogue, patience)
    assert [asked.query["$offset"] for asked in service.seen] == ["0", "1000"]


def test_a_token_is_taken_from_the_environment(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(cftc()) as service:
        ask(service, catalogue, patience, variables={"NULLALPHA_CFTC_TOKEN": "t0ken"})
        ask(service, Catalogue(catalogue.root.parent / "other"), patience)
    assert [asked.headers.get("x-app-token") for asked in service.seen] == ["t0ken", None]


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (
            Answer({"code": "permission_denied", "message": "Invalid app_token t0ken"}, status=403),
            SettingsError,
            r"Invalid app_token \*\*\*",
        ),
        (Answer({"message": "Not found"}, status=404), NotFoundError, "does not know 13874A"),
        (Answer({"message": "Query coordinator error"}, status=400), UsageError, "Query coordinator error"),
        (Answer([{"report_date_as_yyyy_mm_dd": "2024-01-02T00:00:00.000"}]), DataError, "lacks a figure"),
        (Answer([]), NotFoundError, "nothing of 13874A"),
    ],
)
def test_a_refusal_is_typed_and_holds_no_token(
    answer: Answer, kind: type[NullAlphaError], text: str, catalogue: Catalogue, patience: Patience
) -> None:
    with recorded_service(lambda asked: answer) as service, pytest.raises(kind, match=text) as error:
        ask(service, catalogue, patience, variables={"NULLALPHA_CFTC_TOKEN": "t0ken"})
    assert "t0ken" not in str(error.value.to_dict())


def test_trouble_that_passes_is_outlived_and_trouble_that_stays_is_typed(
    catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper
) -> None:
    trouble = Answer("", status=429, headers={"Retry-After": "4"})
    with recorded_service(cftc(), [trouble, Answer('[{"repor')]) as service:
        assert ask(service, catalogue, patience).n_new == 6
    assert timekeeper.waits == [4.0, 2.0]
    with (
        recorded_service(cftc(), [Answer("", status=500)] * 3) as service,
        pytest.raises(TransientError, match="the CFTC: no answer in 3 tries"),
    ):
        ask(service, catalogue, patience)


@pytest.mark.parametrize(
    ("symbol", "text"), [("13874A' OR 1=1", "no contract market code"), ("13874A:net_comercial", "no measure 'net_comercial'")]
)
def test_a_symbol_that_is_none_is_refused_before_anything_is_asked(
    symbol: str, text: str, catalogue: Catalogue, patience: Patience
) -> None:
    with recorded_service(cftc()) as service, pytest.raises(UsageError, match=text):
        ask(service, catalogue, patience, symbol)
    assert service.seen == []


def test_two_reports_about_one_date_that_differ_are_an_error(catalogue: Catalogue, patience: Patience) -> None:
    row = {"report_date_as_yyyy_mm_dd": "2024-01-02T00:00:00.000", "noncomm_positions_long_all": "5", "noncomm_positions_short_all": "1"}
    twice = Answer([row, {**row, "noncomm_positions_long_all": "6"}])
    with (
        recorded_service(lambda asked: twice) as service,
        pytest.raises(DataError, match=f"two reports of 13874A about {date(2024, 1, 2)}"),
    ):
        ask(service, catalogue, patience)
