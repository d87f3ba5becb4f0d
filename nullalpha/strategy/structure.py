"""How alike two strategies are in what they do: a weighted bag of the parts of the canonical plan, compared by cosine.

Names are no part of it. A number enters by its size (steps of a factor of sqrt 2), so that an RSI of 14 bars is nearer to one of 15 than
to one of 50, and both nearer to each other than to another indicator.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from nullalpha.strategy.plan import Condition, Plan, SetPlan, nodes_of
from nullalpha.strategy.vocabulary import BarField

Structure = Mapping[str, float]

_STEPS_PER_DOUBLING = 2


def structure_of(plan: Plan) -> dict[str, float]:
    """Return the parts of a plan with their weights, by name."""
    parts: Counter[str] = Counter()
    for part, weight in (*_features(plan), *_models(plan), *_decision(plan)):
        parts[part] += weight  # type: ignore[assignment]
    return {part: float(parts[part]) for part in sorted(parts)}


def likeness(one: Structure, other: Structure) -> float:
    """Return the cosine of two structures, 0 (nothing in common) to 1."""
    joint = sum(weight * other.get(part, 0.0) for part, weight in one.items())
    size = math.sqrt(sum(w * w for w in one.values()) * sum(w * w for w in other.values()))
    return joint / size if size else 0.0


def _features(plan: Plan) -> Iterator[tuple[str, float]]:
    for node in dict.fromkeys(node for feature in plan.features for node in nodes_of(feature)):
        place = f"{node.indicator}.{node.output}"
        yield f"node {place}", 2.0
        yield f"node {place} on {node.timeframe}", 0.5
        if node.instrument:
            yield f"node {place} of {node.instrument}", 1.0
        for name, value in node.params:
            yield f"node {place} {name} {_size(value)}", 0.5
            yield f"node {place} {name} {_size(value) // _STEPS_PER_DOUBLING}", 0.5
        for given in node.inputs:
            below: BarField | str = given if isinstance(given, str) else given.indicator
            yield f"node {place} <- {below}", 1.0
    for symbol in plan.instruments:
        yield f"trades {symbol}", 0.5


def _models(plan: Plan) -> Iterator[tuple[str, float]]:
    yield f"model {plan.model}", 2.0
    parts = [plan] if not plan.members else [member.plan for member in plan.members]
    if plan.router:
        yield "routed", 1.0
        parts.append(plan.router.regime.plan)
    for part in parts:
        yield f"member {part.model}", 1.0
        for rule in part.rules:
            side = "long" if rule.consequent > 0 else "short"
            for stated in _statements(rule.condition, part):
                yield f"{side} if {stated}", 1.0
        for fuzzy in part.sets:
            yield f"set {_place(fuzzy, part)}", 0.5
        if part.trainable:
            yield f"label {part.labels.kind}", 1.0
            yield f"horizon {_size(part.labels.horizon_bars)}", 0.5
            yield f"learns {' '.join(part.trainable)}", 0.5


def _statements(condition: Condition, plan: Plan, negated: bool = False) -> Iterator[str]:
    if condition.op == "is":
        yield f"{'not ' if negated else ''}{_place(plan.sets[condition.set_index], plan)}"
    for arg in condition.args:
        yield from _statements(arg, plan, negated != (condition.op == "not"))


def _place(fuzzy: SetPlan, plan: Plan) -> str:
    """Return which of its feature's sets a set is: lowest, highest, or in between; by its slope where it is the only one."""
    feature = plan.features[fuzzy.feature]
    centres = sorted(_centre(other) for other in plan.sets if other.feature == fuzzy.feature)
    if len(centres) == 1:
        where = ("rising" if fuzzy.params[1] > 0 else "falling") if fuzzy.shape == "sigmoid" else "only"
    else:
        rank = centres.index(_centre(fuzzy))
        where = "lowest" if rank == 0 else "highest" if rank == len(centres) - 1 else "between"
    return f"{feature.indicator}.{feature.output} {where}"


def _centre(fuzzy: SetPlan) -> float:
    return fuzzy.params[0] if fuzzy.shape in ("gaussian", "sigmoid", "bell") else sum(fuzzy.params) / len(fuzzy.params)


def _decision(plan: Plan) -> Iterator[tuple[str, float]]:
    decision, exits = plan.decision, plan.decision.exits
    yield f"sides {decision.long_above is not None} {decision.short_below is not None}", 1.0
    yield f"sizing {decision.sizing.kind}", 0.5
    if decision.entry is not None:
        yield f"entry {decision.entry.order}", 0.5
    for name, given in (
        ("stop", exits.stop_atr or exits.stop_fraction),
        ("trailing", exits.trailing_atr or exits.trailing_fraction),
        ("target", exits.target_atr or exits.target_fraction),
        ("time", exits.max_bars),
        ("hysteresis", decision.long_exit_below != decision.long_above or decision.short_exit_above != decision.short_below),
    ):
        if given:
            yield f"exit {name}", 0.5


def _size(value: float) -> int:
    """Return a number's size in steps of sqrt 2, with its sign."""
    return int(math.copysign(round(_STEPS_PER_DOUBLING * math.log2(1 + abs(value))), value))
