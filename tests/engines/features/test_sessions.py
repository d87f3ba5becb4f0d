from __future__ import annotations

from dataclasses import replace

import numpy as np

from nullalpha.data.bars import Bars, SessionTable
from nullalpha.engines.features.sessions import session_numbers


def _bars(times: list[str]) -> Bars:
    flat = np.full(len(times), 10.0)
    return Bars("A", "1h", np.array(times, "datetime64[ns]"), flat, flat, flat, flat, flat)


def test_a_bar_belongs_to_the_session_that_last_opened_before_it_closed() -> None:
    opens = np.array(["2024-03-04T22:00", "2024-03-05T22:00"], "datetime64[ns]")
    sessions = SessionTable(opens, opens + np.timedelta64(8, "h"))
    bars = _bars(["2024-03-04T22:00", "2024-03-04T23:00", "2024-03-05T01:00", "2024-03-05T09:00", "2024-03-05T22:00", "2024-03-05T23:00"])
    known = replace(bars, sessions=sessions)
    first, second = opens.astype("datetime64[s]").astype(np.float64)
    expected = [np.nan, first, first, first, first, second]  # before; over midnight; after hours; closing as the next one opens
    np.testing.assert_array_equal(session_numbers(known), expected)
    np.testing.assert_array_equal(session_numbers(known.slice(2, 6)), expected[2:])
    later = replace(known, sessions=SessionTable(sessions.open[1:], sessions.close[1:])).slice(5, 6)
    assert session_numbers(later).tolist() == [second]


def test_without_a_calendar_a_session_is_the_utc_date_just_before_the_close() -> None:
    numbers = session_numbers(_bars(["2024-03-04T23:00", "2024-03-05T00:00", "2024-03-05T01:00", "2024-03-07T01:00"]))
    assert (numbers - numbers[0]).tolist() == [0, 0, 1, 3]
