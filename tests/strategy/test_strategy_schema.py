from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest

from nullalpha.core.errors import SpecError
from nullalpha.strategy.document import load_document
from nullalpha.strategy.schema import strategy_json_schema
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary


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
        ("model.kind", "fuzzy_mlp"),
        ("model.rules", []),
        ("labels.horizon", 41),
        ("decision.sizing.kind", "kelly"),
        ("decision.exits.stop_loss", {}),
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
