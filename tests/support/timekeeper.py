"""Time for tests of waiting: a present, and a clock that only waits move."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

NOW = datetime(2024, 1, 19, 15, 0, tzinfo=UTC)
"""A Friday, 10:00 in New York: that day's session is open."""


@dataclass
class Timekeeper:
    """A clock that stands still but for the waits that it is asked for, and remembers them. Seconds."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds
