"""The shape of one bar: its body, its shadows and where it closed, over the open or over its own range."""

from __future__ import annotations

import numpy as np

from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters
from nullalpha.strategy.vocabulary import IndicatorSignature


def _candle(columns: Columns, params: Parameters) -> Columns:
    open_, high, low, close = columns
    height = high - low
    parts = (
        close - open_,
        high - np.maximum(open_, close),
        np.minimum(open_, close) - low,
        (close - low) - (high - close),
    )
    return (height / open_, *(part / open_ for part in parts), *(part / height for part in parts))


CANDLE = Indicator(
    IndicatorSignature(
        name="candle",
        summary="The bar's range, body, shadows and close from its middle (twice that), over its open; `_share`: over its range.",
        inputs=("open", "high", "low", "close"),
        parameters=(),
        outputs=(
            "range",
            "body",
            "upper_shadow",
            "lower_shadow",
            "close_shift",
            "body_share",
            "upper_share",
            "lower_share",
            "close_share",
        ),
        unit="ratio",
        warmup_bars=lambda params: 0,
        stability="windowed",
        source="KLEN, KMID, KUP, KLOW, KSFT and their shares (KMID2, ...) of Alpha158 (Qlib)",
        output_units=(
            ("body_share", "bounded_-1_1"),
            ("upper_share", "bounded_0_1"),
            ("lower_share", "bounded_0_1"),
            ("close_share", "bounded_-1_1"),
        ),
    ),
    _candle,
)
