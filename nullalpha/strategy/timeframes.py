"""Timeframes of the language, and which can be made from which."""

from __future__ import annotations

WEEK, DAY = "1w", "1d"
MINUTES = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240}
TIMEFRAMES = (*MINUTES, DAY, WEEK)
SESSIONS_PER_WEEK = 5
SESSION_MINUTES = 390
"""A session of 6.5 hours, as stock exchanges hold it; markets that trade longer have more bars a day."""


def longer_timeframes(base: str) -> tuple[str, ...]:
    """Return the timeframes whose bars can be made of those of `base`, shortest first; none for an unknown one."""
    if base not in TIMEFRAMES:
        return ()
    above = TIMEFRAMES[TIMEFRAMES.index(base) + 1 :]
    return tuple(frame for frame in above if frame not in MINUTES or MINUTES[frame] % MINUTES[base] == 0)


def base_bars(timeframe: str, base: str) -> int:
    """Return how many bars of `base` a bar of a longer timeframe holds; in sessions of 6.5 hours, rounded up."""
    if timeframe == base:
        return 1
    a_day = 1 if base == DAY else -(-SESSION_MINUTES // MINUTES[base])
    if timeframe == WEEK:
        return SESSIONS_PER_WEEK * a_day
    return a_day if timeframe == DAY else MINUTES[timeframe] // MINUTES[base]
