"""Recursive averages, row by row: each goes on from the state it is given, so that all rows at once and one row at a time are the same.

`state` is a float64 vector, zeros before the first row; a function reads it on entry and leaves in it what the next call goes on from. Its
first number counts the rows since the last NaN. A row with a NaN in it gives NaN and clears the state: what follows is seeded anew. Seeds
follow TA-Lib: an average begins as the plain mean of its first `period` values. Outputs are NaN until they are seeded; that the seed is not
yet forgotten is the caller's to mask. Never infinite for finite input; 0 / 0 is NaN.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nullalpha.data.bars import FloatArray

EMA_STATE = 2
WILDER_STATE = 2
RSI_STATE = 5
MACD_STATE = 4
ATR_STATE = 3
ADX_STATE = 10


def ema(values: FloatArray, period: int, state: FloatArray) -> FloatArray:
    """Return (n,) the exponential average, weight 2 / (period + 1); `state`: EMA_STATE numbers."""
    out = np.empty(len(values))
    _average_nb(values, period, 2.0 / (period + 1.0), state, out)
    return out


def wilder(values: FloatArray, period: int, state: FloatArray) -> FloatArray:
    """Return (n,) Wilder's average, weight 1 / period; `state`: WILDER_STATE numbers."""
    out = np.empty(len(values))
    _average_nb(values, period, 1.0 / period, state, out)
    return out


def rsi(values: FloatArray, period: int, memory: int, state: FloatArray) -> FloatArray:
    """Return (n,) the relative strength index, 0..100; NaN where nothing moved within the last `memory` rows; `state`: RSI_STATE."""
    out = np.empty(len(values))
    _rsi_nb(values, period, memory, state, out)
    return out


def macd(values: FloatArray, fast: int, slow: int, signal: int, state: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (n,) the fast minus the slow exponential average, that line's own average, and their difference; `state`: MACD_STATE.

    All begin where the slow average does: the fast one's seed ends at the same row.
    """
    line, smooth, histogram = np.empty(len(values)), np.empty(len(values)), np.empty(len(values))
    _macd_nb(values, fast, slow, signal, state, line, smooth, histogram)
    return line, smooth, histogram


def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int, state: FloatArray) -> FloatArray:
    """Return (n,) Wilder's average of the true range, the first bar's left out; `state`: ATR_STATE numbers."""
    out = np.empty(len(close))
    _atr_nb(high, low, close, period, state, out)
    return out


def adx(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, memory: int, state: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (n,) the average directional index and the directional indicators, up and down, each 0..100; `state`: ADX_STATE numbers.

    All are NaN where no bar had a range or moved within the last `memory` rows, the index also where none had a directional move: there
    only what is forgotten would decide.
    """
    index, plus, minus = np.empty(len(close)), np.empty(len(close)), np.empty(len(close))
    _adx_nb(high, low, close, period, memory, state, index, plus, minus)
    return index, plus, minus


# Kernels write into arrays that NumPy made (it asks for huge pages, numba does not: half a millisecond for a million rows).


@njit(cache=True, error_model="numpy")
def _average_nb(values: FloatArray, period: int, weight: float, state: FloatArray, out: FloatArray) -> None:
    """State: rows, the average (before its seed is complete, a sum)."""
    n = len(values)
    count, average = state[0], state[1]
    keep = 1.0 - weight
    t = 0
    while t < n:
        if count >= period:
            start = t
            while t < n:
                average = average * keep + values[t] * weight
                out[t] = average
                if average != average:
                    break
                t += 1
            count += t - start
        if t < n:
            value = values[t]
            count += 1.0
            average += value
            if value != value:
                count = average = 0.0
            out[t] = np.nan
            if count == period:
                average /= period
                out[t] = average
            t += 1
    state[0], state[1] = count, average


@njit(cache=True, error_model="numpy")
def _rsi_nb(values: FloatArray, period: int, memory: int, state: FloatArray, out: FloatArray) -> None:
    """State: rows, the last value, average gain and loss (before their seeds are complete, sums), rows since the last move."""
    count, last, gain, loss, still = state[0], state[1], state[2], state[3], state[4]
    weight = 1.0 / period
    keep = 1.0 - weight
    for t in range(len(values)):
        value = values[t]
        change = value - last
        out[t] = np.nan
        if count > period and change == change:
            gain = gain * keep + max(change, 0.0) * weight
            loss = loss * keep + max(-change, 0.0) * weight
            still = still + 1.0 if change == 0.0 else 0.0
            if still < memory:
                out[t] = 100.0 * gain / (gain + loss)
            count += 1.0
        elif value != value:
            count = gain = loss = still = 0.0
        else:
            if count > 0.0:
                gain += max(change, 0.0)
                loss += max(-change, 0.0)
                still = still + 1.0 if change == 0.0 else 0.0
            if count == period:
                gain *= weight
                loss *= weight
                if still < memory:
                    out[t] = 100.0 * gain / (gain + loss)
            count += 1.0
        last = value
    state[0], state[1], state[2], state[3], state[4] = count, last, gain, loss, still


@njit(cache=True, error_model="numpy")
def _macd_nb(
    values: FloatArray, fast: int, slow: int, signal: int, state: FloatArray, line: FloatArray, smooth: FloatArray, histogram: FloatArray
) -> None:
    """State: rows; the fast, the slow and the signal average (before their seeds are complete, shares of them)."""
    n = len(values)
    count, quick, lazy, mean = state[0], state[1], state[2], state[3]
    a, b, c = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0), 2.0 / (signal + 1.0)
    keep_a, keep_b, keep_c = 1.0 - a, 1.0 - b, 1.0 - c
    seeded = slow + signal - 1.0
    t = 0
    while t < n:
        if count >= seeded:
            start = t
            while t < n:
                value = values[t]
                quick = quick * keep_a + value * a
                lazy = lazy * keep_b + value * b
                gap = quick - lazy
                mean = mean * keep_c + gap * c
                line[t], smooth[t], histogram[t] = gap, mean, gap - mean
                if mean != mean:
                    break
                t += 1
            count += t - start
        if t < n:
            value = values[t]
            count += 1.0
            line[t] = smooth[t] = histogram[t] = np.nan
            if count > slow:
                quick = quick * keep_a + value * a
                lazy = lazy * keep_b + value * b
            else:
                lazy += value / slow
                quick += value / fast if count > slow - fast else 0.0
            if count >= slow:
                line[t] = quick - lazy
                mean += line[t] / signal
            if count == seeded:
                smooth[t], histogram[t] = mean, line[t] - mean
            if value != value:
                line[t] = smooth[t] = histogram[t] = np.nan
                count = quick = lazy = mean = 0.0
            t += 1
    state[0], state[1], state[2], state[3] = count, quick, lazy, mean


