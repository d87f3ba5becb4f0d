"""The same strategy in other words: each function returns a document that means exactly what the one it is given means."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from nullalpha.strategy.rules import Expression, Is, Join, Not, Rule, format_condition, format_rule, parse_rule
from nullalpha.strategy.spec import LOSS_PARTS, StrategySpec
from nullalpha.strategy.vocabulary import Vocabulary

Document = dict[str, Any]
Rewriting = Callable[[Document, Vocabulary, Random], Document]
NETWORKS = ("fuzzy_mlp", "fuzzy_gru", "fuzzy_lstm")
MAX_RULE_LENGTH = 500


def models_of(document: Mapping[str, Any]) -> Iterator[Document]:
    """Yield every model that answers: the document's own, or an ensemble's members and its regime model."""
    model = document["model"]
    if "members" not in model:
        yield model
        return
    yield from model["members"].values()
    if model.get("router"):
        yield model["router"]["model"]


def renamed(document: Document, _: Vocabulary, rng: Random) -> Document:
    """Give features, sets and members new names, and the strategy another name, hypothesis and prediction."""
    said = copy.deepcopy(document)
    features = {name: f"feature_{i}" for i, name in enumerate(rng.sample(list(said["features"]), len(said["features"])))}
    sets = {(f, s): f"set_{i}" for f, given in said["sets"].items() for i, s in enumerate(rng.sample(list(given), len(given)))}
    for feature in said["features"].values():
        if isinstance(feature.get("input"), str):
            feature["input"] = features.get(feature["input"], feature["input"])
        elif feature.get("input"):
            feature["input"] = [features.get(source, source) for source in feature["input"]]
    said["features"] = {features[name]: feature for name, feature in said["features"].items()}
    said["sets"] = {features[f]: {sets[f, s]: shape for s, shape in given.items()} for f, given in said["sets"].items()}
    for model in models_of(said):
        if model.get("rules"):
            _each_rule(model, lambda stated: Is(features[stated.feature], sets[stated.feature, stated.set_name]))
        if model.get("inputs"):
            model["inputs"] = [f"{features[f]}.{sets[f, s]}" for f, _, s in (text.partition(".") for text in model["inputs"])]
    if "members" in said["model"]:
        members = {name: f"member_{i}" for i, name in enumerate(rng.sample(list(said["model"]["members"]), len(said["model"]["members"])))}
        said["model"]["members"] = {members[name]: member for name, member in said["model"]["members"].items()}
        if said["model"].get("router"):
            said["model"]["router"] |= {side: members[said["model"]["router"][side]] for side in ("above", "below")}
    prediction = {"prediction": {"excess_sharpe": 4.5, "p_pass": 0.99, "kill_below": -4.5}}
    return said | {"name": "another name", "hypothesis": "Another reason."} | prediction


def reordered(document: Document, _: Vocabulary, rng: Random) -> Document:
    """Shuffle every mapping, rules, operands of `and` and `or`, and lists in which order says nothing."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shuffled(item) for key, item in rng.sample(list(value.items()), len(value))}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    said: Document = shuffled(copy.deepcopy(document))
    said["instruments"] = rng.sample(said["instruments"], len(said["instruments"]))
    for model in models_of(said):
        for key in ("rules", "trainable", "inputs"):
            if model.get(key):
                model[key] = rng.sample(model[key], len(model[key]))
        _each_condition(model, lambda condition: _operands_shuffled(condition, rng))
    return said


def negated_twice(document: Document, _: Vocabulary, rng: Random) -> Document:
    """Write conditions by De Morgan's laws, with double negations, and with operands grouped two by two."""
    said = copy.deepcopy(document)
    for model in models_of(said):
        _each_condition(model, lambda condition: _by_de_morgan(condition, rng))
    return said


def respaced(document: Document, _: Vocabulary, rng: Random) -> Document:
    """Write rules with other spaces, with exponents, and with `weight 1.0` where a rule has none."""
    said = copy.deepcopy(document)
    for model in models_of(said):
        for i, text in enumerate(model.get("rules") or ()):
            rule = parse_rule(text)
            words = f"if {format_condition(rule.condition)} then {rule.direction} {rule.strength!r}e0 weight {rule.weight!r}"
            model["rules"][i] = words.replace(" ", rng.choice((" ", "  "))) if "e" not in f"{rule.strength!r}" else text
    return said


