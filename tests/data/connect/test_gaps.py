from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.data.calendars import sessions_between
from nullalpha.data.connect.gaps import OVERLAP_BARS, as_time, finished, missing_spans

SESSIONS = sessions_between("XNYS", np.datetime64("2024-01-02"), np.datetime64("2024-01-31")).date
JANUARY_31 = datetime(2024, 1, 31, 22, 0, tzinfo=UTC)


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


def spans(times: np.ndarray, timeframe: str, start: datetime | None, until: datetime, calendar: str = "XNYS") -> list[tuple[str, str]]:
    found = missing_spans(times, timeframe, calendar, start, until)
    return [(f"{span.start:%m-%d %H:%M}" if span.start else "", f"{span.end:%m-%d %H:%M}") for span in found]


def test_nothing_held_is_all_missing() -> None:
    (span,) = missing_spans(np.array([], dtype="datetime64[ns]"), "1d", "XNYS", None, JANUARY_31)
    assert (span.start, span.end) == (None, JANUARY_31)


def test_a_whole_series_lacks_nothing() -> None:
    assert missing_spans(SESSIONS, "1d", "XNYS", datetime(2024, 1, 1, tzinfo=UTC), JANUARY_31) == ()


def test_the_open_session_is_not_missing_yet() -> None:
    assert spans(SESSIONS[:-1], "1d", None, datetime(2024, 1, 31, 20, 0, tzinfo=UTC)) == []
    assert spans(SESSIONS[:-1], "1d", None, datetime(2024, 1, 31, 21, 0, tzinfo=UTC)) == [("01-24 00:00", "02-01 00:00")]


def test_a_hole_reaches_five_bars_into_what_is_there_on_either_side() -> None:
    held = SESSIONS[~np.isin(SESSIONS, days("2024-01-17", "2024-01-18"))]
    assert spans(held, "1d", None, JANUARY_31) == [("01-09 00:00", "01-26 00:00")]


def test_what_lies_before_is_missing_only_where_it_is_asked_for() -> None:
    held = SESSIONS[10:]
    assert spans(held, "1d", None, JANUARY_31) == []
    assert spans(held, "1d", datetime(2024, 1, 10, tzinfo=UTC), JANUARY_31) == [("01-10 00:00", "01-24 00:00")]


def test_holes_that_touch_are_one() -> None:
    held = SESSIONS[[0, 1, 2, 3, 5, 6, 8, 9]]
    assert spans(held, "1d", None, datetime(2024, 1, 16, 22, 0, tzinfo=UTC)) == [("01-02 00:00", "01-17 00:00")]


def hours(day: str, first: int, last: int) -> np.ndarray:
    return np.arange(np.datetime64(f"{day}T{first:02d}:30"), np.datetime64(f"{day}T{last:02d}:31"), np.timedelta64(1, "h")).astype(
        "datetime64[ns]"
    )


def test_single_intraday_bars_may_not_exist_but_whole_sessions_do() -> None:
    held = np.concatenate([hours("2024-01-16", 14, 15), hours("2024-01-16", 17, 19), hours("2024-01-18", 14, 19)])
    assert spans(held, "1h", None, datetime(2024, 1, 18, 21, 0, tzinfo=UTC)) == [("01-16 14:30", "01-18 19:30")]


def test_the_rest_of_the_last_session_is_missing_once_a_bar_of_it_has_closed() -> None:
    held = np.concatenate([hours("2024-01-17", 14, 19), hours("2024-01-18", 14, 15)])
    assert spans(held, "1h", None, datetime(2024, 1, 18, 17, 29, tzinfo=UTC)) == []
    assert spans(held, "1h", None, datetime(2024, 1, 18, 17, 30, tzinfo=UTC)) == [("01-17 17:30", "01-18 17:30")]


def test_a_market_that_never_closes_lacks_whole_days() -> None:
    held = np.arange(np.datetime64("2024-01-16T00"), np.datetime64("2024-01-17T00"), np.timedelta64(1, "h")).astype("datetime64[ns]")
    assert spans(held, "1h", None, datetime(2024, 1, 18, 6, 30, tzinfo=UTC), "24/7") == [("01-16 19:00", "01-18 06:30")]


@settings(max_examples=60, deadline=None)
@given(present=st.lists(st.booleans(), min_size=len(SESSIONS), max_size=len(SESSIONS)).filter(any))
def test_every_missing_session_is_asked_for_and_little_else(present: list[bool]) -> None:
    held = SESSIONS[np.array(present)]
    found = missing_spans(held, "1d", "XNYS", datetime(2024, 1, 2, tzinfo=UTC), JANUARY_31)
    asked = np.zeros(len(SESSIONS), dtype=bool)
    for span in found:
        assert span.start is not None
        asked |= (as_time(span.start) <= SESSIONS) & (as_time(span.end) > SESSIONS)
    absent = ~np.array(present)
    assert (asked | ~absent).all()
    holes = np.count_nonzero(np.diff(np.concatenate([[False], absent]).astype(int)) == 1)
    assert np.count_nonzero(asked & ~absent) <= 2 * OVERLAP_BARS * holes
    assert all(one.end < two.start for one, two in pairwise(found) if two.start)


@pytest.mark.parametrize(
    ("until", "n_bars"),
    [("2024-01-19T20:59", 2), ("2024-01-19T21:00", 3), ("2024-02-10T00:00", 3)],
)
def test_a_daily_bar_is_finished_with_its_session(until: str, n_bars: int) -> None:
    frame = pd.DataFrame({"time": days("2024-01-17", "2024-01-18", "2024-01-19")})
    assert len(finished(frame, "1d", "XNYS", datetime.fromisoformat(until).replace(tzinfo=UTC))) == n_bars


def test_a_daily_bar_of_a_day_without_a_session_is_finished_at_the_regular_close() -> None:
    frame = pd.DataFrame({"time": days("2024-01-12", "2024-01-15")})
    assert len(finished(frame, "1d", "XNYS", datetime(2024, 1, 15, 20, 0, tzinfo=UTC))) == 1
    assert len(finished(frame, "1d", "XNYS", datetime(2024, 1, 15, 21, 0, tzinfo=UTC))) == 2


def test_an_intraday_bar_is_finished_a_bar_after_its_open() -> None:
    frame = pd.DataFrame({"time": pd.to_datetime(["2024-01-19T14:30Z", "2024-01-19T14:35Z"])})
    assert len(finished(frame, "5m", "XNYS", datetime(2024, 1, 19, 14, 39, tzinfo=UTC))) == 1
    assert len(finished(frame, "5m", "XNYS", datetime(2024, 1, 19, 14, 40, tzinfo=UTC))) == 2
