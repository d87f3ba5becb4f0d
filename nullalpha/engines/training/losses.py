"""Losses between outputs and labels, one for each row; a loss of a model is their mean, lower is better.

huber, mse: of the error in scaled returns.
cross_entropy: of three ordered classes, down, flat and up, under one output o (the proportional-odds model): with z = 2 o and the margin
m > 0 the chance of up is logistic(z - m), of down logistic(-z - m), of flat the rest. So the signal tanh(o) stays what decisions read:
with no flat class (m near 0) it is the chance of up less that of down.
focal: cross_entropy times (1 - p) ** gamma, p the chance of the row's own class.
utility: minus the mean-variance utility of holding the signal p = tanh(o) to the label's horizon, net of what entering and leaving
costs: p y - cost |p| - risk_aversion / 2 (p y)^2, with |p| rounded near 0 so that it has a slope everywhere.

Source: Huber (1964), Annals of Mathematical Statistics 35(1); McCullagh (1980), Regression models for ordinal data, JRSS B 42(2); Lin et
al. (2017), Focal loss, ICCV; Markowitz (1959), Portfolio Selection, for the utility.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nullalpha.strategy.plan import Loss

HUBER_DELTA = 1.0
"""Errors under one scaled return count squared, those above in proportion."""
COST_ROUNDING = 0.01
"""Positions well under this one pay in proportion to their square, those well above in proportion to their size."""
CLASS_LOSSES: tuple[Loss, ...] = ("cross_entropy", "focal")


@dataclass(frozen=True)
class LossTerms:
    """What the loss of a population is; a tensor holds a number for each member, (models, 1).

    Attributes:
        kind: one for all members.
        margin: of the classes, > 0; `targets.member_loss` takes it from the share of flat rows.
        gamma: of `focal`.
        risk_aversion: of `utility`.
    """

    kind: Loss
    margin: Tensor
    gamma: Tensor
    risk_aversion: Tensor


def element_loss(output: Tensor, label: Tensor, terms: LossTerms, cost: Tensor) -> Tensor:
    """Return the loss of each row, shaped as `output`.

    Args:
        output, label: (models, rows); the label a scaled return or, of classes, -1, 0 or 1.
        terms: of the members.
        cost: (models, rows) of entering and leaving a whole position, in the label's unit; read by `utility` alone.
    """
    if terms.kind == "mse":
        return (output - label).square()
    if terms.kind == "huber":
        return torch.nn.functional.huber_loss(output, label, reduction="none", delta=HUBER_DELTA)
    if terms.kind == "utility":
        position = torch.tanh(output)
        profit = position * label
        return 0.5 * terms.risk_aversion * profit.square() + cost * _rounded(position) - profit
    entropy = _cross_entropy(2 * output, label, terms.margin)
    return entropy if terms.kind == "cross_entropy" else entropy * _missing(entropy) ** terms.gamma


def element_slope(output: Tensor, label: Tensor, terms: LossTerms, cost: Tensor) -> Tensor:
    """Return the derivative of each row's loss by its output; arguments as of `element_loss`."""
    if terms.kind == "mse":
        return 2 * (output - label)
    if terms.kind == "huber":
        return (output - label).clamp(-HUBER_DELTA, HUBER_DELTA)
    if terms.kind == "utility":
        position = torch.tanh(output)
        by_position = terms.risk_aversion * position * label.square() + cost * position / (_rounded(position) + COST_ROUNDING) - label
        return by_position * (1 - position.square())
    slope = 2 * _cross_entropy_slope(2 * output, label, terms.margin)
    if terms.kind == "cross_entropy":
        return slope
    entropy = _cross_entropy(2 * output, label, terms.margin)
    chance = torch.exp(-entropy)
    missing = _missing(entropy)
    return slope * missing**terms.gamma * (1 + terms.gamma * chance * entropy / missing)


def _rounded(position: Tensor) -> Tensor:
    """Return |position|, rounded near 0."""
    return (position.square() + COST_ROUNDING**2).sqrt() - COST_ROUNDING


def _missing(entropy: Tensor) -> Tensor:
    """Return 1 - the chance of each row's class, above 0, from -log of that chance; exact where the class is all but certain."""
    missing: Tensor = -torch.expm1(-entropy)
    return missing.clamp(min=torch.finfo(entropy.dtype).tiny)


def _cross_entropy(z: Tensor, label: Tensor, margin: Tensor) -> Tensor:
    """Return -log of the chance of each row's class."""
    softplus = torch.nn.functional.softplus
    up, down = softplus(margin - z), softplus(z + margin)
    # the chance of flat is logistic(m - z) logistic(m + z) (1 - exp(-2 m)): terms above 0 that lose no digits
    flat = softplus(z - margin) + softplus(-z - margin) - torch.log(-torch.expm1(-2 * margin))
    return torch.where(label > 0, up, torch.where(label < 0, down, flat))


def _cross_entropy_slope(z: Tensor, label: Tensor, margin: Tensor) -> Tensor:
    """Return the derivative of `_cross_entropy` by z."""
    up, down = -torch.sigmoid(margin - z), torch.sigmoid(z + margin)
    flat = torch.sigmoid(z - margin) - torch.sigmoid(-z - margin)
    return torch.where(label > 0, up, torch.where(label < 0, down, flat))
