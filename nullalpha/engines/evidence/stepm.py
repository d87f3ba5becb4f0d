"""Which of many strategies beat their benchmark, when the best of many looks good by luck: stepwise multiple testing.

Family-wise error is held whatever the correlation of the strategies. Not a test of one strategy chosen beforehand.
"""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.block_length import stationary_block_length
from nullalpha.engines.evidence.resampling import stationary_weights
from nullalpha.engines.evidence.sharpe import varies

_CHUNK = 250


def stepm_p_values(excess_returns: FloatArray, seed: int, reps: int = 2000, block: float | None = None) -> FloatArray:
    """Return adjusted p-values of H0: mean excess return <= 0, one for each strategy.

    Means are studentised by their bootstrap error; the null distribution is the maximum of the recentred studentised means
    over the strategies not yet rejected, all resampled with the same rows. A strategy with p <= q is rejected at family-wise error q.

    Args:
        excess_returns: (n_sessions, n_strategies) finite; a session in which a strategy has no figure enters as 0.
        seed: of the resampling.
        reps: resamples; p is at least 1 / (1 + reps).
        block: mean block length in sessions; None takes it from the data.
    Returns:
        (n_strategies,) in (0, 1]; 1 for a strategy whose excess never varies.
    Raises:
        DataError: on another shape, fewer than 20 resamples, or if a value is missing or infinite.
    Source: Romano & Wolf (2005), Econometrica 73(4); Romano & Wolf (2016), Statistics & Probability Letters 113 (p-values).
    """
    values = np.asarray(excess_returns, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise DataError(f"excess_returns have shape {values.shape}; (n_sessions >= 2, n_strategies) is needed", value=values.shape)
    if reps < 20:
        raise DataError(f"reps is {reps}; fewer than 20 resamples studentise nothing", path="reps", value=reps)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            f"excess_returns[{row}, {column}] is {values[row, column]}; {len(bad)} values are missing or infinite",
            path=f"excess_returns[{row}, {column}]",
            suggestion="enter sessions without a figure as 0",
        )
    p_values = np.ones(values.shape[1])
    moving = np.flatnonzero([varies(values[:, i]) for i in range(values.shape[1])])
    if len(moving):
        length = stationary_block_length(values[:, moving]) if block is None else block
        p_values[moving] = _stepdown(*_studentised(values[:, moving], length, seed, reps))
    return p_values


def _studentised(values: FloatArray, block: float, seed: int, reps: int) -> tuple[FloatArray, FloatArray]:
    """Return (k,) studentised means and (reps, k) recentred studentised means of resamples."""
    n, k = values.shape
    rng = np.random.default_rng(seed)
    mean = values.mean(axis=0)
    centred = values - mean
    resampled = np.empty((reps, k))
    for start in range(0, reps, _CHUNK):
        stop = min(start + _CHUNK, reps)
        resampled[start:stop] = stationary_weights(n, block, stop - start, rng) @ centred / n
    error = resampled.std(axis=0)
    return mean / error, resampled / error


def _stepdown(statistic: FloatArray, null: FloatArray) -> FloatArray:
    """Return (k,) adjusted p-values: from the largest statistic down, each against the maximum over itself and those below it."""
    order = np.argsort(-statistic, kind="stable")
    # the running maximum from the smallest statistic up: column j is the maximum over order[j:]
    maxima = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    exceed = (maxima >= statistic[order]).sum(axis=0)
    adjusted = np.maximum.accumulate((1 + exceed) / (1 + len(null)))
    result = np.empty(len(statistic))
    result[order] = adjusted
    return result
