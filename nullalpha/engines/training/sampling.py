"""Which bars a model learns from, and how much each counts: the symmetric CUSUM filter, and the uniqueness of overlapping labels.

Source: López de Prado (2018), Advances in Financial Machine Learning, ch. 2.5.2 and ch. 4.2 to 4.4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray, IntArray


def cusum_events(log_returns: FloatArray, threshold: FloatArray) -> NDArray[np.bool_]:
    """Return (n_bars,) the bars at which the sum of log returns since it was last at rest, or since the last event, reaches the threshold.

    Two sums run, one that never falls below 0 and one that never rises above it; that which reaches the threshold is an event and starts
    again at 0. An event is known at its bar's close. Both sums stay 0 while no threshold is known.

    Args:
        log_returns: (n_bars,) of each bar; NaN for the first.
        threshold: (n_bars,) above 0, in the same unit; NaN or 0 where none is known, and then there is no event.
    """
    event = np.zeros(len(log_returns), dtype=np.bool_)
    up = down = 0.0
    for row, (step, least) in enumerate(zip(log_returns.tolist(), threshold.tolist(), strict=True)):
        if not least > 0 or step != step:  # NaN differs from itself
            up = down = 0.0
            continue
        up, down = max(0.0, up + step), min(0.0, down + step)
        if up >= least:
            up, event[row] = 0.0, True
        elif -down >= least:
            down, event[row] = 0.0, True
    return event


def average_uniqueness(start_row: IntArray, end_row: IntArray) -> FloatArray:
    """Return (n_labels,) each label's mean over its span of 1 / the number of labels whose span holds that row; above 0, at most 1.

    Args:
        start_row, end_row: (n_labels,) first and last row of each span, of these labels and no others; start_row <= end_row.
    """
    if not len(start_row):
        return np.zeros(0)
    first = int(start_row.min())
    n_rows = int(end_row.max()) - first + 1
    begun = np.bincount(start_row - first, minlength=n_rows + 1)
    ended = np.bincount(end_row - first + 1, minlength=n_rows + 1)
    concurrent = np.cumsum(begun - ended)[:n_rows]
    share = 1 / np.maximum(concurrent, 1)  # rows that no span holds are never read
    total = np.concatenate([[0.0], np.cumsum(share)])
    unique: FloatArray = (total[end_row - first + 1] - total[start_row - first]) / (end_row - start_row + 1)
    return unique
