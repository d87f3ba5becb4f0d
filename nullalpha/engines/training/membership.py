"""Fuzzy sets for a whole population: log memberships, and the form in which training moves a set.

Sets are handled in standardised units (x - mean) / scale, where one learning rate suits every feature, and coded so that they keep their
meaning whatever a step does: widths and absolute slopes as logs (a sigmoid's slope keeps its sign), corners as the first one and the logs
of the gaps between them (they keep their order; a gap that the plan leaves closed stays closed).

A plan's code is one row: gaussians' centres, log widths; bells' centres, log widths, log slopes; sigmoids' centres, log slopes; first
corners, log gaps. What else training holds sets to (their order on a feature, legible widths), `legible` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.structure import RuleStructure
from nullalpha.strategy.plan import SetPlan

N_SET_PARAMS = 4
FLOOR = 1e-12
"""The least truth value of a triangle, a trapezoid or a complement, and least distance from a bell's centre: log 0 has no gradient."""
_TINY = 1e-300

Pick = slice | Tensor
"""Columns of the last dimension: a slice where they lie side by side (a view), else their indices, kept on the device."""


def pick(columns: Sequence[int], device: torch.device) -> Pick:
    """Return how to index these columns."""
    if columns and list(columns) == list(range(columns[0], columns[0] + len(columns))):
        return slice(columns[0], columns[0] + len(columns))
    return torch.tensor(list(columns), dtype=torch.int64, device=device)


@dataclass(frozen=True)
class SetBank:
    """Sets in a structure's order, on one device and in one precision: a plan's, or those of a population's members side by side.

    Attributes:
        structure: which sets are gaussians, bells, slopes, cornered, and which complements rules use.
        signs: (n_slopes,) sign of each slope; of a population (models, 1, n_slopes).
        open_gaps: (n_cornered, 3) 1 where two corners are apart, 0 where they are one; of a population (models, 1, n_cornered, 3).
        upright: whether any set has a side without width.
        negated_gaussians, ...: which of each family's columns have complements that rules use.
    """

    structure: RuleStructure
    signs: Tensor
    open_gaps: Tensor
    upright: bool
    negated_gaussians: Pick
    negated_bells: Pick
    negated_slopes: Pick
    negated_cornered: Pick

    @property
    def sizes(self) -> list[int]:
        """Widths of the code's parts."""
        gaussians, bells, slopes, cornered = self._counts
        return [gaussians] * 2 + [bells] * 3 + [slopes] * 2 + [cornered, 3 * cornered]

    def chosen(self, at: slice | Tensor) -> SetBank:
        """Return the bank of some members of a population."""
        return replace(self, signs=self.signs[at], open_gaps=self.open_gaps[at])

    @property
    def _counts(self) -> list[int]:
        shape = self.structure
        return [len(shape.gaussians), len(shape.bells), len(shape.slopes), len(shape.cornered)]

    def log_memberships(self, codes: Tensor, x: Tensor) -> Tensor:
        """Return (models, rows, n_sets + n_negated) logs of membership in each set, then in the complements that rules use.

        Args:
            codes: (models, n_set_parameters).
            x: (models, rows, n_sets) standardised features, one column a set.
        """
        shape = self.structure
        centre, log_width, *bell, middle, log_slope, corner, log_gaps = torch.split(codes.unsqueeze(1), self.sizes, dim=-1)
        x_gaussians, x_bells, x_slopes, x_cornered = torch.split(x, self._counts, dim=-1)
        columns: list[Tensor] = []
        complements: list[Tensor] = []
        if shape.gaussians:
            columns.append(((x_gaussians - centre) * torch.exp(-log_width)).square() * -0.5)
            if shape.negated_gaussians:
                complements.append(log_complement(columns[-1][..., self.negated_gaussians]))
        if shape.bells:
            fall = _bell_fall(x_bells, *bell)
            columns.append(torch.nn.functional.logsigmoid(-fall))
            if shape.negated_bells:
                complements.append(torch.nn.functional.logsigmoid(fall[..., self.negated_bells]))
        if shape.slopes:
            rise = (x_slopes - middle) * (torch.exp(log_slope) * self.signs)
            columns.append(torch.nn.functional.logsigmoid(rise))
            if shape.negated_slopes:
                complements.append(torch.nn.functional.logsigmoid(-rise[..., self.negated_slopes]))
        if shape.cornered:
            share = self._cornered(corner, log_gaps, x_cornered)
            columns.append(torch.log(share))
            if shape.negated_cornered:
                complements.append(torch.log((1 - share[..., self.negated_cornered]).clamp(min=FLOOR)))
        columns += complements
        return columns[0] if len(columns) == 1 else torch.cat(columns, dim=-1)

    def _cornered(self, corner: Tensor, log_gaps: Tensor, x: Tensor) -> Tensor:
        """Return (models, rows, n_cornered) memberships, 1e-12 to 1, of triangles and trapezoids."""
        gaps = torch.exp(log_gaps.reshape(len(log_gaps), 1, -1, 3)) * self.open_gaps  # (models, 1, n_cornered, 3)
        rise, top, fall = gaps.unbind(dim=-1)
        from_first, to_last = x - corner, corner + rise + top + fall - x
        if self.upright:  # a side without width is a step
            rising, falling = self.open_gaps[..., 0] > 0, self.open_gaps[..., 2] > 0
            up = torch.where(rising, from_first / torch.where(rising, rise, 1.0), (from_first >= 0).to(x.dtype))
            down = torch.where(falling, to_last / torch.where(falling, fall, 1.0), (to_last >= 0).to(x.dtype))
        else:
            up, down = from_first * (1 / rise), to_last * (1 / fall)
        return torch.minimum(up, down).clamp(FLOOR, 1.0)


