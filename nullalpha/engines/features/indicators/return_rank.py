"""Rank of a bar's return among the latest ones."""

from __future__ import annotations

from nullalpha.engines.features.indicators.contract import Columns, Parameters, period, period_of, series_operator
from nullalpha.engines.features.rolling import lagged, rolling_rank


def _return_rank(columns: Columns, params: Parameters) -> Columns:
    return (rolling_rank(columns[0] / lagged(columns[0], 1), period_of(params)),)


RETURN_RANK = series_operator(
    "return_rank",
    "Rank of the bar's return among the last `period` returns: 0 the lowest, 1 the highest, ties in the middle.",
    _return_rank,
    unit="bounded_0_1",
    parameters=(period(60),),
    warmup_bars=period_of,
    source="rolling rank of Alpha158 (Qlib), trailing only",
)
