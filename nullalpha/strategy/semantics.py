"""What a document's words mean: indicators, parameters, sets and rules against a vocabulary.

Works on the document's plain values and not on the typed form, so that everything wrong is found in one pass, whatever else is broken.
Values of a wrong shape are passed over here; `nullalpha.strategy.issues` reports them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise

from nullalpha.core.errors import Issue
from nullalpha.strategy.issues import shorten, unknown
from nullalpha.strategy.rules import Is, RuleSyntaxError, parse_rule, statements
from nullalpha.strategy.spec import FeatureSpec
from nullalpha.strategy.timeframes import TIMEFRAMES, longer_timeframes
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, IndicatorSignature, Parameter, Vocabulary

MAX_INPUT_DEPTH = 6
"""How many features may read one another in a row."""
_MAX_PARTS = 64
_OWN_KEYS = tuple(FeatureSpec.model_fields)
_NEVER_FEATURES = {"zigzag": "it changes after the fact, so it can be a label (labels: {kind: zigzag}), never a feature"}


class _CircleError(Exception):
    """Features that read themselves; the text is the way round."""


def semantic_issues(values: Mapping[str, object], vocabulary: Vocabulary) -> list[Issue]:
    """Return everything in a document that names what does not exist or lies outside a declared range."""
    return [
        *_feature_issues(values, vocabulary),
        *_depth_issues(values),
        *_set_issues(values),
        *_model_issues(values),
        *_sizing_issues(values),
        *_loss_issues(values),
    ]


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
            yield _unknown_indicator(f"{path}.indicator", indicator, vocabulary)
            continue
        yield from _output_issues(path, given.get("output"), signature)
        yield from _parameter_issues(path, given, signature)
        yield from _input_issues(path, name, given, signature, values)
        yield from _transform_issues(path, given.get("transform"), vocabulary)


def _unknown_indicator(path: str, indicator: str, vocabulary: Vocabulary) -> Issue:
    plain = indicator.lower().replace("_", "")
    fix = _NEVER_FEATURES.get(plain) or unknown(indicator, sorted(vocabulary), "indicators")
    return Issue(path, "unknown_indicator", f"unknown indicator {indicator[:64]!r}", indicator[:200], fix)


def _timeframe_issues(path: str, timeframe: object, base: object) -> Iterator[Issue]:
    if not isinstance(timeframe, str) or timeframe == base or base not in TIMEFRAMES:
        return
    allowed = longer_timeframes(str(base))
    if timeframe not in allowed:
        message = f"a feature's timeframe is the strategy's own ({base}), or a longer one made of its bars"
        yield Issue(f"{path}.timeframe", "bad_timeframe", message, timeframe[:200], " or ".join([str(base)[:8], *allowed]))


def _input_issues(
    path: str, name: str, given: Mapping[str, object], signature: IndicatorSignature, values: Mapping[str, object]
) -> Iterator[Issue]:
    """Check what a column is applied to: as many series as its operator takes, each a bar field or another feature of the same bars."""
    inputs = given.get("input")
    sources = [inputs] if isinstance(inputs, str) else list(inputs) if isinstance(inputs, list | tuple) else []
    if inputs is None or not sources or not all(isinstance(source, str) for source in sources):
        return
    if len(sources) != len(signature.series):
        if not signature.series:
            message, fix = f"{signature.name} reads {', '.join(signature.inputs)} of the bars and takes no input", "remove input"
        else:
            message = f"{signature.name} takes {len(signature.series)} input{'s' if len(signature.series) > 1 else ''}, not {len(sources)}"
            fix = f"input: [{', '.join(signature.series)}]"
        yield Issue(f"{path}.input", "wrong_inputs", message, shorten(inputs), fix)
        return
    features = _mapping(values.get("features"))
    for source in sources:
        if source in features and source in BAR_FIELD_UNITS:
            message = f"{source!r} is a field of every bar and a feature of this document"
            yield Issue(f"{path}.input", "ambiguous_input", message, source, f"rename the feature {source}")
        elif source not in features and source not in BAR_FIELD_UNITS:
            known = [*(other for other in features if other != name), *BAR_FIELD_UNITS]
            message = f"{source[:60]!r} is neither a feature of this document nor a field of a bar"
            yield Issue(f"{path}.input", "unknown_input", message, source[:200], unknown(source, known, "inputs"))
        elif source in features:
            yield from _joint_issues(path, source, given, _mapping(features[source]), values)


def _joint_issues(
    path: str, source: str, given: Mapping[str, object], below: Mapping[str, object], values: Mapping[str, object]
) -> Iterator[Issue]:
    """An operator on a longer timeframe or another instrument reads features of the same bars, before any transform."""
    base = values.get("timeframe", "1d")
    at = (given.get("timeframe") or base, given.get("of"))
    if at == (base, None):
        return
    if at != (below.get("timeframe") or base, below.get("of")) or below.get("transform") is not None:
        message = f"it is computed on {_words(at)} bars, but {source!r} on {_words((below.get('timeframe') or base, below.get('of')))}"
        if below.get("transform") is not None:
            message += ", transformed on the base bars"
        fix = "leave out its timeframe and of, so that it is computed on the base bars"
        yield Issue(f"{path}.input", "mixed_inputs", message, source, fix)


def _words(at: tuple[object, object]) -> str:
    return " ".join(str(part)[:16] for part in at if part is not None)


def _transform_issues(path: str, transform: object, vocabulary: Vocabulary) -> Iterator[Issue]:
    steps = [transform] if isinstance(transform, Mapping) else list(transform) if isinstance(transform, list | tuple) else []
    unary = {name: one for name, one in vocabulary.items() if len(one.series) == 1 and len(one.parameters) <= 1}
    for i, step in enumerate(islice(steps, 4)):
        if not isinstance(step, Mapping) or len(step) != 1:
            continue
        ((operator, value),) = step.items()
        place = f"{path}.transform.{str(operator)[:60]}" if isinstance(transform, Mapping) else f"{path}.transform.{i}.{str(operator)[:60]}"
        signature = unary.get(operator)
        if signature is None:
            message = f"{str(operator)[:60]!r} is no operator on one series with at most one parameter"
            yield Issue(place, "unknown_transform", message, str(operator)[:200], unknown(str(operator), sorted(unary), "transforms"))
        elif signature.parameters:
            yield from _value_issues(place, value, signature.parameters[0])
        elif value is not True:
            yield Issue(place, "wrong_type", f"{operator} has no parameter; write true", shorten(value), "true")


def _depth_issues(values: Mapping[str, object]) -> Iterator[Issue]:
    """Refuse features that read themselves, however far around, and chains that are too long."""
    features = dict(islice(_mapping(values.get("features")).items(), _MAX_PARTS))
    depths: dict[str, int] = {}

    def depth(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise _CircleError(" -> ".join([*above[above.index(name) :], name]))
        if name not in depths:
            inputs = _mapping(features[name]).get("input")
            sources = [inputs] if isinstance(inputs, str) else inputs if isinstance(inputs, list | tuple) else []
            known = [source for source in sources if isinstance(source, str) and source in features]
            depths[name] = 1 + max((depth(source, (*above, name)) for source in known), default=0)
        return depths[name]

    for name in features:
        path = f"features.{name[:60]}.input"
        try:
            deep = depth(name, ())
        except _CircleError as circle:
            message = f"features read themselves: {circle}"
            yield Issue(path, "circular_input", message[:200], name[:60], "let one of them read a field of the bars")
            return
        if deep > MAX_INPUT_DEPTH:
            message = f"{deep} features read one another in a row; {MAX_INPUT_DEPTH} may"
            yield Issue(path, "input_too_deep", message, name[:60], "combine fewer of them")


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
    yield from _order_issues(path, given, signature)


def _order_issues(path: str, given: Mapping[str, object], signature: IndicatorSignature) -> Iterator[Issue]:
    """Check parameters that must ascend, such as the fast and the slow average of a MACD."""
    defaults = {parameter.name: parameter.default for parameter in signature.parameters}
    for low, high in pairwise(signature.rising):
        first, second = given.get(low, defaults[low]), given.get(high, defaults[high])
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (first, second))
        if numbers and not first < second:  # type: ignore[operator]
            message = f"{low} ({first}) must be below {high} ({second})"
            yield Issue(f"{path}.{low if low in given else high}", "parameters_cross", message, shorten(first), f"{low}: {defaults[low]}")


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


def _model_issues(values: Mapping[str, object]) -> Iterator[Issue]:
    model = _mapping(values.get("model"))
    yield from _member_issues("model", model, values)
    for name, member in islice(_mapping(model.get("members")).items(), _MAX_PARTS):
        yield from _member_issues(f"model.members.{name[:60]}", _mapping(member), values)
    router = _mapping(model.get("router"))
    yield from _member_issues("model.router.model", _mapping(router.get("model")), values)
    kind = _mapping(router.get("labels")).get("kind", "regime")
    if router and _mapping(router.get("model")).get("kind") not in (None, "rules") and isinstance(kind, str) and kind != "regime":
        message = f"a router's model tells regimes, so it learns a regime label, not {kind[:40]}"
        yield Issue("model.router.labels.kind", "router_label", message, kind[:200], "regime")


def _member_issues(path: str, model: Mapping[str, object], values: Mapping[str, object]) -> Iterator[Issue]:
    rules = model.get("rules")
    for i, text in enumerate(islice(rules, _MAX_PARTS) if isinstance(rules, list | tuple) else ()):
        if isinstance(text, str) and 0 < len(text) <= 500:
            yield from _rule_issues(f"{path}.rules.{i}", text, values)
    inputs = model.get("inputs")
    sets = _mapping(values.get("sets"))
    known = [f"{feature}.{name}" for feature, given in sets.items() for name in _mapping(given)]
    for i, text in enumerate(islice(inputs, 256) if isinstance(inputs, list | tuple) else ()):
        if isinstance(text, str) and text not in known:
            message = f"there is no set {text[:65]!r}"
            yield Issue(f"{path}.inputs.{i}", "unknown_set", message, text[:200], unknown(text, known, "sets"))


def _rule_issues(path: str, text: str, values: Mapping[str, object]) -> Iterator[Issue]:
    try:
        rule = parse_rule(text)
    except RuleSyntaxError as error:
        message = f"column {error.column}: {error.message}"
        fix = error.suggestion or "if FEATURE is SET and not FEATURE is SET then long 1.0"
        yield Issue(path, "rule_syntax", message, text[:200], fix)
        return
    for stated in statements(rule.condition):
        yield from _statement_issues(path, stated, values)


def _sizing_issues(values: Mapping[str, object]) -> Iterator[Issue]:
    """Kelly's size needs a predicted return, which rules as written, other labels and losses of no error do not give."""
    sizing = _mapping(_mapping(values.get("decision")).get("sizing"))
    if sizing.get("kind") != "kelly":
        return
    parts = _answering(values)
    label = _mapping(values.get("labels")).get("kind", "forward_return")
    loss = _mapping(values.get("training")).get("loss", "huber")
    if any(part.get("kind") == "rules" or part.get("trainable") in ([], ()) for part in parts):
        message = "kelly sizing needs a model that predicts a return; rules as written predict none"
        yield Issue("decision.sizing.kind", "kelly_without_forecast", message, "kelly", "volatility_target, or a model of kind anfis")
    elif label != "forward_return":
        message = f"kelly sizing needs a predicted return, but the label is {str(label)[:40]}"
        yield Issue("decision.sizing.kind", "kelly_without_forecast", message, "kelly", "labels: {kind: forward_return}")
    elif loss in ("cross_entropy", "focal", "utility"):
        message = f"kelly sizing needs a predicted return, but a model under the loss {loss} predicts none"
        yield Issue("decision.sizing.kind", "kelly_without_forecast", message, "kelly", "loss: huber, or volatility_target")


def _loss_issues(values: Mapping[str, object]) -> Iterator[Issue]:
    """A utility is earned on returns, so whatever learns under it must have a return for its label."""
    if _mapping(values.get("training")).get("loss") != "utility":
        return
    label = _mapping(values.get("labels")).get("kind", "forward_return")
    if any(map(_learns, _answering(values))) and isinstance(label, str) and label in ("zigzag", "regime"):
        message = f"a utility is earned on the return to a horizon, which a {label} label is not"
        yield Issue("training.loss", "utility_without_return", message, "utility", "labels: {kind: forward_return}")
    router = _mapping(_mapping(values.get("model")).get("router"))
    if _learns(_mapping(router.get("model"))):
        message = "the router's model learns a regime, which is no return, so no utility is earned on it"
        yield Issue("training.loss", "utility_without_return", message, "utility", "loss: huber, or a router's model of kind rules")


def _answering(values: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return the model and its members."""
    model = _mapping(values.get("model"))
    return [_mapping(part) for part in (model, *_mapping(model.get("members")).values())]


def _learns(model: Mapping[str, object]) -> bool:
    return model.get("kind") not in (None, "rules", "ensemble") and model.get("trainable") not in ([], ())


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
