"""Loss and gradient of a population on one batch: the consequents' part in closed form, the sets' part through autograd.

The closed form is a third of the operations that autograd records, on tensors so small that the number of operations is the cost.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nullalpha.engines.training.losses import LossTerms, element_loss, element_slope
from nullalpha.engines.training.model import FuzzyModel


def loss_and_gradient(
    model: FuzzyModel,
    parameters: Tensor,
    batch: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    terms: LossTerms,
    *,
    train_sets: bool,
    train_consequents: bool,
) -> tuple[Tensor, Tensor]:
    """Return (models,) weighted losses and (models, n_parameters) their gradient, 0 for what is not trained.

    Args:
        model: of the members.
        parameters: (models, n_parameters).
        batch: x (models, rows, n_features), inputs (models, rows, columns), labels, costs and weights (models, rows). Inputs are the
            sets' features where sets are trained, else the normalised firing, which then never changes.
        terms: of the members' loss.
        train_sets, train_consequents: what moves.
    """
    x, inputs, label, cost, weight = batch
    codes, coefficients, bias = model.split(parameters)
    if train_sets:
        codes = codes.detach().requires_grad_()
        log_firing = model.log_firing(codes, inputs)
    with torch.no_grad():
        firing = torch.softmax(log_firing, dim=-1) if train_sets else inputs
        answers = model.answers(parameters, x)
        output = (firing * answers).sum(dim=-1)
        loss = (element_loss(output, label, terms, cost) * weight).sum(dim=1)
        slope = (element_slope(output, label, terms, cost) * weight).unsqueeze(-1)  # (models, rows, 1)
        by_answer = slope * firing  # (models, rows, rules)
        if train_consequents:
            by_coefficients = torch.bmm(by_answer.transpose(1, 2), x).flatten(1)
            by_bias = by_answer.sum(dim=1)
        else:
            by_coefficients, by_bias = torch.zeros_like(coefficients).flatten(1), torch.zeros_like(bias)
    if train_sets:
        by_log_firing = by_answer * (answers - output.unsqueeze(-1))
        (by_codes,) = torch.autograd.grad(log_firing, codes, grad_outputs=by_log_firing)
    else:
        by_codes = torch.zeros_like(codes)
    return loss, torch.cat([by_codes, by_coefficients, by_bias], dim=1)
