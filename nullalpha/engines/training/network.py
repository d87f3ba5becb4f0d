"""The networks of a plan for a whole population: memberships of fuzzy sets in, one number out.

fuzzy_mlp reads the memberships of one row; fuzzy_gru and fuzzy_lstm read those of the last `lookback` rows, oldest first, and their last
state goes on. Hidden layers are tanh. Members share the plan's structure and differ in numbers, so every tensor leads with a models
dimension. Equations and sources: `nullalpha.strategy.network_size`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.membership import Pick, SetBank, pick, set_bank
from nullalpha.engines.training.recurrence import differentiable_gru, differentiable_lstm, gru_state, lstm_state
from nullalpha.engines.training.structure import rule_structure
from nullalpha.strategy.network_size import GATES, Layout, network_layout
from nullalpha.strategy.plan import NETWORK_KINDS, NetworkKind, NetworkPlan, Plan

OUTPUT_NOISE = 0.01
"""Deviation of the first output weights: a network begins by saying nearly nothing."""
_CHUNK_NUMBERS, _LEAST_CHUNK_ROWS = 2**24, 512
"""Outside training, rows are taken in chunks of at most so many numbers a layer (128 MiB), or at least so many rows."""


@dataclass(frozen=True)
class NetworkModel:
    """A plan's network on one device and in one precision.

    A population's parameters are one tensor (models, n_parameters): the sets' code (see `membership`), then the arrays of `layout`.

    Attributes:
        kind, network: which network, and its sizes.
        bank: the sets.
        set_features: feature of each set column.
        in_plan_order: the set columns in the order of `Plan.sets`, in which the network reads them; members of a population read them
            as they lie.
        present: (models, 1, n_sets) 0 for a column that a member has no set for; None where there is none.
        layout: name and shape of each of the network's arrays.
    """

    kind: NetworkKind
    network: NetworkPlan
    bank: SetBank
    set_features: tuple[int, ...]
    in_plan_order: Pick
    layout: Layout
    present: Tensor | None = None

    @property
    def n_set_parameters(self) -> int:
        return sum(self.bank.sizes)

    @property
    def recurrent(self) -> bool:
        return GATES[self.kind] > 0

    @property
    def n_hidden(self) -> int:
        """Units that dropout may drop: of every hidden layer, a recurrent kind's last state among them."""
        return sum(self.network.hidden)

    def chosen(self, at: slice | Tensor) -> NetworkModel:
        """Return the model of some members of a population."""
        return replace(self, bank=self.bank.chosen(at), present=None if self.present is None else self.present[at])

    def split(self, parameters: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the sets' code (models, n_set_parameters), and the network's arrays by name, each (models, *shape)."""
        codes, *flat = torch.split(parameters, [self.n_set_parameters, *(prod(shape) for _, shape in self.layout)], dim=1)
        return codes, {name: part.reshape(-1, *shape) for (name, shape), part in zip(self.layout, flat, strict=True)}

    def memberships(self, codes: Tensor, x_sets: Tensor) -> Tensor:
        """Return (models, rows, n_sets) memberships in the order of `Plan.sets`.

        Args:
            codes: (models, n_set_parameters).
            x_sets: (models, rows, n_sets) standardised features, one column a set, as `set_features` orders them.
        """
        with torch.autocast(codes.device.type, enabled=False):
            memberships = torch.exp(self.bank.log_memberships(codes, x_sets))[..., self.in_plan_order]
        return memberships if self.present is None else memberships * self.present

    def answer(self, arrays: Mapping[str, Tensor], hidden: Tensor, dropout: Tensor | None = None) -> Tensor:
        """Return (models, rows) outputs of the dense layers.

        Args:
            arrays: as `split` returns them.
            hidden: (models, rows, n_sets) memberships of a fuzzy_mlp, (models, rows, units) last states of a recurrent kind.
            dropout: (models, rows, n_hidden) factors of the hidden units, 0 for a dropped one; None outside training.
        """
        kept = iter(torch.split(dropout, list(self.network.hidden), dim=-1)) if dropout is not None else None
        if self.recurrent and kept is not None:
            hidden = hidden * next(kept)
        for index in range(1 if self.recurrent else 0, len(self.network.hidden)):
            hidden = torch.tanh(torch.baddbmm(arrays[f"hidden_{index}_bias"].unsqueeze(1), hidden, arrays[f"hidden_{index}_weight"]))
            if kept is not None:
                hidden = hidden * next(kept)
        return torch.baddbmm(arrays["output_bias"].unsqueeze(1), hidden, arrays["output_weight"].unsqueeze(2)).squeeze(2)

    def of_windows(self, arrays: Mapping[str, Tensor], inputs: Tensor, dropout: Tensor | None = None) -> Tensor:
        """Return (models, rows) outputs from each row's own window of memberships, inputs (models, lookback, rows, n_sets)."""
        if not self.recurrent:
            return self.answer(arrays, inputs[:, 0], dropout)
        by_input, bias = (part.unsqueeze(1).expand(-1, inputs.shape[1], -1, -1).flatten(0, 1) for part in self._to_gates(arrays))
        gates = torch.baddbmm(bias, by_input, inputs.flatten(0, 1).transpose(1, 2))  # (models x lookback, gates x units, rows)
        by_step = gates.reshape(*inputs.shape[:2], *gates.shape[1:])
        by_state = arrays["recurrent_state"].transpose(1, 2)
        if self.kind == "fuzzy_gru":
            state = differentiable_gru(by_step, by_state, self._within(arrays))
        else:
            state = differentiable_lstm(by_step, by_state)
        return self.answer(arrays, state.transpose(1, 2), dropout)

    @torch.no_grad()
    def of_series(self, arrays: Mapping[str, Tensor], inputs: Tensor, at: Tensor, at_host: IntArray | None = None) -> Tensor:
        """Return (models, rows) outputs at some rows of a series, whose rows' gates are worked out once however many windows hold them.

        Args:
            arrays: as `split` returns them.
            inputs: (models, n_series, n_sets) memberships, oldest first.
            at: (models, rows) indices into the series of all models laid side by side; each has `lookback - 1` rows before it.
            at_host: the same up to a shift of each model's, where the host knows it without waiting for a device.
        """
        known = at.cpu().numpy() if at_host is None else at_host
        width = max(GATES[self.kind] * self.network.hidden[0], *self.network.hidden)
        chunk_rows = max(_CHUNK_NUMBERS // (len(inputs) * width), _LEAST_CHUNK_ROWS)
        spans = [
            int(np.ptp(known[:, start : start + chunk_rows], axis=1).max()) + self.network.lookback
            for start in range(0, at.shape[1], chunk_rows)
        ]
        chunks = zip(torch.split(at, chunk_rows, dim=1), spans, strict=True)
        return torch.cat([self._of_chunk(arrays, inputs, chunk, span) for chunk, span in chunks], dim=1)

    def _of_chunk(self, arrays: Mapping[str, Tensor], inputs: Tensor, at: Tensor, span: int) -> Tensor:
        side_by_side = inputs.flatten(0, 1)
        if not self.recurrent:
            return self.answer(arrays, _rows(side_by_side, at))
        first = at.min(dim=1, keepdim=True).values - (self.network.lookback - 1)
        read = (first + torch.arange(span, device=at.device)).clamp(max=len(side_by_side) - 1)  # (models, span)
        by_input, bias = self._to_gates(arrays)
        gates = torch.baddbmm(bias.transpose(1, 2), _rows(side_by_side, read), by_input.transpose(1, 2))
        gates = gates.flatten(0, 1)  # (models x span, gates x units)
        oldest = at - first - (self.network.lookback - 1) + torch.arange(len(at), device=at.device)[:, None] * span

        def gates_at(step: int) -> Tensor:
            return _rows(gates, oldest + step).transpose(1, 2)

        by_state, lookback = arrays["recurrent_state"].transpose(1, 2).to(gates.dtype), self.network.lookback
        if self.kind == "fuzzy_gru":
            state = gru_state(gates_at, lookback, by_state, self._within(arrays).to(gates.dtype))
        else:
            state = lstm_state(gates_at, lookback, by_state)
        return self.answer(arrays, state.transpose(1, 2))

    def _to_gates(self, arrays: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return what memberships add to the gates (models, gates x units, n_sets), and the biases (models, gates x units, 1)."""
        by_input = arrays["recurrent_input"].transpose(1, 2)
        return by_input, arrays["recurrent_bias"][:, : by_input.shape[1], None]

    def _within(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return (models, units, 1) the bias of a GRU that lies inside its reset."""
        return arrays["recurrent_bias"][:, 3 * self.network.hidden[0] :, None]


def _rows(side_by_side: Tensor, at: Tensor) -> Tensor:
    return side_by_side.index_select(0, at.flatten()).reshape(*at.shape, -1)


def network_model(plan: Plan, device: torch.device, dtype: torch.dtype = torch.float64) -> NetworkModel:
    """Return the model of a plan whose kind is one of the networks.

    Raises:
        ValueError: if it is not.
    """
    kind = next((kind for kind in NETWORK_KINDS if kind == plan.model), None)
    if kind is None or plan.network is None:
        raise ValueError(f"{plan.model} is no network")
    structure = rule_structure(plan)
    order = structure.set_order
    return NetworkModel(
        kind=kind,
        network=plan.network,
        bank=set_bank(plan.sets, structure, device, dtype),
        set_features=tuple(plan.sets[i].feature for i in order),
        in_plan_order=pick([order.index(i) for i in range(len(order))], device),
        layout=network_layout(kind, len(plan.sets), plan.network),
    )


def first_arrays(model: NetworkModel, generator: np.random.Generator) -> dict[str, FloatArray]:
    """Return the network's arrays before training.

    Glorot's uniform weights, orthogonal state weights, biases of 0 but for an LSTM's forget gate, 1; small output weights.
    Source: Glorot & Bengio (2010), AISTATS; Saxe et al. (2014), ICLR; Jozefowicz et al. (2015), ICML, for the forget gate.
    """
    units = model.network.hidden[0]
    arrays: dict[str, FloatArray] = {}
    for name, shape in model.layout:
        if name == "output_weight":
            arrays[name] = generator.normal(0.0, OUTPUT_NOISE, shape)
        elif name == "recurrent_state":
            arrays[name] = np.concatenate([_orthogonal(units, generator) for _ in range(shape[1] // units)], axis=1)
        elif name.endswith("bias"):
            arrays[name] = np.zeros(shape)
        else:
            limit = np.sqrt(6 / (shape[0] + (units if name == "recurrent_input" else shape[1])))
            arrays[name] = generator.uniform(-limit, limit, shape)
    if model.kind == "fuzzy_lstm":
        arrays["recurrent_bias"][units : 2 * units] = 1.0
    return arrays


def _orthogonal(size: int, generator: np.random.Generator) -> FloatArray:
    q, r = np.linalg.qr(generator.standard_normal((size, size)))
    rotation: FloatArray = q * np.sign(np.diagonal(r))
    return rotation
