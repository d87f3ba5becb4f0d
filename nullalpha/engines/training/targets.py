"""What the loss of a plan reads of each row: its label or class, weight and cost; and what it takes from the training rows as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nullalpha.core.errors import UsageError
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.losses import CLASS_LOSSES, LossTerms, element_loss
from nullalpha.engines.training.population import FitTask, relative_weights
from nullalpha.strategy.plan import TrainingPlan


@dataclass(frozen=True)
class MemberLoss:
    """One member's loss.

    Attributes:
        training: the plan's; its kind, class band, gamma and risk aversion.
        margin: of the classes: at an output of 0 flat is as likely as its share of the training rows is, each row counting as the loss
            counts it (so a third under balanced classes of which all three occur); 1 for losses without classes.
        class_weights: (3,) of down, flat, up: each row of the class counts so often; ones where classes have no weights.
    """

    training: TrainingPlan
    margin: float
    class_weights: FloatArray


@dataclass(frozen=True)
class Targets:
    """Of some rows of a task.

    Attributes:
        label: (n,) scaled return or, of classes, -1, 0 or 1.
        relative: (n,) weights over their mean; None where all rows count alike.
        cost: (n,) of entering and leaving a whole position, in the label's unit; 0 for losses that read none.
    """

    label: FloatArray
    relative: FloatArray | None
    cost: FloatArray


def member_loss(training: TrainingPlan, task: FitTask, train_rows: IntArray) -> MemberLoss:
    """Return the loss of a member.

    Args:
        training: its plan's.
        task: what it learns.
        train_rows: its usable training rows, at least one; classes are counted by their weights.
    """
    if training.loss not in CLASS_LOSSES:
        return MemberLoss(training, 1.0, np.ones(3))
    weight = relative_weights(task, train_rows)
    classes = _classes(training, task.y[train_rows])
    shares = np.array([((classes == one) * (1.0 if weight is None else weight)).mean() for one in (-1, 0, 1)])
    weights = np.ones(3)
    if training.class_weights == "balanced":
        there = shares > 0
        weights[there] = 1 / (shares[there] * there.sum())
    flat = (shares[1] * weights[1] * len(train_rows) + 0.5) / (len(train_rows) + 1)  # neither 0 nor 1: every class must stay possible
    return MemberLoss(training, float(np.log((1 + flat) / (1 - flat))), weights)


def targets_of(loss: MemberLoss, task: FitTask, rows: IntArray) -> Targets:
    """Return what a member's loss reads of usable rows.

    Raises:
        UsageError: if the loss is a utility and the task says nothing of costs.
    """
    weight, cost = relative_weights(task, rows), _costs(loss.training, task, rows)
    if loss.training.loss not in CLASS_LOSSES:
        return Targets(task.y[rows], weight, cost)
    label = _classes(loss.training, task.y[rows])
    if (loss.class_weights == 1).all():
        return Targets(label, weight, cost)
    by_class = loss.class_weights[label.astype(np.int64) + 1] * (1.0 if weight is None else weight)
    return Targets(label, by_class / by_class.mean() if len(rows) else by_class, cost)


def loss_terms(losses: Sequence[MemberLoss], device: str, dtype: torch.dtype) -> LossTerms:
    """Return the terms of a population whose members have losses of one kind."""
    numbers = np.array([(one.margin, one.training.focal_gamma, one.training.risk_aversion) for one in losses])
    margin, gamma, aversion = (torch.as_tensor(column[:, None]).to(dtype).to(device) for column in numbers.T)
    return LossTerms(losses[0].training.loss, margin, gamma, aversion)


def mean_loss(output: FloatArray, targets: Targets, loss: MemberLoss) -> float:
    """Return the mean loss of outputs (n,) at some rows."""
    terms = loss_terms([loss], "cpu", torch.float64)
    rows = (torch.from_numpy(np.ascontiguousarray(one))[None] for one in (output, targets.label, targets.cost))
    values = element_loss(next(rows), next(rows), terms, next(rows))[0].numpy()
    return float(values.mean() if targets.relative is None else (values * targets.relative).mean())


def _costs(training: TrainingPlan, task: FitTask, rows: IntArray) -> FloatArray:
    if training.loss != "utility":
        return np.zeros(len(rows))
    if task.cost is None:
        raise UsageError(
            "a utility is net of costs, but nothing is known of what a position costs",
            path="training.loss",
            value=training.loss,
            suggestion="give StrategyTask.round_trip, 0 for trades that cost nothing",
        )
    cost: FloatArray = task.cost[rows]
    return cost


def _classes(training: TrainingPlan, label: FloatArray) -> FloatArray:
    classes: FloatArray = np.where(label > training.class_band, 1.0, np.where(label < -training.class_band, -1.0, 0.0))
    return classes
