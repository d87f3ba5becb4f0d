"""Adam with gradient clipping for a population: every member has its own rate, norm and step count.

Source: Kingma & Ba (2015), ICLR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray

FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class StepRates:
    """Rates of several steps, each (steps, models, 1), with the bias corrections in them."""

    step: Tensor
    root: Tensor


@dataclass(frozen=True)
class Moments:
    """Of parameters (models, n_parameters), and the norm (models, 1) to which each member's gradient is shortened; moved in place."""

    first: Tensor
    second: Tensor
    clip_norm: Tensor

    def chosen(self, at: slice | Tensor) -> Moments:
        """Return those of some members: views for a slice, copies for indices."""
        return Moments(self.first[at], self.second[at], self.clip_norm[at])


def step_rates(learning_rate: FloatArray, steps_taken: IntArray, n_steps: int, like: Tensor) -> StepRates:
    """Return the rates of the next steps.

    Args:
        learning_rate: (models,) of these steps.
        steps_taken: (models,) before them.
        n_steps: how many.
        like: a tensor on their device, in their precision.
    """
    taken = steps_taken + np.arange(1, n_steps + 1)[:, None]  # (steps, models)
    step, root = learning_rate / (1 - FIRST_DECAY**taken), 1 / np.sqrt(1 - SECOND_DECAY**taken)
    return StepRates(*(torch.as_tensor(one[..., None]).to(like.dtype).to(like.device) for one in (step, root)))


@torch.no_grad()
def adam_step(parameters: Tensor, gradient: Tensor, moments: Moments, rates: StepRates, at: int) -> None:
    """Move parameters (models, n_parameters) in place along their clipped gradient, by the rates of step `at`."""
    norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
    gradient = gradient * (moments.clip_norm / torch.maximum(norm, moments.clip_norm))
    n_models = len(parameters)
    moments.first.lerp_(gradient, 1 - FIRST_DECAY)
    moments.second.lerp_(gradient.square(), 1 - SECOND_DECAY)
    moved = moments.second.sqrt().mul_(rates.root[at, :n_models]).add_(EPSILON)
    parameters.addcdiv_(moments.first * -rates.step[at, :n_models], moved)
