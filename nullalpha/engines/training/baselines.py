"""What simpler answers reach on the same rows: nothing, the usual direction, a straight line. A model that does not beat them says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.losses import mean_loss
from nullalpha.engines.training.population import FitTask, relative_weights, require_rows, standardisation, usable_rows
from nullalpha.engines.training.predict import predict_output_at
from nullalpha.strategy.plan import Plan

RIDGE_PENALTY = 1.0


@dataclass(frozen=True)
class BaselineReport:
    """Losses (the plan's own, lower is better) and directions on the stopping rows; every baseline learned from the training rows alone.

    Early stopping chose the model on these rows, so it is flattered here: losing anyway says much, winning says little.

    Attributes:
        model_loss, zero_loss, ridge_loss: of the model, of always 0, of a ridge regression on standardised features.
        model_accuracy: share of rows with a non-zero label whose sign the model's output has; an output of 0 is a miss.
            Each row counts alike here, weighted or not.
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
    """Return how a fitted model, or a whole ensemble, and the baselines do on a task's stopping rows, by the task's weights.

    Raises:
        InsufficientBarsError: if the task has too few usable rows.
        ArtifactError: if the weights do not fit the plan.
    """
    reach = plan.lookback
    require_rows(task, 0, reach)
    train, stop = usable_rows(task, task.train_rows, reach), usable_rows(task, task.stop_rows, reach)
    y, weight, kind = task.y[stop], relative_weights(task, stop), plan.training.loss
    output = predict_output_at(plan, weights, task.x, stop)
    usual = 1.0 if (task.y[train] > 0).sum() >= (task.y[train] < 0).sum() else -1.0
    return BaselineReport(
        model_loss=mean_loss(output, y, kind, weight),
        zero_loss=mean_loss(np.zeros(len(y)), y, kind, weight),
        ridge_loss=mean_loss(ridge_prediction(task, reach), y, kind, weight),
        model_accuracy=_accuracy(output, y),
        majority_accuracy=_accuracy(np.full(len(y), usual), y),
        n_rows=len(stop),
    )


def ridge_prediction(task: FitTask, lookback: int = 1) -> FloatArray:
    """Return (n_stop,) predictions for the usable stopping rows of a weighted ridge regression with an unpenalised intercept.

    It reads the features of each row alone, whatever the model that is compared with it reads; `lookback` says which rows are usable.
    """
    train, stop = usable_rows(task, task.train_rows, lookback), usable_rows(task, task.stop_rows, lookback)
    scale = standardisation(task, lookback)
    x, y, weight = scale.apply(task.x[train]), task.y[train], relative_weights(task, train)
    if weight is None:
        centre, mean = np.zeros(x.shape[1]), y.mean()
        x_root, y_root = x, y - mean
    else:
        root = np.sqrt(weight)
        centre, mean = (weight[:, None] * x).mean(axis=0), (weight * y).mean()
        x_root, y_root = (x - centre) * root[:, None], (y - mean) * root
    beta = np.linalg.solve(x_root.T @ x_root + RIDGE_PENALTY * np.eye(x.shape[1]), x_root.T @ y_root)
    prediction: FloatArray = (scale.apply(task.x[stop]) - centre) @ beta + mean
    return prediction


def _accuracy(output: FloatArray, y: FloatArray) -> float:
    moved = y != 0
    return float((np.sign(output) == np.sign(y))[moved].mean()) if moved.any() else float("nan")
