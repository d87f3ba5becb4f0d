"""A population's data: every member's rows standardised by its own training rows, padded to one shape, resident on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullalpha.core.errors import InsufficientBarsError, UsageError
from nullalpha.data.bars import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

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
        seed: of the first coefficients, the shuffles and the dropout.
        weight: (n_rows,) how much each row counts, in any unit: a model's weights are taken relative to their mean. Rows whose weight is
            NaN or not above 0 are left out. None: all count alike.
    """

    x: FloatArray
    y: FloatArray
    train_rows: IntArray
    stop_rows: IntArray
    seed: int
    weight: FloatArray | None = None


@dataclass(frozen=True)
class Standardisation:
    """(n_features,) mean and scale of the training rows; scale 1 for a constant feature."""

    mean: FloatArray
    scale: FloatArray

    def apply(self, x: FloatArray) -> FloatArray:
        """Return (n_rows, n_features) features in standard deviations from the training mean."""
        return (x - self.mean) / self.scale


@dataclass(frozen=True)
class Labelled:
    """Labels and weights of every member's rows, padded at the end.

    Attributes:
        y: (models, rows) labels; 0 in the padding.
        share: (models, rows) each row's part in the member's mean loss, summing to 1; 0 in the padding.
        relative: (models, rows) each row's weight over the mean of the member's; None where all rows of all members count alike.
        counts: (models,) rows of each member.
    """

    y: Tensor
    share: Tensor
    relative: Tensor | None
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


def gather_labels(tasks: Sequence[FitTask], chosen: Sequence[IntArray], device: str) -> Labelled:
    """Return labels and weights of each task's chosen rows on the device."""
    counts = np.array([len(rows) for rows in chosen], dtype=np.int64)
    shape = (len(tasks), int(counts.max()))
    y, share, relative, weighted = np.zeros(shape), np.zeros(shape), np.zeros(shape), False
    for model, (task, rows) in enumerate(zip(tasks, chosen, strict=True)):
        y[model, : len(rows)] = task.y[rows]
        own = relative_weights(task, rows)
        weighted |= own is not None
        relative[model, : len(rows)] = 1.0 if own is None else own
        share[model, : len(rows)] = relative[model, : len(rows)] / len(rows)
    return Labelled(to_device(y, device), to_device(share, device), to_device(relative, device) if weighted else None, counts)


def to_device(array: FloatArray, device: str) -> Tensor:
    """Return an array as a tensor of the device's precision."""
    return torch.as_tensor(array).to(precision(device)).to(device)


def batch_weights(counts: IntArray, batch_size: int) -> FloatArray:
    """Return (steps, models, batch) weights of each member's shuffled rows: 1 / rows in the step, 0 past its last row."""
    n_steps = -(-int(counts.max()) // batch_size)
    place = np.arange(n_steps * batch_size).reshape(n_steps, 1, batch_size)
    real = place < counts[None, :, None]
    weights: FloatArray = real / np.maximum(real.sum(axis=2, keepdims=True), 1)
    return weights


def epoch_order(counts: IntArray, batch_shape: tuple[int, int, int], longest: int, shuffles: Sequence[np.random.Generator]) -> IntArray:
    """Return an epoch's batches (steps, models, batch): rows in each member's own generator's order.

    Rows are indices into (models x longest) rows laid side by side.

    Args:
        counts: (models,) rows of each member.
        batch_shape: (steps, models, batch), enough for the longest member; padding repeats a member's first row, to be weighed 0.
        longest: rows of the longest member.
        shuffles: a generator for each member.
    """
    n_steps, n_models, batch = batch_shape
    order: IntArray = np.zeros((n_models, n_steps * batch), dtype=np.int64)
    for model, (generator, count) in enumerate(zip(shuffles, counts, strict=True)):
        order[model, :count] = generator.permutation(count)
        order[model] += model * longest
    return order.reshape(n_models, n_steps, batch).transpose(1, 0, 2)


def take(values: Tensor, order: Tensor) -> Tensor:
    """Return rows (..., columns) of `values` (models, rows, columns), or (models, rows), at indices into its rows laid side by side."""
    rest = values.shape[2:]
    return values.flatten(0, 1).index_select(0, order.flatten()).reshape(*order.shape, *rest)
