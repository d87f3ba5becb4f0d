"""Losses between outputs and labels, one for each row; a loss of a model is their mean."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

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
