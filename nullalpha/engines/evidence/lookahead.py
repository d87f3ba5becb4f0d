"""The look-ahead attack: take the future away, or make it another one, and see whether the past's signals move.

An honest signal at row t is a function of bars up to t. Finds what truncation or replacement can change; a leak hidden in fixed
numbers (a threshold tuned on the whole history by hand) leaves no trace here, which is what sealed zones are for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.data.timeframes import PUBLISHED

AttackKind = Literal["unstable", "truncated", "replaced", "shifted"]
Others = Mapping[str, Bars]
Signal = Callable[[Bars, Others], FloatArray]


@dataclass(frozen=True)
class LookaheadFinding:
    """One attack that moved a signal of the past.

    Attributes:
        kind: `unstable` (two runs on the same bars differ), `truncated` (no bars from the cut on), `replaced` (another random walk from the
            cut on, of another scale), `shifted` (the future's own bars, displaced in time).
        cut_row: the first row that was hidden.
        row: the first signal before the cut that moved.
        difference: the largest absolute change before the cut; NaN where a value appeared, vanished, or the length is wrong.
    """

    kind: AttackKind
    cut_row: int
    row: int
    difference: float


@dataclass(frozen=True)
class LookaheadReport:
    """`clean` only if no attack at any of the `n_cuts` cut points moved anything."""

    clean: bool
    n_cuts: int
    findings: tuple[LookaheadFinding, ...]


def attack(
    compute_signal: Signal, bars: Bars, others: Others, *, n_cuts: int, seed: int, first_row: int, tolerance: float = 1e-9
) -> LookaheadReport:
    """Attack a signal at cut points spread over the rows.

    Args:
        compute_signal: bars, and those of other instruments, to (n_bars,) signals; called 2 + 3 x n_cuts times; must not keep state
            between calls.
        bars: the history to attack with.
        others: of the instruments that the signal reads besides; their future begins where that of `bars` does, and is attacked alike.
        n_cuts: cut points, one at random within each of as many equal stretches of the rows.
        seed: of the cut points and of the invented futures.
        first_row: the earliest cut, past the warm-up; rows before it are compared too.
        tolerance: allowed change, relative to max(1, |signal|); NaN must stay NaN.
    Raises:
        InsufficientBarsError: if fewer than `n_cuts` rows lie between `first_row` and the last bar.
        Whatever `compute_signal` raises.
    Source: freqtrade's lookahead-analysis for truncation; replaced futures after this project's measurements.
    """
    if first_row < 1 or len(bars) - 1 - first_row < n_cuts or n_cuts < 1:
        raise InsufficientBarsError(
            f"{len(bars)} bars leave no room for {n_cuts} cuts from row {first_row}",
            path="first_row",
            value=first_row,
            suggestion="use more bars or fewer cuts",
        )
    rng = np.random.default_rng(seed)
    full = np.asarray(compute_signal(bars, others), dtype=np.float64)
    findings: list[LookaheadFinding] = []
    _compare(findings, "unstable", len(bars), full, compute_signal(bars, others), tolerance)
    edges = np.linspace(first_row, len(bars) - 1, n_cuts + 1).astype(np.int64)
    for low, high in pairwise(edges):
        cut = int(rng.integers(low, high))
        cuts = {symbol: int(np.searchsorted(other.time, bars.time[cut - 1], side="right")) for symbol, other in others.items()}
        short = {symbol: other.slice(0, cuts[symbol]) for symbol, other in others.items()}
        _compare(findings, "truncated", cut, full, compute_signal(bars.slice(0, cut), short), tolerance)
        replaced = {symbol: with_replaced_future(other, cuts[symbol], rng) for symbol, other in others.items()}
        _compare(findings, "replaced", cut, full, compute_signal(with_replaced_future(bars, cut, rng), replaced), tolerance)
        shifted = {symbol: with_shifted_future(other, cuts[symbol], rng) for symbol, other in others.items()}
        _compare(findings, "shifted", cut, full, compute_signal(with_shifted_future(bars, cut, rng), shifted), tolerance)
    return LookaheadReport(not findings, n_cuts, tuple(findings))


def _compare(
    findings: list[LookaheadFinding], kind: AttackKind, cut: int, full: FloatArray, attacked: FloatArray, tolerance: float
) -> None:
    before, after = full[:cut], np.asarray(attacked, dtype=np.float64)[:cut]
    if len(after) != cut or len(before) != cut:
        findings.append(LookaheadFinding(kind, cut, min(len(after), len(before)), float("nan")))
        return
    missing = np.isnan(before) != np.isnan(after)
    change = np.abs(np.where(missing | np.isnan(before), 0.0, before - after))
    moved = np.flatnonzero(missing | (change > tolerance * np.maximum(1.0, np.abs(np.nan_to_num(before)))))
    if len(moved):
        difference = float("nan") if missing.any() else float(change.max())
        findings.append(LookaheadFinding(kind, cut, int(moved[0]), difference))


def with_replaced_future(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Return bars that go on from the last known close as a random walk, three times as volatile and of ten times the volume.

    An outside series, whose values may have any sign, goes on in steps of its own size instead.
    """
    n = len(bars) - cut
    if not 1 <= cut < len(bars):
        return bars
    if bars.timeframe == PUBLISHED:
        steps = np.diff(bars.close)
        value = bars.close[cut - 1] + np.cumsum(rng.normal(0.0, 3.0 * max(float(steps.std()), 1e-9), n))
        return _with_future(bars, cut, value, value, value, value, bars.volume[cut:])
    steps = np.diff(np.log(bars.close))
    scale = 3.0 * max(float(steps.std()), 1e-4)
    close = bars.close[cut - 1] * np.exp(np.clip(np.cumsum(rng.normal(0.0, scale, n)), -5.0, 5.0))
    opening = np.concatenate([[bars.close[cut - 1]], close[:-1]]) * np.exp(rng.normal(0.0, scale / 4, n))
    high = np.maximum(opening, close) * np.exp(np.abs(rng.normal(0.0, scale / 2, n)))
    low = np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0.0, scale / 2, n)))
    volume = bars.volume[cut:][rng.permutation(n)] * 10.0
    return _with_future(bars, cut, opening, high, low, close, volume)


def with_shifted_future(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Return bars whose rows from `cut` on are the same rows, rotated in time and halved in price."""
    n = len(bars) - cut
    if n < 1:
        return bars
    rows = cut + np.roll(np.arange(n), int(rng.integers(1, n)) if n > 1 else 0)
    return _with_future(
        bars, cut, bars.open[rows] / 2, bars.high[rows] / 2, bars.low[rows] / 2, bars.close[rows] / 2, bars.volume[rows] / 2
    )


def _with_future(
    bars: Bars, cut: int, opening: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray
) -> Bars:
    def joined(past: FloatArray, future: FloatArray) -> FloatArray:
        return np.concatenate([past[:cut], future])

    return replace(
        bars,
        open=joined(bars.open, opening),
        high=joined(bars.high, high),
        low=joined(bars.low, low),
        close=joined(bars.close, close),
        volume=joined(bars.volume, volume),
        spread=None if bars.spread is None else joined(bars.spread, bars.spread[cut:][::-1] * 10.0),
    )
