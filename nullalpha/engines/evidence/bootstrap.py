"""How far a Sharpe ratio could have come out otherwise: the stationary bootstrap of session returns.

Returns are session returns as fractions; Sharpe ratios annual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.block_length import stationary_block_length
from nullalpha.engines.evidence.resampling import stationary_weights
from nullalpha.engines.evidence.sharpe import finite_returns, varies

_CHUNK = 250


@dataclass(frozen=True)
class Interval:
    """A confidence interval: bounds (NaN if undefined), its level, and the mean block length in sessions."""

    low: float
    high: float
    level: float
    block: float


def sharpe_interval(
    returns: FloatArray, sessions_per_year: float, seed: int, level: float = 0.9, reps: int = 1000, block: float | None = None
) -> Interval:
    """Return the equal-tailed percentile interval of the annual Sharpe ratio.

    Args:
        returns: (n,) session returns.
        sessions_per_year: annualisation factor, > 0.
        seed: of the resampling.
        level: coverage, in (0, 1).
        reps: resamples.
        block: mean block length in sessions; None takes it from the data (Politis & White 2004).
    Returns:
        Bounds; NaN if the returns do not vary.
    Raises:
        DataError: if a return is missing, or `level` lies outside (0, 1).
    Source: Politis & Romano (1994), Journal of the American Statistical Association 89(428).
    """
    values = finite_returns(returns)
    if not 0 < level < 1:
        raise DataError(f"level is {level}; it must lie between 0 and 1", path="level", value=level)
    if not varies(values):
        return Interval(float("nan"), float("nan"), level, block if block is not None else float("nan"))
    length = stationary_block_length(values) if block is None else block
    sharpes = bootstrap_sharpes(values, length, seed, reps) * math.sqrt(sessions_per_year)
    low, high = np.nanquantile(sharpes, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, length)


def bootstrap_sharpes(returns: FloatArray, block: float, seed: int, reps: int) -> FloatArray:
    """Return (reps,) per-period Sharpe ratios of resamples; NaN for one that came out constant."""
    n = len(returns)
    rng = np.random.default_rng(seed)
    scaled = returns / returns.std()
    moments = np.column_stack([scaled, scaled**2])
    sums = np.empty((reps, 2))
    for start in range(0, reps, _CHUNK):
        stop = min(start + _CHUNK, reps)
        sums[start:stop] = stationary_weights(n, block, stop - start, rng) @ moments
    mean = sums[:, 0] / n
    variance = (sums[:, 1] - n * mean**2) / (n - 1)
    return np.asarray(mean / np.sqrt(np.where(variance > 1e-12, variance, np.nan)), dtype=np.float64)
