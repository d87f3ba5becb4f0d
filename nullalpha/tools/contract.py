"""The stable JSON of the lab: what `--json` prints and what tools return. A missing figure is null, never 0.

Sharpe ratios are annual; every other figure is a fraction. Only add fields here; a change of meaning is a new field.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["reject", "iterate", "shortlist"]


class Contract(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataRef(Contract):
    """The snapshot that a campaign used; `first` and `last` are the dates of the whole snapshot (dates and counts are public)."""

    instrument: str
    snapshot: str
    first: str
    last: str
    n_bars: int


class Metrics(Contract):
    """Out-of-sample figures of one experiment over the search zone's stitched folds.

    `mean_mae`, `mean_mfe`: how far prices went against a trade and in its favour, fractions of the entry price. `capacity_1_percent`,
    `capacity_5_percent`: the account, in currency, whose larger fills take that share of a bar's volume; null where no volume is known.
    """

    sharpe: float | None = None
    sharpe_se: float | None = None
    sharpe_low: float | None = None
    sharpe_high: float | None = None
    excess_sharpe: float | None = None
    excess_sharpe_se: float | None = None
    excess_sharpe_low: float | None = None
    excess_sharpe_high: float | None = None
    psr: float | None = None
    dsr: float | None = None
    dsr_trials: int | None = None
    min_track_sessions: float | None = None
    random_entry_p: float | None = None
    annual_return: float | None = None
    annual_volatility: float | None = None
    max_drawdown: float | None = None
    n_trades: int | None = None
    turnover: float | None = None
    exposure: float | None = None
    hit_rate: float | None = None
    fees_fraction: float | None = None
    buy_and_hold_sharpe: float | None = None
    alpha: float | None = None
    alpha_t: float | None = None
    beta: float | None = None
    sessions: int | None = None
    sessions_per_year: int | None = None
    mean_mae: float | None = None
    mean_mfe: float | None = None
    capacity_1_percent: float | None = None
    capacity_5_percent: float | None = None


class Validation(Contract):
    """What one look at the validation zone said; `p_stepm` is adjusted for everything the home ever validated there."""

    excess_sharpe: float | None
    p_stepm: float | None
    n_joint: int


class ExperimentRecord(Contract):
    id: str
    name: str
    fingerprint: str | None
    designer: str
    status: Literal["designed", "invalid", "running", "done", "failed"]
    verdict: Verdict | None
    reasons: list[str]
    metrics: Metrics | None
    validation: Validation | None
    report: str | None
    campaign_id: str | None = None
    instruments: list[str] = []
    kind: Literal["strategy", "signal"] = "strategy"


class LessonRecord(Contract):
    id: str
    text: str
    evidence: list[str]
    window: tuple[str, str]


class LockboxOpeningRecord(Contract):
    id: str
    experiment_id: str
    opened: str
    result: str | None = None
    p: float | None = None


class Lockbox(Contract):
    openings: list[LockboxOpeningRecord]


class Selection(Contract):
    """What choosing the best of this campaign's trials is worth: reported, gates nothing.

    `effective_trials`: groups of trials that do the same. `pbo`: share of CSCV splits in which the best of one half is at or below the
    median of the other. `probability_of_loss`: share in which its excess Sharpe ratio there is below 0.
    """

    effective_trials: int | None = None
    pbo: float | None = None
    probability_of_loss: float | None = None


class CampaignResult(Contract):
    """One campaign, as `research run --json` prints it; `error` is what ended or paused it, None otherwise."""

    campaign_id: str
    status: Literal["queued", "running", "stopped", "done", "failed", "budget_exhausted", "waiting_for_model", "paused"]
    protocol_hash: str
    data: list[DataRef]
    trials: int
    experiments: list[ExperimentRecord]
    lessons: list[LessonRecord]
    lockbox: Lockbox
    selection: Selection | None = None
    seconds: float
    home: str
    seed: int
    designer: str
    report: str | None = None
    deterministic: bool = True
    notes: list[str] = []
    error: dict[str, object] | None = None
