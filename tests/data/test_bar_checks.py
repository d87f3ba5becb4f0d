from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.check import check_frame, lacking
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.series import RawSeries
from nullalpha.engines.backtest.execution import priced

Damage = Callable[[pd.DataFrame], pd.DataFrame]


def with_cell(column: str, row: int, value: object) -> Damage:
    def damage(frame: pd.DataFrame) -> pd.DataFrame:
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return damage


def with_columns(**values: object) -> Damage:
    return lambda frame: frame.assign(**values)


def without_rows(*rows: int) -> Damage:
    return lambda frame: frame.drop(index=list(rows)).reset_index(drop=True)


def without_column(name: str) -> Damage:
    return lambda frame: frame.drop(columns=name)


def in_order(*rows: int) -> Damage:
    return lambda frame: frame.iloc[list(rows)].reset_index(drop=True)


BAD = [
    (without_column("low"), ("missing_column", None, None)),
    (without_rows(0, 1, 2, 3, 4, 5), ("empty", None, None)),
    (with_cell("time", 1, "1/3/2024"), ("unreadable_time", 1, None)),
    (with_cell("time", 1, ""), ("unreadable_time", 1, None)),
    (with_cell("time", 1, None), ("unreadable_time", 1, None)),
    (with_cell("time", 1, "0001-01-03"), ("unreadable_time", 1, None)),
    (with_cell("time", 3, "2024-01-05T00:00:00Z"), ("mixed_time_zones", 3, "2024-01-05T00:00:00Z")),
    (in_order(0, 1, 2, 2, 3, 4, 5), ("duplicate_time", 3, "2024-01-04")),
    (in_order(0, 2, 1, 3, 4, 5), ("disorder", 2, "2024-01-03")),
    (with_cell("close", 2, "ten"), ("not_a_number", 2, "2024-01-04")),
    (with_cell("close", 2, "1_0"), ("not_a_number", 2, "2024-01-04")),
    (with_cell("high", 2, math.inf), ("not_a_number", 2, "2024-01-04")),
    (with_cell("open", 2, math.nan), ("missing_price", 2, "2024-01-04")),
    (with_cell("open", 2, " "), ("missing_price", 2, "2024-01-04")),
    (with_cell("low", 4, 0.0), ("non_positive_price", 4, "2024-01-08")),
    (with_cell("low", 4, -1.0), ("non_positive_price", 4, "2024-01-08")),
    (with_columns(adj_close=[1.0, 1.0, 0.0, 1.0, 1.0, 1.0]), ("non_positive_price", 2, "2024-01-04")),
    (with_columns(adj_close=[1.0, 1.0, math.nan, 1.0, 1.0, 1.0]), ("missing_price", 2, "2024-01-04")),
    (with_cell("high", 0, 10.49), ("inconsistent_high", 0, "2024-01-02")),
    (with_cell("low", 0, 10.01), ("inconsistent_low", 0, "2024-01-02")),
    (with_cell("volume", 5, -1.0), ("negative_volume", 5, "2024-01-09")),
]

DOUBTFUL = [
    (with_cell("volume", 5, 0.0), ("zero_volume", 5, "2024-01-09")),
    (with_cell("volume", 5, ""), ("missing_volume", 5, "2024-01-09")),
    (without_rows(1), ("missing_sessions", 1, "2024-01-03")),
    (with_cell("time", 4, "2024-01-06"), ("not_a_session", 4, "2024-01-06")),
    (with_columns(close=10.2), ("stale_price", 0, "2024-01-02")),
]


@pytest.mark.parametrize(("damage", "expected"), BAD)
def test_what_is_wrong_is_an_error_at_its_row_and_time(frame: pd.DataFrame, damage: Damage, expected: tuple[object, ...]) -> None:
    found = check_frame(damage(frame), "XNYS", "1d")
    errors = [(finding.code, finding.row, finding.time) for finding in found if finding.severity == "error"]
    assert expected in errors
    assert {code for code, _, _ in errors} <= {expected[0], "inconsistent_high", "inconsistent_low"}


