"""Probabilistic and deflated Sharpe ratios and the minimum track record: what the number of trials does to a Sharpe ratio.

Reported, never a gate: the deflated ratio's error is far from nominal when trials correlate. Sharpe ratios here are per period
(not annual); lengths are in periods; probabilities in [0, 1].
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.sharpe import finite_returns, per_period_sharpe, varies


def probabilistic_sharpe(returns: FloatArray, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio exceeds `benchmark` (per period); NaN if returns do not vary.

    Raises:
        DataError: if a return is missing or infinite.
    Source: Bailey & Lopez de Prado (2012), Journal of Risk 15(2), equation 11.
    """
    values = finite_returns(returns)
    if not varies(values):
        return float("nan")
    skew, kurtosis = _shape(values)
    return probabilistic_sharpe_from_moments(per_period_sharpe(values), len(values), skew, kurtosis, benchmark)


def probabilistic_sharpe_from_moments(sharpe: float, n: int, skew: float, kurtosis: float, benchmark: float = 0.0) -> float:
    """Return the same from moments: `kurtosis` is 3 for normal returns; NaN if n < 2 or the error is undefined."""
    spread = _spread(sharpe, skew, kurtosis)
    if n < 2 or not spread > 0:
        return float("nan")
    return float(norm.cdf((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(spread)))


def expected_maximum_sharpe(n_trials: int, variance_of_trials: float) -> float:
    """Return the expected best Sharpe ratio among independent trials without skill, in the units of the variance's root.

    Args:
        n_trials: >= 1; one trial has no maximum to expect, so 0.
        variance_of_trials: variance of Sharpe ratios across trials; NaN gives NaN.
    Raises:
        DataError: if `n_trials` < 1 or the variance is negative.
    Source: Bailey & Lopez de Prado (2014), Journal of Portfolio Management 40(5), equation 1.
    """
    if n_trials < 1:
        raise DataError(f"n_trials is {n_trials}; at least the trial itself counts", path="n_trials", value=n_trials)
    if variance_of_trials < 0:
        raise DataError(f"variance_of_trials is {variance_of_trials}; it cannot be negative", value=variance_of_trials)
    if n_trials == 1:
        return 0.0 if math.isfinite(variance_of_trials) else float("nan")
    best = (1 - np.euler_gamma) * norm.ppf(1 - 1 / n_trials) + np.euler_gamma * norm.ppf(1 - 1 / (n_trials * math.e))
    return float(math.sqrt(variance_of_trials) * best)


def deflated_sharpe(returns: FloatArray, trial_sharpes: FloatArray, n_trials: int) -> float:
    """Return the probability that the true Sharpe ratio exceeds what luck alone would reach in `n_trials`.

    Args:
        returns: (n,) session returns, fractions.
        trial_sharpes: (n_known,) per-period Sharpe ratios of the trials; those that are NaN have no figure and are left out.
        n_trials: every trial that saw data, with or without a figure; at least the number of known ones.
    Returns:
        A probability; with one trial the probabilistic ratio against 0; NaN if returns do not vary, or if `n_trials` > 1 and fewer
        than two trials have a figure.
    Raises:
        DataError: if a return is missing, or `n_trials` is less than the known figures.
    Source: Bailey & Lopez de Prado (2014), equations 1 and 2.
    """
    known = np.asarray(trial_sharpes, dtype=np.float64)
    known = known[np.isfinite(known)]
    if n_trials < len(known):
        raise DataError(
            f"n_trials is {n_trials}, but {len(known)} trials have a Sharpe ratio",
            path="n_trials",
            value=n_trials,
            suggestion="count every trial",
        )
    if n_trials == 1:
        return probabilistic_sharpe(returns)
    variance = float(known.var(ddof=1)) if len(known) >= 2 else float("nan")
    return probabilistic_sharpe(returns, expected_maximum_sharpe(n_trials, variance))


def minimum_track_length(returns: FloatArray, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Return how many periods it takes to say at `confidence` that the true Sharpe ratio exceeds `benchmark` (per period).

    Returns:
        Periods (not rounded); infinite if the estimate is not above the benchmark; NaN if returns do not vary.
    Raises:
        DataError: if a return is missing or infinite.
    Source: Bailey & Lopez de Prado (2012), equation 13.
    """
    values = finite_returns(returns)
    if not varies(values):
        return float("nan")
    skew, kurtosis = _shape(values)
    return minimum_track_length_from_moments(per_period_sharpe(values), skew, kurtosis, benchmark, confidence)


def minimum_track_length_from_moments(
    sharpe: float, skew: float, kurtosis: float, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """Return the same from moments: `kurtosis` is 3 for normal returns; NaN if the error is undefined."""
    spread = _spread(sharpe, skew, kurtosis)
    if not spread > 0:
        return float("nan")
    if sharpe <= benchmark:
        return float("inf")
    return float(1 + spread * (norm.ppf(confidence) / (sharpe - benchmark)) ** 2)


def _shape(values: FloatArray) -> tuple[float, float]:
    standardised = (values - values.mean()) / values.std()
    return float(np.mean(standardised**3)), float(np.mean(standardised**4))


def _spread(sharpe: float, skew: float, kurtosis: float) -> float:
    return 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
