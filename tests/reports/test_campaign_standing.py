"""The order of trials, what luck alone would give, and what the headline dares to say."""

from collections.abc import Callable

import numpy as np
import pytest

from nullalpha.reports.standing import excess_sharpe, headline, luck, ranked, why_not_repeatable
from nullalpha.tools.contract import CampaignResult, LockboxOpeningRecord, Selection

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


def test_once_the_lockbox_was_opened_for_one_of_them_the_headline_points_there(make_campaign: Make) -> None:
    result = make_campaign(24, n_shortlisted=2)
    second = ranked(result.experiments)[1]
    opened = LockboxOpeningRecord(id="o-1", experiment_id=second.id, opened="2026-11-20T14:00:00Z")
    result = result.model_copy(update={"lockbox": result.lockbox.model_copy(update={"openings": [opened]})})
    assert headline(result).support[-1] == f"The lockbox was opened for {second.name}; see what it said below."


def test_an_opening_for_another_campaign_says_nothing_of_this_one(make_campaign: Make) -> None:
    result = make_campaign(24, n_shortlisted=1)
    opened = LockboxOpeningRecord(id="o-1", experiment_id="e-elsewhere", opened="2026-11-20T14:00:00Z")
    result = result.model_copy(update={"lockbox": result.lockbox.model_copy(update={"openings": [opened]})})
    assert "not proven" in headline(result).support[-1]


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
    said = headline(result.model_copy(update={"experiments": [worse]})).support[0]
    assert said.startswith(f"Not even the best, {record.name}, beat holding: its returns less those of holding")


def test_the_excess_is_called_the_ratio_of_a_difference_and_not_a_difference_of_ratios(make_campaign: Make) -> None:
    result = make_campaign(1)
    record = result.experiments[0]
    assert record.metrics is not None
    figures = record.metrics.model_copy(update={"excess_sharpe": 0.64, "excess_sharpe_low": 0.02, "excess_sharpe_high": 1.2})
    better = record.model_copy(update={"metrics": figures})
    assert headline(result.model_copy(update={"experiments": [better]})).support[0] == (
        f"Highest in the search zone is {record.name} ({record.verdict}): its returns less those of holding its instruments at the same "
        "exposure had a Sharpe ratio of 0.64, 90 % interval [0.02, 1.20]."
    )


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


def test_luck_counts_the_trials_of_the_home_as_the_deflated_ratio_beside_it_does(make_campaign: Make) -> None:
    result, alone = make_campaign(24, n_home=48), make_campaign(24)
    chance, less = luck(result.experiments), luck(alone.experiments)
    assert chance is not None
    assert less is not None
    assert (chance.n_trials, chance.of_home) == (48, True)
    assert chance.spread == less.spread
    assert chance.expected_best > less.expected_best
    assert chance.share_reaching_best > less.share_reaching_best
    assert "the best of the 48 trials that this home made" in headline(result).support[1]


def test_before_the_home_was_counted_luck_speaks_of_the_campaign_alone(make_campaign: Make) -> None:
    result = make_campaign(24)
    early = [
        record.model_copy(update={"metrics": record.metrics and record.metrics.model_copy(update={"dsr": None, "dsr_trials": None})})
        for record in result.experiments
    ]
    chance = luck(early)
    assert chance is not None
    assert (chance.n_trials, chance.of_home) == (23, False)
    said = headline(result.model_copy(update={"experiments": early})).support[1]
    assert said.startswith("Luck alone would bring the best of 23 trials to about")


def test_a_campaign_that_is_not_repeatable_says_what_makes_it_so(make_campaign: Make) -> None:
    result = make_campaign(3)
    assert why_not_repeatable(result) is None
    clocked = result.model_copy(update={"deterministic": False})
    assert why_not_repeatable(clocked) == "the clock could end it"
    assert why_not_repeatable(clocked.model_copy(update={"designer": "llm"})) == "a language model designed it"


def test_luck_needs_two_figures_that_differ(make_campaign: Make) -> None:
    assert luck(make_campaign(1).experiments) is None
    assert luck([]) is None
    record = make_campaign(1).experiments[0]
    assert luck([record, record.model_copy(update={"id": "x-2"})]) is None


def test_what_choosing_the_best_is_worth_is_said_where_it_is_known(make_campaign: Make) -> None:
    result = make_campaign(12)
    known = result.model_copy(update={"selection": Selection(effective_trials=7, pbo=0.6, probability_of_loss=0.855)})
    told = "amount to 7 different strategies; the one that is best in half of the sessions fell short of holding in the other half in 86 %"
    assert any(told in sentence for sentence in headline(known).support)
    unknown = result.model_copy(update={"selection": Selection(effective_trials=1)})
    assert not any("amount to" in sentence for sentence in headline(unknown).support)
