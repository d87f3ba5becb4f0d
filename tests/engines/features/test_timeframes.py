from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import UsageError
from nullalpha.data.bars import Bars, SessionTable
from nullalpha.engines.features.timeframes import Aggregator, Alignment, align

HOUR = np.timedelta64(1, "h")
MINUTE = np.timedelta64(1, "m")


def _bars(times: Sequence[str] | np.ndarray, timeframe: str, sessions: SessionTable | None = None) -> Bars:
    """Bars whose close is the row's number + 1, and whose volume is 10."""
    close = np.arange(1.0, len(times) + 1)
    return Bars(
        "TEST",
        timeframe,
        np.array(times, "datetime64[ns]"),
        close - 0.5,
        close + 1,
        close - 1,
        close,
        np.full(len(times), 10.0),
        spread=close / 100,
        sessions=sessions,
    )


def _daily(days: list[str], hour: int = 21) -> Bars:
    return _bars(np.array(days, "datetime64[ns]") + hour * HOUR, "1d")


def _sessions(hours: Sequence[tuple[str, str]]) -> SessionTable:
    return SessionTable(np.array([one for one, _ in hours], "datetime64[ns]"), np.array([one for _, one in hours], "datetime64[ns]"))


def _filled(sessions: SessionTable, minutes: int, timeframe: str) -> Bars:
    """All bars of `minutes` that the sessions hold, the last of each cut at the close."""
    step = minutes * MINUTE
    times = [np.minimum(np.arange(o, c, step) + step, c) for o, c in zip(sessions.open, sessions.close, strict=True)]
    return _bars(np.concatenate(times), timeframe, sessions)


def _known(alignment: Alignment) -> list[int]:
    assert alignment.known is not None
    found: list[int] = alignment.known.tolist()
    return found


# Wednesday; Thursday before a holiday, which closes early; Monday after clocks went back by an hour.
NEW_YORK = _sessions(
    [
        ("2024-10-30T13:30", "2024-10-30T20:00"),
        ("2024-10-31T13:30", "2024-10-31T17:00"),
        ("2024-11-04T14:30", "2024-11-04T21:00"),
        ("2024-11-05T14:30", "2024-11-05T21:00"),
    ]
)


def test_a_week_is_known_at_its_friday_or_when_a_later_week_begins() -> None:
    # Good Friday 2020-04-10 has no bar; Easter Monday trades.
    days = [str(day) for day in np.arange("2020-03-30", "2020-04-22", dtype="datetime64[D]") if date.fromisoformat(str(day)).weekday() < 5]
    days.remove("2020-04-10")
    bars = _daily(days)
    week = align(bars, "1w")
    known = dict(zip(days, _known(week), strict=True))
    assert [known[d] for d in ("2020-03-30", "2020-04-02", "2020-04-03", "2020-04-06")] == [-1, -1, 0, 0]
    assert [known[d] for d in ("2020-04-09", "2020-04-13", "2020-04-16", "2020-04-17", "2020-04-20")] == [0, 1, 1, 2, 2]
    thursday = days.index("2020-04-09")
    assert week.bars.close[1] == bars.close[thursday]
    assert week.bars.open[1] == bars.open[days.index("2020-04-06")]
    assert week.bars.high[1] == bars.high[thursday]
    assert week.bars.low[1] == bars.low[days.index("2020-04-06")]
    assert week.bars.volume[1] == 40.0
    assert week.bars.spread is not None
    assert week.bars.spread[1] == bars.close[thursday] / 100


def test_volumes_on_both_sides_of_a_split_are_summed_in_the_units_of_the_last_bar() -> None:
    days = ["2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12", "2024-01-16"]
    bars = replace(_daily(days), factor=np.array([0.25, 0.25, 0.25, 1.0, 1.0, 1.0, 1.0]))
    # The week of the 8th: 10 shares on each of two days before a split of four for one, then 10 on each of three days.
    merged = align(bars, "1w").bars
    assert merged.volume[merged.time == bars.time[5]] == [40 + 40 + 30]


def test_a_week_that_history_enters_in_the_middle_is_left_out() -> None:
    week = align(_daily(["2020-04-01", "2020-04-02", "2020-04-03", "2020-04-06", "2020-04-09", "2020-04-17"]), "1w")
    assert _known(week) == [-1, -1, -1, -1, -1, 1]


