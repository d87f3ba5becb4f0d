"""Adam with gradient clipping for a population: every member has its own norm and step count, and can sit a step out untouched.

Source: Kingma & Ba (2015), ICLR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CLIP_NORM = 1.0
FIRST_DECAY, SECOND_DECAY, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class StepRates:
    """Rates of several steps; each tensor is (steps, models, 1), and all but `root` are 0 where a member sits out."""

    first: Tensor
    second: Tensor
    step: Tensor
    root: Tensor


class PopulationAdam:
    """Moments of parameters (models, n_parameters), and how many steps each member has taken."""

    def __init__(self, parameters: Tensor, learning_rate: float) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.first = torch.zeros_like(parameters, requires_grad=False)
        self.second = torch.zeros_like(parameters, requires_grad=False)
        self.steps_taken = np.zeros(len(parameters), dtype=np.int64)

    def rates(self, takes_part: NDArray[np.bool_]) -> StepRates:
        """Return the rates of the next steps from who takes part in each (steps, models), and count those steps as taken."""
        taken = self.steps_taken + np.cumsum(takes_part, axis=0)
        self.steps_taken = taken[-1]
        taken = np.maximum(taken, 1)
        columns = (
            takes_part * (1 - FIRST_DECAY),
            takes_part * (1 - SECOND_DECAY),
            takes_part * self.learning_rate / (1 - FIRST_DECAY**taken),
            1 / np.sqrt(1 - SECOND_DECAY**taken),
        )
        first, second, step, root = (torch.as_tensor(one[..., None]).to(self.parameters) for one in columns)
        return StepRates(first, second, step, root)

    @torch.no_grad()
    def step(self, gradient: Tensor, rates: StepRates, at: int) -> None:
        """Move every member that takes part in step `at` along its clipped gradient (models, n_parameters)."""
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient = gradient * (CLIP_NORM / norm.clamp(min=CLIP_NORM))
        self.first.lerp_(gradient, rates.first[at])
        self.second.lerp_(gradient.square(), rates.second[at])
        self.parameters.addcdiv_(self.first * -rates.step[at], self.second.sqrt().mul_(rates.root[at]).add_(EPSILON))
