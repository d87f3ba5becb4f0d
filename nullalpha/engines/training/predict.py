"""From weights and features to signals. A row with a NaN feature has no signal: NaN, never 0.

Each row is worked out from itself and, for a recurrent network, the `lookback - 1` rows before it alone, so later rows never matter, up to
rounding (1e-15) by how many rows share a call.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from nullalpha.core.errors import ArtifactError
from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.membership import N_SET_PARAMS, encode_sets, set_params
from nullalpha.engines.training.model import FuzzyModel, fuzzy_model
from nullalpha.engines.training.network import NetworkModel, network_model
from nullalpha.engines.training.parts import ROUTER, parts_of
from nullalpha.engines.training.population import Standardisation, complete_rows
from nullalpha.strategy.plan import Plan, RouterPlan

_CHUNK_ROWS = 65_536


def predict_signal(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> FloatArray:
    """Return (n_rows,) signals in -1..1: tanh of the model's output; NaN where the rows it needs are not all there and complete.

    Args:
        plan: the strategy.
        weights: as a fit returns them; empty for kind `rules`.
        x: (n_rows, n_features) features in their own units, consecutive rows.

    Raises:
        ArtifactError: if the weights do not fit the plan.
    """
    return np.tanh(predict_output(plan, weights, x))


def predict_output(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> FloatArray:
    """Return (n_rows,) outputs before tanh: the expected label, or what plain rules say; NaN as for `predict_signal`.

    An ensemble answers where all its parts do: the mean of its members' outputs or, with a router, those of its two members weighed by
    where the regime model's signal lies.
    """
    if plan.members:
        require_fitting(plan, weights)
        outputs = {part.prefix: predict_output(part.plan, part.weights(weights), part.features(x)) for part in parts_of(plan)}
        return _ensemble_output(plan, outputs)
    return _network_output(plan, weights, x) if plan.network else _rules_output(plan, weights, x)


def predict_output_at(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray, rows: IntArray) -> FloatArray:
    """Return (n,) outputs at some rows of x, reading no more of it than they need."""
    reach = plan.lookback
    if reach == 1 or not len(rows):
        return predict_output(plan, weights, x[rows])
    first = max(int(rows.min()) - reach + 1, 0)
    return predict_output(plan, weights, x[first : int(rows.max()) + 1])[rows - first]


def router_weight(router: RouterPlan, regime: FloatArray) -> FloatArray:
    """Return (n_rows,) the say of member `above`, 0..1, at the regime model's signals; half at the threshold, NaN where there is none."""
    beyond = regime - router.threshold
    if router.softness == 0:
        return np.where(np.isnan(beyond), np.nan, np.heaviside(beyond, 0.5))
    return 0.5 * (1 + np.tanh(0.5 * beyond / router.softness))  # the logistic function, without overflow


def _ensemble_output(plan: Plan, outputs: Mapping[str, FloatArray]) -> FloatArray:
    members = [outputs[f"member/{index}"] for index in range(len(plan.members))]
    if plan.router is None:
        mean: FloatArray = np.mean(members, axis=0)
        return mean
    say = router_weight(plan.router, np.tanh(outputs[ROUTER]))
    return say * members[plan.router.above] + (1 - say) * members[plan.router.below]


