"""The sets of a population's members side by side: every family padded to the member that has most of it, with columns that nobody reads.

Within a family the sets whose complements a member's rules use come first, so that the complements of all members are the same columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.legible import set_entries
from nullalpha.engines.training.membership import SetBank, bank_of, open_gaps, set_signs
from nullalpha.engines.training.placement import Placement
from nullalpha.engines.training.structure import RuleStructure, rule_structure
from nullalpha.strategy.plan import Plan

NO_SETS = RuleStructure((), (), (), (), (), (), (), (), groups=(), outputs=())


@dataclass(frozen=True)
class OwnColumns:
    """Where one member's sets lie.

    Attributes:
        columns: (n_sets,) column of each set of its plan.
        complements: column of the complement of each set that has one.
        entries: (n own set parameters,) entry in the population's code of each entry in its own.
    """

    columns: IntArray
    complements: dict[int, int]
    entries: IntArray


@dataclass(frozen=True)
class SetColumns:
    """The columns of a population.

    Attributes:
        structure: of all columns, as of a plan that has the padding's sets too; no rules.
        own: of each member.
    """

    structure: RuleStructure
    own: tuple[OwnColumns, ...]

    @property
    def n_columns(self) -> int:
        return len(self.structure.set_order)

    @property
    def n_set_parameters(self) -> int:
        return sum(map(len, set_entries(self.structure).values()))

    def features_of_sets(self, x: FloatArray, plan: Plan, member: int) -> FloatArray:
        """Return (n_rows, n_columns) the feature of each column's set; 0 in the padding."""
        out = np.zeros((len(x), self.n_columns))
        out[:, self.own[member].columns] = x[:, [one.feature for one in plan.sets]]
        return out

    def bank(self, plans: Sequence[Plan], place: Placement) -> SetBank:
        """Return the bank of all members; a set of the padding has a rising slope and corners apart."""
        structure = self.structure
        first = self.n_columns - len(structure.cornered), self.n_columns - len(structure.cornered) - len(structure.slopes)
        signs = np.ones((len(plans), 1, len(structure.slopes)))
        gaps = np.ones((len(plans), 1, len(structure.cornered), 3))
        for model, (plan, own) in enumerate(zip(plans, self.own, strict=True)):
            its = rule_structure(plan)
            signs[model, 0, own.columns[list(its.slopes)] - first[1]] = set_signs(plan.sets, its)
            gaps[model, 0, own.columns[list(its.cornered)] - first[0]] = open_gaps(plan.sets, its)
        return bank_of(structure, signs, gaps, torch.device(place.device), place.dtype)


def no_sets(n_models: int, place: Placement) -> SetBank:
    """Return the bank of a population whose sets stay as they are, so that it is never asked for memberships."""
    return bank_of(NO_SETS, np.ones((n_models, 1, 0)), np.ones((n_models, 1, 0, 3)), torch.device(place.device), place.dtype)


def set_columns(plans: Sequence[Plan]) -> SetColumns:
    """Return the columns of plans whose rules are products, or that are networks."""
    structures = [rule_structure(plan) for plan in plans]
    counts = np.max([[len(family) for family in _families(one)] for one in structures], axis=0)
    n_negated = np.max([[len(negated) for negated in _negated(one)] for one in structures], axis=0)
    edges = np.concatenate([[0], np.cumsum(counts)])
    gaussians, bells, slopes, cornered = (tuple(range(edges[i], edges[i + 1])) for i in range(4))
    not_gaussians, not_bells, not_slopes, not_cornered = (tuple(range(n)) for n in n_negated)
    padded = RuleStructure(gaussians, bells, slopes, cornered, not_gaussians, not_bells, not_slopes, not_cornered, groups=(), outputs=())
    entries = set_entries(padded)
    first_complement = edges[-1] + np.concatenate([[0], np.cumsum(n_negated)])
    own = []
    for structure in structures:
        columns = np.zeros(len(structure.set_order), dtype=np.int64)
        complements: dict[int, int] = {}
        for at, (family, negated) in enumerate(zip(_families(structure), _negated(structure), strict=True)):
            order = [*negated, *(position for position in range(len(family)) if position not in negated)]
            columns[[family[position] for position in order]] = edges[at] + np.arange(len(family))
            complements |= {family[position]: int(first_complement[at]) + row for row, position in enumerate(negated)}
        own.append(OwnColumns(columns, complements, _entries(structure, entries, columns)))
    return SetColumns(padded, tuple(own))


def columns_of_structure(plans: Sequence[Plan]) -> SetColumns:
    """Return the columns of plans that have one structure but for which sets and features it is over; nothing is padded."""
    own = []
    for plan in plans:
        structure = rule_structure(plan)
        columns = np.argsort(structure.set_order).astype(np.int64)
        n_entries = sum(map(len, set_entries(structure).values()))
        own.append(OwnColumns(columns, {}, np.arange(n_entries)))
    return SetColumns(rule_structure(plans[0]), tuple(own))


def _entries(structure: RuleStructure, padded: dict[int, tuple[int, ...]], columns: IntArray) -> IntArray:
    own = set_entries(structure)
    out = np.zeros(sum(map(len, own.values())), dtype=np.int64)
    for at, its in own.items():
        out[list(its)] = padded[int(columns[at])]
    return out


def _families(structure: RuleStructure) -> tuple[tuple[int, ...], ...]:
    return structure.gaussians, structure.bells, structure.slopes, structure.cornered


def _negated(structure: RuleStructure) -> tuple[tuple[int, ...], ...]:
    return structure.negated_gaussians, structure.negated_bells, structure.negated_slopes, structure.negated_cornered
