"""Waiting, trying again and giving up: the one place that knows what to do when a service does not answer as it should.

Knows no HTTP library. A source hands in one request as a function; what can go wrong with it is a `FaultError`, which it raises and which
never leaves this module: it becomes another try, or a typed error that quotes no address, header or parameter. Seconds throughout.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeVar

from nullalpha.core.clock import utc_now
from nullalpha.core.errors import SettingsError, TransientError

T = TypeVar("T")
FaultKind = Literal["rate limited", "server error", "timeout", "unreachable", "broken answer"]

TRANSIENT_STATUS = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524})
RATE_LIMITED_STATUS = frozenset({418, 429})  # 418: an exchange's ban for going on after 429
_FIX = {
    "rate limited": "wait, or ask for less; a key of your own usually allows more",
    "server error": "the service has trouble; try later",
    "timeout": "try later, or allow more with connect.retry.request_timeout",
    "unreachable": "check the network, the address in connect.<source>.base_url, and any proxy",
    "broken answer": "try later; if it stays so, upgrade the client package",
}


class FaultError(Exception):
    """One try failed in a way that may pass.

    Args:
        kind: what happened.
        message: said by us, or by the service and free of secrets.
        status: of HTTP, where there was an answer.
        retry_after: what the service asks to wait.
    """

    def __init__(self, kind: FaultKind, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class RetryPolicy:
    """How long to insist.

    Attributes:
        tries: of one request, the first included.
        first_wait: after the first fault; each further wait is twice the last.
        longest_wait: no wait is longer; a service that asks for more is given up.
        deadline: of one request with all its tries and waits.
        request_timeout: of one try, from its beginning to the last byte.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    deadline: float = 180.0
    request_timeout: float = 30.0

    def __post_init__(self) -> None:
        if not 1 <= self.tries <= 100:
            raise SettingsError(f"connect.retry.tries is {self.tries}", path="connect.retry.tries", value=self.tries, suggestion="1 to 100")
        for name in ("first_wait", "longest_wait", "deadline", "request_timeout"):
            seconds = getattr(self, name)
            if not 0.0 < seconds <= 86_400.0:
                path = f"connect.retry.{name}"
                raise SettingsError(f"{path} is {seconds:g}", path=path, value=seconds, suggestion="seconds, above 0 and at most a day")


@dataclass
class Patience:
    """Asks once, or as often as the policy allows, and not faster than the service wants.

    Attributes:
        clock: a monotonic clock; sleep, now: the other ports to the outside.
        interval: least time between the beginnings of two requests.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = utc_now
    interval: float = 0.0
    _last: float | None = field(default=None, init=False, repr=False)

    def ask(self, what: str, once: Callable[[float], T]) -> T:
        """Return what `once` returns, trying again after a fault.

        Args:
            what: who is asked for what, for the error's text.
            once: one try, given the seconds it may take.
        Raises:
            TransientError: when tries, waits or the deadline are used up.
        """
        policy, begun = self.policy, self.clock()
        attempt = 0
        while True:
            attempt += 1
            self.pace(self.interval)
            try:
                return once(min(policy.request_timeout, max(begun + policy.deadline - self.clock(), 0.001)))
            except FaultError as caught:
                fault = caught
            wait = max(min(policy.first_wait * 2.0 ** (attempt - 1), policy.longest_wait), fault.retry_after or 0.0)
            spent = self.clock() - begun
            if attempt == policy.tries or wait > policy.longest_wait or spent + wait >= policy.deadline:
                raise _given_up(what, fault, attempt, spent)
            self.sleep(wait)

    def pace(self, seconds: float) -> None:
        """Wait until `seconds` have gone by since this was last called."""
        if self._last is not None and seconds > 0.0:
            left = self._last + seconds - self.clock()
            if left > 0.0:
                self.sleep(left)
        self._last = self.clock()

    def judge(self, status: int, retry_after: str | None) -> None:
        """Raise a fault if an answer's status says that another try may do better."""
        if status in RATE_LIMITED_STATUS:
            asked = retry_after_seconds(retry_after, self.now())
            more = "" if asked is None else f" and asks to wait {asked:g} s"
            raise FaultError("rate limited", f"it answers {status}: too many requests{more}", status=status, retry_after=asked)
        if status in TRANSIENT_STATUS:
            asked = retry_after_seconds(retry_after, self.now())
            raise FaultError("server error", f"it answers {status}", status=status, retry_after=asked)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return how long a Retry-After header asks to wait, in seconds or until a date; None where it says nothing readable.

    Source: RFC 9110, 10.2.3.
    """
    text = (header or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, by the wall clock, whatever its sockets do.

    The call runs in a thread that is abandoned when it is late; clients' own timeouts are per read, and some clients have none.

    Raises:
        FaultError: `timeout`, when it is late.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="nullalpha-connect", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise FaultError("timeout", f"no whole answer within {seconds:g} s")
    return results[0]


def _given_up(what: str, fault: FaultError, tries: int, spent: float) -> TransientError:
    times = "1 try" if tries == 1 else f"{tries} tries"
    value = fault.kind if fault.status is None else f"{fault.kind} ({fault.status})"
    error = TransientError(f"{what}: no answer in {times} over {spent:.0f} s: {fault.message}", value=value, suggestion=_FIX[fault.kind])
    error.__suppress_context__ = True  # a client's own error may quote an address that holds a key
    return error
