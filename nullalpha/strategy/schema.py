"""The JSON Schema (2020-12) of strategy documents: for editors, for models, for tools. `decoder` has the one for constrained decoding.

It says everything that a schema can: closed keys, bounds, one shape a set, for each indicator its own parameters, outputs and inputs, for
each operator its parameter in a transform, for each kind of model its own parts. What rules and inputs name, the order of numbers and
other cross-references are for `nullalpha.strategy.validate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nullalpha.strategy.spec import (
    LOSS_ONLY_PARTS,
    LOSS_PARTS,
    MAX_BELL_SLOPE,
    MAX_SET_NUMBER,
    MIN_BELL_SLOPE,
    MIN_SET_WIDTH,
    MODEL_PARTS,
    RESERVED_WORDS,
    SHAPE_PARAMETERS,
    FeatureSpec,
    StrategySpec,
)
from nullalpha.strategy.timeframes import TIMEFRAMES
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter, Vocabulary

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RULE = "if FEATURE is SET and (not FEATURE is SET or FEATURE is SET) then long|short STRENGTH [weight WEIGHT], both above 0 and at most 1"
NULL = {"type": "null"}

JsonSchema = dict[str, Any]


def strategy_json_schema(vocabulary: Vocabulary) -> JsonSchema:
    """Return the schema of a strategy document whose indicators are those of the vocabulary."""
    schema = StrategySpec.model_json_schema()
    definitions = schema["$defs"]
    definitions["TransformSpec"] = _transform_schema(definitions["TransformSpec"], vocabulary)
    definitions["FeatureSpec"] = _feature_schema(definitions["FeatureSpec"], vocabulary)
    definitions["SetSpec"] |= {"minProperties": 1, "maxProperties": 1, "properties": _shapes(definitions["SetSpec"])}
    definitions["DistanceSpec"]["oneOf"] = [_only("atr", "fraction"), _only("fraction", "atr")]
    for name in ("ModelSpec", "MemberSpec"):
        _close_model(definitions[name])
    _close_training(definitions["TrainingSpec"])
    _close_names(_given(definitions["ModelSpec"]["properties"]["members"]))
    definitions["RouterSpec"]["allOf"] = [_router_label()]
    definitions["DecisionSpec"] |= {
        "anyOf": [_number("long_above"), _number("short_below")],
        "allOf": [
            _when_number("long_exit_below", _number("long_above")),
            _when_number("short_exit_above", _number("short_below")),
        ],
    }
    properties = schema["properties"]
    properties["hypothesis"]["pattern"] = r"\S"
    properties["instruments"]["uniqueItems"] = True
    _close_names(properties["features"])
    _close_names(properties["sets"])
    return {"$schema": DIALECT, **schema}


def parameter_schema(parameter: Parameter) -> JsonSchema:
    """Return what a parameter may be."""
    kind = "integer" if parameter.integer else "number"
    return {"type": kind, "minimum": parameter.low, "maximum": parameter.high, "default": parameter.default}


def transforms(vocabulary: Vocabulary) -> list[IndicatorSignature]:
    """Return the operators that a transform may name, by name: on one series, with at most one parameter."""
    unary = [one for one in vocabulary.values() if len(one.series) == 1 and len(one.parameters) <= 1]
    return sorted(unary, key=lambda one: one.name)


def _close_names(mapping: JsonSchema) -> None:
    """Refuse names that do not fit the pattern, or are words of the rules' grammar."""
    mapping["additionalProperties"] = False
    mapping["propertyNames"] |= {"not": {"enum": sorted(RESERVED_WORDS)}}
    for inner in mapping["patternProperties"].values():
        if "patternProperties" in inner:
            _close_names(inner)


def _given(optional: JsonSchema) -> JsonSchema:
    """Return the schema of a value that may also be null."""
    return next(option for option in optional["anyOf"] if option != NULL)


def _shapes(definition: JsonSchema) -> JsonSchema:
    """Return the shapes of a set with the bounds of each number; null is left out, as one shape must be given."""
    width = {"minimum": MIN_SET_WIDTH}
    slope = {
        "anyOf": [{"minimum": MIN_SET_WIDTH, "maximum": 1 / MIN_SET_WIDTH}, {"minimum": -1 / MIN_SET_WIDTH, "maximum": -MIN_SET_WIDTH}]
    }
    bounds: dict[str, list[JsonSchema]] = {
        "gaussian": [{}, width],
        "sigmoid": [{}, slope],
        "bell": [{}, width, {"minimum": MIN_BELL_SLOPE, "maximum": MAX_BELL_SLOPE}],
    }
    number = {"type": "number", "minimum": -MAX_SET_NUMBER, "maximum": MAX_SET_NUMBER}
    shapes = {}
    for shape, names in SHAPE_PARAMETERS.items():
        numbers = [{**number, **bound} for bound in bounds.get(shape, [{}] * len(names))]
        shapes[shape] = {
            "type": "array",
            "prefixItems": numbers,
            "minItems": len(names),
            "maxItems": len(names),
            "description": definition["properties"][shape]["description"],
        }
    return shapes


