"""Learning of anfis: members of one batch size and loss whose rules, sets and features may differ, padded to one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.gradient import loss_and_gradient
from nullalpha.engines.training.labelled import chosen_terms, labelled, take
from nullalpha.engines.training.legible import set_rule
from nullalpha.engines.training.legible_codes import LegibleCodes, legible_codes
from nullalpha.engines.training.member import Member
from nullalpha.engines.training.membership import decode_sets, encode_sets, set_params
from nullalpha.engines.training.model import FuzzyModel, fuzzy_model
from nullalpha.engines.training.placement import Placement
from nullalpha.engines.training.population import Standardisation
from nullalpha.engines.training.set_columns import NO_SETS, SetColumns, columns_of_structure, no_sets, set_columns
from nullalpha.engines.training.structure import rule_products, rule_structure
from nullalpha.engines.training.targets import loss_terms
from nullalpha.strategy.plan import Plan

COEFFICIENT_NOISE = 0.01
_CHUNK_ROWS = 65_536


@dataclass(frozen=True)
class _Rows:
    """Rows of every member, padded at the end with 0.

    Attributes:
        x: (models, rows, n_features) standardised.
        inputs: (models, rows, columns) what firing is made from at every step: the sets' features or, where sets stay as they are, the
            normalised firing itself.
    """

    x: Tensor
    inputs: Tensor


class RulesLearner:
    """A population's anfis (see `learner.Learner`).

    Parameters are the sets' code (where sets are trained), coefficients (rules x features), biases (rules). A rule that a member does not
    have never fires.
    """

    def __init__(self, members: Sequence[Member], place: Placement) -> None:
        self.members = members
        self.place = place
        plans = [member.plan for member in members]
        self.trains_sets = "sets" in plans[0].trainable
        self.trains_consequents = "consequents" in plans[0].trainable
        self.columns = (columns_of_structure if rule_products(plans[0]) is None else set_columns)(plans) if self.trains_sets else None
        self.model = _population_model(plans, self.columns, place)
        self.terms = loss_terms([member.loss for member in members], place.device, place.dtype)
        costs = plans[0].training.loss == "utility"
        self.train = labelled([member.targets(member.train_rows) for member in members], place, with_costs=costs)
        self.stop = labelled([member.targets(member.stop_rows) for member in members], place, with_costs=costs)
        own = [_own_first(member) for member in members]
        self._sets = [code for code, _ in own]
        self._entries = [self._own_entries(member, at) for at, member in enumerate(members)]
        self.dropouts: list[np.random.Generator] = []
        self.parameters = self._first([np.concatenate([code, head]) for code, head in own])
        self.legible: LegibleCodes | None = None
        if self.columns is not None:
            rules = [set_rule(plan.sets, rule_structure(plan), code) for plan, code in zip(plans, self._sets, strict=True)]
            entries = [own.entries for own in self.columns.own]
            self.legible = legible_codes(rules, entries, self.model.n_set_parameters, place)
        self.train_rows = self._gather([member.train_rows for member in members])
        self.stop_rows = self._gather([member.stop_rows for member in members])

    @property
    def batch_size(self) -> int:
        return self.members[0].plan.training.batch_size

    @property
    def width(self) -> int:
        return self.model.n_features + 2 * self.model.n_rules + (2 * self.columns.n_columns if self.columns else 0)

    def losses(self, rows: str, members: IntArray) -> Tensor:
        at = self.place.index(members)
        data, targets = (self.train_rows, self.train) if rows == "train" else (self.stop_rows, self.stop)
        model, parameters, n_rows = self.model.chosen(at), self.parameters[at], int(targets.counts[members].max())
        with torch.no_grad(), self.place.products():
            inputs = data.inputs[at, :n_rows]
            firing = torch.softmax(model.log_firing(model.split(parameters)[0], inputs), dim=-1) if self.trains_sets else inputs
            output = (firing * model.answers(parameters, data.x[at, :n_rows])).sum(dim=-1)
        return targets.mean_losses(output, chosen_terms(self.terms, at), at)

    def epoch(self, members: IntArray, order: Tensor) -> _Epoch:
        return _Epoch(self, members, order)

    def weights(self, parameters: FloatArray, member: int) -> dict[str, FloatArray]:
        """Return the scale, the sets in their own units, coefficients and biases."""
        one, plan = self.members[member], self.members[member].plan
        own = parameters[self._entries[member]]
        n_rules, n_features = len(plan.rules), len(plan.features)
        code = own[: len(self._sets[member])] if self.trains_sets else self._sets[member]
        coefficients, bias = np.split(own[-n_rules * (n_features + 1) :], [n_rules * n_features])
        return {
            "feature_mean": one.scale.mean.copy(),
            "feature_scale": one.scale.scale.copy(),
            "sets": decode_sets(plan.sets, rule_structure(plan), code, one.scale.mean, one.scale.scale),
            "coefficients": coefficients.reshape(n_rules, n_features).copy(),
            "bias": bias.copy(),
        }

    def _own_entries(self, member: Member, at: int) -> IntArray:
        """Return the entry in the population's parameters of each of a member's own that is trained."""
        n_rules, n_features = len(member.plan.rules), len(member.plan.features)
        first = self.model.n_set_parameters
        coefficients = first + np.add.outer(np.arange(n_rules) * self.model.n_features, np.arange(n_features)).ravel()
        bias = first + self.model.n_rules * self.model.n_features + np.arange(n_rules)
        code = self.columns.own[at].entries if self.columns else np.zeros(0, dtype=np.int64)
        return np.concatenate([code, coefficients, bias])

    def _first(self, own: Sequence[FloatArray]) -> Tensor:
        size = self.model.n_set_parameters + self.model.n_rules * (self.model.n_features + 1)
        out = np.zeros((len(own), size))
        for model, (entries, values) in enumerate(zip(self._entries, own, strict=True)):
            out[model, entries] = values[-len(entries) :]
        return self.place.tensor(out)

    def _gather(self, chosen: Sequence[IntArray]) -> _Rows:
        shape = (len(chosen), max(map(len, chosen)))
        x = np.zeros((*shape, self.model.n_features))
        inputs = np.zeros((*shape, self.columns.n_columns if self.columns else self.model.n_rules))
        for at, (member, rows) in enumerate(zip(self.members, chosen, strict=True)):
            own = member.standardised(rows)
            x[at, : len(rows), : own.shape[1]] = own
            if self.columns is not None:
                inputs[at, : len(rows)] = self.columns.features_of_sets(own, member.plan, at)
            else:
                inputs[at, : len(rows), : len(member.plan.rules)] = _normalised_firing(member.plan, self._sets[at], own)
        return _Rows(self.place.tensor(x), self.place.tensor(inputs))


class _Epoch:
    """Some members between the first and the last step of an epoch."""

    def __init__(self, learner: RulesLearner, members: IntArray, order: Tensor) -> None:
        at = learner.place.index(members)
        self._learner = learner
        self._order = order
        self._model, self._terms = learner.model.chosen(at), chosen_terms(learner.terms, at)
        self._n_chosen = len(at)

    def loss_and_gradient(self, step: int, parameters: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        first = slice(0, len(parameters))
        learner, order = self._learner, self._order[step, first]
        if len(parameters) != self._n_chosen:  # members whose rows are all seen have dropped out
            self._model, self._terms = self._model.chosen(first), chosen_terms(self._terms, first)
            self._n_chosen = len(parameters)
        rows, targets = learner.train_rows, learner.train
        with learner.place.products():
            return loss_and_gradient(
                self._model,
                parameters,
                (take(rows.x, order), take(rows.inputs, order), take(targets.label, order), targets.costs_at(order), weight),
                self._terms,
                train_sets=learner.trains_sets,
                train_consequents=learner.trains_consequents,
            )


def first_parameters(plan: Plan, model: FuzzyModel, scale: Standardisation, seed: int) -> FloatArray:
    """Return (n_parameters,) the plan's sets, small random coefficients, and the rules' consequents as biases.

    Coefficients that are not trained start, and stay, at 0.
    """
    code = encode_sets(plan.sets, model.structure, set_params(plan.sets), scale.mean, scale.scale)
    noise = np.random.default_rng([seed, 0]).normal(0.0, COEFFICIENT_NOISE, model.n_rules * model.n_features)
    coefficients = noise if "consequents" in plan.trainable else np.zeros_like(noise)
    return np.concatenate([code, coefficients, [rule.consequent for rule in plan.rules]])


def _own_first(member: Member) -> tuple[FloatArray, FloatArray]:
    """Return a member's first code, and its first coefficients and biases."""
    model = fuzzy_model(member.plan, torch.device("cpu"))
    first = first_parameters(member.plan, model, member.scale, member.task.seed)
    return first[: model.n_set_parameters], first[model.n_set_parameters :]


