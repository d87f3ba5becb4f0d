"""Exposure-matched holding: what a strategy without skill would have earned by holding as much of the instrument all the time.

A strategy that is long half the time in a market that rises earns half the market; the excess over that is what timing added.
"""

from __future__ import annotations

import numpy as np

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray, IntArray


def matched_holding_returns(exposure: FloatArray, instrument_returns: FloatArray, fold_ids: IntArray) -> FloatArray:
    """Return the bar returns of holding each fold's mean exposure in every bar of that fold, without costs.

    Args:
        exposure: (n_bars,) signed position value over equity at each close.
        instrument_returns: (n_bars,) close-to-close; NaN stays NaN.
        fold_ids: (n_bars,) which fold each bar belongs to; any integers.
    Raises:
        DataError: if lengths differ.
    """
    if not exposure.shape == instrument_returns.shape == fold_ids.shape:
        raise DataError(
            f"exposure, instrument returns and fold ids have {len(exposure)}, {len(instrument_returns)} and {len(fold_ids)} bars",
            path="matched_holding_returns",
        )
    _, fold = np.unique(fold_ids, return_inverse=True)
    mean = np.bincount(fold, weights=exposure) / np.bincount(fold)
    held: FloatArray = mean[fold] * instrument_returns
    return held


def excess_returns(returns: FloatArray, exposure: FloatArray, instrument_returns: FloatArray, fold_ids: IntArray) -> FloatArray:
    """Return a strategy's bar returns minus those of holding its fold's mean exposure.

    Args:
        returns: (n_bars,) of the strategy, net of costs.
        exposure, instrument_returns, fold_ids: see `matched_holding_returns`.
    Raises:
        DataError: if lengths differ.
    """
    held = matched_holding_returns(exposure, instrument_returns, fold_ids)
    if returns.shape != held.shape:
        raise DataError(f"returns have {len(returns)} bars and exposure {len(held)}", path="excess_returns")
    return returns - held
