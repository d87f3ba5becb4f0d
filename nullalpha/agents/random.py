"""The baseline: drafts drawn evenly from the search space, which every other designer must beat at equal trials."""

from __future__ import annotations

import numpy as np

from nullalpha.agents.drafts import behaviour_of, draft_from_parameters
from nullalpha.agents.port import DesignContext, Proposal
from nullalpha.agents.space import point_at, search_space
from nullalpha.core.fingerprint import derive_seed

MAX_DRAWS_EACH = 20


class RandomDesigner:
    """Ignores all outcomes, except that it does not propose the same behaviour twice in a row of proposals."""

    name = "random"

    def propose(self, context: DesignContext, n: int) -> list[Proposal]:
        """Return `n` proposals (fewer only if the space is nearly exhausted)."""
        space = search_space(context)
        rng = np.random.default_rng(derive_seed("random designer", context.campaign_seed, context.generation, context.attempt))
        proposals: list[Proposal] = []
        taken: set[str] = set()
        for _ in range(MAX_DRAWS_EACH * n):
            if len(proposals) == n:
                break
            parameters = point_at(space, dict(zip(space, rng.random(len(space)).tolist(), strict=True)))
            draft = draft_from_parameters(parameters, context)
            if (behaviour := behaviour_of(draft)) not in taken:
                taken.add(behaviour)
                proposals.append(Proposal(draft, parameters, "drawn at random"))
        return proposals
