"""Earlier values of a series, and what its latest changes have in common: how many rose, and how much of the way was up."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Parameters, period, period_of, series_operator
from nullalpha.engines.features.rolling import lagged, rolling_mean, rolling_sum
from nullalpha.strategy.vocabulary import Parameter


def _ref(columns: Columns, params: Parameters) -> Columns:
    return (lagged(columns[0], int(params["lag"])),)


def _shares(columns: Columns, params: Parameters) -> tuple[FloatArray, FloatArray]:
    """Return the shares of the last `period` changes that were rises, and falls."""
    direction = np.sign(columns[0] - lagged(columns[0], 1))
    rises = rolling_mean(np.maximum(direction, 0.0), period_of(params))
    return rises, rolling_mean(np.maximum(-direction, 0.0), period_of(params))


def _ways(columns: Columns, params: Parameters) -> tuple[FloatArray, FloatArray]:
    """Return the shares of the way of the last `period` changes that went up, and down; NaN where nothing moved."""
    change = columns[0] - lagged(columns[0], 1)
    gains = rolling_sum(np.maximum(change, 0.0), period_of(params))
    losses = rolling_sum(np.maximum(-change, 0.0), period_of(params))
    return gains / (gains + losses), losses / (gains + losses)


def _cntp(columns: Columns, params: Parameters) -> Columns:
    return (_shares(columns, params)[0],)


def _cntn(columns: Columns, params: Parameters) -> Columns:
    return (_shares(columns, params)[1],)


def _cntd(columns: Columns, params: Parameters) -> Columns:
    rises, falls = _shares(columns, params)
    return (rises - falls,)


def _sump(columns: Columns, params: Parameters) -> Columns:
    return (_ways(columns, params)[0],)


def _sumn(columns: Columns, params: Parameters) -> Columns:
    return (_ways(columns, params)[1],)


def _sumd(columns: Columns, params: Parameters) -> Columns:
    up, down = _ways(columns, params)
    return (up - down,)


REF = series_operator(
    "ref",
    "The value `lag` bars ago.",
    _ref,
    unit="input",
    parameters=(Parameter("lag", 1, 1, 250),),
    warmup_bars=lambda params: int(params["lag"]),
    source="Ref of Alpha158 (Qlib), of the past alone",
)

CNTP = series_operator(
    "cntp",
    "Share of the last `period` changes that were rises.",
    _cntp,
    unit="bounded_0_1",
    parameters=(period(20),),
    warmup_bars=period_of,
    source="CNTP of Alpha158 (Qlib)",
)

CNTN = series_operator(
    "cntn",
    "Share of the last `period` changes that were falls.",
    _cntn,
    unit="bounded_0_1",
    parameters=(period(20),),
    warmup_bars=period_of,
    source="CNTN of Alpha158 (Qlib)",
)

CNTD = series_operator(
    "cntd",
    "Share of rises minus share of falls among the last `period` changes.",
    _cntd,
    unit="bounded_-1_1",
    parameters=(period(20),),
    warmup_bars=period_of,
    source="CNTD of Alpha158 (Qlib)",
)

SUMP = series_operator(
    "sump",
    "Sum of the rises among the last `period` changes over the sum of all, signs dropped: RSI's idea with a plain window.",
    _sump,
    unit="bounded_0_1",
    parameters=(period(20),),
    warmup_bars=period_of,
    source="SUMP of Alpha158 (Qlib)",
)

SUMN = series_operator(
    "sumn",
    "Sum of the falls among the last `period` changes over the sum of all, signs dropped.",
    _sumn,
    unit="bounded_0_1",
    parameters=(period(20),),
    warmup_bars=period_of,
    source="SUMN of Alpha158 (Qlib)",
)

SUMD = series_operator(
    "sumd",
    "Rises minus falls among the last `period` changes over the sum of all, signs dropped.",
    _sumd,
    unit="bounded_-1_1",
    parameters=(period(20),),
    warmup_bars=period_of,
    source="SUMD of Alpha158 (Qlib)",
)
