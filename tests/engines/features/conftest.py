from __future__ import annotations

import csv
import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from nullalpha.data.bars import Bars


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


@pytest.fixture(scope="session")
def spx() -> Bars:
    """Twenty years of S&P 500 bars, weekdays with the exchange's holidays."""
    return _real_bars()


@pytest.fixture(scope="session")
def bars(spx: Bars) -> Bars:
    """2,000 bars from 2007 on: calm, crash and recovery, so that early history differs from late."""
    return spx.slice(2000, 4000)
