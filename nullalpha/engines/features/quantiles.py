"""Where a feature's values lie over the first rows: the anchors at which fuzzy sets are placed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import Bars
from nullalpha.engines.features.pipeline import NO_OTHERS, compute_features
from nullalpha.strategy.plan import FeaturePlan

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
MIN_VALUES = 50


def feature_quantiles(
    feature: FeaturePlan, bars: Bars, stop_row: int, others: Mapping[str, Bars] = NO_OTHERS
) -> tuple[float, float, float, float, float]:
    """Return the 10, 30, 50, 70 and 90 % quantiles of a feature over the rows before `stop_row`.

    Later bars are cut off before anything is computed, so they cannot matter; those of other instruments (`others`, by symbol) are joined
    as of their time. NaN rows are ignored.

    Raises:
        InsufficientBarsError: if fewer than 50 rows have a value.
    """
    values = compute_features((feature,), bars.slice(0, stop_row), others)[:, 0]
    values = values[np.isfinite(values)]
    if len(values) < MIN_VALUES:
        raise InsufficientBarsError(
            f"feature {feature.name!r} ({feature.indicator}) has {len(values)} values in the first {min(stop_row, len(bars))} bars of "
            f"{bars.instrument}; placing sets needs {MIN_VALUES}",
            path=f"features.{feature.name}",
            value=len(values),
            suggestion="use shorter periods, or more bars",
        )
    low, lower, middle, upper, high = np.quantile(values, QUANTILES)
    return float(low), float(lower), float(middle), float(upper), float(high)
