from __future__ import annotations

import copy
from typing import Any

import pytest

from nullalpha.core.errors import Issue
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.document import load_document
from nullalpha.strategy.lint import lint
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

Json = dict[str, Any]


@pytest.fixture
def tidy(example: str) -> Json:
    """The example without what its rules do not use."""
    document: Json = load_document(example)
    for section, name in (("features", "slow"), ("features", "vol"), ("sets", "vol")):
        del document[section][name]
    del document["sets"]["trend"]["down"]
    return document


def warnings(document: Json, vocabulary: Vocabulary, **numbers: int) -> list[Issue]:
    spec, _ = parse_strategy(document, vocabulary)
    return lint(spec, compile_strategy(spec, vocabulary), vocabulary, **numbers)


def change(document: Json, path: str, value: object) -> Json:
    changed = copy.deepcopy(document)
    place: Any = changed
    *parents, last = path.split(".")
    for part in parents:
        place = place[part]
    place[last] = value
    return changed


def test_a_tidy_strategy_gets_no_warning(tidy: Json, vocabulary: Vocabulary) -> None:
    assert warnings(tidy, vocabulary) == []


@pytest.mark.parametrize(
    ("path", "value", "where", "code"),
    [
        ("features.extra", {"indicator": "roc"}, "features.extra", "unused_feature"),
        ("sets.rsi.mid", {"gaussian": [50, 8]}, "sets.rsi.mid", "unused_set"),
        ("labels.barrier", 2.0, "labels.barrier", "ignored"),
        ("decision.sizing.size", 0.5, "decision.sizing.size", "ignored"),
        ("decision.sizing", {"kind": "fixed", "annual": 0.2}, "decision.sizing.annual", "ignored"),
        ("features.rsi", {"indicator": "atr"}, "features.rsi", "absolute_level"),
        ("features.rsi", {"indicator": "obv"}, "features.rsi", "absolute_level"),
        ("sets.rsi.low", {"gaussian": [160, 8]}, "sets.rsi.low", "dead_set"),
        ("sets.rsi.low", {"triangle": [-9, -5, -1]}, "sets.rsi.low", "dead_set"),
        ("sets.rsi.low", {"sigmoid": [150, 1]}, "sets.rsi.low", "dead_set"),
        ("decision.exits.stop_loss", {"atr": 30}, "decision.exits.stop_loss", "exit_rarely_binds"),
        ("decision.exits.max_bars", 3, "decision.exits.max_bars", "horizon_mismatch"),
    ],
)
def test_each_doubt_is_told_at_its_place_with_a_fix(
    path: str, value: object, where: str, code: str, tidy: Json, vocabulary: Vocabulary
) -> None:
    (issue,) = warnings(change(tidy, path, value), vocabulary)
    assert (issue.path, issue.code) == (where, code)
    assert issue.message
    assert issue.suggestion


def test_a_z_score_takes_the_drift_out_of_a_price(tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "features.rsi", {"indicator": "atr", "transform": {"zscore": 250}})
    document["sets"]["rsi"] = {"low": {"gaussian": [-1, 1]}, "high": {"gaussian": [1, 1]}}
    assert warnings(document, vocabulary) == []
    assert [i.code for i in warnings(change(document, "sets.rsi.low", {"gaussian": [40, 1]}), vocabulary)] == ["dead_set"]


def test_what_a_model_of_plain_rules_does_not_read_is_named(tidy: Json, vocabulary: Vocabulary) -> None:
    issues = warnings(change(tidy, "model.kind", "rules"), vocabulary)
    assert [(i.path, i.code) for i in issues] == [("model.trainable", "ignored"), ("labels", "ignored"), ("training", "ignored")]


@pytest.mark.parametrize(
    ("rules", "codes"),
    [
        (["if rsi is low and trend is up then long 1.0", "if trend is up and rsi is low then short 1.0"], ["contradicting_rules"]),
        (["if rsi is low and trend is up then long 1.0", "if trend is up and rsi is low then long 1.0"], ["duplicate_rule"]),
        (["if rsi is low and trend is up then long 1.0", "if trend is up and rsi is low then long 0.5"], []),
    ],
)
def test_rules_that_repeat_or_contradict_are_named(rules: list[str], codes: list[str], tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "model.rules", rules)
    del document["sets"]["rsi"]["high"]
    assert [issue.code for issue in warnings(document, vocabulary)] == codes


@pytest.mark.parametrize(
    ("long_above", "short_below", "paths"),
    [
        (0.7, -0.4, []),
        (0.8, -0.4, ["decision.long_above"]),  # tanh(1) = 0.762
        (0.2, -0.5, ["decision.short_below"]),  # tanh(-0.5) = -0.462
        (None, -0.5, ["decision.short_below"]),
    ],
)
def test_a_side_that_plain_rules_can_never_reach_is_named(
    long_above: float | None, short_below: float, paths: list[str], tidy: Json, vocabulary: Vocabulary
) -> None:
    document = change(change(tidy, "decision.long_above", long_above), "decision.short_below", short_below)
    document["model"] = {"kind": "rules", "rules": document["model"]["rules"]}
    del document["labels"], document["training"]
    issues = warnings(document, vocabulary)
    assert [issue.path for issue in issues] == paths
    assert all(issue.code == "dead_side" for issue in issues)


def test_a_warm_up_longer_than_a_fold_is_named(tidy: Json, vocabulary: Vocabulary) -> None:
    assert warnings(tidy, vocabulary, max_warmup_bars=200) == []
    assert [issue.code for issue in warnings(tidy, vocabulary, max_warmup_bars=199)] == ["long_warmup"]


def test_parameters_are_held_against_independent_samples(tidy: Json, vocabulary: Vocabulary) -> None:
    # 12 parameters need 120 samples of 5 bars each
    assert warnings(tidy, vocabulary, n_training_bars=600) == []
    (issue,) = warnings(tidy, vocabulary, n_training_bars=599)
    assert (issue.code, issue.value) == ("complexity", "12")
