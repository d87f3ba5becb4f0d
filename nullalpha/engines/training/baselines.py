"""What simpler answers reach on the same rows: nothing, the usual direction, a straight line. A model that does not beat them says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.losses import element_loss
from nullalpha.engines.training.population import FitTask, require_rows, standardisation, usable_rows
from nullalpha.engines.training.predict import predict_output
from nullalpha.strategy.plan import Plan

RIDGE_PENALTY = 1.0


@dataclass(frozen=True)
class BaselineReport:
    """Losses (the plan's own, lower is better) and directions on the stopping rows; every baseline learned from the training rows alone.

    Early stopping chose the model on these rows, so it is flattered here: losing anyway says much, winning says little.

    Attributes:
        model_loss, zero_loss, ridge_loss: of the model, of always 0, of a ridge regression on standardised features.
        model_accuracy: share of rows with a non-zero label whose sign the model's output has; an output of 0 is a miss.
        majority_accuracy: the same for always answering the training rows' more frequent sign.
        n_rows: stopping rows judged.
    """

    model_loss: float
    zero_loss: float
    ridge_loss: float
    model_accuracy: float
    majority_accuracy: float
    n_rows: int

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """What the model does not beat, in words; empty if it beats everything."""
        failed = []
        if not self.model_loss < self.zero_loss:
            failed.append(f"its loss {self.model_loss:.4f} is no lower than {self.zero_loss:.4f}, that of predicting nothing")
        if not self.model_loss < self.ridge_loss:
            failed.append(f"its loss {self.model_loss:.4f} is no lower than {self.ridge_loss:.4f}, that of a linear model")
        if not self.model_accuracy > self.majority_accuracy:
            failed.append(
                f"it has the direction right in {self.model_accuracy:.3f} of rows, no more than the {self.majority_accuracy:.3f} "
                "of always naming the usual one"
            )
        return tuple(failed)

    @property
    def beats_all(self) -> bool:
        return not self.shortfalls


def compare_with_baselines(plan: Plan, weights: Mapping[str, FloatArray], task: FitTask) -> BaselineReport:
    """Return how a fitted model and the baselines do on a task's stopping rows.

    Raises:
        InsufficientBarsError: if the task has too few usable rows.
        ArtifactError: if the weights do not fit the plan.
    """
    require_rows(task, 0)
    train, stop = usable_rows(task, task.train_rows), usable_rows(task, task.stop_rows)
    y = task.y[stop]
    output = predict_output(plan, weights, task.x[stop])
    usual = 1.0 if (task.y[train] > 0).sum() >= (task.y[train] < 0).sum() else -1.0
    return BaselineReport(
        model_loss=_loss(plan, output, y),
        zero_loss=_loss(plan, np.zeros(len(y)), y),
        ridge_loss=_loss(plan, ridge_prediction(task), y),
        model_accuracy=_accuracy(output, y),
        majority_accuracy=_accuracy(np.full(len(y), usual), y),
        n_rows=len(stop),
    )


def ridge_prediction(task: FitTask) -> FloatArray:
    """Return (n_stop,) predictions for the usable stopping rows of a ridge regression with an unpenalised intercept."""
    train, stop = usable_rows(task, task.train_rows), usable_rows(task, task.stop_rows)
    scale = standardisation(task)
    x, mean = scale.apply(task.x[train]), task.y[train].mean()
    beta = np.linalg.solve(x.T @ x + RIDGE_PENALTY * np.eye(x.shape[1]), x.T @ (task.y[train] - mean))
    prediction: FloatArray = scale.apply(task.x[stop]) @ beta + mean
    return prediction


def _loss(plan: Plan, output: FloatArray, y: FloatArray) -> float:
    return float(element_loss(torch.from_numpy(output), torch.from_numpy(y), plan.training.loss).mean())


def _accuracy(output: FloatArray, y: FloatArray) -> float:
    moved = y != 0
    return float((np.sign(output) == np.sign(y))[moved].mean()) if moved.any() else float("nan")
