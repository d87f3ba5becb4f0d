"""What a set of trials says as a set: how many different ones they are, and how often the best in sample loses out of sample.

Session returns as fractions. Reported figures; of these the probability of loss may gate, the probability of overfitting never:
a plateau of equally good strategies has one of 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from nullalpha.core.errors import DataError, InsufficientBarsError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.sharpe import varies


@dataclass(frozen=True)
class OverfittingEstimate:
    """Combinatorially symmetric cross-validation of "take the best Sharpe ratio".

    Attributes:
        pbo: share of splits in which the best half-sample strategy is at or below the median of the other half; NaN for one strategy.
        probability_of_loss: share in which its Sharpe ratio there is below 0.
        n_splits: splits that both halves could score.
    """

    pbo: float
    probability_of_loss: float
    n_splits: int


def effective_number_of_trials(returns: FloatArray, same_above: float = 0.5) -> int:
    """Return how many different strategies there are among correlated trials.

    Trials are grouped by average linkage; groups whose mean correlation is above `same_above` are one. Those that never vary are left out.

    Args:
        returns: (n_sessions, n_trials) finite.
        same_above: correlation in (-1, 1).
    Raises:
        DataError: on another shape or a missing value.
    Source: after Lopez de Prado & Lewis (2019), Quantitative Finance 19(9), with a fixed cut for the clusters.
    """
    values = _checked(returns)
    moving = [i for i in range(values.shape[1]) if varies(values[:, i])]
    if len(moving) < 2:
        return len(moving)
    distance = np.clip(1 - np.corrcoef(values[:, moving], rowvar=False), 0.0, 2.0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), method="average")
    return int(fcluster(tree, 1 - same_above, criterion="distance").max())


def overfitting_estimate(returns: FloatArray, n_blocks: int = 10) -> OverfittingEstimate:
    """Split the sessions into blocks, choose the best strategy on every half of them, and score it on the other half.

    Args:
        returns: (n_sessions, n_trials) finite; a session without a figure enters as 0.
        n_blocks: even, >= 4; sessions left over at the start are dropped.
    Raises:
        DataError: on another shape, a missing value or an odd number of blocks.
        InsufficientBarsError: if a block would have fewer than 2 sessions.
    Source: Bailey, Borwein, Lopez de Prado & Zhu (2017), Journal of Computational Finance 20(4).
    """
    values = _checked(returns)
    if n_blocks < 4 or n_blocks % 2:
        raise DataError(f"n_blocks is {n_blocks}; an even number of at least 4 is needed", path="n_blocks", value=n_blocks)
    size = len(values) // n_blocks
    if size < 2:
        raise InsufficientBarsError(f"{len(values)} sessions are too few for {n_blocks} blocks", value=len(values))
    blocks = values[len(values) - size * n_blocks :].reshape(n_blocks, size, -1)  # (blocks, sessions, trials)
    chosen = list(combinations(range(n_blocks), n_blocks // 2))
    halves = np.zeros((len(chosen), n_blocks))
    halves[np.arange(len(chosen))[:, None], np.array(chosen)] = 1.0
    inside, outside = _half_sharpes(blocks, halves), _half_sharpes(blocks, 1.0 - halves)
    usable = np.isfinite(inside).any(axis=1)
    best = np.argmax(np.where(np.isfinite(inside), inside, -np.inf), axis=1)
    score = outside[np.arange(len(best)), best]
    usable &= np.isfinite(score)
    if not usable.any():
        return OverfittingEstimate(float("nan"), float("nan"), 0)
    score, others = score[usable], outside[usable]
    known = np.isfinite(others).sum(axis=1)
    rank = (others <= score[:, None]).sum(axis=1)  # 1 for the worst
    pbo = float(np.mean(2 * rank <= known + 1)) if values.shape[1] > 1 else float("nan")
    return OverfittingEstimate(pbo, float(np.mean(score < 0)), int(usable.sum()))


def _half_sharpes(blocks: FloatArray, halves: FloatArray) -> FloatArray:
    """Return (n_splits, n_trials) per-session Sharpe ratios over the blocks that each row of `halves` marks; NaN without variation."""
    n = halves[0].sum() * blocks.shape[1]
    mean = halves @ blocks.sum(axis=1) / n
    square = halves @ (blocks**2).sum(axis=1) / n
    variance = square - mean**2
    return np.asarray(mean / np.sqrt(np.where(variance > 1e-12 * square, variance, np.nan)), dtype=np.float64)


def _checked(returns: FloatArray) -> FloatArray:
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise DataError(f"returns of shape {values.shape} must be (n_sessions, n_trials) without missing values", path="returns")
    return values
