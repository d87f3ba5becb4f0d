"""Which experiments a campaign takes to validation: a total, repeatable order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from nullalpha.core.errors import UsageError
from nullalpha.engines.evidence.gates import Verdict


@dataclass(frozen=True)
class Candidate:
    """What ranking needs of an assessed experiment: annual excess Sharpe ratio, trainable numbers, and the strategy's fingerprint."""

    experiment_id: str
    fingerprint: str
    verdict: Verdict
    excess_sharpe: float
    n_parameters: int


def rank_key(candidate: Candidate) -> tuple[float, int, str, str]:
    """Return a sort key, best first: excess Sharpe ratio, then fewer parameters, then fingerprint; a missing ratio comes last."""
    score = candidate.excess_sharpe if math.isfinite(candidate.excess_sharpe) else -math.inf
    return (-score, candidate.n_parameters, candidate.fingerprint, candidate.experiment_id)


def choose_k_best(assessed: Iterable[Candidate], k: int) -> tuple[Candidate, ...]:
    """Return at most k candidates, best first: not rejected, with a figure, each fingerprint once.

    Raises:
        UsageError: if k is negative.
    """
    if k < 0:
        raise UsageError(f"k is {k}; it cannot be negative", path="k", value=k)
    chosen: dict[str, Candidate] = {}
    for candidate in sorted(assessed, key=rank_key):
        if candidate.verdict != "reject" and math.isfinite(candidate.excess_sharpe):
            chosen.setdefault(candidate.fingerprint, candidate)
    return tuple(chosen.values())[:k]
