"""Compilation of features: from what a document says of a column to its node, and what is known of a node without computing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nullalpha.core.fingerprint import fingerprint
from nullalpha.strategy.plan import FeaturePlan
from nullalpha.strategy.spec import FeatureSpec, TransformSpec
from nullalpha.strategy.timeframes import base_bars
from nullalpha.strategy.vocabulary import BAR_FIELD_UNITS, BAR_FIELD_WARMUP, BarField, ParameterValue, Unit, Vocabulary

NodeKey = str


def compile_columns(
    features: Mapping[str, FeatureSpec], timeframe: str, vocabulary: Vocabulary, instruments: Sequence[str] = ()
) -> dict[str, FeaturePlan]:
    """Return the node of every feature of a valid document, transforms included.

    Args:
        timeframe: the strategy's own.
        instruments: what it trades; a feature `of` the only one of them is a feature of what is traded.
    """
    own = instruments[0] if len(instruments) == 1 else None
    nodes: dict[str, FeaturePlan] = {}

    def node(name: str) -> FeaturePlan:
        if name not in nodes:
            spec = features[name]
            inputs = tuple(node(given) if given in features else _field(given) for given in spec.input or ())
            nodes[name] = _column(name, spec, inputs, timeframe, vocabulary, own)
        return nodes[name]

    return {name: node(name) for name in features}


def compile_feature(name: str, feature: FeatureSpec, timeframe: str, vocabulary: Vocabulary) -> FeaturePlan:
    """Return one column that reads no other feature of a strategy whose base timeframe is `timeframe`; the spec must be valid."""
    return compile_columns({name: feature}, timeframe, vocabulary)[name]


def node_key(node: FeaturePlan) -> NodeKey:
    """Return the SHA-256 of what a node computes: equal for equal nodes, whatever they are called."""
    inputs = [node_key(given) if isinstance(given, FeaturePlan) else given for given in node.inputs]
    return fingerprint([node.indicator, [list(pair) for pair in node.params], node.output, node.timeframe, node.instrument, inputs])


def node_warmup_bars(node: FeaturePlan, timeframe: str, vocabulary: Vocabulary) -> int:
    """Return the bars of the base timeframe before a node's first value.

    Exact where all is on the base timeframe; otherwise an estimate that waits for each longer bar to end, leaves out a first one that
    is cut, and takes sessions for 6.5 hours long.
    """
    if node.timeframe == timeframe and not node.instrument:
        below = [
            node_warmup_bars(given, timeframe, vocabulary) if isinstance(given, FeaturePlan) else BAR_FIELD_WARMUP[given]
            for given in node.inputs
        ]
        return _own_warmup(node, vocabulary) + max(below, default=0)
    native = _native_warmup(node, vocabulary)
    return native if node.timeframe == timeframe else (native + 2) * base_bars(node.timeframe, timeframe)


def uses_longer_bars(node: FeaturePlan, timeframe: str) -> bool:
    """Return whether a node or one below it waits for the bars of a longer timeframe."""
    return node.timeframe != timeframe or any(uses_longer_bars(i, timeframe) for i in node.inputs if isinstance(i, FeaturePlan))


def _native_warmup(node: FeaturePlan, vocabulary: Vocabulary) -> int:
    below = [_native_warmup(i, vocabulary) if isinstance(i, FeaturePlan) else BAR_FIELD_WARMUP[i] for i in node.inputs]
    return _own_warmup(node, vocabulary) + max(below, default=0)


def _own_warmup(node: FeaturePlan, vocabulary: Vocabulary) -> int:
    return vocabulary[node.indicator].warmup_bars(dict(node.params))


def _column(
    name: str,
    spec: FeatureSpec,
    inputs: tuple[FeaturePlan | BarField, ...],
    timeframe: str,
    vocabulary: Vocabulary,
    own: str | None,
) -> FeaturePlan:
    node = FeaturePlan(
        name,
        spec.indicator,
        _params(spec.indicator, spec.params, vocabulary),
        spec.output or vocabulary[spec.indicator].outputs[0],
        spec.timeframe or timeframe,
        "" if spec.of in (None, own) else str(spec.of),
        inputs or vocabulary[spec.indicator].series,
    )
    node = _finished(node, vocabulary)
    for transform in spec.transform or ():
        node = _finished(_transformed(node, transform, timeframe, vocabulary), vocabulary)
    return node


def _transformed(node: FeaturePlan, transform: TransformSpec, timeframe: str, vocabulary: Vocabulary) -> FeaturePlan:
    """Return an operator on a column's values as they stand on the base bars."""
    signature = vocabulary[transform.operator]
    given = {signature.parameters[0].name: transform.value} if signature.parameters else {}
    params = _params(transform.operator, given, vocabulary)
    return FeaturePlan(node.name, transform.operator, params, signature.outputs[0], timeframe, "", (node,))


def _finished(node: FeaturePlan, vocabulary: Vocabulary) -> FeaturePlan:
    """Return a node with symmetric inputs in canonical order, and its unit."""
    signature = vocabulary[node.indicator]
    inputs = tuple(sorted(node.inputs, key=_input_key)) if signature.symmetric else node.inputs
    unit = signature.unit_of(node.output)
    return replace(node, inputs=inputs, unit=_unit_of(inputs[0]) if unit == "input" and inputs else unit)


def _input_key(given: FeaturePlan | BarField) -> str:
    return node_key(given) if isinstance(given, FeaturePlan) else f"field {given}"


def _unit_of(given: FeaturePlan | BarField) -> Unit:
    return given.unit if isinstance(given, FeaturePlan) else BAR_FIELD_UNITS[given]


def _params(indicator: str, given: Mapping[str, object], vocabulary: Vocabulary) -> tuple[tuple[str, ParameterValue], ...]:
    """Return an indicator's parameters, sorted by name, complete with defaults."""
    parameters = vocabulary[indicator].parameters
    return tuple(sorted((p.name, _literal(given.get(p.name, p.default), p.integer)) for p in parameters))


def _literal(value: object, integer: bool) -> ParameterValue:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return int(value) if integer else float(value) + 0.0


def _field(name: str) -> BarField:
    return next(field for field in BAR_FIELD_UNITS if field == name)