def _rules_output(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> FloatArray:
    model, parameters, mean, scale = loaded_model(plan, weights)
    out = np.full(len(x), np.nan)
    known = np.flatnonzero(np.isfinite(x).all(axis=1))
    for start in range(0, len(known), _CHUNK_ROWS):
        rows = known[start : start + _CHUNK_ROWS]
        standardised = torch.from_numpy(((x[rows] - mean) / scale)[None])  # (1, rows, n_features)
        log_firing = model.log_firing(model.split(parameters)[0], standardised[..., list(model.set_features)])
        output = model.rules_output(log_firing) if plan.model == "rules" else model.output(parameters, standardised, log_firing)
        out[rows] = output[0].numpy()
    return out


@torch.no_grad()
def _network_output(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> FloatArray:
    network = loaded_network(plan, weights)
    out = np.full(len(x), np.nan)
    rows = np.flatnonzero(complete_rows(x, plan.lookback))
    if len(rows):
        out[rows] = network.model.of_series(network.arrays, network.memberships(x), torch.from_numpy(rows[None]))[0].numpy()
    return out


def loaded_model(plan: Plan, weights: Mapping[str, FloatArray]) -> tuple[FuzzyModel, Tensor, FloatArray, FloatArray]:
    """Return a plan's rules on the CPU, their parameters (1, n_parameters), and the features' mean and scale.

    For kind `rules`, whose weights are empty, parameters are the plan's own sets in the features' units.

    Raises:
        ArtifactError: if the weights do not fit the plan.
    """
    require_fitting(plan, weights)
    model = fuzzy_model(plan, torch.device("cpu"))
    n_features = len(plan.features)
    mean, scale, sets = np.zeros(n_features), np.ones(n_features), set_params(plan.sets)
    head = [np.zeros(model.n_rules * n_features), np.array([rule.consequent for rule in plan.rules])]
    if plan.model != "rules":
        mean, scale, sets = weights["feature_mean"], weights["feature_scale"], weights["sets"]
        head = [weights["coefficients"].ravel(), weights["bias"]]
    code = encode_sets(plan.sets, model.structure, sets, mean, scale)
    return model, torch.from_numpy(np.concatenate([code, *head])[None]), mean, scale


class LoadedNetwork:
    """A trained network on the CPU; `arrays` have a models dimension of 1."""

    def __init__(self, plan: Plan, weights: Mapping[str, FloatArray]) -> None:
        self.model: NetworkModel = network_model(plan, torch.device("cpu"))
        self.scale = Standardisation(weights["feature_mean"], weights["feature_scale"])
        self.arrays = {name: torch.from_numpy(np.ascontiguousarray(weights[name]))[None] for name, _ in self.model.layout}
        code = encode_sets(plan.sets, self.model.bank.structure, weights["sets"], self.scale.mean, self.scale.scale)
        self._code = torch.from_numpy(code[None])

    def memberships(self, x: FloatArray) -> Tensor:
        """Return (1, n_rows, n_sets) memberships; rows with gaps get those of mean features, to be read by nobody."""
        standardised = np.where(np.isfinite(x), self.scale.apply(x), 0.0)
        return self.model.memberships(self._code, torch.from_numpy(standardised[None][..., list(self.model.set_features)]))


def loaded_network(plan: Plan, weights: Mapping[str, FloatArray]) -> LoadedNetwork:
    """Return a plan's trained network.

    Raises:
        ArtifactError: if the weights do not fit the plan.
    """
    require_fitting(plan, weights)
    return LoadedNetwork(plan, weights)


def require_fitting(plan: Plan, weights: Mapping[str, FloatArray]) -> None:
    """Check names and shapes of weights.

    Raises:
        ArtifactError: naming what differs.
    """
    expected = weight_shapes(plan)
    found = {name: tuple(array.shape) for name, array in weights.items()}
    if found != expected:
        raise ArtifactError(
            f"weights do not fit strategy {plan.fingerprint[:12]}: expected {expected}, found {found}",
            path="weights",
            value=found,
            suggestion="train the strategy again",
        )


def weight_shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    """Return name and shape of each weight of a plan's kind."""
    if plan.members:
        return {f"{part.prefix}/{name}": shape for part in parts_of(plan) for name, shape in weight_shapes(part.plan).items()}
    if plan.model == "rules":
        return {}
    n_features, n_rules = len(plan.features), len(plan.rules)
    common: dict[str, tuple[int, ...]] = {
        "feature_mean": (n_features,),
        "feature_scale": (n_features,),
        "sets": (len(plan.sets), N_SET_PARAMS),
    }
    if plan.network:
        return common | dict(network_model(plan, torch.device("cpu")).layout)
    return common | {"coefficients": (n_rules, n_features), "bias": (n_rules,)}
