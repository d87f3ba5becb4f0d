"""Other valid values for each field of a strategy.

What a field may hold comes from its JSON Schema; where that does not say enough (indicators, rules, names of other parts), `WRITTEN` has a
function for it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from nullalpha.strategy.rules import Rule, format_rule, parse_rule
from nullalpha.strategy.timeframes import TIMEFRAMES
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, IndicatorSignature, Vocabulary
from tests.support.fields import DEFINITIONS, PARAMETER, Document, FieldName, Site, at, put

IMPLIED: dict[str, Any] = {
    **{"hidden": [16], "lookback": 20, "dropout": 0.0, "separation": 1},
    **{"class_band": 0.0, "class_weights": "none", "focal_gamma": 2.0, "risk_aversion": 0.1},
}
"""What an absent value stands for, where it is not the typed form's own default."""


def perturbed(document: Document, site: Site, vocabulary: Vocabulary, rng: Random) -> Iterator[Document]:
    """Yield documents in which a field holds another value than it does; some may be invalid beside what else the document says.

    Raises:
        LookupError: if nobody has said what else such a field can hold.
    """
    write = WRITTEN.get(site.name)
    if write is not None:
        yield from write(document, site, vocabulary, rng)
        return
    schema = DEFINITIONS[site.owner]["properties"][site.field]
    if _is_container(schema):
        return
    now = IMPLIED.get(site.field) if site.value is None else site.value
    found = False
    for value in _values(schema, rng):
        found = True
        if value != now and not (value is None and site.value is None) and not (value is None and now == IMPLIED.get(site.field, now)):
            yield put(document, site.path, value)
    if not found:
        raise LookupError(f"nothing says which other values {site.owner}.{site.field} can have: add it to WRITTEN")


def _is_container(schema: Any) -> bool:
    """Whether a field holds parts with fields of their own, which are always there."""
    return "$ref" in json.dumps(schema)


def _values(schema: Any, rng: Random) -> Iterator[Any]:
    for choice in schema.get("anyOf", [schema]):
        if choice.get("type") == "null":
            yield None
        elif "enum" in choice:
            yield from choice["enum"]
        elif "const" in choice:
            yield choice["const"]
        elif choice.get("type") in ("integer", "number"):
            yield from _numbers(choice, rng)


def _numbers(choice: Any, rng: Random) -> list[float]:
    low = choice.get("minimum", choice.get("exclusiveMinimum"))
    high = choice.get("maximum", choice.get("exclusiveMaximum"))
    if choice["type"] == "integer":
        return [rng.randint(low, high) for _ in range(2)] + [low, high]
    return [low + (high - low) * rng.uniform(0.001, 0.999) for _ in range(5)]


def _text(document: Document, site: Site, _: Vocabulary, __: Random) -> Iterator[Document]:
    yield put(document, site.path, f"{site.value}x"[-80:])


def _prediction(document: Document, site: Site, _: Vocabulary, __: Random) -> Iterator[Document]:
    yield put(document, site.path, {"excess_sharpe": 1.5, "p_pass": 0.25} if site.value is None else None)


def _instruments(document: Document, site: Site, _: Vocabulary, __: Random) -> Iterator[Document]:
    yield put(document, site.path, [*site.value, "ZZZ"])


