"""One member under the compiled engine: its rows and numbers in float32, its generators, its best parameters."""

from __future__ import annotations

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.epochs import State
from nullalpha.engines.training.fused.adam import Moments
from nullalpha.engines.training.fused.losses import loss_numbers
from nullalpha.engines.training.fused.models import PlanForm
from nullalpha.engines.training.fused.rows import MemberRows
from nullalpha.engines.training.generators import generator_states, restore_generators
from nullalpha.engines.training.member import Member


class FusedMember:
    """What training changes of one member, and what it is trained with; see `epochs.Epochs`."""

    def __init__(self, member: Member, form: PlanForm) -> None:
        self._model = form.model_of(member)
        self._loss = loss_numbers(member.loss)
        self._train, self._stop = self._model.rows(member.train_rows), self._model.rows(member.stop_rows)
        parameters = self._model.first.astype(np.float32)
        self._moments = Moments(parameters, np.zeros_like(parameters), np.zeros_like(parameters), np.zeros(1, np.int64))
        self._best = parameters.copy()
        self._losses: dict[str, float] = {}  # of the present parameters, once worked out
        self._generators = member.generator(1), member.generator(2)  # of the orders, and of what is dropped

    def learn(self, rate: float) -> float:
        """Go once through the training rows in a new order; return the mean loss, each row's before its step."""
        shuffle, dropout = self._generators
        order = shuffle.permutation(len(self._train.at))
        self._losses.clear()
        return self._model.epoch(self._train, order, dropout, self._loss, self._moments, rate)

    def train_loss(self) -> float:
        """Return the mean loss over the training rows, without dropout."""
        return self._mean_loss("train", self._train)

    def stop_loss(self) -> float:
        """Return the mean loss over the stopping rows."""
        return self._mean_loss("stop", self._stop)

    def keep(self) -> None:
        """Remember the present parameters as the best."""
        self._best[:] = self._moments.parameters

    def take_best(self) -> None:
        """Put the best parameters in the place of the present ones."""
        self._moments.parameters[:] = self._best
        self._losses.clear()

    def weights(self) -> dict[str, FloatArray]:
        """Return the present parameters by name."""
        return self._model.weights(self._moments.parameters.astype(np.float64))

    def state(self) -> State:
        """Return a copy of all that learning changes."""
        moments = {name: array.copy() for name, array in self._moments._asdict().items()}
        return {**moments, "best": self._best.copy(), "generators": generator_states(self._generators)}

    def restore(self, state: State) -> None:
        """Go on from a state that `state` returned."""
        self._losses.clear()
        for name, array in self._moments._asdict().items():
            array[:] = state[name]
        self._best[:] = state["best"]
        restore_generators(self._generators, state["generators"].astype(np.uint64))

    def _mean_loss(self, name: str, rows: MemberRows) -> float:
        if name not in self._losses:
            self._losses[name] = self._model.loss(rows, self._loss, self._moments.parameters)
        return self._losses[name]
