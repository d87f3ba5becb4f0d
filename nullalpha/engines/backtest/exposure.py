"""Exposure-matched holding: what a strategy without skill would have earned by holding as much of the instrument as it used to hold.

A strategy that is long half the time in a market that rises earns half the market; the excess over that is what timing added.

The matching exposure of a bar is known before the bar: the mean of the strategy's exposure over the bars before the fold (with the
fold's own model) and over those of the fold that have passed. The fold's own mean would not do: it contains exposures chosen in answer
to the very returns that it is charged with, so a rule that buys after falls would show an excess on pure noise, and one that buys
after rises a shortfall (docs/adr/0010).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray, IntArray


def matched_exposure(exposure: FloatArray, fold_ids: IntArray, priors: Sequence[FloatArray]) -> FloatArray:
    """Return the exposure to hold in each bar, known before it: the mean of a fold's prior and of its bars so far.

    Args:
        exposure: (n_bars,) signed position value over equity at each close.
        fold_ids: (n_bars,) 0, 1, ... in order of time; each fold's bars together.
        priors: the strategy's exposure at the closes before each fold, one array a fold; may be empty.
    Returns:
        (n_bars,) NaN in the first bar of a fold without a prior.
    Raises:
        DataError: if lengths differ or a fold has no entry in `priors`.
    """
    if exposure.shape != fold_ids.shape:
        raise DataError(f"exposure and fold ids have {len(exposure)} and {len(fold_ids)} bars", path="matched_exposure")
    if len(fold_ids) and int(fold_ids.max()) >= len(priors):
        raise DataError(f"there are {len(priors)} priors for {int(fold_ids.max()) + 1} folds", path="matched_exposure.priors")
    matched = np.full(len(exposure), np.nan)
    for fold, prior in enumerate(priors):
        rows = np.flatnonzero(fold_ids == fold)
        so_far = np.concatenate(([0.0], np.cumsum(exposure[rows])[:-1])) + prior.sum()
        count = len(prior) + np.arange(len(rows))
        np.divide(so_far[: len(rows)], count, out=so_far[: len(rows)], where=count > 0)
        matched[rows] = np.where(count > 0, so_far[: len(rows)], np.nan)
    return matched


def excess_returns(returns: FloatArray, matched: FloatArray, instrument_returns: FloatArray) -> FloatArray:
    """Return a strategy's bar returns minus those of holding the matched exposure, which pays no costs.

    Args:
        returns: (n_bars,) of the strategy, net of costs.
        matched: (n_bars,) see `matched_exposure`; NaN stays NaN.
        instrument_returns: (n_bars,) close-to-close; NaN stays NaN.
    Raises:
        DataError: if lengths differ.
    """
    if not returns.shape == matched.shape == instrument_returns.shape:
        raise DataError(
            f"returns, matched exposure and instrument returns have {len(returns)}, {len(matched)} and {len(instrument_returns)} bars",
            path="excess_returns",
        )
    return returns - matched * instrument_returns
