"""The kinds of models that kernels train: what each makes of a member's rows and first numbers, and how it calls its kernels."""

from __future__ import annotations

from math import prod
from typing import Protocol

import numpy as np
import torch

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.fused.adam import Moments, SetLimits, set_limits
from nullalpha.engines.training.fused.blocks import Float32Array
from nullalpha.engines.training.fused.losses import LossNumbers
from nullalpha.engines.training.fused.network import network_epoch_nb, network_loss_nb
from nullalpha.engines.training.fused.network_table import network_table
from nullalpha.engines.training.fused.rows import MemberRows, columns_of, member_rows
from nullalpha.engines.training.fused.rule_table import rule_table
from nullalpha.engines.training.fused.rules import firing_nb, rules_epoch_nb, rules_loss_nb
from nullalpha.engines.training.fused.sets import memberships_nb
from nullalpha.engines.training.legible import set_rule
from nullalpha.engines.training.member import Member
from nullalpha.engines.training.membership import decode_sets, encode_sets, set_params
from nullalpha.engines.training.model import fuzzy_model
from nullalpha.engines.training.network import first_arrays, network_model
from nullalpha.engines.training.rules_learner import first_parameters
from nullalpha.engines.training.structure import RuleStructure, rule_structure
from nullalpha.strategy.plan import Plan

CPU = torch.device("cpu")


class FusedModel(Protocol):
    """One member's model.

    Attributes:
        first: (n_parameters,) before training: the sets' code where sets are trained, then what the kind has.
        limits: of the sets that are trained.
    """

    first: FloatArray
    limits: SetLimits

    def rows(self, chosen: IntArray) -> MemberRows:
        """Return some of the task's usable rows as the kernels read them."""
        ...

    def epoch(
        self, rows: MemberRows, order: IntArray, dropout: np.random.Generator, loss: LossNumbers, moments: Moments, rate: float
    ) -> float:
        """Take the moments once through the rows in an order; return the mean loss, each row's before its step."""
        ...

    def loss(self, rows: MemberRows, loss: LossNumbers, parameters: Float32Array) -> float:
        """Return the mean loss over the rows, without dropout."""
        ...

    def weights(self, parameters: FloatArray) -> dict[str, FloatArray]:
        """Return parameters (n_parameters,) by name, in the forms of `fit.FitResult`."""
        ...


class PlanForm(Protocol):
    """What all members of a plan share."""

    def model_of(self, member: Member) -> FusedModel:
        """Return a member's model."""
        ...


class RulesForm:
    """An anfis plan."""

    def __init__(self, plan: Plan) -> None:
        self.structure = rule_structure(plan)
        self.model = fuzzy_model(plan, CPU)
        self.table = rule_table(plan, self.structure)

    def model_of(self, member: Member) -> FusedModel:
        """Return a member's model."""
        return FusedRules(member, self)


class NetworkForm:
    """A plan of a network."""

    def __init__(self, plan: Plan) -> None:
        self.structure = rule_structure(plan)
        self.model = network_model(plan, CPU)
        self.table = network_table(plan, self.structure, self.model.n_set_parameters if "sets" in plan.trainable else 0)

    def model_of(self, member: Member) -> FusedModel:
        """Return a member's model."""
        return FusedNetwork(member, self)


def form_of(plan: Plan) -> PlanForm:
    """Return the form of a plan of a kind that the engine trains."""
    return NetworkForm(plan) if plan.network else RulesForm(plan)


