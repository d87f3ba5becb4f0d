"""What a document's words mean: indicators, parameters, sets and rules against a vocabulary.

Works on the document's plain values and not on the typed form, so that everything wrong is found in one pass, whatever else is broken.
Values of a wrong shape are passed over here; `nullalpha.strategy.issues` reports them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice

from nullalpha.core.errors import Issue
from nullalpha.strategy.issues import shorten, unknown
from nullalpha.strategy.rules import Is, RuleSyntaxError, parse_rule, statements
from nullalpha.strategy.spec import FeatureSpec
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter, Vocabulary

WEEK = "1w"
_MAX_PARTS = 64
_OWN_KEYS = tuple(FeatureSpec.model_fields)


def semantic_issues(values: Mapping[str, object], vocabulary: Vocabulary) -> list[Issue]:
    """Return everything in a document that names what does not exist or lies outside a declared range."""
    return [*_feature_issues(values, vocabulary), *_set_issues(values), *_rule_issues(values)]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _feature_issues(values: Mapping[str, object], vocabulary: Vocabulary) -> Iterator[Issue]:
    base = values.get("timeframe", "1d")
    for name, feature in islice(_mapping(values.get("features")).items(), _MAX_PARTS):
        given = _mapping(feature)
        path = f"features.{name[:60]}"
        yield from _timeframe_issues(path, given.get("timeframe"), base)
        indicator = given.get("indicator")
        if not isinstance(indicator, str) or not indicator:
            continue
        signature = vocabulary.get(indicator)
        if signature is None:
            message = f"unknown indicator {indicator[:64]!r}"
            yield Issue(
                f"{path}.indicator", "unknown_indicator", message, indicator[:200], unknown(indicator, sorted(vocabulary), "indicators")
            )
            continue
        yield from _output_issues(path, given.get("output"), signature)
        yield from _parameter_issues(path, given, signature)


def _timeframe_issues(path: str, timeframe: object, base: object) -> Iterator[Issue]:
    if not isinstance(timeframe, str) or timeframe == base:
        return
    if timeframe != WEEK or base != "1d":
        allowed = f"{base} or {WEEK}" if base == "1d" else str(base)
        message = f"a feature's timeframe is the strategy's own, or {WEEK} when that is 1d"
        yield Issue(f"{path}.timeframe", "bad_timeframe", message, timeframe[:200], allowed[:40])


def _output_issues(path: str, output: object, signature: IndicatorSignature) -> Iterator[Issue]:
    if isinstance(output, str) and output not in signature.outputs:
        message = f"{signature.name} has no output {output[:64]!r}"
        yield Issue(f"{path}.output", "unknown_output", message, output[:200], unknown(output, signature.outputs, "outputs"))


def _parameter_issues(path: str, given: Mapping[str, object], signature: IndicatorSignature) -> Iterator[Issue]:
    parameters = {parameter.name: parameter for parameter in signature.parameters}
    extra = [(key, value) for key, value in given.items() if key not in _OWN_KEYS]
    for key, value in islice(extra, _MAX_PARTS):
        parameter = parameters.get(key)
        place = f"{path}.{key[:60]}"
        if parameter is None:
            message = f"{signature.name} has no parameter {key[:60]!r}"
            yield Issue(place, "unknown_parameter", message, shorten(value), unknown(key, [*parameters, *_OWN_KEYS[1:]], "parameters"))
        else:
            yield from _value_issues(place, value, parameter)


def _value_issues(path: str, value: object, parameter: Parameter) -> Iterator[Issue]:
    whole = "a whole number" if parameter.integer else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        yield Issue(path, "wrong_type", f"must be {whole}", shorten(value), str(parameter.default))
    elif parameter.integer and value != int(value):
        yield Issue(path, "wrong_type", "must be a whole number", shorten(value), str(round(value)))
    elif not parameter.low <= value <= parameter.high:
        bound = parameter.low if value < parameter.low else parameter.high
        yield Issue(path, "out_of_range", f"must be from {parameter.low} to {parameter.high}", shorten(value), str(bound))


def _set_issues(values: Mapping[str, object]) -> Iterator[Issue]:
    features = list(_mapping(values.get("features")))
    for name in islice(_mapping(values.get("sets")), _MAX_PARTS):
        if features and name not in features:
            message = f"sets are given for {name[:60]!r}, which is not a feature of this document"
            yield Issue(f"sets.{name[:60]}", "unknown_feature", message, name[:200], unknown(name, features, "features"))


def _rule_issues(values: Mapping[str, object]) -> Iterator[Issue]:
    rules = _mapping(values.get("model")).get("rules")
    for i, text in enumerate(islice(rules, _MAX_PARTS) if isinstance(rules, list | tuple) else ()):
        if not isinstance(text, str) or not 0 < len(text) <= 500:
            continue
        path = f"model.rules.{i}"
        try:
            rule = parse_rule(text)
        except RuleSyntaxError as error:
            message = f"column {error.column}: {error.message}"
            yield Issue(
                path, "rule_syntax", message, text[:200], error.suggestion or "if FEATURE is SET and not FEATURE is SET then long 1.0"
            )
            continue
        for stated in statements(rule.condition):
            yield from _statement_issues(path, stated, values)


def _statement_issues(path: str, stated: Is, values: Mapping[str, object]) -> Iterator[Issue]:
    features, sets = _mapping(values.get("features")), _mapping(values.get("sets"))
    if stated.feature not in features:
        if features:
            message = f"column {stated.column}: the rule names {stated.feature!r}, which is not a feature of this document"
            yield Issue(path, "unknown_feature", message, stated.feature, unknown(stated.feature, list(features), "features"))
        return
    known = list(_mapping(sets.get(stated.feature)))
    if stated.set_name not in known and isinstance(values.get("sets"), Mapping):
        message = f"column {stated.column}: {stated.feature!r} has no set {stated.set_name!r}"
        yield Issue(path, "unknown_set", message, stated.set_name, unknown(stated.set_name, known, f"sets of {stated.feature}"))
