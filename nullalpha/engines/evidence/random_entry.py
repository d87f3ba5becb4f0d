"""The null of random entry: the same positions, held at other times.

The whole out-of-sample stretch is a ring. Turning the positions by a random number of bars against the returns keeps the number of
trades, their lengths, sides and sizes, how they cluster, and which instruments are held together; what is lost is when they were
entered. A strategy whose Sharpe ratio stands out among its own turned copies has timing; costs are the same in every copy and are
left out of all.

Positions are measured from what the strategy used to hold (`engines.backtest.exposure`), because a raw position carries the market's
direction with it: a rule that buys after falls is long most in a stretch that fell, and all its copies inherit that. Simulated on
noise, rules that react to the last 5 to 200 bars, for and against, are then told from random entry about as often as the level says
(tests hold this).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MIN_BARS = 20


@dataclass(frozen=True)
class RandomEntry:
    """Where the actual positions stand among turned ones.

    Attributes:
        p: (1 + copies at least as good) / (1 + copies); NaN without positions or without variation.
        n_draws: random turns.
        actual_sharpe: annual, of the actual positions in the same accounting.
        quantiles: annual Sharpe ratios of the copies at 5, 25, 50, 75 and 95 %.
    """

    p: float
    n_draws: int
    actual_sharpe: float
    quantiles: tuple[float, ...]


def random_entry(timing: FloatArray, returns: FloatArray, *, bars_per_year: float, seed: int, n_draws: int = 500) -> RandomEntry:
    """Compare the Sharpe ratio of positions with that of the same positions at random other times.

    Args:
        timing: (n_bars, n_instruments) position held through each bar less the matched exposure, as fractions of equity.
        returns: (n_bars, n_instruments) simple return of each bar from fill price to fill price.
        bars_per_year: annualisation factor.
        seed: of the turns.
        n_draws: random turns, at least one bar each.
    Raises:
        DataError: if shapes differ, a value is missing, or there are fewer than 20 bars.
    Source: Aronson (2006), Evidence-Based Technical Analysis, ch. 6, for random entry; Phipson & Smyth (2010) for the p-value's + 1.
    """
    if timing.shape != returns.shape or timing.ndim != 2:
        raise DataError(f"positions and returns have shapes {timing.shape} and {returns.shape}", path="random_entry")
    if len(timing) < MIN_BARS:
        raise DataError(f"{len(timing)} bars cannot be turned; at least {MIN_BARS} are needed", path="random_entry", value=len(timing))
    if not (np.isfinite(timing).all() and np.isfinite(returns).all()):
        raise DataError("a position or a return is missing", path="random_entry")
    actual = _sharpe((timing * returns).sum(axis=1)[None])[0]
    if np.isnan(actual):
        return RandomEntry(float("nan"), n_draws, float("nan"), (float("nan"),) * len(QUANTILES))
    turns = np.random.default_rng(seed).integers(1, len(timing), n_draws)
    rows = (np.arange(len(timing)) - turns[:, None]) % len(timing)  # (draws, bars)
    earned = np.zeros(rows.shape)
    for instrument in range(timing.shape[1]):
        earned += timing[rows, instrument] * returns[:, instrument]
    draws = _sharpe(earned)
    p = (1 + int((draws >= actual).sum())) / (1 + n_draws)
    scale = np.sqrt(bars_per_year)
    return RandomEntry(p, n_draws, float(actual * scale), tuple(float(q * scale) for q in np.quantile(draws, QUANTILES)))


def _sharpe(earned: FloatArray) -> FloatArray:
    """Return (draws,) mean over standard deviation of each row; NaN where a row does not vary."""
    deviation = earned.std(axis=1)
    ratio = np.full(len(earned), np.nan)
    np.divide(earned.mean(axis=1), deviation, out=ratio, where=deviation > 1e-15)
    return ratio
