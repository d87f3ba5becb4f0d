"""Strategy documents as YAML for people: one key order, one line for each feature and set. `load_document` reads it back unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from nullalpha.strategy.spec import DecisionSpec, FeatureSpec, ModelSpec, StrategySpec
from nullalpha.strategy.syntax import resolve_plain

_ROOT_ORDER = tuple(StrategySpec.model_fields)
_ORDERS: Mapping[str, tuple[str, ...]] = {
    "": _ROOT_ORDER,
    "decision": tuple(DecisionSpec.model_fields),
    "model": tuple(ModelSpec.model_fields),
}
_BLOCKS = frozenset({"", "features", "sets", "model", "decision", "model.rules"})


def to_yaml(document: Mapping[str, object]) -> str:
    """Return a document of plain values as YAML, its keys in the language's order; unknown keys come last, as given."""
    node = _node(document, "")
    return yaml.serialize(node, Dumper=yaml.SafeDumper, width=120, allow_unicode=True)


def _node(value: object, path: str) -> yaml.Node:
    if isinstance(value, Mapping):
        pairs = [(_text(str(key)), _node(value[key], f"{path}.{key}".lstrip("."))) for key in _ordered(value, path)]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=path not in _BLOCKS)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = [_node(item, f"{path}.{i}") for i, item in enumerate(value)]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", items, flow_style=path not in _BLOCKS)
    return _scalar(value)


def _ordered(value: Mapping[str, object], path: str) -> list[str]:
    order = _ORDERS.get(path, ())
    if path.startswith("features.") and path.count(".") == 1:
        params = [key for key in value if key not in FeatureSpec.model_fields]
        order = ("indicator", *sorted(params), "output", "timeframe", "transform")
    return sorted(value, key=lambda key: order.index(key) if key in order else len(order))


def _text(text: str) -> yaml.ScalarNode:
    """Return text, quoted wherever an unquoted one could be read as something else."""
    plain = text.isprintable() and resolve_plain(text) == text
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _scalar(value: object) -> yaml.ScalarNode:
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return yaml.ScalarNode("tag:yaml.org,2002:null", "null")
    if isinstance(value, bool):
        return yaml.ScalarNode("tag:yaml.org,2002:bool", "true" if value else "false")
    if isinstance(value, int):
        return yaml.ScalarNode("tag:yaml.org,2002:int", str(value))
    if isinstance(value, float):
        text = repr(value)
        return yaml.ScalarNode("tag:yaml.org,2002:float", text.replace("e", ".0e") if "e" in text and "." not in text else text)
    raise TypeError(f"a {type(value).__name__} is not a value of the language")
