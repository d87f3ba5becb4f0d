"""The two designers that need no model: pure, distinct, and the search better than chance where there is something to find."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from nullalpha.agents.drafts import behaviour_of
from nullalpha.agents.port import DesignContext, Designer, TrialOutcome
from nullalpha.agents.random import RandomDesigner
from nullalpha.agents.search import SearchDesigner
from nullalpha.strategy.draft import Draft
from tests.support.design import design_context

DESIGNERS: list[Designer] = [RandomDesigner(), SearchDesigner()]
GENERATION = 8


def synthetic_merit(draft: Draft) -> float:
    """A made-up merit: reversion of an oscillator over about ten bars, rules rather than training, no stop."""
    lead = draft.rules[0]
    oscillates = draft.features[0].indicator in ("rsi", "williams_r", "stochastic", "return_rank")
    reverts = lead.direction == "long" and lead.conditions[0].level == "low"
    distance = abs(math.log(draft.features[0].period / 10)) / 5
    return 0.5 * oscillates + 0.4 * reverts + 0.3 * (draft.model == "rules") - 0.2 * (draft.stop_atr_tenths > 0) - distance


def campaign(designer: Designer, seed: int, generations: int, noise: float = 0.1) -> list[TrialOutcome]:
    rng = np.random.default_rng(seed)
    history: tuple[TrialOutcome, ...] = ()
    for generation in range(generations):
        context = design_context(campaign_seed=seed, generation=generation, history=history)
        proposals = designer.propose(context, GENERATION)
        figures = [synthetic_merit(proposal.draft) + noise * rng.standard_normal() for proposal in proposals]
        history += tuple(TrialOutcome(p.draft, p.parameters, figure, "reject") for p, figure in zip(proposals, figures, strict=True))
    return list(history)


@pytest.mark.parametrize("designer", DESIGNERS, ids=lambda designer: designer.name)
def test_proposals_depend_on_the_context_alone_and_on_each_part_of_the_seed(designer: Designer) -> None:
    context = design_context(history=tuple(campaign(RandomDesigner(), 1, 2)))
    first = designer.propose(context, 4)
    assert designer.propose(context, 4) == first
    for change in ({"campaign_seed": 12}, {"generation": 1}, {"attempt": 1}):
        assert designer.propose(replace(context, **change), 4) != first  # type: ignore[arg-type]


def test_a_hypothesis_names_its_idea_in_the_words_that_people_search_for() -> None:
    proposals = RandomDesigner().propose(design_context(), 64)
    for proposal in proposals:
        idea, _, rest = proposal.draft.hypothesis.partition(": ")
        assert (("persists" in rest), ("reverts" in rest)) == ("omentum" in idea, "ean reversion" in idea)
        assert proposal.draft.features[0].indicator in rest
        assert rest.endswith(".")
    assert len({proposal.draft.hypothesis.partition(":")[0] for proposal in proposals}) == 3


@pytest.mark.parametrize("designer", DESIGNERS, ids=lambda designer: designer.name)
def test_proposals_are_distinct_valid_and_plain_json(designer: Designer) -> None:
    history = campaign(RandomDesigner(), 2, 2)
    proposals = designer.propose(design_context(history=tuple(history)), 24)
    assert len({behaviour_of(proposal.draft) for proposal in proposals}) == 24
    for proposal in proposals:
        assert Draft.model_validate_json(proposal.draft.model_dump_json()) == proposal.draft
        assert json.loads(json.dumps(dict(proposal.parameters))) == proposal.parameters


def test_the_search_never_proposes_what_is_known() -> None:
    tiny = {"rsi": design_context().vocabulary["rsi"]}
    context = design_context(vocabulary=tiny, instruments=("SPX",))
    history = tuple(TrialOutcome(p.draft, p.parameters, 0.1) for p in SearchDesigner().propose(context, 24))
    later = SearchDesigner().propose(replace(context, history=history), 24)
    assert not {behaviour_of(p.draft) for p in later} & {behaviour_of(o.draft) for o in history}


def test_a_fresh_start_tries_each_indicator_about_equally_often() -> None:
    context = design_context()
    proposals = SearchDesigner().propose(context, 2 * len(context.vocabulary))
    leads = [proposal.parameters["indicator_1"] for proposal in proposals]
    assert {leads.count(name) for name in context.vocabulary} == {2}


def test_memory_seeds_the_first_generation() -> None:
    recalled = sorted(campaign(RandomDesigner(), 3, 5), key=lambda outcome: outcome.excess_sharpe or 0.0)
    cold = SearchDesigner().propose(design_context(), GENERATION)
    warm = SearchDesigner().propose(design_context(recalled=tuple(recalled)), GENERATION)
    assert warm != cold
    one = SearchDesigner().propose(design_context(recalled=tuple(recalled[-1:])), GENERATION)
    assert one != cold
    assert np.mean([synthetic_merit(p.draft) for p in warm]) > np.mean([synthetic_merit(p.draft) for p in cold]) + 0.1


def test_memory_of_another_designer_counts_without_parameters() -> None:
    known = campaign(RandomDesigner(), 4, 3)
    foreign = tuple(replace(outcome, parameters={}) for outcome in known)
    context = design_context(recalled=foreign)
    assert SearchDesigner().propose(context, 4) != SearchDesigner().propose(design_context(), 4)
    assert SearchDesigner().propose(context, 4)[0].note == f"follows {len(known)} known trials"


@pytest.mark.parametrize("figure", [None, float("nan"), float("-inf")])
def test_failures_are_told_and_do_not_break_the_search(figure: float | None) -> None:
    known = campaign(RandomDesigner(), 5, 3)
    failing = tuple(replace(outcome, excess_sharpe=figure) if i % 2 else outcome for i, outcome in enumerate(known))
    assert len(SearchDesigner().propose(design_context(history=failing), GENERATION)) == GENERATION
    only = tuple(replace(outcome, excess_sharpe=figure) for outcome in known)
    assert len(SearchDesigner().propose(design_context(history=only), GENERATION)) == GENERATION


def test_the_search_stays_away_from_failures() -> None:
    known = campaign(RandomDesigner(), 6, 12)
    fails = [replace(o, excess_sharpe=None if o.draft.model == "anfis" else 0.1) for o in known]
    proposals = SearchDesigner().propose(design_context(history=tuple(fails)), 24)
    assert sum(proposal.draft.model == "anfis" for proposal in proposals) <= 8


def test_outcomes_from_another_space_are_passed_over() -> None:
    foreign = campaign(RandomDesigner(), 7, 2)
    context: DesignContext = design_context(instruments=("DAX",), recalled=tuple(foreign))
    proposals = SearchDesigner().propose(context, 4)
    assert [proposal.note for proposal in proposals] == ["fills the space"] * 4


def test_the_search_beats_chance_at_equal_trials() -> None:
    merits = {
        designer.name: np.array([[synthetic_merit(outcome.draft) for outcome in campaign(designer, seed, 5)] for seed in range(5)])
        for designer in DESIGNERS
    }
    assert merits["search"].max(axis=1).mean() > merits["random"].max(axis=1).mean() + 0.1
    assert merits["search"][:, -GENERATION:].mean() > merits["random"].mean() + 0.4
