"""A trained strategy in figures that a report can print.

Of rules: how often each fires, what it adds, where its sets ended up. Of networks, which have no rules: how much each set moves the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.membership import set_params
from nullalpha.engines.training.parts import parts_of
from nullalpha.engines.training.population import complete_rows
from nullalpha.engines.training.predict import loaded_network
from nullalpha.engines.training.rule_terms import rule_terms
from nullalpha.engines.training.set_summary import SetSummary, summarise_sets
from nullalpha.strategy.plan import Condition, Plan

_CHUNK_ROWS = 4_096


@dataclass(frozen=True)
class RuleSummary:
    """One rule over some rows.

    Attributes:
        text: the rule as written.
        firing_share: its mean part in the decision, 0..1; they sum to 1, with plain rules to 1 less the part of "else flat".
        contribution: its mean part of the absolute terms that make up the output, 0..1; NaN where every term is 0.
        lean: mean of its signed term in the output; above 0 it speaks for long.
        sets: the sets its condition names.
        weight: what the truth of its condition counts, 0..1, as written.
        bias, coefficients: its linear answer on standardised features; for plain rules the consequent, and none.
        member: of an ensemble, whose rule it is (`router` for the regime model); the figures are within that part.
    """

    text: str
    firing_share: float
    contribution: float
    lean: float
    sets: tuple[SetSummary, ...]
    weight: float
    bias: float
    coefficients: tuple[float, ...]
    member: str = ""


@dataclass(frozen=True)
class SetInfluence:
    """What membership in one set does to a network's output over some rows.

    A recurrent network reads a set's membership in each row of its window; the effect is that of all of them moving together.

    Attributes:
        set: the set after training.
        effect: mean absolute change of the output by a change of membership: the mean of |gradient|.
        lean: the same with its sign; above 0, being in the set speaks for long.
        share: its part of the sum of all sets' effects, 0..1; NaN where every effect is 0.
        member: of an ensemble, whose set it is (`router` for the regime model).
    """

    set: SetSummary
    effect: float
    lean: float
    share: float
    member: str = ""


def describe_rules(plan: Plan, weights: Mapping[str, FloatArray], x_rows: FloatArray) -> list[RuleSummary]:
    """Return a summary of each rule, in the plan's order; of an ensemble, of each of its parts that has rules.

    Args:
        plan: the strategy.
        weights: as a fit returns them; empty for kind `rules`.
        x_rows: (n_rows, n_features) features over which firing and membership are measured; rows with NaN are left out.

    Raises:
        InsufficientBarsError: if no row is complete.
        ArtifactError: if the weights do not fit the plan.
    """
    if plan.members:
        return [
            replace(rule, member=part.name)
            for part in parts_of(plan)
            if part.plan.rules
            for rule in describe_rules(part.plan, part.weights(weights), part.features(x_rows))
        ]
    if not plan.rules:
        return []
    x = x_rows[np.isfinite(x_rows).all(axis=1)]
    if not len(x):
        raise InsufficientBarsError(f"none of {len(x_rows)} rows has all features of {plan.name!r}", value=len(x_rows))
    terms = rule_terms(plan, weights, x)
    share = terms.share.numpy()
    signed = share * terms.answers.numpy()  # (n_rows, n_rules)
    size = np.abs(signed).mean(axis=0)
    with np.errstate(invalid="ignore"):
        contribution = size / size.sum()
    params = set_params(plan.sets) if plan.model == "rules" else weights["sets"]
    sets = summarise_sets(plan, params, terms.memberships.numpy(), x)
    return [
        RuleSummary(
            text=rule.text,
            firing_share=float(share[:, i].mean()),
            contribution=float(contribution[i]),
            lean=float(signed[:, i].mean()),
            sets=tuple(sets[index] for index in _named_sets(rule.condition)),
            weight=rule.weight,
            bias=float(rule.consequent if plan.model == "rules" else weights["bias"][i]),
            coefficients=() if plan.model == "rules" else tuple(float(a) for a in weights["coefficients"][i]),
        )
        for i, rule in enumerate(plan.rules)
    ]


def describe_sets(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray, rows: IntArray) -> list[SetInfluence]:
    """Return the influence of each set of a network, in the plan's order; of an ensemble, of each of its parts that is a network.

    Args:
        plan: the strategy; without networks it has none of these.
        weights: as a fit returns them.
        x: (n_rows, n_features) features, consecutive rows.
        rows: rows of x at which the influence is measured; those that the network cannot answer are left out.

    Raises:
        InsufficientBarsError: if the network can answer none of the rows.
        ArtifactError: if the weights do not fit the plan.
    """
    if plan.members:
        return [
            replace(influence, member=part.name)
            for part in parts_of(plan)
            for influence in describe_sets(part.plan, part.weights(weights), part.features(x), rows)
        ]
    if plan.network is None:
        return []
    known = rows[complete_rows(x, plan.lookback)[rows]]
    if not len(known):
        raise InsufficientBarsError(f"none of {len(rows)} rows has all features of {plan.name!r} as far back as it reads", value=len(rows))
    membership, gradient = _memberships_and_gradients(plan, weights, x, known)
    effect = np.abs(gradient).mean(axis=0)
    with np.errstate(invalid="ignore"):
        share = effect / effect.sum()
    lean = gradient.mean(axis=0)
    sets = summarise_sets(plan, weights["sets"], membership, x[known])
    return [SetInfluence(one, float(effect[i]), float(lean[i]), float(share[i])) for i, one in enumerate(sets)]


def _memberships_and_gradients(
    plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray, rows: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return (n_rows, n_sets) memberships, and the output's gradient by them, summed over each row's window."""
    network = loaded_network(plan, weights)
    memberships = network.memberships(x)[0].detach()  # (n_series, n_sets)
    before = torch.arange(1 - plan.lookback, 1)[:, None]
    gradients = []
    for chunk in torch.split(torch.from_numpy(rows), _CHUNK_ROWS):
        windows = memberships[chunk + before][None].requires_grad_()  # (1, lookback, rows, n_sets)
        (gradient,) = torch.autograd.grad(network.model.of_windows(network.arrays, windows).sum(), windows)
        gradients.append(gradient[0].sum(dim=0).numpy())
    return memberships[rows].numpy(), np.concatenate(gradients)


def _named_sets(condition: Condition) -> list[int]:
    """Return the sets a condition names, each once, in order of appearance."""
    found = [condition.set_index] if condition.op == "is" else [index for arg in condition.args for index in _named_sets(arg)]
    return list(dict.fromkeys(found))
