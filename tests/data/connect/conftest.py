from __future__ import annotations

import itertools
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.retry import Patience, RetryPolicy
from tests.support.timekeeper import NOW, Timekeeper


class _Watch:
    """Writes down, while it is on, who is looked up or connected to beyond loopback. An audit hook stays for good, so there is one."""

    on = False
    installed = False
    outside: ClassVar[list[str]] = []

    @classmethod
    def hook(cls, event: str, arguments: tuple[object, ...]) -> None:
        if cls.on and event in ("socket.connect", "socket.getaddrinfo"):
            address = arguments[1] if event == "socket.connect" else arguments
            if isinstance(address, tuple) and address[0] not in ("127.0.0.1", b"127.0.0.1"):
                cls.outside.append(f"{event} {address}")


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[None]:
    """Fail if a test looks up a name or connects to an address that is not on loopback."""
    if not _Watch.installed:
        sys.addaudithook(_Watch.hook)
        _Watch.installed = True
    _Watch.on = True
    yield
    _Watch.on = False
    assert _Watch.outside == []


@pytest.fixture
def timekeeper() -> Timekeeper:
    return Timekeeper()


@pytest.fixture
def patience(timekeeper: Timekeeper) -> Patience:
    """Three tries of five seconds, and no real wait."""
    policy = RetryPolicy(tries=3, first_wait=1.0, longest_wait=60.0, deadline=600.0, request_timeout=5.0)
    return Patience(policy, timekeeper.clock, timekeeper.sleep, lambda: NOW)


@pytest.fixture
def hasty(timekeeper: Timekeeper) -> Patience:
    """Two tries of a fifth of a second."""
    policy = RetryPolicy(tries=2, first_wait=1.0, longest_wait=60.0, deadline=600.0, request_timeout=0.2)
    return Patience(policy, timekeeper.clock, timekeeper.sleep, lambda: NOW)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """A catalogue whose clock moves on by a microsecond whenever it is read: what is taken in later is the later one."""
    ticks = itertools.count()
    return Catalogue(tmp_path / "data", now=lambda: NOW + timedelta(microseconds=next(ticks)))


@pytest.fixture(scope="session")
def yahoo_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("yfinance"))


@pytest.fixture
def unused_port() -> Callable[[], str]:
    """Return an address on loopback at which nobody listens."""

    def address() -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{free.getsockname()[1]}"

    return address
