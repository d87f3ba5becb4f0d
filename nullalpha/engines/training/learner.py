"""What fitting asks of a kind of model: a population's first parameters and data, its losses, its gradient, its weights by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from nullalpha.core.errors import UsageError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.network_learner import NetworkLearner
from nullalpha.engines.training.population import FitTask, Labelled
from nullalpha.engines.training.rules_learner import RulesLearner
from nullalpha.strategy.plan import Plan


class Learner(Protocol):
    """One plan's models with their data on one device.

    Attributes:
        parameters: (models, n_parameters), moved in place by who fits.
        train, stop: labels and weights of the rows to learn from and of those that decide when to stop.
        batch_size: rows of a step.
    """

    parameters: Tensor
    train: Labelled
    stop: Labelled
    batch_size: int

    def train_loss(self) -> Tensor:
        """Return (models,) mean losses over the training rows, without dropout."""
        ...

    def stop_loss(self) -> Tensor:
        """Return (models,) mean losses over the stopping rows."""
        ...

    def begin_epoch(self, order: Tensor) -> None:
        """Take an epoch's batches: (steps, models, batch) indices into the training rows of all models laid side by side."""
        ...

    def loss_and_gradient(self, step: int, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return (models,) losses of a batch, each row times `weight` (models, batch), and their gradient (models, n_parameters)."""
        ...

    def weights(self, parameters: FloatArray, member: int) -> dict[str, FloatArray]:
        """Return a member's weights by name from its parameters (n_parameters,)."""
        ...


def learner_of(plan: Plan, tasks: Sequence[FitTask], device: str) -> Learner:
    """Return the learner of a plan's kind.

    Raises:
        UsageError: for an ensemble, whose parts are fitted one after the other.
    """
    if plan.model == "ensemble":
        raise UsageError("an ensemble is no single model", path="model.kind", value=plan.model, suggestion="use fit_strategy")
    return NetworkLearner(plan, tasks, device) if plan.network else RulesLearner(plan, tasks, device)
