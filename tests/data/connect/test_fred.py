from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, SettingsError, TransientError, UsageError
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.config import ConnectConfig, FredConfig
from nullalpha.data.connect.fetch import Fetched, FetchRequest, fetch
from nullalpha.data.connect.retry import Patience
from tests.support.recorded_service import Answer, Asked, Recording, Service, recorded_service
from tests.support.timekeeper import NOW, Timekeeper

KEY = {"NULLALPHA_FRED_KEY": "abcdef0123456789abcdef0123456789"}
Vintages = Mapping[str, Mapping[str, str]]
GDP: Vintages = {
    "2013-12-20": {"2013-04-01": "16661.0", "2013-07-01": "16912.9"},
    "2014-01-30": {"2013-04-01": "16661.0", "2013-07-01": "16912.9", "2013-10-01": "17102.5"},
    "2014-02-28": {"2013-04-01": "16661.0", "2013-07-01": "16912.9", "2013-10-01": "17080.7"},
    "2014-03-27": {"2013-04-01": "16661.0", "2013-07-01": "16912.9", "2013-10-01": "17089.6"},
    "2014-04-30": {"2013-04-01": "16661.0", "2013-07-01": "16912.9", "2013-10-01": "17089.6", "2014-01-01": "17149.6"},
}
"""What was known on each date of release."""


def xml(text: str, status: int = 200) -> Answer:
    return Answer(f'<?xml version="1.0" encoding="utf-8" ?>\n{text}', status=status, kind="text/xml; charset=UTF-8")


def refusal(message: str, status: int = 400) -> Answer:
    return xml(f"<error code={quoteattr(str(status))} message={quoteattr(message)} />", status)


def spells(vintages: Vintages, first: str, last: str) -> list[tuple[str, str, str, str]]:
    """Return realtime_start, realtime_end, date, value: how long each value stood, clipped to what was asked for, as ALFRED does."""
    dates = sorted(vintages)
    found = []
    for place, day in enumerate(dates):
        until = dates[place + 1] if place + 1 < len(dates) else "9999-12-31"
        for date, value in vintages[day].items():
            same = next((row for row in found if row[2] == date and row[3] == value and row[1] == day), None)
            if same:
                found.remove(same)
            found.append((same[0] if same else day, until, date, value))
    kept = [(max(begin, first), min(until, last), date, value) for begin, until, date, value in found if begin <= last and until > first]
    return sorted(kept, key=lambda row: (row[2], row[0]))


def fred(vintages: Vintages = GDP) -> Recording:
    """FRED's part, in its XML, with its limit of releases an answer."""

    def recording(asked: Asked) -> Answer:
        query = asked.query
        if query.get("api_key") != KEY["NULLALPHA_FRED_KEY"]:
            return refusal("Bad Request.  The value for variable api_key is not registered.")
        if asked.path == "/fred/series":
            said = 'id="GDP" title="Gross Domestic Product" frequency="Quarterly" units="Billions of Dollars"'
            return xml(f"<seriess><series {said} /></seriess>")
        if asked.path == "/fred/series/vintagedates":
            return xml("<vintage_dates>" + "".join(f"<vintage_date>{day}</vintage_date>" for day in sorted(vintages)) + "</vintage_dates>")
        first, last = query["realtime_start"], query["realtime_end"]
        if sum(first <= day <= last for day in vintages) > 2000:
            return refusal("Bad Request.  This exceeds the maximum number of vintage dates allowed (2000).")
        rows = spells(vintages, first, last)
        lines = "".join(f'<observation realtime_start="{b}" realtime_end="{e}" date="{d}" value="{v}"/>' for b, e, d, v in rows)
        return xml(f'<observations count="{len(rows)}">{lines}</observations>')

    return recording


def ask(
    service: Service | str,
    catalogue: Catalogue,
    patience: Patience,
    request: FetchRequest | None = None,
    variables: Mapping[str, str] = KEY,
    **config: Any,
) -> Fetched:
    base = service if isinstance(service, str) else service.base
    settings = ConnectConfig(fred=FredConfig(base_url=f"{base}/fred", **config))
    return fetch("fred", request or FetchRequest("GDP"), catalogue, now=NOW, config=settings, variables=variables, patience=patience)


def rows(fetched: Fetched) -> list[tuple[str, float, str]]:
    assert fetched.raw is not None
    frame = fetched.raw.frame
    return list(zip(frame["time"].astype(str), frame["value"], frame["observation"].astype(str), strict=True))


