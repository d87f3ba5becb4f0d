"""The stationary bootstrap as weights: how often each row occurs in each resample. No data enters here.

A resample's mean is its weights times the series over n, so any number of series share one set of resamples and
cross-sectional dependence survives.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray


def stationary_weights(n: int, block: float, reps: int, rng: np.random.Generator) -> FloatArray:
    """Draw resamples by blocks of geometric length that wrap around the end.

    Args:
        n: rows of the series, >= 1.
        block: mean block length in rows, >= 1; 1 is the ordinary bootstrap.
        reps: resamples.
        rng: consumed; the same state gives the same weights.
    Returns:
        (reps, n) counts; each row sums to n.
    Raises:
        DataError: if `n`, `block` or `reps` is below 1.
    Source: Politis & Romano (1994), Journal of the American Statistical Association 89(428).
    """
    for name, value in (("n", n), ("block", block), ("reps", reps)):
        if not value >= 1:
            raise DataError(f"{name} is {value}; the bootstrap needs at least 1", path=name, value=value)
    return np.asarray(_stationary_weights_nb(n, 1.0 / block, reps, rng), dtype=np.float64)


@njit(cache=True)
def _stationary_weights_nb(n: int, restart: float, reps: int, rng: np.random.Generator) -> FloatArray:
    weights = np.zeros((reps, n))
    for rep in range(reps):
        row = 0
        for i in range(n):
            if i == 0 or rng.random() < restart:
                row = int(rng.random() * n)
            else:
                row += 1
                if row == n:
                    row = 0
            weights[rep, row] += 1.0
    return weights
