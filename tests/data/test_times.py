"""Times as written and what they mean; expected instants are worked out by hand from each zone's offset."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, Finding
from nullalpha.data.problems import told
from nullalpha.data.timeframes import TableKind
from nullalpha.data.times import read_times


def read(cells: object, kind: TableKind = "intraday", tz: str | None = None) -> tuple[list[str], list[Finding]]:
    column = cells if isinstance(cells, pd.Series) else pd.Series(cells)
    time, problems = read_times(column, kind, tz)
    return [str(item)[:19] for item in time], told(problems)


@pytest.mark.parametrize(
    ("cells", "tz"),
    [
        (["2024-03-01T14:30:00Z", "2024-03-01T14:31:00Z"], None),
        (["2024-03-01 09:30:00-05:00", "2024-03-01 09:31:00-0500"], None),
        (["2024-03-01T14:30Z", "2024-03-01T09:31:00.000-05:00"], None),
        (["20240301T143000Z", "20240301T143100Z"], None),
        ([" 2024-03-01T14:30:00Z ", "2024-03-01T14:31:00+00:00"], None),
        (["2024-03-01 09:30", "2024-03-01 09:31:00"], "America/New_York"),
        (["2024-03-01 23:30", "2024-03-01T23:31"], "Asia/Tokyo"),
        ([1709303400, 1709303460], None),
        ([1709303400.0, 1709303460.0], None),
        (["1709303400", "1709303460"], None),
        ([1709303400_000, 1709303460_000], None),
        ([1709303400_000_000, 1709303460_000_000], None),
        ([1709303400_000_000_000, 1709303460_000_000_000], None),
        (pd.to_datetime(["2024-03-01 14:30", "2024-03-01 14:31"]).tz_localize("UTC"), None),
        (pd.to_datetime(["2024-03-01 09:30", "2024-03-01 09:31"]).tz_localize("America/New_York"), None),
        (pd.to_datetime(["2024-03-01 09:30", "2024-03-01 09:31"]), "America/New_York"),
        (pd.Series([datetime(2024, 3, 1, 14, 30, tzinfo=UTC), "2024-03-01T14:31:00Z"], dtype=object), None),
    ],
    ids=str,
)
def test_an_instant_is_the_same_however_it_is_written(cells: object, tz: str | None) -> None:
    assert read(cells, tz=tz) == (["2024-03-01T14:30:00", "2024-03-01T14:31:00"], [])


@pytest.mark.parametrize(
    ("cells", "tz"),
    [
        (["2024-03-01", "2024-03-04"], None),
        (["2024-03-01T00:00:00Z", "2024-03-04T00:00:00Z"], None),
        (["2024-03-01 16:00:00-05:00", "2024-03-04 16:00:00-05:00"], None),
        (["2024-03-02T01:00:00Z", "2024-03-05T01:00:00Z"], "America/New_York"),
        ([20240301, 20240304], None),
        (["20240301", "20240304"], None),
        ([1709251200, 1709510400], None),
        ([date(2024, 3, 1), date(2024, 3, 4)], None),
        (pd.to_datetime(["2024-03-01", "2024-03-04"]), None),
        (pd.to_datetime(["2024-03-01", "2024-03-04"]).tz_localize("Asia/Tokyo"), None),
    ],
    ids=str,
)
def test_a_session_is_the_date_that_was_written(cells: object, tz: str | None) -> None:
    assert read(cells, "daily", tz) == (["2024-03-01T00:00:00", "2024-03-04T00:00:00"], [])


def test_clocks_put_forward_skip_an_hour_and_put_back_repeat_one() -> None:
    """New York, 2024: 02:00 on 10 March becomes 03:00 (UTC-5 to UTC-4), 02:00 on 3 November becomes 01:00."""
    cells = ["2024-03-10 01:59", "2024-03-10 02:30", "2024-03-10 03:00", "2024-11-03 00:59", "2024-11-03 01:30", "2024-11-03 02:00"]
    times, found = read(cells, tz="America/New_York")
    assert times == ["2024-03-10T06:59:00", "NaT", "2024-03-10T07:00:00", "2024-11-03T04:59:00", "NaT", "2024-11-03T07:00:00"]
    assert [(finding.code, finding.row, finding.time, finding.severity) for finding in found] == [
        ("nonexistent_time", 1, "2024-03-10 02:30", "error"),
        ("ambiguous_time", 4, "2024-11-03 01:30", "error"),
    ]
    assert "America/New_York" in found[0].message


def test_an_offset_tells_the_two_hours_of_the_night_apart() -> None:
    times, found = read(["2024-11-03T01:30:00-04:00", "2024-11-03T01:30:00-05:00"], tz="America/New_York")
    assert (times, found) == (["2024-11-03T05:30:00", "2024-11-03T06:30:00"], [])


def test_local_times_among_others_with_a_zone_are_errors_at_their_rows() -> None:
    _, found = read(["2024-03-01T14:30:00Z", "2024-03-01 09:31", "2024-03-01T14:32:00Z"], tz="America/New_York")
    assert [(finding.code, finding.row, finding.time) for finding in found] == [("mixed_time_zones", 1, "2024-03-01 09:31")]


@pytest.mark.parametrize(
    "cell", ["yesterday", "", None, "2024-13-01T00:00Z", "2024-02-30T00:00Z", "0001-01-01T00:00Z", "9999-01-01T00:00Z", "14:30Z"]
)
def test_what_is_no_time_is_named_and_the_others_are_read(cell: object) -> None:
    times, found = read(["2024-03-01T14:30:00Z", cell, "2024-03-01T14:32:00Z"])
    assert times == ["2024-03-01T14:30:00", "NaT", "2024-03-01T14:32:00"]
    assert [(finding.code, finding.row, finding.time) for finding in found] == [("unreadable_time", 1, None)]


@pytest.mark.parametrize("cells", [[20240301, 20240230], [1709303400.0, float("nan")], [1709303400, 10**18, 1709303460]], ids=str)
def test_numbers_that_are_no_times_are_named(cells: list[float]) -> None:
    _, found = read(cells)
    assert [finding.row for finding in found if finding.code == "unreadable_time"] == [1]


def test_a_timestamp_out_of_reach_is_no_time() -> None:
    far = pd.Series(np.array(["9999-01-01", "2024-03-01"], dtype="datetime64[us]"))
    times, found = read(far, "daily")
    assert (times, [finding.code for finding in found]) == (["NaT", "2024-03-01T00:00:00"], ["unreadable_time"])


def test_what_was_published_on_a_date_is_known_when_the_day_has_ended_there() -> None:
    """2024-07-05 ends in New York at 04:00 UTC of the 6th; in Santiago the midnight that ends 2022-09-10 is skipped for 01:00 (UTC-3)."""
    assert read(["2024-07-05"], "published", "America/New_York") == (["2024-07-06T04:00:00"], [])
    assert read(["2022-09-10"], "published", "America/Santiago") == (["2022-09-11T04:00:00"], [])
    assert read(["2024-07-05T12:30:00Z"], "published") == (["2024-07-05T12:30:00"], [])
    assert [finding.code for finding in read(["2024-07-05"], "published")[1]] == ["naive_time"]


def test_a_zone_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="no time zone") as caught:
        read(["2024-03-01 09:30"], tz="America/NewYork")
    assert caught.value.path == "tz"
    assert caught.value.suggestion == "did you mean America/New_York?"


@given(
    st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)), min_size=1, max_size=6),  # noqa: DTZ001 - made local or UTC below
    st.sampled_from(["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe"]),
)
def test_text_stamps_and_numbers_of_the_same_instants_agree(moments: list[datetime], zone: str) -> None:
    utc = pd.DatetimeIndex([moment.replace(microsecond=0) for moment in moments]).as_unit("ns").tz_localize("UTC")
    local = utc.tz_convert(zone)
    forms = (
        pd.Series([moment.isoformat() for moment in local]),
        pd.Series([moment.isoformat().replace("T", " ") for moment in local]).astype(object),
        pd.Series(local),
        pd.Series(utc),
    )
    for form in forms:
        time, problems = read_times(form, "intraday", None)
        assert not problems
        np.testing.assert_array_equal(time, utc.tz_localize(None).to_numpy())
    naive, problems = read_times(pd.Series(local.tz_localize(None)), "intraday", zone)
    wrong = {finding.row for finding in told(problems)}
    right = [row for row in range(len(utc)) if row not in wrong]
    np.testing.assert_array_equal(naive[right], utc.tz_localize(None).to_numpy()[right])