def _bell_fall(x: Tensor, centre: Tensor, log_width: Tensor, log_slope: Tensor) -> Tensor:
    """Return log |(x - centre) / width|^(2 slope): membership is 1 / (1 + its exp), the complement the same of its negative."""
    distance = ((x - centre) * torch.exp(-log_width)).abs().clamp(min=FLOOR)
    return torch.log(distance) * (2 * torch.exp(log_slope))


def log_complement(log_truth: Tensor) -> Tensor:
    """Return log(1 - exp(log_truth)), at least log 1e-12, precise near both ends and with finite gradients.

    Source: Mächler (2012), Accurately computing log(1 - exp(-|a|)).
    """
    log_truth = log_truth.clamp(max=-FLOOR)
    near_true = log_truth > -0.6931471805599453
    high = torch.where(near_true, log_truth, -1.0)
    low = torch.where(near_true, -1.0, log_truth)
    return torch.where(near_true, torch.log(-torch.expm1(high)), torch.log1p(-torch.exp(low)))


def set_bank(sets: tuple[SetPlan, ...], structure: RuleStructure, device: torch.device, dtype: torch.dtype) -> SetBank:
    """Return the bank of a plan's sets."""
    return bank_of(structure, set_signs(sets, structure), open_gaps(sets, structure), device, dtype)


def bank_of(structure: RuleStructure, signs: FloatArray, gaps: FloatArray, device: torch.device, dtype: torch.dtype) -> SetBank:
    """Return a bank from the arrays of `SetBank`."""
    return SetBank(
        structure,
        torch.as_tensor(signs).to(dtype).to(device),
        torch.as_tensor(gaps).to(dtype).to(device),
        bool((gaps[..., [0, 2]] <= 0).any()),
        pick(structure.negated_gaussians, device),
        pick(structure.negated_bells, device),
        pick(structure.negated_slopes, device),
        pick(structure.negated_cornered, device),
    )


def set_signs(sets: tuple[SetPlan, ...], structure: RuleStructure) -> FloatArray:
    """Return (n_slopes,) the sign of each sigmoid's slope."""
    return np.array([1.0 if sets[i].params[1] >= 0 else -1.0 for i in structure.slopes])


def open_gaps(sets: tuple[SetPlan, ...], structure: RuleStructure) -> FloatArray:
    """Return (n_cornered, 3) 1 where two corners are apart, 0 where they are one."""
    corners = np.array([_corners(sets[i].params) for i in structure.cornered]).reshape(-1, N_SET_PARAMS)
    return (np.diff(corners, axis=1) > 0).astype(np.float64)


