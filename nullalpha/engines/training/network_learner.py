"""Learning of networks: every member's rows as windows of one series, so that no row is stored once a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.losses import element_loss
from nullalpha.engines.training.membership import decode_sets, encode_sets, set_params
from nullalpha.engines.training.network import first_arrays, network_model
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


@dataclass(frozen=True)
class _Windows:
    """Rows of every member, and what lies before them.

    Attributes:
        series: (models, n_series, n_sets) memberships, oldest first; where sets are trained, the standardised features they are made from.
        at: (models, rows) where each row lies in the series of all models laid side by side; the padding repeats a member's last row.
    """

    series: Tensor
    at: Tensor


class NetworkLearner:
    """A population of one plan's networks (see `learner.Learner`)."""

    def __init__(self, plan: Plan, tasks: Sequence[FitTask], device: str) -> None:
        self.plan = plan
        self._device = device
        self.model = network_model(plan, torch.device(device), precision(device))
        self.scales = [standardisation(task, plan.lookback) for task in tasks]
        self.parameters = to_device(np.stack([self._first(scale, task) for scale, task in zip(self.scales, tasks, strict=True)]), device)
        train = [usable_rows(task, task.train_rows, plan.lookback) for task in tasks]
        stop = [usable_rows(task, task.stop_rows, plan.lookback) for task in tasks]
        self.train, self.stop = gather_labels(tasks, train, device), gather_labels(tasks, stop, device)
        self.batch_size = min(plan.training.batch_size, int(self.train.counts.max()))
        self._train_windows = self._gather(tasks, train, device)
        self._stop_windows = self._gather(tasks, stop, device)
        self._before = torch.arange(1 - plan.lookback, 1, device=device)[:, None]  # (lookback, 1)
        self._dropouts = [np.random.default_rng([task.seed, 2]) for task in tasks]
        self._batches: tuple[Tensor, Tensor] | None = None

    def train_loss(self) -> Tensor:
        return self._loss(self._train_windows, self.train)

    def stop_loss(self) -> Tensor:
        return self._loss(self._stop_windows, self.stop)

    def begin_epoch(self, order: Tensor) -> None:
        self._batches = take(self._train_windows.at, order), take(self.train.y, order)

    def loss_and_gradient(self, step: int, weight: Tensor) -> tuple[Tensor, Tensor]:
        if self._batches is None:
            raise ValueError("an epoch must begin before its steps")
        at, y = self._batches
        windows = take(self._train_windows.series, at[step].unsqueeze(1) + self._before)  # (models, lookback, batch, n_sets)
        parameters = self.parameters.detach().requires_grad_()
        codes, arrays = self.model.split(parameters)
        if "sets" in self.plan.trainable:
            windows = self.model.memberships(codes, windows.flatten(1, 2)).reshape(windows.shape)
        output = self.model.of_windows(arrays, windows, self._dropout(step))
        loss = (element_loss(output, y[step], self.plan.training.loss) * weight).sum(dim=1)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        return loss.detach(), gradient

    def weights(self, parameters: FloatArray, member: int) -> dict[str, FloatArray]:
        """Return the scale, the sets in their own units, and the network's arrays."""
        scale = self.scales[member]
        codes, arrays = self.model.split(torch.from_numpy(parameters[None]))
        return {
            "feature_mean": scale.mean.copy(),
            "feature_scale": scale.scale.copy(),
            "sets": decode_sets(self.plan.sets, self.model.bank.structure, codes[0].numpy(), scale.mean, scale.scale),
            **{name: array[0].numpy().copy() for name, array in arrays.items()},
        }

    def _first(self, scale: Standardisation, task: FitTask) -> FloatArray:
        code = encode_sets(self.plan.sets, self.model.bank.structure, set_params(self.plan.sets), scale.mean, scale.scale)
        arrays = first_arrays(self.model, np.random.default_rng([task.seed, 0]))
        return np.concatenate([code, *(arrays[name].ravel() for name, _ in self.model.layout)])

    def _gather(self, tasks: Sequence[FitTask], chosen: Sequence[IntArray], device: str) -> _Windows:
        lags = np.arange(self.plan.lookback)
        needed = [np.unique(rows[:, None] - lags) for rows in chosen]
        length, longest = max(map(len, needed)), max(map(len, chosen))
        x = np.zeros((len(tasks), length, tasks[0].x.shape[1]))
        at = np.zeros((len(tasks), longest), dtype=np.int64)
        for model, (task, rows, its, scale) in enumerate(zip(tasks, chosen, needed, self.scales, strict=True)):
            x[model, : len(its)] = scale.apply(task.x[its])
            at[model, : len(rows)] = model * length + np.searchsorted(its, rows)
            at[model, len(rows) :] = at[model, len(rows) - 1]
        series = to_device(x[:, :, list(self.model.set_features)], device)
        if "sets" not in self.plan.trainable:
            series = self.model.memberships(self.model.split(self.parameters)[0], series)
        return _Windows(series, torch.as_tensor(at).to(device))

    @torch.no_grad()
    def _loss(self, windows: _Windows, labelled: Labelled) -> Tensor:
        codes, arrays = self.model.split(self.parameters)
        trains_sets = "sets" in self.plan.trainable
        inputs = self.model.memberships(codes, windows.series) if trains_sets else windows.series
        output = self.model.of_series(arrays, inputs, windows.at)
        return (element_loss(output, labelled.y, self.plan.training.loss) * labelled.share).sum(dim=1)

    def _dropout(self, step: int) -> Tensor | None:
        """Return (models, batch, n_hidden) factors of hidden units: 0 for a dropped one, 1 / (1 - dropout) for the others.

        Each member draws for its own rows alone, so that its stream does not depend on its companions.
        """
        rate = self.model.network.dropout
        if rate == 0:
            return None
        shape = (len(self._dropouts), self.batch_size, self.model.n_hidden)
        factors = np.ones(shape)
        for model, (generator, count) in enumerate(zip(self._dropouts, self.train.counts, strict=True)):
            own = int(np.clip(count - step * self.batch_size, 0, self.batch_size))
            factors[model, :own] = (generator.random((own, shape[2])) >= rate) / (1 - rate)
        return to_device(factors, self._device)
