"""An outside signal: what its file may hold, and from which bar each of its positions counts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import DataError, NotFoundError
from nullalpha.data.bars import Bars
from nullalpha.data.outside_signal import OutsideSignal, refuse_outside_bars
from nullalpha.data.sources.signal_file import read_outside_signal

DAYS = pd.date_range("2001-01-02", periods=4, tz="UTC")
CLOSES = np.array(["2001-01-02T21", "2001-01-03T21", "2001-01-04T21", "2001-01-05T21"], dtype="datetime64[ns]")


def bars_at(closes: np.ndarray, timeframe: str = "1d") -> Bars:
    price = np.full(len(closes), 100.0)
    return Bars("SPX", timeframe, closes, price, price, price, price, price)


def written(path: Path, **columns: Any) -> Path:
    pd.DataFrame(columns).to_parquet(path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "signal.parquet"


def test_a_file_of_pandas_is_read_as_times_in_utc_and_floats(path: Path) -> None:
    signal = read_outside_signal(written(path, time=DAYS.tz_convert("Asia/Tokyo"), target_position=[1, 0, -1, 0]))
    np.testing.assert_array_equal(signal.time, DAYS.tz_localize(None).to_numpy().astype("datetime64[ns]"))
    np.testing.assert_array_equal(signal.target, [1.0, 0.0, -1.0, 0.0])


def test_times_without_a_zone_are_utc_dates_are_midnights_and_decimals_are_numbers(path: Path) -> None:
    naive = read_outside_signal(written(path, time=DAYS.tz_localize(None), target_position=[0.5, 0.25, 0.0, -0.5]))
    dates = read_outside_signal(
        written(path, time=DAYS.date, target_position=[Decimal("0.50"), Decimal("0.25"), Decimal(0), Decimal("-0.5")])
    )
    np.testing.assert_array_equal(naive.time, dates.time)
    np.testing.assert_array_equal(naive.target, dates.target)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no time": ({"when": DAYS, "target_position": [0.0] * 4}, "no column 'time'"),
    "no position": ({"time": DAYS, "target_positon": [0.0] * 4}, "no column 'target_position'"),
    "no rows": ({"time": DAYS[:0], "target_position": []}, "holds no rows"),
    "times in words": ({"time": ["yesterday"] * 4, "target_position": [0.0] * 4}, "holds no times"),
    "times as numbers": ({"time": [1, 2, 3, 4], "target_position": [0.0] * 4}, "holds no times"),
    "a missing time": ({"time": [DAYS[0], None, DAYS[2], DAYS[3]], "target_position": [0.0] * 4}, "row 1 has no time"),
    "disorder": ({"time": DAYS[[0, 2, 1, 3]], "target_position": [0.0] * 4}, "row 2 has a time that does not come after"),
    "a time twice": ({"time": DAYS[[0, 1, 1, 2]], "target_position": [0.0] * 4}, "row 2 has a time that does not come after"),
    "positions in words": ({"time": DAYS, "target_position": ["long"] * 4}, "holds no numbers"),
    "positions as booleans": ({"time": DAYS, "target_position": [True] * 4}, "holds no numbers"),
    "a missing position": ({"time": DAYS, "target_position": [0.0, 1.0, None, 0.0]}, "row 2 has no target_position"),
    "no number": ({"time": DAYS, "target_position": [0.0, 1.0, np.nan, 0.0]}, "row 2 has no target_position"),
    "infinite": ({"time": DAYS, "target_position": [0.0, np.inf, 0.0, 0.0]}, "row 1 has a target_position outside -1..1"),
    "out of range": ({"time": DAYS, "target_position": [0.0, 1.0, 0.0, -1.0000001]}, "row 3 has a target_position outside -1..1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_a_file_is_named(path: Path, fault: str) -> None:
    columns, said = FAULTS[fault]
    with pytest.raises(DataError, match=said) as refused:
        read_outside_signal(written(path, **columns))
    assert refused.value.suggestion


def test_all_wrong_rows_are_findings(path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_outside_signal(written(path, time=DAYS, target_position=[2.0, np.nan, 0.0, -2.0]))
    assert [(f.code, f.row) for f in refused.value.findings] == [
        ("missing_position", 1),
        ("position_out_of_range", 0),
        ("position_out_of_range", 3),
    ]


def test_what_is_no_parquet_file_is_refused(path: Path, tmp_path: Path) -> None:
    path.write_text("time,target_position\n2001-01-02,1\n")
    with pytest.raises(DataError, match="is no parquet file"):
        read_outside_signal(path)
    with pytest.raises(NotFoundError):
        read_outside_signal(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="cannot read"):
        read_outside_signal(tmp_path)


def test_a_column_twice_and_times_beyond_nanoseconds_are_refused(path: Path) -> None:
    column = pa.array([0.0])
    pq.write_table(pa.Table.from_arrays([pa.array(DAYS[:1]), column, column], names=["time", "target_position", "target_position"]), path)
    with pytest.raises(DataError, match="more than one column 'target_position'"):
        read_outside_signal(path)
    late = pa.array([np.datetime64("9999-01-01", "us")])
    pq.write_table(pa.table({"time": late, "target_position": column}), path)
    with pytest.raises(DataError, match="1677 to 2262"):
        read_outside_signal(path)


def test_a_position_counts_from_the_first_bar_that_closes_at_its_time_or_later() -> None:
    """Bars close at 21:00. Known at 21:00 of the 2nd: that bar. A nanosecond later: the next. Two before a close: the later one."""
    times = np.array(["2001-01-02T21:00:00", "2001-01-03T21:00:00.000000001", "2001-01-05T09:00", "2001-01-05T12:00"], "datetime64[ns]")
    signal = OutsideSignal(times, np.array([0.5, 1.0, -1.0, -0.25]))
    np.testing.assert_array_equal(signal.at(bars_at(CLOSES)), [0.5, 0.5, 1.0, -0.25])
    np.testing.assert_array_equal(signal.before(times[1]).at(bars_at(CLOSES)), [0.5] * 4)
    np.testing.assert_array_equal(OutsideSignal(times[2:], np.array([1.0, 1.0])).at(bars_at(CLOSES)), [0.0, 0.0, 0.0, 1.0])


def test_a_date_counts_from_the_close_of_its_own_session_where_that_is_the_midnight_after_it_too() -> None:
    """Bars that never close: that of the 2nd closes at 00:00 of the 3rd. What is dated the 3rd is not known then."""
    midnights = np.array(["2001-01-03", "2001-01-04", "2001-01-05"], "datetime64[ns]")
    signal = OutsideSignal(np.array(["2001-01-02", "2001-01-03"], "datetime64[ns]"), np.array([1.0, -1.0]))
    np.testing.assert_array_equal(signal.at(bars_at(midnights)), [1.0, -1.0, -1.0])
    np.testing.assert_array_equal(signal.at(bars_at(CLOSES)), [1.0, -1.0, -1.0, -1.0])
    instants = OutsideSignal(signal.time + np.timedelta64(1, "s"), signal.target)
    np.testing.assert_array_equal(instants.at(bars_at(midnights)), [1.0, -1.0, -1.0])
    np.testing.assert_array_equal(signal.at(bars_at(midnights, "1h")), [-1.0, -1.0, -1.0])


@given(st.lists(st.integers(0, 200), unique=True, max_size=30), st.lists(st.integers(0, 200), unique=True, min_size=1, max_size=30))
def test_no_position_is_ever_known_before_its_time(known: list[int], closes: list[int]) -> None:
    time, bars = (np.sort(np.array(hours, dtype=np.int64)).astype("datetime64[h]").astype("datetime64[ns]") for hours in (known, closes))
    signal = OutsideSignal(time, np.linspace(-1.0, 1.0, len(time)) if len(time) else np.zeros(0))
    for close, position in zip(bars, signal.at(bars_at(bars, "1h")), strict=True):
        earlier = signal.target[time <= close]
        assert position == (earlier[-1] if len(earlier) else 0.0)


@pytest.mark.parametrize("shift", [-40, 40])
def test_a_signal_of_another_time_than_the_bars_is_refused(shift: int) -> None:
    elsewhere = OutsideSignal(CLOSES + np.timedelta64(shift, "D"), np.zeros(4))
    with pytest.raises(DataError, match="no row of the signal lies among the bars of SPX"):
        refuse_outside_bars(elsewhere, CLOSES, "SPX")


def test_one_row_before_the_first_close_is_of_its_bar() -> None:
    refuse_outside_bars(OutsideSignal(CLOSES[:1] - np.timedelta64(20, "h"), np.ones(1)), CLOSES, "SPX")
    with pytest.raises(DataError, match="none is known before they end"):
        refuse_outside_bars(OutsideSignal(CLOSES[:0], np.zeros(0)), CLOSES, "SPX")
