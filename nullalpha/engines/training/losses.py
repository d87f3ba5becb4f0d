"""Losses between outputs and labels, one for each row; a loss of a model is their mean."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray

HUBER_DELTA = 1.0
"""Errors under one scaled return count squared, those above in proportion."""


def element_loss(output: Tensor, label: Tensor, kind: Literal["huber", "mse"]) -> Tensor:
    """Return the loss of each row, shaped as `output`."""
    if kind == "mse":
        return (output - label).square()
    return torch.nn.functional.huber_loss(output, label, reduction="none", delta=HUBER_DELTA)


def element_slope(output: Tensor, label: Tensor, kind: Literal["huber", "mse"]) -> Tensor:
    """Return the derivative of each row's loss by its output."""
    error = output - label
    return 2 * error if kind == "mse" else error.clamp(-HUBER_DELTA, HUBER_DELTA)


def mean_loss(output: FloatArray, label: FloatArray, kind: Literal["huber", "mse"], relative: FloatArray | None = None) -> float:
    """Return the mean loss of rows (n,); `relative` (n,) are their weights over their mean, None where all count alike."""
    loss = element_loss(torch.from_numpy(output), torch.from_numpy(label), kind)
    return float(loss.mean() if relative is None else (loss * torch.from_numpy(relative)).mean())
