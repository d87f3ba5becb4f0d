"""How few of a trained model's rules say nearly what all of them say, and what leaving the others out costs.

Rules are dropped one after the other (see `elimination`), over training rows. What is shown is the smallest rule base on this path that
keeps a stated fidelity, and what it costs.
Source: Setnes, Babuška, Kaymak & van Nauta Lemke (1998), Similarity measures in fuzzy rule base simplification, IEEE SMC-B 28(3), for sets
that say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.elimination import Rules, eliminate
from nullalpha.engines.training.parts import ROUTER, parts_of
from nullalpha.engines.training.population import FitTask, require_rows, usable_rows
from nullalpha.engines.training.rule_terms import RuleTerms, rule_terms
from nullalpha.engines.training.targets import mean_loss, member_loss, targets_of
from nullalpha.engines.training.tasks import StrategyTask, fit_task, part_task
from nullalpha.strategy.plan import Plan

LEAST_R2 = 0.95
LEAST_SIDE_AGREEMENT = 0.98
ALIKE = 0.9
"""Two sets of one feature with this much overlap (Jaccard) could be one."""
MOST_ROWS = 8_192
"""More training rows than this are thinned evenly: fidelity to a model needs no more."""

Sides = tuple[float | None, float | None]
"""Signals above the first are one side, below the second the other; None: that side is never taken."""


@dataclass(frozen=True)
class Fidelity:
    """How close some of a model's rules come to all of them, over training rows; losses over stopping rows.

    Attributes:
        n_rules: rules that are left.
        r2: 1 less the squared error against the whole model's output over that output's variance, at most 1; NaN where it does not vary
            and they differ.
        correlation: of the two outputs; NaN where one of them does not vary.
        side_agreement: share of rows in which both signals are on the same side of the decision's entry thresholds.
        stop_loss: the model's own loss, with its labels.
    """

    n_rules: int
    r2: float
    correlation: float
    side_agreement: float
    stop_loss: float


@dataclass(frozen=True)
class AlikeSets:
    """Two sets of one feature that could be one: `overlap` is the sum of their lesser over that of their greater memberships."""

    feature: str
    first: str
    second: str
    overlap: float


@dataclass(frozen=True)
class PruningReport:
    """What can go.

    Attributes:
        dropped: indices into the plan's rules in the order in which they go; the last one stays.
        steps: `steps[i]` is the fidelity after i drops; `steps[0]` that of all rules.
        kept: indices of the smallest base that keeps `LEAST_R2` and `LEAST_SIDE_AGREEMENT`, in the plan's order.
        alike: sets that could be one.
        member: of an ensemble, whose rules they are (`router` for the regime model).
    """

    dropped: tuple[int, ...]
    steps: tuple[Fidelity, ...]
    kept: tuple[int, ...]
    alike: tuple[AlikeSets, ...]
    member: str = ""

    @property
    def fidelity(self) -> Fidelity:
        """Of what is kept."""
        return self.steps[len(self.steps) - len(self.kept)]


def prune_strategy(plan: Plan, weights: Mapping[str, FloatArray], task: StrategyTask) -> list[PruningReport]:
    """Return what can go of a strategy with rules; of an ensemble, of each of its parts that has rules; of a network nothing.

    Sides are those of the ensemble's thresholds for its members, those of the router's threshold for the regime model.

    Raises:
        InsufficientBarsError: if the task has too few usable rows.
        ArtifactError: if the weights do not fit the plan.
    """
    entries = (plan.decision.long_above, plan.decision.short_below)
    if not plan.members:
        return [prune_rules(plan, weights, fit_task(plan, task), entries)] if plan.rules else []
    reports = []
    for part in parts_of(plan):
        if part.plan.rules:
            sides = (plan.router.threshold, None) if plan.router and part.prefix == ROUTER else entries
            reports.append(replace(prune_rules(part.plan, part.weights(weights), part_task(part, task), sides), member=part.name))
    return reports


def prune_rules(plan: Plan, weights: Mapping[str, FloatArray], task: FitTask, sides: Sides) -> PruningReport:
    """Return what can go of one model with rules.

    Args:
        plan: of kind anfis or rules.
        weights: as a fit returns them; empty for kind `rules`.
        task: what the model learned.
        sides: of its signal.

    Raises:
        InsufficientBarsError: if the task has too few usable rows.
        ArtifactError: if the weights do not fit the plan.
    """
    require_rows(task, 0)
    train, stop = usable_rows(task, task.train_rows), usable_rows(task, task.stop_rows)
    loss = member_loss(plan.training, task, train)
    judged, at_stop = targets_of(loss, task, stop), _rules_of(plan, rule_terms(plan, weights, task.x[stop]))
    thinned = train[np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(np.int64)]
    terms = rule_terms(plan, weights, task.x[thinned])
    path = eliminate(_rules_of(plan, terms))
    whole = path.outputs[0]
    steps = tuple(
        Fidelity(
            n_rules=len(left),
            r2=_r2(output, whole),
            correlation=_correlation(output, whole),
            side_agreement=float((_side(output, sides) == _side(whole, sides)).mean()),
            stop_loss=mean_loss(at_stop.only(left).output(), judged, loss),
        )
        for left, output in zip(path.left, path.outputs, strict=True)
    )
    good = [i for i, step in enumerate(steps) if step.r2 >= LEAST_R2 and step.side_agreement >= LEAST_SIDE_AGREEMENT]
    return PruningReport(
        dropped=path.dropped,
        steps=steps,
        kept=tuple(int(rule) for rule in path.left[good[-1]]),
        alike=_alike_sets(plan, terms.memberships.numpy()),
    )


def _rules_of(plan: Plan, terms: RuleTerms) -> Rules:
    log_firing, answers = (np.ascontiguousarray(one.numpy().T) for one in (terms.log_firing, terms.answers))
    return Rules(plan.model == "rules", log_firing, answers)


def _side(output: FloatArray, sides: Sides) -> IntArray:
    """Return (n_rows,) 1, -1 or 0 for neither."""
    signal, (above, below) = np.tanh(output), sides
    first = signal > above if above is not None else np.zeros(len(signal), dtype=np.bool_)
    second = signal < below if below is not None else np.zeros(len(signal), dtype=np.bool_)
    side: IntArray = np.where(first, 1, np.where(second, -1, 0))
    return side


def _r2(output: FloatArray, whole: FloatArray) -> float:
    error = float(((output - whole) ** 2).sum())
    if _still(whole):
        return 1.0 if error <= _rounding(whole) else float("nan")
    return 1.0 - error / float(((whole - whole.mean()) ** 2).sum())


def _correlation(output: FloatArray, whole: FloatArray) -> float:
    if _still(output) or _still(whole):
        return float("nan")
    return float(np.corrcoef(output, whole)[0, 1])


def _still(values: FloatArray) -> bool:
    """Say whether values vary by no more than rounding."""
    return bool(((values - values.mean()) ** 2).sum() <= _rounding(values))


def _rounding(values: FloatArray) -> float:
    """Return the sum of squares that rounding of these values may make."""
    return float(len(values) * (1e-14 * np.abs(values).max()) ** 2)


def _alike_sets(plan: Plan, memberships: FloatArray) -> tuple[AlikeSets, ...]:
    found = []
    for first, one in enumerate(plan.sets):
        for second in range(first + 1, len(plan.sets)):
            other = plan.sets[second]
            if other.feature != one.feature:
                continue
            a, b = memberships[:, first], memberships[:, second]
            both = float(np.maximum(a, b).sum())
            overlap = float(np.minimum(a, b).sum()) / both if both else 0.0
            if overlap > ALIKE:
                found.append(AlikeSets(plan.features[one.feature].name, one.name, other.name, overlap))
    return tuple(found)
