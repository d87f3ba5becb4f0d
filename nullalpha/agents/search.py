"""The default designer: a tree-structured Parzen estimator over the search space, seeded from memory. Needs no model.

The study is rebuilt at every call from the outcomes in the context (nothing is kept between calls, nothing is stored), so a proposal
depends on its inputs alone and a resumed campaign proposes what an uninterrupted one would have. While little is known, most proposals
fill the space evenly instead (a Latin hypercube). Source: Bergstra et al. (2011), NeurIPS 24; Watanabe (2023), arXiv 2304.11127.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from nullalpha.agents.coordinates import parameters_from_draft
from nullalpha.agents.drafts import behaviour_of, draft_from_parameters
from nullalpha.agents.port import DesignContext, DesignParameters, Proposal, TrialOutcome
from nullalpha.agents.space import Coordinate, SearchSpace, Whole, holds, point_at, search_space
from nullalpha.core.fingerprint import derive_seed

N_EXPLORING = 12
N_CANDIDATES = 64
MAX_ASKS_EACH = 6
_Told = tuple[DesignParameters, float]


class SearchDesigner:
    """Proposes where trials did well, away from where they did badly or failed."""

    name = "search"

    def propose(self, context: DesignContext, n: int) -> list[Proposal]:
        """Return `n` proposals, none of which behaves like another or like a known trial (fewer only if that cannot be met)."""
        space = search_space(context)
        seed = derive_seed("search designer", context.campaign_seed, context.generation, context.attempt)
        told = _told(context, space)
        n_exploring = min(n - 1, max(0, N_EXPLORING - len(told))) if told else n
        known = {behaviour_of(outcome.draft) for outcome in (*context.recalled, *context.history)}
        explored = _fresh(context, _explored(space, n_exploring, seed), known, n_exploring, "fills the space")
        note = f"follows {len(told)} known trials"
        pending = [proposal for _, proposal in explored]
        asked = _fresh(context, _asked(space, told, pending, seed), known | {name for name, _ in explored}, n - len(pending), note)
        return pending + [proposal for _, proposal in asked]


def _told(context: DesignContext, space: SearchSpace) -> list[_Told]:
    """Return each known trial's point and value; a failure counts as worse than the worst known, so that it repels."""
    outcomes = (*context.recalled, *context.history)
    placed = [(point, outcome) for outcome in outcomes if (point := _point_of(outcome, context, space)) is not None]
    failed = min((outcome.reward for _, outcome in placed if outcome.reward is not None), default=0.0) - 1.0
    return [(point, failed if outcome.reward is None else outcome.reward) for point, outcome in placed]


def _point_of(outcome: TrialOutcome, context: DesignContext, space: SearchSpace) -> DesignParameters | None:
    return outcome.parameters if holds(space, outcome.parameters) else parameters_from_draft(outcome.draft, context)


def _explored(space: SearchSpace, n: int, seed: int) -> Iterator[DesignParameters]:
    """Yield a Latin hypercube of `n` points, then single random ones."""
    rng = np.random.default_rng(seed)
    rows = (np.stack([rng.permutation(n) for _ in space], axis=1) + rng.random((n, len(space)))) / max(n, 1)  # (n, coordinates)
    for row in rows:
        yield point_at(space, dict(zip(space, row.tolist(), strict=True)))
    while True:
        yield point_at(space, dict(zip(space, rng.random(len(space)).tolist(), strict=True)))


def _asked(space: SearchSpace, told: Sequence[_Told], pending: Sequence[Proposal], seed: int) -> Iterator[DesignParameters]:
    """Yield the estimator's points; those it gave before, and the pending ones, count as poor until they are known."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {name: _distribution(coordinate) for name, coordinate in space.items()}
    sampler = optuna.samplers.TPESampler(n_startup_trials=1, n_ei_candidates=N_CANDIDATES, multivariate=True, constant_liar=True, seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for point, value in told:
        study.add_trial(create_trial(params=dict(point), distributions=distributions, value=value))
    for proposal in pending:
        study.add_trial(create_trial(state=TrialState.RUNNING, params=dict(proposal.parameters), distributions=distributions))
    while True:
        yield dict(study.ask(distributions).params)


def _distribution(coordinate: Coordinate) -> BaseDistribution:
    if isinstance(coordinate, Whole):
        return IntDistribution(coordinate.low, coordinate.high, log=coordinate.log, step=coordinate.step)
    return CategoricalDistribution(coordinate.options)


def _fresh(
    context: DesignContext, points: Iterator[DesignParameters], taken: AbstractSet[str], n: int, note: str
) -> list[tuple[str, Proposal]]:
    """Return up to `n` proposals, with their behaviours, that behave like none taken."""
    found: dict[str, Proposal] = {}
    for parameters in islice(points, MAX_ASKS_EACH * n):
        draft = draft_from_parameters(parameters, context)
        behaviour = behaviour_of(draft)
        if behaviour not in taken:
            found.setdefault(behaviour, Proposal(draft, parameters, note))
        if len(found) == n:
            break
    return list(found.items())
