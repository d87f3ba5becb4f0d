"""Trailing windows over one or two series: sums, moments, extremes, ranks, lines. Row t uses rows t - window + 1 to t, nothing else.

Each window is a suffix of one block of `window` rows joined to a prefix of the next (van Herk), so that the cost is O(n) and a value
depends on the rows of its own window alone: no running total carries rounding, or a NaN, from far back. Sums of powers and products are
taken from the first value of the later block, which every window that spans the two blocks holds: at any level of the series at most a
factor `window` of precision is lost, and flat windows deviate by exactly 0. The first `window - 1` rows, and every window that holds a NaN,
are NaN. Ranks and mean absolute deviations go through their window row by row (O(n x window), a quarter of a cycle a step); quantiles keep
it sorted. Source: van Herk (1992), Pattern Recognition Letters 13(7); Lemire (2006), arXiv:cs/0610046 for the rows of extremes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray


def lagged(values: FloatArray, lag: int) -> FloatArray:
    """Return (n,) the value `lag` >= 1 rows earlier; NaN in the first `lag` rows."""
    out = np.full(len(values), np.nan)
    out[lag:] = values[:-lag]
    return out


def rolling_sum(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) sums over the trailing `window` rows."""
    out = np.empty(len(values))
    _sums_nb(values, window, out)
    return out


def rolling_mean(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) means over the trailing `window` rows; exactly the value where all are equal."""
    mean = np.empty(len(values))
    _moments_nb(values, window, 0, mean, np.empty(0))
    return mean


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
    mean, std = np.empty(len(values)), np.empty(len(values))
    _moments_nb(values, window, ddof, mean, std)
    return mean, std


def rolling_max(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) maxima over the trailing `window` rows."""
    out = np.empty(len(values))
    _extremes_nb(values, window, True, out)
    return out


def rolling_min(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) minima over the trailing `window` rows."""
    out = np.empty(len(values))
    _extremes_nb(values, window, False, out)
    return out


def rolling_since_max(values: FloatArray, window: int, newest: bool = True) -> FloatArray:
    """Return (n,) rows since the greatest of the trailing `window` rows, 0..window - 1; of equals the newest, or else the oldest."""
    out = np.full(len(values), np.nan)
    _since_max_nb(values, window, newest, out)
    return out


def rolling_since_min(values: FloatArray, window: int, newest: bool = True) -> FloatArray:
    """Return (n,) rows since the least of the trailing `window` rows, 0..window - 1; of equals the newest, or else the oldest."""
    return rolling_since_max(-values, window, newest)


def rolling_rank(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) the rank of each value among the trailing `window` rows, 0 (lowest) to 1 (highest); ties share the middle rank."""
    out = np.full(len(values), np.nan)
    _rank_nb(values, window, out)
    return out


def rolling_quantile(values: FloatArray, window: int, level: float) -> FloatArray:
    """Return (n,) the quantile at `level` (0..1) of the trailing `window` rows, interpolated linearly between neighbours."""
    out = np.full(len(values), np.nan)
    _quantile_nb(values, window, level, out)
    return out