def test_a_bar_that_closes_at_midnight_belongs_to_the_day_it_covers() -> None:
    # A market that never closes: Friday's bar closes on Saturday at 00:00.
    days = [str(day) for day in np.arange("2020-03-31", "2020-04-14", dtype="datetime64[D]")]
    week = align(_daily(days, hour=0), "1w")
    assert dict(zip(days, _known(week), strict=True))["2020-04-04"] == 0
    assert week.bars.close[1] - week.bars.close[0] == 7.0


def test_hours_begin_with_the_session_and_its_last_one_is_short() -> None:
    bars = _filled(NEW_YORK, 30, "30m")
    hours = align(bars, "1h")
    # A session of 6.5 hours has 13 half hours: six whole hours and a half. One of 3.5 hours has three and a half.
    assert _known(hours)[:13] == [-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6]
    assert _known(hours)[13:20] == [6, 7, 7, 8, 8, 9, 10]
    assert _known(hours)[20:22] == [10, 11]
    assert str(hours.bars.time[6])[:16] == "2024-10-30T20:00"
    assert (hours.bars.open[6], hours.bars.close[6], hours.bars.volume[6]) == (12.5, 13.0, 10.0)
    assert str(hours.bars.time[11])[:16] == "2024-11-04T15:30"  # an hour after the open, whatever the clocks say
    assert (hours.bars.high[0], hours.bars.low[0], hours.bars.volume[0]) == (3.0, 0.0, 20.0)


def test_a_day_is_a_session_and_known_at_its_close_early_or_not() -> None:
    bars = _filled(NEW_YORK, 30, "30m")
    day = align(bars, "1d")
    at_close = np.isin(bars.time, NEW_YORK.close)
    assert [known for known, close in zip(_known(day), at_close, strict=True) if close] == [0, 1, 2, 3]
    assert _known(day)[:13] == [-1] * 12 + [0]
    np.testing.assert_array_equal(day.bars.time, NEW_YORK.close)
    np.testing.assert_array_equal(day.bars.volume, [130.0, 70.0, 130.0, 130.0])


def test_a_bar_whose_last_part_is_missing_is_known_when_a_later_one_begins() -> None:
    whole = _filled(NEW_YORK, 30, "30m")
    rows = np.delete(np.arange(len(whole)), [3, 12])  # the second hour's second half; the first session's last bar
    bars = _bars(whole.time[rows], "30m", NEW_YORK)
    hours = align(bars, "1h")
    assert _known(hours)[:5] == [-1, 0, 0, 1, 2]
    day = align(bars, "1d")
    assert _known(day)[10:12] == [-1, 0]
    assert day.bars.close[0] == 11.0


def test_an_hour_that_history_enters_in_the_middle_is_left_out() -> None:
    bars = _filled(NEW_YORK, 30, "30m").slice(1, 20)
    assert _known(align(bars, "1h"))[:4] == [-1, -1, 0, 0]
    assert _known(align(bars, "1d"))[11:13] == [-1, -1]
    assert _known(align(bars, "1d"))[18] == 0


def test_a_week_of_intraday_bars_ends_with_fridays_session_and_begins_with_mondays() -> None:
    days = ["2024-11-01", "2024-11-04", "2024-11-05", "2024-11-07", "2024-11-08", "2024-11-11"]
    sessions = _sessions([(f"{day}T14:30", f"{day}T21:00") for day in days])
    bars = _filled(sessions, 60, "1h")
    week = align(bars, "1w")
    known = np.array(_known(week))
    friday_close = int(np.flatnonzero(bars.time == np.datetime64("2024-11-08T21:00"))[0])
    assert (known[:friday_close] == -1).all()
    assert (known[friday_close:] == 0).all()
    assert week.bars.volume[0] == 4 * 70.0


def test_bars_outside_every_session_are_part_of_no_longer_bar() -> None:
    inside = _filled(NEW_YORK, 30, "30m")
    early, late = np.datetime64("2024-10-30T13:00", "ns"), np.datetime64("2024-10-30T20:30", "ns")
    times = np.sort(np.append(inside.time, [early, late]))
    bars = _bars(times, "30m", NEW_YORK)
    day = align(bars, "1d")
    assert _known(day)[:16] == [-1] * 13 + [0, 0, 0]
    assert (day.bars.open[0], day.bars.volume[0]) == (1.5, 130.0)


