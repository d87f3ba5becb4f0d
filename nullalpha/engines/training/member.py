"""One member of a population before it is laid beside others: its usable rows, its own standardisation, its loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.population import FitTask, Standardisation, standardisation, usable_rows
from nullalpha.engines.training.targets import MemberLoss, Targets, member_loss, targets_of
from nullalpha.strategy.plan import Plan


@dataclass(frozen=True)
class Member:
    """A plan, what it learns, and what follows from both.

    Attributes:
        train_rows, stop_rows: the usable ones.
        scale: of its features, by its training rows.
        loss: with its margin and class weights, by its training rows.
    """

    plan: Plan
    task: FitTask
    train_rows: IntArray
    stop_rows: IntArray
    scale: Standardisation
    loss: MemberLoss

    def targets(self, rows: IntArray) -> Targets:
        """Return what the loss reads of some of the rows."""
        return targets_of(self.loss, self.task, rows)

    def standardised(self, rows: IntArray) -> FloatArray:
        """Return (n, n_features) features of some rows in deviations from the training mean."""
        return self.scale.apply(self.task.x[rows])

    def generator(self, stream: int) -> np.random.Generator:
        """Return a generator of its own: stream 0 draws the first parameters, 1 shuffles, 2 drops units."""
        return np.random.default_rng([self.task.seed, stream])


def member_of(plan: Plan, task: FitTask) -> Member:
    """Return a member; its task has been checked by `population.require_fittable`."""
    train = usable_rows(task, task.train_rows, plan.lookback)
    stop = usable_rows(task, task.stop_rows, plan.lookback)
    return Member(plan, task, train, stop, standardisation(task, plan.lookback), member_loss(plan.training, task, train))
