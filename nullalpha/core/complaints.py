"""What is wrong with a value, said in the lab's own words: where, the value, and what it takes. Made from pydantic's errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_TYPES = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "date": "a date such as 2020-01-31",
}
_SHOWN_CHARACTERS = 60


def complaint(error: ErrorDetails, where: str) -> str:
    """Return one sentence without a full stop about one of pydantic's errors.

    Args:
        where: the value's name as whoever gave it knows it, e.g. `limit` or `--limit`.
    """
    kind, value = error["type"], error.get("input")
    context: Mapping[str, Any] = error.get("ctx") or {}
    where = where[:_SHOWN_CHARACTERS]
    if kind == "missing":
        return f"{where} is missing"
    if kind == "extra_forbidden":
        return f"there is no {where}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        limit = context[bound]
        whole = isinstance(limit, float) and limit.is_integer()
        return f"{where} is {shown(value)}; it takes {words} {int(limit) if whole else limit}"
    if kind.endswith(("too_short", "too_long")):
        return _length(kind, where, value, context)
    if kind == "literal_error":
        return f"{where} is {shown(value)}; it takes {str(context['expected']).replace(chr(39), '')}"
    if kind == "string_pattern_mismatch":
        return f"{where} is {shown(value)}; it takes text of the form {context['pattern']}"
    if kind == "string_unicode":
        return f"{where} is no text that UTF-8 can hold"
    if kind.endswith(("_type", "_parsing", "_from_float", "_number")):
        return f"{where} is {shown(value)}; it takes {_TYPES.get(kind.split('_', 1)[0], 'another type')}"
    return f"{where} is {shown(value)}: {error['msg'].removeprefix('Value error, ')}"


def shown(value: object) -> str:
    """Return a value as it stands in a sentence: short, text between quotation marks."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _length(kind: str, where: str, value: object, context: Mapping[str, Any]) -> str:
    few = kind.endswith("short")
    bound = context["min_length" if few else "max_length"]
    one, many = ("character", "characters") if kind.startswith("string") else ("entry", "entries")
    takes = f"it takes {'at least' if few else 'at most'} {bound:,} {one if bound == 1 else many}"
    length = len(value) if isinstance(value, str | list | tuple | dict) else None
    if length == 0:
        return f"{where} is empty; {takes}"
    if length is None:
        return f"{where} has too {'few' if few else 'many'} {many}; {takes}"
    return f"{where} has {length:,} {one if length == 1 else many}; {takes}"
