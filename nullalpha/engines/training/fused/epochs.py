"""A population under the compiled engine: every member learns by itself, members are spread over threads.

Kernels let go of the interpreter, so that threads run side by side. A thread takes the next member when it is done with one; what becomes
of a member depends on none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.epochs import State
from nullalpha.engines.training.fused.member import FusedMember
from nullalpha.engines.training.fused.models import PlanForm, form_of
from nullalpha.engines.training.fused.ready import require_compiled
from nullalpha.engines.training.member import member_of
from nullalpha.engines.training.population import FitTask
from nullalpha.strategy.plan import NETWORK_KINDS, ModelKind, Plan

SUPPORTED: tuple[ModelKind, ...] = ("anfis", *NETWORK_KINDS)
_In = TypeVar("_In")
_Out = TypeVar("_Out")


def supports(plan: Plan) -> bool:
    """Return whether this engine trains a plan's kind: all that have something to train, but for ensembles, whose parts it trains."""
    return plan.model in SUPPORTED


class FusedEpochs:
    """A population of any plans, each of a kind that the engine trains (see `epochs.Epochs`)."""

    def __init__(self, members: Sequence[tuple[Plan, FitTask]], n_threads: int) -> None:
        require_compiled()
        self._pool = ThreadPoolExecutor(min(n_threads, len(members))) if min(n_threads, len(members)) > 1 else None
        plans = {id(plan): plan for plan, _ in members}
        forms = {key: form_of(plan) for key, plan in plans.items()}
        self._members = self._each(_first, [(plan, task, forms[id(plan)]) for plan, task in members])

    def learn(self, active: NDArray[np.bool_], rates: FloatArray) -> FloatArray:
        """See `epochs.Epochs.learn`; the stopping losses after it come with it. Who is not active has no loss: NaN."""
        losses = np.full(len(self._members), np.nan)
        learning = np.flatnonzero(active)
        losses[learning] = self._each(_learn, [(self._members[at], float(rates[at])) for at in learning])
        return losses

    def train_loss(self) -> FloatArray:
        """See `epochs.Epochs.train_loss`."""
        return np.array(self._each(FusedMember.train_loss, self._members))

    def stop_loss(self) -> FloatArray:
        """See `epochs.Epochs.stop_loss`."""
        return np.array(self._each(FusedMember.stop_loss, self._members))

    def keep(self, members: NDArray[np.bool_]) -> None:
        """See `epochs.Epochs.keep`."""
        for at in np.flatnonzero(members):
            self._members[at].keep()

    def take_best(self) -> None:
        """See `epochs.Epochs.take_best`."""
        for member in self._members:
            member.take_best()

    def weights(self, member: int) -> dict[str, FloatArray]:
        """See `epochs.Epochs.weights`."""
        return self._members[member].weights()

    def state(self) -> State:
        """See `epochs.Epochs.state`."""
        return {f"{at}/{name}": array for at, member in enumerate(self._members) for name, array in member.state().items()}

    def restore(self, state: State) -> None:
        """See `epochs.Epochs.restore`."""
        own: list[State] = [{} for _ in self._members]
        for name, array in state.items():
            at, _, its = name.partition("/")
            own[int(at)][its] = array
        for member, its_state in zip(self._members, own, strict=True):
            member.restore(its_state)

    def _each(self, work: Callable[[_In], _Out], over: Sequence[_In]) -> list[_Out]:
        """Return what the work makes of each, in order; the threads take one after the other."""
        return [work(one) for one in over] if self._pool is None else list(self._pool.map(work, over))


def _first(given: tuple[Plan, FitTask, PlanForm]) -> FusedMember:
    plan, task, form = given
    return FusedMember(member_of(plan, task), form)


def _learn(given: tuple[FusedMember, float]) -> float:
    member, rate = given
    loss = member.learn(rate)
    member.stop_loss()  # kept until it is asked for
    return loss