def _timeframe(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    for timeframe in rng.sample(TIMEFRAMES, len(TIMEFRAMES)):
        if timeframe != (site.value or document.get("timeframe", "1d")):
            yield put(document, site.path, timeframe)


def _indicator(document: Document, site: Site, vocabulary: Vocabulary, rng: Random) -> Iterator[Document]:
    n_inputs = len(vocabulary[site.value].series)
    for name in rng.sample(sorted(vocabulary), len(vocabulary)):
        if name != site.value and len(vocabulary[name].series) == n_inputs:
            feature = at(document, site.path[:-1])
            kept = {key: feature[key] for key in ("timeframe", "of", "input", "transform") if key in feature}
            yield put(document, site.path[:-1], {"indicator": name, **kept})


def _signature(document: Document, site: Site, vocabulary: Vocabulary) -> IndicatorSignature:
    return vocabulary[at(document, (*site.path[:2], "indicator"))]


def _output(document: Document, site: Site, vocabulary: Vocabulary, rng: Random) -> Iterator[Document]:
    outputs = _signature(document, site, vocabulary).outputs
    for output in rng.sample(outputs, len(outputs)):
        if output != (site.value or outputs[0]):
            yield put(document, site.path, output)


def _of(document: Document, site: Site, _: Vocabulary, __: Random) -> Iterator[Document]:
    yield put(document, site.path, "ZZZ")
    if site.value is not None and [site.value] != document["instruments"]:
        yield put(document, site.path, None)


def _input(document: Document, site: Site, vocabulary: Vocabulary, rng: Random) -> Iterator[Document]:
    signature = _signature(document, site, vocabulary)
    now = list(site.value or signature.series)
    for _ in range(8 if signature.series else 0):
        sources = [rng.choice(list(BAR_FIELD_UNITS)) for _ in signature.series]
        if sorted(sources) != sorted(now) if signature.symmetric else sources != now:
            yield put(document, site.path, sources)


def _transform(document: Document, site: Site, _: Vocabulary, __: Random) -> Iterator[Document]:
    if site.value:
        yield put(document, site.path, None)
    else:
        yield put(document, site.path, {"std": 30})


def _step(document: Document, site: Site, vocabulary: Vocabulary, rng: Random) -> Iterator[Document]:
    """Another operator, or another value of this one."""
    unary = sorted(name for name, one in vocabulary.items() if len(one.series) == 1 and len(one.parameters) <= 1)
    for operator in (*site.value, *rng.sample(unary, 3)):
        for parameter in vocabulary[operator].parameters:
            for value in _numbers(_range(parameter), rng):
                if {operator: value} != site.value:
                    yield _with_step(document, site, {operator: value})
        if not vocabulary[operator].parameters and operator not in site.value:
            yield _with_step(document, site, {operator: True})


def _with_step(document: Document, site: Site, step: Document) -> Document:
    feature = at(document, site.path[:2])
    given = feature["transform"]
    steps = [given] if isinstance(given, dict) else list(given)
    steps[int(site.path[-1])] = step
    return put(document, (*site.path[:2], "transform"), steps)


def _parameters(document: Document, site: Site, vocabulary: Vocabulary, rng: Random) -> Iterator[Document]:
    signature = _signature(document, site, vocabulary)
    for parameter in rng.sample(signature.parameters, len(signature.parameters)):
        for value in _numbers(_range(parameter), rng):
            if value != site.value.get(parameter.name, parameter.default):
                yield put(document, (*site.path, parameter.name), value)


def _range(parameter: Any) -> Document:
    return {"type": "integer" if parameter.integer else "number", "minimum": parameter.low, "maximum": parameter.high}


def _shape(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    """Another number of the shape that a set has, each in its turn; or this shape in place of the one it has."""
    fresh = rng.uniform(2000, 3000)
    numbers = {
        "gaussian": [fresh, 1.0],
        "sigmoid": [fresh, 1.0],
        "triangle": [fresh, fresh + 1, fresh + 2],
        "trapezoid": [fresh, fresh + 1, fresh + 2, fresh + 3],
        "bell": [fresh, 1.0, 2.0],
    }[site.field]
    if site.value is None:
        yield put(document, site.path[:-1], {site.field: numbers})
        return
    for i in rng.sample(range(len(site.value)), len(site.value)):
        for number in (site.value[i] + rng.uniform(0.01, 0.4), site.value[i] - rng.uniform(0.01, 0.4), -site.value[i]):
            if number != site.value[i]:
                yield put(document, (*site.path, i), number)


def _kind(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    alike = {"rules": ["anfis"], "anfis": ["rules"], "fuzzy_gru": ["fuzzy_lstm"], "fuzzy_lstm": ["fuzzy_gru"]}
    for kind in alike.get(site.value, ["fuzzy_gru", "fuzzy_lstm"] if site.value == "fuzzy_mlp" else []):
        changed = put(document, site.path, kind)
        if kind == "rules":
            changed = put(changed, (*site.path[:-1], "trainable"), None)
        yield changed


def _rules(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    for i in rng.sample(range(len(site.value or ())), len(site.value or ())):
        rule = parse_rule(site.value[i])
        other = "short" if rule.direction == "long" else "long"
        share = rng.uniform(0.01, 0.99)
        changes = [
            Rule(rule.condition, rule.direction, share, rule.weight),
            Rule(rule.condition, rule.direction, rule.strength, share),
            Rule(rule.condition, other, rule.strength, rule.weight),  # type: ignore[arg-type]
        ]
        yield put(document, (*site.path, i), format_rule(rng.choice(changes)))
    if site.value:
        yield put(document, site.path, [*site.value, site.value[0]])


def _trainable(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    kind = at(document, (*site.path[:-1], "kind"))
    if kind == "rules":
        yield put(document, site.path, ["sets"] if site.value is None else None)
    network = kind not in ("rules", "anfis")
    now = set(site.value if site.value is not None else ["network"] if network else ["sets", "consequents"])
    choices = [["network"], ["sets", "network"]] if network else [["sets"], ["consequents"], ["sets", "consequents"], []]
    for choice in rng.sample(choices, len(choices)):
        if set(choice) != now:
            yield put(document, site.path, choice)


def _inputs(document: Document, site: Site, __: Vocabulary, rng: Random) -> Iterator[Document]:
    everything = [f"{feature}.{name}" for feature, given in document["sets"].items() for name in given]
    now = set(site.value or everything)
    for _ in range(4):
        choice = rng.sample(everything, rng.randint(1, len(everything)))
        if set(choice) != now:
            yield put(document, site.path, choice)


def _hidden(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    layers = [rng.randint(2, 256), rng.randint(2, 256)]
    if layers != list(site.value or ()):
        yield put(document, site.path, layers)


def _members(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    if site.value is None:
        return
    yield put(document, (*site.path, "one_more"), copy.deepcopy(at(document, (*site.path, next(iter(site.value))))))
    yield put(document, (*site.path, next(iter(site.value))), {"kind": "fuzzy_mlp", "hidden": [rng.randint(2, 256)]})


def _router(document: Document, site: Site, _: Vocabulary, __: Random) -> Iterator[Document]:
    members = list(document["model"].get("members", ()))
    if site.value is not None:
        yield put(document, site.path, None)
    elif len(members) == 2:
        yield put(document, site.path, {"model": {"kind": "fuzzy_mlp"}, "above": members[0], "below": members[1]})


def _sides(document: Document, site: Site, _: Vocabulary, __: Random) -> Iterator[Document]:
    router = at(document, site.path[:-1])
    yield put(document, site.path[:-1], router | {"above": router["below"], "below": router["above"]})


def _distance(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    other = {"fraction": rng.uniform(0.01, 0.9)}
    yield put(document, site.path, other if site.value is None else rng.choice((None, other)))


def _distance_unit(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    yield put(document, site.path[:-1], {site.field: rng.uniform(0.1, 0.9)})


def _entry(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    yield put(document, site.path, {"order": "stop", "distance": {"atr": rng.uniform(0.1, 0.9)}} if site.value is None else None)


def _order(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    entry = {key: value for key, value in at(document, site.path[:-1]).items() if key != "limit"}
    for order in ("limit", "stop", "stop_limit"):
        if order != site.value:
            limit = {"limit": {"atr": rng.uniform(0.1, 0.9)}} if order == "stop_limit" else {}
            yield put(document, site.path[:-1], {**entry, "order": order, **limit})


def _entry_distance(document: Document, site: Site, _: Vocabulary, rng: Random) -> Iterator[Document]:
    if site.value is not None:
        yield put(document, site.path, {"fraction": rng.uniform(0.01, 0.9)})


Writer = Callable[[Document, Site, Vocabulary, Random], Iterator[Document]]
WRITTEN: dict[FieldName, Writer] = {
    ("StrategySpec", "name"): _text,
    ("StrategySpec", "hypothesis"): _text,
    ("StrategySpec", "prediction"): _prediction,
    ("StrategySpec", "instruments"): _instruments,
    ("StrategySpec", "timeframe"): _timeframe,
    ("FeatureSpec", "indicator"): _indicator,
    ("FeatureSpec", "output"): _output,
    ("FeatureSpec", "timeframe"): _timeframe,
    ("FeatureSpec", "of"): _of,
    ("FeatureSpec", "input"): _input,
    ("FeatureSpec", "transform"): _transform,
    ("FeatureSpec", PARAMETER): _parameters,
    ("TransformSpec", PARAMETER): _step,
    ("RouterSpec", "above"): _sides,
    ("RouterSpec", "below"): _sides,
    ("ModelSpec", "members"): _members,
    ("ModelSpec", "router"): _router,
    ("DistanceSpec", "atr"): _distance_unit,
    ("DistanceSpec", "fraction"): _distance_unit,
    ("DecisionSpec", "entry"): _entry,
    ("EntrySpec", "order"): _order,
    ("EntrySpec", "distance"): _entry_distance,
    ("EntrySpec", "limit"): _entry_distance,
    ("ExitSpec", "stop_loss"): _distance,
    ("ExitSpec", "trailing_stop"): _distance,
    ("ExitSpec", "take_profit"): _distance,
    **{("SetSpec", shape): _shape for shape in ("gaussian", "sigmoid", "triangle", "trapezoid", "bell")},
    **{(owner, "kind"): _kind for owner in ("ModelSpec", "MemberSpec")},
    **{(owner, "rules"): _rules for owner in ("ModelSpec", "MemberSpec")},
    **{(owner, "trainable"): _trainable for owner in ("ModelSpec", "MemberSpec")},
    **{(owner, "inputs"): _inputs for owner in ("ModelSpec", "MemberSpec")},
    **{(owner, "hidden"): _hidden for owner in ("ModelSpec", "MemberSpec")},
}
