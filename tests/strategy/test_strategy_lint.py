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


@pytest.mark.parametrize(
    ("rules", "long_above", "most"),
    [
        (["if rsi is low then long 0.5", "if trend is up then long 0.5"], 0.5, 0.462),  # tanh 0.5: a mean of both, not their sum
        (["if rsi is low then long 1.0 weight 0.5"], 0.5, 0.462),  # at most half of the say is the rule's, half is "else flat"
        (["if rsi is low then long 1.0 weight 0.5", "if trend is up then long 1.0 weight 0.5"], 0.7, 0.664),  # tanh(1 / 1.25)
        (["if rsi is low then short 1.0"], 0.0, 0.0),
    ],
)
def test_a_signal_is_bounded_by_a_weighted_mean_of_what_rules_answer(
    rules: list[str], long_above: float, most: float, tidy: Json, vocabulary: Vocabulary
) -> None:
    document = tidy | {"model": {"kind": "rules", "rules": rules}, "decision": {"long_above": long_above}}
    issues = [issue for issue in warnings(document, vocabulary) if issue.code == "dead_side"]
    assert [issue.message for issue in issues] == [f"the signal never exceeds {most:g}, so it never goes above {long_above:g}"]
    document["decision"] = {"long_above": most - 0.001}
    assert not [issue for issue in warnings(document, vocabulary) if issue.code == "dead_side"]


def test_an_anfis_whose_answers_stand_is_never_flat(tidy: Json, vocabulary: Vocabulary) -> None:
    model = {"kind": "anfis", "rules": ["if rsi is low then long 0.5", "if rsi is high then long 1.0"], "trainable": ["sets"]}
    document = change(tidy, "model", model) | {"decision": {"long_above": 0.76, "short_below": 0.46}}
    issues = [issue for issue in warnings(document, vocabulary) if issue.code == "dead_side"]
    assert [issue.path for issue in issues] == ["decision.short_below"]  # the signal is between tanh 0.5 = 0.462 and tanh 1 = 0.762


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"gaussian": [20, 5]}, {"gaussian": [80, 5]}),
        ({"triangle": [0, 10, 40]}, {"trapezoid": [60, 70, 90, 100]}),
        ({"sigmoid": [40, -1]}, {"sigmoid": [60, 1]}),
        ({"bell": [20, 2, 4]}, {"triangle": [60, 70, 80]}),
    ],
)
def test_a_rule_that_asks_for_two_sets_that_never_meet_is_dead(low: Json, high: Json, tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "sets.rsi", {"low": low, "high": high})
    document["model"]["rules"] = ["if rsi is low and (trend is up and rsi is high) then long 1.0", "if rsi is low then short 0.5"]
    (issue,) = warnings(document, vocabulary)
    assert (issue.path, issue.code, issue.value) == ("model.rules", "dead_rule", document["model"]["rules"][0])
    assert issue.message.startswith("rsi is never both")
    document["model"]["rules"][0] = "if rsi is low and trend is up or rsi is high then long 1.0"
    assert warnings(document, vocabulary) == []


def test_a_denial_asks_for_no_set_so_it_kills_no_rule(tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "model.rules", ["if rsi is low and not rsi is high then long 1.0", "if trend is up then short 0.5"])
    assert warnings(document, vocabulary) == []


def test_the_only_rule_of_an_anfis_has_nothing_to_be_weighed_against(tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "model.rules", ["if rsi is low and rsi is high and trend is up then long 1.0"])
    document["sets"]["rsi"] = {"low": {"gaussian": [40, 20]}, "high": {"gaussian": [60, 20]}}
    (issue,) = warnings(document, vocabulary)
    assert (issue.path, issue.code) == ("model.rules", "lone_rule")
    document = change(document, "model", {"kind": "rules", "rules": document["model"]["rules"]}) | {"decision": {"long_above": 0.2}}
    assert [issue.code for issue in warnings(document, vocabulary)] == ["ignored", "ignored"]  # labels and training, but the rule counts


def test_what_depends_on_where_the_bars_begin_is_named_wherever_it_stands(tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "features.trend", {"indicator": "zscore", "input": "line"})
    document["features"]["line"] = {"indicator": "supertrend"}
    (issue,) = warnings(document, vocabulary)
    assert (issue.path, issue.code, issue.value) == ("features.line", "unstable_indicator", "supertrend")


def test_a_feature_that_another_reads_is_used(tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "features.trend", {"indicator": "mean", "input": "change"})
    document["features"]["change"] = {"indicator": "roc"}
    assert warnings(document, vocabulary) == []


@pytest.mark.parametrize(
    ("feature", "low", "where"),
    [
        ({"indicator": "aroon"}, {"gaussian": [1.5, 0.1]}, "from -1 to 1"),
        ({"indicator": "zscore"}, {"gaussian": [-20, 2]}, "from -12 to 12"),
        ({"indicator": "mean", "input": "other"}, {"bell": [150, 5, 4]}, "from 0 to 100"),  # its input's unit
        ({"indicator": "corr"}, {"triangle": [-5, -4, -3]}, "from -1 to 1"),
    ],
)
def test_a_set_beyond_what_its_feature_can_be_is_dead(feature: Json, low: Json, where: str, tidy: Json, vocabulary: Vocabulary) -> None:
    document = change(tidy, "features.rsi", feature)
    document["features"]["other"] = {"indicator": "rsi"}
    document["sets"]["rsi"] = {"low": low, "high": {"gaussian": [0.5, 3]}}
    (issue,) = [issue for issue in warnings(document, vocabulary) if issue.code == "dead_set"]
    assert issue.path == "sets.rsi.low"
    assert where in issue.message


