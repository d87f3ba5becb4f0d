"""Row by row: the series itself, its logarithm, size and sign, and bounds for it."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Parameters, series_operator
from nullalpha.strategy.vocabulary import Parameter


def _level(columns: Columns, params: Parameters) -> Columns:
    return (columns[0].copy(),)


def _log(columns: Columns, params: Parameters) -> Columns:
    return (np.log(columns[0]),)


def _log1p(columns: Columns, params: Parameters) -> Columns:
    return (np.log1p(columns[0]),)


def _abs(columns: Columns, params: Parameters) -> Columns:
    return (np.abs(columns[0]),)


def _sign(columns: Columns, params: Parameters) -> Columns:
    return (np.sign(columns[0]),)


def _clip(columns: Columns, params: Parameters) -> Columns:
    return (np.clip(columns[0], -params["limit"], params["limit"]),)


LEVEL = series_operator("level", "The series as it is.", _level, unit="input", source="identity")

LOG = series_operator("log", "Natural logarithm; missing where the value is not above 0.", _log, unit="value", source="arithmetic")

LOG1P = series_operator(
    "log1p",
    "Natural logarithm of 1 + the value; missing where the value is not above -1.",
    _log1p,
    unit="value",
    series=("volume",),
    source="Log($volume + 1) of Alpha158 (Qlib)",
)

ABS = series_operator("abs", "The value without its sign.", _abs, unit="input", series=("returns",), source="arithmetic")

SIGN = series_operator(
    "sign", "1 where the value is above 0, -1 where below, 0 at 0.", _sign, unit="bounded_-1_1", series=("returns",), source="arithmetic"
)

CLIP = series_operator(
    "clip",
    "The value, but at most `limit` and at least minus `limit`.",
    _clip,
    unit="input",
    parameters=(Parameter("limit", 3.0, 0.001, 1e6, integer=False),),
    series=("returns",),
    source="arithmetic",
)
