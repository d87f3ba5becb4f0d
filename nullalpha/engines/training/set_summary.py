"""Where a trained set ended up, in figures and in a word that fits what it now means, whatever it was called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nullalpha.data.bars import FloatArray
from nullalpha.strategy.plan import Plan, SetPlan, SetShape

FAR = 1.0
"""A set that moved by more than so many of its widths is no longer what was written."""
NOWHERE = 1e-3
"""Mean membership below which a set is nowhere among the rows."""
_WORDS = ((0.15, "very low"), (0.4, "low"), (0.6, "middling"), (0.85, "high"), (1.0, "very high"))


@dataclass(frozen=True)
class SetSummary:
    """A set as it is after training.

    Attributes:
        feature, name, shape: as the plan has them.
        params: in the feature's own units, as `SetPlan` orders them.
        moved: by how much its middle moved from where the plan has it, in widths that it has there; signed. Of sets with corners the
            middle of the top, and half the base; of a sigmoid the point of one half, and 2 / |slope|, from where it is 0.12 to one half.
        membership: mean over the rows, 0..1.
        place: mean rank among the rows, 0 (lowest value) to 1, each weighed by its membership; NaN where nothing is in the set.
    """

    feature: str
    name: str
    shape: SetShape
    params: tuple[float, ...]
    moved: float
    membership: float
    place: float

    @property
    def word(self) -> str:
        """What the set now means, from where it lies among the rows: `very low` to `very high`, or `nowhere`."""
        if not self.membership >= NOWHERE:
            return "nowhere"
        return next(word for most, word in _WORDS if self.place <= most)

    @property
    def moved_far(self) -> bool:
        return abs(self.moved) > FAR


def summarise_sets(plan: Plan, params: FloatArray, memberships: FloatArray, x: FloatArray) -> list[SetSummary]:
    """Return a summary of each of a plan's sets.

    Args:
        plan: the strategy.
        params: (n_sets, 4) after training, in the features' units, NaN past each set's own.
        memberships: (n_rows, n_sets) in the plan's order.
        x: (n_rows, n_features) the rows' features, finite.
    """
    ranks = {feature: _ranks(x[:, feature]) for feature in {one.feature for one in plan.sets}}
    total = memberships.sum(axis=0)
    summaries = []
    for index, one in enumerate(plan.sets):
        own = tuple(float(p) for p in params[index] if not np.isnan(p))
        there = total[index] >= NOWHERE * len(x)
        summaries.append(
            SetSummary(
                feature=plan.features[one.feature].name,
                name=one.name,
                shape=one.shape,
                params=own,
                moved=(_middle(one.shape, own) - _middle(one.shape, one.params)) / _width(one),
                membership=float(total[index] / len(x)),
                place=float(memberships[:, index] @ ranks[one.feature] / total[index]) if there else float("nan"),
            )
        )
    return summaries


def _middle(shape: SetShape, params: tuple[float, ...]) -> float:
    if shape == "trapezoid":
        return (params[1] + params[2]) / 2
    return params[1] if shape == "triangle" else params[0]


def _width(one: SetPlan) -> float:
    if one.shape in ("triangle", "trapezoid"):
        return (one.params[-1] - one.params[0]) / 2
    return one.params[1] if one.shape in ("gaussian", "bell") else 2 / abs(one.params[1])


def _ranks(values: FloatArray) -> FloatArray:
    """Return (n,) the mid-ranks of values, 0..1: the share of rows below, and half of those that are equal."""
    ordered = np.sort(values)
    ranks: FloatArray = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")) / (2 * len(values))
    return ranks
