"""What simpler answers reach on the same rows: nothing, the usual answer, a linear model, gradient boosting.

A model that does not beat them says so. Every baseline learns from the training rows alone, each row by the plan's weights, and is judged
on the stopping rows by the plan's own loss:

huber, mse: forecasts of the label: 0; the mean label; ridge regression; boosted trees.
cross_entropy, focal: chances of down, flat and up: those of an output of 0; the classes' shares; logistic regression; boosted trees. A
row's loss is that of the chance p of its class, -log p and (1 - p)^gamma times that. Chances are mixed with even ones as if one
training row more had been a third of each class, so that none is 0.
utility: the forecasts as above, and for each the position that has the greatest expected utility if it holds: for a forecast m, a cost c
and the mean square v of the training labels, (|m| - c) / (risk_aversion v) on the side of m, within -1..1, and none where |m| <= c. To
squeeze m itself by tanh, as the models do, would make straw men of them: forecasts are small, and a model learns how far to go.

Linear models and trees read the features of each row alone, whatever the model that is compared with them reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.boosting import boosted_chances, boosted_values, logistic_chances
from nullalpha.engines.training.losses import CLASS_LOSSES
from nullalpha.engines.training.population import FitTask, relative_weights, require_rows, standardisation, usable_rows
from nullalpha.engines.training.predict import predict_output_at
from nullalpha.engines.training.targets import MemberLoss, Targets, mean_loss, member_loss, targets_of
from nullalpha.strategy.plan import Plan, TrainingPlan

RIDGE_PENALTY = 1.0
_WHOLE = 1 - 1e-12
"""The largest position: tanh reaches 1 at no finite output."""


@dataclass(frozen=True)
class BaselineReport:
    """Losses (the plan's own, lower is better) and directions on the stopping rows; every baseline learned from the training rows alone.

    Early stopping chose the model on these rows, so it is flattered here: losing anyway says much, winning says little.

    Attributes:
        model_loss, zero_loss, majority_loss, linear_loss, boosting_loss: of the model, of always 0, of the training rows' usual answer
            (their mean label, or their classes' shares), of a linear or logistic regression, of gradient boosting.
        model_accuracy: share of rows with a label, or a class, other than 0 whose sign the model's output has; an output of 0 is a miss.
            Each row counts alike here, weighted or not; NaN where all labels are 0.
        majority_accuracy: the same for always answering the training rows' more frequent sign.
        linear_accuracy, boosting_accuracy: the same for the sign of their forecasts, or of the chance of up less that of down.
        n_rows: stopping rows judged.
    """

    model_loss: float
    zero_loss: float
    majority_loss: float
    linear_loss: float
    boosting_loss: float
    model_accuracy: float
    majority_accuracy: float
    linear_accuracy: float
    boosting_accuracy: float
    n_rows: int

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """What the model does not beat, in words; empty if it beats everything."""
        failed = [
            f"its loss {self.model_loss:.4f} is no lower than {loss:.4f}, that of {whose}"
            for loss, whose in (
                (self.zero_loss, "predicting nothing"),
                (self.majority_loss, "always giving the usual answer"),
                (self.linear_loss, "a linear model"),
                (self.boosting_loss, "gradient boosting"),
            )
            if not self.model_loss < loss
        ]
        if self.model_accuracy <= self.majority_accuracy:
            failed.append(
                f"it has the direction right in {self.model_accuracy:.3f} of rows, no more than the {self.majority_accuracy:.3f} "
                "of always naming the usual one"
            )
        return tuple(failed)

    @property
    def beats_all(self) -> bool:
        return not self.shortfalls


@dataclass(frozen=True)
class _Judge:
    """What a baseline's answers are judged by: the stopping rows' targets, the loss, and what training rows say of positions' risk."""

    loss: MemberLoss
    stop: Targets
    mean_square: float
    n_train: int

    def of_forecast(self, forecast: FloatArray) -> tuple[float, float]:
        """Return loss and accuracy of forecasts (n_stop,) of the label."""
        training = self.loss.training
        output = forecast
        if training.loss == "utility":
            output = np.arctanh(_WHOLE * _best_position(training, forecast, self.stop.cost, self.mean_square))
        return mean_loss(output, self.stop, self.loss), _accuracy(forecast, self.stop.label)

    def of_chances(self, chances: FloatArray) -> tuple[float, float]:
        """Return loss and accuracy of chances (n_stop, 3) of down, flat and up."""
        mixed = (self.n_train * chances + 1 / 3) / (self.n_train + 1)
        chance = mixed[np.arange(len(mixed)), self.stop.label.astype(np.int64) + 1]
        loss = -np.log(chance)
        if self.loss.training.loss == "focal":
            loss = (1 - chance) ** self.loss.training.focal_gamma * loss
        mean = float((loss if self.stop.relative is None else loss * self.stop.relative).mean())
        return mean, _accuracy(chances[:, 2] - chances[:, 0], self.stop.label)


def compare_with_baselines(plan: Plan, weights: Mapping[str, FloatArray], task: FitTask) -> BaselineReport:
    """Return how a fitted model, or a whole ensemble, and the baselines do on a task's stopping rows.

    Raises:
        InsufficientBarsError: if the task has too few usable rows.
        ArtifactError: if the weights do not fit the plan.
    """
    reach = plan.lookback
    require_rows(task, 0, reach)
    train, stop = usable_rows(task, task.train_rows, reach), usable_rows(task, task.stop_rows, reach)
    loss = member_loss(plan.training, task, train)
    learned, judged = targets_of(loss, task, train), targets_of(loss, task, stop)
    output = predict_output_at(plan, weights, task.x, stop)
    usual = 1.0 if (learned.label > 0).sum() >= (learned.label < 0).sum() else -1.0
    judge = _Judge(loss, judged, _mean(learned.label**2, learned.relative), len(train))
    scale = standardisation(task, reach)
    x, asked = scale.apply(task.x[train]), scale.apply(task.x[stop])
    of_classes = plan.training.loss in CLASS_LOSSES
    majority, linear, boosting = _by_chances(judge, learned, x, asked) if of_classes else _by_forecasts(judge, learned, x, asked)
    return BaselineReport(
        model_loss=mean_loss(output, judged, loss),
        zero_loss=mean_loss(np.zeros(len(stop)), judged, loss),
        majority_loss=majority[0],
        linear_loss=linear[0],
        boosting_loss=boosting[0],
        model_accuracy=_accuracy(output, judged.label),
        majority_accuracy=_accuracy(np.full(len(stop), usual), judged.label),
        linear_accuracy=linear[1],
        boosting_accuracy=boosting[1],
        n_rows=len(stop),
    )


def ridge_prediction(task: FitTask, lookback: int = 1) -> FloatArray:
    """Return (n_stop,) predictions for the usable stopping rows of a weighted ridge regression with an unpenalised intercept.

    It reads the features of each row alone; `lookback` says which rows are usable.
    """
    train, stop = usable_rows(task, task.train_rows, lookback), usable_rows(task, task.stop_rows, lookback)
    scale = standardisation(task, lookback)
    return _ridge(scale.apply(task.x[train]), task.y[train], relative_weights(task, train), scale.apply(task.x[stop]))


_Judged = tuple[float, float]


def _by_forecasts(judge: _Judge, learned: Targets, x: FloatArray, asked: FloatArray) -> tuple[_Judged, _Judged, _Judged]:
    y, weight = learned.label, learned.relative
    forecasts = (np.full(len(asked), _mean(y, weight)), _ridge(x, y, weight, asked), boosted_values(x, y, weight, asked))
    majority, linear, boosting = (judge.of_forecast(one) for one in forecasts)
    return majority, linear, boosting


def _by_chances(judge: _Judge, learned: Targets, x: FloatArray, asked: FloatArray) -> tuple[_Judged, _Judged, _Judged]:
    classes, weight = learned.label, learned.relative
    shares = np.array([_mean((classes == one).astype(np.float64), weight) for one in (-1, 0, 1)])
    chances = (
        np.broadcast_to(shares, (len(asked), 3)),
        logistic_chances(x, classes, weight, asked),
        boosted_chances(x, classes, weight, asked),
    )
    majority, linear, boosting = (judge.of_chances(one) for one in chances)
    return majority, linear, boosting


def _best_position(training: TrainingPlan, forecast: FloatArray, cost: FloatArray, mean_square: float) -> FloatArray:
    """Return (n,) positions of greatest expected utility, -1..1."""
    beyond = np.sign(forecast) * np.maximum(np.abs(forecast) - cost, 0.0)
    price = training.risk_aversion * mean_square
    return np.clip(beyond / price, -1.0, 1.0) if price > 0 else np.sign(beyond)


def _ridge(x: FloatArray, y: FloatArray, weight: FloatArray | None, asked: FloatArray) -> FloatArray:
    if weight is None:
        centre, mean = np.zeros(x.shape[1]), y.mean()
        x_root, y_root = x, y - mean
    else:
        root = np.sqrt(weight)
        centre, mean = (weight[:, None] * x).mean(axis=0), (weight * y).mean()
        x_root, y_root = (x - centre) * root[:, None], (y - mean) * root
    beta = np.linalg.solve(x_root.T @ x_root + RIDGE_PENALTY * np.eye(x.shape[1]), x_root.T @ y_root)
    prediction: FloatArray = (asked - centre) @ beta + mean
    return prediction


def _mean(values: FloatArray, weight: FloatArray | None) -> float:
    return float((values if weight is None else values * weight).mean())


def _accuracy(answer: FloatArray, label: FloatArray) -> float:
    moved = label != 0
    return float((np.sign(answer) == np.sign(label))[moved].mean()) if moved.any() else float("nan")
