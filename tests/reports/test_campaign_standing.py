"""The order of trials, what luck alone would give, and what the headline dares to say."""

from collections.abc import Callable

import numpy as np
import pytest

from nullalpha.reports.standing import excess_sharpe, headline, luck, ranked
from nullalpha.tools.contract import CampaignResult, LockboxOpeningRecord

Make = Callable[..., CampaignResult]


def test_a_campaign_without_a_shortlist_says_that_nothing_deserves_belief(make_campaign: Make) -> None:
    assert headline(make_campaign(24)).text == "23 strategies tried; none deserves belief."


def test_a_document_that_never_compiled_is_no_trial_but_a_failed_training_is(make_campaign: Make) -> None:
    result = make_campaign(24)
    assert sorted(record.status for record in result.experiments if record.status != "done") == ["failed", "invalid"]
    opening = headline(result)
    assert opening.text.startswith("23 strategies")
    assert any(sentence.startswith("1 failed and has no figure") for sentence in opening.support)


def test_survivors_of_validation_are_named_and_not_called_proven(make_campaign: Make) -> None:
    result = make_campaign(24, n_shortlisted=2)
    first, second = ranked(result.experiments)[:2]
    opening = headline(result)
    assert opening.text == f"23 strategies tried; 2 survived validation: {first.name}, {second.name}."
    assert "not proven" in opening.support[-1]


def test_once_the_lockbox_was_opened_the_headline_points_there(make_campaign: Make) -> None:
    result = make_campaign(24, n_shortlisted=1)
    opened = LockboxOpeningRecord(id="o-1", experiment_id="x", opened="2026-11-20T14:00:00Z")
    result = result.model_copy(update={"lockbox": result.lockbox.model_copy(update={"openings": [opened]})})
    assert "lockbox has been opened" in headline(result).support[-1]


@pytest.mark.parametrize(
    ("status", "start"),
    [("running", "So far: 23 strategies"), ("stopped", "Stopped early: 23"), ("budget_exhausted", "Budget exhausted: 23"), ("done", "23 ")],
)
def test_an_unfinished_campaign_says_so_first(status: str, start: str, make_campaign: Make) -> None:
    assert headline(make_campaign(24).model_copy(update={"status": status})).text.startswith(start)


def test_no_trials_and_one_trial_have_their_own_words(make_campaign: Make) -> None:
    assert headline(make_campaign(0)).text == "No strategy was tried."
    assert headline(make_campaign(1)).text == "1 strategy tried; none deserves belief."


def test_a_best_below_zero_is_not_said_to_beat_anything(make_campaign: Make) -> None:
    result = make_campaign(1)
    record = result.experiments[0]
    assert record.metrics is not None
    worse = record.model_copy(update={"metrics": record.metrics.model_copy(update={"excess_sharpe": -0.2})})
    assert headline(result.model_copy(update={"experiments": [worse]})).support[0].startswith("Not even the best")


def test_experiments_rank_by_shortlist_then_figure_and_those_without_one_come_last(make_campaign: Make) -> None:
    result = make_campaign(24, n_shortlisted=1)
    flipped = ranked(result.experiments[::-1])
    assert flipped == ranked(result.experiments)
    assert flipped[0].verdict == "shortlist"
    values = [excess_sharpe(record) for record in flipped]
    known = [value for value in values[1:] if value is not None]
    assert known == sorted(known, reverse=True)
    assert values[-2:] == [None, None]


def test_luck_agrees_with_a_simulation_of_the_best_of_n(make_campaign: Make) -> None:
    chance = luck(make_campaign(24).experiments)
    assert chance is not None
    assert chance.n_trials == 23
    best = (np.random.default_rng(1).standard_normal((200_000, 23)) * chance.spread).max(axis=1)
    assert chance.expected_best == pytest.approx(best.mean(), abs=0.05 * chance.spread)  # the published approximation
    found = max(value for record in make_campaign(24).experiments if (value := excess_sharpe(record)) is not None)
    assert chance.share_reaching_best == pytest.approx((best >= found).mean(), abs=0.005)
    step = chance.grid[1] - chance.grid[0]
    assert chance.density.sum() * step == pytest.approx(1.0, abs=0.01)


def test_luck_needs_two_figures_that_differ(make_campaign: Make) -> None:
    assert luck(make_campaign(1).experiments) is None
    assert luck([]) is None
    record = make_campaign(1).experiments[0]
    assert luck([record, record.model_copy(update={"id": "x-2"})]) is None