def rolling_absolute_deviation(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return (n,) means and (n,) mean absolute deviations from them over the trailing `window` rows."""
    mean, out = rolling_mean(values, window), np.full(len(values), np.nan)
    _absolute_deviation_nb(values, mean, window, out)
    return mean, out


def rolling_line(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the least-squares line through the trailing `window` rows.

    Returns:
        (n,) mean, which is the line's height in the window's middle; slope per row; share of the variance that the line explains, 0..1,
        NaN where the window is flat. The line's height at row t is mean + slope x (window - 1) / 2.
    """
    mean, slope, rsquare = np.full((3, len(values)), np.nan)
    _line_nb(values, window, mean, slope, rsquare)
    return mean, slope, rsquare


def rolling_weighted_mean(values: FloatArray, window: int) -> FloatArray:
    """Return (n,) means over the trailing `window` rows with weights 1 (oldest) to `window` (newest)."""
    mean, slope, _ = rolling_line(values, window)
    return mean + slope * ((window - 1) / 6)


def rolling_cross(x: FloatArray, y: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return (n,) correlations, -1..1, of two series over the trailing `window` rows, and (n,) least-squares slopes of `y` on `x`.

    The correlation is NaN where either is flat, the slope where `x` is.
    """
    correlation, slope = np.full((2, len(x)), np.nan)
    _cross_nb(x, y, window, correlation, slope)
    return correlation, slope


# Kernels write into arrays that NumPy made (it asks for huge pages, numba does not: half a millisecond for a million rows).
# In every block kernel row b begins a block; suffix[p] holds what rows b - window + p to b - 1 add, so suffix[p + 1] is what a window that
# ends at b + p has of the block before.


@njit(cache=True, error_model="numpy")
def _sums_nb(values: FloatArray, window: int, out: FloatArray) -> None:
    n = len(values)
    out[: window - 1] = np.nan
    suffix = np.zeros(window + 1)
    for b in range(0, n - window + 1, window):
        total = 0.0
        for p in range(window):
            total += values[b + p]
        out[b + window - 1] = total
        total = 0.0
        for p in range(window - 1, 0, -1):
            total += values[b + p]
            suffix[p] = total
        total = 0.0
        for p in range(min(window - 1, n - b - window)):
            total += values[b + window + p]
            out[b + window + p] = suffix[p + 1] + total


@njit(cache=True, error_model="numpy")
def _moments_nb(values: FloatArray, window: int, ddof: int, mean: FloatArray, std: FloatArray) -> None:
    n = len(values)
    deviate = len(std) > 0
    mean[: window - 1] = np.nan
    std[: window - 1] = np.nan
    sums, squares = np.zeros(window + 1), np.zeros(window + 1)
    share, spread = 1.0 / window, 1.0 / (window - ddof)
    for b in range(0, n, window):
        base = values[b]
        if b > 0:
            total = square = 0.0
            for p in range(window - 1, 0, -1):
                away = values[b - window + p] - base
                total += away
                square += away * away
                sums[p] = total
                squares[p] = square
        total = square = 0.0
        for p in range(min(window, n - b)):
            t = b + p
            away = values[t] - base
            total += away
            square += away * away
            if t >= window - 1:
                s = sums[p + 1] + total
                mean[t] = base + s * share
                if deviate:
                    std[t] = np.sqrt(max(squares[p + 1] + square - s * s * share, 0.0) * spread)


@njit(cache=True)
def _extremes_nb(values: FloatArray, window: int, highest: bool, out: FloatArray) -> None:
    n = len(values)
    out[: window - 1] = np.nan
    sign = 1.0 if highest else -1.0
    suffix = np.full(window + 1, -np.inf)
    for b in range(0, n, window):
        if b > 0:
            best = -np.inf
            for p in range(window - 1, 0, -1):
                value = sign * values[b - window + p]
                best = value if value > best or value != value else best
                suffix[p] = best
        best = -np.inf
        for p in range(min(window, n - b)):
            t = b + p
            value = sign * values[t]
            best = value if value > best or value != value else best
            if t >= window - 1:
                other = suffix[p + 1]
                out[t] = sign * (other if other > best or other != other else best)


@njit(cache=True)
def _since_max_nb(values: FloatArray, window: int, newest: bool, out: FloatArray) -> None:
    n = len(values)
    rows = np.empty(window, np.int64)  # a ring of rows whose values fall, the greatest first
    first = size = full = 0
    for t in range(n):
        value = values[t]
        if value != value:
            size = full = 0
            continue
        full += 1
        if size and rows[first] <= t - window:
            first = first + 1 if first + 1 < window else 0
            size -= 1
        while size:
            at = first + size - 1
            last = values[rows[at if at < window else at - window]]
            if last < value or (newest and last == value):
                size -= 1
            else:
                break
        at = first + size
        rows[at if at < window else at - window] = t
        size += 1
        if full >= window:
            out[t] = t - rows[first]


@njit(cache=True, error_model="numpy")
def _rank_nb(values: FloatArray, window: int, out: FloatArray) -> None:
    n = len(values)
    full = 0
    for t in range(n):
        value = values[t]
        full = 0 if value != value else full + 1
        if full >= window:
            below = equal = 0
            for s in range(t - window + 1, t + 1):
                below += values[s] < value
                equal += values[s] == value
            out[t] = (below + 0.5 * (equal - 1)) / (window - 1)


@njit(cache=True)
def _quantile_nb(values: FloatArray, window: int, level: float, out: FloatArray) -> None:
    n = len(values)
    ordered = np.empty(window)
    place = level * (window - 1)
    lower = min(int(place), window - 2)
    part = place - lower
    size = 0
    for t in range(n):
        value = values[t]
        if value != value:
            size = 0
            continue
        if size == window:
            hole = np.searchsorted(ordered, values[t - window])
        else:
            hole = size
            size += 1
        while hole > 0 and ordered[hole - 1] > value:
            ordered[hole] = ordered[hole - 1]
            hole -= 1
        while hole < size - 1 and ordered[hole + 1] < value:
            ordered[hole] = ordered[hole + 1]
            hole += 1
        ordered[hole] = value
        if size == window:
            out[t] = ordered[lower] + (ordered[lower + 1] - ordered[lower]) * part


@njit(cache=True, error_model="numpy")
def _absolute_deviation_nb(values: FloatArray, mean: FloatArray, window: int, out: FloatArray) -> None:
    n = len(values)
    for t in range(window - 1, n):
        middle = mean[t]
        a = b = c = d = 0.0  # four sums, so that one addition need not wait for the last
        s = t - window + 1
        while s + 3 <= t:
            a += abs(values[s] - middle)
            b += abs(values[s + 1] - middle)
            c += abs(values[s + 2] - middle)
            d += abs(values[s + 3] - middle)
            s += 4
        while s <= t:
            a += abs(values[s] - middle)
            s += 1
        out[t] = ((a + b) + (c + d)) / window


@njit(cache=True, error_model="numpy")
def _line_nb(values: FloatArray, window: int, mean: FloatArray, slope: FloatArray, rsquare: FloatArray) -> None:
    n = len(values)
    sums, squares, products = np.zeros(window + 1), np.zeros(window + 1), np.zeros(window + 1)
    rows = window * (window * window - 1.0) / 12.0
    for b in range(0, n, window):
        base = values[b]
        if b > 0:
            total = square = product = 0.0
            for p in range(window - 1, 0, -1):
                away = values[b - window + p] - base
                total += away
                square += away * away
                product += (p - window) * away
                sums[p], squares[p], products[p] = total, square, product
        total = square = product = 0.0
        for p in range(min(window, n - b)):
            t = b + p
            away = values[t] - base
            total += away
            square += away * away
            product += p * away
            if t >= window - 1:
                s = sums[p + 1] + total
                shared = products[p + 1] + product - (p - 0.5 * (window - 1)) * s
                spread = max(squares[p + 1] + square - s * s / window, 0.0)
                mean[t] = base + s / window
                slope[t] = shared / rows
                if spread > 0.0:
                    rsquare[t] = min(shared * shared / (rows * spread), 1.0)


@njit(cache=True, error_model="numpy")
def _cross_nb(x: FloatArray, y: FloatArray, window: int, correlation: FloatArray, slope: FloatArray) -> None:
    n = len(x)
    suffix = np.zeros((window + 1, 5))
    for b in range(0, n, window):
        base_x, base_y = x[b], y[b]
        if b > 0:
            sx = sy = xx = yy = xy = 0.0
            for p in range(window - 1, 0, -1):
                dx, dy = x[b - window + p] - base_x, y[b - window + p] - base_y
                sx, sy, xx, yy, xy = sx + dx, sy + dy, xx + dx * dx, yy + dy * dy, xy + dx * dy
                suffix[p, 0], suffix[p, 1], suffix[p, 2], suffix[p, 3], suffix[p, 4] = sx, sy, xx, yy, xy
        sx = sy = xx = yy = xy = 0.0
        for p in range(min(window, n - b)):
            t = b + p
            dx, dy = x[t] - base_x, y[t] - base_y
            sx, sy, xx, yy, xy = sx + dx, sy + dy, xx + dx * dx, yy + dy * dy, xy + dx * dy
            if t >= window - 1:
                mean_x, sum_y = (suffix[p + 1, 0] + sx) / window, suffix[p + 1, 1] + sy
                spread_x = suffix[p + 1, 2] + xx - mean_x * mean_x * window
                spread_y = suffix[p + 1, 3] + yy - sum_y * sum_y / window
                shared = suffix[p + 1, 4] + xy - mean_x * sum_y
                if spread_x > 0.0:
                    slope[t] = shared / spread_x
                    if spread_y > 0.0:
                        correlation[t] = min(max(shared / np.sqrt(spread_x * spread_y), -1.0), 1.0)
