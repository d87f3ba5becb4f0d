"""What a person asks of a campaign: budgets, designer and seed. Frozen when it starts; no part of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DesignerName = Literal["search", "random", "llm"]
AnyDesigner = DesignerName | Literal["person"]
SIGNAL = "signal"
"""Designer of an experiment that is no strategy: target positions from outside."""


@dataclass(frozen=True)
class RunTerms:
    """How one run that a person asks for differs from a campaign's trial.

    Attributes:
        seed: of the models' initial weights and batches, and of the evidence's draws.
        engine: that runs the backtests, by name.
        tested_from, tested_to: ISO dates: the out-of-sample bars are those known from the one up to, not including, the other; None: the
            search zone's.
    """

    seed: int = 0
    engine: str = "nullalpha"
    tested_from: str | None = None
    tested_to: str | None = None


class CampaignConfig(BaseModel):
    """The configuration of one campaign, as stored.

    `budget_seconds` ends the campaign by the clock and so voids the guarantee that a rerun gives the same result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    brief: str = Field(default="", max_length=2000, description="what to look for, in words; designers that read use it")
    instruments: tuple[str, ...] = Field(default=("SPX", "IXIC"), min_length=1, max_length=50)
    reads: tuple[str, ...] = Field(default=(), max_length=50, description="instruments that features may read and nothing trades")
    timeframe: str = "1d"
    trials: int = Field(default=24, ge=1, le=100_000)
    designer: AnyDesigner = Field(default="search", description="`person`: a campaign of one strategy that somebody wrote; never validated")
    seed: int = Field(default=0, ge=0, lt=2**31)
    budget_seconds: float | None = Field(default=None, gt=0)
    require_shortlist: bool = Field(default=False, description="finish with exit code 3 unless something was shortlisted")
    model: str | None = None
    api_base: str | None = None
    training_cutoff: str | None = Field(default=None, description="the model's stated one, ISO date")
    engine: str = Field(default="nullalpha", description="that runs the backtests; another is a person's choice for one run")
    tested_from: str | None = Field(default=None, description="ISO date; narrows a person's run inside the search zone")
    tested_to: str | None = Field(default=None, description="ISO date, not included; no later than the search zone's end")
