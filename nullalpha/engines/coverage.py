"""What a strategy's sets and rules meet on real bars: dead zones, sets that never hold, rules that never fire. Before any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from nullalpha.core.errors import Issue
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.pipeline import compute_features
from nullalpha.strategy.plan import Condition, Plan, SetPlan

HOLDS = 0.5
NOTICED = 0.1
RARE_SHARE = 0.01
DEAD_ZONE_SHARE = 0.25
SHORT_SHARE = 0.5


def lint_on_bars(plan: Plan, bars: Bars, others: Mapping[str, Bars]) -> list[Issue]:
    """Return warnings about a strategy on an instrument's bars.

    Dead zone: on over a quarter of the bars no set of a feature that rules read holds by a tenth. Empty set: it holds by a half on fewer
    than one bar in a hundred. Silent rule: it is true by a tenth on fewer than one bar in a hundred.

    Args:
        plan: the strategy, as written.
        bars: of an instrument that it trades, search zone alone.
        others: bars of the other instruments that its features read.
    """
    issues: list[Issue] = []
    for part in plan.models:
        features = compute_features(part.features, bars, others)
        known = np.isfinite(features).all(axis=1)
        if known.mean() < SHORT_SHARE:
            message = f"only {known.mean():.0%} of the {len(bars)} bars of {bars.instrument} have every feature"
            issues.append(Issue("features", "short_history", message, str(int(known.sum())), "shorten windows, or use a longer history"))
        if known.any():
            issues += _findings(part, features[known], bars.instrument)
    return list(dict.fromkeys(issues))


def set_membership(one: SetPlan, x: FloatArray) -> FloatArray:
    """Return (n,) how far each value belongs to a set, 0..1."""
    p = one.params
    with np.errstate(over="ignore"):
        if one.shape == "gaussian":
            return np.asarray(np.exp(-0.5 * ((x - p[0]) / p[1]) ** 2))
        if one.shape == "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-p[1] * (x - p[0]))))
        if one.shape == "bell":
            return np.asarray(1.0 / (1.0 + np.abs((x - p[0]) / p[1]) ** (2 * p[2])))
    a, b, c, d = (p[0], p[1], p[1], p[2]) if one.shape == "triangle" else p
    rising = (x >= a).astype(float) if b == a else np.clip((x - a) / (b - a), 0.0, 1.0)
    falling = (x <= d).astype(float) if d == c else np.clip((d - x) / (d - c), 0.0, 1.0)
    return np.asarray(np.minimum(rising, falling))


def condition_truth(condition: Condition, memberships: FloatArray) -> FloatArray:
    """Return (n,) how true a condition is: product for and, probabilistic or, 1 - x for not.

    Args:
        memberships: (n, n_sets).
    """
    if condition.op == "is":
        return memberships[:, condition.set_index]
    below = np.stack([condition_truth(arg, memberships) for arg in condition.args])
    if condition.op == "not":
        return np.asarray(1.0 - below[0])
    return np.asarray(below.prod(axis=0) if condition.op == "and" else 1.0 - (1.0 - below).prod(axis=0))


def _findings(plan: Plan, x: FloatArray, symbol: str) -> Iterator[Issue]:
    memberships = np.stack([set_membership(one, x[:, one.feature]) for one in plan.sets], axis=1)
    for column, one in enumerate(plan.sets):
        feature = plan.features[one.feature].name
        share = float((memberships[:, column] >= HOLDS).mean())
        if share < RARE_SHARE:
            low, high = np.quantile(x[:, one.feature], [0.05, 0.95])
            message = f"on {symbol} it holds on {share:.1%} of the bars; {feature} mostly lies from {low:.4g} to {high:.4g}"
            yield Issue(f"sets.{feature}.{one.name}", "empty_set", message, str(list(one.params)), "move it to where the feature is")
    for i, node in enumerate(plan.features):
        own = [column for column, one in enumerate(plan.sets) if one.feature == i]
        dead = float((memberships[:, own].max(axis=1) < NOTICED).mean()) if len(own) > 1 else 0.0
        if dead > DEAD_ZONE_SHARE:
            message = f"on {dead:.0%} of the bars of {symbol} no set of {node.name} holds by {NOTICED}"
            yield Issue(
                f"sets.{node.name}", "dead_zone", message, f"{dead:.2f}", "widen its sets, or add one where the feature mostly lies"
            )
    for rule in plan.rules:
        fires = float((condition_truth(rule.condition, memberships) >= NOTICED).mean())
        if fires < RARE_SHARE:
            message = f"on {symbol} it is true on {fires:.1%} of the bars: {rule.text!r}"
            yield Issue("model.rules", "silent_rule", message, rule.text, "widen its sets, or ask for less at once")
