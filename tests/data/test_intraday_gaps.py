"""Missing bars and bars outside sessions, on real calendars; opening hours are the exchanges' own, in UTC by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import Finding
from nullalpha.data.check import check_table
from nullalpha.data.parse import parse_table
from nullalpha.data.problems import told
from nullalpha.data.sources.series import BarTime


def closes(*spans: tuple[str, str], step: int = 30) -> list[np.datetime64]:
    """Return closing times every `step` minutes after each span's start, up to its end."""
    minutes = np.timedelta64(step, "m")
    return [
        time for start, end in spans for time in np.arange(np.datetime64(start, "m") + minutes, np.datetime64(end, "m") + minutes, minutes)
    ]


def found(times: list[np.datetime64], timeframe: str = "30m", calendar: str = "XNYS", bar_time: BarTime = "close") -> list[Finding]:
    price = 10.0 + 0.01 * (np.arange(len(times)) % 7)
    stamps = pd.Series([f"{time}:00Z" for time in times])
    table, problems = parse_table(pd.DataFrame({"time": stamps, **dict.fromkeys(("open", "high", "low", "close"), price)}), timeframe)
    assert table is not None
    return told([*problems, *check_table(table, calendar, bar_time)])


def told_of(findings: list[Finding]) -> list[tuple[str, int | None, str | None]]:
    return [(finding.code, finding.row, finding.time) for finding in findings]


DST_WEEK = (("2024-03-08T14:30", "2024-03-08T21:00"), ("2024-03-11T13:30", "2024-03-11T20:00"))
"""New York before and after the clocks went forward on 10 March 2024."""
HALF_DAY = (
    ("2018-11-21T14:30", "2018-11-21T21:00"),
    ("2018-11-23T14:30", "2018-11-23T18:00"),
    ("2018-11-26T14:30", "2018-11-26T21:00"),
)
"""Thanksgiving 2018: closed on Thursday, an early close at 13:00 on Friday."""
TOKYO = (("2024-03-01T00:00", "2024-03-01T02:30"), ("2024-03-01T03:30", "2024-03-01T06:00"))


@pytest.mark.parametrize(
    ("spans", "calendar"),
    [
        (DST_WEEK, "XNYS"),
        (HALF_DAY, "XNYS"),
        (TOKYO, "XTKS"),
        ((("2024-03-01T00:00", "2024-03-04T00:00"),), "24/7"),
        ((("2024-03-01T00:00", "2024-03-02T00:00"), ("2024-03-04T00:00", "2024-03-05T00:00")), "24/5"),
    ],
)
def test_whole_sessions_have_no_gap_whatever_the_clocks_do(spans: tuple[tuple[str, str], ...], calendar: str) -> None:
    assert found(closes(*spans), calendar=calendar) == []


def test_a_session_with_missing_bars_is_one_finding_with_their_count_and_the_first() -> None:
    times = closes(*HALF_DAY)
    del times[15:18]  # the bars of 23 November that close at 16:00, 16:30 and 17:00
    (finding,) = found(times)
    assert (finding.code, finding.row, finding.time, finding.severity) == ("missing_bars", 15, "2018-11-23T16:00:00Z", "warning")
    assert finding.message == "3 of 7 bars of the session 2018-11-23 missing, the first at 2018-11-23T16:00:00Z"


def test_a_full_day_of_data_cut_at_an_early_close_hour_is_missing_its_afternoon() -> None:
    times = closes(("2018-11-20T14:30", "2018-11-20T21:00"), ("2018-11-21T14:30", "2018-11-21T18:00"), *HALF_DAY[1:])
    assert told_of(found(times)) == [("missing_bars", 19, "2018-11-21T18:30:00Z")]


def test_a_bar_after_an_early_close_is_outside_the_session() -> None:
    times = closes(HALF_DAY[0], ("2018-11-23T14:30", "2018-11-23T18:30"), HALF_DAY[2])
    assert told_of(found(times)) == [("not_a_session", 20, "2018-11-23T18:30:00Z")]


def test_data_of_another_zones_summer_is_out_of_place_by_an_hour() -> None:
    """Bars stamped an hour late after the clocks changed: the first hour is missing and the last is outside."""
    times = closes(DST_WEEK[0], ("2024-03-11T14:30", "2024-03-11T21:00"), ("2024-03-12T13:30", "2024-03-12T20:00"))
    assert told_of(found(times)) == [
        ("missing_bars", 13, "2024-03-11T14:00:00Z"),
        ("not_a_session", 24, "2024-03-11T20:30:00Z"),
        ("not_a_session", 25, "2024-03-11T21:00:00Z"),
    ]


def test_a_missing_session_is_not_missing_bars_as_well() -> None:
    times = closes(HALF_DAY[0], HALF_DAY[2])
    assert told_of(found(times)) == [("missing_sessions", 13, "2018-11-23")]


@pytest.mark.parametrize(
    ("hours", "bar_time"),
    [
        (["15:30", "16:30", "17:30", "18:30", "19:30", "20:30", "21:00"], "close"),
        (["15:00", "16:00", "17:00", "18:00", "19:00", "20:00", "21:00"], "close"),
        (["15:30", "16:30", "17:30", "18:30", "19:30", "20:30", "21:30"], "close"),
        (["14:30", "15:30", "16:30", "17:30", "18:30", "19:30", "20:30"], "open"),
        (["14:00", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00"], "open"),
    ],
)
def test_hours_counted_from_the_open_or_by_the_clock_are_both_whole(hours: list[str], bar_time: BarTime) -> None:
    """New York, 14:30 to 21:00 UTC in winter: six whole hours and a half one, at one end or the other."""
    days = ["2024-01-02", "2024-01-03"]
    times = [np.datetime64(f"{day}T{hour}", "m") for day in days for hour in hours]
    assert found(times, "1h", bar_time=bar_time) == []
    (finding,) = found(times[:8] + times[9:], "1h", bar_time=bar_time)
    assert (finding.code, finding.row, finding.time) == ("missing_bars", 8, f"2024-01-03T{hours[1]}:00Z")


def test_a_half_day_cut_stamps_past_the_close_are_told_as_stamped() -> None:
    times = [np.datetime64(f"2024-01-02T{hour}", "m") for hour in ("14:30", "15:30", "16:30", "18:30", "19:30", "20:30")]
    (finding,) = found(times, "1h", bar_time="open")
    assert (finding.code, finding.time) == ("missing_bars", "2024-01-02T17:30:00Z")


def test_an_unchanging_close_is_stale_after_an_hour_of_minutes_not_five() -> None:
    times = closes(("2024-01-02T14:30", "2024-01-02T21:00"), step=1)
    price = pd.Series(10.0 + 0.01 * (np.arange(390) % 7))
    price[100:159] = 20.0
    stamps = [f"{time}:00Z" for time in times]

    def codes() -> list[str]:
        table, _ = parse_table(pd.DataFrame({"time": stamps, **dict.fromkeys(("open", "high", "low", "close"), price)}), "1m")
        assert table is not None
        return [problem.code for problem in check_table(table, "XNYS") if problem.code == "stale_price"]

    assert codes() == []
    price[159] = 20.0
    assert codes() == ["stale_price"]
