"""Ichimoku's lines as they are known at the bar.

The cloud over bar t was computed `displacement` bars before and plotted ahead; it is a value of the past and reads nothing of the future.
The lagging span (chikou), which plots today's close in the past, is left out: as a feature it would be the close itself, or the future.
"""

from __future__ import annotations

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters
from nullalpha.engines.features.rolling import lagged, rolling_max, rolling_min
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter


def _warmup(params: Parameters) -> int:
    return int(params["senkou"]) - 1 + int(params["displacement"])


def _ichimoku(columns: Columns, params: Parameters) -> Columns:
    high, low = columns
    tenkan, kijun, senkou = (_middle(high, low, int(params[name])) for name in ("tenkan", "kijun", "senkou"))
    ahead = int(params["displacement"])
    return tenkan, kijun, lagged((tenkan + kijun) / 2, ahead), lagged(senkou, ahead)


def _middle(high: FloatArray, low: FloatArray, window: int) -> FloatArray:
    return (rolling_max(high, window) + rolling_min(low, window)) / 2


ICHIMOKU = Indicator(
    IndicatorSignature(
        name="ichimoku",
        summary="Middles of the ranges of `tenkan` and `kijun` bars, and the cloud (senkou_a, senkou_b) drawn here in the past, in price.",
        inputs=("high", "low"),
        parameters=(
            Parameter("tenkan", 9, 2, 60),
            Parameter("kijun", 26, 3, 120),
            Parameter("senkou", 52, 4, 250),
            Parameter("displacement", 26, 1, 120),
        ),
        outputs=("tenkan", "kijun", "senkou_a", "senkou_b"),
        unit="price",
        warmup_bars=_warmup,
        stability="windowed",
        source="Hosoda (1969)",
        rising=("tenkan", "kijun", "senkou"),
    ),
    _ichimoku,
)
