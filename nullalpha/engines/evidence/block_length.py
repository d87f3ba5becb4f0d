"""How long the blocks of a bootstrap must be so that it keeps the series' own dependence. The one module that imports `arch` here."""

from __future__ import annotations

import numpy as np
from arch.bootstrap import optimal_block_length

from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.sharpe import varies

_MIN_ROWS = 16


def stationary_block_length(values: FloatArray) -> float:
    """Return the mean block length for the stationary bootstrap, in rows, from 1 to sqrt(n).

    Args:
        values: (n,) or (n, k) finite; of several columns, the median over those that vary.
    Returns:
        1 where nothing varies or there are fewer than 16 rows, which are too few to see dependence.
    Source: Politis & White (2004), Econometric Reviews 23(1); corrected by Patton, Politis & White (2009).
    """
    columns = values.reshape(len(values), -1)
    moving = [i for i in range(columns.shape[1]) if varies(columns[:, i])]
    if len(columns) < _MIN_ROWS or not moving:
        return 1.0
    lengths = np.array([float(optimal_block_length(columns[:, i])["stationary"].iloc[0]) for i in moving])
    lengths = lengths[np.isfinite(lengths)]
    if not len(lengths):
        return 1.0
    return float(np.clip(np.median(lengths), 1.0, np.sqrt(len(columns))))