def test_a_value_is_the_first_that_was_released_and_known_when_that_day_had_ended(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service:
        fetched = ask(service, catalogue, patience)
    assert rows(fetched) == [
        ("2013-12-21 06:00:00+00:00", 16912.9, "2013-07-01"),
        ("2014-01-31 06:00:00+00:00", 17102.5, "2013-10-01"),
        ("2014-05-01 05:00:00+00:00", 17149.6, "2014-01-01"),
    ]
    assert fetched.timeframe == "published"
    assert fetched.raw is not None
    described = fetched.raw.instrument
    assert (described.kind, described.tradable) == ("series", False)
    assert described.name == "Gross Domestic Product, Billions of Dollars, Quarterly"


def test_the_catalogue_takes_a_published_series_in(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service:
        fetched = ask(service, catalogue, patience)
    assert fetched.raw is not None
    bars = catalogue.read(catalogue.ingest(fetched.raw))
    assert (bars.timeframe, str(bars.time[0])) == ("published", "2013-12-21T06:00:00.000000000")
    assert bars.close.tolist() == bars.open.tolist() == [16912.9, 17102.5, 17149.6]


def test_what_was_known_before_the_first_record_is_left_out_and_said(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service:
        fetched = ask(service, catalogue, patience)
    (finding,) = fetched.findings
    assert (finding.code, finding.time) == ("publication_unknown", "2013-12-20")
    assert finding.message.startswith("1 observations before")


def test_a_stated_lag_gives_old_observations_a_time(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service:
        fetched = ask(service, catalogue, patience, lag_days=120)
    assert rows(fetched)[0] == ("2013-07-31 05:00:00+00:00", 16661.0, "2013-04-01")  # 1 April + 120 days is 30 July
    assert fetched.findings == ()
    assert fetched.raw is not None
    assert "120 days' lag" in fetched.raw.source


def test_a_known_time_of_release_counts(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service:
        fetched = ask(service, catalogue, patience, release_time="08:30")
    assert [time for time, _, _ in rows(fetched)] == ["2013-12-20 13:30:00+00:00", "2014-01-30 13:30:00+00:00", "2014-04-30 12:30:00+00:00"]


def test_revisions_of_the_newest_observation_count_when_asked_for(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service:
        fetched = ask(service, catalogue, patience, revisions=True)
    assert [value for _, value, _ in rows(fetched)] == [16912.9, 17102.5, 17080.7, 17089.6, 17149.6]


def test_a_start_gives_what_came_out_from_then_on(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service:
        fetched = ask(service, catalogue, patience, FetchRequest("GDP", start="2014-02-10"))
    assert rows(fetched) == [("2014-05-01 05:00:00+00:00", 17149.6, "2014-01-01")]


@pytest.mark.parametrize("revisions", [False, True])
def test_only_releases_from_the_last_one_on_are_asked_for(revisions: bool, catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred(dict(list(GDP.items())[:3]))) as service:
        first = ask(service, catalogue, patience, revisions=revisions)
    assert first.raw is not None
    catalogue.ingest(first.raw)
    with recorded_service(fred()) as service:
        second = ask(service, catalogue, patience, revisions=revisions)
    asked = [(seen.query["realtime_start"], seen.query["realtime_end"]) for seen in service.seen if "realtime_start" in seen.query]
    assert asked == [("2014-02-28" if revisions else "2014-01-30", "2014-04-30")]
    with recorded_service(fred()) as service:
        whole = ask(service, Catalogue(catalogue.root.parent / "other"), patience, revisions=revisions)
    assert rows(second) == rows(whole)
    assert (second.n_new, second.findings) == (2 if revisions else 1, ())


def test_a_first_value_that_is_no_longer_what_it_was_is_found(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred(dict(list(GDP.items())[:2]))) as service:
        first = ask(service, catalogue, patience)
    assert first.raw is not None
    catalogue.ingest(first.raw)
    corrected = {**GDP, "2014-01-30": {**GDP["2014-01-30"], "2013-10-01": "17100.0"}}
    with recorded_service(fred(corrected)) as service:
        second = ask(service, catalogue, patience)
    (finding,) = second.findings
    assert (finding.code, finding.row, finding.message) == ("revised", 1, "value was 17102.5 and is 17100")


def test_a_series_with_thousands_of_releases_is_asked_for_in_stretches(
    catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper
) -> None:
    days = [f"{year}-{month:02d}-{day:02d}" for year in range(2001, 2008) for month in range(1, 13) for day in range(1, 29)][:2300]
    daily = {
        day: {earlier: f"{place}.5" for place, earlier in enumerate(days[max(0, n - 2) : n + 1], max(0, n - 2))}
        for n, day in enumerate(days)
    }
    with recorded_service(fred(daily)) as service:
        fetched = ask(service, catalogue, patience)
    assert [value for _, value, _ in rows(fetched)] == [n + 0.5 for n in range(2300)]
    stretches = [seen for seen in service.seen if seen.path.endswith("/observations")]
    assert len(stretches) == 3
    assert timekeeper.waits == [0.5] * 4


def test_missing_values_are_no_values(catalogue: Catalogue, patience: Patience) -> None:
    gaps = {"2014-01-02": {"2014-01-01": "."}, "2014-01-03": {"2014-01-01": ".", "2014-01-02": "3.5"}}
    with recorded_service(fred(gaps)) as service:
        fetched = ask(service, catalogue, patience)
    assert [(value, date) for _, value, date in rows(fetched)] == [(3.5, "2014-01-02")]


def test_a_missing_key_is_named_and_nothing_is_asked(catalogue: Catalogue, patience: Patience) -> None:
    with recorded_service(fred()) as service, pytest.raises(SettingsError, match="NULLALPHA_FRED_KEY is not set"):
        ask(service, catalogue, patience, variables={})
    assert service.seen == []


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (refusal("Bad Request.  The series does not exist."), NotFoundError, "FRED does not know GDP"),
        (refusal("Bad Request.  The value for variable api_key is not registered."), SettingsError, "FRED refuses the key"),
        (refusal(f"No such thing {KEY['NULLALPHA_FRED_KEY']}"), UsageError, r"No such thing \*\*\*"),
        (xml("<seriess><series id='GDP'/></seriess>"), DataError, "cannot read"),
    ],
)
def test_a_refusal_is_typed_and_holds_no_key(
    answer: Answer, kind: type[NullAlphaError], text: str, catalogue: Catalogue, patience: Patience
) -> None:
    def recording(asked: Asked) -> Answer:
        if answer.status == 200 and asked.path.endswith("vintagedates"):
            return xml("<vintage_dates><vintage_date>never</vintage_date></vintage_dates>")
        return answer

    with recorded_service(recording) as service, pytest.raises(kind, match=text) as error:
        ask(service, catalogue, patience)
    assert KEY["NULLALPHA_FRED_KEY"] not in str(error.value.to_dict())


@pytest.mark.parametrize(
    ("trouble", "waits"),
    [
        (refusal("Too Many Requests.  Exceeded Rate Limit", 429), [1.0, 2.0]),
        (Answer("<html>down</html>", status=503, kind="text/html", headers={"Retry-After": "11"}), [11.0, 11.0]),
        (xml('<observations count="3"><observation realtime_st'), [1.0, 2.0]),
        (Answer(xml("<seriess></seriess>").body, cut=True), [1.0, 2.0]),
    ],
    ids=["rate limited", "unavailable", "half an answer", "hung up in the middle"],
)
def test_trouble_that_passes_is_outlived(
    trouble: Answer, waits: Sequence[float], catalogue: Catalogue, patience: Patience, timekeeper: Timekeeper
) -> None:
    with recorded_service(fred(), [trouble, trouble]) as service:
        fetched = ask(service, catalogue, patience)
    assert fetched.n_new == 3
    assert timekeeper.waits[:2] == waits


def test_trouble_that_stays_is_a_typed_error_without_the_key(catalogue: Catalogue, hasty: Patience, unused_port: Any) -> None:
    with (
        recorded_service(fred(), [Answer(hang=True)] * 2) as service,
        pytest.raises(TransientError, match="FRED: no answer in 2 tries") as error,
    ):
        ask(service, catalogue, hasty)
    assert KEY["NULLALPHA_FRED_KEY"] not in str(error.value.to_dict())
    with (
        recorded_service(fred(), [Answer(drip=True)] * 2) as service,
        pytest.raises(TransientError, match=r"no whole answer within 0\.2 s"),
    ):
        ask(service, catalogue, hasty)
    with pytest.raises(TransientError, match="it cannot be reached"):
        ask(unused_port(), catalogue, hasty)


@pytest.mark.parametrize(
    ("symbol", "timeframe", "text"), [("GDP&x=1", "1d", "no id of a FRED series"), ("GDP", "1h", "figures, not bars of 1h")]
)
def test_a_request_that_makes_no_sense_is_refused_before_anything_is_asked(
    symbol: str, timeframe: str, text: str, catalogue: Catalogue, patience: Patience
) -> None:
    with recorded_service(fred()) as service, pytest.raises(UsageError, match=text):
        ask(service, catalogue, patience, FetchRequest(symbol, timeframe))
    assert service.seen == []
