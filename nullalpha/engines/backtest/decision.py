"""From a signal to target positions, and from an exit plan to distances in price.

A target position is a signed fraction of equity, known at the close of its bar: it fills no earlier than the open of the next.
No prices are traded here and no costs are known. Volatility is a standard deviation of returns per bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.backtest.kernel import compiled_form
from nullalpha.engines.backtest.positions import Rule, distances_nb, positions_nb
from nullalpha.strategy.plan import DecisionPlan, EntryPlan, ExitPlan, SizingPlan


@dataclass(frozen=True)
class ExitDistances:
    """Protective exits of a position, by the bar whose close gave the order that opened it.

    Attributes:
        stop: (n_bars,) adverse distance from the fill price, in price units; 0 or NaN means no stop.
        target: (n_bars,) favourable distance from the fill price, in price units; 0 or NaN means no target.
        max_bars: bars after which the position is closed; 0 means no limit.
        trailing: (n_bars,) adverse distance from the best price since the entry, in price units; 0 or NaN, or None, means no trailing stop.
    """

    stop: FloatArray
    target: FloatArray
    max_bars: int
    trailing: FloatArray | None = None


EntryKind = Literal["market", "limit", "stop", "stop_limit"]


@dataclass(frozen=True)
class EntryOrders:
    """How positions are entered.

    Attributes:
        kind: of the order.
        distance: (n_bars,) from the close that gives the order to its limit (below it for a long position) or its stop (above it), in price
            units; 0 or NaN puts it at the close.
        limit_distance: (n_bars,) of a stop_limit, from its stop on to its limit, in price units.
        valid_bars: bars that it waits; 0 for until the target changes.
    """

    kind: EntryKind
    distance: FloatArray
    limit_distance: FloatArray | None = None
    valid_bars: int = 0


def target_positions(decision: DecisionPlan, signal: FloatArray, volatility: FloatArray, sessions_per_year: float) -> FloatArray:
    """Return the target position at each bar's close.

    A long begins where `signal > long_above`, a short where `signal < short_below`, if nothing is held there, the size is known, and the
    position before began at least `separation_bars` bars earlier. A long is held while `signal > long_exit_below`, a short while
    `signal < short_exit_above` (None: the entry threshold); a NaN signal ends both. What ends at a bar may be followed by the other side
    at the same bar: a reversal is an end, always allowed, and a beginning like any other, so one that comes too early leaves flat, and
    the other side begins at the first bar that allows it and is still beyond the threshold. The first bar remembers nothing.

    The size is decided once, where the position begins, and kept until it ends: this limits turnover and makes "the target
    changed" mean a new decision.
    fixed: `size`.
    volatility_target: `min(max_leverage, annual / (volatility * sqrt(sessions_per_year)))`.
    kelly: `min(max_leverage, kelly_fraction * |mean| / volatility ** 2)`, the growth-optimal fraction (Kelly 1956, Bell System Technical
    Journal 35(4); Thorp 2006) for the expected return a bar, mean = o * volatility / sqrt(horizon_bars): o = atanh(signal) is the model's
    output, a return over the horizon in trailing volatilities x sqrt(horizon_bars). So the size is kelly_fraction * |o| / (volatility *
    sqrt(horizon_bars)); the direction stays the thresholds'.
    While volatility is NaN or 0 (not known), or the expected return of `kelly` is 0, no position begins.

    Args:
        decision: thresholds and sizing; an entry threshold of None never trades that side.
        signal: (n_bars,) in -1..1, NaN where unknown.
        volatility: (n_bars,) trailing standard deviation of returns per bar, >= 0, NaN where unknown.
        sessions_per_year: bars a year: the instrument's sessions a year for daily bars.
    Returns:
        (n_bars,) signed fraction of equity, never NaN.
    Raises:
        DataError: if signal and volatility differ in length.
        UsageError: if the sizing is kelly and has no horizon.
    """
    if signal.shape != volatility.shape:
        raise DataError(
            f"signal has {len(signal)} bars and volatility {len(volatility)}",
            path="target_positions",
            suggestion="compute both from the same bars",
        )
    return positions_nb(compiled_form(signal), compiled_form(volatility), rule_of(decision, sessions_per_year))


def rule_of(decision: DecisionPlan, sessions_per_year: float) -> Rule:
    """Return a decision plan as the numbers that `positions.decided_nb` reads; errors as of `target_positions`."""
    long_above = math.inf if decision.long_above is None else decision.long_above
    short_below = -math.inf if decision.short_below is None else decision.short_below
    sizing = decision.sizing
    return Rule(
        long_above=float(long_above),
        long_exit=float(long_above if decision.long_exit_below is None else decision.long_exit_below),
        short_below=float(short_below),
        short_exit=float(short_below if decision.short_exit_above is None else decision.short_exit_above),
        separation=int(decision.separation_bars),
        constant=sizing.kind == "fixed",
        by_output=sizing.kind == "kelly",
        risk=float(sizing.kelly_fraction if sizing.kind == "kelly" else sizing.annual),
        scale=math.sqrt(_horizon(sizing) if sizing.kind == "kelly" else sessions_per_year),
        most=float(sizing.size if sizing.kind == "fixed" else sizing.max_leverage),
    )


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
        trailing=_nearer(exits.trailing_atr, exits.trailing_fraction, close, atr),
    )


def entry_orders(entry: EntryPlan | None, close: FloatArray, atr: FloatArray) -> EntryOrders | None:
    """Return how a plan enters, with distances in price at each bar's close; None for market orders.

    Args:
        entry: the plan's.
        close: (n_bars,) close prices.
        atr: (n_bars,) average true range (14 bars) in price units, NaN where unknown: there an order lies at the close itself.
    """
    if entry is None:
        return None
    limit = _nearer(entry.limit_atr, entry.limit_fraction, close, atr) if entry.order == "stop_limit" else None
    return EntryOrders(entry.order, _nearer(entry.distance_atr, entry.distance_fraction, close, atr), limit, entry.valid_bars)


def _horizon(sizing: SizingPlan) -> int:
    if sizing.horizon_bars < 1:
        raise UsageError(
            "kelly sizing needs the horizon of the model's prediction",
            path="decision.sizing.horizon_bars",
            value=sizing.horizon_bars,
            suggestion="use the labels' horizon_bars",
        )
    return sizing.horizon_bars


def _nearer(multiple: float, fraction: float, close: FloatArray, atr: FloatArray) -> FloatArray:
    return distances_nb(float(multiple), float(fraction), compiled_form(close), compiled_form(atr))
