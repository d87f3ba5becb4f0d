from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import SettingsError, TransientError
from nullalpha.data.connect.retry import FaultError, Patience, RetryPolicy, retry_after_seconds, within
from tests.support.timekeeper import NOW, Timekeeper


def patient(timekeeper: Timekeeper, policy: RetryPolicy, interval: float = 0.0) -> Patience:
    return Patience(policy, timekeeper.clock, timekeeper.sleep, lambda: NOW, interval)


def failing(*faults: FaultError) -> Callable[[float], str]:
    """Return a try that raises these faults, one a call, and then succeeds."""
    left = list(faults)

    def once(seconds: float) -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return once


def test_waits_double_up_to_the_longest(timekeeper: Timekeeper) -> None:
    policy = RetryPolicy(tries=7, first_wait=1.0, longest_wait=10.0, deadline=1000.0)
    faults = [FaultError("server error", "it answers 503") for _ in range(6)]
    assert patient(timekeeper, policy).ask("x", failing(*faults)) == "answer"
    assert timekeeper.waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_service_is_given_up_when_it_asks_to_wait_longer_than_we_would(timekeeper: Timekeeper) -> None:
    fault = FaultError("rate limited", "it answers 429 and asks to wait 3600 s", status=429, retry_after=3600.0)
    with pytest.raises(TransientError, match=r"x: no answer in 1 try over 0 s: .* asks to wait 3600 s") as error:
        patient(timekeeper, RetryPolicy()).ask("x", failing(fault))
    assert (timekeeper.waits, error.value.value) == ([], "rate limited (429)")
    assert "wait" in str(error.value.suggestion)


def test_no_wait_goes_past_the_deadline(timekeeper: Timekeeper) -> None:
    policy = RetryPolicy(tries=50, first_wait=4.0, longest_wait=60.0, deadline=30.0)
    with pytest.raises(TransientError, match="4 tries over 28 s"):
        patient(timekeeper, policy).ask("x", failing(*[FaultError("timeout", "late") for _ in range(50)]))
    assert timekeeper.waits == [4.0, 8.0, 16.0]


def test_a_try_gets_no_more_time_than_the_deadline_leaves(timekeeper: Timekeeper) -> None:
    given_seconds: list[float] = []

    def once(seconds: float) -> str:
        given_seconds.append(seconds)
        timekeeper.seconds += seconds
        if len(given_seconds) < 3:
            raise FaultError("timeout", "late")
        return "answer"

    policy = RetryPolicy(tries=5, first_wait=1.0, deadline=75.0, request_timeout=30.0)
    assert patient(timekeeper, policy).ask("x", once) == "answer"
    assert given_seconds == [30.0, 30.0, 12.0]


def test_requests_keep_their_distance(timekeeper: Timekeeper) -> None:
    patience = patient(timekeeper, RetryPolicy(), interval=0.5)
    for _ in range(3):
        patience.ask("x", failing())
    timekeeper.seconds += 10.0
    patience.ask("x", failing())
    assert timekeeper.waits == [0.5, 0.5]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Fri, 19 Jan 2024 15:02:00 GMT", 120.0),
        ("Fri, 19 Jan 2024 14:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_read_or_left(header: str) -> None:
    seconds = retry_after_seconds(header, datetime(2024, 1, 1, tzinfo=UTC))
    assert seconds is None or seconds >= 0.0


@given(tries=st.integers(1, 8), first=st.floats(0.1, 5.0), longest=st.floats(0.1, 30.0), deadline=st.floats(1.0, 100.0))
def test_tries_and_waits_are_bounded(tries: int, first: float, longest: float, deadline: float) -> None:
    timekeeper, calls = Timekeeper(), []

    def once(seconds: float) -> str:
        calls.append(seconds)
        raise FaultError("server error", "it answers 500", status=500)

    with pytest.raises(TransientError):
        patient(timekeeper, RetryPolicy(tries, first, longest, deadline)).ask("x", once)
    assert 1 <= len(calls) <= tries
    assert timekeeper.seconds <= deadline
    assert all(wait <= longest for wait in timekeeper.waits)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 422, 501])
def test_a_status_that_another_try_cannot_change_is_no_fault(status: int, patience: Patience) -> None:
    patience.judge(status, None)


@pytest.mark.parametrize(("status", "kind"), [(429, "rate limited"), (418, "rate limited"), (500, "server error"), (503, "server error")])
def test_a_status_of_passing_trouble_is_a_fault(status: int, kind: str, patience: Patience) -> None:
    with pytest.raises(FaultError) as fault:
        patience.judge(status, "5")
    assert (fault.value.kind, fault.value.retry_after) == (kind, 5.0)


def test_a_call_that_is_late_is_a_fault_whatever_it_waits_for() -> None:
    forever = threading.Event()
    with pytest.raises(FaultError, match=r"within 0\.05 s"):
        within(0.05, forever.wait)
    forever.set()
    assert within(5.0, lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 / 0)


@pytest.mark.parametrize(("name", "value"), [("tries", 0), ("deadline", 0.0), ("first_wait", float("nan")), ("request_timeout", -1.0)])
def test_a_policy_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"connect.retry.{name}"):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]
