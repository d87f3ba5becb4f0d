"""Learning of networks of one kind and size, whose sets and features may differ; every member's rows are windows of one series, so that
no row is stored once a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.labelled import chosen_terms, labelled, take
from nullalpha.engines.training.legible import set_rule
from nullalpha.engines.training.legible_codes import LegibleCodes, legible_codes
from nullalpha.engines.training.losses import element_loss
from nullalpha.engines.training.member import Member
from nullalpha.engines.training.membership import decode_sets, encode_sets, set_params
from nullalpha.engines.training.network import NetworkModel, first_arrays, network_model
from nullalpha.engines.training.placement import Placement
from nullalpha.engines.training.set_columns import SetColumns, no_sets, set_columns
from nullalpha.engines.training.structure import rule_structure
from nullalpha.engines.training.targets import loss_terms
from nullalpha.strategy.network_size import network_layout
from nullalpha.strategy.plan import NetworkPlan, Plan

CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Windows:
    """Rows of every member, and what lies before them.

    Attributes:
        series: (models, n_series, n_columns) memberships, oldest first, 0 in the padding; where sets are trained, the standardised
            features they are made from.
        at: (models, rows) where each row lies in its member's series; the padding repeats a member's last row.
        at_host: the same on the host.
    """

    series: Tensor
    at: Tensor
    at_host: IntArray

    def side_by_side(self) -> Tensor:
        """Return (models, rows) where each row lies in the series of all models laid side by side."""
        n_models, n_series = self.series.shape[:2]
        return self.at + torch.arange(n_models, device=self.at.device)[:, None] * n_series

    def chosen(self, members: IntArray, at: Tensor, n_rows: int) -> _Windows:
        """Return the first rows of some members: indices on the host, and on the device."""
        return _Windows(self.series[at], self.at[at, :n_rows], self.at_host[members, :n_rows])


class NetworkLearner:
    """A population's networks (see `learner.Learner`).

    Parameters are the sets' code (where sets are trained), then the arrays of `network_layout`; weights of a column that a member has no
    set for are 0 and stay so.
    """

    def __init__(self, members: Sequence[Member], place: Placement) -> None:
        self.members = members
        self.place = place
        plans = [member.plan for member in members]
        self.network = _network(plans[0])
        self.trains_sets = "sets" in plans[0].trainable
        self.columns = set_columns(plans) if self.trains_sets else None
        self.model = _population_model(plans, self.columns, place)
        self.terms = loss_terms([member.loss for member in members], place.device, place.dtype)
        costs = plans[0].training.loss == "utility"
        self.train = labelled([member.targets(member.train_rows) for member in members], place, with_costs=costs)
        self.stop = labelled([member.targets(member.stop_rows) for member in members], place, with_costs=costs)
        self._own = {id(plan): network_model(plan, CPU) for plan in plans}
        self._sets = [_first_code(member) for member in members]
        self._entries = [self._own_entries(member, at) for at, member in enumerate(members)]
        self.parameters = self._first()
        self.legible: LegibleCodes | None = None
        if self.columns is not None:
            rules = [set_rule(plan.sets, rule_structure(plan), code) for plan, code in zip(plans, self._sets, strict=True)]
            entries = [own.entries for own in self.columns.own]
            self.legible = legible_codes(rules, entries, self.model.n_set_parameters, place)
        self.train_windows = self._gather([member.train_rows for member in members])
        self._stop_windows = self._gather([member.stop_rows for member in members])
        self.starts = self.train_windows.side_by_side()
        self.dropouts = [member.generator(2) for member in members] if self.network.dropout else []

    @property
    def batch_size(self) -> int:
        return min(self.members[0].plan.training.batch_size, int(self.train.counts.max()))

    @property
    def width(self) -> int:
        gates = 8 * self.network.hidden[0] * self.network.lookback if self.model.recurrent else 0
        return self.model.layout[0][1][0] * self.network.lookback + gates + 3 * sum(self.network.hidden)

    def losses(self, rows: str, members: IntArray) -> Tensor:
        windows, targets = (self.train_windows, self.train) if rows == "train" else (self._stop_windows, self.stop)
        at = self.place.index(members)
        chosen = windows.chosen(members, at, int(targets.counts[members].max()))
        model = self.model.chosen(at)
        with torch.no_grad(), self.place.products():
            codes, arrays = model.split(self.parameters[at])
            inputs = model.memberships(codes, chosen.series) if self.trains_sets else chosen.series
            output = model.of_series(arrays, inputs, chosen.side_by_side(), chosen.at_host).to(self.place.dtype)
        return targets.mean_losses(output, chosen_terms(self.terms, at), at)

    def epoch(self, members: IntArray, order: Tensor) -> _Epoch:
        return _Epoch(self, members, order)

    def weights(self, parameters: FloatArray, member: int) -> dict[str, FloatArray]:
        """Return the scale, the sets in their own units, and the network's arrays."""
        one, plan = self.members[member], self.members[member].plan
        own = parameters[self._entries[member]]
        code = own[: len(self._sets[member])] if self.trains_sets else self._sets[member]
        layout = network_layout(self.model.kind, len(plan.sets), self.network)
        sizes = np.cumsum([prod(shape) for _, shape in layout])
        arrays = np.split(own[-sizes[-1] :], sizes[:-1])
        return {
            "feature_mean": one.scale.mean.copy(),
            "feature_scale": one.scale.scale.copy(),
            "sets": decode_sets(plan.sets, rule_structure(plan), code, one.scale.mean, one.scale.scale),
            **{name: flat.reshape(shape).copy() for (name, shape), flat in zip(layout, arrays, strict=True)},
        }

    def drops(self, members: IntArray, n_steps: int) -> Tensor | None:
        """Return (steps, members, batch, n_hidden) which hidden units an epoch keeps; None where none is ever dropped.

        Each member draws for its own rows alone, so that its stream does not depend on its companions.
        """
        if not self.dropouts:
            return None
        batch, n_hidden = self.batch_size, self.model.n_hidden
        kept = np.ones((n_steps, len(members), batch, n_hidden), dtype=np.bool_)
        for row, member in enumerate(members):
            for step in range(n_steps):
                own = int(np.clip(self.train.counts[member] - step * batch, 0, batch))
                kept[step, row, :own] = self.dropouts[member].random((own, n_hidden)) >= self.network.dropout
        return torch.as_tensor(kept).to(self.place.device)

    def _own_entries(self, member: Member, at: int) -> IntArray:
        """Return the entry in the population's parameters of each of a member's own that is trained."""
        rows = np.arange(len(member.plan.sets)) if self.columns is None else self.columns.own[at].columns
        first = self.model.n_set_parameters
        (_, (n_inputs, units)), *others = self.model.layout
        by_input = first + np.add.outer(rows * units, np.arange(units)).ravel()
        rest = first + n_inputs * units + np.arange(sum(prod(shape) for _, shape in others))
        code = np.zeros(0, dtype=np.int64) if self.columns is None else self.columns.own[at].entries
        return np.concatenate([code, by_input, rest])

    def _first(self) -> Tensor:
        size = self.model.n_set_parameters + sum(prod(shape) for _, shape in self.model.layout)
        out = np.zeros((len(self.members), size))
        for at, (member, entries, code) in enumerate(zip(self.members, self._entries, self._sets, strict=True)):
            model = self._own[id(member.plan)]
            arrays = first_arrays(model, member.generator(0))
            own = np.concatenate([code, *(arrays[name].ravel() for name, _ in model.layout)])
            out[at, entries] = own[-len(entries) :]
        return self.place.tensor(out)

    def _gather(self, chosen: Sequence[IntArray]) -> _Windows:
        lags = np.arange(self.network.lookback)
        needed = [np.unique(rows[:, None] - lags) for rows in chosen]
        n_columns = self.model.layout[0][1][0]
        series = np.zeros((len(chosen), max(map(len, needed)), n_columns))
        at = np.zeros((len(chosen), max(map(len, chosen))), dtype=np.int64)
        for model, (member, rows, its) in enumerate(zip(self.members, chosen, needed, strict=True)):
            x = member.standardised(its)
            if self.columns is not None:
                series[model, : len(its)] = self.columns.features_of_sets(x, member.plan, model)
            else:
                own = self._own[id(member.plan)]
                x_sets = torch.from_numpy(x[:, list(own.set_features)][None])
                series[model, : len(its), : len(member.plan.sets)] = own.memberships(torch.from_numpy(self._sets[model][None]), x_sets)[0]
            at[model, : len(rows)] = np.searchsorted(its, rows)
            at[model, len(rows) :] = at[model, len(rows) - 1]
        return _Windows(self.place.tensor(series), self.place.index(at), at)


