"""What every designer is asked and what it answers. Frozen data only: no model, no optimiser, no I/O.

A designer is a pure function of its context (a language model as far as its server is): the same context gives the same proposals, so
that a resumed campaign asks again and is answered the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from nullalpha.strategy.draft import Draft
from nullalpha.strategy.drafting import draftable
from nullalpha.strategy.vocabulary import BAR_FIELD_COLUMNS, Vocabulary

Verdict = Literal["reject", "iterate", "shortlist"]
DesignParameter = str | int | float | bool
DesignParameters = Mapping[str, DesignParameter]


@dataclass(frozen=True)
class TrialOutcome:
    """One finished trial, as a designer may know of it.

    Attributes:
        draft: what was tried.
        parameters: the optimiser's own coordinates of it; empty when another kind of designer wrote it.
        excess_sharpe: annual, search-zone walk-forward, over exposure-matched holding; None if the trial failed or has no figure.
        verdict: what the gates said; None if it was not assessed.
        trade_share: its trades over those that a claim needs, at most 1.
    """

    draft: Draft
    parameters: DesignParameters = field(default_factory=dict)
    excess_sharpe: float | None = None
    verdict: Verdict | None = None
    trade_share: float = 1.0

    @property
    def figure(self) -> float | None:
        """The excess Sharpe if it is a finite number, else None."""
        return self.excess_sharpe if self.excess_sharpe is not None and math.isfinite(self.excess_sharpe) else None

    @property
    def reward(self) -> float | None:
        """What an optimiser is told: the figure, and of a gain only the share that its trades support; a few lucky trades are no goal."""
        return self.figure if self.figure is None or self.figure <= 0.0 else self.figure * self.trade_share


@dataclass(frozen=True)
class DesignContext:
    """All that a designer may use.

    Attributes:
        campaign_seed, generation, attempt: make the seed; `attempt` counts re-asks after a duplicate or an invalid draft.
        instruments: symbols that a draft may name, in the campaign's order.
        timeframe: of the bars, e.g. `1d`.
        vocabulary: the indicators to choose from.
        history: this campaign's finished trials, in the ledger's order.
        recalled: earlier campaigns' best and worst, from memory.
        lessons: sentences learned from earlier campaigns; quoted data wherever a model reads them.
        has_volume: False when one of the instruments lacks volume; indicators that read it are then left out.
        brief: what the user asked for, in their words; empty when nothing was said.
    """

    campaign_seed: int
    generation: int
    instruments: tuple[str, ...]
    timeframe: str
    vocabulary: Vocabulary
    history: tuple[TrialOutcome, ...] = ()
    recalled: tuple[TrialOutcome, ...] = ()
    lessons: tuple[str, ...] = ()
    attempt: int = 0
    has_volume: bool = True
    brief: str = ""


@dataclass(frozen=True)
class Proposal:
    """A draft to try, with the designer's own coordinates of it (plain JSON) and a note for people."""

    draft: Draft
    parameters: DesignParameters
    note: str


@dataclass(frozen=True)
class ProposalFailure:
    """A proposal that was asked for and did not come: nothing is invented in its place."""

    index: int
    reason: str


class Designer(Protocol):
    """Proposes strategies to try."""

    @property
    def name(self) -> str:
        """`search`, `random`, `llm`, ..."""
        ...

    def propose(self, context: DesignContext, n: int) -> list[Proposal]:
        """Return up to `n` proposals, distinct from each other.

        Raises:
            ModelUnavailableError: when a model's server does not answer; ask again later.
        """
        ...


def usable_indicators(context: DesignContext) -> tuple[str, ...]:
    """Return the names of the indicators that the context's instruments can feed, sorted."""
    found = []
    for name, signature in sorted(context.vocabulary.items()):
        columns = {*signature.inputs, *(column for field in signature.series for column in BAR_FIELD_COLUMNS[field])}
        if draftable(signature) and "spread" not in columns and (context.has_volume or "volume" not in columns):
            found.append(name)
    return tuple(found)
