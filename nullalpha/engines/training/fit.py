"""Fitting a whole population of one plan's models at once: folds x instruments, one leading dimension, one device.

What a member becomes does not depend on its companions: it has its own standardisation, seed, shuffles, step count and early stopping, and
padding carries no weight. Data stay on the device; the host waits for it once an epoch. Torch and NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.adam import PopulationAdam
from nullalpha.engines.training.gradient import loss_and_gradient
from nullalpha.engines.training.losses import element_loss
from nullalpha.engines.training.membership import decode_sets, encode_sets, set_params
from nullalpha.engines.training.model import FuzzyModel, fuzzy_model
from nullalpha.engines.training.population import (
    FitTask,
    Rows,
    Standardisation,
    batch_weights,
    choose_device,
    gather_rows,
    precision,
    require_rows,
    shuffled,
    standardisation,
)
from nullalpha.strategy.plan import Plan

__all__ = ["EpochProgress", "FitResult", "FitTask", "Weights", "choose_device", "fit_population"]

Weights = dict[str, FloatArray]

COEFFICIENT_NOISE = 0.01


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
            the features' units, NaN-padded; `coefficients` (n_rules, n_features) on standardised features; `bias` (n_rules,).
        best_epoch: the epoch they are from; 0 is before training.
        epochs_run: epochs until it stopped.
        train_loss, stop_loss: of these weights.
        diverged: a loss became NaN or infinite; the weights are the best from before that.
        history: (epochs_run + 1, 2) mean loss of the epoch's batches, and stopping loss after it; row 0 is before training.
    """

    weights: Weights
    best_epoch: int
    epochs_run: int
    train_loss: float
    stop_loss: float
    diverged: bool
    history: FloatArray