@pytest.mark.parametrize(("damage", "expected"), DOUBTFUL)
def test_what_is_doubtful_is_a_warning_at_its_row_and_time(frame: pd.DataFrame, damage: Damage, expected: tuple[object, ...]) -> None:
    found = check_frame(damage(frame), "XNYS", "1d")
    assert expected in [(finding.code, finding.row, finding.time) for finding in found]
    assert {finding.severity for finding in found} == {"warning"}


def test_good_bars_have_no_findings(frame: pd.DataFrame) -> None:
    assert check_frame(frame, "XNYS", "1d") == []


def test_cells_read_as_text_are_judged_like_numbers(frame: pd.DataFrame) -> None:
    assert check_frame(frame.astype(str), "XNYS", "1d") == []


def test_every_finding_is_reported_at_once_in_row_order(frame: pd.DataFrame) -> None:
    frame.loc[4, "low"] = -1.0
    frame.loc[1, "high"] = 1.0
    frame.loc[2, "time"] = "2024-01-03"
    found = check_frame(frame, "XNYS", "1d")
    assert [(finding.row, finding.code) for finding in found] == [
        (1, "inconsistent_high"),
        (1, "inconsistent_low"),
        (2, "duplicate_time"),
        (3, "missing_sessions"),
        (4, "non_positive_price"),
    ]
    assert "row 1" in found[2].message


def test_a_rounding_of_the_high_is_no_error_and_more_is(frame: pd.DataFrame) -> None:
    frame.loc[0, ["open", "close"]] = 10.6
    frame.loc[0, "high"] = 10.6 * (1 - 0.9e-6)
    assert check_frame(frame, "XNYS", "1d") == []
    frame.loc[0, "high"] = 10.6 * (1 - 1.1e-6)
    assert [finding.code for finding in check_frame(frame, "XNYS", "1d")] == ["inconsistent_high"]


@pytest.mark.parametrize(("factor", "codes"), [(0.5, ["jump"]), (0.61, []), (1.39, []), (2.0, ["jump"])])
def test_only_moves_the_size_of_a_split_are_jumps(frame: pd.DataFrame, factor: float, codes: list[str]) -> None:
    frame[["open", "high", "low", "close"]] = 10.0
    frame.loc[3:, ["open", "high", "low", "close"]] = 10.0 * factor
    found = check_frame(frame, "XNYS", "1d")
    assert [finding.code for finding in found] == codes
    assert [finding.row for finding in found] == [3] * len(codes)


def test_a_split_that_the_adjusted_close_accounts_for_is_no_jump(frame: pd.DataFrame) -> None:
    frame["adj_close"] = frame["close"] / 2
    frame.loc[3:, ["open", "high", "low", "close"]] = frame.loc[3:, ["open", "high", "low", "close"]] / 2
    assert check_frame(frame, "XNYS", "1d") == []
    assert [finding.code for finding in check_frame(frame.drop(columns="adj_close"), "XNYS", "1d")] == ["jump"]


@pytest.mark.parametrize(
    ("ratio", "named"),
    [
        (0.5, "2:1"),
        (0.49, "2:1"),
        (0.3333, "3:1"),
        (0.6667, "3:2"),
        (0.4, "5:2"),
        (0.05, "20:1"),
        (2.0, "1:2"),
        (1.5, "2:3"),
        (9.8, "1:10"),
        (0.575, None),
    ],
)
def test_a_jump_close_to_a_split_is_named_after_it(frame: pd.DataFrame, ratio: float, named: str | None) -> None:
    frame[["open", "high", "low", "close"]] = 10.0
    frame.loc[3:, ["open", "high", "low", "close"]] = 10.0 * ratio
    (finding,) = check_frame(frame, "XNYS", "1d")
    assert (finding.code, finding.row) == ("jump", 3)
    assert (f"a {named} split" if named else "; a split") in finding.message


