"""The gates: from one experiment's figures to a verdict whose every reason cites a figure.

The search zone never says more than "worth validating"; only validation makes a shortlist. The probabilistic Sharpe ratio is carried for
reading and gates nothing. Sharpe ratios annual, probabilities in [0, 1]; None means that a figure was not computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["reject", "iterate", "shortlist"]
Gate = Literal["training", "lookahead", "trades", "excess_sharpe", "random_entry", "complexity", "validation"]

_NO_BETTER = "in no more than half of its refits was the loss below that of"


@dataclass(frozen=True)
class EvidenceFigures:
    """All figures of one experiment in the search zone.

    Attributes:
        diverged: True if a loss became NaN or infinite; None without training.
        lookahead_clean: result of the attack; None if it was not made.
        lookahead_findings: how many attacks moved a signal.
        n_trades: round trips out of sample, of all instruments together.
        n_entry_days: different days on which one was opened; trades opened together on instruments that move together are one bet.
        n_sessions: sessions in the stitched out-of-sample series.
        n_parameters: trainable numbers; 0 for rules.
        n_independent_samples: rows that the refit with the fewest trained on, over the label horizon.
        sharpe, sharpe_se: raw. excess_sharpe, excess_sharpe_se: over exposure-matched holding.
        sharpe_low, sharpe_high: bootstrap interval of the raw ratio at `interval_level`.
        random_entry_p: against random entry with the same trades.
        psr, min_track_sessions: of the raw returns; reported only.
        beats_baseline, beats_majority, beats_linear, beats_boosting: in more than half of the refits the model's loss was below that of
            always predicting 0, of always giving the training rows' usual answer, of a linear or logistic regression, of gradient
            boosting; on the stopping rows, by which early stopping chose the model.
        collapsed: in more than half of the refits every signal of the test had the same sign.
    """

    diverged: bool | None = None
    lookahead_clean: bool | None = None
    lookahead_findings: int | None = None
    n_trades: int | None = None
    n_entry_days: int | None = None
    n_sessions: int | None = None
    n_parameters: int | None = None
    n_independent_samples: float | None = None
    sharpe: float | None = None
    sharpe_se: float | None = None
    sharpe_low: float | None = None
    sharpe_high: float | None = None
    interval_level: float | None = None
    excess_sharpe: float | None = None
    excess_sharpe_se: float | None = None
    random_entry_p: float | None = None
    psr: float | None = None
    min_track_sessions: float | None = None
    max_drawdown: float | None = None
    turnover: float | None = None
    annual_return: float | None = None
    annual_volatility: float | None = None
    buy_and_hold_sharpe: float | None = None
    beats_baseline: bool | None = None
    collapsed: bool | None = None
    beats_majority: bool | None = None
    beats_linear: bool | None = None
    beats_boosting: bool | None = None


@dataclass(frozen=True)
class GateThresholds:
    """What the protocol demands.

    Attributes:
        min_trades: fewest round trips, opened on different days, for a claim.
        kill_below: the excess Sharpe ratio must be above this.
        max_random_entry_p: above it, timing is not told from random entry.
        min_samples_per_parameter: independent training samples for each trainable number.
    """

    min_trades: int = 30
    kill_below: float = 0.0
    max_random_entry_p: float = 0.2
    min_samples_per_parameter: float = 10.0


@dataclass(frozen=True)
class Assessment:
    """A verdict and why: one sentence a reason, in the order of the gates; `failed_gates` names those behind it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    failed_gates: tuple[Gate, ...] = ()
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Failure:
    gate: Gate
    verdict: Verdict
    reason: str


def judge(figures: EvidenceFigures, thresholds: GateThresholds) -> Assessment:
    """Judge an experiment on the search zone: `reject` or `iterate`, never `shortlist`.

    Diverged training and a signal that reads the future make every other figure meaningless, so they end the judgement; all other
    gates speak. A figure that is missing fails its gate.
    """
    annotations = _annotate(figures)
    fatal = _training(figures) or _lookahead(figures)
    if fatal is not None and fatal.verdict == "reject":
        return Assessment("reject", (fatal.reason,), (fatal.gate,), annotations)
    rest = tuple(gate(figures, thresholds) for gate in (_trades, _excess, _random, _complexity))
    failures = [failure for failure in (fatal, *rest) if failure is not None]
    if not failures:
        return Assessment("iterate", (_passed(figures),), (), annotations)
    verdict: Verdict = "reject" if any(failure.verdict == "reject" for failure in failures) else "iterate"
    return Assessment(verdict, tuple(f.reason for f in failures), tuple(f.gate for f in failures), annotations)