class _Epoch:
    """Some members between the first and the last step of an epoch."""

    def __init__(self, learner: NetworkLearner, members: IntArray, order: Tensor) -> None:
        at = learner.place.index(members)
        self._learner = learner
        self._order = order
        self._model, self._terms = learner.model.chosen(at), chosen_terms(learner.terms, at)
        self._n_chosen = len(at)
        self._before = torch.arange(1 - learner.network.lookback, 1, device=at.device)[:, None]  # (lookback, 1)
        self._kept = learner.drops(members, len(order))

    def loss_and_gradient(self, step: int, parameters: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        first = slice(0, len(parameters))
        learner, order = self._learner, self._order[step, first]
        if len(parameters) != self._n_chosen:  # members whose rows are all seen have dropped out
            self._model, self._terms = self._model.chosen(first), chosen_terms(self._terms, first)
            self._n_chosen = len(parameters)
        targets = learner.train
        starts = take(learner.starts, order)
        windows = take(learner.train_windows.series, starts.unsqueeze(1) + self._before)  # (models, lookback, batch, n_columns)
        parameters = parameters.detach().requires_grad_()
        codes, arrays = self._model.split(parameters)
        with learner.place.products():
            if learner.trains_sets:
                windows = self._model.memberships(codes, windows.flatten(1, 2)).reshape(windows.shape)
            output = self._model.of_windows(arrays, windows, self._dropout(step, first)).to(learner.place.dtype)
        loss = (element_loss(output, take(targets.label, order), self._terms, targets.costs_at(order)) * weight).sum(dim=1)
        (gradient,) = torch.autograd.grad(loss.sum(), parameters)
        return loss.detach(), gradient

    def _dropout(self, step: int, first: slice) -> Tensor | None:
        """Return (models, batch, n_hidden) factors of hidden units: 0 for a dropped one, 1 / (1 - dropout) for the others."""
        if self._kept is None:
            return None
        return self._kept[step, first].to(self._learner.place.dtype) * (1 / (1 - self._learner.network.dropout))


def _first_code(member: Member) -> FloatArray:
    plan, scale = member.plan, member.scale
    return encode_sets(plan.sets, rule_structure(plan), set_params(plan.sets), scale.mean, scale.scale)


def _network(plan: Plan) -> NetworkPlan:
    if plan.network is None:
        raise ValueError(f"{plan.model} is no network")
    return plan.network


def _population_model(plans: Sequence[Plan], columns: SetColumns | None, place: Placement) -> NetworkModel:
    """Return the model of all members, which read set columns as they lie; without columns it is not asked for memberships."""
    own = network_model(plans[0], CPU)
    n_columns = max(len(plan.sets) for plan in plans) if columns is None else columns.n_columns
    present = np.zeros((len(plans), 1, n_columns))
    if columns is not None:
        for model, its in enumerate(columns.own):
            present[model, 0, its.columns] = 1.0
    return NetworkModel(
        kind=own.kind,
        network=own.network,
        bank=no_sets(len(plans), place) if columns is None else columns.bank(plans, place),
        set_features=(),
        in_plan_order=slice(0, n_columns),
        layout=network_layout(own.kind, n_columns, own.network),
        present=None if columns is None or present.all() else place.tensor(present),
    )
