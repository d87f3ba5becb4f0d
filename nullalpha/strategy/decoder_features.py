"""Features and sets as constrained decoding can hold them: every choice of numbers is right by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, product
from typing import Any

from nullalpha.strategy.schema import transforms
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, IndicatorSignature, Parameter, Vocabulary

JsonSchema = dict[str, Any]

STANDARDISE = "zscore"
LEVELS = ("low", "middle", "high")
SHORTEST, LONGEST = 20, 500
"""Bars of a z-score."""


def closed(properties: Mapping[str, JsonSchema]) -> JsonSchema:
    return {"type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False}


def choice(options: Iterable[JsonSchema]) -> JsonSchema:
    return {"anyOf": list(options)}


def reference(name: str) -> JsonSchema:
    return {"$ref": f"#/$defs/{name}"}


def whole(low: int, high: int) -> JsonSchema:
    return {"type": "integer", "minimum": low, "maximum": high}


def feature_choice(signature: IndicatorSignature, frames: Sequence[str], *, standardised: bool = False) -> JsonSchema:
    """Return one indicator's feature: every parameter said, on any of the timeframes, as it is or as a z-score."""
    properties: dict[str, JsonSchema] = {"indicator": {"const": signature.name}}
    for parameter, low, high in _ranges(signature):
        properties[parameter.name] = whole(int(low), int(high)) if parameter.integer else {"enum": _grid(low, high)}
    if len(signature.outputs) > 1:
        properties["output"] = {"enum": list(signature.outputs)}
    if signature.series:
        count = len(signature.series)
        properties["input"] = {"type": "array", "items": {"enum": list(BAR_FIELD_UNITS)}, "minItems": count, "maxItems": count}
    properties["timeframe"] = {"enum": list(frames)}
    if standardised:
        properties["transform"] = reference("transform")
    return closed(properties)


def _ranges(signature: IndicatorSignature) -> list[tuple[Parameter, float, float]]:
    """Return each parameter with its range; those that must ascend get ranges that do not meet, parted at their defaults."""
    by_name = {parameter.name: parameter for parameter in signature.parameters}
    floor: dict[str, float] = {}
    ceiling: dict[str, float] = {}
    for left, right in pairwise(signature.rising):
        ceiling[left] = by_name[left].default
        floor[right] = by_name[left].default + (1 if by_name[right].integer else (by_name[right].default - by_name[left].default) / 2)
    return [(p, max(p.low, floor.get(p.name, p.low)), min(p.high, ceiling.get(p.name, p.high))) for p in signature.parameters]


def _grid(low: float, high: float, count: int = 8) -> list[float]:
    """Return numbers from low to high, evenly spaced, as short as they can be written within the range."""
    spaced = [low + (high - low) * i / (count - 1) for i in range(count)]
    return list(dict.fromkeys(min(max(float(f"{number:.3g}"), low), high) for number in spaced))


def standardisation(vocabulary: Vocabulary) -> list[JsonSchema]:
    """Return transforms that end as a z-score: alone, or after one other operator."""
    (window,) = vocabulary[STANDARDISE].parameters
    standardised = closed({STANDARDISE: whole(int(max(window.low, SHORTEST)), int(min(window.high, LONGEST)))})
    first = [closed({one.name: _first_parameter(one)}) for one in transforms(vocabulary) if one.name != STANDARDISE]
    return (
        [standardised, {"type": "array", "prefixItems": [choice(first), standardised], "minItems": 2, "maxItems": 2}]
        if first
        else [standardised]
    )


def _first_parameter(signature: IndicatorSignature) -> JsonSchema:
    if not signature.parameters:
        return {"const": True}
    parameter = signature.parameters[0]
    if parameter.integer:
        return whole(int(parameter.low), int(parameter.high))
    return {"enum": _grid(parameter.low, parameter.high)}


def levels(low: int, high: int) -> JsonSchema:
    """Return sets of a quantity that runs from low to high: the shapes of each level as lists of numbers that are right together."""
    span = high - low
    places = {"low": (0.0, 0.1, 0.2, 0.3), "middle": (0.4, 0.5, 0.6), "high": (0.7, 0.8, 0.9, 1.0)}
    widths = (0.05, 0.1, 0.15)

    def at(share: float) -> float:
        return round(low + span * share, 3) + 0.0

    def shapes(level: str) -> list[JsonSchema]:
        centres = places[level]
        gaussian = [[at(c), round(span * w, 3)] for c, w in product(centres, widths)]
        found = [
            {"gaussian": {"enum": gaussian}},
            {"bell": {"enum": [[*numbers, slope] for numbers in gaussian for slope in (1.0, 2.0)]}},
            {"triangle": {"enum": [[at(c - 2 * w), at(c), at(c + 2 * w)] for c, w in product(centres, widths)]}},
            {"trapezoid": {"enum": [[at(c - 2 * w), at(c - w), at(c + w), at(c + 2 * w)] for c, w in product(centres, widths)]}},
        ]
        if level != "middle":
            side = 1 if level == "high" else -1
            found.append({"sigmoid": {"enum": [[at(c), round(side / (span * w), 4)] for c, w in product(centres, widths)]}})
        return [closed(one) for one in found]

    return closed({level: choice(shapes(level)) for level in LEVELS})