def test_an_ask_below_the_bid_is_an_error_and_an_unknown_spread_is_none(frame: pd.DataFrame) -> None:
    frame["spread"] = [0.01, 0.0, math.nan, 0.02, -0.01, 0.01]
    (finding,) = check_frame(frame, "XNYS", "1d")
    assert (finding.code, finding.row, finding.severity) == ("negative_spread", 4, "error")
    frame["spread"] = ["0.01", "0", "", "0.02", "wide", "0.01"]
    assert [(finding.code, finding.row) for finding in check_frame(frame, "XNYS", "1d")] == [("not_a_number", 4)]


@pytest.mark.parametrize(("factor", "code"), [(0.0, "non_positive_price"), (math.nan, "missing_price"), (-1.0, "non_positive_price")])
def test_a_factor_that_is_none_is_an_error(frame: pd.DataFrame, factor: float, code: str) -> None:
    frame["factor"] = [1.0, 1.0, factor, 1.0, 1.0, 1.0]
    assert [(finding.code, finding.row) for finding in check_frame(frame, "XNYS", "1d")] == [(code, 2)]


def test_two_ways_of_adjusting_are_one_too_many(frame: pd.DataFrame) -> None:
    found = check_frame(frame.assign(factor=1.0, adj_close=frame["close"]), "XNYS", "1d")
    assert [(finding.code, finding.row, finding.severity) for finding in found] == [("two_adjustments", None, "error")]


def test_a_broken_file_of_many_rows_tells_the_first_thousand_and_how_many_more() -> None:
    days = np.datetime64("1960-01-01") + np.arange(5000)
    frame = pd.DataFrame({"time": days.astype(str), "open": "x", "high": 1.0, "low": 1.0, "close": 1.0})
    found = check_frame(frame, None, "1d")
    unread = [finding for finding in found if finding.code == "not_a_number"]
    assert [finding.row for finding in unread] == list(range(1000))
    assert unread[-1].message == "open 'x' is not a finite number; and 4000 more such rows"
    assert unread[-2].message == "open 'x' is not a finite number"


def test_four_equal_closes_are_not_stale_and_five_are_one_finding(frame: pd.DataFrame) -> None:
    frame.loc[1:4, "close"] = 10.2
    assert check_frame(frame, "XNYS", "1d") == []
    frame.loc[5, "close"] = 10.2
    assert [(finding.code, finding.row) for finding in check_frame(frame, "XNYS", "1d")] == [("stale_price", 1)]


def test_a_run_of_missing_sessions_is_one_finding_that_names_its_ends(frame: pd.DataFrame) -> None:
    (finding,) = check_frame(frame.drop(index=[1, 2, 3]).reset_index(drop=True), "XNYS", "1d")
    assert (finding.code, finding.row, finding.time) == ("missing_sessions", 1, "2024-01-03")
    assert "3 sessions" in finding.message
    assert "2024-01-03 to 2024-01-05" in finding.message


def test_the_closure_of_september_2001_is_no_gap(frame: pd.DataFrame) -> None:
    frame["time"] = ["2001-09-06", "2001-09-07", "2001-09-10", "2001-09-17", "2001-09-18", "2001-09-19"]
    assert check_frame(frame, "XNYS", "1d") == []


def test_without_a_calendar_sessions_are_not_judged(frame: pd.DataFrame) -> None:
    assert check_frame(frame.drop(index=2).reset_index(drop=True), None, "1d") == []


def test_an_unknown_calendar_is_an_error_with_the_nearest_one(frame: pd.DataFrame) -> None:
    (finding,) = check_frame(frame, "XNYSE", "1d")
    assert (finding.code, finding.severity) == ("unknown_calendar", "error")
    assert "XNYS" in finding.message


