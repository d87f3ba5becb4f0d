"""Models of every kind: what they need, what they compile to, and what makes two of them the same."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from nullalpha.core.errors import SpecError
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.document import load_document
from nullalpha.strategy.explain import explain
from nullalpha.strategy.network_size import network_parameters
from nullalpha.strategy.plan import LabelPlan, NetworkPlan, Plan
from nullalpha.strategy.structure import likeness, structure_of
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

Json = dict[str, Any]
LOW = {"kind": "anfis", "rules": ["if rsi is low then long 1.0"]}
HIGH = {"kind": "rules", "rules": ["if rsi is high then short 1.0"]}
CALM = {"kind": "rules", "rules": ["if vol is calm then long 1.0"]}


@pytest.fixture
def document(example: str) -> Json:
    return load_document(example)


def plan_of(document: Json, vocabulary: Vocabulary) -> Plan:
    spec, _ = parse_strategy(document, vocabulary)
    return compile_strategy(spec, vocabulary)


def with_model(document: Json, model: Json) -> Json:
    return {**deepcopy(document), "model": deepcopy(model)}


def routed(above: str = "trend", below: str = "revert", **router: Any) -> Json:
    members = {"revert": LOW, "trend": HIGH}
    return {"kind": "ensemble", "members": members, "router": {"model": CALM, "above": above, "below": below, **router}}


def codes_of(document: Json, vocabulary: Vocabulary) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        parse_strategy(document, vocabulary)
    return [(issue.path, issue.code) for issue in caught.value.issues]


def test_a_network_reads_every_set_in_canonical_order_or_those_that_are_named(document: Json, vocabulary: Vocabulary) -> None:
    plan = plan_of(with_model(document, {"kind": "fuzzy_mlp"}), vocabulary)
    assert {(plan.features[s.feature].name, s.name) for s in plan.sets} == {
        ("rsi", "low"), ("rsi", "high"), ("trend", "down"), ("trend", "up"), ("vol", "calm"), ("vol", "wild"),
    }  # fmt: skip
    assert (plan.rules, plan.trainable, plan.network) == ((), ("network",), NetworkPlan((16,), 1, 0.0))
    assert plan.n_parameters == network_parameters("fuzzy_mlp", 6, NetworkPlan((16,), 1, 0.0)) == 6 * 16 + 16 + 16 + 1
    named = plan_of(with_model(document, {"kind": "fuzzy_mlp", "inputs": ["vol.wild", "rsi.low"]}), vocabulary)
    assert [named.features[s.feature].name + "." + s.name for s in named.sets] in (["rsi.low", "vol.wild"], ["vol.wild", "rsi.low"])
    swapped = plan_of(with_model(document, {"kind": "fuzzy_mlp", "inputs": ["rsi.low", "vol.wild"]}), vocabulary)
    assert swapped.fingerprint == named.fingerprint != plan.fingerprint


def test_a_recurrent_network_warms_up_over_its_lookback(document: Json, vocabulary: Vocabulary) -> None:
    short = plan_of(with_model(document, {"kind": "fuzzy_mlp"}), vocabulary)
    long = plan_of(with_model(document, {"kind": "fuzzy_gru", "lookback": 30, "hidden": [8, 4], "dropout": 0.1}), vocabulary)
    assert long.network == NetworkPlan((8, 4), 30, 0.1)
    assert long.warmup_bars == short.warmup_bars + 29
    assert long.lookback == 30


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"kind": "anfis"}, ("model", "missing_part")),
        ({"kind": "ensemble"}, ("model", "missing_part")),
        ({"kind": "rules", "rules": ["if rsi is low then long 1"], "hidden": [4]}, ("model", "foreign_part")),
        ({"kind": "fuzzy_mlp", "rules": ["if rsi is low then long 1"]}, ("model", "foreign_part")),
        ({"kind": "fuzzy_mlp", "trainable": ["consequents"]}, ("model", "trainable")),
        ({"kind": "fuzzy_mlp", "trainable": ["sets"]}, ("model", "trainable")),
        ({"kind": "fuzzy_mlp", "inputs": ["rsi.lo"]}, ("model.inputs.0", "unknown_set")),
        ({"kind": "fuzzy_mlp", "hidden": [1]}, ("model.hidden.0", "out_of_range")),
        (routed(above="trand"), ("model", "router_member")),
        ({"kind": "ensemble", "members": {"router": LOW, "other": HIGH}}, ("model", "reserved_name")),
        (routed(above="revert"), ("model", "router_member")),
        (routed(labels={"kind": "forward_return"}) | {}, None),
        (
            {"kind": "ensemble", "members": {"a": LOW, "b": {"kind": "rules", "rules": ["if rsi is lw then long 1"]}}},
            ("model.members.b.rules.0", "unknown_set"),
        ),
    ],
)
def test_a_model_has_the_parts_of_its_kind_and_no_others(
    model: Json, expected: tuple[str, str] | None, document: Json, vocabulary: Vocabulary
) -> None:
    if expected is None:
        parse_strategy(with_model(document, model), vocabulary)  # rules learn nothing, so their label does not matter
    else:
        assert codes_of(with_model(document, model), vocabulary) == [expected]


def test_a_router_that_learns_learns_a_regime(document: Json, vocabulary: Vocabulary) -> None:
    model = routed(labels={"kind": "forward_return"})
    model["router"]["model"] = {"kind": "fuzzy_mlp"}
    assert codes_of(with_model(document, model), vocabulary) == [("model.router.labels.kind", "router_label")]


def test_labels_of_a_router_that_name_no_kind_are_of_a_regime(document: Json, vocabulary: Vocabulary) -> None:
    model = routed(labels={"horizon": 9, "of": "volatility"})
    model["router"]["model"] = {"kind": "fuzzy_mlp"}
    plan = plan_of(with_model(document, model), vocabulary)
    assert plan.router is not None
    assert plan.router.regime.plan.labels == LabelPlan("regime", 9, 60, regime_of="volatility")
    model["router"]["labels"]["kind"] = "regime"
    assert plan_of(with_model(document, model), vocabulary).fingerprint == plan.fingerprint


def test_a_member_nobody_asks_is_refused(document: Json, vocabulary: Vocabulary) -> None:
    model = routed()
    model["members"]["third"] = LOW
    assert codes_of(with_model(document, model), vocabulary) == [("model", "unrouted_member")]


def test_an_ensemble_is_its_members_on_joint_features(document: Json, vocabulary: Vocabulary) -> None:
    plan = plan_of(with_model(document, routed(threshold=0.1, softness=0.5, labels={"kind": "regime", "of": "volatility"})), vocabulary)
    assert plan.model == "ensemble"
    assert (plan.sets, plan.rules, plan.trainable) == ((), (), ())
    router = plan.router
    assert router is not None
    members = {member.name: member for member in plan.members}
    assert plan.members[router.above].name == "trend"
    assert plan.members[router.below].name == "revert"
    for member in (*plan.members, router.regime):
        assert tuple(plan.features[column] for column in member.columns) == member.plan.features
    assert {feature.name for feature in plan.features} == {"rsi", "vol"}
    assert plan.n_parameters == members["revert"].plan.n_parameters == 2 + 2
    assert router.regime.plan.labels == LabelPlan("forward_return", 5, 60)  # rules learn nothing: no label of theirs counts


def test_an_ensembles_fingerprint_keeps_through_renaming_and_changes_with_the_routing(document: Json, vocabulary: Vocabulary) -> None:
    first = plan_of(with_model(document, routed()), vocabulary).fingerprint
    renamed = {"kind": "ensemble", "members": {"b": HIGH, "a": LOW}, "router": {"model": CALM, "above": "b", "below": "a"}}
    assert plan_of(with_model(document, renamed), vocabulary).fingerprint == first
    assert plan_of(with_model(document, routed(above="revert", below="trend")), vocabulary).fingerprint != first
    assert plan_of(with_model(document, routed(threshold=0.2)), vocabulary).fingerprint != first
    unrouted = {"kind": "ensemble", "members": {"a": LOW, "b": HIGH}}
    assert plan_of(with_model(document, unrouted), vocabulary).fingerprint != first


def test_equal_members_on_both_sides_still_have_sides(document: Json, vocabulary: Vocabulary) -> None:
    model = {"kind": "ensemble", "members": {"a": LOW, "b": LOW}, "router": {"model": CALM, "above": "a", "below": "b"}}
    swapped = {"kind": "ensemble", "members": {"a": LOW, "b": LOW}, "router": {"model": CALM, "above": "b", "below": "a"}}
    one, other = (plan_of(with_model(document, m), vocabulary) for m in (model, swapped))
    assert one.fingerprint == other.fingerprint


def test_a_negated_conjunction_is_the_disjunction_of_negations(document: Json, vocabulary: Vocabulary) -> None:
    def fingerprint(rule: str) -> str:
        return plan_of(with_model(document, {"kind": "rules", "rules": [rule]}), vocabulary).fingerprint

    one = fingerprint("if not (rsi is low and vol is calm) then long 1.0")
    assert one == fingerprint("if vol is not calm or rsi is not low then long 1.0")
    assert one != fingerprint("if rsi is not low and vol is not calm then long 1.0")
    assert fingerprint("if not not rsi is low then long 1.0") == fingerprint("if rsi is low then long 1.00")


def test_a_rules_weight_is_part_of_it_unless_it_is_one(document: Json, vocabulary: Vocabulary) -> None:
    def plan(rule: str) -> Plan:
        return plan_of(with_model(document, {"kind": "rules", "rules": [rule]}), vocabulary)

    plain, one, half = (plan(f"if rsi is low then long 1.0{weight}") for weight in ("", " weight 1", " weight 0.5"))
    assert plain.fingerprint == one.fingerprint != half.fingerprint
    assert half.rules[0].weight == 0.5


def test_exits_that_equal_the_entries_change_nothing(document: Json, vocabulary: Vocabulary) -> None:
    before = plan_of(document, vocabulary)
    document["decision"] |= {"long_exit_below": 0.2, "short_exit_above": -0.4, "separation": 1}
    assert plan_of(document, vocabulary).fingerprint == before.fingerprint
    document["decision"]["long_exit_below"] = 0.1
    assert plan_of(document, vocabulary).fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        ({"long_above": 0.2, "long_exit_below": 0.3}, "exit_beyond_entry"),
        ({"short_below": -0.2, "short_exit_above": -0.3}, "exit_beyond_entry"),
        ({"long_above": 0.2, "short_exit_above": 0.1}, "exit_without_entry"),
    ],
)
def test_a_position_does_not_end_before_it_begins(decision: Json, code: str, document: Json, vocabulary: Vocabulary) -> None:
    assert codes_of({**document, "decision": decision}, vocabulary) == [("decision", code)]


def test_kelly_needs_a_predicted_return(document: Json, vocabulary: Vocabulary) -> None:
    document["decision"]["sizing"] = {"kind": "kelly", "fraction": 0.5}
    sizing = plan_of(document, vocabulary).decision.sizing
    assert (sizing.kind, sizing.kelly_fraction, sizing.max_leverage, sizing.horizon_bars) == ("kelly", 0.5, 1.0, 5)
    refused = [("decision.sizing.kind", "kelly_without_forecast")]
    assert codes_of({**document, "labels": {"kind": "zigzag"}}, vocabulary) == refused
    assert codes_of(with_model(document, {"kind": "rules", "rules": ["if rsi is low then long 1"]}), vocabulary) == refused
    untrained = {**LOW, "trainable": []}
    assert codes_of(with_model(document, untrained), vocabulary) == refused
    members = {"kind": "ensemble", "members": {"one": LOW, "two": untrained}}
    assert codes_of(with_model(document, members), vocabulary) == refused
    for loss in ("cross_entropy", "focal", "utility"):
        assert codes_of({**document, "training": {"loss": loss}}, vocabulary) == refused
    assert plan_of({**document, "training": {"loss": "mse"}}, vocabulary).decision.sizing == sizing


def test_every_kind_of_model_has_words(document: Json, vocabulary: Vocabulary) -> None:
    gru = plan_of(with_model(document, {"kind": "fuzzy_gru", "hidden": [8, 4]}), vocabulary)
    assert "a recurrent network (GRU) with 8 and 4 hidden units, which reads how far each of 6 sets holds over the last 20 bars" in explain(
        gru, vocabulary
    )
    words = explain(plan_of(with_model(document, routed()), vocabulary), vocabulary)
    assert (
        "It asks trend where the regime model's signal (-1 to 1) is above 0 and revert below; one gives way to the other gradually" in words
    )
    assert "Member revert. It reasons by these rules" in words


def test_likeness_orders_strategies_by_what_they_do(document: Json, vocabulary: Vocabulary) -> None:
    def structure(change: Json) -> dict[str, float]:
        return structure_of(plan_of({**deepcopy(document), **change}, vocabulary))

    own = structure({})
    features = deepcopy(document["features"])
    features["rsi"]["period"] = 15
    near = structure({"features": features, "name": "other", "hypothesis": "another"})
    farther = structure({"model": {"kind": "fuzzy_mlp"}})
    other = structure({"model": {"kind": "rules", "rules": ["if slow is up then long 1.0"]}, "sets": {"slow": {"up": {"sigmoid": [0, 9]}}}})
    assert likeness(own, own) == pytest.approx(1.0)
    assert likeness(own, near) > likeness(own, farther) > likeness(own, other) > 0
    assert likeness(own, near) == likeness(near, own)
    assert likeness(own, {}) == 0.0