class FusedRules:
    """An anfis (see `FusedModel`)."""

    def __init__(self, member: Member, form: RulesForm) -> None:
        self._member, self._form, self._table = member, form, form.table
        first = first_parameters(member.plan, form.model, member.scale, member.task.seed)
        self._code = first[: form.model.n_set_parameters]
        self.first = first if form.table.train_sets else first[len(self._code) :]
        self.limits = _limits(member, form.structure, self._code)

    def rows(self, chosen: IntArray) -> MemberRows:
        """Return features and, where sets stay as they are, the rules' normalised firing after them."""
        columns = columns_of(self._member.standardised(chosen))
        if not self._table.train_sets:
            columns = np.concatenate([columns, firing_nb(self._table, self._code.astype(np.float32), columns)])
        return member_rows(columns, np.arange(len(chosen)), self._member.targets(chosen))

    def epoch(
        self, rows: MemberRows, order: IntArray, dropout: np.random.Generator, loss: LossNumbers, moments: Moments, rate: float
    ) -> float:
        """See `FusedModel.epoch`; nothing is dropped."""
        training = self._member.plan.training
        clip_norm = float(training.clip_norm)
        seen: float = rules_epoch_nb(self._table, rows, order, training.batch_size, loss, moments, self.limits, rate, clip_norm)
        return seen

    def loss(self, rows: MemberRows, loss: LossNumbers, parameters: Float32Array) -> float:
        """See `FusedModel.loss`."""
        mean: float = rules_loss_nb(self._table, rows, loss, parameters)
        return mean

    def weights(self, parameters: FloatArray) -> dict[str, FloatArray]:
        """See `FusedModel.weights`."""
        n_rules, n_features = self._form.model.n_rules, self._form.model.n_features
        code = parameters[: len(self._code)] if self._table.train_sets else self._code
        coefficients, bias = np.split(parameters[-n_rules * (n_features + 1) :], [n_rules * n_features])
        return {
            **_common_weights(self._member, self._form.structure, code),
            "coefficients": coefficients.reshape(n_rules, n_features).copy(),
            "bias": bias.copy(),
        }


class FusedNetwork:
    """A fuzzy_mlp or a recurrent network (see `FusedModel`)."""

    def __init__(self, member: Member, form: NetworkForm) -> None:
        self._member, self._form, self._table = member, form, form.table
        plan, scale = member.plan, member.scale
        self._code = encode_sets(plan.sets, form.structure, set_params(plan.sets), scale.mean, scale.scale)
        arrays = first_arrays(form.model, member.generator(0))
        flat = [arrays[name].ravel() for name, _ in form.model.layout]
        self.first = np.concatenate([self._code, *flat] if form.table.train_sets else flat)
        self.limits = _limits(member, form.structure, self._code)

    def rows(self, chosen: IntArray) -> MemberRows:
        """Return features or, where sets stay as they are, memberships, of all rows that some window holds."""
        needed = np.unique(chosen[:, None] - np.arange(self._table.lookback))
        columns = columns_of(self._member.standardised(needed))
        if not self._table.train_sets:
            columns = memberships_nb(self._table.sets, self._code.astype(np.float32), columns)
        return member_rows(columns, np.searchsorted(needed, chosen), self._member.targets(chosen))

    def epoch(
        self, rows: MemberRows, order: IntArray, dropout: np.random.Generator, loss: LossNumbers, moments: Moments, rate: float
    ) -> float:
        """See `FusedModel.epoch`."""
        training = self._member.plan.training
        draws = dropout.random((len(order), self._form.model.n_hidden if self._table.dropout > 0 else 0))
        clip_norm = float(training.clip_norm)
        seen: float = network_epoch_nb(self._table, rows, order, draws, training.batch_size, loss, moments, self.limits, rate, clip_norm)
        return seen

    def loss(self, rows: MemberRows, loss: LossNumbers, parameters: Float32Array) -> float:
        """See `FusedModel.loss`."""
        mean: float = network_loss_nb(self._table, rows, loss, parameters)
        return mean

    def weights(self, parameters: FloatArray) -> dict[str, FloatArray]:
        """See `FusedModel.weights`."""
        code = parameters[: len(self._code)] if self._table.train_sets else self._code
        layout = self._form.model.layout
        sizes = np.cumsum([prod(shape) for _, shape in layout])
        arrays = np.split(parameters[-sizes[-1] :], sizes[:-1])
        named = {name: flat.reshape(shape).copy() for (name, shape), flat in zip(layout, arrays, strict=True)}
        return {**_common_weights(self._member, self._form.structure, code), **named}


def _limits(member: Member, structure: RuleStructure, code: FloatArray) -> SetLimits:
    return set_limits(set_rule(member.plan.sets, structure, code) if "sets" in member.plan.trainable else None)


def _common_weights(member: Member, structure: RuleStructure, code: FloatArray) -> dict[str, FloatArray]:
    mean, scale = member.scale.mean, member.scale.scale
    sets = decode_sets(member.plan.sets, structure, code, mean, scale)
    return {"feature_mean": mean.copy(), "feature_scale": scale.copy(), "sets": sets}