def test_many_computations_are_many_choices(tidy: Json, vocabulary: Vocabulary) -> None:
    transforms = [{"mean": 2}, {"mean": 3}, {"mean": 4}, {"mean": 5}]
    features = {f"f{i}": {"indicator": "roc", "period": 2 + i, "transform": transforms} for i in range(5)}  # 5 nodes each
    model = {"kind": "fuzzy_mlp"}
    document = tidy | {"features": features, "sets": {name: {"low": {"gaussian": [0, 1]}} for name in features}, "model": model}
    (issue,) = warnings(document, vocabulary)
    assert (issue.path, issue.code, issue.value) == ("features", "complexity", "25")
    del document["features"]["f0"], document["sets"]["f0"]
    assert warnings(document, vocabulary) == []


@pytest.fixture
def ensemble(tidy: Json) -> Json:
    """Two members and a regime model, with nothing to complain of."""
    members = {
        "first": {"kind": "anfis", "rules": tidy["model"]["rules"]},
        "second": {"kind": "fuzzy_mlp"},
    }
    router = {"model": {"kind": "fuzzy_gru", "inputs": ["trend.up"]}, "above": "first", "below": "second"}
    return change(tidy, "model", {"kind": "ensemble", "members": members, "router": router})


RULE = {"kind": "rules", "rules": ["if rsi is low and trend is up then long 1.0"]}


@pytest.mark.parametrize(
    ("path", "value", "where", "code"),
    [
        ("model.members.first", RULE | {"trainable": ["sets"]}, "model.members.first.trainable", "ignored"),
        ("model.router.labels", {"barrier": 2.0}, "model.router.labels.barrier", "ignored"),
        ("model.members.first.rules", ["if rsi is low then long 1.0"] * 2, "model.rules", "duplicate_rule"),
        (
            "model.members.first.rules",
            ["if rsi is low then long 1.0", "if rsi is low then short 1.0"],
            "model.rules",
            "contradicting_rules",
        ),
        ("model.members.first.rules", ["if rsi is low then long 1.0"], "model.rules", "lone_rule"),
        ("sets.rsi.low", {"gaussian": [400, 8]}, "sets.rsi.low", "dead_set"),
    ],
)
def test_doubts_about_a_member_are_told(path: str, value: object, where: str, code: str, ensemble: Json, vocabulary: Vocabulary) -> None:
    assert warnings(ensemble, vocabulary) == []
    (issue,) = warnings(change(ensemble, path, value), vocabulary)
    assert (issue.path, issue.code) == (where, code)


def test_labels_that_no_member_learns_from_are_named_though_the_regime_model_trains(ensemble: Json, vocabulary: Vocabulary) -> None:
    ensemble["model"]["members"] = {"first": RULE, "second": {"kind": "rules", "rules": ["if rsi is high then short 1.0"]}}
    assert [issue.path for issue in warnings(ensemble, vocabulary)] == ["labels"]
    ensemble["model"]["router"] |= {"model": RULE, "labels": {"horizon": 10}}
    assert [issue.path for issue in warnings(ensemble, vocabulary)] == ["labels", "training", "model.router.labels"]


def test_a_set_that_only_the_regime_model_reads_is_used(ensemble: Json, vocabulary: Vocabulary) -> None:
    ensemble["model"]["members"]["second"] = {"kind": "fuzzy_mlp", "inputs": ["rsi.low"]}
    assert warnings(ensemble, vocabulary) == []
    ensemble["sets"]["trend"]["flat"] = {"gaussian": [0, 0.01]}
    assert [(i.path, i.code) for i in warnings(ensemble, vocabulary)] == [("sets.trend.flat", "unused_set")]
    ensemble["model"]["router"]["model"]["inputs"] = ["trend.flat"]
    assert warnings(ensemble, vocabulary) == []


@pytest.mark.parametrize(
    "sizing", [{"kind": "kelly", "annual": 0.2}, {"kind": "kelly", "size": 0.5}, {"kind": "kelly", "volatility_bars": 30}]
)
def test_what_kelly_sizing_does_not_read_is_named(sizing: Json, tidy: Json, vocabulary: Vocabulary) -> None:
    (issue,) = warnings(change(tidy, "decision.sizing", sizing), vocabulary)
    assert (issue.path, issue.code) == (f"decision.sizing.{list(sizing)[1]}", "ignored")


@pytest.mark.parametrize(("kind", "foreign"), [("regime", "barrier"), ("triple_barrier", "of"), ("zigzag", "of"), ("forward_return", "of")])
def test_what_a_label_does_not_read_is_named(kind: str, foreign: str, tidy: Json, vocabulary: Vocabulary) -> None:
    own = {"barrier": 2.0, "of": "volatility"}
    whole = {"kind": kind, "horizon": 5, **{name: value for name, value in own.items() if name != foreign}}
    expected = [] if kind != "forward_return" else ["labels.barrier"]
    assert [issue.path for issue in warnings(change(tidy, "labels", whole), vocabulary)] == expected
    both = warnings(change(tidy, "labels", whole | {foreign: own[foreign]}), vocabulary)
    assert {issue.path for issue in both} == {*expected, f"labels.{foreign}"}


def test_a_warm_up_longer_than_a_fold_is_named(tidy: Json, vocabulary: Vocabulary) -> None:
    assert warnings(tidy, vocabulary, max_warmup_bars=200) == []
    assert [issue.code for issue in warnings(tidy, vocabulary, max_warmup_bars=199)] == ["long_warmup"]


def test_parameters_are_held_against_independent_samples(tidy: Json, vocabulary: Vocabulary) -> None:
    # 12 parameters need 120 samples of 5 bars each
    assert warnings(tidy, vocabulary, n_training_bars=600) == []
    (issue,) = warnings(tidy, vocabulary, n_training_bars=599)
    assert (issue.code, issue.value) == ("complexity", "12")
