"""Longer bars on real calendars. Times are worked out by hand: New York is UTC-5 in winter, UTC-4 in summer, and opens at 09:30."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import DataError
from nullalpha.data.bars import Bars
from nullalpha.data.calendars import sessions_between
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.resample import resample
from nullalpha.engines.features.timeframes import align


def bars_between(calendar: str, first: str, last: str, minutes: int, seed: int = 0) -> Bars:
    """Return a random walk with a bar every `minutes` of each session; volume counts 1 a bar."""
    sessions = sessions_between(calendar, np.datetime64(first), np.datetime64(last))
    step = np.timedelta64(minutes, "m")
    time = np.concatenate(
        [
            np.minimum(np.arange(start + step, end + step, step), end)
            for start, end in zip(sessions.open.astype("datetime64[m]"), sessions.close.astype("datetime64[m]"), strict=True)
        ]
    ).astype("datetime64[ns]")
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, len(time))))
    open_ = close * np.exp(rng.normal(0, 0.001, len(time)))
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    spread, factor = rng.uniform(0, 0.1, len(time)), np.full(len(time), 0.5)
    return Bars("ACME", f"{minutes}m", time, open_, high, low, close, np.ones(len(time)), spread, factor)


def stamps(bars: Bars) -> list[str]:
    return [str(time)[:16] for time in bars.time]


def test_hours_are_counted_from_the_open_before_and_after_the_clocks_change() -> None:
    """The clocks went forward on 10 March 2024: the same seven bars of a session, an hour earlier in UTC."""
    hourly = resample(bars_between("XNYS", "2024-03-08", "2024-03-11", 30), "1h", "XNYS")
    assert stamps(hourly) == [
        *(f"2024-03-08T{time}" for time in ("15:30", "16:30", "17:30", "18:30", "19:30", "20:30", "21:00")),
        *(f"2024-03-11T{time}" for time in ("14:30", "15:30", "16:30", "17:30", "18:30", "19:30", "20:00")),
    ]
    np.testing.assert_array_equal(hourly.volume, [2, 2, 2, 2, 2, 2, 1] * 2)
    assert hourly.sessions is not None
    assert [str(time)[:16] for time in hourly.sessions.open] == ["2024-03-08T14:30", "2024-03-11T13:30"]


def test_days_of_a_week_with_a_holiday_and_a_half_day_close_when_the_exchange_did() -> None:
    """Thanksgiving 2018: closed on the 22nd, open until 18:00 UTC on the 23rd; 13 half hours are a day and 7 that one."""
    daily = resample(bars_between("XNYS", "2018-11-19", "2018-11-26", 30), "1d", "XNYS")
    days = ["2018-11-19T21:00", "2018-11-20T21:00", "2018-11-21T21:00", "2018-11-23T18:00", "2018-11-26T21:00"]
    assert stamps(daily) == days
    np.testing.assert_array_equal(daily.volume, [13, 13, 13, 7, 13])
    assert daily.sessions is None


@pytest.mark.parametrize(
    ("calendar", "span", "closes", "volume"),
    [
        ("XNYS", ("2018-11-12", "2018-12-03"), ["2018-11-16T21:00", "2018-11-23T18:00", "2018-11-30T21:00"], [5, 4, 5]),
        ("XNYS", ("2024-03-18", "2024-04-08"), ["2024-03-22T20:00", "2024-03-28T20:00", "2024-04-05T20:00"], [5, 4, 5]),
        ("24/7", ("2024-03-02", "2024-03-16"), ["2024-03-09T00:00", "2024-03-16T00:00"], [7, 7]),
        ("24/5", ("2024-03-04", "2024-03-18"), ["2024-03-09T00:00", "2024-03-16T00:00"], [5, 5]),
    ],
    ids=["thanksgiving", "good friday", "never closed", "foreign exchange"],
)
def test_a_week_is_known_when_its_last_session_closes(calendar: str, span: tuple[str, str], closes: list[str], volume: list[int]) -> None:
    """The last days begin another week, which has not closed; before Good Friday 2024 the week ends on Thursday."""
    daily = resample(bars_between(calendar, *span, 120), "1d", calendar)
    daily = Bars("ACME", "1d", daily.time, daily.open, daily.high, daily.low, daily.close, np.ones(len(daily)))
    weekly = resample(daily, "1w", calendar)
    assert stamps(weekly) == closes
    np.testing.assert_array_equal(weekly.volume, volume)


def test_months_are_of_the_sessions_dated_in_them() -> None:
    base = bars_between("XNYS", "2023-12-29", "2024-04-02", 60)
    monthly = resample(base, "1mo", "XNYS")
    assert stamps(monthly) == ["2024-01-31T21:00", "2024-02-29T21:00", "2024-03-28T20:00"]
    np.testing.assert_array_equal(monthly.volume, [21 * 7, 20 * 7, 20 * 7])


def test_a_future_that_opens_in_the_evening_has_its_bars_on_the_next_days_session() -> None:
    """us_futures, March 2024: a session runs from 18:00 to 18:00 in New York."""
    sessions = sessions_between("us_futures", np.datetime64("2024-03-05"), np.datetime64("2024-03-06"))
    daily = resample(bars_between("us_futures", "2024-03-05", "2024-03-06", 60), "1d", "us_futures")
    np.testing.assert_array_equal(daily.time, sessions.close)
    assert len(set(daily.volume)) == 1


def test_one_bar_by_hand() -> None:
    time = np.array(["2024-01-02T15:00", "2024-01-02T15:30", "2024-01-02T16:00", "2024-01-02T16:30"], dtype="datetime64[ns]")
    columns = np.array([[10, 12, 9, 11, 5], [11, 15, 10, 14, 7], [14, 14, 13, 13, 1], [13, 13, 8, 9, 2]], dtype=float)
    bars = Bars("ACME", "30m", time, *columns.T, spread=np.array([0.1, 0.2, 0.3, 0.4]), factor=np.array([0.5, 0.5, 1.0, 1.0]))
    hourly = resample(bars, "1h", "XNYS")
    assert hourly.spread is not None
    assert hourly.factor is not None
    rows = np.column_stack([hourly.open, hourly.high, hourly.low, hourly.close, hourly.volume, hourly.spread, hourly.factor])
    np.testing.assert_array_equal(rows, [[10, 15, 9, 14, 12, 0.2, 0.5], [14, 14, 8, 9, 3, 0.4, 1.0]])


def test_volumes_on_both_sides_of_a_split_are_summed_in_the_units_of_the_last_bar() -> None:
    # Two for one between the half hours: 5 shares before it are 10 of those after it.
    time = np.array(["2024-01-02T15:00", "2024-01-02T15:30"], dtype="datetime64[ns]")
    price = np.array([10.0, 10.0])
    bars = Bars("ACME", "30m", time, price, price, price, price, np.array([5.0, 7.0]), factor=np.array([0.5, 1.0]))
    np.testing.assert_array_equal(resample(bars, "1h", "XNYS").volume, [17.0])


def test_a_bar_that_has_not_closed_and_one_whose_start_is_unknown_are_left_out() -> None:
    base = bars_between("XNYS", "2024-01-02", "2024-01-05", 30)
    assert stamps(resample(base.slice(0, 14), "1h", "XNYS"))[-1] == "2024-01-02T21:00"
    assert stamps(resample(base.slice(0, 15), "1h", "XNYS"))[-1] == "2024-01-03T15:30"
    assert stamps(resample(base.slice(1, 14), "1h", "XNYS"))[0] == "2024-01-02T16:30"
    assert stamps(resample(base.slice(1, 39), "1d", "XNYS")) == ["2024-01-03T21:00", "2024-01-04T21:00"]
    assert len(resample(base.slice(1, 39), "1w", "XNYS")) == 0
    assert len(resample(base.slice(0, 0), "1d", "XNYS")) == 0


def test_a_session_whose_last_bars_are_missing_is_known_at_its_scheduled_close() -> None:
    base = bars_between("XNYS", "2024-01-02", "2024-01-03", 30)
    cut = [row for row in range(26) if row not in (11, 12)]
    thin = Bars("ACME", "30m", *(getattr(base, name)[cut] for name in ("time", "open", "high", "low", "close", "volume")))
    daily = resample(thin, "1d", "XNYS")
    assert stamps(daily) == ["2024-01-02T21:00", "2024-01-03T21:00"]
    np.testing.assert_array_equal(daily.volume, [11, 13])
    assert stamps(resample(thin.slice(0, 11), "1d", "XNYS")) == []


def test_bars_outside_sessions_belong_to_no_bar() -> None:
    base = bars_between("24/7", "2024-01-02", "2024-01-03", 30)
    daily = resample(base, "1d", "XNYS")
    assert stamps(daily) == ["2024-01-02T21:00", "2024-01-03T21:00"]
    np.testing.assert_array_equal(daily.volume, [13, 13])
    first_inside = int(np.searchsorted(base.time, np.datetime64("2024-01-02T15:00")))
    assert daily.open[0] == base.open[first_inside]


def test_a_missing_volume_makes_the_sum_missing() -> None:
    base = bars_between("XNYS", "2024-01-02", "2024-01-03", 30)
    base.volume[3] = np.nan
    daily = resample(base, "1d", "XNYS")
    np.testing.assert_array_equal(np.isnan(daily.volume), [True, False])


@pytest.mark.parametrize(("minutes", "timeframe", "rule"), [(5, "15m", "15min"), (15, "1h", "60min"), (30, "4h", "240min")])
def test_in_a_market_that_never_closes_bars_are_those_of_pandas(minutes: int, timeframe: str, rule: str) -> None:
    base = bars_between("24/7", "2024-03-01", "2024-03-12", minutes, seed=1)
    frame = pd.DataFrame({name: getattr(base, name) for name in ("open", "high", "low", "close", "volume", "spread")}, index=base.time)
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "spread": "last"}
    expected = frame.resample(rule, label="right", closed="right").agg(how)
    made = resample(base, timeframe, "24/7")
    np.testing.assert_array_equal(made.time, expected.index.to_numpy().astype("datetime64[ns]"))
    for name in how:
        np.testing.assert_allclose(getattr(made, name), expected[name], rtol=1e-12)


def test_daily_weekly_and_monthly_bars_of_an_exchange_are_those_of_a_group_by_local_date() -> None:
    """The independent way: group by the date in New York, by the week that ends on Friday, by the month.

    The bars begin on a Tuesday after a holiday and end on the last Friday of June, so every period is whole.
    """
    base = bars_between("XNYS", "2024-01-02", "2024-06-28", 30, seed=2)
    local = pd.DatetimeIndex(base.time).tz_localize("UTC").tz_convert("America/New_York").tz_localize(None).normalize()
    frame = pd.DataFrame({name: getattr(base, name) for name in ("open", "high", "low", "close", "volume")})
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    for timeframe, key in (("1d", local), ("1w", local.to_period("W-FRI")), ("1mo", local.to_period("M"))):
        expected = frame.groupby(key).agg(how)
        made = resample(base, timeframe, "XNYS")
        assert len(made) == len(expected)
        for name in how:
            np.testing.assert_allclose(getattr(made, name), expected[name], rtol=1e-12)


def test_weeks_of_the_samples_are_those_that_features_are_computed_on(samples: Catalogue) -> None:
    bars = samples.read(samples.latest("SPX", "1d"))
    made = resample(bars, "1w", "XNYS")
    aligned = align(bars, "1w")
    seen = aligned.bars
    shared, ours, theirs = np.intersect1d(made.time, seen.time, return_indices=True)
    assert len(shared) == len(made) > 1000
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(getattr(made, name)[ours], getattr(seen, name)[theirs], rtol=1e-12)
    joined = aligned.join(seen.close)
    known = np.searchsorted(made.time, bars.time, side="right") - 1
    exact = np.where(known >= 0, made.close[np.maximum(known, 0)], np.nan)
    later = np.flatnonzero(~((joined == exact) | np.isnan(joined)))
    for row in later:  # never sooner than on the calendar; where a week ends before Friday, one bar later
        assert joined[row] == exact[row - 1]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["1h", "4h", "1d"]),
    st.sampled_from(
        [("XNYS", "2018-11-14", "2018-11-30"), ("XNYS", "2024-03-04", "2024-03-15"), ("us_futures", "2024-03-04", "2024-03-08")]
    ),
    st.sets(st.integers(0, 100), max_size=30),
)
def test_bars_are_those_that_features_are_computed_on_whatever_is_missing(
    timeframe: str, span: tuple[str, str, str], missing: set[int]
) -> None:
    """Values and the base bar from which each is known agree with the feature pipeline's own, on base bars with holes."""
    whole = bars_between(*span, 30)
    rows = [row for row in range(len(whole)) if row not in missing]
    columns = (getattr(whole, name)[rows] for name in ("time", "open", "high", "low", "close", "volume"))
    sessions = sessions_between(span[0], np.datetime64(span[1]), np.datetime64(span[2]))
    base = Bars("ACME", "30m", *columns, sessions=sessions.over(whole.time[0], whole.time[-1]))
    made, aligned = resample(base, timeframe, span[0]), align(base, timeframe)
    known = np.searchsorted(made.time, base.time, side="right") - 1
    for name in ("open", "high", "low", "close", "volume"):
        ours = np.where(known >= 0, getattr(made, name)[np.maximum(known, 0)], np.nan)
        np.testing.assert_array_equal(aligned.join(getattr(aligned.bars, name)), ours)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12 * 13), st.sampled_from(["1h", "1d", "1w"]), st.integers(0, 40))
