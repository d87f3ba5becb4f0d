"""From weights and features to signals. A row with a NaN feature has no signal: NaN, never 0.

Each row is worked out from itself alone, so later rows never matter, up to rounding (1e-15) by how many rows share a call.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from nullalpha.core.errors import ArtifactError
from nullalpha.data.bars import FloatArray
from nullalpha.engines.training.membership import N_SET_PARAMS, encode_sets, set_params
from nullalpha.engines.training.model import FuzzyModel, fuzzy_model
from nullalpha.strategy.plan import Plan

_CHUNK_ROWS = 65_536


def predict_signal(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> FloatArray:
    """Return (n_rows,) signals in -1..1: tanh of the model's output; NaN where any feature of the row is NaN.

    Args:
        plan: the strategy.
        weights: as a fit returns them; empty for kind `rules`.
        x: (n_rows, n_features) features in their own units.

    Raises:
        ArtifactError: if the weights do not fit the plan.
    """
    return np.tanh(predict_output(plan, weights, x))


def predict_output(plan: Plan, weights: Mapping[str, FloatArray], x: FloatArray) -> FloatArray:
    """Return (n_rows,) outputs before tanh: for kind `anfis` the expected label; NaN where any feature of the row is NaN."""
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


def loaded_model(plan: Plan, weights: Mapping[str, FloatArray]) -> tuple[FuzzyModel, Tensor, FloatArray, FloatArray]:
    """Return a plan's model on the CPU, its parameters (1, n_parameters), and the features' mean and scale.

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


def require_fitting(plan: Plan, weights: Mapping[str, FloatArray]) -> None:
    """Check names and shapes of weights.

    Raises:
        ArtifactError: naming what differs.
    """
    n_features, n_rules = len(plan.features), len(plan.rules)
    expected: dict[str, tuple[int, ...]] = {}
    if plan.model != "rules":
        expected = {
            "feature_mean": (n_features,),
            "feature_scale": (n_features,),
            "sets": (len(plan.sets), N_SET_PARAMS),
            "coefficients": (n_rules, n_features),
            "bias": (n_rules,),
        }
    found = {name: tuple(array.shape) for name, array in weights.items()}
    if found != expected:
        raise ArtifactError(
            f"weights do not fit strategy {plan.fingerprint[:12]}: expected {expected}, found {found}",
            path="weights",
            value=found,
            suggestion="train the strategy again",
        )
