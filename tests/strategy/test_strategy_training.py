"""How a model learns, as the language says it: losses with their own parts, the learning rate's course, the clipping of gradients."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.compile import canonical_document, compile_strategy
from nullalpha.strategy.document import load_document
from nullalpha.strategy.explain import explain
from nullalpha.strategy.lint import lint
from nullalpha.strategy.plan import Plan, TrainingPlan
from nullalpha.strategy.schema import strategy_json_schema
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary
from nullalpha.strategy.yaml_form import to_yaml

Json = dict[str, Any]
LOW = {"kind": "anfis", "rules": ["if rsi is low then long 1.0", "if rsi is high then short 1.0"]}
WHOLE: list[Json] = [
    {"loss": "cross_entropy", "class_band": 0.25, "class_weights": "balanced"},
    {"loss": "focal", "class_band": 0.5, "class_weights": "none", "focal_gamma": 1.5, "schedule": "cosine"},
    {"loss": "utility", "risk_aversion": 0.2, "warmup_epochs": 5, "clip_norm": 0.5},
    {"epochs": 10, "loss": "mse", "schedule": "cosine", "warmup_epochs": 2, "clip_norm": 10.0},
]


@pytest.fixture
def document(example: str) -> Json:
    loaded: Json = load_document(example)
    del loaded["training"]
    return loaded


def plan_of(document: Json, vocabulary: Vocabulary, **training: Any) -> Plan:
    spec, _ = parse_strategy(document | {"training": training}, vocabulary)
    return compile_strategy(spec, vocabulary)


def issues_of(document: Json, vocabulary: Vocabulary) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        parse_strategy(document, vocabulary)
    assert all(issue.suggestion for issue in caught.value.issues)
    return [(issue.path, issue.code) for issue in caught.value.issues]


def doubts(document: Json, vocabulary: Vocabulary, **training: Any) -> list[Issue]:
    spec, _ = parse_strategy(document | {"training": training}, vocabulary)
    return [issue for issue in lint(spec, compile_strategy(spec, vocabulary), vocabulary) if issue.path.startswith("training.")]


def test_each_loss_has_its_own_numbers_and_those_of_no_other(document: Json, vocabulary: Vocabulary) -> None:
    plain = TrainingPlan(60, 512, 0.01, 8, "huber", 0.0, "none", 0.0, 0.0, "constant", 0, 1.0)
    assert plan_of(document, vocabulary).training == plain
    of_classes = plan_of(document, vocabulary, loss="cross_entropy", class_band=0.25, class_weights="balanced").training
    assert of_classes == TrainingPlan(60, 512, 0.01, 8, "cross_entropy", 0.25, "balanced")
    assert plan_of(document, vocabulary, loss="focal").training == TrainingPlan(60, 512, 0.01, 8, "focal", focal_gamma=2.0)
    assert plan_of(document, vocabulary, loss="utility").training == TrainingPlan(60, 512, 0.01, 8, "utility", risk_aversion=0.1)
    careless = plan_of(document, vocabulary, loss="utility", risk_aversion=0).training
    assert careless == TrainingPlan(60, 512, 0.01, 8, "utility", risk_aversion=0.0)
    stepped = plan_of(document, vocabulary, schedule="cosine", warmup_epochs=4, clip_norm=5).training
    assert (stepped.schedule, stepped.warmup_epochs, stepped.clip_norm) == ("cosine", 4, 5.0)


def test_what_is_as_it_is_by_default_is_no_part_of_the_canonical_document(document: Json, vocabulary: Vocabulary) -> None:
    assert canonical_document(plan_of(document, vocabulary))["training"] == [60, 512, 0.01, 8, "huber"]
    focal = plan_of(document, vocabulary, loss="focal", class_band=0.5, clip_norm=1.0, warmup_epochs=0, schedule="cosine")
    named = [["class_band", 0.5], ["focal_gamma", 2.0], ["schedule", "cosine"]]
    assert canonical_document(focal)["training"] == [60, 512, 0.01, 8, "focal", *named]
    written = {"loss": "focal", "class_band": 0.0, "class_weights": "none", "focal_gamma": 2.0, "schedule": "constant", "clip_norm": 1}
    assert plan_of(document, vocabulary, **written).fingerprint == plan_of(document, vocabulary, loss="focal").fingerprint


def test_every_number_of_a_loss_has_fingerprints_of_its_own(document: Json, vocabulary: Vocabulary) -> None:
    said: list[Json] = [{}, *WHOLE, *({"loss": loss} for loss in ("mse", "cross_entropy", "focal", "utility"))]
    said += [{"loss": "cross_entropy", "class_band": 0.5}, {"loss": "cross_entropy", "class_weights": "balanced"}]
    said += [{"loss": "focal", "focal_gamma": 2.5}, {"loss": "utility", "risk_aversion": 0}]
    said += [{"schedule": "cosine"}, {"warmup_epochs": 3}, {"clip_norm": 2.0}]
    assert len({plan_of(document, vocabulary, **training).fingerprint for training in said}) == len(said)


def test_rises_and_falls_that_never_happen_are_not_counted(document: Json, vocabulary: Vocabulary) -> None:
    def print_of(**training: Any) -> str:
        return plan_of(document, vocabulary, **training).fingerprint

    assert print_of(warmup_epochs=1) == print_of() != print_of(warmup_epochs=2)
    assert print_of(warmup_epochs=1, schedule="cosine") == print_of(schedule="cosine")
    assert print_of(epochs=1, schedule="cosine") == print_of(epochs=1)
    assert print_of(epochs=9, warmup_epochs=9, schedule="cosine") == print_of(epochs=9, warmup_epochs=9)
    assert print_of(epochs=10, warmup_epochs=9, schedule="cosine") != print_of(epochs=10, warmup_epochs=9)


def test_where_nothing_is_trained_no_loss_counts(document: Json, vocabulary: Vocabulary) -> None:
    document["model"] = LOW | {"kind": "rules"}
    plans = {plan_of(document, vocabulary, **training).fingerprint for training in ({}, *WHOLE)}
    assert len(plans) == 1
    assert plan_of(document | {"labels": {"kind": "zigzag"}}, vocabulary, loss="utility").training.loss == "huber"


@pytest.mark.parametrize("training", WHOLE, ids=lambda training: training["loss"])
def test_a_document_is_written_out_and_read_again_as_it_was(training: Json, document: Json, vocabulary: Vocabulary) -> None:
    whole = document | {"training": training}
    spec, _ = parse_strategy(whole, vocabulary)
    assert spec.to_document()["training"] == training
    assert load_document(to_yaml(spec.to_document()))["training"] == training
    assert parse_strategy(to_yaml(whole), vocabulary)[0] == spec
    jsonschema.Draft202012Validator(strategy_json_schema(vocabulary)).validate(whole)


def test_a_utility_is_earned_on_returns_alone(document: Json, vocabulary: Vocabulary) -> None:
    document["training"] = {"loss": "utility"}
    refused = [("training.loss", "utility_without_return")]
    for kind in ("forward_return", "triple_barrier"):
        parse_strategy(document | {"labels": {"kind": kind}}, vocabulary)
    for kind in ("zigzag", "regime"):
        assert issues_of(document | {"labels": {"kind": kind}}, vocabulary) == refused
    untrained = {"kind": "ensemble", "members": {"up": LOW | {"kind": "rules"}, "down": LOW | {"trainable": []}}}
    parse_strategy(document | {"labels": {"kind": "zigzag"}, "model": untrained}, vocabulary)
    members = {"up": LOW, "down": {"kind": "fuzzy_mlp"}}
    assert issues_of(document | {"labels": {"kind": "regime"}, "model": {"kind": "ensemble", "members": members}}, vocabulary) == refused


def test_the_regime_model_of_a_router_earns_no_utility(document: Json, vocabulary: Vocabulary) -> None:
    document["training"] = {"loss": "utility"}
    router = {"model": LOW, "above": "up", "below": "down"}
    routed = {"kind": "ensemble", "members": {"up": LOW, "down": {"kind": "fuzzy_mlp"}}, "router": router}
    assert issues_of(document | {"model": routed}, vocabulary) == [("training.loss", "utility_without_return")]
    parse_strategy(document | {"model": routed | {"router": router | {"model": LOW | {"kind": "rules"}}}}, vocabulary)


def test_a_band_that_leaves_one_class_is_doubted(document: Json, vocabulary: Vocabulary) -> None:
    def found(labels: Json, band: float) -> list[tuple[str, str]]:
        return [(i.path, i.code) for i in doubts(document | {"labels": labels}, vocabulary, loss="focal", class_band=band)]

    dead = [("training.class_band", "dead_classes")]
    assert found({"kind": "triple_barrier"}, 1) == found({"kind": "regime"}, 1.5) == dead
    assert found({"kind": "triple_barrier"}, 0.99) == found({"kind": "forward_return"}, 1.5) == []
    assert found({"kind": "regime", "of": "volatility"}, 1.5) == found({"kind": "zigzag"}, 2) == []


def test_a_warm_up_that_outlasts_training_is_doubted(document: Json, vocabulary: Vocabulary) -> None:
    (issue,) = doubts(document, vocabulary, epochs=20, warmup_epochs=21)
    assert (issue.path, issue.code, issue.suggestion) == ("training.warmup_epochs", "warmup_too_long", "2")
    assert doubts(document, vocabulary, epochs=20, warmup_epochs=20) == []
    assert doubts(document | {"model": LOW | {"kind": "rules"}}, vocabulary, epochs=20, warmup_epochs=21, schedule="cosine") == []


def test_a_rate_that_never_falls_is_told(document: Json, vocabulary: Vocabulary) -> None:
    (issue,) = doubts(document, vocabulary, epochs=20, warmup_epochs=20, schedule="cosine")
    assert (issue.path, issue.code, issue.value) == ("training.schedule", "ignored", "cosine")
    assert doubts(document, vocabulary, epochs=20, warmup_epochs=19, schedule="cosine") == []


@pytest.mark.parametrize(
    ("training", "words"),
    [
        (
            WHOLE[0],
            "to tell down, flat and up apart (within 0.25 of 0 is flat; each class has an equal say) in the return over the next 5 bars, "
            "in units of the volatility of the last 60 bars. Training makes at most 60 passes in batches of 512 (cross_entropy loss,",
        ),
        (
            WHOLE[1],
            "(within 0.5 of 0 is flat; what it already tells rightly counts less (gamma 1.5)) in the return over the next 5 bars, in "
            "units of the volatility of the last 60 bars. Training makes at most 60 passes in batches of 512 (focal loss, learning rate "
            "0.01) and stops after 8 passes without progress on held-out bars. The learning rate falls along half a cosine to a hund",
        ),
        ({"loss": "cross_entropy"}, "to tell down, flat and up apart (exactly 0 is flat) in the return"),
        (
            WHOLE[2],
            "to hold the position that earns most, net of costs, less 0.1 times its square, from the return over the next 5 bars, in units "
            "of the volatility of the last 60 bars.",
        ),
        (WHOLE[2], "The learning rate rises to that over the first 5 passes. Gradients are shortened to a norm of 0.5.\n"),
        (
            {"loss": "utility", "risk_aversion": 0},
            "that earns most, net of costs, from the return over the next 5 bars",
        ),
        (
            WHOLE[3],
            "rises to that over the first 2 passes. It falls along half a cosine to a hundredth. Gradients are shortened to a norm of 10",
        ),
    ],
)
def test_how_it_learns_reads_as_english(training: Json, words: str, document: Json, vocabulary: Vocabulary) -> None:
    assert words in explain(plan_of(document, vocabulary, **training), vocabulary)
