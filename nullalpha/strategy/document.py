"""Reading strategy documents: text in, plain JSON values out, nothing executed and nothing guessed.

YAML and JSON are read alike: scalars follow YAML 1.2's core schema (`yes`, `on` and dates are text, `1e-3` is a number). Refused are
duplicate keys, anchors, aliases, tags, NaN and infinities, control characters, several documents in one file, more than `MAX_BYTES`
and nesting deeper than `MAX_DEPTH`. Reading knows nothing of strategies; `nullalpha.strategy.validate` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.syntax import FORBIDDEN, MAX_DEPTH, Pairs, Refused, parse_text, too_deep

MAX_NODES = 10_000
MAX_ISSUES = 100


@dataclass(frozen=True)
class Document:
    """What a text holds: `values` as plain JSON values, and everything refused on the way (refused values are None)."""

    values: dict[str, object]
    issues: tuple[Issue, ...]


def load_document(text: str | bytes) -> dict[str, object]:
    """Return the document in a YAML or JSON text as plain values.

    Raises:
        SpecError: with every refusal; `path` is the dotted place, or `line N` where the text cannot be parsed.
    """
    document = read_document(text)
    if document.issues:
        raise SpecError(document.issues)
    return document.values


def read_document(text: str | bytes) -> Document:
    """Return the document with what was refused in it, so that a caller can add its own findings.

    Raises:
        SpecError: if there is no tree to speak of: too long, too deep, not UTF-8, a syntax error, or not a mapping.
    """
    return _document(parse_text(text))


def check_tree(values: Mapping[str, object]) -> Document:
    """Return a copy of a mapping from elsewhere (a tool call, a file of another kind), held to the same rules.

    Raises:
        SpecError: if it is too deep or too large.
    """
    return _document(values)


def _document(tree: object) -> Document:
    if not isinstance(tree, Pairs | Mapping):
        found = "nothing" if tree is None else "a list" if isinstance(tree, list) else "a single value"
        message = f"a strategy is a mapping of keys to values; this holds {found}"
        raise SpecError([Issue("document", "not_a_mapping", message, None, "start with `nullalpha: 1`")])
    builder = _Builder()
    return Document(builder.mapping(tree, "", 1), tuple(builder.issues))


class _Builder:
    """Copies a tree into plain values; counts nodes and gathers refusals."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.n_nodes = 0

    def plain(self, node: object, path: str, depth: int) -> object:
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            message = f"the document holds more than {MAX_NODES} values"
            raise SpecError([Issue("document", "too_long", message, None, "a strategy takes a few hundred")])
        if isinstance(node, Pairs | Mapping | list | tuple):
            if depth > MAX_DEPTH:
                raise too_deep(path or "document")
            return self._list(node, path, depth) if isinstance(node, list | tuple) else self.mapping(node, path, depth)
        return self._scalar(node, path)

    def _list(self, node: Sequence[object], path: str, depth: int) -> list[object]:
        return [self.plain(item, f"{path}.{i}", depth + 1) for i, item in enumerate(node)]

    def mapping(self, node: Pairs | Mapping[str, object], path: str, depth: int) -> dict[str, object]:
        items = node.items if isinstance(node, Pairs) else [(key, value, None) for key, value in node.items()]
        values: dict[str, object] = {}
        for key, value, line in items:
            name = key if isinstance(key, str) else str(type(key).__name__)
            place = f"{path}.{_clip(name)}".lstrip(".")
            where = f" (line {line})" if line else ""
            if not isinstance(key, str) or FORBIDDEN.search(key):
                self._refuse(place, "bad_key", f"a key must be a word{where}", "write a plain word")
            elif key in values:
                self._refuse(place, "duplicate_key", f"the key {_clip(key)!r} is given twice{where}", "keep one of them")
            else:
                values[key] = self.plain(value, place, depth + 1)
        return values

    def _scalar(self, node: object, path: str) -> object:
        if isinstance(node, Refused):
            self._refuse(path, node.code, node.message, node.suggestion)
            return None
        if isinstance(node, str):
            if FORBIDDEN.search(node):
                self._refuse(path, "bad_text", "the text holds a control character or half of a character", "remove it")
                return None
            return node
        if isinstance(node, float) and not math.isfinite(node):
            self._refuse(path, "not_finite", f"{node} is not a finite number", "give a finite number")
            return None
        if isinstance(node, int) and not isinstance(node, bool) and abs(node) >= 10**16:
            if node.bit_length() < 1000:
                return float(node)
            self._refuse(path, "not_finite", "the number is too large", "give a smaller number")
            return None
        if node is None or isinstance(node, bool | int | float):
            return node
        self._refuse(path, "wrong_type", f"a {type(node).__name__} is not a value of the language", "text, a number, true, false or null")
        return None

    def _refuse(self, path: str, code: str, message: str, suggestion: str | None) -> None:
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(Issue(path, code, message, None, suggestion))


def _clip(key: str) -> str:
    printable = "".join(character if character.isprintable() else "\ufffd" for character in key)
    return printable if len(printable) <= 60 else printable[:57] + "..."
