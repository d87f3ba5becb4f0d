"""Feature plans in, one matrix out: the same computation for training, backtest and live use. Row t uses bars up to and including t."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nullalpha.core.errors import NotFoundError, nearest
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.indicators.registry import INDICATORS
from nullalpha.engines.features.rolling import rolling_moments
from nullalpha.engines.features.timeframes import Alignment, align
from nullalpha.strategy.plan import FeaturePlan
from nullalpha.strategy.vocabulary import ParameterValue

_ComputationKey = tuple[str, tuple[tuple[str, ParameterValue], ...], str]


def compute_features(features: Sequence[FeaturePlan], bars: Bars) -> FloatArray:
    """Return the feature matrix; what several features share is computed once.

    Args:
        features: the columns, in the order wanted.
        bars: base bars.

    Returns:
        (n_bars, n_features) float64; NaN in each column's warm-up and where its value is undefined (a flat window's z-score, say).

    Raises:
        NotFoundError: on an unknown indicator or output.
        UsageError: on a parameter out of its range, or a timeframe that cannot be made from these bars.
        DataError: if an indicator needs volume and the instrument has none.
    """
    alignments: dict[str, Alignment] = {}
    outputs: dict[_ComputationKey, dict[str, FloatArray]] = {}
    matrix = np.empty((len(bars), len(features)))
    for column, feature in enumerate(features):
        if feature.timeframe not in alignments:
            alignments[feature.timeframe] = align(bars, feature.timeframe)
        alignment = alignments[feature.timeframe]
        key = (feature.indicator, feature.params, feature.timeframe)
        if key not in outputs:
            outputs[key] = _indicator_outputs(feature, alignment.bars)
        values = alignment.join(_named_output(feature, outputs[key]))
        matrix[:, column] = zscore(values, feature.zscore_bars) if feature.zscore_bars else values
    return matrix


def zscore(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) distances from the trailing mean in sample standard deviations, both over `window` rows with row t among them.

    NaN where the window is not full, holds a NaN, or is flat.
    """
    mean, std = rolling_moments(values, window)
    out = np.full(len(values), np.nan)
    np.divide(values - mean, std, out=out, where=std > 0)
    return out


def _indicator_outputs(feature: FeaturePlan, bars: Bars) -> dict[str, FloatArray]:
    indicator = INDICATORS.get(feature.indicator)
    if indicator is None:
        near = nearest(feature.indicator, sorted(INDICATORS))
        raise NotFoundError(
            f"unknown indicator {feature.indicator!r} at features.{feature.name}; there are {len(INDICATORS)}",
            path=f"features.{feature.name}.indicator",
            value=feature.indicator,
            suggestion=f"did you mean {near!r}?" if near else "`nullalpha strategy indicators` lists all",
        )
    return dict(zip(indicator.signature.outputs, indicator.compute(bars, dict(feature.params)), strict=True))


def _named_output(feature: FeaturePlan, outputs: dict[str, FloatArray]) -> FloatArray:
    if feature.output not in outputs:
        raise NotFoundError(
            f"indicator {feature.indicator!r} has no output {feature.output!r} at features.{feature.name}",
            path=f"features.{feature.name}.output",
            value=feature.output,
            suggestion=f"use one of: {', '.join(outputs)}",
        )
    return outputs[feature.output]
