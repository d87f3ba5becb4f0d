"""Sets that stay legible while they are trained: in order on their feature, neither vanishing nor covering everything.

After every step of training a code (see `membership`) is put back within its `SetRule`, by `legible` here, and by the same arithmetic in
each engine that trains sets:

1. widths, slopes and gaps: each entry is clamped to `least`..`most`;
2. positions: a set lies at its location entry; one with corners at the middle of its top, which is its first corner plus the gap before
   the top plus half the top. Each position is clamped to `low`..`high`;
3. order: the sets of one feature keep the order of position in which the plan has them (of sets at one position a falling sigmoid comes
   first, a rising one last, so what is low stays below what is high). With p the positions in that order, each becomes the mean of the
   greatest p up to it and the least p from it on: sets in order stay where they are, two that have crossed meet half way;
4. each location entry moves by what its position moved.

Units are standard deviations of the feature over the training rows. A set that the plan puts beyond a limit has its first value as limit.
A gap that begins wider than its limit (a side that lies open, as in a trapezoid from minus a million) is held, and what may not move has no
part in a gradient: else each step of so far a corner would carry the near ones along.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.structure import RuleStructure
from nullalpha.strategy.plan import SetPlan

FURTHEST = 5.0
"""Deviations from the mean within which sets lie: beyond, a set is nowhere or everywhere."""
WIDTHS = (0.05, 5.0)
"""Of gaussians and bells."""
BELL_SLOPES = (0.25, 25.0)
SIGMOID_SLOPES = (0.2, 50.0)
"""Per deviation: at 0.2 a sigmoid takes more than the whole range to rise, at 50 it is a step."""
GAPS = (0.02, 10.0)
"""Between two corners that the plan has apart."""


@dataclass(frozen=True)
class SetRule:
    """What a code of one model's sets is held to; plain arrays, the sets in chains, one after the other.

    Attributes:
        starts: (n_chains + 1,) where each chain begins in the arrays of sets, and the end of the last; a chain is one feature's sets.
        location: (n_sets,) the code's entry that moves the set as a whole.
        gaps: (n_sets,) entry of the first of a cornered set's three log gaps; -1 for other sets.
        rise, top: (n_sets,) 1 where a cornered set's first gap, and its second, is open, else 0.
        low, high: (n_sets,) limits of each position; neither falls along a chain.
        least, most: (n_set_parameters,) limits of each entry; infinite for locations, one for what is held.
    """

    starts: IntArray
    location: IntArray
    gaps: IntArray
    rise: FloatArray
    top: FloatArray
    low: FloatArray
    high: FloatArray
    least: FloatArray
    most: FloatArray


def set_rule(sets: tuple[SetPlan, ...], structure: RuleStructure, code: FloatArray) -> SetRule:
    """Return what training holds sets to.

    Args:
        sets: the plan's sets.
        structure: the plan's structure.
        code: (n_set_parameters,) the sets as training begins, in standardised units.
    """
    entries = set_entries(structure)
    n_sets = len(sets)
    location, gaps = np.zeros(n_sets, dtype=np.int64), np.full(n_sets, -1, dtype=np.int64)
    least, most = np.full(len(code), -np.inf), np.full(len(code), np.inf)
    for at, one in enumerate(sets):
        location[at], *others = entries[at]
        limits: list[tuple[float, float]] = {"gaussian": [WIDTHS], "bell": [WIDTHS, BELL_SLOPES], "sigmoid": [SIGMOID_SLOPES]}.get(
            one.shape, [GAPS] * 3
        )
        for entry, (narrow, wide) in zip(others, limits, strict=True):
            least[entry], most[entry] = min(np.log(narrow), code[entry]), max(np.log(wide), code[entry])
            if one.shape in ("triangle", "trapezoid") and code[entry] > np.log(wide):
                least[entry] = code[entry]  # a side that lies open: its far corner would carry the near ones along with it
        if one.shape in ("triangle", "trapezoid"):
            gaps[at] = others[0]
    opened = np.array([_open(one) for one in sets])
    position = _positions(code, location, gaps, opened[:, 0], opened[:, 1])
    direction = [0.0 if one.shape != "sigmoid" else np.sign(one.params[1]) or 1.0 for one in sets]
    order = sorted(range(n_sets), key=lambda at: (sets[at].feature, position[at], direction[at], at))
    feature = np.array([sets[at].feature for at in order])
    starts = np.flatnonzero(np.diff(feature, prepend=-1, append=-1))
    return SetRule(
        starts=starts.astype(np.int64),
        location=location[order],
        gaps=gaps[order],
        rise=opened[order, 0],
        top=opened[order, 1],
        low=np.minimum(-FURTHEST, position[order]),
        high=np.maximum(FURTHEST, position[order]),
        least=least,
        most=most,
    )


def legible(code: FloatArray, rule: SetRule) -> FloatArray:
    """Return (n_set_parameters,) the code within its rule; a code that keeps it comes back as it is, to the bit."""
    out: FloatArray = np.clip(code, rule.least, rule.most)
    position = _positions(out, rule.location, rule.gaps, rule.rise, rule.top)
    kept = np.clip(position, rule.low, rule.high)
    for start, stop in zip(rule.starts[:-1], rule.starts[1:], strict=True):
        chain = kept[start:stop]
        kept[start:stop] = (np.maximum.accumulate(chain) + np.minimum.accumulate(chain[::-1])[::-1]) / 2
    out[rule.location] += kept - position
    return out


def set_entries(structure: RuleStructure) -> dict[int, tuple[int, ...]]:
    """Return each set's entries in a code: its location, then its log widths, slopes or gaps."""
    entries: dict[int, tuple[int, ...]] = {}
    start = 0
    for family, n_scales in ((structure.gaussians, 1), (structure.bells, 2), (structure.slopes, 1)):
        for row, at in enumerate(family):
            entries[at] = tuple(start + row + part * len(family) for part in range(1 + n_scales))
        start += (1 + n_scales) * len(family)
    first_gap = start + len(structure.cornered)
    for row, at in enumerate(structure.cornered):
        entries[at] = (start + row, *range(first_gap + 3 * row, first_gap + 3 * row + 3))
    return entries


def _positions(code: FloatArray, location: IntArray, gaps: IntArray, rise: FloatArray, top: FloatArray) -> FloatArray:
    cornered: NDArray[np.bool_] = gaps >= 0
    first = np.maximum(gaps, 0)
    to_top = np.exp(np.where(cornered, code[first], 0.0)) * rise
    half_top = 0.5 * np.exp(np.where(cornered, code[np.minimum(first + 1, len(code) - 1)], 0.0)) * top
    position: FloatArray = code[location] + np.where(cornered, to_top + half_top, 0.0)
    return position


def _open(one: SetPlan) -> tuple[float, float]:
    """Return 1 where the first gap between a set's corners is open, and where the second is."""
    if one.shape not in ("triangle", "trapezoid"):
        return 0.0, 0.0
    first, second, *rest = one.params
    return float(second > first), float(one.shape == "trapezoid" and rest[0] > second)