def fit_population(
    plan: Plan,
    tasks: Sequence[FitTask],
    *,
    device: str = "cpu",
    progress: Callable[[EpochProgress], None] | None = None,
) -> list[FitResult]:
    """Fit all tasks of one plan together; each result equals that of fitting its task alone.

    Args:
        plan: kind `anfis` is trained; kind `rules` has nothing to train, so its losses are those of the rules as written.
        tasks: one for each model.
        device: as `choose_device` returns it.
        progress: told once an epoch.

    Raises:
        InsufficientBarsError: if a task has too few usable rows.
    """
    for index, task in enumerate(tasks):
        require_rows(task, index)
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
        self.model = fuzzy_model(plan, torch.device(device), precision(device))
        self.scales = [_own_units(plan) if plan.model == "rules" else standardisation(task) for task in tasks]
        self.train = gather_rows(tasks, "train", self.scales, self.model.set_features, device)
        self.stop = gather_rows(tasks, "stop", self.scales, self.model.set_features, device)
        first = [first_parameters(plan, self.model, scale, task.seed) for scale, task in zip(self.scales, tasks, strict=True)]
        self.parameters = torch.as_tensor(np.stack(first)).to(self.train.x)
        self.train_inputs, self.stop_inputs = self._inputs(self.train), self._inputs(self.stop)
        self.adam = PopulationAdam(self.parameters, plan.training.learning_rate)
        self.shuffles = [np.random.default_rng([task.seed, 1]) for task in tasks]
        weight: FloatArray = batch_weights(self.train.counts, plan.training.batch_size)
        self.takes_part: NDArray[np.bool_] = weight.max(axis=2) > 0
        self.weight = torch.as_tensor(weight).to(self.train.x)
        in_step = (weight > 0).sum(axis=2)
        self.share = torch.as_tensor(in_step / self.train.counts).to(self.train.x)

        losses = np.stack([_host(self._loss(self.train, self.train_inputs)), _host(self._loss(self.stop, self.stop_inputs))], axis=1)
        self.history = [losses]
        self.diverged: NDArray[np.bool_] = ~np.isfinite(losses.sum(axis=1))
        self.active: NDArray[np.bool_] = ~self.diverged
        self.best = self.parameters.clone()
        self.best_loss = losses[:, 1].copy()
        self.best_epoch = np.zeros(n_models, dtype=np.int64)
        self.epochs_run = np.zeros(n_models, dtype=np.int64)

    def run_epoch(self, epoch: int) -> EpochProgress:
        """Take every active member once through its training rows, then judge it on its stopping rows."""
        taking_part = self.active
        train_loss = self._learn()
        stop_loss = self._loss(self.stop, self.stop_inputs)
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
        self.parameters.copy_(self.best)
        train_loss = _host(self._loss(self.train, self.train_inputs))
        best, history = _host(self.best), np.stack(self.history)
        return [
            FitResult(
                weights={} if self.plan.model == "rules" else _weights(self.plan, self.model, best[i], scale),
                best_epoch=int(self.best_epoch[i]),
                epochs_run=int(self.epochs_run[i]),
                train_loss=float(train_loss[i]),
                stop_loss=float(self.best_loss[i]),
                diverged=bool(self.diverged[i]),
                history=history[: self.epochs_run[i] + 1, i].copy(),
            )
            for i, scale in enumerate(self.scales)
        ]

    def _learn(self) -> Tensor:
        """Take the epoch's steps; return (models,) mean losses over the rows seen, on the device."""
        training = self.plan.training
        n_steps = len(self.takes_part)
        batches = shuffled(self.train, self.train_inputs, n_steps, training.batch_size, self.shuffles)
        rates = self.adam.rates(self.takes_part & self.active)
        total = torch.zeros_like(self.share[0])
        for step in range(n_steps):
            loss, gradient = loss_and_gradient(
                self.model,
                self.parameters,
                (batches.x[step], batches.inputs[step], batches.y[step], self.weight[step]),
                training.loss,
                train_sets="sets" in self.plan.trainable,
                train_consequents="consequents" in self.plan.trainable,
            )
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
        self.best = torch.where(which, self.parameters, self.best)
        self.active = self.active & finite & (epoch - self.best_epoch < self.plan.training.patience)

    def _inputs(self, rows: Rows) -> Tensor:
        """Return what firing is made from at every step: the sets' features or, where sets stay as they are, the firing itself."""
        if "sets" in self.plan.trainable or self.plan.model == "rules":
            return rows.x_sets
        return torch.softmax(self.model.log_firing(self.model.split(self.parameters)[0], rows.x_sets), dim=-1)

    def _loss(self, rows: Rows, inputs: Tensor) -> Tensor:
        """Return (models,) mean losses over all rows."""
        return (element_loss(self._output(rows.x, inputs), rows.y, self.plan.training.loss) * rows.weight).sum(dim=1)

    def _output(self, x: Tensor, inputs: Tensor) -> Tensor:
        codes = self.model.split(self.parameters)[0]
        if self.plan.model == "rules":
            return self.model.rules_output(self.model.log_firing(codes, inputs))
        if "sets" in self.plan.trainable:
            return self.model.output(self.parameters, x, self.model.log_firing(codes, inputs))
        return (inputs * self.model.answers(self.parameters, x)).sum(dim=-1)


def first_parameters(plan: Plan, model: FuzzyModel, scale: Standardisation, seed: int) -> FloatArray:
    """Return (n_parameters,) the plan's sets, small random coefficients, and the rules' consequents as biases.

    Coefficients that are not trained start, and stay, at 0.
    """
    code = encode_sets(plan.sets, model.structure, set_params(plan.sets), scale.mean, scale.scale)
    noise = np.random.default_rng([seed, 0]).normal(0.0, COEFFICIENT_NOISE, model.n_rules * model.n_features)
    coefficients = noise if "consequents" in plan.trainable else np.zeros_like(noise)
    return np.concatenate([code, coefficients, [rule.consequent for rule in plan.rules]])


def _weights(plan: Plan, model: FuzzyModel, parameters: FloatArray, scale: Standardisation) -> Weights:
    n_sets, n_rules = model.n_set_parameters, model.n_rules
    code, coefficients, bias = np.split(parameters, [n_sets, n_sets + n_rules * model.n_features])
    return {
        "feature_mean": scale.mean.copy(),
        "feature_scale": scale.scale.copy(),
        "sets": decode_sets(plan.sets, model.structure, code, scale.mean, scale.scale),
        "coefficients": coefficients.reshape(model.n_rules, model.n_features).copy(),
        "bias": bias.copy(),
    }


def _own_units(plan: Plan) -> Standardisation:
    return Standardisation(np.zeros(len(plan.features)), np.ones(len(plan.features)))


def _host(values: Tensor) -> FloatArray:
    return values.detach().cpu().to(torch.float64).numpy().copy()  # the host converts: Apple's GPUs have no float64
