"""Alpha and beta against a benchmark, with errors that survive autocorrelation and changing volatility.

Session returns as fractions, in excess of cash; alpha annual (mean times sessions a year, not compounded).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.long_run import long_run_variance
from nullalpha.engines.evidence.sharpe import finite_returns, varies


@dataclass(frozen=True)
class BenchmarkFit:
    """Ordinary least squares of a strategy on a benchmark; `alpha_t` is alpha over its Newey-West error; undefined figures are NaN."""

    alpha: float
    alpha_standard_error: float
    alpha_t: float
    beta: float
    n: int


def benchmark_fit(returns: FloatArray, benchmark: FloatArray, sessions_per_year: float, bandwidth: float | None = None) -> BenchmarkFit:
    """Regress session returns on the benchmark's.

    Args:
        returns, benchmark: (n,) session returns of the same sessions.
        sessions_per_year: annualisation factor, > 0.
        bandwidth: last lag with weight; None lets the data choose it.
    Returns:
        All NaN if the benchmark does not vary or n < 3; t NaN if the benchmark explains everything.
    Raises:
        DataError: if lengths differ or a return is missing.
    Source: Newey & West (1987), Econometrica 55(3).
    """
    y, x = finite_returns(returns), finite_returns(benchmark)
    if len(y) != len(x):
        raise DataError(f"{len(y)} returns stand against {len(x)} of the benchmark; both must cover the same sessions")
    nan = float("nan")
    if len(y) < 3 or not varies(x):
        return BenchmarkFit(nan, nan, nan, nan, len(y))
    centred = x - x.mean()
    beta = float(centred @ y / (centred @ centred))
    alpha = float(y.mean() - beta * x.mean())
    residual = y - alpha - beta * x
    influence = residual * (1 - x.mean() * centred / x.var())
    error = math.sqrt(long_run_variance(influence, bandwidth) / len(y))
    exact = float(residual.std()) <= 1e-12 * float(y.std() + x.std())
    return BenchmarkFit(
        alpha=alpha * sessions_per_year,
        alpha_standard_error=error * sessions_per_year,
        alpha_t=nan if exact or error == 0.0 else alpha / error,
        beta=beta,
        n=len(y),
    )
