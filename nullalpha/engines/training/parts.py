"""The parts of an ensemble: its members and its router's regime model, each a strategy of its own on some of the ensemble's features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nullalpha.data.bars import FloatArray
from nullalpha.strategy.plan import LabelPlan, MemberPlan, Plan

ROUTER = "router"


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        prefix: `member/<i>`, or `router`: of its weights' names, and where its result lies.
        name: the strategy's own word for it; `router` for the regime model.
        columns: index into the ensemble's features of each of its own.
        plan: the part's own.
    """

    prefix: str
    name: str
    columns: tuple[int, ...]
    plan: Plan

    def features(self, x: FloatArray) -> FloatArray:
        """Return (n_rows, n_own_features) its columns of the ensemble's features."""
        return x[:, list(self.columns)]

    def weights(self, weights: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Return its weights among the ensemble's, without the prefix."""
        return {name.removeprefix(f"{self.prefix}/"): array for name, array in weights.items() if name.startswith(f"{self.prefix}/")}


def parts_of(plan: Plan) -> tuple[Part, ...]:
    """Return the members in canonical order, then the regime model; none for a plan that is no ensemble."""
    parts = tuple(_part(f"member/{index}", member.name, member) for index, member in enumerate(plan.members))
    return parts if plan.router is None else (*parts, _part(ROUTER, ROUTER, plan.router.regime))


def label_plans(plan: Plan) -> tuple[LabelPlan, ...]:
    """Return the distinct labels that a plan and its parts learn from, or are judged by; the plan's own first."""
    return tuple(dict.fromkeys([plan.labels, *(part.plan.labels for part in parts_of(plan))]))


def _part(prefix: str, name: str, member: MemberPlan) -> Part:
    return Part(prefix, name, member.columns, member.plan)
