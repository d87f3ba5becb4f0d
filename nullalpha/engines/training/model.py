"""The fuzzy model of a plan for a whole population: first-order TSK (ANFIS), and plain rules.

Members share the plan's structure and differ in numbers, so every tensor leads with a models dimension. Firing is kept in logs and, in
ANFIS, normalised by a softmax over the rules, so that rules with many inputs neither vanish nor lose their gradient.
Source: Takagi & Sugeno (1985), IEEE SMC 15(1); Jang (1993), IEEE SMC 23(3); Cui, Wu & Xu (2021), IJCNN, for the softmax form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nullalpha.engines.training.membership import Pick, SetBank, log_complement, pick, set_bank
from nullalpha.engines.training.structure import NodeGroup, RuleStructure, rule_structure
from nullalpha.strategy.plan import Plan


@dataclass(frozen=True)
class FuzzyModel:
    """A plan's model, or that of a population's members, on one device and in one precision.

    A population's parameters are one tensor (models, n_parameters): the sets' code (see `membership`), then coefficients
    (rules x features), then biases (rules).

    Attributes:
        bank: the sets.
        structure: the rules.
        set_features: feature of each set column.
        joins: for each of the structure's groups: of `and`, (columns, nodes) how often a node joins a column, of members whose rules
            differ (models, columns, nodes); of `or`, the columns of the nodes' first inputs, of their second ones, and so on.
        outputs: the rules' columns; within the last group where `outputs_in_last`.
        consequents: (rules,) of the plan, for plain rules and as first biases.
        log_weights: (rules,) logs of the rules' weights, of a population (models, 1, rules); None where all are 1.
        n_rules, n_features: sizes.
    """

    bank: SetBank
    structure: RuleStructure
    set_features: tuple[int, ...]
    joins: tuple[Tensor | tuple[Pick, ...], ...]
    outputs: Pick
    outputs_in_last: bool
    consequents: Tensor
    log_weights: Tensor | None
    n_rules: int
    n_features: int

    @property
    def n_set_parameters(self) -> int:
        return sum(self.bank.sizes)

    def chosen(self, at: slice | Tensor) -> FuzzyModel:
        """Return the model of some members of a population."""
        joins = tuple(one[at] if isinstance(one, Tensor) and one.dim() == 3 else one for one in self.joins)
        weights = None if self.log_weights is None else self.log_weights[at]
        return replace(self, bank=self.bank.chosen(at), joins=joins, log_weights=weights)

    def split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return views of parameters: the sets' code, coefficients (models, rules, n_features), biases (models, rules)."""
        n_sets, n_coefficients = self.n_set_parameters, self.n_rules * self.n_features
        coefficients = parameters[:, n_sets : n_sets + n_coefficients].reshape(-1, self.n_rules, self.n_features)
        return parameters[:, :n_sets], coefficients, parameters[:, n_sets + n_coefficients :]

    def log_firing(self, codes: Tensor, x_sets: Tensor) -> Tensor:
        """Return (models, rows, rules) logs of how true each rule's condition is, times the rule's weight.

        Args:
            codes: (models, n_set_parameters).
            x_sets: (models, rows, n_sets) standardised features, one column a set, as `set_features` orders them.
        """
        with torch.autocast(codes.device.type, enabled=False):  # eight bits are too few for a log
            columns = self.bank.log_memberships(codes, x_sets)
            *inner, last = self.joins
            for joins in inner:
                columns = torch.cat([columns, _join(columns, joins)], dim=-1)
            joined = _join(columns, last)
            if not self.outputs_in_last:
                joined = torch.cat([columns, joined], dim=-1)
            firing = joined[..., self.outputs]
            return firing if self.log_weights is None else firing + self.log_weights

    def answers(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Return (models, rows, rules) each rule's linear answer a . x + b, from standardised x (models, rows, n_features)."""
        _, coefficients, bias = self.split(parameters)
        return torch.baddbmm(bias.unsqueeze(1), x, coefficients.transpose(1, 2))

    def output(self, parameters: Tensor, x: Tensor, log_firing: Tensor) -> Tensor:
        """Return (models, rows) ANFIS outputs: the rules' answers weighed by their normalised firing."""
        return (torch.softmax(log_firing, dim=-1) * self.answers(parameters, x)).sum(dim=-1)

    def rules_output(self, log_firing: Tensor) -> Tensor:
        """Return (models, rows) outputs of plain rules; an implicit rule "else flat" is as true as no rule is, and answers 0."""
        firing = torch.exp(log_firing)
        return (firing * self.consequents).sum(dim=-1) / (firing.sum(dim=-1) + (1 - firing).prod(dim=-1))


def fuzzy_model(plan: Plan, device: torch.device, dtype: torch.dtype = torch.float64) -> FuzzyModel:
    """Return the model of a plan."""
    structure = rule_structure(plan)
    order = structure.set_order
    n_columns = len(order) + structure.n_negated
    joins: list[Tensor | tuple[Pick, ...]] = []
    for group in structure.groups:
        if group.kind == "and":
            joins.append(_and_joins(group, n_columns, device, dtype))
        else:
            joins.append(tuple(pick(inputs, device) for inputs in zip(*group.inputs, strict=True)))
        n_columns += len(group.inputs)
    first_of_last = n_columns - len(structure.groups[-1].inputs)
    in_last = min(structure.outputs) >= first_of_last
    weights = torch.tensor([rule.weight for rule in plan.rules], device=device, dtype=dtype)
    return FuzzyModel(
        bank=set_bank(plan.sets, structure, device, dtype),
        structure=structure,
        set_features=tuple(plan.sets[i].feature for i in order),
        joins=tuple(joins),
        outputs=pick([column - first_of_last for column in structure.outputs] if in_last else structure.outputs, device),
        outputs_in_last=in_last,
        consequents=torch.tensor([rule.consequent for rule in plan.rules], device=device, dtype=dtype),
        log_weights=None if all(rule.weight == 1 for rule in plan.rules) else torch.log(weights),
        n_rules=len(plan.rules),
        n_features=len(plan.features),
    )


def _and_joins(group: NodeGroup, n_columns: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    joins = torch.zeros(n_columns, len(group.inputs), dtype=dtype)
    for node, inputs in enumerate(group.inputs):
        for column in inputs:
            joins[column, node] += 1  # `x and x` is x squared under the product
    return joins.to(device)


def _join(columns: Tensor, joins: Tensor | tuple[Pick, ...]) -> Tensor:
    return _log_or(columns, joins) if isinstance(joins, tuple) else columns @ joins


def _log_or(columns: Tensor, inputs: tuple[Pick, ...]) -> Tensor:
    """Return (models, rows, nodes) logs of probabilistic or: p + q (1 - p), input by input, precise however small the inputs are."""
    joined = columns[..., inputs[0]]
    for position in inputs[1:]:
        joined = torch.logaddexp(joined, columns[..., position] + log_complement(joined))
    return joined
