"""Candidates timed in turn in one process, so that what slows the machine for a while slows them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

SLOW_SECONDS = 3.0
"""A candidate that takes longer than this is timed once."""
OURS = "nullalpha"


@dataclass(frozen=True)
class Row:
    """What one candidate took for one piece of work.

    Attributes:
        median_ms, best_ms: milliseconds, of all turns and of the fastest, which other work on the machine moves least.
        slower: its fastest turn over ours.
        apart: how far its result is from ours, as the benchmark measures it.
    """

    work: str
    candidate: str
    median_ms: float
    best_ms: float
    slower: float
    apart: float


def in_turn(work: str, candidates: Mapping[str, Callable[[], object]], apart: Mapping[str, float], repeats: int) -> list[Row]:
    """Time candidates, ours among them; each has run before, so that compilation is over."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, compute in candidates.items():
            if seconds[name] and seconds[name][0] > SLOW_SECONDS:
                continue
            start = time.perf_counter()
            compute()
            seconds[name].append(time.perf_counter() - start)
    ours = min(seconds[OURS])
    return [
        Row(work, name, 1e3 * statistics.median(times), 1e3 * min(times), min(times) / ours, apart[name]) for name, times in seconds.items()
    ]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text, one a line."""
    lines = [f"{'work':<34}{'candidate':<26}{'median ms':>12}{'best ms':>12}{'x ' + OURS:>13}{'apart':>11}"]
    lines += [f"{r.work:<34}{r.candidate:<26}{r.median_ms:>12.3f}{r.best_ms:>12.3f}{r.slower:>13.1f}{r.apart:>11.1e}" for r in rows]
    return "\n".join(lines)
