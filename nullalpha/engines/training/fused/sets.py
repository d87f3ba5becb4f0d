"""Fuzzy sets of a block of rows: logs of memberships and of the complements that rules use, and their slopes by the sets' code.

The code is that of `membership`, in standardised units; each set's own numbers are looked up in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.engines.training.fused.blocks import FAST, ROWS, Float32Array
from nullalpha.engines.training.fused.maths import HALF, ONE, TWO, ZERO, exp_nb, log_complement_nb, log_logistic_nb, log_nb, logistic_nb
from nullalpha.engines.training.legible import set_entries
from nullalpha.engines.training.membership import FLOOR, open_gaps, set_signs
from nullalpha.engines.training.structure import RuleStructure
from nullalpha.strategy.plan import SetPlan

Int64Array = NDArray[np.int64]
_GAUSSIAN, _BELL, _SLOPE, _CORNERED = range(4)
_FLOOR = np.float32(FLOOR)


class SetTable(NamedTuple):
    """Sets in column order.

    Attributes:
        shape: (n_sets,) gaussian, bell, slope or cornered.
        feature: (n_sets,) whose values it reads.
        code: (n_sets, 3) places in the sets' code: centre, log width, a bell's log slope; of a slope centre, log slope; of a cornered
            set the first corner and the first of three log gaps, side by side.
        sign: (n_sets,) of a slope.
        open_gaps: (n_sets, 3) 1 where two corners are apart.
        complement: (n_sets,) column of the complement; -1 where no rule uses it.
    """

    shape: Int64Array
    feature: Int64Array
    code: Int64Array
    sign: Float32Array
    open_gaps: Float32Array
    complement: Int64Array


def set_table(sets: tuple[SetPlan, ...], structure: RuleStructure, order: Sequence[int]) -> SetTable:
    """Return the table of a plan's sets in the order of `order`, indices into `sets`; complements follow in the structure's order."""
    families = (structure.gaussians, structure.bells, structure.slopes, structure.cornered)
    negated = (structure.negated_gaussians, structure.negated_bells, structure.negated_slopes, structure.negated_cornered)
    shape = {index: kind for kind, family in enumerate(families) for index in family}
    sign = dict(zip(structure.slopes, set_signs(sets, structure), strict=True))
    gaps = dict(zip(structure.cornered, open_gaps(sets, structure), strict=True))
    complements = [family[place] for family, places in zip(families, negated, strict=True) for place in places]
    column = {index: len(order) + place for place, index in enumerate(complements)}
    entries = set_entries(structure)
    return SetTable(
        shape=np.array([shape[i] for i in order], np.int64),
        feature=np.array([sets[i].feature for i in order], np.int64),
        code=np.array([(*entries[i], -1)[:3] for i in order], np.int64),
        sign=np.array([sign.get(i, 1.0) for i in order], np.float32),
        open_gaps=np.array([gaps.get(i, np.ones(3)) for i in order], np.float32),
        complement=np.array([column.get(i, -1) for i in order], np.int64),
    )


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def log_memberships_nb(table: SetTable, codes: Float32Array, x: Float32Array, log_truth: Float32Array) -> None:
    """Fill the sets' and complements' columns of log_truth (columns, ROWS) from standardised features x (n_features, ROWS)."""
    for column in range(len(table.shape)):
        values, out = x[table.feature[column]], log_truth[column]
        shape, (a, b, c) = table.shape[column], (table.code[column, 0], table.code[column, 1], table.code[column, 2])
        has_complement = table.complement[column] >= 0
        other = log_truth[table.complement[column] if has_complement else column]
        if shape == _GAUSSIAN:
            centre, scale = codes[a], exp_nb(-codes[b])
            for row in range(ROWS):
                distance = (values[row] - centre) * scale
                out[row] = -HALF * distance * distance
            if has_complement:
                for row in range(ROWS):
                    other[row] = log_complement_nb(out[row] if out[row] < -_FLOOR else -_FLOOR)
        elif shape == _BELL:
            centre, scale, steepness = codes[a], exp_nb(-codes[b]), TWO * exp_nb(codes[c])
            for row in range(ROWS):
                out[row] = _fall_nb(values[row], centre, scale, steepness)
            if has_complement:
                for row in range(ROWS):
                    other[row] = log_logistic_nb(out[row])
            for row in range(ROWS):
                out[row] = log_logistic_nb(-out[row])
        elif shape == _SLOPE:
            centre, steepness = codes[a], exp_nb(codes[b]) * table.sign[column]
            if has_complement:
                for row in range(ROWS):
                    other[row] = log_logistic_nb(-(values[row] - centre) * steepness)
            for row in range(ROWS):
                out[row] = log_logistic_nb((values[row] - centre) * steepness)
        else:
            rise, top, fall = _gaps_nb(table.open_gaps[column], codes, b)
            for row in range(ROWS):
                up, down = _sides_nb(values[row] - codes[a], rise, top, fall)
                share = _held_nb(up if up < down else down)
                if has_complement:
                    other[row] = log_nb(ONE - share if ONE - share > _FLOOR else _FLOOR)
                out[row] = log_nb(share)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def add_set_slopes_nb(
    table: SetTable, codes: Float32Array, x: Float32Array, log_truth: Float32Array, by_log: Float32Array, by_codes: Float32Array
) -> None:
    """Add to by_codes the slopes of the sets' code.

    Args:
        table, codes, x: as of `log_memberships_nb`.
        log_truth: (columns, ROWS) that it filled.
        by_log: (columns, ROWS) slopes of `log_truth`; used up.
        by_codes: added to, in the places of `codes`.
    """
    for column in range(len(table.shape)):
        values, by_own, complement = x[table.feature[column]], by_log[column], table.complement[column]
        shape, (a, b, c) = table.shape[column], (table.code[column, 0], table.code[column, 1], table.code[column, 2])
        if shape == _GAUSSIAN:
            if complement >= 0:
                _through_complement_nb(log_truth[column], log_truth[complement], by_log[complement], by_own)
            by_centre, by_scale = _gaussian_slopes_nb(values, codes[a], exp_nb(-codes[b]), by_own)
            by_codes[a] += by_centre
            by_codes[b] += by_scale
            continue
        # loops that read a complement's slopes read its set's instead, times 0, where no rule uses it
        by_other, counts = (by_log[complement], ONE) if complement >= 0 else (by_own, ZERO)
        if shape == _BELL:
            number = codes[a], exp_nb(-codes[b]), TWO * exp_nb(codes[c])
            by_centre, by_scale, by_steepness = _bell_slopes_nb(values, number, by_own, by_other, counts)
            by_codes[a] += by_centre
            by_codes[b] += by_scale
            by_codes[c] += by_steepness
        elif shape == _SLOPE:
            steepness = exp_nb(codes[b]) * table.sign[column]
            by_centre, by_scale = _rise_slopes_nb(values, codes[a], steepness, by_own, by_other, counts)
            by_codes[a] += by_centre
            by_codes[b] += by_scale
        else:
            gaps = _gaps_nb(table.open_gaps[column], codes, b)
            by_corner, by_rise, by_top, by_fall = _cornered_slopes_nb(values, codes[a], gaps, by_own, by_other, counts)
            by_codes[a] += by_corner
            by_codes[b] += by_rise
            by_codes[b + 1] += by_top
            by_codes[b + 2] += by_fall


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _through_complement_nb(own: Float32Array, other: Float32Array, by_other: Float32Array, by_own: Float32Array) -> None:
    """Add to by_own what its complement's slopes come to: with t the truth, -t / (1 - t) each."""
    for row in range(ROWS):
        by_own[row] -= by_other[row] * exp_nb(own[row] - other[row]) if own[row] < -_FLOOR else ZERO


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _gaussian_slopes_nb(values: Float32Array, centre: np.float32, scale: np.float32, by_own: Float32Array) -> tuple[np.float32, np.float32]:
    """Return the slopes of centre and log width."""
    by_centre = by_width = ZERO
    for row in range(ROWS):
        distance = (values[row] - centre) * scale
        by_centre += by_own[row] * distance
        by_width += by_own[row] * distance * distance
    return by_centre * scale, by_width


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _bell_slopes_nb(
    values: Float32Array,
    number: tuple[np.float32, np.float32, np.float32],
    by_own: Float32Array,
    by_other: Float32Array,
    counts: np.float32,
) -> tuple[np.float32, np.float32, np.float32]:
    """Return the slopes of centre, log width and log slope, from (centre, 1 / width, 2 slope)."""
    centre, scale, steepness = number
    by_centre = by_width = by_steepness = ZERO
    for row in range(ROWS):
        fall, away = _fall_nb(values[row], centre, scale, steepness), values[row] - centre
        chance = logistic_nb(fall)
        slope = counts * by_other[row] * (ONE - chance) - by_own[row] * chance
        moves = np.abs(away) * scale > _FLOOR
        by_centre -= slope / away if moves else ZERO
        by_width -= slope if moves else ZERO
        by_steepness += slope * fall
    return by_centre * steepness, by_width * steepness, by_steepness


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _rise_slopes_nb(
    values: Float32Array, centre: np.float32, steepness: np.float32, by_own: Float32Array, by_other: Float32Array, counts: np.float32
) -> tuple[np.float32, np.float32]:
    """Return the slopes of a sigmoid's centre and log slope, from centre and signed slope."""
    by_centre = by_steepness = ZERO
    for row in range(ROWS):
        rise = (values[row] - centre) * steepness
        chance = logistic_nb(rise)
        slope = by_own[row] * (ONE - chance) - counts * by_other[row] * chance
        by_centre -= slope
        by_steepness += slope * rise
    return by_centre * steepness, by_steepness


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _cornered_slopes_nb(
    values: Float32Array,
    corner: np.float32,
    gaps: tuple[np.float32, np.float32, np.float32],
    by_own: Float32Array,
    by_other: Float32Array,
    counts: np.float32,
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Return the slopes of the first corner and of the three log gaps, 0 for a gap that is closed."""
    rise, top, fall = gaps
    per_rise, per_fall = (ONE / rise if rise > ZERO else ZERO), (ONE / fall if fall > ZERO else ZERO)
    by_corner = by_rise = by_top = by_fall = ZERO
    for row in range(ROWS):
        up, down = _sides_nb(values[row] - corner, rise, top, fall)
        share = up if up < down else down
        held = _held_nb(share)
        missing = ONE - held
        slope = by_own[row] / held - (counts * by_other[row] / missing if missing > _FLOOR else ZERO)
        slope = slope if share == held else ZERO
        by_up, by_down = (slope, ZERO) if up < down else (ZERO, slope)
        by_corner += by_down * per_fall - by_up * per_rise
        by_rise += by_down * rise * per_fall - by_up * up
        by_top += by_down * top * per_fall
        by_fall += by_down * (ONE - down)
    return by_corner, by_rise if rise > ZERO else ZERO, by_top, by_fall if fall > ZERO else ZERO


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def _fall_nb(value: np.float32, centre: np.float32, scale: np.float32, steepness: np.float32) -> np.float32:
    """Return log |(x - centre) / width|^(2 slope) of a bell."""
    distance = np.abs((value - centre) * scale)
    return log_nb(distance if distance > _FLOOR else _FLOOR) * steepness


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def _gaps_nb(open_gaps: Float32Array, codes: Float32Array, at: int) -> tuple[np.float32, np.float32, np.float32]:
    return open_gaps[0] * exp_nb(codes[at]), open_gaps[1] * exp_nb(codes[at + 1]), open_gaps[2] * exp_nb(codes[at + 2])


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def _sides_nb(from_first: np.float32, rise: np.float32, top: np.float32, fall: np.float32) -> tuple[np.float32, np.float32]:
    """Return how far up the left side and the right side a value lies; a side without width is a step."""
    to_last = rise + top + fall - from_first
    up = from_first / rise if rise > ZERO else (ONE if from_first >= ZERO else ZERO)
    down = to_last / fall if fall > ZERO else (ONE if to_last >= ZERO else ZERO)
    return up, down


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def _held_nb(share: np.float32) -> np.float32:
    return _FLOOR if share < _FLOOR else (ONE if share > ONE else share)


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def memberships_nb(table: SetTable, codes: Float32Array, x: Float32Array) -> Float32Array:
    """Return (n_sets, n_rows) memberships in the sets of a table without complements, from standardised features x (n_features, n_rows)."""
    n_sets, n_rows = len(table.shape), x.shape[1]
    out = np.empty((n_sets, n_rows), np.float32)
    block, log_truth = np.zeros((len(x), ROWS), np.float32), np.empty((n_sets, ROWS), np.float32)
    for start in range(0, n_rows, ROWS):
        stop = min(start + ROWS, n_rows)
        block[:, : stop - start] = x[:, start:stop]
        log_memberships_nb(table, codes, block, log_truth)
        for column in range(n_sets):
            for row in range(stop - start):
                out[column, start + row] = exp_nb(log_truth[column, row])
    return out