def test_rows_before_a_calendars_records_are_a_warning_not_a_gap(frame: pd.DataFrame) -> None:
    frame["time"] = ["1980-01-02", "1980-01-03", "1990-12-19", "1990-12-20", "1990-12-21", "1990-12-24"]
    found = check_frame(frame, "XSHG", "1d")
    assert [(finding.code, finding.row, finding.severity) for finding in found] == [("outside_calendar", 0, "warning")]
    assert "2 rows" in found[0].message


def test_a_table_wholly_outside_a_calendars_records_is_one_warning(frame: pd.DataFrame) -> None:
    frame["time"] = pd.date_range("1980-01-01", periods=6)
    assert [finding.code for finding in check_frame(frame, "XSHG", "1d")] == ["outside_calendar"]


def test_daily_times_with_a_zone_are_the_dates_as_written(frame: pd.DataFrame) -> None:
    frame["time"] = pd.to_datetime(frame["time"]).dt.tz_localize("America/New_York")
    assert check_frame(frame, "XNYS", "1d") == []


@pytest.fixture
def hourly(frame: pd.DataFrame) -> pd.DataFrame:
    """Closing times of hourly bars on two New York sessions: the last three of 2 January 2024, the first three of 3 January."""
    hours = ["02T19", "02T20", "02T21", "03T15", "03T16", "03T17"]
    return frame.assign(time=[f"2024-01-{hour}:00:00Z" for hour in hours])


def test_intraday_times_without_a_zone_are_errors(hourly: pd.DataFrame) -> None:
    assert check_frame(hourly, "XNYS", "1h") == []
    naive = hourly.assign(time=hourly["time"].str.removesuffix("Z"))
    found = check_frame(naive, "XNYS", "1h")
    assert [(finding.code, finding.row) for finding in found] == [("naive_time", row) for row in range(6)]


def test_intraday_zones_may_differ_because_instants_are_compared(hourly: pd.DataFrame) -> None:
    hourly.loc[1, "time"] = "2024-01-02T15:00:00-05:00"
    assert check_frame(hourly, "XNYS", "1h") == []
    hourly.loc[1, "time"] = "2024-01-02T14:00:00-05:00"
    (finding,) = (finding for finding in check_frame(hourly, "XNYS", "1h") if finding.severity == "error")
    assert (finding.code, finding.row, finding.time) == ("duplicate_time", 1, "2024-01-02T19:00:00Z")


def test_intraday_bars_outside_the_session_and_absent_sessions_are_warnings(hourly: pd.DataFrame) -> None:
    hourly.loc[2, "time"] = "2024-01-02T22:00:00Z"
    night = [(finding.code, finding.row, finding.time) for finding in check_frame(hourly, "XNYS", "1h")]
    assert night == [("missing_bars", 1, "2024-01-02T21:00:00Z"), ("not_a_session", 2, "2024-01-02T22:00:00Z")]
    hourly["time"] = hourly["time"].str.replace("01-03", "01-04")
    codes = {(finding.code, finding.row, finding.time) for finding in check_frame(hourly, "XNYS", "1h")}
    assert ("missing_sessions", 3, "2024-01-03") in codes


def test_an_evening_open_belongs_to_the_session_of_the_next_day(hourly: pd.DataFrame) -> None:
    hourly["time"] = [f"2024-01-{hour}:00:00Z" for hour in ("02T23", "03T01", "03T14", "03T20", "03T23", "04T02")]
    assert {finding.code for finding in check_frame(hourly, "CMES", "1h")} == {"missing_bars"}


@pytest.mark.parametrize("timeframe", ["", "daily", "1w", "0m", "24h", "1.5h", "-1h"])
def test_an_unknown_timeframe_is_refused(frame: pd.DataFrame, timeframe: str) -> None:
    with pytest.raises(DataError, match="timeframe"):
        check_frame(frame, "XNYS", timeframe)


