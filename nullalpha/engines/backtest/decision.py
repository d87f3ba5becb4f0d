"""From a signal to target positions, and from an exit plan to distances in price.

A target position is a signed fraction of equity, known at the close of its bar: it fills no earlier than the open of the next.
No prices are traded here and no costs are known. Volatility is a standard deviation of returns per bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.errors import DataError
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.strategy.plan import DecisionPlan, ExitPlan, SizingPlan


@dataclass(frozen=True)
class ExitDistances:
    """Protective exits of a position, by the bar whose close gave the order that opened it.

    Attributes:
        stop: (n_bars,) adverse distance from the fill price, in price units; 0 or NaN means no stop.
        target: (n_bars,) favourable distance from the fill price, in price units; 0 or NaN means no target.
        max_bars: bars after which the position is closed; 0 means no limit.
    """

    stop: FloatArray
    target: FloatArray
    max_bars: int


def target_positions(decision: DecisionPlan, signal: FloatArray, volatility: FloatArray, sessions_per_year: float) -> FloatArray:
    """Return the target position at each bar's close.

    The direction is +1 where `signal > long_above`, else -1 where `signal < short_below`, else 0; a NaN signal gives 0. The size is
    decided once, when a stretch of equal direction begins, and kept until it ends: this limits turnover and makes "the target
    changed" mean a new decision. Volatility-target size: `min(max_leverage, annual / (volatility * sqrt(sessions_per_year)))`; while
    volatility is NaN or 0 (not known) the target stays 0, and the size is decided at the first bar of the stretch that knows it.

    Args:
        decision: thresholds and sizing; a threshold of None never trades that side.
        signal: (n_bars,) in -1..1, NaN where unknown.
        volatility: (n_bars,) trailing standard deviation of returns per bar, >= 0, NaN where unknown.
        sessions_per_year: bars a year: the instrument's sessions a year for daily bars.
    Returns:
        (n_bars,) signed fraction of equity, never NaN.
    Raises:
        DataError: if signal and volatility differ in length.
    """
    if signal.shape != volatility.shape:
        raise DataError(
            f"signal has {len(signal)} bars and volatility {len(volatility)}",
            path="target_positions",
            suggestion="compute both from the same bars",
        )
    if len(signal) == 0:
        return np.zeros(0)
    direction = _direction(decision, signal)
    size = _sizes(decision.sizing, volatility, sessions_per_year)
    decided = _decision_rows(direction, ~np.isnan(size))
    known = (direction != 0.0) & (decided <= np.arange(len(direction)))
    return np.where(known, direction * size[np.where(known, decided, 0)], 0.0)


def exit_distances(exits: ExitPlan, close: FloatArray, atr: FloatArray) -> ExitDistances:
    """Return an exit plan as distances in price at each bar's close.

    Where a plan gives both a multiple of ATR and a fraction of price, the nearer of the two holds. A bar whose ATR is not known
    yet has only the fraction's distance, if any.

    Args:
        exits: multiples and fractions; 0 means none.
        close: (n_bars,) close prices.
        atr: (n_bars,) average true range (14 bars) in price units, NaN where unknown.
    Raises:
        DataError: if close and atr differ in length.
    """
    if close.shape != atr.shape:
        raise DataError(
            f"close has {len(close)} bars and atr {len(atr)}", path="exit_distances", suggestion="compute both from the same bars"
        )
    return ExitDistances(
        stop=_nearer(exits.stop_atr, exits.stop_fraction, close, atr),
        target=_nearer(exits.target_atr, exits.target_fraction, close, atr),
        max_bars=exits.max_bars,
    )


def _direction(decision: DecisionPlan, signal: FloatArray) -> FloatArray:
    above = math.inf if decision.long_above is None else decision.long_above
    below = -math.inf if decision.short_below is None else decision.short_below
    return np.where(signal > above, 1.0, np.where(signal < below, -1.0, 0.0))


def _sizes(sizing: SizingPlan, volatility: FloatArray, sessions_per_year: float) -> FloatArray:
    if sizing.kind == "fixed":
        return np.full(len(volatility), sizing.size)
    known = np.where(volatility > 0.0, volatility, np.nan)
    return np.minimum(sizing.max_leverage, sizing.annual / (known * math.sqrt(sessions_per_year)))


def _decision_rows(direction: FloatArray, known: NDArray[np.bool_]) -> IntArray:
    """Return for each bar the first bar of its stretch whose size is known; n_bars where there is none."""
    n = len(direction)
    begins = np.concatenate(([True], direction[1:] != direction[:-1]))
    first = np.minimum.reduceat(np.where(known, np.arange(n), n), np.flatnonzero(begins))
    rows: IntArray = first[np.cumsum(begins) - 1]
    return rows


def _nearer(multiple: float, fraction: float, close: FloatArray, atr: FloatArray) -> FloatArray:
    by_atr = multiple * atr if multiple > 0 else np.full(len(close), np.nan)
    by_price = fraction * close if fraction > 0 else np.full(len(close), np.nan)
    return np.fmin(by_atr, by_price)
