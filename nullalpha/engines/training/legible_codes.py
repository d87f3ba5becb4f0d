"""The rule of legible sets for a whole population at once: what `legible.legible` does, as operations on all members' codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from nullalpha.data.bars import IntArray
from nullalpha.engines.training.legible import SetRule
from nullalpha.engines.training.placement import Placement


@dataclass(frozen=True)
class LegibleCodes:
    """The set rules of all members, chains padded at their end.

    Attributes:
        least, most: (models, n_set_parameters) limits of entries.
        location, gaps: (models, chains x longest) entries of a code, flattened; 0 where there is none.
        rise, top: (models, chains, longest) where a cornered set's first gap, and its second, is open.
        low, high: (models, chains, longest) limits of positions; infinite in the padding.
        free: (models, n_set_parameters) 1 where an entry may move at all, 0 where its limits are one.
        slot: (models, n_set_parameters) place of each location entry among the flattened chains; past the last for other entries.
    """

    least: Tensor
    most: Tensor
    location: Tensor
    gaps: Tensor
    rise: Tensor
    top: Tensor
    low: Tensor
    high: Tensor
    free: Tensor
    slot: Tensor

    def chosen(self, at: slice | Tensor) -> LegibleCodes:
        """Return the rules of some members."""
        return LegibleCodes(*(getattr(self, one.name)[at] for one in fields(self)))

    def hold_(self, codes: Tensor) -> None:
        """Put codes (models, n_set_parameters) back within their rules, in place."""
        codes.clamp_(self.least, self.most)
        to_top = torch.where(self.rise, torch.exp(codes.gather(1, self.gaps)).reshape_as(self.low), 0.0)
        half_top = torch.where(self.top, 0.5 * torch.exp(codes.gather(1, self.gaps + 1)).reshape_as(self.low), 0.0)
        position = codes.gather(1, self.location).reshape_as(self.low) + (to_top + half_top)
        kept = position.clamp(self.low, self.high)
        up = kept.cummax(dim=2).values
        down = kept.flip(2).cummin(dim=2).values.flip(2)
        shift = torch.nn.functional.pad(((up + down) * 0.5 - position).flatten(1), (0, 1))  # (models, chains x longest + 1)
        codes += shift.gather(1, self.slot)


def legible_codes(rules: Sequence[SetRule], entries: Sequence[IntArray], n_entries: int, place: Placement) -> LegibleCodes:
    """Return the rules of a population.

    Args:
        rules: of each member, over its own code.
        entries: entry in the population's code of each entry in a member's own.
        n_entries: of the population's code.
        place: where they are to lie.
    """
    n_models, n_chains = len(rules), max(len(rule.starts) - 1 for rule in rules)
    longest = max(int(np.diff(rule.starts).max()) for rule in rules)
    shape = (n_models, n_chains, longest)
    least, most = np.full((n_models, n_entries), -np.inf), np.full((n_models, n_entries), np.inf)
    location, gaps = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    rise, top = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    low, high = np.full(shape, np.inf), np.full(shape, np.inf)  # the padding lies beyond every set of its chain
    slot = np.full((n_models, n_entries), n_chains * longest, dtype=np.int64)
    for model, (rule, own) in enumerate(zip(rules, entries, strict=True)):
        least[model, own], most[model, own] = rule.least, rule.most
        chain = np.repeat(np.arange(len(rule.starts) - 1), np.diff(rule.starts))
        place_in = np.arange(len(chain)) - rule.starts[chain]
        at = (model, chain, place_in)
        location[at] = own[rule.location]
        gaps[at] = np.where(rule.gaps >= 0, own[rule.gaps], 0)
        rise[at], top[at], low[at], high[at] = rule.rise > 0, rule.top > 0, rule.low, rule.high
        slot[model, own[rule.location]] = chain * longest + place_in
    flat = (n_models, n_chains * longest)
    return LegibleCodes(
        least=place.tensor(least),
        most=place.tensor(most),
        location=place.index(location.reshape(flat)),
        gaps=place.index(gaps.reshape(flat)),
        rise=torch.as_tensor(rise).to(place.device),
        top=torch.as_tensor(top).to(place.device),
        low=place.tensor(low),
        high=place.tensor(high),
        free=place.tensor((least < most).astype(np.float64)),
        slot=place.index(slot),
    )
