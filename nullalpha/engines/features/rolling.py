"""Trailing windows over one series: sums, moments, extremes, ranks. Row t uses rows t - window + 1 to t, nothing else.

Each window is a suffix of one block of `window` rows joined to a prefix of the next (van Herk), so that the cost is O(n) and a value
depends on the rows of its own window alone: no running total carries rounding, or a NaN, from far back. Flat windows deviate by exactly 0.
The first `window - 1` rows, and every window that holds a NaN, are NaN. Source: van Herk (1992), Pattern Recognition Letters 13(7);
Chan, Golub & LeVeque (1983), The American Statistician 37(3) for joining moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray

BoolArray = NDArray[np.bool_]

_RANK_CHUNK_ROWS = 4096


def lagged(values: FloatArray, lag: int) -> FloatArray:
    """Return (n,) the value `lag` >= 1 rows earlier; NaN in the first `lag` rows."""
    out = np.full(len(values), np.nan)
    out[lag:] = values[:-lag]
    return out


def moved(values: FloatArray) -> BoolArray:
    """Return (n,) whether each value differs from the one before; the first does not."""
    out = np.zeros(len(values), dtype=bool)
    out[1:] = values[1:] != values[:-1]
    return out


def none_within(flags: BoolArray, window: int) -> BoolArray:
    """Return (n,) whether none of the trailing `window` flags is set; rows before the first count as not set."""
    counts = np.cumsum(flags)
    before = np.zeros_like(counts)
    before[window:] = counts[:-window]
    return np.equal(counts, before)


def rolling_sum(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) sums over the trailing `window` rows."""
    out = np.full(len(values), np.nan)
    if len(values) < window:
        return out
    prefix, suffix = _scans(values, window, np.add)
    head = suffix[: len(values) - window + 1].copy()
    head[::window] = 0.0
    out[window - 1 :] = head + prefix[window - 1 :]
    return out


def rolling_max(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) maxima over the trailing `window` rows."""
    return _extreme(values, window, np.maximum)


def rolling_min(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) minima over the trailing `window` rows."""
    return _extreme(values, window, np.minimum)


def rolling_mean(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) means over the trailing `window` rows."""
    return rolling_sum(values, window) / window


def rolling_std(values: FloatArray, window: int, ddof: int = 1) -> FloatArray:
    """Return (n,) standard deviations over the trailing `window` rows; `ddof` 1 for the sample's, 0 for the population's."""
    return rolling_moments(values, window, ddof)[1]


def rolling_moments(values: FloatArray, window: int, ddof: int = 1) -> tuple[FloatArray, FloatArray]:
    """Return (n,) means and (n,) standard deviations over the trailing `window` rows.

    Args:
        values: (n,) series; NaN where missing.
        window: rows in a window, > `ddof`.
        ddof: 1 for the sample's deviation, 0 for the population's.
    """
    n = len(values)
    mean, std = np.full(n, np.nan), np.full(n, np.nan)
    if n < window:
        return mean, std
    blocks = _blocks(values, window)
    prefix = _moments(blocks)
    suffix = _moments(blocks[:, ::-1]).reversed()
    starts = np.arange(n - window + 1)
    ends = starts + window - 1
    n_prefix = ends % window + 1
    n_suffix = window - n_prefix
    delta = np.where(n_suffix > 0, suffix.mean[starts] - prefix.mean[ends], 0.0)
    squares = np.where(n_suffix > 0, suffix.squares[starts], 0.0) + prefix.squares[ends] + delta**2 * (n_prefix * n_suffix / window)
    mean[window - 1 :] = prefix.mean[ends] + delta * (n_suffix / window)
    std[window - 1 :] = np.sqrt(squares / (window - ddof))
    return mean, std


def rolling_rank(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) the rank of each value among the trailing `window` rows, 0 (lowest) to 1 (highest); ties share the middle rank."""
    out = np.full(len(values), np.nan)
    if len(values) < window:
        return out
    windows = np.lib.stride_tricks.sliding_window_view(values, window)
    for start in range(0, len(windows), _RANK_CHUNK_ROWS):
        part = windows[start : start + _RANK_CHUNK_ROWS]
        last = part[:, -1:]
        below = (part < last).sum(axis=1) + 0.5 * ((part == last).sum(axis=1) - 1)
        rank = np.where(np.isnan(part).any(axis=1), np.nan, below / (window - 1))
        out[window - 1 + start : window - 1 + start + len(part)] = rank
    return out


def _extreme(values: FloatArray, window: int, pick: np.ufunc) -> FloatArray:
    out = np.full(len(values), np.nan)
    if len(values) >= window:
        prefix, suffix = _scans(values, window, pick)
        out[window - 1 :] = pick(suffix[: len(values) - window + 1], prefix[window - 1 :])
    return out


def _blocks(values: FloatArray, window: int) -> FloatArray:
    n_blocks = -(-len(values) // window)
    padded = np.zeros(n_blocks * window)  # the padding is never inside a window that ends in the series
    padded[: len(values)] = values
    return padded.reshape(n_blocks, window)


def _scans(values: FloatArray, window: int, scan: np.ufunc) -> tuple[FloatArray, FloatArray]:
    """Return what `scan` accumulates from each block's start, and back from each block's end."""
    blocks = _blocks(values, window)
    prefix = scan.accumulate(blocks, axis=1)
    suffix = scan.accumulate(blocks[:, ::-1], axis=1)[:, ::-1]
    return prefix.ravel()[: len(values)], suffix.ravel()


@dataclass(frozen=True)
class _Moments:
    """Running means and sums of squared deviations within blocks, flattened."""

    mean: FloatArray
    squares: FloatArray
    window: int

    def reversed(self) -> _Moments:
        mean = self.mean.reshape(-1, self.window)[:, ::-1].ravel()
        return _Moments(mean, self.squares.reshape(-1, self.window)[:, ::-1].ravel(), self.window)


def _moments(blocks: FloatArray) -> _Moments:
    window = blocks.shape[1]
    first = blocks[:, :1]  # inside every window that reaches this block, so it never brings in an outlier from elsewhere
    away = blocks - first
    total = np.cumsum(away, axis=1)
    count = np.arange(1, window + 1)
    squares = np.maximum(np.cumsum(away * away, axis=1) - total * total / count, 0.0)
    return _Moments((first + total / count).ravel(), squares.ravel(), window)
