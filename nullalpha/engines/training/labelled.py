"""What the losses of a population read of each row, padded to one shape, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nullalpha.data.bars import IntArray
from nullalpha.engines.training.losses import LossTerms, element_loss
from nullalpha.engines.training.placement import Placement
from nullalpha.engines.training.targets import Targets


@dataclass(frozen=True)
class Labelled:
    """Labels, weights and costs of every member's rows, padded at the end.

    Attributes:
        label: (models, rows) scaled returns or, of classes, -1, 0 or 1; 0 in the padding.
        share: (models, rows) each row's part in the member's mean loss, summing to 1; 0 in the padding.
        relative: (models, rows) each row's weight over the mean of the member's; None where all rows of all members count alike.
        cost: (models, rows) of entering and leaving a whole position; (1, 1) of 0 where no loss reads it.
        counts: (models,) rows of each member.
    """

    label: Tensor
    share: Tensor
    relative: Tensor | None
    cost: Tensor
    counts: IntArray

    @property
    def has_costs(self) -> bool:
        return self.cost.numel() > 1

    def mean_losses(self, output: Tensor, terms: LossTerms, at: Tensor) -> Tensor:
        """Return (members,) mean losses of outputs (members, rows) at the first rows of some members (indices).

        Args:
            output: as far as the longest of these members reaches.
            terms: of these members.
            at: these members.
        """
        n_rows = output.shape[1]
        cost = self.cost[at, :n_rows] if self.has_costs else self.cost
        return (element_loss(output, self.label[at, :n_rows], terms, cost) * self.share[at, :n_rows]).sum(dim=1)

    def costs_at(self, order: Tensor) -> Tensor:
        """Return the costs of rows, shaped as `order`: indices into the rows of all members laid side by side."""
        return take(self.cost, order) if self.has_costs else self.cost


def labelled(targets: Sequence[Targets], place: Placement, *, with_costs: bool) -> Labelled:
    """Lay the members' targets side by side.

    Args:
        targets: of each member's rows.
        place: where they are to lie.
        with_costs: whether the loss reads costs.
    """
    counts = np.array([len(one.label) for one in targets], dtype=np.int64)
    shape = (len(targets), int(counts.max()))
    label, share, relative = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    cost = np.zeros(shape if with_costs else (1, 1))
    for model, one in enumerate(targets):
        own = slice(0, len(one.label))
        label[model, own] = one.label
        relative[model, own] = 1.0 if one.relative is None else one.relative
        share[model, own] = relative[model, own] / len(one.label)
        if with_costs:
            cost[model, own] = one.cost
    weighted = any(one.relative is not None for one in targets)
    return Labelled(place.tensor(label), place.tensor(share), place.tensor(relative) if weighted else None, place.tensor(cost), counts)


def chosen_terms(terms: LossTerms, at: Tensor | slice) -> LossTerms:
    """Return the terms of some members."""
    return LossTerms(terms.kind, terms.margin[at], terms.gamma[at], terms.risk_aversion[at])


def take(values: Tensor, order: Tensor) -> Tensor:
    """Return rows (..., columns) of `values` (models, rows, columns), or (models, rows), at indices into its rows laid side by side."""
    rest = values.shape[2:]
    return values.flatten(0, 1).index_select(0, order.flatten()).reshape(*order.shape, *rest)