def test_what_is_known_never_changes_when_more_bars_come(count: int, timeframe: str, start: int) -> None:
    base = bars_between("XNYS", "2018-11-14", "2018-11-30", 30)
    whole = resample(base.slice(start, len(base)), timeframe, "XNYS")
    part = resample(base.slice(start, start + count), timeframe, "XNYS")
    np.testing.assert_array_equal(part.time, whole.time[: len(part)])
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[: len(part)])
    assert len(part) == 0 or part.time[-1] <= base.time[start + min(count, len(base) - start) - 1]


@pytest.mark.parametrize(
    ("timeframe", "wanted", "calendar"),
    [
        ("1h", "30m", "XNYS"),
        ("1h", "1h", "XNYS"),
        ("30m", "45m", "XNYS"),
        ("1d", "4h", "XNYS"),
        ("1d", "1d", "XNYS"),
        ("1w", "1mo", "XNYS"),
        ("published", "1d", "XNYS"),
        ("1h", "1y", "XNYS"),
        ("1h", "1d", "XNYSE"),
    ],
)
def test_what_cannot_be_made_is_refused(timeframe: str, wanted: str, calendar: str) -> None:
    base = bars_between("XNYS", "2024-01-02", "2024-01-03", 30)
    bars = Bars("ACME", timeframe, base.time, base.open, base.high, base.low, base.close, base.volume)
    with pytest.raises(DataError) as caught:
        resample(bars, wanted, calendar)
    assert caught.value.suggestion