def transforms_respelt(document: Document, vocabulary: Vocabulary, rng: Random) -> Document:
    """Write one transform as a list of one; the last of one feature as an operator applied to a feature; one operator as a transform."""
    said = copy.deepcopy(document)
    features = said["features"]
    for feature in features.values():
        if isinstance(feature.get("transform"), dict) and rng.random() < 0.5:
            feature["transform"] = [feature["transform"]]
        if isinstance(feature.get("input"), str) and rng.random() < 0.5:
            feature["input"] = [feature["input"]]
    transformed = [name for name, feature in features.items() if feature.get("transform")]
    if transformed and rng.random() < 0.5:
        name = rng.choice(transformed)
        steps = _steps(features[name])
        ((operator, value),) = steps.pop().items()
        features["below_it"] = {**features[name], "transform": steps or None}
        parameters = vocabulary[operator].parameters
        features[name] = {"indicator": operator, "input": "below_it"} | ({parameters[0].name: value} if parameters else {})
        return said
    for name, feature in features.items():
        sources = [feature["input"]] if isinstance(feature.get("input"), str) else feature.get("input") or []
        signature = vocabulary[feature["indicator"]]
        if len(sources) != 1 or sources[0] not in features or len(signature.parameters) > 1 or len(signature.outputs) > 1:
            continue
        steps = _steps(features[sources[0]])
        if len(steps) + 1 + len(_steps(feature)) > 4 or feature.get("timeframe") or feature.get("of"):
            continue
        value = next((feature.get(p.name, p.default) for p in signature.parameters), True)
        features[name] = {**features[sources[0]], "transform": [*steps, {signature.name: value}, *_steps(feature)]}
        break
    return said


def _steps(feature: Mapping[str, Any]) -> list[Document]:
    given = feature.get("transform")
    return [given] if isinstance(given, dict) else list(given or ())


def defaults_written(document: Document, vocabulary: Vocabulary, _: Random) -> Document:
    """Write out every default: parameters, outputs, timeframes, numbers, and null for what is absent."""
    said: Document = StrategySpec.model_validate(document).model_dump(mode="json")
    said["nullalpha"] = 1
    for feature in said["features"].values():
        signature = vocabulary[feature["indicator"]]
        feature |= {p.name: feature.get(p.name, p.default) for p in signature.parameters}
        feature["output"] = feature["output"] or signature.outputs[0]
        feature["timeframe"] = feature["timeframe"] or said["timeframe"]
        if signature.series and feature["input"] is None:
            feature["input"] = list(signature.series)
    everything = [f"{feature}.{name}" for feature, given in said["sets"].items() for name in given]
    if said["model"]["members"] is None:
        for part in ("members", "router"):
            del said["model"][part]
    for model in models_of(said):
        if model["kind"] in NETWORKS:
            model |= {"inputs": model["inputs"] or everything, "hidden": model["hidden"] or [16], "dropout": model["dropout"] or 0.0}
            model["trainable"] = model["trainable"] or ["network"]
        if model["kind"] in ("fuzzy_gru", "fuzzy_lstm"):
            model["lookback"] = model["lookback"] or 20
        if model["kind"] == "anfis" and model["trainable"] is None:
            model["trainable"] = ["sets", "consequents"]
    said["decision"]["separation"] = said["decision"]["separation"] or 1
    training = said["training"]
    defaults = {"class_band": 0.0, "class_weights": "none", "focal_gamma": 2.0, "risk_aversion": 0.1}
    training |= {name: defaults[name] for name in LOSS_PARTS[training["loss"]] if training[name] is None}
    return said


def exits_at_entries(document: Document, _: Vocabulary, __: Random) -> Document:
    """Write the exit thresholds that are the entries' own."""
    said = copy.deepcopy(document)
    decision = said["decision"]
    for entry, leave in (("long_above", "long_exit_below"), ("short_below", "short_exit_above")):
        if decision.get(entry) is not None and decision.get(leave) is None:
            decision[leave] = decision[entry]
    return said