def judge_validation(search: Assessment, excess_sharpe: float | None, p_stepm: float | None, q: float) -> Assessment:
    """Judge a validated experiment: `shortlist` only if its adjusted p-value is at most q, else `reject`.

    Args:
        search: its assessment on the search zone; a rejected one stays rejected.
        excess_sharpe: annual, over exposure-matched holding, on the validation zone.
        p_stepm: adjusted for everything that was ever validated on the interval.
        q: family-wise error of the validation.
    """
    if search.verdict == "reject":
        return search
    if not _known(p_stepm) or p_stepm is None:
        reason = "validation gave no p-value, so it cannot be shortlisted"
        return Assessment("reject", (reason, *search.reasons), ("validation", *search.failed_gates), search.annotations)
    figure = f"excess Sharpe {_number(excess_sharpe)} on the validation zone with p {p_stepm:.3f} over all that was validated there"
    if p_stepm <= q:
        return Assessment("shortlist", (f"{figure} is within q {q:.2f}", *search.reasons), search.failed_gates, search.annotations)
    reason = f"{figure} is not within q {q:.2f}: the best of so many would do as well by luck"
    return Assessment("reject", (reason, *search.reasons), ("validation", *search.failed_gates), search.annotations)


def _training(figures: EvidenceFigures) -> _Failure | None:
    if figures.diverged:
        return _Failure("training", "reject", "training diverged: a loss became NaN or infinite, so no model was fitted")
    return None


def _lookahead(figures: EvidenceFigures) -> _Failure | None:
    if figures.lookahead_clean is None:
        return _Failure("lookahead", "iterate", "the look-ahead attack was not made, so the figures may rest on the future")
    if figures.lookahead_clean:
        return None
    times = "" if figures.lookahead_findings is None else f" in {figures.lookahead_findings} attacks"
    return _Failure("lookahead", "reject", f"the signal reads the future: past signals moved{times} when the future was changed")


def _trades(figures: EvidenceFigures, thresholds: GateThresholds) -> _Failure | None:
    days = figures.n_entry_days
    if days is not None and days >= thresholds.min_trades:
        return None
    needed = f"at least {thresholds.min_trades} are needed for any claim"
    if days is None:
        return _Failure("trades", "reject", f"how many trades out of sample opened on different days is not known; {needed}")
    return _Failure("trades", "reject", f"{days} trade{'' if days == 1 else 's'} out of sample opened on different days; {needed}")


def _excess(figures: EvidenceFigures, thresholds: GateThresholds) -> _Failure | None:
    value = figures.excess_sharpe
    if value is None or not _known(value):
        reason = "excess Sharpe is undefined: the out-of-sample returns do not vary or were not computed"
        return _Failure("excess_sharpe", "reject", reason)
    if value > thresholds.kill_below:
        return None
    reason = f"excess Sharpe {_with_error(value, figures.excess_sharpe_se)} is not above {thresholds.kill_below:g}"
    if value <= 0:
        reason += ": holding the instrument at the same exposure did " + ("better" if value < 0 else "as well")
    return _Failure("excess_sharpe", "reject", reason)


def _random(figures: EvidenceFigures, thresholds: GateThresholds) -> _Failure | None:
    p = figures.random_entry_p
    if p is None or not _known(p):
        return _Failure("random_entry", "iterate", "no comparison with random entry was possible, so its timing is unproven")
    if p <= thresholds.max_random_entry_p:
        return None
    reason = f"random entry with the same trades did as well in {p:.0%} of draws (p {p:.3f} above {thresholds.max_random_entry_p:g})"
    return _Failure("random_entry", "iterate", reason)


def _complexity(figures: EvidenceFigures, thresholds: GateThresholds) -> _Failure | None:
    if figures.n_parameters == 0:
        return None
    if figures.n_parameters is None or figures.n_independent_samples is None:
        return _Failure("complexity", "iterate", "parameters and independent samples are not known, so its complexity is unjudged")
    ratio = figures.n_independent_samples / figures.n_parameters
    if ratio >= thresholds.min_samples_per_parameter:
        return None
    reason = (
        f"{figures.n_parameters} trained parameters on {figures.n_independent_samples:.0f} independent samples leave {ratio:.1f} samples "
        f"each, fewer than {thresholds.min_samples_per_parameter:g}"
    )
    return _Failure("complexity", "iterate", reason)


def _passed(figures: EvidenceFigures) -> str:
    return (
        f"excess Sharpe {_with_error(figures.excess_sharpe, figures.excess_sharpe_se)} over {figures.n_trades} trades, random-entry "
        f"p {_number(figures.random_entry_p, 3)}: passed the search gates, a candidate for validation"
    )


def _annotate(figures: EvidenceFigures) -> tuple[str, ...]:
    notes: list[str] = []
    if figures.collapsed:
        notes.append("in more than half of its refits every signal of the test had the same sign")
    for beats, whose in (
        (figures.beats_baseline, "always predicting 0"),
        (figures.beats_majority, "always giving the usual answer"),
        (figures.beats_linear, "a linear model"),
        (figures.beats_boosting, "gradient boosting"),
    ):
        if beats is False:
            notes.append(f"{_NO_BETTER} {whose}, on the very rows by which early stopping chose the model")
    track, seen = figures.min_track_sessions, figures.n_sessions
    if track is not None and seen is not None and math.isfinite(track) and track > seen:
        notes.append(f"{seen} sessions are short for this raw Sharpe ratio: it takes {track:.0f} to tell it from 0 at 95 %")
    return tuple(notes)


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _number(value: float | None, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if value is not None and math.isfinite(value) else "unknown"


def _with_error(value: float | None, error: float | None) -> str:
    return f"{_number(value)} (se {_number(error)})" if _known(error) else _number(value)
