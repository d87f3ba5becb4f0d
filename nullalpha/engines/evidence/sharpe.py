"""The Sharpe ratio with a standard error that knows skew, fat tails and autocorrelation.

Returns are simple returns of exchange sessions, as fractions, in excess of cash. Annual figures use the instrument's own count
of sessions a year (252, 260 or 365), never a fixed one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.long_run import long_run_variance

_ROUNDING = 1e-12


@dataclass(frozen=True)
class SharpeEstimate:
    """A Sharpe ratio and what it rests on.

    Attributes:
        value: annual; NaN if the returns do not vary or there are fewer than 2.
        standard_error: annual, of `value`; NaN where `value` is.
        n: sessions.
        skew: third standardised moment; 0 for a normal distribution.
        kurtosis: fourth standardised moment; 3 for a normal distribution.
        sessions_per_year: the factor used.
    """

    value: float
    standard_error: float
    n: int
    skew: float
    kurtosis: float
    sessions_per_year: float


def sharpe_estimate(returns: FloatArray, sessions_per_year: float) -> SharpeEstimate:
    """Estimate the annual Sharpe ratio and its standard error.

    The error is the long-run standard deviation of the ratio's influence function,
    z - SR / 2 (z^2 - 1) with z the standardised return. For independent returns this is the error of Mertens (2002),
    sqrt((1 - skew SR + (kurtosis - 1) / 4 SR^2) / n); the long-run variance adds the autocorrelation of Lo (2002).

    Args:
        returns: (n,) session returns, fractions.
        sessions_per_year: > 0.
    Raises:
        DataError: if a return is missing or infinite, or `sessions_per_year` is not positive.
    Source: Lo (2002), Financial Analysts Journal 58(4); Mertens (2002), working paper; Newey & West (1994).
    """
    values = finite_returns(returns)
    if not sessions_per_year > 0:
        raise DataError(f"sessions_per_year is {sessions_per_year}; it must be positive", path="sessions_per_year", value=sessions_per_year)
    n = len(values)
    if not varies(values):
        nan = float("nan")
        return SharpeEstimate(nan, nan, n, nan, nan, sessions_per_year)
    standardised = (values - values.mean()) / values.std()
    per_period = per_period_sharpe(values)
    influence = standardised - per_period / 2 * (standardised**2 - 1)
    error = math.sqrt(long_run_variance(influence) / n)
    return SharpeEstimate(
        value=per_period * math.sqrt(sessions_per_year),
        standard_error=error * math.sqrt(sessions_per_year),
        n=n,
        skew=float(np.mean(standardised**3)),
        kurtosis=float(np.mean(standardised**4)),
        sessions_per_year=sessions_per_year,
    )


def per_period_sharpe(returns: FloatArray) -> float:
    """Return mean over standard deviation (n - 1) of one period's returns, not annualised; NaN if they do not vary."""
    return float(returns.mean() / returns.std(ddof=1)) if varies(returns) else float("nan")


def varies(returns: FloatArray) -> bool:
    """Tell whether returns differ by more than the rounding of their own size."""
    return len(returns) >= 2 and float(np.ptp(returns)) > _ROUNDING * float(np.abs(returns).max())


def finite_returns(returns: FloatArray) -> FloatArray:
    """Return a (n,) float64 array of returns, all of them present.

    Raises:
        DataError: on another shape, or naming the first row that is missing or infinite.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"returns have shape {values.shape}; one series of shape (n,) is needed", path="returns", value=values.shape)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataError(
            f"returns[{bad[0]}] is {values[bad[0]]}; {len(bad)} of {len(values)} returns are missing or infinite",
            path=f"returns[{bad[0]}]",
            value=values[bad[0]],
            suggestion="drop the sessions before the first complete one, and fix the data behind the others",
        )
    return values
