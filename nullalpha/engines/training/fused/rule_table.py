"""A plan's rules as the compiled kernels take them: columns of log truths, joined from sets to rules and normalised over the rules.

Firing is kept in logs and normalised by a softmax, as in `training.model`; an `or` of several inputs is a chain of joins of two, so that
each join has one slope by each of its inputs: with p and q the truths and r = p + q (1 - p), of log r by log p it is p (1 - q) / r.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.engines.training.fused.blocks import FAST, ROWS, Float32Array
from nullalpha.engines.training.fused.maths import ONE, ZERO, exp_nb, log1p_nb, log_complement_nb
from nullalpha.engines.training.fused.rows import Int64Array
from nullalpha.engines.training.fused.sets import SetTable, set_table
from nullalpha.engines.training.membership import FLOOR
from nullalpha.engines.training.structure import RuleStructure
from nullalpha.strategy.plan import Plan

_FLOOR = np.float32(FLOOR)


class RuleTable(NamedTuple):
    """A plan's rules: columns of log truths, from sets over complements and joins to rules.

    Attributes:
        sets: the sets, in the first columns.
        n_leaves: columns of sets and complements; each join adds one more, in order.
        is_or: (n_joins,) whether a join of two is an `or`; an `and` joins any number.
        starts: (n_joins + 1,) where each join's inputs begin in `inputs`, and the end of the last.
        inputs: columns.
        outputs: (n_rules,) column of each rule.
        log_weights: (n_rules,) added to each rule's log truth.
        n_features: that answers are made from.
        train_sets, train_consequents: what moves.
    """

    sets: SetTable
    n_leaves: int
    is_or: NDArray[np.bool_]
    starts: Int64Array
    inputs: Int64Array
    outputs: Int64Array
    log_weights: Float32Array
    n_features: int
    train_sets: bool
    train_consequents: bool


def rule_table(plan: Plan, structure: RuleStructure) -> RuleTable:
    """Return the table of an anfis plan's rules."""
    order = structure.set_order
    n_leaves = len(order) + structure.n_negated
    column_of = list(range(n_leaves))
    is_or: list[bool] = []
    joins: list[list[int]] = []
    for group in structure.groups:
        for given in group.inputs:
            inputs = [column_of[one] for one in given]
            if group.kind == "or":
                while len(inputs) > 1:
                    is_or.append(True)
                    joins.append(inputs[:2])
                    inputs = [n_leaves + len(joins) - 1, *inputs[2:]]
            else:
                is_or.append(False)
                joins.append(inputs)
            column_of.append(n_leaves + len(joins) - 1)
    return RuleTable(
        sets=set_table(plan.sets, structure, order),
        n_leaves=n_leaves,
        is_or=np.array(is_or, np.bool_),
        starts=np.cumsum([0, *map(len, joins)]).astype(np.int64),
        inputs=np.array([one for inputs in joins for one in inputs], np.int64),
        outputs=np.array([column_of[one] for one in structure.outputs], np.int64),
        log_weights=np.log([rule.weight for rule in plan.rules]).astype(np.float32),
        n_features=len(plan.features),
        train_sets="sets" in plan.trainable,
        train_consequents="consequents" in plan.trainable,
    )


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def join_nb(table: RuleTable, log_truth: Float32Array) -> None:
    """Fill the joins' columns of log truths (columns, ROWS) from those of sets and complements."""
    for join in range(len(table.is_or)):
        joined, start = log_truth[table.n_leaves + join], table.starts[join]
        one = log_truth[table.inputs[start]]
        if table.is_or[join]:
            other = log_truth[table.inputs[start + 1]]
            for row in range(ROWS):
                second = other[row] + log_complement_nb(one[row] if one[row] < -_FLOOR else -_FLOOR)
                high, low = (one[row], second) if one[row] > second else (second, one[row])
                joined[row] = high + log1p_nb(exp_nb(low - high))
        else:
            for row in range(ROWS):
                joined[row] = one[row]
            for place in range(start + 1, table.starts[join + 1]):
                other = log_truth[table.inputs[place]]
                for row in range(ROWS):
                    joined[row] += other[row]


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def unjoin_nb(table: RuleTable, log_truth: Float32Array, by_log: Float32Array) -> None:
    """Add to the slopes by_log (columns, ROWS) of what each join takes in, the last join first."""
    for join in range(len(table.is_or) - 1, -1, -1):
        by_joined, start = by_log[table.n_leaves + join], table.starts[join]
        if table.is_or[join]:
            one, other = log_truth[table.inputs[start]], log_truth[table.inputs[start + 1]]
            joined = log_truth[table.n_leaves + join]
            by_one, by_other = by_log[table.inputs[start]], by_log[table.inputs[start + 1]]
            for row in range(ROWS):
                missing = log_complement_nb(one[row] if one[row] < -_FLOOR else -_FLOOR)
                to_other = exp_nb(other[row] + missing - joined[row])
                by_one[row] += by_joined[row] * exp_nb(one[row] - joined[row]) * (ONE - exp_nb(other[row]))
                by_other[row] += by_joined[row] * to_other
        else:
            for place in range(start, table.starts[join + 1]):
                by_input = by_log[table.inputs[place]]
                for row in range(ROWS):
                    by_input[row] += by_joined[row]


@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def normalise_nb(table: RuleTable, log_truth: Float32Array, firing: Float32Array, working: Float32Array) -> None:
    """Fill firing (n_rules, ROWS) with the softmax over the rules of their weighed log truths."""
    n_rules, highest = len(table.outputs), working
    for rule in range(n_rules):
        truth, its, weight = log_truth[table.outputs[rule]], firing[rule], table.log_weights[rule]
        if rule == 0:
            for row in range(ROWS):
                its[row] = truth[row] + weight
                highest[row] = its[row]
        else:
            for row in range(ROWS):
                its[row] = truth[row] + weight
                highest[row] = its[row] if its[row] > highest[row] else highest[row]
    for rule in range(n_rules):
        its = firing[rule]
        for row in range(ROWS):
            its[row] = exp_nb(its[row] - highest[row])
    for row in range(ROWS):
        highest[row] = ZERO
    for rule in range(n_rules):
        its = firing[rule]
        for row in range(ROWS):
            highest[row] += its[row]
    for row in range(ROWS):
        highest[row] = ONE / highest[row]
    for rule in range(n_rules):
        its = firing[rule]
        for row in range(ROWS):
            its[row] *= highest[row]
