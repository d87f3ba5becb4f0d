"""Epochs of a population by tensors, on any device (see `epochs.Epochs`).

Members lie side by side in a leading dimension, those with most rows first, so that each step is a prefix of them. Data stay on the device,
each batch is one gather, and the host waits for the device once an epoch. On a CPU members walk in pieces that its caches hold. What has
stopped learning is left out of the work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.adam import Moments, adam_step, step_rates
from nullalpha.engines.training.epochs import State
from nullalpha.engines.training.generators import generator_states, restore_generators
from nullalpha.engines.training.labelled import take
from nullalpha.engines.training.learner import RowsName, learner_of
from nullalpha.engines.training.member import Member
from nullalpha.engines.training.placement import Placement

_CACHED_NUMBERS = 2**20
"""What a step of a piece makes on a CPU: 8 MiB."""
_LOSS_NUMBERS = 2**22
"""What losses over all rows make at a time on a CPU: 32 MiB; on other devices 32 times as much."""


class TensorEpochs:
    """A population of members of one shape, as `grouping` puts them together."""

    def __init__(self, members: Sequence[Member], place: Placement) -> None:
        counts = np.array([len(member.train_rows) for member in members])
        self._order: IntArray = np.argsort(-counts, kind="stable")  # of members, longest first
        ordered = [members[at] for at in self._order]
        self._place = place
        self._learner = learner = learner_of(ordered, place)
        clip = np.array([[member.plan.training.clip_norm] for member in ordered])
        self._moments = Moments(torch.zeros_like(learner.parameters), torch.zeros_like(learner.parameters), place.tensor(clip))
        self._steps_taken: IntArray = np.zeros(len(members), dtype=np.int64)
        self._shuffles = [member.generator(1) for member in ordered]
        self._best = learner.parameters.clone()
        self._known = {name: np.full(len(members), np.nan) for name in ("train", "stop")}
        self._stale = {name: np.ones(len(members), dtype=np.bool_) for name in ("train", "stop")}
        batch_numbers = learner.batch_size * learner.width
        self._piece = max(1, _CACHED_NUMBERS // batch_numbers) if place.on_cpu else len(members)

    def learn(self, active: NDArray[np.bool_], rates: FloatArray) -> FloatArray:
        """See `epochs.Epochs.learn`; the stopping losses after it come with it, so that the host waits once."""
        chosen = np.flatnonzero(active[self._order])
        out = np.zeros(len(active))
        if not len(chosen):
            return out
        for known in self._stale.values():
            known[chosen] = True
        pieces = [chosen[start : start + self._piece] for start in range(0, len(chosen), self._piece)]
        train = torch.cat([self._learn_piece(piece, rates[self._order[piece]]) for piece in pieces])
        losses = _host(torch.stack([train, self._losses("stop", chosen)]))
        self._known["stop"][chosen], self._stale["stop"][chosen] = losses[1], False
        out[self._order[chosen]] = losses[0]
        return out

    def train_loss(self) -> FloatArray:
        """See `epochs.Epochs.train_loss`."""
        return self._up_to_date("train")

    def stop_loss(self) -> FloatArray:
        """See `epochs.Epochs.stop_loss`."""
        return self._up_to_date("stop")

    def keep(self, members: NDArray[np.bool_]) -> None:
        """See `epochs.Epochs.keep`."""
        which = torch.as_tensor(members[self._order][:, None]).to(self._best.device)
        self._best = torch.where(which, self._learner.parameters, self._best)

    def take_best(self) -> None:
        """See `epochs.Epochs.take_best`."""
        self._learner.parameters.copy_(self._best)
        for stale in self._stale.values():
            stale[:] = True

    def weights(self, member: int) -> dict[str, FloatArray]:
        """See `epochs.Epochs.weights`."""
        at = int(np.flatnonzero(self._order == member)[0])
        return self._learner.weights(_host(self._learner.parameters[at]), at)

    def state(self) -> State:
        """See `epochs.Epochs.state`; members in this engine's own order."""
        tensors = {"parameters": self._learner.parameters, "best": self._best, "first": self._moments.first, "second": self._moments.second}
        return {
            **{name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()},
            "steps_taken": self._steps_taken.copy(),
            "shuffles": generator_states(self._shuffles),
            "dropouts": generator_states(self._learner.dropouts),
            **{f"known_{name}": values.copy() for name, values in self._known.items()},
            **{f"stale_{name}": values.copy() for name, values in self._stale.items()},
        }

    def restore(self, state: State) -> None:
        """See `epochs.Epochs.restore`."""
        into = {"parameters": self._learner.parameters, "best": self._best, "first": self._moments.first, "second": self._moments.second}
        for name, tensor in into.items():
            tensor.copy_(torch.as_tensor(state[name]))
        self._steps_taken[:] = state["steps_taken"]
        restore_generators(self._shuffles, state["shuffles"].astype(np.uint64))
        restore_generators(self._learner.dropouts, state["dropouts"].astype(np.uint64))
        for name in ("train", "stop"):
            self._known[name][:], self._stale[name][:] = state[f"known_{name}"], state[f"stale_{name}"]

    def _learn_piece(self, chosen: IntArray, rates: FloatArray) -> Tensor:
        """Take some members (indices, ascending) through an epoch; return their mean losses over the rows seen, on the device."""
        learner, counts, batch = self._learner, self._learner.train.counts[chosen], self._learner.batch_size
        steps = -(-counts // batch)
        n_steps = int(steps[0])  # the first has most rows
        at = _all_or_some(chosen, len(self._order), self._place)
        order, weight, share = self._batches(chosen, n_steps)
        epoch = learner.epoch(chosen, order)
        parameters, moments = learner.parameters[at], self._moments.chosen(at)
        legible = None if learner.legible is None else learner.legible.chosen(at)
        adam = step_rates(rates, self._steps_taken[chosen], n_steps, parameters)
        total = torch.zeros_like(parameters[:, 0])
        for step in range(n_steps):
            first = slice(0, int((steps > step).sum()))
            moving = parameters[first]
            loss, gradient = epoch.loss_and_gradient(step, moving, weight[step, first])
            if legible is not None:
                legible = legible if len(legible.slot) == len(moving) else legible.chosen(first)
                gradient[:, : legible.free.shape[1]] *= legible.free
            adam_step(moving, gradient, moments.chosen(first), adam, step)
            if legible is not None:
                legible.hold_(moving[:, : legible.slot.shape[1]])
            total[first] += loss * share[step, first]
        self._steps_taken[chosen] += steps
        if isinstance(at, Tensor):
            learner.parameters[at] = parameters
            self._moments.first[at], self._moments.second[at] = moments.first, moments.second
        return total

    def _batches(self, chosen: IntArray, n_steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return an epoch's batches of some members.

        Returns:
            (steps, members, batch) indices into the training rows of all members laid side by side, each member's in its own
            generator's order, padding at its first row; (steps, members, batch) weights, 1 / rows in the step times the row's own, 0 in
            the padding; (steps, members) the step's part of the member's rows.
        """
        train, batch = self._learner.train, self._learner.batch_size
        order = np.zeros((len(chosen), n_steps * batch), dtype=np.int64)
        for row, member in enumerate(chosen):
            count = train.counts[member]
            order[row, :count] = self._shuffles[member].permutation(count)
        order += chosen[:, None] * train.label.shape[1]
        by_step = self._place.index(np.ascontiguousarray(order.reshape(len(chosen), n_steps, batch).transpose(1, 0, 2)))
        counts = train.counts[chosen]
        in_step = np.clip(counts - np.arange(n_steps)[:, None] * batch, 0, batch)  # (steps, members)
        weight = self._place.tensor((np.arange(batch) < in_step[..., None]) / np.maximum(in_step[..., None], 1))
        if train.relative is not None:
            weight = weight * take(train.relative, by_step)
        return by_step, weight, self._place.tensor(in_step / counts)

    def _up_to_date(self, name: RowsName) -> FloatArray:
        stale = np.flatnonzero(self._stale[name])
        if len(stale):
            self._known[name][stale], self._stale[name][stale] = _host(self._losses(name, stale)), False
        out = np.empty(len(self._order))
        out[self._order] = self._known[name]
        return out

    def _losses(self, name: RowsName, chosen: IntArray) -> Tensor:
        """Return mean losses of some members (indices) on the device, so many at a time that what they make fits."""
        longest = (self._learner.train if name == "train" else self._learner.stop).label.shape[1]
        numbers = _LOSS_NUMBERS if self._place.on_cpu else 32 * _LOSS_NUMBERS
        size = max(1, numbers // (longest * self._learner.width))
        parts = [chosen[start : start + size] for start in range(0, len(chosen), size)]
        return torch.cat([self._learner.losses(name, part) for part in parts])


def _all_or_some(chosen: IntArray, n_members: int, place: Placement) -> slice | Tensor:
    """Return a slice where all members are chosen, so that nothing is copied, else indices on the device."""
    return slice(0, n_members) if len(chosen) == n_members else place.index(chosen)


def _host(values: Tensor) -> FloatArray:
    return values.detach().cpu().to(torch.float64).numpy().copy()  # the host converts: Apple's GPUs have no float64
