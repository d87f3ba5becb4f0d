"""Operators on two series: arithmetic, and how they move together."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Parameters, before_period, period, period_of, series_operator
from nullalpha.engines.features.rolling import lagged, rolling_cross, rolling_moments


def _ratio(columns: Columns, params: Parameters) -> Columns:
    return (columns[0] / columns[1],)


def _difference(columns: Columns, params: Parameters) -> Columns:
    return (columns[0] - columns[1],)


def _corr(columns: Columns, params: Parameters) -> Columns:
    return (rolling_cross(columns[0], columns[1], period_of(params))[0],)


def _cord(columns: Columns, params: Parameters) -> Columns:
    first, second = (column / lagged(column, 1) for column in columns)
    growth = np.log(second + 1)
    first, growth = (np.where(np.isfinite(one), one, np.nan) for one in (first, growth))
    return (rolling_cross(first, growth, period_of(params))[0],)


def _beta(columns: Columns, params: Parameters) -> Columns:
    return (rolling_cross(columns[1], columns[0], period_of(params))[1],)


def _wvma(columns: Columns, params: Parameters) -> Columns:
    price, volume = columns
    move = np.abs(price / lagged(price, 1) - 1) * volume
    mean, std = rolling_moments(np.where(np.isfinite(move), move, np.nan), period_of(params))
    return (std / mean,)


RATIO = series_operator(
    "ratio",
    "The first series over the second.",
    _ratio,
    unit="ratio",
    series=("close", "open"),
    source="arithmetic",
)

DIFFERENCE = series_operator(
    "difference",
    "The first series minus the second, in the unit of the first.",
    _difference,
    unit="input",
    series=("close", "open"),
    source="arithmetic",
)

CORR = series_operator(
    "corr",
    "Correlation of two series over the last `period` bars.",
    _corr,
    unit="bounded_-1_1",
    parameters=(period(20, low=3),),
    series=("close", "volume"),
    warmup_bars=before_period,
    symmetric=True,
    source="Corr of Alpha158 (Qlib)",
)

CORD = series_operator(
    "cord",
    "Correlation of the changes of two series over the last `period` bars: x / x before with log(y / y before + 1).",
    _cord,
    unit="bounded_-1_1",
    parameters=(period(20, low=3),),
    series=("close", "volume"),
    warmup_bars=period_of,
    source="CORD of Alpha158 (Qlib)",
)

BETA = series_operator(
    "beta",
    "Slope of the first series on the second over the last `period` bars: how much the first moves for one of the second.",
    _beta,
    unit="ratio",
    parameters=(period(60, low=3),),
    series=("close", "open"),
    warmup_bars=before_period,
    source="ordinary least squares",
)

WVMA = series_operator(
    "wvma",
    "Deviation over mean of the last `period` moves (as fractions, signs dropped) of the first series times the second.",
    _wvma,
    unit="ratio",
    parameters=(period(20),),
    series=("close", "volume"),
    warmup_bars=period_of,
    source="WVMA of Alpha158 (Qlib)",
)
