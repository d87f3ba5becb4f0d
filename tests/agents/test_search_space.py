"""The search space: every point is a valid draft, and a draft finds its way back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.agents.coordinates import parameters_from_draft
from nullalpha.agents.drafts import base_rates, behaviour_of, draft_from_parameters
from nullalpha.agents.port import DesignParameter, TrialOutcome
from nullalpha.agents.space import OneOf, Whole, holds, point_at, search_space
from nullalpha.core.errors import NotFoundError
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.draft import DraftCondition, DraftRule
from nullalpha.strategy.drafting import constrained_draft, draft_to_document
from nullalpha.strategy.validate import parse_strategy
from tests.support.design import design_context

CONTEXT = design_context()
SPACE = search_space(CONTEXT)
CONSTRAINED = constrained_draft(CONTEXT.vocabulary, CONTEXT.instruments)

SHORT_ONLY = DraftRule(join="and", conditions=[DraftCondition(feature=1, level="low", negated=False)], direction="short", strength_tenths=1)


def coordinate_values(coordinate: Whole | OneOf) -> st.SearchStrategy[DesignParameter]:
    if isinstance(coordinate, OneOf):
        return st.sampled_from(coordinate.options)
    return st.integers(0, (coordinate.high - coordinate.low) // coordinate.step).map(lambda k: coordinate.low + k * coordinate.step)


POINTS = st.fixed_dictionaries({name: coordinate_values(coordinate) for name, coordinate in SPACE.items()})


def point(**changes: DesignParameter) -> dict[str, DesignParameter]:
    return {**point_at(SPACE, dict.fromkeys(SPACE, 0.0)), **changes}


@given(POINTS)
@settings(max_examples=300)
def test_every_point_is_a_valid_draft_that_uses_all_its_features(parameters: dict[str, DesignParameter]) -> None:
    draft = draft_from_parameters(parameters, CONTEXT)
    CONSTRAINED.model_validate(draft.model_dump())
    named = {condition.feature for rule in draft.rules for condition in rule.conditions}
    assert named == set(range(1, len(draft.features) + 1))
    assert any(rule.direction == "long" for rule in draft.rules)


@given(POINTS)
@settings(max_examples=300)
def test_a_draft_from_the_space_finds_a_point_that_gives_it_back(parameters: dict[str, DesignParameter]) -> None:
    draft = draft_from_parameters(parameters, CONTEXT)
    back = parameters_from_draft(draft, CONTEXT)
    assert back is not None
    assert holds(SPACE, back)
    assert behaviour_of(draft_from_parameters(back, CONTEXT)) == behaviour_of(draft)


@given(POINTS)
@settings(max_examples=60, deadline=None)
def test_every_point_compiles_as_a_strategy_of_the_language(parameters: dict[str, DesignParameter]) -> None:
    draft = draft_from_parameters(parameters, CONTEXT)
    document = draft_to_document(draft, lambda _: (-2.0, -1.0, 0.0, 1.0, 2.0), VOCABULARY, CONTEXT.timeframe)
    spec, _ = parse_strategy(document, VOCABULARY)
    assert len(compile_strategy(spec, VOCABULARY).rules) >= 1


@given(st.dictionaries(st.sampled_from(sorted(SPACE)), st.floats(0, 1, exclude_max=True)))
def test_every_corner_of_the_unit_cube_is_a_point_of_the_space(some: dict[str, float]) -> None:
    assert holds(SPACE, point_at(SPACE, {name: some.get(name, 1 - 2**-53) for name in SPACE}))


def test_a_log_coordinate_gives_each_octave_its_share() -> None:
    coordinate = Whole(2, 250, log=True)
    values = [coordinate.at((k + 0.5) / 1000) for k in range(1000)]
    assert (min(values), max(values)) == (2, 250)
    assert sum(value < 22 for value in values) == pytest.approx(500, abs=15)  # sqrt(2 * 251) = 22.4


def test_a_momentum_signal_with_a_gate_becomes_the_rules_one_would_write() -> None:
    parameters = point(
        n_features=2, role_1="signal_momentum", role_2="gate_not_high", sides="both", middle="none", strength_long=7, strength_short=3
    )
    gate = DraftCondition(feature=2, level="high", negated=True)
    assert draft_from_parameters(parameters, CONTEXT).rules == [
        DraftRule(
            join="and",
            conditions=[DraftCondition(feature=1, level="high", negated=False), gate],
            direction="long",
            strength_tenths=7,
        ),
        DraftRule(
            join="and",
            conditions=[DraftCondition(feature=1, level="low", negated=False), gate],
            direction="short",
            strength_tenths=3,
        ),
    ]


def test_what_a_point_does_not_use_changes_nothing() -> None:
    one = draft_from_parameters(point(n_features=1, use_stop=False), CONTEXT)
    other = draft_from_parameters(point(n_features=1, use_stop=False, indicator_3="rsi", stop_atr_tenths=50), CONTEXT)
    assert one == other
    assert one.stop_atr_tenths == 0


def test_a_draft_that_a_model_wrote_lands_near() -> None:
    parameters = point(n_features=2, indicator_1="roc", indicator_2="rsi", role_1="signal_momentum", role_2="gate_low", sides="long")
    draft = draft_from_parameters(parameters, CONTEXT)
    flipped = [rule.model_copy(update={"conditions": list(reversed(rule.conditions)), "join": "or"}) for rule in draft.rules]
    back = parameters_from_draft(draft.model_copy(update={"rules": flipped, "long_above_hundredths": 13}), CONTEXT)
    assert back is not None
    assert (back["indicator_1"], back["role_1"]) == ("rsi", "signal_reversion")
    assert (back["indicator_2"], back["role_2"]) == ("roc", "gate_high")
    assert back["long_threshold"] == 3


@pytest.mark.parametrize("changes", [{"instruments": ["DAX"]}, {"rules": [SHORT_ONLY]}])
def test_a_draft_without_counterpart_has_no_point(changes: dict[str, object]) -> None:
    draft = draft_from_parameters(point(n_features=1), CONTEXT)
    assert parameters_from_draft(draft.model_copy(update=changes), CONTEXT) is None


def test_points_of_another_vocabulary_are_not_held() -> None:
    smaller = design_context(vocabulary={"rsi": CONTEXT.vocabulary["rsi"]})
    assert not holds(search_space(smaller), point(indicator_1="roc"))
    assert not holds(SPACE, {**point(), "n_features": True})


def test_indicators_of_volume_are_left_out_where_there_is_none() -> None:
    without = search_space(design_context(has_volume=False))["indicator_1"]
    everything = SPACE["indicator_1"]
    assert isinstance(without, OneOf)
    assert isinstance(everything, OneOf)
    assert set(everything.options) - set(without.options) == {"cmf", "mfi", "obv", "volume_ratio"}


def test_nothing_to_design_with_is_an_error() -> None:
    with pytest.raises(NotFoundError):
        search_space(design_context(vocabulary={}))
    with pytest.raises(NotFoundError):
        search_space(design_context(instruments=()))


def test_predictions_are_the_base_rates_of_what_is_known() -> None:
    draft = draft_from_parameters(point(), CONTEXT)
    assert base_rates([]) == (0, 5)
    known = [TrialOutcome(draft, {}, excess, verdict) for excess, verdict in ((0.4, "shortlist"), (-0.2, "reject"), (None, "reject"))]
    assert base_rates(known) == (10, 12)  # median of 0.4 and -0.2; (1 + 0.5) / (3 + 10) = 11.5 %
    later = draft_from_parameters(point(), design_context(history=tuple(known)))
    assert (later.prediction_excess_sharpe_hundredths, later.prediction_pass_percent) == (10, 12)
    assert behaviour_of(later) == behaviour_of(draft)