def numbers_recast(document: Document, _: Vocabulary, rng: Random) -> Document:
    """Write whole numbers as floats or floats as whole numbers, and zeros as negative zeros."""

    def recast(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key == "nullalpha" else recast(item) for key, item in value.items()}
        if isinstance(value, list):
            return [recast(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        if value == 0 and isinstance(value, float):
            return rng.choice((0, 0.0, -0.0))
        return rng.choice((int, float))(value) if value == int(value) and abs(value) < 1e15 else value

    said: Document = recast(document)
    return said


def inputs_swapped(document: Document, vocabulary: Vocabulary, _: Random) -> Document:
    """Swap the inputs of symmetric operators."""
    said = copy.deepcopy(document)
    for feature in said["features"].values():
        signature = vocabulary[feature["indicator"]]
        if signature.symmetric:
            feature["input"] = list(reversed(feature.get("input") or signature.series))
    return said


def padded(document: Document, vocabulary: Vocabulary, rng: Random) -> Document:
    """Add a feature and sets that nothing uses, and numbers of other sizings, labels and kinds of model."""
    said = copy.deepcopy(document)
    said["features"]["nobody_reads"] = {"indicator": rng.choice(sorted(vocabulary))}
    reads_all = any(model["kind"] in NETWORKS and not model.get("inputs") for model in models_of(said))
    if not reads_all:
        said["sets"]["nobody_reads"] = {"ever": {"gaussian": [0, 1]}}
        next(iter(said["sets"].values()))["nobody_asks"] = {"sigmoid": [3, 1]}
    sizing = said["decision"].setdefault("sizing", {})
    foreign = {"fixed": ("annual", "fraction"), "volatility_target": ("size", "fraction"), "kelly": ("size", "annual")}
    sizing |= dict.fromkeys(foreign[sizing.get("kind", "fixed")], 0.77)
    labels = said.setdefault("labels", {})
    if labels.get("kind", "forward_return") not in ("triple_barrier", "zigzag"):
        labels["barrier"] = 3.3
    if labels.get("kind") != "regime":
        labels["of"] = "volatility"
    for model in models_of(said):
        if model["kind"] == "rules":
            model["trainable"] = ["sets"]
    return said


REWRITINGS: dict[str, Rewriting] = {
    "renamed": renamed,
    "reordered": reordered,
    "by De Morgan": negated_twice,
    "respaced": respaced,
    "transforms respelt": transforms_respelt,
    "inputs swapped": inputs_swapped,
    "exits at entries": exits_at_entries,
    "defaults written": defaults_written,
    "numbers recast": numbers_recast,
    "padded": padded,
}


def rewritten(document: Document, vocabulary: Vocabulary, rng: Random) -> Document:
    """Return the document after all rewritings, one on top of another."""
    for rewriting in REWRITINGS.values():
        document = rewriting(document, vocabulary, rng)
    return document


def _each_condition(model: Document, change: Callable[[Expression], Expression]) -> None:
    for i, text in enumerate(model.get("rules") or ()):
        rule = parse_rule(text)
        words = format_rule(Rule(change(rule.condition), rule.direction, rule.strength, rule.weight))
        model["rules"][i] = words if len(words) <= MAX_RULE_LENGTH else text


def _each_rule(model: Document, change: Callable[[Is], Is]) -> None:
    _each_condition(model, lambda condition: _map(condition, change))


def _map(node: Expression, change: Callable[[Is], Is]) -> Expression:
    if isinstance(node, Is):
        return change(node)
    if isinstance(node, Not):
        return Not(_map(node.arg, change))
    return Join(node.op, tuple(_map(arg, change) for arg in node.args))


def _operands_shuffled(node: Expression, rng: Random) -> Expression:
    if isinstance(node, Is):
        return node
    if isinstance(node, Not):
        return Not(_operands_shuffled(node.arg, rng))
    args = [_operands_shuffled(arg, rng) for arg in node.args]
    rng.shuffle(args)
    return Join(node.op, tuple(args))


def _by_de_morgan(node: Expression, rng: Random) -> Expression:
    """Return an equal condition: now and then the negation of its complement, with negations pushed one level down."""
    if isinstance(node, Is):
        return Not(Not(node)) if rng.random() < 0.2 else node
    if isinstance(node, Not):
        return _complement(node.arg, rng)
    args = tuple(_by_de_morgan(arg, rng) for arg in node.args)
    if rng.random() < 0.5:
        return Not(_complement(Join(node.op, args), rng))
    return Join(node.op, (Join(node.op, args[:2]), *args[2:])) if len(args) > 2 else Join(node.op, args)


def _complement(node: Expression, rng: Random) -> Expression:
    if isinstance(node, Not):
        return node.arg
    if isinstance(node, Join) and rng.random() < 0.7:
        return Join("or" if node.op == "and" else "and", tuple(_complement(arg, rng) for arg in node.args))
    return Not(node)