def test_shuffled_bars_name_every_row_that_is_out_of_order(frame: pd.DataFrame) -> None:
    order = np.random.default_rng(1).permutation(6)
    expected = [row for row in range(1, 6) if order[row] < order[row - 1]]
    found = check_frame(frame.iloc[order], None, "1d")
    assert [finding.row for finding in found if finding.code == "disorder"] == expected
    assert len(expected) > 0


def test_a_row_from_the_future_is_an_error_and_can_be_set_apart(tmp_path: Path) -> None:
    days = ["2024-01-02", "2024-01-03", "2024-01-04", "2031-01-02"]
    frame = pd.DataFrame({"time": days, **{name: [10.0] * 4 for name in ("open", "high", "low", "close")}})
    acme = Instrument("ACME", "Acme", "XNYS", "USD", "open", 252, Costs(0.0, 0.0, 0.0), "file")
    raw = RawSeries(acme, "1d", frame, "acme.csv", b"bytes")
    catalogue = Catalogue(tmp_path, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(DataError) as caught:
        catalogue.ingest(raw)
    assert [(f.code, f.row) for f in caught.value.findings if f.severity == "error"] == [("in_the_future", 3)]
    kept = catalogue.ingest(raw, quarantine=True)
    assert (kept.n_bars, kept.last[:10], kept.n_quarantined) == (3, "2024-01-04", 1)


def test_the_rows_that_most_are_unlike_are_the_odd_ones() -> None:
    days = ["2024-01-02T00:00:00Z", "2024-01-03", "2024-01-04"]
    frame = pd.DataFrame({"time": days, **{name: [10.0] * 3 for name in ("open", "high", "low", "close")}})
    found = check_frame(frame, None, "1d")
    assert [(f.code, f.row) for f in found] == [("mixed_time_zones", 0)]


def built(volume: list[float], spread: list[float] | None = None) -> Bars:
    close = np.full(len(volume), 10.0)
    time = np.datetime64("2024-01-02T21:00", "ns") + np.arange(len(volume)) * np.timedelta64(1, "D")
    quoted = None if spread is None else np.array(spread)
    return Bars("ACME", "1d", time, close, close, close, close, np.array(volume), quoted)


@pytest.mark.parametrize(
    ("costs", "bars", "expected"),
    [
        ({}, built([math.nan, math.nan]), []),
        ({"volume_cap": 0.05}, built([1.0, 0.0]), []),
        ({"volume_cap": 0.05}, built([1.0, math.nan, math.nan]), [("costs_need_volume", 1)]),
        ({"impact": 0.7}, built([math.nan, 1.0]), [("costs_need_volume", 0)]),
        ({"spread": "quoted"}, built([1.0, 1.0], [math.nan, 0.02]), []),
        ({"spread": "quoted"}, built([1.0, 1.0]), [("costs_need_spread", None)]),
        ({"spread": "quoted", "impact": 0.7}, built([math.nan]), [("costs_need_volume", 0), ("costs_need_spread", None)]),
    ],
)
def test_what_costs_need_and_bars_lack_is_named_and_is_what_a_backtest_refuses(
    costs: dict[str, float | str], bars: Bars, expected: list[tuple[str, int | None]]
) -> None:
    described = Costs(0.0, 1.0, 1.0, **costs)  # type: ignore[arg-type]
    found = lacking(bars, described)
    assert [(finding.code, finding.row) for finding in found] == expected
    assert all(finding.severity == "error" for finding in found)
    if expected:
        with pytest.raises(DataError):
            priced(bars, described, "open")
    else:
        priced(bars, described, "open")


def test_of_volumes_that_costs_need_it_is_said_how_many_are_missing() -> None:
    (finding,) = lacking(built([1.0, math.nan, math.nan]), Costs(0.0, 1.0, 1.0, impact=0.7, volume_cap=0.05))
    assert finding.message == "costs impact 0.7 and volume_cap 0.05 need volumes, and 2 of 3 bars have none, this the first"
    assert finding.time == "2024-01-03T21:00:00Z"
