"""A trained strategy's rules in figures that a report can print: how often each fires, what it adds, where its sets ended up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from nullalpha.core.errors import InsufficientBarsError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.membership import set_params
from nullalpha.engines.training.predict import loaded_model
from nullalpha.strategy.plan import Condition, Plan, SetShape


@dataclass(frozen=True)
class SetSummary:
    """A set as it is after training, in the feature's own units; `params` as `SetPlan` orders them."""

    feature: str
    name: str
    shape: SetShape
    params: tuple[float, ...]


@dataclass(frozen=True)
class RuleSummary:
    """One rule over some rows.

    Attributes:
        text: the rule as written.
        firing_share: its mean part in the decision, 0..1; they sum to 1, with plain rules to 1 less the part of "else flat".
        contribution: its mean part of the absolute terms that make up the output, 0..1; NaN where every term is 0.
        lean: mean of its signed term in the output; above 0 it speaks for long.
        sets: the sets its condition names.
        bias, coefficients: its linear answer on standardised features; for plain rules the consequent, and none.
    """

    text: str
    firing_share: float
    contribution: float
    lean: float
    sets: tuple[SetSummary, ...]
    bias: float
    coefficients: tuple[float, ...]


def describe_rules(plan: Plan, weights: Mapping[str, FloatArray], x_rows: FloatArray) -> list[RuleSummary]:
    """Return a summary of each rule, in the plan's order.

    Args:
        plan: the strategy.
        weights: as a fit returns them; empty for kind `rules`.
        x_rows: (n_rows, n_features) features over which firing is measured; rows with NaN are left out.

    Raises:
        InsufficientBarsError: if no row is complete.
        ArtifactError: if the weights do not fit the plan.
    """
    x = x_rows[np.isfinite(x_rows).all(axis=1)]
    if not len(x):
        raise InsufficientBarsError(f"none of {len(x_rows)} rows has all features of {plan.name!r}", value=len(x_rows))
    share, answers = _firing_and_answers(plan, weights, x)
    terms = share * answers  # (n_rows, n_rules)
    size = np.abs(terms).mean(axis=0)
    with np.errstate(invalid="ignore"):
        contribution = size / size.sum()
    sets = set_params(plan.sets) if plan.model == "rules" else weights["sets"]
    return [
        RuleSummary(
            text=rule.text,
            firing_share=float(share[:, i].mean()),
            contribution=float(contribution[i]),
            lean=float(terms[:, i].mean()),
            sets=tuple(_set_summary(plan, sets, index) for index in _named_sets(rule.condition)),
            bias=float(rule.consequent if plan.model == "rules" else weights["bias"][i]),
            coefficients=() if plan.model == "rules" else tuple(float(a) for a in weights["coefficients"][i]),
        )
        for i, rule in enumerate(plan.rules)
    ]


def _firing_and_answers(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (n_rows, n_rules) each rule's part in the decision, and its answers."""
    model, parameters, mean, scale = loaded_model(plan, weights)
    standardised = torch.from_numpy(((x - mean) / scale)[None])
    log_firing = model.log_firing(model.split(parameters)[0], standardised[..., list(model.set_features)])
    if plan.model != "rules":
        return torch.softmax(log_firing, dim=-1)[0].numpy(), model.answers(parameters, standardised)[0].numpy()
    firing = torch.exp(log_firing)[0].numpy()
    share = firing / (firing.sum(axis=1) + (1 - firing).prod(axis=1))[:, None]
    return share, np.broadcast_to(model.consequents.numpy(), share.shape)


def _named_sets(condition: Condition) -> list[int]:
    """Return the sets a condition names, each once, in order of appearance."""
    found = [condition.set_index] if condition.op == "is" else [index for arg in condition.args for index in _named_sets(arg)]
    return list(dict.fromkeys(found))


def _set_summary(plan: Plan, params: FloatArray, index: int) -> SetSummary:
    one = plan.sets[index]
    return SetSummary(plan.features[one.feature].name, one.name, one.shape, tuple(float(p) for p in params[index] if not np.isnan(p)))
