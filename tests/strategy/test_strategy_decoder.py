"""The schema for constrained decoding: what it admits is valid, what it uses a grammar can hold, and a real decoder keeps to it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import xllamacpp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import UsageError
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.strategy.decoder import decoder_schema
from nullalpha.strategy.schema import strategy_json_schema
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary
from tests.support.tiny_model import TinyModel, tiny_model_server

SCHEMA = decoder_schema(VOCABULARY, ("SPX", "NDX", "EURUSD"), "1h")
WHOLE = jsonschema.Draft202012Validator(strategy_json_schema(VOCABULARY))
HELD = {"type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "minimum", "maximum"}
HELD |= {"enum", "const", "anyOf", "$ref", "$defs", "pattern"}
N_SAMPLES = 16


def sampled(schema: Any) -> st.SearchStrategy[Any]:
    """Return values that a schema of these few words admits."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return st.deferred(lambda: sampled(SCHEMA["$defs"][name]))
    if "anyOf" in schema:
        return st.one_of([sampled(option) for option in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if schema["type"] == "string":
        return st.from_regex(schema["pattern"], fullmatch=True)
    if schema["type"] == "integer":
        return st.integers(schema["minimum"], schema["maximum"])
    if schema["type"] == "array":
        if "prefixItems" in schema:
            return st.tuples(*map(sampled, schema["prefixItems"])).map(list)
        return st.lists(sampled(schema["items"]), min_size=schema["minItems"], max_size=schema["maxItems"])
    if schema["type"] == "object":
        return st.fixed_dictionaries({name: sampled(value) for name, value in schema["properties"].items()})
    return st.none()


def parts(schema: Any) -> Iterator[Any]:
    """Yield every schema within a schema."""
    yield schema
    for name in ("anyOf", "prefixItems"):
        for inner in schema.get(name, ()):
            yield from parts(inner)
    for name in ("$defs", "properties"):
        for inner in schema.get(name, {}).values():
            yield from parts(inner)
    if "items" in schema:
        yield from parts(schema["items"])


@settings(deadline=None, database=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(sampled({"anyOf": SCHEMA["anyOf"]}))
def test_all_that_it_admits_is_a_valid_strategy(document: dict[str, Any]) -> None:
    spec, _ = parse_strategy(document, VOCABULARY)
    assert WHOLE.is_valid(document)
    assert spec.timeframe == "1h"
    assert set(spec.instruments) <= {"SPX", "NDX", "EURUSD"}


def test_it_says_only_what_a_grammar_can_hold() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for part in parts(SCHEMA):
        assert set(part) <= HELD
        kind = part.get("type")
        assert kind != "number"  # numbers that are not whole come from lists
        if kind == "integer":
            assert isinstance(part["minimum"], int)
            assert isinstance(part["maximum"], int)
            assert part["minimum"] <= part["maximum"]
        if kind == "array":
            assert part["maxItems"] >= part["minItems"] >= 1
        if kind == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == list(part["properties"])
        if kind == "string":
            assert part["pattern"][0] == "^"
            assert part["pattern"][-1] == "$"


def test_it_covers_every_kind_of_model_label_size_shape_and_indicator() -> None:
    said = json.dumps(SCHEMA)
    words = ["rules", "anfis", "fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm", "ensemble", "router", "bell", "sigmoid", "trapezoid", "triangle"]
    words += ["forward_return", "triple_barrier", "zigzag", "regime", "uniqueness", "cusum", "volatility_target", "kelly", "trailing_stop"]
    words += ["huber", "mse", "cross_entropy", "class_band", "balanced", "focal", "focal_gamma", "utility", "risk_aversion", "cosine"]
    words += ["long_exit_below", "short_exit_above", "separation", "timeframe", "transform", "input", *VOCABULARY]
    assert [word for word in words if f'"{word}"' not in said] == []


def test_llama_cpp_turns_it_into_a_grammar() -> None:
    assert "start" in xllamacpp.json_schema_to_grammar(json.dumps(SCHEMA))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyModel]:
    with tiny_model_server(tmp_path_factory.mktemp("tiny")) as served:
        yield served


def test_every_answer_of_a_random_model_held_to_it_is_a_valid_strategy(model: TinyModel) -> None:
    kinds = set()
    for seed in range(N_SAMPLES):
        text, reason = _decode(model, seed)
        assert reason == "stop"
        spec, _ = parse_strategy(text, VOCABULARY)
        kinds.add(spec.model.kind)
    assert len(kinds) > 1


def _decode(model: TinyModel, seed: int) -> tuple[str, str]:
    """Return what a model writes under the schema, and why it stopped."""
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Write a strategy."}],
        "max_tokens": 6000,
        "temperature": 1.0,
        "seed": seed,
        "response_format": {"type": "json_schema", "json_schema": {"name": "strategy", "schema": SCHEMA}},
    }
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{model.api_base}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as response:
        answer = json.load(response)["choices"][0]
    return answer["message"]["content"], answer["finish_reason"]


@pytest.mark.parametrize(
    ("vocabulary", "instruments", "timeframe"),
    [({}, ("SPX",), "1d"), (VOCABULARY, (), "1d"), (VOCABULARY, ("SPX",), "2h")],
    ids=["no indicator", "no instrument", "no such timeframe"],
)
def test_what_leaves_nothing_to_say_is_refused(vocabulary: Vocabulary, instruments: tuple[str, ...], timeframe: str) -> None:
    with pytest.raises(UsageError) as error:
        decoder_schema(vocabulary, instruments, timeframe)
    assert error.value.suggestion


def test_without_the_operator_that_standardises_only_bounded_indicators_are_said() -> None:
    few = {name: VOCABULARY[name] for name in ("rsi", "roc")}
    said = json.dumps(decoder_schema(few, ("SPX",)))
    assert '"rsi"' in said
    assert '"roc"' not in said
    assert '"z1"' not in said
