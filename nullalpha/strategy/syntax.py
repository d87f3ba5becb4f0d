"""The syntax of documents: YAML or JSON text to a tree of pairs, lists and scalars, with what the language refuses marked in place.

Keys may still repeat here; `nullalpha.strategy.document` turns the tree into plain values. Parsing is by events, so that nesting is
bounded as it is read and no alias is ever unfolded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from nullalpha.core.errors import Issue, SpecError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn text around, and halves of characters: a terminal that prints them can be made to lie."""
_BRACKETS = re.compile(r'"(?:\\.|[^"\\])*"|([\[{])|([\]}])', re.DOTALL)
_FIXES: Mapping[str, str] = {
    "yaml_syntax": "indent with spaces, and put text that holds `: `, ` #` or a bracket in quotes",
    "json_syntax": "check the quotes, commas and brackets there",
    "bad_key": "write a plain word",
    "many_documents": "give each strategy a file of its own",
}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Refused:
    code: str
    message: str
    line: int
    suggestion: str


@dataclass(frozen=True)
class Pairs:
    items: list[tuple[str, object, int | None]] = field(default_factory=list)


@dataclass
class _Frame:
    node: Pairs | list[object]
    refused: Refused | None
    key: tuple[str, int] | None = None


_YamlEvents: TypeAlias = Iterator[yaml.events.Event]


def parse_text(text: str | bytes) -> object:
    """Return the tree of a text.

    Raises:
        SpecError: on a text that is too long, too deep, not UTF-8, or neither YAML nor JSON.
    """
    source = _decode(text)
    if not source.lstrip().startswith("{"):
        return _parse_yaml(source)
    _refuse_deep_json(source)
    try:
        return json.loads(source, object_pairs_hook=_pairs_of_json, parse_int=plain_integer, parse_constant=float)
    except json.JSONDecodeError as error:
        try:
            return _parse_yaml(source)
        except SpecError:
            raise _broken("json_syntax", error.lineno, error.colno, error.msg) from error


def resolve_plain(text: str) -> object:
    """Return the value of an unquoted YAML scalar by the 1.2 core schema; an infinite or undefined one as that float."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return plain_integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _decode(text: str | bytes) -> str:
    size = len(text)
    if size <= MAX_BYTES and isinstance(text, str):
        size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"the document is longer than {MAX_BYTES // 1024} KB"
        raise SpecError([Issue("document", "too_long", message, f"{size} bytes", "a strategy takes one to three KB")])
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise SpecError([Issue("document", "encoding", message, None, "save the file as UTF-8")]) from error


def plain_integer(digits: str) -> int | float:
    """Return the integer, or the nearest float of one beyond 16 digits (an infinity of one beyond all floats)."""
    return int(digits) if len(digits.lstrip("+-")) <= 16 else float(digits)


def _pairs_of_json(pairs: list[tuple[str, object]]) -> Pairs:
    return Pairs([(key, value, None) for key, value in pairs])


def _refuse_deep_json(source: str) -> None:
    depth = 0
    for match in _BRACKETS.finditer(source):
        depth += 1 if match[1] else -1 if match[2] else 0
        if depth > MAX_DEPTH:
            raise too_deep("document")


def too_deep(path: str) -> SpecError:
    return SpecError([Issue(path, "too_deep", f"nested deeper than {MAX_DEPTH} levels", None, "a strategy needs five levels")])


def _broken(code: str, line: int, column: int, message: str) -> SpecError:
    return SpecError([Issue(f"line {line}", code, f"cannot be parsed at line {line}, column {column}: {message}", None, _FIXES[code])])


def _parse_yaml(source: str) -> object:
    try:
        return _tree(yaml.parse(source, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _broken("yaml_syntax", line, column, error.problem or "not YAML") from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        bad = FORBIDDEN.search(source)
        line = source.count("\n", 0, bad.start()) + 1 if bad else 1
        message = f"line {line} holds a character that no document may contain" if bad else "not YAML"
        fix = "remove it" if bad else _FIXES["yaml_syntax"]
        raise SpecError([Issue(f"line {line}", "yaml_syntax", message, ascii(bad[0]) if bad else None, fix)]) from error


def _tree(events: _YamlEvents) -> object:
    """Return the one document of an event stream as pairs, lists and scalars; refused nodes are marked, not dropped."""
    stack: list[_Frame] = []
    root: object = None
    n_documents = 0
    for event in events:
        line, column = (event.start_mark.line + 1, event.start_mark.column + 1) if event.start_mark else (1, 1)
        if isinstance(event, yaml.DocumentStartEvent):
            n_documents += 1
            if n_documents > 1:
                raise _broken("many_documents", line, 1, "a second document starts; a file holds one strategy")
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if stack and _awaits_key(stack[-1]):
                raise _broken("bad_key", line, column, "a key must be a word")
            if len(stack) == MAX_DEPTH:
                raise too_deep(f"line {line}")
            stack.append(_Frame(Pairs() if isinstance(event, yaml.MappingStartEvent) else [], _refusal(event, line)))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            frame = stack.pop()
            root = _place(stack, frame.refused or frame.node, root)
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            root = _place_scalar(stack, event, line, root)
    return root


def _awaits_key(frame: _Frame) -> bool:
    return isinstance(frame.node, Pairs) and frame.key is None


def _place(stack: list[_Frame], value: object, root: object) -> object:
    if not stack:
        return value
    frame = stack[-1]
    if isinstance(frame.node, list):
        frame.node.append(value)
    elif frame.key is not None:
        frame.node.items.append((frame.key[0], value, frame.key[1]))
        frame.key = None
    return root


def _place_scalar(stack: list[_Frame], event: yaml.ScalarEvent | yaml.AliasEvent, line: int, root: object) -> object:
    refused = _refusal(event, line)
    if stack and _awaits_key(stack[-1]):
        if refused or not isinstance(event, yaml.ScalarEvent):
            raise SpecError([Issue(f"line {line}", "bad_key", f"a key must be a plain word (line {line})", None, _FIXES["bad_key"])])
        stack[-1].key = (event.value, line)
        return root
    if refused or not isinstance(event, yaml.ScalarEvent):
        return _place(stack, refused, root)
    return _place(stack, resolve_plain(event.value) if event.implicit[0] else event.value, root)


def _refusal(event: yaml.NodeEvent, line: int) -> Refused | None:
    if isinstance(event, yaml.AliasEvent):
        return Refused("alias", f"aliases are not part of the language (line {line})", line, "write the value again")
    if event.anchor is not None:
        return Refused("anchor", f"anchors are not part of the language (line {line})", line, "write the value where it is used")
    if getattr(event, "tag", None) is not None:
        return Refused("tag", f"tags are not part of the language (line {line})", line, "write the bare value")
    return None
