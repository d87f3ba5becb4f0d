"""Bars made from plain lists, one a day, and the costs that the hand-worked examples use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nullalpha.data.bars import Bars

BarMaker = Callable[..., Bars]


def _make(
    close: Sequence[float],
    open_: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    low: Sequence[float] | None = None,
    *,
    instrument: str = "TEST",
    first: str = "2020-01-01T21:00",
) -> Bars:
    """Return daily bars; a missing open is the close, a missing high and low the body's ends."""
    c = np.array(close, dtype=float)
    o = c.copy() if open_ is None else np.array(open_, dtype=float)
    h = np.maximum(o, c) if high is None else np.array(high, dtype=float)
    lo = np.minimum(o, c) if low is None else np.array(low, dtype=float)
    time = np.datetime64(first, "ns") + np.arange(len(c)) * np.timedelta64(1, "D")
    return Bars(instrument, "1d", time, o, h, lo, c, np.full(len(c), np.nan))


@pytest.fixture(scope="session")
def make_bars() -> BarMaker:
    return _make
