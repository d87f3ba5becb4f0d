"""Squeeze intensity: how deep the Bollinger bands lie inside the Keltner channel."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.features.indicators.contract import Columns, Indicator, Parameters, Recursion, before_period, period, period_of
from nullalpha.engines.features.indicators.keltner import KELTNER_STATE, keltner_lines, keltner_warmup
from nullalpha.engines.features.rolling import rolling_moments
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter


def _warmup(params: Parameters) -> int:
    return before_period(params) + keltner_warmup(int(params["keltner_period"]), int(params["atr_period"]))


def _front(columns: Columns, params: Parameters) -> Columns:
    mean, std = rolling_moments(columns[2], period_of(params), ddof=0)
    return *(column.copy() for column in columns), mean, params["deviations"] * std


def _squeeze(columns: Columns, params: Parameters, state: FloatArray) -> Columns:
    mean, band = columns[3:]
    middle, half = keltner_lines(columns[:3], int(params["keltner_period"]), int(params["atr_period"]), params["multiplier"], state)
    room = 1 - (band + np.abs(mean - middle)) / np.where(half > 0, half, np.nan)
    return (np.maximum(room, 0.0),)


SQUEEZE_INTENSITY = Indicator(
    IndicatorSignature(
        name="squeeze_intensity",
        summary="How deep the Bollinger bands lie inside the Keltner channel: 0 when one leaves it, near 1 when closes stand still.",
        inputs=("high", "low", "close"),
        parameters=(
            period(20, low=3),
            Parameter("deviations", 2.0, 0.5, 5.0, integer=False),
            Parameter("keltner_period", 20, 2, 100),
            Parameter("atr_period", 10, 2, 50),
            Parameter("multiplier", 2.0, 0.5, 10.0, integer=False),
        ),
        outputs=("squeeze_intensity",),
        unit="bounded_0_1",
        warmup_bars=_warmup,
        stability="fading",
        source="the squeeze of Carter (2005), as the room between the nearer band and its line over half the channel",
    ),
    Recursion(_squeeze, KELTNER_STATE, _front, before_period),
)
