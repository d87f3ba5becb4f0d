"""Early stopping, best weights, schedules and history of one population, whichever engine moves it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nullalpha.engines.training.epochs import Epochs, State
from nullalpha.engines.training.fit_result import EpochProgress, FitResult
from nullalpha.engines.training.schedule import learning_rate
from nullalpha.strategy.plan import TrainingPlan

_ENGINE = "engine/"


class GroupFit:
    """A population between epochs; what the host knows of it is in NumPy arrays (models,).

    Attributes:
        epoch: the last one that was run.
        epochs: the most that a member may run.
    """

    def __init__(self, trainings: Sequence[TrainingPlan], engine: Epochs) -> None:
        self.epoch = 0
        self.epochs = max(one.epochs for one in trainings)
        self._trainings = trainings
        self._engine = engine
        self._most_epochs = np.array([one.epochs for one in trainings])
        self._patience = np.array([one.patience for one in trainings])
        losses = np.stack([engine.train_loss(), engine.stop_loss()], axis=1)
        self._history = [losses]
        self._diverged: NDArray[np.bool_] = ~np.isfinite(losses.sum(axis=1))
        self._active: NDArray[np.bool_] = ~self._diverged & (self._most_epochs > 0)
        self._best_loss = losses[:, 1].copy()
        self._best_epoch = np.zeros(len(trainings), dtype=np.int64)
        self._epochs_run = np.zeros(len(trainings), dtype=np.int64)
        engine.keep(np.ones(len(trainings), dtype=np.bool_))

    @property
    def learns(self) -> bool:
        """Whether any member has not stopped yet."""
        return bool(self._active.any())

    def run_epoch(self) -> EpochProgress:
        """Take every active member once through its training rows, then judge it on its stopping rows."""
        self.epoch += 1
        taking_part = self._active
        rates = np.array([learning_rate(one, self.epoch) for one in self._trainings])
        train_loss = self._engine.learn(taking_part, rates)
        losses = np.stack([train_loss, self._engine.stop_loss()], axis=1)
        self._history.append(losses)
        self._epochs_run[taking_part] = self.epoch
        self._keep_the_best(losses)
        return EpochProgress(
            epoch=self.epoch,
            epochs=self.epochs,
            n_active=int(taking_part.sum()),
            train_loss=float(losses[taking_part, 0].mean()),
            stop_loss=float(losses[taking_part, 1].mean()),
        )

    def results(self) -> list[FitResult]:
        """Return each member with its best weights and their losses."""
        self._engine.take_best()
        train_loss, history = self._engine.train_loss(), np.stack(self._history)
        return [
            FitResult(
                weights=self._engine.weights(i),
                best_epoch=int(self._best_epoch[i]),
                epochs_run=int(self._epochs_run[i]),
                train_loss=float(train_loss[i]),
                stop_loss=float(self._best_loss[i]),
                diverged=bool(self._diverged[i]),
                history=history[: self._epochs_run[i] + 1, i].copy(),
            )
            for i in range(len(self._trainings))
        ]

    def state(self) -> State:
        """Return a copy of everything that epochs change, the engine's part among it."""
        own = {
            "epoch": np.array(self.epoch),
            "history": np.stack(self._history),
            "diverged": self._diverged.copy(),
            "active": self._active.copy(),
            "best_loss": self._best_loss.copy(),
            "best_epoch": self._best_epoch.copy(),
            "epochs_run": self._epochs_run.copy(),
        }
        return {**own, **{_ENGINE + name: array for name, array in self._engine.state().items()}}

    def restore(self, state: State) -> None:
        """Go on from a state of a fit of the same members."""
        self.epoch = int(state["epoch"])
        self._history = list(state["history"].astype(np.float64))
        self._diverged, self._active = state["diverged"].astype(np.bool_), state["active"].astype(np.bool_)
        self._best_loss = state["best_loss"].astype(np.float64)
        self._best_epoch, self._epochs_run = state["best_epoch"].astype(np.int64), state["epochs_run"].astype(np.int64)
        self._engine.restore({name.removeprefix(_ENGINE): array for name, array in state.items() if name.startswith(_ENGINE)})

    def _keep_the_best(self, losses: NDArray[np.float64]) -> None:
        finite = np.isfinite(losses.sum(axis=1))
        self._diverged = self._diverged | (self._active & ~finite)
        improved = self._active & finite & (losses[:, 1] < self._best_loss)
        self._best_loss[improved] = losses[improved, 1]
        self._best_epoch[improved] = self.epoch
        self._engine.keep(improved)
        waits = self.epoch - self._best_epoch < self._patience
        self._active = self._active & finite & waits & (self.epoch < self._most_epochs)