def test_without_sessions_longer_bars_follow_the_utc_clock() -> None:
    times = np.arange("2024-03-01T00:15", "2024-03-12T00:15", 15 * MINUTE, dtype="datetime64[ns]")
    bars = _bars(times, "15m")
    for timeframe, frequency in (("30m", "30min"), ("1h", "1h"), ("4h", "4h"), ("1d", "1D")):
        longer = align(bars, timeframe)
        expected = pd.Series(bars.close, pd.DatetimeIndex(times)).resample(frequency, label="right", closed="right").last()
        joined = pd.Series(longer.join(longer.bars.close), pd.DatetimeIndex(times))
        whole = expected[expected.index <= times[-1]]
        np.testing.assert_array_equal(joined, whole.reindex(joined.index, method="ffill"))
        assert (longer.bars.time[:-1] == whole.index[: len(longer.bars) - 1].to_numpy()).all()
    week = align(bars, "1w")  # 2024-03-01 is a Friday: its week is cut, the next runs to the end of Friday the 8th
    assert _known(week)[8 * 96 - 2 : 8 * 96] == [-1, 0]
    assert week.bars.volume[0] == 7 * 96 * 10
    monday = align(bars.slice(3 * 96, len(bars)), "1w")
    assert _known(monday)[5 * 96 - 2 : 5 * 96] == [-1, 0]
    assert monday.bars.volume[0] == 5 * 96 * 10
    assert set(_known(align(bars.slice(3 * 96 + 1, len(bars)), "1w"))) == {-1}


@pytest.mark.parametrize(
    ("base", "timeframe"),
    [("1h", "30m"), ("1d", "1h"), ("1d", "1d1"), ("1w", "1d"), ("7m", "1h"), ("45m", "1h"), ("1h", "90m"), ("4h", "1h")],
)
def test_what_is_no_multiple_of_the_base_is_refused(base: str, timeframe: str) -> None:
    with pytest.raises(UsageError, match=f"'{timeframe}' cannot be made from '{base}' bars of TEST") as caught:
        align(_bars(["2024-03-01T12:00"], base), timeframe)
    assert caught.value.suggestion is not None
    assert repr(base) in caught.value.suggestion


def test_an_uncommon_base_that_divides_the_longer_timeframe_is_taken() -> None:
    times = np.arange("2024-03-01T00:10", "2024-03-01T02:10", 10 * MINUTE, dtype="datetime64[ns]")
    assert _known(align(_bars(times, "10m"), "1h")) == [-1] * 5 + [0] * 6 + [1]


MARKETS = {
    "daily": (_daily([str(day) for day in pd.bdate_range("2024-01-03", "2024-03-29").date]), ("1w",)),
    "new york": (_filled(NEW_YORK, 30, "30m"), ("1h", "4h", "1d", "1w")),
    "clock": (_bars(np.arange("2024-03-01T07", "2024-03-16T07", HOUR, dtype="datetime64[ns]"), "1h"), ("4h", "1d", "1w")),
}


@pytest.mark.parametrize("market", MARKETS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_longer_bars_made_bar_by_bar_are_those_made_at_once_and_none_sees_the_future(market: str, data: st.DataObject) -> None:
    whole, timeframes = MARKETS[market]
    lost = data.draw(st.sets(st.integers(0, len(whole) - 1), max_size=12))
    kept = np.array([row for row in range(len(whole)) if row not in lost])
    bars = replace(_bars(whole.time[kept], whole.timeframe, whole.sessions))
    timeframe = data.draw(st.sampled_from(timeframes))
    at_once = align(bars, timeframe)
    values = at_once.join(at_once.bars.close)
    aggregator, row, latest, found = Aggregator(bars.timeframe, timeframe, "TEST"), 0, np.nan, []
    while row < len(bars):
        step = data.draw(st.integers(1, 9))
        part = bars.slice(row, row + step)
        made, due = aggregator.extend(part)
        for time in part.time:
            ready = made.close[due <= time]
            latest = ready[-1] if len(ready) else latest
            found.append(latest)
        row += step
        cut = align(bars.slice(0, row), timeframe)
        np.testing.assert_array_equal(cut.join(cut.bars.close), values[:row])
    np.testing.assert_array_equal(found, values)
