"""Fitting a whole population of one plan's models at once: folds x instruments, one leading dimension, one device.

What a member becomes does not depend on its companions: it has its own standardisation, seed, shuffles, step count and early stopping, and
padding carries no weight. Data stay on the device; the host waits for it once an epoch. Torch and NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.adam import PopulationAdam
from nullalpha.engines.training.learner import learner_of
from nullalpha.engines.training.population import FitTask, batch_weights, choose_device, epoch_order, require_rows, take
from nullalpha.strategy.plan import Plan

__all__ = ["EpochProgress", "FitResult", "FitTask", "Weights", "choose_device", "fit_population"]

Weights = dict[str, FloatArray]


@dataclass(frozen=True)
class EpochProgress:
    """Where a fit stands after an epoch: losses are means over the members that learned in it."""

    epoch: int
    epochs: int
    n_active: int
    train_loss: float
    stop_loss: float


@dataclass(frozen=True)
class FitResult:
    """What one task became.

    Attributes:
        weights: the best by stopping loss; empty for kind `rules`. `feature_mean`, `feature_scale` (n_features,); `sets` (n_sets, 4) in
            the features' units, NaN-padded; of anfis `coefficients` (n_rules, n_features) on standardised features, `bias` (n_rules,); of a
            network the arrays of `network_layout`. Of an ensemble those of its parts, as `member/0/bias` and `router/bias`.
        best_epoch: the epoch they are from; 0 is before training.
        epochs_run: epochs until it stopped.
        train_loss, stop_loss: of these weights.
        diverged: a loss became NaN or infinite; the weights are the best from before that.
        history: (epochs_run + 1, 2) mean loss of the epoch's batches, and stopping loss after it; row 0 is before training.
        parts: of an ensemble, the results of its parts by prefix (`member/0`, `router`). The ensemble's own losses are then those of what
            it answers, its epochs those of the part that ran longest, its history empty; it diverged if a part did.
    """

    weights: Weights
    best_epoch: int
    epochs_run: int
    train_loss: float
    stop_loss: float
    diverged: bool
    history: FloatArray
    parts: Mapping[str, FitResult] = field(default_factory=dict)


def fit_population(
    plan: Plan,
    tasks: Sequence[FitTask],
    *,
    device: str = "cpu",
    progress: Callable[[EpochProgress], None] | None = None,
) -> list[FitResult]:
    """Fit all tasks of one plan together; each result equals that of fitting its task alone.

    Args:
        plan: no ensemble (see `ensemble.fit_strategy`); kind `rules` has nothing to train, so its losses are those of the rules as
            written.
        tasks: one for each model.
        device: as `choose_device` returns it.
        progress: told once an epoch.

    Raises:
        InsufficientBarsError: if a task has too few usable rows.
        UsageError: if the plan is an ensemble.
    """
    for index, task in enumerate(tasks):
        require_rows(task, index, plan.lookback)
    if not tasks:
        return []
    fit = _Fit(plan, tasks, device)
    for epoch in range(1, plan.training.epochs + 1):
        if plan.model == "rules" or not fit.active.any():
            break
        report = fit.run_epoch(epoch)
        if progress is not None:
            progress(report)
    return fit.results()


class _Fit:
    """The state of one population's fit; what the host knows of it is in NumPy arrays (models,)."""

    def __init__(self, plan: Plan, tasks: Sequence[FitTask], device: str) -> None:
        n_models = len(tasks)
        self.plan = plan
        self.learner = learner = learner_of(plan, tasks, device)
        self.adam = PopulationAdam(learner.parameters, plan.training.learning_rate)
        self.shuffles = [np.random.default_rng([task.seed, 1]) for task in tasks]
        weight: FloatArray = batch_weights(learner.train.counts, learner.batch_size)
        self.takes_part: NDArray[np.bool_] = weight.max(axis=2) > 0
        self.weight = torch.as_tensor(weight).to(learner.parameters)
        in_step = (weight > 0).sum(axis=2)
        self.share = torch.as_tensor(in_step / learner.train.counts).to(learner.parameters)

        losses = np.stack([_host(learner.train_loss()), _host(learner.stop_loss())], axis=1)
        self.history = [losses]
        self.diverged: NDArray[np.bool_] = ~np.isfinite(losses.sum(axis=1))
        self.active: NDArray[np.bool_] = ~self.diverged
        self.best = learner.parameters.clone()
        self.best_loss = losses[:, 1].copy()
        self.best_epoch = np.zeros(n_models, dtype=np.int64)
        self.epochs_run = np.zeros(n_models, dtype=np.int64)

    def run_epoch(self, epoch: int) -> EpochProgress:
        """Take every active member once through its training rows, then judge it on its stopping rows."""
        taking_part = self.active
        train_loss = self._learn()
        stop_loss = self.learner.stop_loss()
        losses = _host(torch.stack([train_loss, stop_loss], dim=1))  # the epoch's one wait for the device
        self.history.append(losses)
        self.epochs_run[taking_part] = epoch
        self._keep_the_best(epoch, losses)
        return EpochProgress(
            epoch=epoch,
            epochs=self.plan.training.epochs,
            n_active=int(self.active.sum()),
            train_loss=float(losses[taking_part, 0].mean()),
            stop_loss=float(losses[taking_part, 1].mean()),
        )

    def results(self) -> list[FitResult]:
        """Return each member with its best weights and their losses."""
        self.learner.parameters.copy_(self.best)
        train_loss = _host(self.learner.train_loss())
        best, history = _host(self.best), np.stack(self.history)
        return [
            FitResult(
                weights=self.learner.weights(best[i], i),
                best_epoch=int(self.best_epoch[i]),
                epochs_run=int(self.epochs_run[i]),
                train_loss=float(train_loss[i]),
                stop_loss=float(self.best_loss[i]),
                diverged=bool(self.diverged[i]),
                history=history[: self.epochs_run[i] + 1, i].copy(),
            )
            for i in range(len(best))
        ]

    def _learn(self) -> Tensor:
        """Take the epoch's steps; return (models,) mean losses over the rows seen, on the device."""
        train = self.learner.train
        n_steps, n_models, batch = self.weight.shape
        order = torch.as_tensor(epoch_order(train.counts, (n_steps, n_models, batch), train.y.shape[1], self.shuffles)).to(train.y.device)
        weight = self.weight if train.relative is None else self.weight * take(train.relative, order)
        self.learner.begin_epoch(order)
        rates = self.adam.rates(self.takes_part & self.active)
        total = torch.zeros_like(self.share[0])
        for step in range(n_steps):
            loss, gradient = self.learner.loss_and_gradient(step, weight[step])
            self.adam.step(gradient, rates, step)
            total += loss * self.share[step]
        return total

    def _keep_the_best(self, epoch: int, losses: FloatArray) -> None:
        finite = np.isfinite(losses.sum(axis=1))
        self.diverged |= self.active & ~finite
        improved = self.active & finite & (losses[:, 1] < self.best_loss)
        self.best_loss[improved] = losses[improved, 1]
        self.best_epoch[improved] = epoch
        which = torch.as_tensor(improved[:, None]).to(self.best.device)
        self.best = torch.where(which, self.learner.parameters, self.best)
        self.active = self.active & finite & (epoch - self.best_epoch < self.plan.training.patience)


def _host(values: Tensor) -> FloatArray:
    return values.detach().cpu().to(torch.float64).numpy().copy()  # the host converts: Apple's GPUs have no float64