def _only(name: str, other: str) -> JsonSchema:
    return {"required": [name], "properties": {name: {"type": "number"}, other: NULL}}


def _number(name: str) -> JsonSchema:
    return {"required": [name], "properties": {name: {"type": "number"}}}


def _when_number(name: str, then: JsonSchema) -> JsonSchema:
    return {"if": _number(name), "then": then}


def _router_label() -> JsonSchema:
    """A router's model that learns, learns regimes."""
    learns = {"properties": {"model": {"properties": {"kind": {"not": {"const": "rules"}}}}}}
    return {"if": learns, "then": {"properties": {"labels": {"properties": {"kind": {"const": "regime"}}}}}}


def _close_model(definition: JsonSchema) -> None:
    """Give each kind of model its own parts: those it needs, those it may have, and no others."""
    properties = definition["properties"]
    for name in ("trainable", "inputs"):
        _given(properties[name])["uniqueItems"] = True
    _given(properties["rules"])["items"]["description"] = RULE
    definition["allOf"] = [
        {"if": {"properties": {"kind": {"const": kind}}}, "then": _parts(kind, properties)} for kind in properties["kind"]["enum"]
    ]


def _close_training(definition: JsonSchema) -> None:
    """Give each loss its own parts and no others; where none is given, it is the default."""
    default = definition["properties"]["loss"]["default"]
    definition["allOf"] = [
        {
            "if": {"properties": {"loss": {"const": loss}}, "required": [] if loss == default else ["loss"]},
            "then": {"properties": {name: NULL for name in LOSS_ONLY_PARTS if name not in parts}},
        }
        for loss, parts in LOSS_PARTS.items()
    ]


def _parts(kind: str, properties: JsonSchema) -> JsonSchema:
    needed = {"rules": "rules", "anfis": "rules", "ensemble": "members"}.get(kind)
    parts: JsonSchema = {name: NULL for name in properties if name not in ("kind", *MODEL_PARTS[kind])}
    if needed:
        parts[needed] = {"not": NULL}
    if "trainable" in MODEL_PARTS[kind]:
        network = kind.startswith("fuzzy_")
        listed: JsonSchema = {"items": {"enum": ["sets", "network"] if network else ["sets", "consequents"]}}
        parts["trainable"] = {"anyOf": [listed | ({"contains": {"const": "network"}} if network else {}) | {"type": "array"}, NULL]}
    return {"properties": parts, **({"required": [needed]} if needed else {})}


def _transform_schema(definition: JsonSchema, vocabulary: Vocabulary) -> JsonSchema:
    steps = {one.name: {"description": one.summary, **_step(one)} for one in transforms(vocabulary)}
    return {**definition, "additionalProperties": False, "minProperties": 1, "maxProperties": 1, "properties": steps}


def _step(signature: IndicatorSignature) -> JsonSchema:
    return parameter_schema(signature.parameters[0]) if signature.parameters else {"const": True}


def _feature_schema(definition: JsonSchema, vocabulary: Vocabulary) -> JsonSchema:
    signatures = [vocabulary[name] for name in sorted(vocabulary)]
    properties = {name: definition["properties"][name] for name in FeatureSpec.model_fields}
    outputs = sorted({output for signature in signatures for output in signature.outputs})
    properties["indicator"] = {"type": "string", "enum": [signature.name for signature in signatures]}
    properties["output"] = {"enum": [*outputs, None], "default": None}
    properties["timeframe"] = {"enum": [*TIMEFRAMES, None], "default": None}
    properties["input"]["anyOf"].append(_given(properties["input"])["items"])
    properties["transform"]["anyOf"].append({"$ref": "#/$defs/TransformSpec"})
    for name in sorted({parameter.name for signature in signatures for parameter in signature.parameters}):
        properties[name] = _widest(p for signature in signatures for p in signature.parameters if p.name == name)
    return {
        **definition,
        "additionalProperties": False,
        "properties": properties,
        "allOf": [_when(signature) for signature in signatures],
    }


def _widest(parameters: Iterable[Parameter]) -> JsonSchema:
    same_name = list(parameters)
    kind = "integer" if all(p.integer for p in same_name) else "number"
    return {"type": kind, "minimum": min(p.low for p in same_name), "maximum": max(p.high for p in same_name)}


def _when(signature: IndicatorSignature) -> JsonSchema:
    own = {parameter.name: parameter_schema(parameter) for parameter in signature.parameters}
    allowed = [*FeatureSpec.model_fields, *own]
    return {
        "if": {"properties": {"indicator": {"const": signature.name}}},
        "then": {
            "description": signature.summary,
            "properties": {**own, "output": {"enum": [*signature.outputs, None]}, "input": {"anyOf": list(_inputs(signature))}},
            "propertyNames": {"enum": allowed},
        },
    }


def _inputs(signature: IndicatorSignature) -> Iterator[JsonSchema]:
    """Yield what `input` may be: nothing, and as many series as an operator takes."""
    yield NULL
    count = len(signature.series)
    if count:
        yield {"type": "array", "minItems": count, "maxItems": count}
    if count == 1:
        yield {"type": "string"}
