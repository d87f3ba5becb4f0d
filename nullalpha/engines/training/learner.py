"""What an epoch by tensors asks of a kind of model: a population's first parameters and data, losses, gradients, weights by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.labelled import Labelled
from nullalpha.engines.training.legible_codes import LegibleCodes
from nullalpha.engines.training.member import Member
from nullalpha.engines.training.network_learner import NetworkLearner
from nullalpha.engines.training.placement import Placement
from nullalpha.engines.training.rules_learner import RulesLearner

RowsName = Literal["train", "stop"]


class LearnerEpoch(Protocol):
    """Some members between the first and the last step of an epoch."""

    def loss_and_gradient(self, step: int, parameters: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return (models,) losses of a batch, each row times `weight` (models, batch), and their gradient (models, n_parameters).

        Args:
            step: of the epoch.
            parameters: (models, n_parameters) of the first so many of the epoch's members, never more than in the step before.
            weight: of their rows.
        """
        ...


class Learner(Protocol):
    """A population with its data on one device.

    Attributes:
        parameters: (models, n_parameters), moved by who fits; those of a set that is trained come first, as codes.
        train, stop: labels, weights and costs of the rows to learn from and of those that decide when to stop.
        legible: what codes are held to after each step; None where sets are not trained.
        dropouts: a generator of each member, of what its hidden units drop; none where nothing is dropped.
    """

    parameters: Tensor
    train: Labelled
    stop: Labelled
    legible: LegibleCodes | None
    dropouts: list[np.random.Generator]

    @property
    def batch_size(self) -> int:
        """Rows of a step."""
        ...

    @property
    def width(self) -> int:
        """Numbers that a step makes of each row, roughly."""
        ...

    def losses(self, rows: RowsName, members: IntArray) -> Tensor:
        """Return the mean losses of some members (indices) over their rows, without dropout."""
        ...

    def epoch(self, members: IntArray, order: Tensor) -> LearnerEpoch:
        """Return an epoch of some members (indices) over batches (steps, members, batch) of the training rows of all laid side by side."""
        ...

    def weights(self, parameters: FloatArray, member: int) -> dict[str, FloatArray]:
        """Return a member's weights by name from its parameters (n_parameters,)."""
        ...


def learner_of(members: Sequence[Member], place: Placement) -> Learner:
    """Return the learner of members of one shape, as `grouping` puts them together."""
    return NetworkLearner(members, place) if members[0].plan.network else RulesLearner(members, place)
