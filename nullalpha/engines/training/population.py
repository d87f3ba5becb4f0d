"""A population's data: every member's rows standardised by its own training rows, padded to one shape, resident on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nullalpha.core.errors import InsufficientBarsError, UsageError
from nullalpha.data.bars import FloatArray, IntArray

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
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
        seed: of the first coefficients and the shuffles.
    """

    x: FloatArray
    y: FloatArray
    train_rows: IntArray
    stop_rows: IntArray
    seed: int


@dataclass(frozen=True)
class Standardisation:
    """(n_features,) mean and scale of the training rows; scale 1 for a constant feature."""

    mean: FloatArray
    scale: FloatArray

    def apply(self, x: FloatArray) -> FloatArray:
        """Return (n_rows, n_features) features in standard deviations from the training mean."""
        return (x - self.mean) / self.scale


@dataclass(frozen=True)
class Rows:
    """Rows of every member, padded at the end.

    Attributes:
        x: (models, rows, n_features) standardised; 0 in the padding.
        x_sets: (models, rows, n_sets) the same, one column a set.
        y: (models, rows) labels; 0 in the padding.
        weight: (models, rows) 1 / the member's rows; 0 in the padding.
        counts: (models,) rows of each member.
    """

    x: Tensor
    x_sets: Tensor
    y: Tensor
    weight: Tensor
    counts: IntArray


def choose_device(name: DeviceName = "auto") -> str:
    """Return the device to train on; `auto` is CUDA where there is one, then Apple's, then the CPU.

    Raises:
        UsageError: if the named device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there.get(name, False):
        raise UsageError(
            f"device {name!r} is not available here",
            path="device",
            value=name,
            suggestion=f"use auto, {' or '.join(device for device, found in there.items() if found)}",
        )
    return name


def precision(device: str) -> torch.dtype:
    """Return float64, so that a result does not depend on the device or on companions; Apple's GPUs have float32 alone."""
    return torch.float32 if device.startswith("mps") else torch.float64


def usable_rows(task: FitTask, rows: IntArray) -> IntArray:
    """Return those of `rows` whose features and label are all known."""
    return rows[np.isfinite(task.x[rows]).all(axis=1) & np.isfinite(task.y[rows])]


def require_rows(task: FitTask, index: int) -> None:
    """Check that a task has enough usable rows.

    Raises:
        InsufficientBarsError: with the task's index and the counts.
    """
    for what, rows, least in (("training", task.train_rows, MIN_TRAIN_ROWS), ("stopping", task.stop_rows, MIN_STOP_ROWS)):
        n_usable = len(usable_rows(task, rows))
        if n_usable < least:
            raise InsufficientBarsError(
                f"task {index} has {n_usable} usable {what} rows of {len(rows)}; it needs {least}",
                path=f"tasks.{index}.{what}_rows",
                value=n_usable,
                suggestion="use longer folds, or features with a shorter warm-up",
            )


def standardisation(task: FitTask) -> Standardisation:
    """Return the mean and scale of a task's usable training rows."""
    x = task.x[usable_rows(task, task.train_rows)]
    std = x.std(axis=0)
    constant = std <= 1e-12 * np.maximum(np.abs(x).max(axis=0), 1e-300)
    return Standardisation(x.mean(axis=0), np.where(constant, 1.0, std))


def gather_rows(
    tasks: Sequence[FitTask],
    which: Literal["train", "stop"],
    scales: Sequence[Standardisation],
    set_features: tuple[int, ...],
    device: str,
) -> Rows:
    """Return the usable training or stopping rows of all tasks on the device."""
    chosen = [usable_rows(task, task.train_rows if which == "train" else task.stop_rows) for task in tasks]
    counts = np.array([len(rows) for rows in chosen], dtype=np.int64)
    n_models, longest = len(tasks), int(counts.max())
    x = np.zeros((n_models, longest, tasks[0].x.shape[1]))
    y, weight = np.zeros((n_models, longest)), np.zeros((n_models, longest))
    for model, (task, rows, scale) in enumerate(zip(tasks, chosen, scales, strict=True)):
        x[model, : len(rows)] = scale.apply(task.x[rows])
        y[model, : len(rows)] = task.y[rows]
        weight[model, : len(rows)] = 1 / len(rows)
    dtype = precision(device)
    move = [torch.as_tensor(array).to(dtype).to(device) for array in (x, x[:, :, list(set_features)], y, weight)]
    return Rows(move[0], move[1], move[2], move[3], counts)


@dataclass(frozen=True)
class Batches:
    """One epoch's batches, gathered at once: (steps, models, batch), and columns for `x` and for `inputs`, what firing is made from."""

    x: Tensor
    inputs: Tensor
    y: Tensor


def batch_weights(counts: IntArray, batch_size: int) -> FloatArray:
    """Return (steps, models, batch) weights of each member's shuffled rows: 1 / rows in the step, 0 past its last row."""
    n_steps = -(-int(counts.max()) // batch_size)
    place = np.arange(n_steps * batch_size).reshape(n_steps, 1, batch_size)
    real = place < counts[None, :, None]
    weights: FloatArray = real / np.maximum(real.sum(axis=2, keepdims=True), 1)
    return weights


def shuffled(rows: Rows, inputs: Tensor, n_steps: int, batch_size: int, shuffles: Sequence[np.random.Generator]) -> Batches:
    """Return an epoch's batches, each member's rows in its own generator's order.

    Args:
        rows: the members' training rows.
        inputs: (models, rows, columns) what firing is made from.
        n_steps, batch_size: enough for the longest member; padding repeats its first row, to be weighed 0.
        shuffles: a generator for each member.
    """
    n_models, longest = rows.y.shape
    order: IntArray = np.zeros((n_models, n_steps * batch_size), dtype=np.int64)
    for model, (generator, count) in enumerate(zip(shuffles, rows.counts, strict=True)):
        order[model, :count] = generator.permutation(count)
        order[model] += model * longest
    by_step = order.reshape(n_models, n_steps, batch_size).transpose(1, 0, 2)
    index = torch.as_tensor(by_step.ravel()).to(rows.y.device)

    def take(values: Tensor) -> Tensor:
        rest = values.shape[2:]
        return values.flatten(0, 1).index_select(0, index).reshape(n_steps, n_models, batch_size, *rest)

    return Batches(take(rows.x), take(inputs), take(rows.y))
