from __future__ import annotations

import csv
import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from nullalpha.data.bars import Bars, SessionTable


def _real_bars() -> Bars:
    spec = find_spec("arch")
    assert spec is not None
    assert spec.origin is not None
    with gzip.open(Path(spec.origin).parent / "data" / "sp500" / "sp500.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:]
    days = [f"{int(y):04d}-{int(m):02d}-{int(d):02d}" for m, d, y in (row[0].split("/") for row in rows)]
    values = np.array([[float(cell) for cell in row[1:]] for row in rows])
    ratio = values[:, 4] / values[:, 3]
    close = values[:, 3] * ratio
    return Bars(
        instrument="SPX",
        timeframe="1d",
        time=np.array(days, "datetime64[ns]") + np.timedelta64(21, "h"),
        open=np.clip(values[:, 0], values[:, 2], values[:, 1]) * ratio,
        high=np.maximum(values[:, 1] * ratio, close),
        low=np.minimum(values[:, 2] * ratio, close),
        close=close,
        volume=values[:, 5],
    )


def _quarter_hours() -> Bars:
    """A year of sessions from 14:30 to 21:00 (in summer an hour earlier), every tenth of which closes early."""
    days = np.arange("2023-01-02", "2024-01-06", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    summer = (days >= np.datetime64("2023-03-12")) & (days < np.datetime64("2023-11-05"))
    opens = days.astype("datetime64[ns]") + np.timedelta64(870, "m") - summer * np.timedelta64(60, "m")
    closes = opens + np.where(np.arange(len(days)) % 10 == 7, 210, 390) * np.timedelta64(1, "m")
    step = np.timedelta64(15, "m")
    time = np.concatenate([np.arange(start, stop, step) + step for start, stop in zip(opens, closes, strict=True)])
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(0.002 * rng.standard_normal(len(time))))
    open_ = np.concatenate([[100.0], close[:-1]])
    return Bars(
        instrument="INTRA",
        timeframe="15m",
        time=time,
        open=open_,
        high=np.maximum(open_, close) * (1 + 0.001 * rng.random(len(time))),
        low=np.minimum(open_, close) * (1 - 0.001 * rng.random(len(time))),
        close=close,
        volume=rng.integers(1, 1000, len(time)).astype(float),
        spread=0.01 + 0.01 * rng.random(len(time)),
        sessions=SessionTable(opens, closes),
    )


@pytest.fixture(scope="session")
def spx() -> Bars:
    """Twenty years of S&P 500 bars, weekdays with the exchange's holidays."""
    return _real_bars()


@pytest.fixture(scope="session")
def bars(spx: Bars) -> Bars:
    """2,000 bars from 2007 on: calm, crash and recovery, so that early history differs from late."""
    return spx.slice(2000, 4000)


@pytest.fixture(scope="session")
def quarter_hours() -> Bars:
    """A year of 15-minute bars with sessions, early closes and two changes of the clocks."""
    return _quarter_hours()


@pytest.fixture(scope="session")
def vix(bars: Bars) -> Bars:
    """Another instrument's daily bars, a quarter of an hour after those of `bars`, with some days of its own and some missing."""
    rng = np.random.default_rng(3)
    extra = bars.time[:-1][np.diff(bars.time) > np.timedelta64(2, "D")][::3] + np.timedelta64(1, "D")  # some Saturdays
    time = np.unique(np.concatenate([bars.time[rng.random(len(bars)) > 0.05] + np.timedelta64(15, "m"), extra]))
    close = 20 * np.exp(0.1 * np.sin(np.arange(len(time)) / 30) + 0.03 * rng.standard_normal(len(time)))
    return Bars("VIX", "1d", time, close * 0.99, close * 1.02, close * 0.98, close, np.full(len(time), np.nan))


@pytest.fixture(scope="session")
def rates(bars: Bars) -> Bars:
    """An outside series, published about once a month, of either sign."""
    time = bars.time[5::21] - np.timedelta64(8, "h")
    value = np.sin(np.arange(len(time)) / 7)
    return Bars("RATES", "published", time, value, value, value, value, np.full(len(time), np.nan))
