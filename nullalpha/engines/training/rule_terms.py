"""What each rule of a trained model contributes to each row's output, taken apart: how true it is, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.predict import loaded_model
from nullalpha.strategy.plan import Plan


@dataclass(frozen=True)
class RuleTerms:
    """Of some rows.

    Attributes:
        log_firing: (n_rows, n_rules) log of how true each rule's condition is, times its weight.
        answers: (n_rows, n_rules) what each rule answers.
        share: (n_rows, n_rules) each rule's part in the decision; the output is the sum of share x answer. Shares sum to 1, with plain
            rules to 1 less the part of "else flat".
        memberships: (n_rows, n_sets) in each set, in the plan's order.
    """

    log_firing: Tensor
    answers: Tensor
    share: Tensor
    memberships: Tensor


def rule_terms(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> RuleTerms:
    """Return the terms of a plan with rules, no ensemble, at rows x (n_rows, n_features) without gaps.

    Raises:
        ArtifactError: if the weights do not fit the plan.
    """
    model, parameters, mean, scale = loaded_model(plan, weights)
    standardised = torch.from_numpy(((x - mean) / scale)[None])  # (1, n_rows, n_features)
    codes, x_sets = model.split(parameters)[0], standardised[..., list(model.set_features)]
    log_firing = model.log_firing(codes, x_sets)[0]
    if plan.model == "rules":
        firing = torch.exp(log_firing)
        share = firing / (firing.sum(dim=1) + (1 - firing).prod(dim=1))[:, None]
        answers = model.consequents.expand_as(share)
    else:
        share, answers = torch.softmax(log_firing, dim=-1), model.answers(parameters, standardised)[0]
    order = model.structure.set_order
    in_plan_order = torch.argsort(torch.tensor(order))
    memberships = torch.exp(model.bank.log_memberships(codes, x_sets))[0, :, : len(order)][:, in_plan_order]
    return RuleTerms(log_firing, answers, share, memberships)