def _normalised_firing(plan: Plan, code: FloatArray, x: FloatArray) -> FloatArray:
    """Return (n_rows, n_rules) the normalised firing of one member's rules, from its standardised features."""
    model = fuzzy_model(plan, torch.device("cpu"))
    out = np.zeros((len(x), model.n_rules))
    for start in range(0, len(x), _CHUNK_ROWS):
        x_sets = torch.from_numpy(x[start : start + _CHUNK_ROWS, list(model.set_features)][None])
        out[start : start + _CHUNK_ROWS] = torch.softmax(model.log_firing(torch.from_numpy(code[None]), x_sets), dim=-1)[0].numpy()
    return out


def _population_model(plans: Sequence[Plan], columns: SetColumns | None, place: Placement) -> FuzzyModel:
    """Return the model of all members; without columns its firing is not asked for."""
    device, n_models = torch.device(place.device), len(plans)
    n_rules, n_features = max(len(plan.rules) for plan in plans), max(len(plan.features) for plan in plans)
    log_weights = np.full((n_models, 1, n_rules), -np.inf)
    for at, plan in enumerate(plans):
        log_weights[at, 0, : len(plan.rules)] = np.log([rule.weight for rule in plan.rules])
    model = FuzzyModel(
        bank=no_sets(n_models, place) if columns is None else columns.bank(plans, place),
        structure=NO_SETS if columns is None else columns.structure,
        set_features=(),
        joins=(),
        outputs=slice(0, n_rules),
        outputs_in_last=True,
        consequents=torch.zeros(n_rules, device=device, dtype=place.dtype),
        log_weights=place.tensor(log_weights) if (log_weights != 0).any() else None,
        n_rules=n_rules,
        n_features=n_features,
    )
    if columns is None:
        return model
    if columns.structure.groups:
        shared = fuzzy_model(plans[0], device, place.dtype)
        return replace(model, joins=shared.joins, outputs=shared.outputs, outputs_in_last=shared.outputs_in_last)
    joins = np.zeros((n_models, columns.n_columns + columns.structure.n_negated, n_rules))
    for at, (plan, own) in enumerate(zip(plans, columns.own, strict=True)):
        for rule, product in enumerate(rule_products(plan) or ()):
            for set_index, negated in product:
                joins[at, own.complements[set_index] if negated else own.columns[set_index], rule] += 1
    return replace(model, joins=(place.tensor(joins),))