@njit(cache=True, inline="always")
def _true_range_nb(high: float, low: float, last: float) -> float:
    return (last if last > high else high) - (last if last < low else low)


@njit(cache=True, error_model="numpy")
def _atr_nb(high: FloatArray, low: FloatArray, close: FloatArray, period: int, state: FloatArray, out: FloatArray) -> None:
    """State: rows, the last close, the average (before its seed is complete, shares of it)."""
    n = len(close)
    count, last, average = state[0], state[1], state[2]
    weight = 1.0 / period
    keep = 1.0 - weight
    seeded = count > period
    t = 0
    while t < n:
        start = t
        while seeded and t + 1 < n:  # two rows a step, so that the second need not wait for the first
            first = _true_range_nb(high[t], low[t], last) * weight
            second = _true_range_nb(high[t + 1], low[t + 1], close[t]) * weight
            after = average * (keep * keep) + (first * keep + second)
            if after + close[t] + close[t + 1] != after + close[t] + close[t + 1]:
                break
            out[t], out[t + 1] = average * keep + first, after
            average, last = after, close[t + 1]
            t += 2
        count += t - start
        if t < n:
            out[t] = np.nan
            if high[t] + low[t] + close[t] != high[t] + low[t] + close[t]:
                count = average = 0.0
            else:
                if count > 0.0:
                    average = average * (keep if count > period else 1.0) + _true_range_nb(high[t], low[t], last) * weight
                if count >= period:
                    out[t] = average
                count += 1.0
            last = close[t]
            seeded = count > period
            t += 1
    state[0], state[1], state[2] = count, last, average


@njit(cache=True, error_model="numpy")
def _adx_nb(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, memory: int, state: FloatArray,
    index: FloatArray, plus: FloatArray, minus: FloatArray,
) -> None:  # fmt: skip
    """State: rows; last high, low and close; sums of range, rises and falls; the index (before its seed is complete, shares of it); rows
    since something moved; rows since a directional move.
    """
    count, last_high, last_low, last_close = state[0], state[1], state[2], state[3]
    span, up, down, average, still, aimless = state[4], state[5], state[6], state[7], state[8], state[9]
    weight = 1.0 / period
    keep = 1.0 - weight
    for t in range(len(close)):
        top, bottom, last = high[t], low[t], close[t]
        index[t] = plus[t] = minus[t] = np.nan
        if top + bottom + last != top + bottom + last:
            count = span = up = down = average = still = aimless = 0.0
            continue
        if count > 0.0:
            rise, fall = top - last_high, last_low - bottom
            rising = rise if rise > fall and rise > 0.0 else 0.0
            falling = fall if fall > rise and fall > 0.0 else 0.0
            held = keep if count >= period else 1.0  # the seed is the sum of the first period - 1 rows
            span = span * held + (max(top, last_close) - min(bottom, last_close))
            up = up * held + rising
            down = down * held + falling
            still = still + 1.0 if top == bottom and last == last_close else 0.0
            aimless = aimless + 1.0 if rising == falling else 0.0
            if count >= period:
                if still < memory:
                    scale = 100.0 / span
                    plus[t], minus[t] = up * scale, down * scale
                both = up + down
                if both > 0.0:
                    strength = 100.0 * abs(up - down) / both
                    average = average * (keep if count >= 2 * period else 1.0) + strength * weight
                if count >= 2 * period - 1 and still < memory and aimless < memory:
                    index[t] = average
        count += 1.0
        last_high, last_low, last_close = top, bottom, last
    state[0], state[1], state[2], state[3] = count, last_high, last_low, last_close
    state[4], state[5], state[6], state[7], state[8], state[9] = span, up, down, average, still, aimless
