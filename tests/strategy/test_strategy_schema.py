from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import SpecError
from nullalpha.engines.features.indicators.registry import VOCABULARY as REGISTRY
from nullalpha.strategy.document import load_document
from nullalpha.strategy.schema import strategy_json_schema
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary
from tests.support.strategies import documents, mutated

FULL = jsonschema.Draft202012Validator(strategy_json_schema(REGISTRY))


ROUTED: Any = {
    "kind": "ensemble",
    "members": {"up": {"kind": "fuzzy_mlp"}, "down": {"kind": "rules", "rules": ["if rsi is low then long 1.0"]}},
    "router": {"model": {"kind": "fuzzy_mlp", "hidden": [4]}, "above": "up", "below": "down"},
}


@pytest.fixture
def validator(vocabulary: Vocabulary) -> jsonschema.Draft202012Validator:
    schema = strategy_json_schema(vocabulary)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_example_of_the_language_fits_its_schema(example: str, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(load_document(example))


def test_indicators_are_an_enum(vocabulary: Vocabulary) -> None:
    schema = strategy_json_schema(vocabulary)
    assert schema["$defs"]["FeatureSpec"]["properties"]["indicator"]["enum"] == sorted(vocabulary)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extra", 1),
        ("nullalpha", 2),
        ("features.rsi.indicator", "rsj"),
        ("features.rsi.period", 101),
        ("features.rsi.slow", 20),
        ("features.rsi.output", "histogram"),
        ("features.Rsi", {"indicator": "rsi"}),
        ("features.then", {"indicator": "rsi"}),
        ("sets.rsi.Low", {"gaussian": [1, 2]}),
        ("sets.rsi.low", {}),
        ("sets.rsi.low", {"gaussian": [1, 2], "sigmoid": [1, 2]}),
        ("sets.rsi.low", {"gaussian": [1, 2, 3]}),
        ("sets.rsi.low", {"circle": [1, 2]}),
        ("features.rsi.timeframe", "2h"),
        ("features.rsi.of", "spx"),
        ("features.rsi.input", "close"),
        ("features.rsi.transform", {"rsi": 14}),
        ("features.rsi.transform", {"zscore": 1}),
        ("features.rsi.transform", {"log": 3}),
        ("features.rsi.transform", {"zscore": 250, "log": True}),
        ("features.rsi.transform", [{"zscore": 250}] * 5),
        ("features.rsi", {"indicator": "mean", "input": ["close", "volume"]}),
        ("features.rsi", {"indicator": "corr", "input": "close"}),
        ("sets.rsi.low", {"gaussian": [1, 0]}),
        ("sets.rsi.low", {"bell": [1, 2, 0.1]}),
        ("sets.rsi.low", {"sigmoid": [1, 0]}),
        ("instruments", ["SPX", "SPX"]),
        ("hypothesis", "  "),
        ("model.kind", "fuzzy_mlp"),
        ("model.hidden", [16]),
        ("model.rules", None),
        ("model.rules", []),
        ("model.trainable", ["network"]),
        ("model", {"kind": "fuzzy_gru", "lookback": 1}),
        ("model", {"kind": "fuzzy_mlp", "lookback": 10}),
        ("model", {"kind": "fuzzy_mlp", "trainable": ["sets"]}),
        ("model", {"kind": "fuzzy_mlp", "hidden": [300]}),
        ("model", {"kind": "ensemble"}),
        ("model", {"kind": "ensemble", "members": {"one": {"kind": "fuzzy_mlp"}}}),
        ("model", {"kind": "ensemble", "members": {"if": {"kind": "fuzzy_mlp"}, "b": {"kind": "fuzzy_mlp"}}}),
        ("model", {"kind": "ensemble", "members": {"a": {"kind": "ensemble"}, "b": {"kind": "fuzzy_mlp"}}}),
        ("model", ROUTED | {"router": {**ROUTED["router"], "labels": {"kind": "zigzag"}}}),
        ("model", ROUTED | {"router": {**ROUTED["router"], "softness": 3}}),
        ("labels.horizon", 41),
        ("labels.kind", "return"),
        ("labels.cusum", 0),
        ("labels.weights", "all"),
        ("training.class_band", 0.5),
        ("training", {"focal_gamma": 2}),
        ("training", {"loss": "cross_entropy", "class_band": 3}),
        ("training", {"loss": "cross_entropy", "risk_aversion": 1}),
        ("training", {"loss": "cross_entropy", "focal_gamma": 1}),
        ("training", {"loss": "focal", "focal_gamma": 9}),
        ("training", {"loss": "utility", "class_weights": "none"}),
        ("training.schedule", "linear"),
        ("training.warmup_epochs", 101),
        ("training.clip_norm", 0),
        ("decision.separation", 0),
        ("decision.sizing.kind", "all-in"),
        ("decision.sizing", {"kind": "kelly", "fraction": 2}),
        ("decision.exits.stop_loss", {}),
        ("decision.exits.stop_loss", {"atr": 2.0, "fraction": 0.1}),
        ("decision.exits.trailing_stop", {"atr": 0.01}),
        ("decision", {"exits": {}}),
        ("decision", {"short_below": -0.2, "long_exit_below": 0.0}),
    ],
)
def test_what_validation_refuses_the_schema_refuses_too(
    path: str, value: object, example: str, validator: jsonschema.Draft202012Validator, vocabulary: Vocabulary
) -> None:
    document: Any = copy.deepcopy(load_document(example))
    *parents, last = path.split(".")
    place = document
    for part in parents:
        place = place[part]
    place[last] = value
    assert not validator.is_valid(document)
    with pytest.raises(SpecError):
        parse_strategy(document, vocabulary)


def test_an_indicator_brings_its_own_parameters(example: str, validator: jsonschema.Draft202012Validator) -> None:
    document: Any = load_document(example)
    document["features"]["slow"] = {"indicator": "macd", "period": 12, "slow": 26, "signal": 9, "output": "histogram"}
    validator.validate(document)


def test_a_transform_and_an_input_may_be_one_or_a_list(example: str, validator: jsonschema.Draft202012Validator) -> None:
    document: Any = load_document(example)
    for transform in ({"zscore": 250}, [{"log": True}, {"zscore": 250}], None):
        for name in ("close", ["close"], None):
            document["features"]["slow"] = {"indicator": "mean", "input": name, "transform": transform}
            validator.validate(document)


@settings(deadline=None, database=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_schema_admits_all_that_is_valid(data: st.DataObject) -> None:
    document = data.draw(documents(REGISTRY))
    FULL.validate(document)
    changed = data.draw(mutated(document, most=1))
    try:
        parse_strategy(changed, REGISTRY)
    except SpecError:
        return
    FULL.validate(changed)
