"""Rules as columns: the shape of a plan's antecedents, worked out once, so that evaluating them is a few operations on whole arrays.

Negations are pushed down to the sets (De Morgan holds exactly for product and probabilistic or), equal sub-trees are shared, and nodes are
grouped by depth and kind. No arrays here; `model` evaluates a structure, in log space.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from nullalpha.strategy.plan import Condition, Plan

GAUSSIAN: tuple[str, ...] = ("gaussian",)
BELL: tuple[str, ...] = ("bell",)
SLOPE: tuple[str, ...] = ("sigmoid",)
CORNERED: tuple[str, ...] = ("triangle", "trapezoid")


@dataclass(frozen=True)
class NodeGroup:
    """Nodes of one kind whose inputs are all in earlier columns; those of one `or` group have equally many.

    `inputs[i]` are the columns that node i joins.
    """

    kind: Literal["and", "or"]
    inputs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class RuleStructure:
    """Columns of log truth values, from sets to rules.

    Attributes:
        gaussians, bells, slopes, cornered: indices into `Plan.sets` by shape; these sets, in this order, fill the first columns.
        negated_gaussians, ...: positions within these whose complements fill the next columns.
        groups: each adds a column for each of its nodes, in order.
        outputs: the column of each rule.
    """

    gaussians: tuple[int, ...]
    bells: tuple[int, ...]
    slopes: tuple[int, ...]
    cornered: tuple[int, ...]
    negated_gaussians: tuple[int, ...]
    negated_bells: tuple[int, ...]
    negated_slopes: tuple[int, ...]
    negated_cornered: tuple[int, ...]
    groups: tuple[NodeGroup, ...]
    outputs: tuple[int, ...]

    @property
    def set_order(self) -> tuple[int, ...]:
        """Indices into `Plan.sets` in column order."""
        return self.gaussians + self.bells + self.slopes + self.cornered

    @property
    def n_negated(self) -> int:
        """Columns of complements."""
        return len(self.negated_gaussians) + len(self.negated_bells) + len(self.negated_slopes) + len(self.negated_cornered)


@dataclass(frozen=True)
class _Node:
    """A tree without negations but at its leaves."""

    kind: Literal["set", "not_set", "and", "or"]
    set_index: int = -1
    args: tuple[_Node, ...] = ()


def rule_structure(plan: Plan) -> RuleStructure:
    """Return the structure of a plan's rules; without rules, of its sets alone."""
    families = [tuple(i for i, one in enumerate(plan.sets) if one.shape in shapes) for shapes in (GAUSSIAN, BELL, SLOPE, CORNERED)]
    roots = [_as_join(_without_negations(rule.condition, negated=False)) for rule in plan.rules]
    leaves, joins = _nodes_by_depth(roots)
    negated_sets = {leaf.set_index for leaf in leaves if leaf.kind == "not_set"}
    negated = [tuple(at for at, set_index in enumerate(family) if set_index in negated_sets) for family in families]

    columns: dict[_Node, int] = {}
    for family in families:
        columns |= {_Node("set", set_index): len(columns) + at for at, set_index in enumerate(family)}
    for family, positions in zip(families, negated, strict=True):
        columns |= {_Node("not_set", family[position]): len(columns) + at for at, position in enumerate(positions)}
    groups: list[NodeGroup] = []
    for nodes in joins:
        kind: Literal["and", "or"] = "and" if nodes[0].kind == "and" else "or"
        groups.append(NodeGroup(kind, tuple(tuple(columns[arg] for arg in node.args) for node in nodes)))
        for node in nodes:
            columns[node] = len(columns)
    outputs = tuple(columns[root] for root in roots)
    gaussians, bells, slopes, cornered = families
    not_gaussians, not_bells, not_slopes, not_cornered = negated
    return RuleStructure(
        gaussians, bells, slopes, cornered, not_gaussians, not_bells, not_slopes, not_cornered, groups=tuple(groups), outputs=outputs
    )


def rule_products(plan: Plan) -> tuple[tuple[tuple[int, bool], ...], ...] | None:
    """Return each rule as a product: pairs of a set and whether its complement is meant; None where a rule needs an `or`."""
    found = []
    for rule in plan.rules:
        leaves = _leaves_of_product(_without_negations(rule.condition, negated=False))
        if leaves is None:
            return None
        found.append(tuple((leaf.set_index, leaf.kind == "not_set") for leaf in leaves))
    return tuple(found)


def _leaves_of_product(node: _Node) -> list[_Node] | None:
    if not node.args:
        return [node]
    parts = [_leaves_of_product(arg) for arg in node.args] if node.kind == "and" else [None]
    return None if None in parts else [leaf for part in parts for leaf in part or []]


def _without_negations(condition: Condition, *, negated: bool) -> _Node:
    if condition.op == "is":
        return _Node("not_set" if negated else "set", condition.set_index)
    if condition.op == "not":
        return _without_negations(condition.args[0], negated=not negated)
    joins_and = (condition.op == "and") != negated
    return _Node("and" if joins_and else "or", args=tuple(_without_negations(arg, negated=negated) for arg in condition.args))


def _as_join(root: _Node) -> _Node:
    """Return a rule of one set as a join of one, so that it is worked out beside the others."""
    return root if root.args else _Node("and", args=(root,))


def _nodes_by_depth(roots: list[_Node]) -> tuple[list[_Node], list[list[_Node]]]:
    """Return the distinct leaves, and the distinct joins in groups that can be evaluated one after the other."""
    depths: dict[_Node, int] = {}

    def depth(node: _Node) -> int:
        if node not in depths:
            depths[node] = 1 + max(depth(arg) for arg in node.args) if node.args else 0
        return depths[node]

    for root in roots:
        depth(root)
    groups: dict[tuple[int, str, int], list[_Node]] = defaultdict(list)
    for node, level in depths.items():
        if level:
            groups[level, node.kind, len(node.args) if node.kind == "or" else 0].append(node)
    return [node for node, level in depths.items() if not level], [groups[key] for key in sorted(groups)]