def set_params(sets: tuple[SetPlan, ...]) -> FloatArray:
    """Return (n_sets, 4) parameters as the plan gives them, NaN past each set's own."""
    out = np.full((len(sets), N_SET_PARAMS), np.nan)
    for row, one in enumerate(sets):
        out[row, : len(one.params)] = one.params
    return out


def encode_sets(sets: tuple[SetPlan, ...], structure: RuleStructure, params: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """Return (n_set_parameters,) the code of sets in standardised units.

    Args:
        sets: the plan's sets, for their features and shapes.
        structure: the plan's structure.
        params: (n_sets, 4) parameters in the features' own units, NaN-padded.
        mean, scale: (n_features,) of the standardisation; scale > 0.
    """
    feature = np.array([one.feature for one in sets])
    gaussians, bells, slopes = list(structure.gaussians), list(structure.bells), list(structure.slopes)
    parts = [
        (params[gaussians, 0] - mean[feature[gaussians]]) / scale[feature[gaussians]],
        np.log(params[gaussians, 1] / scale[feature[gaussians]]),
        (params[bells, 0] - mean[feature[bells]]) / scale[feature[bells]],
        np.log(params[bells, 1] / scale[feature[bells]]),
        np.log(params[bells, 2]),
        (params[slopes, 0] - mean[feature[slopes]]) / scale[feature[slopes]],
        np.log(np.maximum(np.abs(params[slopes, 1]) * scale[feature[slopes]], _TINY)),
    ]
    corners = np.array([_corners(params[i]) for i in structure.cornered]).reshape(-1, N_SET_PARAMS)
    its = feature[list(structure.cornered)]
    gaps = np.diff(corners, axis=1) / scale[its][:, None]
    parts += [(corners[:, 0] - mean[its]) / scale[its], np.log(np.where(gaps > 0, gaps, 1.0)).ravel()]
    return np.concatenate(parts)


def decode_sets(sets: tuple[SetPlan, ...], structure: RuleStructure, code: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """Return (n_sets, 4) parameters in the features' own units from a code; the inverse of `encode_sets`."""
    params = set_params(sets)
    mean_of = np.array([mean[one.feature] for one in sets])
    scale_of = np.array([scale[one.feature] for one in sets])
    counts = [len(structure.gaussians)] * 2 + [len(structure.bells)] * 3 + [len(structure.slopes)] * 2 + [len(structure.cornered)]
    centre, log_width, bell_centre, bell_log_width, bell_log_slope, middle, log_slope, corner, log_gaps = np.split(code, np.cumsum(counts))
    for family, centres, widths in ((structure.gaussians, centre, log_width), (structure.bells, bell_centre, bell_log_width)):
        for row, at in enumerate(family):
            params[at, :2] = mean_of[at] + scale_of[at] * centres[row], scale_of[at] * np.exp(widths[row])
    params[list(structure.bells), 2] = np.exp(bell_log_slope)
    for row, at in enumerate(structure.slopes):
        slope = np.copysign(np.exp(log_slope[row]) / scale_of[at], params[at, 1])
        params[at, :2] = mean_of[at] + scale_of[at] * middle[row], slope
    opened = open_gaps(sets, structure)
    for row, at in enumerate(structure.cornered):
        gaps = scale_of[at] * np.exp(log_gaps[3 * row : 3 * row + 3]) * opened[row]
        corners = mean_of[at] + scale_of[at] * corner[row] + np.concatenate([[0.0], np.cumsum(gaps)])
        params[at] = corners if sets[at].shape == "trapezoid" else [*corners[[0, 1, 3]], np.nan]
    return params


def _corners(params: tuple[float, ...] | FloatArray) -> tuple[float, ...]:
    """Return four corners; a triangle is a trapezoid whose top is one point."""
    a, b, c, *rest = (float(value) for value in params)
    return (a, b, c, rest[0]) if rest and not np.isnan(rest[0]) else (a, b, b, c)
