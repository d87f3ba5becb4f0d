"""Learning of rules: anfis, and plain rules, which are judged only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.gradient import loss_and_gradient
from nullalpha.engines.training.losses import element_loss
from nullalpha.engines.training.membership import decode_sets, encode_sets, set_params
from nullalpha.engines.training.model import FuzzyModel, fuzzy_model
from nullalpha.engines.training.population import (
    FitTask,
    Labelled,
    Standardisation,
    gather_labels,
    precision,
    standardisation,
    take,
    to_device,
    usable_rows,
)
from nullalpha.strategy.plan import Plan

COEFFICIENT_NOISE = 0.01


@dataclass(frozen=True)
class _Rows:
    """Rows of every member, padded at the end with 0.

    Attributes:
        x: (models, rows, n_features) standardised.
        x_sets: (models, rows, n_sets) the same, one column a set.
    """

    x: Tensor
    x_sets: Tensor


class RulesLearner:
    """A population of one plan's anfis or plain rules (see `learner.Learner`)."""

    def __init__(self, plan: Plan, tasks: Sequence[FitTask], device: str) -> None:
        self.plan = plan
        self.batch_size = plan.training.batch_size
        self.model = fuzzy_model(plan, torch.device(device), precision(device))
        self.scales = [_own_units(plan) if plan.model == "rules" else standardisation(task) for task in tasks]
        train = [usable_rows(task, task.train_rows) for task in tasks]
        stop = [usable_rows(task, task.stop_rows) for task in tasks]
        self.train, self.stop = gather_labels(tasks, train, device), gather_labels(tasks, stop, device)
        self._train_rows = self._gather(tasks, train, device)
        self._stop_rows = self._gather(tasks, stop, device)
        first = [first_parameters(plan, self.model, scale, task.seed) for scale, task in zip(self.scales, tasks, strict=True)]
        self.parameters = to_device(np.stack(first), device)
        self._train_inputs, self._stop_inputs = self._inputs(self._train_rows), self._inputs(self._stop_rows)
        self._batches: tuple[Tensor, Tensor, Tensor] | None = None

    def train_loss(self) -> Tensor:
        return self._loss(self._train_rows, self._train_inputs, self.train)

    def stop_loss(self) -> Tensor:
        return self._loss(self._stop_rows, self._stop_inputs, self.stop)

    def begin_epoch(self, order: Tensor) -> None:
        self._batches = take(self._train_rows.x, order), take(self._train_inputs, order), take(self.train.y, order)

    def loss_and_gradient(self, step: int, weight: Tensor) -> tuple[Tensor, Tensor]:
        if self._batches is None:
            raise ValueError("an epoch must begin before its steps")
        x, inputs, y = self._batches
        return loss_and_gradient(
            self.model,
            self.parameters,
            (x[step], inputs[step], y[step], weight),
            self.plan.training.loss,
            train_sets="sets" in self.plan.trainable,
            train_consequents="consequents" in self.plan.trainable,
        )

    def weights(self, parameters: FloatArray, member: int) -> dict[str, FloatArray]:
        """Return none for plain rules; else the scale, the sets in their own units, coefficients and biases."""
        if self.plan.model == "rules":
            return {}
        n_sets, n_rules, n_features, scale = self.model.n_set_parameters, self.model.n_rules, self.model.n_features, self.scales[member]
        code, coefficients, bias = np.split(parameters, [n_sets, n_sets + n_rules * n_features])
        return {
            "feature_mean": scale.mean.copy(),
            "feature_scale": scale.scale.copy(),
            "sets": decode_sets(self.plan.sets, self.model.structure, code, scale.mean, scale.scale),
            "coefficients": coefficients.reshape(n_rules, n_features).copy(),
            "bias": bias.copy(),
        }

    def _gather(self, tasks: Sequence[FitTask], chosen: Sequence[IntArray], device: str) -> _Rows:
        x = np.zeros((len(tasks), max(len(rows) for rows in chosen), tasks[0].x.shape[1]))
        for model, (task, rows, scale) in enumerate(zip(tasks, chosen, self.scales, strict=True)):
            x[model, : len(rows)] = scale.apply(task.x[rows])
        return _Rows(to_device(x, device), to_device(x[:, :, list(self.model.set_features)], device))

    def _inputs(self, rows: _Rows) -> Tensor:
        """Return what firing is made from at every step: the sets' features or, where sets stay as they are, the firing itself."""
        if "sets" in self.plan.trainable or self.plan.model == "rules":
            return rows.x_sets
        return torch.softmax(self.model.log_firing(self.model.split(self.parameters)[0], rows.x_sets), dim=-1)

    def _loss(self, rows: _Rows, inputs: Tensor, labelled: Labelled) -> Tensor:
        return (element_loss(self._output(rows.x, inputs), labelled.y, self.plan.training.loss) * labelled.share).sum(dim=1)

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


def _own_units(plan: Plan) -> Standardisation:
    return Standardisation(np.zeros(len(plan.features)), np.ones(len(plan.features)))
