"""Long-run variance of a stationary series: the variance of sqrt(n) times its mean when neighbours correlate.

Not a variance of the values. Units: those of the series, squared.
"""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray

_BARTLETT_CONSTANT = 1.1447


def automatic_bandwidth(values: FloatArray) -> float:
    """Return the Bartlett bandwidth that the data ask for, in observations; 0 for a constant series.

    Held to sqrt(n): where negative autocorrelation nearly cancels the variance the plug-in rule explodes, and a
    bandwidth near n estimates nothing.

    Args:
        values: (n,) finite, n >= 2.
    Source: Newey & West (1994), Review of Economic Studies 61(4), table II.
    """
    n = len(values)
    centred = values - values.mean()
    pilot = min(int(np.ceil(4 * (n / 100) ** (2 / 9))), n - 1)
    covariance = np.array([centred[lag:] @ centred[: n - lag] / n for lag in range(pilot + 1)])
    lags = np.arange(1, pilot + 1)
    level = covariance[0] + 2 * covariance[1:].sum()
    slope = 2 * (lags * covariance[1:]).sum()
    if level == 0.0:
        return 0.0
    return float(min(_BARTLETT_CONSTANT * ((slope / level) ** 2 * n) ** (1 / 3), np.sqrt(n), n - 1.0))


def long_run_variance(values: FloatArray, bandwidth: float | None = None) -> float:
    """Return the Newey-West long-run variance, which is never negative.

    Args:
        values: (n,) finite, n >= 2.
        bandwidth: last lag with weight, in observations; None lets the data choose it.
    Returns:
        The Bartlett-weighted sum of autocovariances; NaN if n < 2.
    Source: Newey & West (1987), Econometrica 55(3).
    """
    n = len(values)
    if n < 2:
        return float("nan")
    width = automatic_bandwidth(values) if bandwidth is None else min(bandwidth, n - 1.0)
    centred = values - values.mean()
    total = float(centred @ centred) / n
    for lag in range(1, int(width) + 1):
        total += 2 * (1 - lag / (width + 1)) * float(centred[lag:] @ centred[: n - lag]) / n
    return max(total, 0.0)
