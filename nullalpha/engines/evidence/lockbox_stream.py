"""The lockbox's budget: one stream of tests an interval, with the false discovery rate held whatever their dependence.

Rebuilt from the recorded openings every time; it keeps nothing. LORD for dependent p-values spends wealth on each opening and
earns some back by each discovery, so an interval is good for a handful of useful openings: after a few failures the level is too
small to pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from online_fdr.core.results import TestDecision
from online_fdr.p_values import LordDependent

from nullalpha.core.errors import ArtifactError, DataError

# sum over j >= 1 of 1 / (j log(max(j, 2))^3): what the spending sequence of example 3.8 adds up to, before its constant
_SPENDING_SUM = 5.068667246


@dataclass(frozen=True)
class LockboxDecision:
    """One opening: significant if `p` <= `level`; wealth is what was left to spend before it and is after it."""

    p: float
    level: float
    rejected: bool
    wealth_before: float
    wealth_after: float


@dataclass(frozen=True)
class LockboxStream:
    """The stream of one interval.

    The level of opening t is xi_t W, with W the wealth at the last discovery, at most q / 2 for each discovery so far and one more; so the
    false discovery rate is at most the sum of xi_t q / 2 (1 + log t) <= q, however the p-values depend on each other.

    Attributes:
        q: the false discovery rate, e.g. 0.1. Half of it is the first wealth, half the reward of a discovery.
        previous: (p, rejected) of every earlier opening on the interval, oldest first.

    Raises:
        DataError: if `q` lies outside (0, 1) or a p-value outside [0, 1].
        ArtifactError: if a recorded decision is not the one that the procedure takes.
    Source: Javanmard & Montanari (2018), Annals of Statistics 46(2), section 3.3 and example 3.8.
    """

    q: float
    previous: tuple[tuple[float, bool], ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.q < 1:
            raise DataError(f"q is {self.q}; a false discovery rate lies between 0 and 1", path="q", value=self.q)
        self._replay()

    @property
    def wealth(self) -> float:
        """What is left to spend: the sum of all levels still to come if no opening succeeds."""
        return _left_to_spend(self._replay())

    @property
    def n_openings(self) -> int:
        return len(self.previous)

    @property
    def next_level(self) -> float:
        """The level at which the next opening is tested; always known before it is read."""
        return self.test(1.0).level

    def levels_ahead(self, n: int) -> tuple[float, ...]:
        """Return the levels of the next `n` openings if none of them succeeds: what the budget still buys."""
        procedure = self._replay()
        levels = []
        for _ in range(n):
            levels.append(_level(procedure.test_one_detail(1.0)))
        return tuple(levels)

    def test(self, p: float) -> LockboxDecision:
        """Return what the next opening with this p-value comes to; the stream itself does not change.

        Raises:
            DataError: if `p` lies outside [0, 1] or is missing: an opening without a figure is spent with p = 1.
        """
        _check_p(p, f"opening {len(self.previous)}")
        procedure = self._replay()
        before = _left_to_spend(procedure)
        detail = procedure.test_one_detail(float(p))
        return LockboxDecision(p, _level(detail), bool(detail.rejected), before, _left_to_spend(procedure))

    def after(self, decision: LockboxDecision) -> LockboxStream:
        """Return the stream with this opening recorded."""
        return LockboxStream(self.q, (*self.previous, (decision.p, decision.rejected)))

    def _replay(self) -> LordDependent:
        procedure = LordDependent(alpha=self.q, wealth=self.q / 2, reward=self.q / 2)
        for i, (p, rejected) in enumerate(self.previous):
            _check_p(p, f"previous[{i}]")
            if bool(procedure.test_one(float(p))) is not bool(rejected):
                raise ArtifactError(
                    f"opening {i} has p = {p:.6g} and is recorded as {'significant' if rejected else 'not significant'}, "
                    f"but at its level {procedure.last_test_level:.6g} it is not so",
                    path=f"previous[{i}]",
                    value=p,
                    suggestion="restore the record of openings; the stream is rebuilt from it alone",
                )
        return procedure


def next_level(previous: Sequence[tuple[float, bool]], q: float) -> float:
    """Return the level for the next opening after these (p, rejected) on the same interval."""
    return LockboxStream(q, tuple(previous)).next_level


def _left_to_spend(procedure: LordDependent) -> float:
    sequence = procedure.seq
    spent = sum(sequence.calc_gamma(j) for j in range(1, procedure.num_hypotheses + 1))
    return float(procedure.wealth_reject * (sequence.c * _SPENDING_SUM - spent))


def _level(decision: TestDecision) -> float:
    return float("nan") if decision.test_level is None else float(decision.test_level)


def _check_p(p: float, where: str) -> None:
    if not (math.isfinite(p) and 0 <= p <= 1):
        raise DataError(
            f"the p-value of {where} is {p}; it must lie in [0, 1]",
            path=where,
            value=p,
            suggestion="an opening without a figure counts as p = 1",
        )
