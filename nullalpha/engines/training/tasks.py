"""What one strategy learns from on one instrument and fold, and the task that each of its models gets out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nullalpha.core.fingerprint import derive_seed
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.labels import RETURN_CLIP, LabelSeries
from nullalpha.engines.training.parts import Part
from nullalpha.engines.training.population import FitTask, complete_rows
from nullalpha.engines.training.sampling import average_uniqueness
from nullalpha.strategy.plan import LabelPlan, Plan


@dataclass(frozen=True)
class StrategyTask:
    """One strategy on one instrument and fold.

    Attributes:
        x: (n_rows, n_features) features of the plan, in their own units.
        labels: a series for each of `label_plans(plan)`.
        train_rows, stop_rows: rows to learn from, and later ones that decide when to stop, as the protocol cuts them.
        judged_from: first row that the model is judged on.
        seed: of all that is random.
        round_trip: what entering and leaving a whole position costs, a fraction of price: one number, or (n_rows,) where it changes with
            the bar; None where nothing is known of it, and then no utility can be learned.
    """

    x: FloatArray
    labels: Mapping[LabelPlan, LabelSeries]
    train_rows: IntArray
    stop_rows: IntArray
    judged_from: int
    seed: int
    round_trip: float | FloatArray | None = None


def fit_task(plan: Plan, task: StrategyTask) -> FitTask:
    """Return what a plan's model learns under the plan's labels: for an ensemble, what its answer is measured on.

    Rows are kept that are complete as far back as the plan reads, are events of its sampling, have a label, and whose whole horizon ends
    before the stopping rows begin, or before the model is judged: with those whose label was settled sooner, the last rows kept would be
    those of fast moves only. Uniqueness weights are worked out over the kept training rows and over the kept
    stopping rows, each alone. Costs are clipped to 3 as labels are: where they are more, nothing ever pays.
    """
    labels = task.labels[plan.labels]
    usable = complete_rows(task.x, plan.lookback) & np.isfinite(labels.value) & labels.event
    stop_from = int(task.stop_rows[0]) if len(task.stop_rows) else task.judged_from
    train = _kept(task.train_rows, usable & (labels.horizon_row < stop_from))
    stop = _kept(task.stop_rows, usable & (labels.horizon_row < task.judged_from))
    weight: FloatArray | None = None
    if plan.labels.weights == "uniqueness":
        weight = np.full(len(labels.value), np.nan)
        for rows in (train, stop):
            weight[rows] = average_uniqueness(labels.start_row[rows], labels.end_row[rows])
    cost = None if task.round_trip is None else np.minimum(task.round_trip / labels.scale, RETURN_CLIP)
    return FitTask(x=task.x, y=labels.value, train_rows=train, stop_rows=stop, seed=task.seed, weight=weight, cost=cost)


def part_task(part: Part, task: StrategyTask) -> FitTask:
    """Return what a part of an ensemble learns: from its own columns, under its own labels, with a seed of its own."""
    return fit_task(part.plan, replace(task, x=part.features(task.x), seed=derive_seed(task.seed, part.prefix)))


def _kept(rows: IntArray, where: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> IntArray:
    kept: IntArray = rows[where[rows]]
    return kept
