"""One model to fit, and which of its rows can be learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.errors import InsufficientBarsError, UsageError
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.strategy.plan import Plan

BoolArray = NDArray[np.bool_]

MIN_TRAIN_ROWS = 30
MIN_STOP_ROWS = 10


@dataclass(frozen=True)
class FitTask:
    """One model to fit.

    Attributes:
        x: (n_rows, n_features) features in their own units; rows with NaN are left out.
        y: (n_rows,) labels; NaN rows are left out.
        train_rows: row indices to learn from.
        stop_rows: row indices that decide when to stop; purged from the training rows by the caller.
        seed: of the first coefficients, the shuffles and the dropout.
        weight: (n_rows,) how much each row counts, in any unit: a model's weights are taken relative to their mean. Rows whose weight is
            NaN or not above 0 are left out. None: all count alike.
        cost: (n_rows,) what entering and leaving a whole position costs, in the label's unit; None where nothing is known of it.
    """

    x: FloatArray
    y: FloatArray
    train_rows: IntArray
    stop_rows: IntArray
    seed: int
    weight: FloatArray | None = None
    cost: FloatArray | None = None


@dataclass(frozen=True)
class FitJob:
    """A plan that is no ensemble, and what it is to learn."""

    plan: Plan
    task: FitTask


@dataclass(frozen=True)
class Standardisation:
    """(n_features,) mean and scale of the training rows; scale 1 for a constant feature."""

    mean: FloatArray
    scale: FloatArray

    def apply(self, x: FloatArray) -> FloatArray:
        """Return (n_rows, n_features) features in standard deviations from the training mean."""
        return (x - self.mean) / self.scale


def require_fittable(job: FitJob, index: int) -> None:
    """Check that a job can be fitted.

    Raises:
        UsageError: if its plan is an ensemble, or its arrays do not belong together.
        InsufficientBarsError: if it has too few usable rows.
    """
    plan, task = job.plan, job.task
    if plan.model == "ensemble":
        raise UsageError("an ensemble is no single model", path="model.kind", value=plan.model, suggestion="use fit_strategy")
    n_rows = len(task.y)
    expected = {"x": (n_rows, len(plan.features)), "y": (n_rows,), "weight": (n_rows,), "cost": (n_rows,)}
    for name, shape in expected.items():
        array = getattr(task, name)
        if array is not None and array.shape != shape:
            raise UsageError(
                f"task {index} has {name} of shape {array.shape}, not {shape}: {n_rows} labels, {len(plan.features)} features",
                path=f"tasks.{index}.{name}",
                value=array.shape,
                suggestion="give each label its row of features, weight and cost",
            )
    for name, rows in (("train_rows", task.train_rows), ("stop_rows", task.stop_rows)):
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < n_rows:
            raise UsageError(
                f"task {index} has {name} {int(rows.min())} to {int(rows.max())}, outside its rows 0 to {n_rows - 1}",
                path=f"tasks.{index}.{name}",
                value=int(rows.max()),
                suggestion="give rows of x and y",
            )
    require_rows(task, index, plan.lookback)
    if plan.training.loss == "utility":
        _require_costs(task, index, plan.lookback)


def _require_costs(task: FitTask, index: int, lookback: int) -> None:
    """Refuse a task of a utility, which is net of costs, without a cost in each row that it uses."""
    rows = np.concatenate([usable_rows(task, rows, lookback) for rows in (task.train_rows, task.stop_rows)])
    unknown = rows[:1] if task.cost is None else rows[~np.isfinite(task.cost[rows])]
    if len(unknown):
        raise UsageError(
            f"task {index} learns a utility, which is net of costs, and row {unknown[0]} has none",
            path=f"tasks.{index}.cost",
            suggestion="give StrategyTask.round_trip, 0 for trades that cost nothing",
        )


def complete_rows(x: FloatArray, lookback: int = 1) -> BoolArray:
    """Return (n_rows,) whether a row and the `lookback - 1` rows before it are all there and without gaps."""
    known: BoolArray = np.asarray(np.isfinite(x).all(axis=1))
    if lookback == 1:
        return known
    gaps = np.concatenate([[0], np.cumsum(~known)])
    out = np.zeros(len(x), dtype=np.bool_)
    out[lookback - 1 :] = gaps[lookback:] == gaps[:-lookback]
    return out


def usable_rows(task: FitTask, rows: IntArray, lookback: int = 1) -> IntArray:
    """Return those of `rows` whose features (of the last `lookback` rows), label and weight are all known, and whose weight is above 0."""
    complete = complete_rows(task.x[rows]) if lookback == 1 else complete_rows(task.x, lookback)[rows]
    usable = complete & np.isfinite(task.y[rows])
    if task.weight is not None:
        usable &= (task.weight[rows] > 0) & np.isfinite(task.weight[rows])
    kept: IntArray = rows[usable]
    return kept


def relative_weights(task: FitTask, rows: IntArray) -> FloatArray | None:
    """Return (n,) weights of usable rows over their mean; None where all rows count alike."""
    if task.weight is None or not len(rows):
        return None
    weight = task.weight[rows] / task.weight[rows].max()  # equal weights become 1 to the bit
    relative: FloatArray = weight / (weight.sum() / len(rows))
    return relative


def require_rows(task: FitTask, index: int, lookback: int = 1) -> None:
    """Check that a task has enough usable rows.

    Raises:
        InsufficientBarsError: with the task's index and the counts.
    """
    for what, rows, least in (("training", task.train_rows, MIN_TRAIN_ROWS), ("stopping", task.stop_rows, MIN_STOP_ROWS)):
        n_usable = len(usable_rows(task, rows, lookback))
        if n_usable < least:
            raise InsufficientBarsError(
                f"task {index} has {n_usable} usable {what} rows of {len(rows)}; it needs {least}",
                path=f"tasks.{index}.{what}_rows",
                value=n_usable,
                suggestion="use longer folds, features with a shorter warm-up, or a label that leaves more rows to learn from",
            )


def standardisation(task: FitTask, lookback: int = 1) -> Standardisation:
    """Return the mean and scale of a task's usable training rows, each counting once whatever its weight."""
    x = task.x[usable_rows(task, task.train_rows, lookback)]
    std = x.std(axis=0)
    constant = std <= 1e-12 * np.maximum(np.abs(x).max(axis=0), 1e-300)
    return Standardisation(x.mean(axis=0), np.where(constant, 1.0, std))
