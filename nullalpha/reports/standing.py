"""Where a campaign stands, as a reader should hear it first: the order of its trials, what luck alone would give, and one honest headline.

Sharpe ratios annual, out of sample in the search zone, over exposure-matched holding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from nullalpha.data.bars import FloatArray
from nullalpha.engines.evidence.deflation import expected_maximum_sharpe
from nullalpha.reports.figures import interval, known, percent, ratio
from nullalpha.tools.contract import CampaignResult, ExperimentRecord

_UNFINISHED = {
    "queued": "Not started",
    "running": "So far",
    "stopped": "Stopped early",
    "failed": "Failed before its end",
    "budget_exhausted": "Budget exhausted",
    "waiting_for_model": "Waiting for its model",
    "paused": "Paused",
}

_EXCESS = "its returns less those of holding its instruments at the same exposure had a Sharpe ratio of"


@dataclass(frozen=True)
class Luck:
    """What trials without skill, independent and with the spread seen here, would give.

    Attributes:
        n_trials: every trial that saw data: of the home up to this campaign's end, as in its deflated Sharpe ratios; where those are not
            known yet, of this campaign alone.
        of_home: whether `n_trials` is the home's.
        spread: standard deviation of this campaign's known excess Sharpe ratios.
        expected_best: of `n_trials`.
        share_reaching_best: how often their best would reach the best found here, in [0, 1].
        grid, density: where their best would lie.
    """

    n_trials: int
    of_home: bool
    spread: float
    expected_best: float
    share_reaching_best: float
    grid: FloatArray
    density: FloatArray


@dataclass(frozen=True)
class Headline:
    """The first sentence of a report, and those that a reader needs with it."""

    text: str
    support: tuple[str, ...]


def excess_sharpe(experiment: ExperimentRecord) -> float | None:
    """Return an experiment's excess Sharpe ratio if it has a finite one."""
    value = experiment.metrics.excess_sharpe if experiment.metrics is not None else None
    return value if known(value) else None


def ranked(experiments: Sequence[ExperimentRecord]) -> list[ExperimentRecord]:
    """Return experiments best first: what was shortlisted, then by excess Sharpe ratio; without a figure last; ties by id."""

    def key(experiment: ExperimentRecord) -> tuple[bool, bool, float, str]:
        value = excess_sharpe(experiment)
        return (experiment.verdict != "shortlist", value is None, -value if value is not None else 0.0, experiment.id)

    return sorted(experiments, key=key)


def luck(experiments: Sequence[ExperimentRecord]) -> Luck | None:
    """Return what luck alone would give as many trials as the home made, or None with fewer than two figures or ones that do not vary.

    Source: Bailey & Lopez de Prado (2014), Journal of Portfolio Management 40(5); the best of n normal draws.
    """
    values = np.array([value for value in map(excess_sharpe, experiments) if value is not None])
    known_of_home = [e.metrics.dsr_trials for e in experiments if e.metrics is not None and e.metrics.dsr_trials is not None]
    n_trials = max(known_of_home) if known_of_home else _tried(experiments)
    if len(values) < 2 or not values.std() > 1e-12:
        return None
    spread = float(values.std(ddof=1))
    grid = np.linspace(-1.0 * spread, 5.0 * spread, 241)
    density = n_trials * norm.pdf(grid / spread) * norm.cdf(grid / spread) ** (n_trials - 1) / spread
    reaching = -float(np.expm1(n_trials * norm.logcdf(values.max() / spread)))
    return Luck(n_trials, bool(known_of_home), spread, expected_maximum_sharpe(n_trials, spread**2), reaching, grid, density)


def headline(result: CampaignResult) -> Headline:
    """Return what the campaign found, in the words of someone who presumes that it found nothing."""
    tried = _tried(result.experiments)
    shortlisted = [experiment for experiment in ranked(result.experiments) if experiment.verdict == "shortlist"]
    if not tried:
        text = "No strategy was tried."
    elif not shortlisted:
        text = f"{_strategies(tried)} tried; none deserves belief."
    else:
        names = ", ".join(experiment.name for experiment in shortlisted[:3]) + (" and more" if len(shortlisted) > 3 else "")
        text = f"{_strategies(tried)} tried; {len(shortlisted)} survived validation: {names}."
    prefix = _UNFINISHED.get(result.status)
    return Headline(f"{prefix}: {text[0].lower()}{text[1:]}" if prefix else text, tuple(_support(result, shortlisted)))


def why_not_repeatable(result: CampaignResult) -> str | None:
    """Return why a rerun may come out otherwise, or None if it would not; the result's notes say it at length."""
    if result.deterministic:
        return None
    return "a language model designed it" if result.designer == "llm" else "the clock could end it"


def _tried(experiments: Sequence[ExperimentRecord]) -> int:
    return sum(experiment.status not in ("designed", "invalid") for experiment in experiments)


def _support(result: CampaignResult, shortlisted: Sequence[ExperimentRecord]) -> list[str]:
    sentences = []
    best = max(((value, e) for e in result.experiments if (value := excess_sharpe(e)) is not None), key=lambda pair: pair[0], default=None)
    if best is not None:
        sentences.append(_best(*best))
    chance = luck(result.experiments)
    if chance is not None:
        trials = f"the {chance.n_trials} trials that this home made" if chance.of_home else f"{chance.n_trials} trials"
        sentences.append(
            f"Luck alone would bring the best of {trials} to about {ratio(chance.expected_best)}, and to what was found here in "
            f"{percent(chance.share_reaching_best, 0)} of such cases."
        )
    choice = result.selection
    if choice is not None and choice.effective_trials is not None and choice.probability_of_loss is not None:
        sentences.append(
            f"The trials amount to {choice.effective_trials} different strategies; the one that is best in half of the sessions fell "
            f"short of holding in the other half in {percent(choice.probability_of_loss, 0)} of splits."
        )
    failed = sum(experiment.status == "failed" for experiment in result.experiments)
    if failed:
        sentences.append(
            f"{failed} failed and {'has' if failed == 1 else 'have'} no figure, but {'counts' if failed == 1 else 'count'} as tried."
        )
    if shortlisted:
        opened = {opening.experiment_id for opening in result.lockbox.openings}
        looked_at = [experiment.name for experiment in shortlisted if experiment.id in opened]
        sentences.append(
            f"The lockbox was opened for {', '.join(looked_at)}; see what it said below."
            if looked_at
            else "Shortlisted means worth a look at the lockbox, not proven."
        )
    return sentences


def _best(value: float, experiment: ExperimentRecord) -> str:
    low, high = (experiment.metrics.excess_sharpe_low, experiment.metrics.excess_sharpe_high) if experiment.metrics else (None, None)
    doubt = f", 90 % interval {interval(low, high)}" if known(low) and known(high) else ""
    if value <= 0:
        return f"Not even the best, {experiment.name}, beat holding: {_EXCESS} {ratio(value)}{doubt}."
    return f"Highest in the search zone is {experiment.name} ({experiment.verdict or experiment.status}): {_EXCESS} {ratio(value)}{doubt}."


def _strategies(n: int) -> str:
    return "1 strategy" if n == 1 else f"{n} strategies"
