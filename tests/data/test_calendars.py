from __future__ import annotations

import numpy as np
import pytest

from nullalpha.core.errors import DataError
from nullalpha.data.calendars import session_closes, sessions_between


def days(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


@pytest.mark.parametrize(
    ("calendar", "date", "close"),
    [
        ("XNYS", "2024-01-02", "2024-01-02T21:00"),  # winter, UTC-5
        ("XNYS", "2024-07-02", "2024-07-02T20:00"),  # summer, UTC-4
        ("XNYS", "1999-11-26", "1999-11-26T18:00"),  # the half session after Thanksgiving
        ("XNAS", "2018-12-24", "2018-12-24T18:00"),  # the half session before Christmas
        ("XTKS", "2010-01-04", "2010-01-04T06:00"),
        ("24/7", "2010-12-31", "2011-01-01T00:00"),
        ("XNYS", "2024-01-06", "2024-01-06T21:00"),  # a Saturday: no session, the regular closing time
        ("XSHG", "1980-01-02", "1980-01-02T07:00"),  # before the calendar's records
    ],
)
def test_a_session_closes_at_the_exchanges_own_time(calendar: str, date: str, close: str) -> None:
    assert session_closes(calendar, days(date)) == np.datetime64(close)


def test_sessions_leave_out_weekends_and_holidays() -> None:
    sessions = sessions_between("XNYS", np.datetime64("2001-09-08"), np.datetime64("2001-09-17"))
    assert sessions.date.tolist() == days("2001-09-10", "2001-09-17").tolist()
    assert sessions.open[0] == np.datetime64("2001-09-10T13:30")
    assert sessions.close[0] == np.datetime64("2001-09-10T20:00")


def test_a_span_without_sessions_has_none() -> None:
    assert len(sessions_between("XNYS", np.datetime64("2024-01-06"), np.datetime64("2024-01-07")).date) == 0


def test_an_unknown_calendar_is_refused_with_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        session_closes("XNYSE", days("2024-01-02"))
    assert caught.value.path == "calendar"
    assert caught.value.suggestion is not None
    assert "XNYS" in caught.value.suggestion
