"""Where a series stands in its trailing window: deviation, extremes and when they were, quantile, rank, and the line through it.

Outputs named `relative` are over the series' value at that row, as Alpha158 divides by the close; the plain ones are in the series' unit.
"""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Parameters, before_period, period, period_of, series_operator
from nullalpha.engines.features.rolling import (
    rolling_line,
    rolling_max,
    rolling_min,
    rolling_moments,
    rolling_quantile,
    rolling_rank,
    rolling_since_max,
    rolling_since_min,
    rolling_std,
)
from nullalpha.strategy.vocabulary import Parameter, Unit

_RELATIVE: tuple[tuple[str, Unit], ...] = (("relative", "ratio"),)


def _std(columns: Columns, params: Parameters) -> Columns:
    std = rolling_std(columns[0], period_of(params))
    return std, std / columns[0]


def _zscore(columns: Columns, params: Parameters) -> Columns:
    mean, std = rolling_moments(columns[0], period_of(params))
    return (np.where(std > 0, (columns[0] - mean) / std, np.nan),)


def _max(columns: Columns, params: Parameters) -> Columns:
    return (rolling_max(columns[0], period_of(params)),)


def _min(columns: Columns, params: Parameters) -> Columns:
    return (rolling_min(columns[0], period_of(params)),)


def _quantile(columns: Columns, params: Parameters) -> Columns:
    return (rolling_quantile(columns[0], period_of(params), float(params["level"])),)


def _rank(columns: Columns, params: Parameters) -> Columns:
    return (rolling_rank(columns[0], period_of(params)),)


def _imax(columns: Columns, params: Parameters) -> Columns:
    since = rolling_since_max(columns[0], period_of(params), newest=False)
    return 1 - since / period_of(params), since


def _imin(columns: Columns, params: Parameters) -> Columns:
    since = rolling_since_min(columns[0], period_of(params), newest=False)
    return 1 - since / period_of(params), since


def _imxd(columns: Columns, params: Parameters) -> Columns:
    high, low = columns
    since_max = rolling_since_max(high, period_of(params), newest=False)
    return ((rolling_since_min(low, period_of(params), newest=False) - since_max) / period_of(params),)


def _slope(columns: Columns, params: Parameters) -> Columns:
    slope = rolling_line(columns[0], period_of(params))[1]
    return slope, slope / columns[0]


def _rsquare(columns: Columns, params: Parameters) -> Columns:
    return (rolling_line(columns[0], period_of(params))[2],)


def _resi(columns: Columns, params: Parameters) -> Columns:
    mean, slope, _ = rolling_line(columns[0], period_of(params))
    residual = columns[0] - (mean + slope * ((period_of(params) - 1) / 2))
    return residual, residual / columns[0]


STD = series_operator(
    "std",
    "Sample standard deviation of the last `period` values, in their unit; `relative`: over the value.",
    _std,
    unit="input",
    parameters=(period(20),),
    outputs=("std", "relative"),
    output_units=_RELATIVE,
    warmup_bars=before_period,
    source="STD of Alpha158 (Qlib) is `relative`",
)

ZSCORE = series_operator(
    "zscore",
    "The value minus its average of the last `period`, in sample standard deviations.",
    _zscore,
    unit="deviations",
    parameters=(period(60),),
    warmup_bars=before_period,
    source="common practice",
)

MAX = series_operator(
    "max",
    "Greatest of the last `period` values.",
    _max,
    unit="input",
    parameters=(period(20),),
    warmup_bars=before_period,
    source="Max of Alpha158 (Qlib)",
)

MIN = series_operator(
    "min",
    "Least of the last `period` values.",
    _min,
    unit="input",
    parameters=(period(20),),
    warmup_bars=before_period,
    source="Min of Alpha158 (Qlib)",
)

QUANTILE = series_operator(
    "quantile",
    "Quantile of the last `period` values at `level` (0.5 is the median), interpolated linearly.",
    _quantile,
    unit="input",
    parameters=(period(60), Parameter("level", 0.8, 0.0, 1.0, integer=False)),
    warmup_bars=before_period,
    source="Quantile of Alpha158 (Qlib)",
)

RANK = series_operator(
    "rank",
    "Rank of the value among the last `period`: 0 the lowest, 1 the highest, ties in the middle.",
    _rank,
    unit="bounded_0_1",
    parameters=(period(60),),
    warmup_bars=before_period,
    source="Rank of Alpha158 (Qlib), from 0 instead of 1 / period",
)

IMAX = series_operator(
    "imax",
    "Where in the last `period` values the greatest is: 1 for this bar, 1 / period for the oldest; `bars`: how long ago.",
    _imax,
    unit="bounded_0_1",
    parameters=(period(20),),
    series=("high",),
    outputs=("imax", "bars"),
    output_units=(("bars", "bars"),),
    warmup_bars=before_period,
    source="IMAX of Alpha158 (Qlib); of equals the oldest counts",
)

IMIN = series_operator(
    "imin",
    "Where in the last `period` values the least is: 1 for this bar, 1 / period for the oldest; `bars`: how long ago.",
    _imin,
    unit="bounded_0_1",
    parameters=(period(20),),
    series=("low",),
    outputs=("imin", "bars"),
    output_units=(("bars", "bars"),),
    warmup_bars=before_period,
    source="IMIN of Alpha158 (Qlib); of equals the oldest counts",
)

IMXD = series_operator(
    "imxd",
    "Bars from the least of the second series to the greatest of the first in the last `period`, over `period`; above 0 if that is later.",
    _imxd,
    unit="bounded_-1_1",
    parameters=(period(20),),
    series=("high", "low"),
    warmup_bars=before_period,
    source="IMXD of Alpha158 (Qlib)",
)

SLOPE = series_operator(
    "slope",
    "Slope per bar of the least-squares line through the last `period` values, in their unit; `relative`: over the value.",
    _slope,
    unit="input",
    parameters=(period(20),),
    outputs=("slope", "relative"),
    output_units=_RELATIVE,
    warmup_bars=before_period,
    source="BETA of Alpha158 (Qlib) is `relative`; TA-Lib LINEARREG_SLOPE",
)

RSQUARE = series_operator(
    "rsquare",
    "Share of the variance of the last `period` values that a straight line explains: 1 for a steady trend.",
    _rsquare,
    unit="bounded_0_1",
    parameters=(period(20, low=3),),
    warmup_bars=before_period,
    source="RSQR of Alpha158 (Qlib)",
)

RESI = series_operator(
    "resi",
    "The value minus the end of the least-squares line through the last `period`, in its unit; `relative`: over the value.",
    _resi,
    unit="input",
    parameters=(period(20, low=3),),
    outputs=("resi", "relative"),
    output_units=_RELATIVE,
    warmup_bars=before_period,
    source="RESI of Alpha158 (Qlib) is `relative`",
)
