"""The JSON Schema (2020-12) of strategy documents: for editors, for models, and for decoding held to it.

It says everything that a schema can: closed keys, bounds, one shape a set, and for each indicator its own parameters with their ranges.
What rules name, the order of a triangle's numbers and other cross-references are for `nullalpha.strategy.validate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nullalpha.strategy.spec import RESERVED_WORDS, SHAPE_PARAMETERS, FeatureSpec, StrategySpec
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter, Vocabulary

DIALECT = "https://json-schema.org/draft/2020-12/schema"

JsonSchema = dict[str, Any]


def strategy_json_schema(vocabulary: Vocabulary) -> JsonSchema:
    """Return the schema of a strategy document whose indicators are those of the vocabulary."""
    schema = StrategySpec.model_json_schema()
    definitions = schema["$defs"]
    definitions["FeatureSpec"] = _feature_schema(definitions["FeatureSpec"], vocabulary)
    definitions["SetSpec"] |= {"minProperties": 1, "maxProperties": 1, "properties": _shapes(definitions["SetSpec"])}
    definitions["DistanceSpec"] |= {"minProperties": 1}
    rules = definitions["ModelSpec"]["properties"]["rules"]
    rules["items"]["description"] = (
        "if FEATURE is SET and (not FEATURE is SET or FEATURE is SET) then long|short STRENGTH, 0 < STRENGTH <= 1"
    )
    _close_names(schema["properties"]["features"])
    _close_names(schema["properties"]["sets"])
    return {"$schema": DIALECT, **schema}


def _close_names(mapping: JsonSchema) -> None:
    """Refuse names that do not fit the pattern, or are words of the rules' grammar."""
    mapping["additionalProperties"] = False
    mapping["propertyNames"] |= {"not": {"enum": sorted(RESERVED_WORDS)}}
    for inner in mapping["patternProperties"].values():
        if "patternProperties" in inner:
            _close_names(inner)


def _shapes(definition: JsonSchema) -> JsonSchema:
    """Return the shapes of a set with their exact number of numbers; null is left out, as one shape must be given."""
    shapes = {}
    for shape, names in SHAPE_PARAMETERS.items():
        given = definition["properties"][shape]
        numbers = next(option for option in given["anyOf"] if option.get("type") == "array")
        shapes[shape] = {**numbers, "minItems": len(names), "maxItems": len(names), "description": given["description"]}
    return shapes


def _feature_schema(definition: JsonSchema, vocabulary: Vocabulary) -> JsonSchema:
    signatures = [vocabulary[name] for name in sorted(vocabulary)]
    properties = {name: definition["properties"][name] for name in FeatureSpec.model_fields}
    outputs = sorted({output for signature in signatures for output in signature.outputs})
    properties["indicator"] = {"type": "string", "enum": [signature.name for signature in signatures]}
    properties["output"] = {"enum": [*outputs, None], "default": None}
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
    own: JsonSchema = {
        p.name: {"type": "integer" if p.integer else "number", "minimum": p.low, "maximum": p.high, "default": p.default}
        for p in signature.parameters
    }
    allowed = [*FeatureSpec.model_fields, *own]
    return {
        "if": {"properties": {"indicator": {"const": signature.name}}},
        "then": {
            "description": signature.summary,
            "properties": {**own, "output": {"enum": [*signature.outputs, None]}},
            "propertyNames": {"enum": allowed},
        },
    }
