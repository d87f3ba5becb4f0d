"""What fitting asks of an engine that moves a population of models: an epoch of steps, losses, the state to go on from.

Two engines keep it: tensors of all members at once on any device (`tensor_epochs`), and compiled loops on a CPU (`fused`). Early stopping,
best weights, schedules and resuming are the fit's own and the same over both.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray

State = dict[str, NDArray[np.generic]]
"""Named arrays that together are all that an engine changes: parameters, moments, steps taken, states of generators."""


class Epochs(Protocol):
    """A population on its device, between epochs. What a member becomes does not depend on its companions."""

    def learn(self, active: NDArray[np.bool_], rates: FloatArray) -> FloatArray:
        """Take the active members once through their training rows, each in its own generator's order.

        Args:
            active: (models,) who learns; the others stay as they are to the bit.
            rates: (models,) learning rates of this epoch.
        Returns:
            (models,) mean losses over the rows seen, each before its step.
        """
        ...

    def train_loss(self) -> FloatArray:
        """Return (models,) mean losses over the training rows, without dropout."""
        ...

    def stop_loss(self) -> FloatArray:
        """Return (models,) mean losses over the stopping rows."""
        ...

    def keep(self, members: NDArray[np.bool_]) -> None:
        """Remember the present parameters of some members (models,) as their best."""
        ...

    def take_best(self) -> None:
        """Put every member's best parameters in the place of its present ones."""
        ...

    def weights(self, member: int) -> dict[str, FloatArray]:
        """Return a member's present weights by name, in the forms and units of `fit.FitResult`."""
        ...

    def state(self) -> State:
        """Return a copy of everything that learning changes."""
        ...

    def restore(self, state: State) -> None:
        """Go on from a state that an engine over the same tasks returned."""
        ...
