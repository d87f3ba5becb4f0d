"""Issues of a document's shape: what the typed form says of it, in the words and places of the document."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nullalpha.core.errors import Issue, nearest
from nullalpha.strategy.spec import MAX_SYMBOL, FeatureSpec, StrategySpec, slug

_CODES = {
    "extra_forbidden": "unknown_key",
    "missing": "missing",
    "literal_error": "unknown_value",
    "finite_number": "not_finite",
    "string_pattern_mismatch": "bad_name",
    "too_short": "too_few",
    "too_long": "too_many",
    "string_too_short": "too_few",
    "string_too_long": "too_many",
} | dict.fromkeys(("greater_than", "greater_than_equal", "less_than", "less_than_equal"), "out_of_range")
_CAMPAIGN_KEYS = ("start", "end", "date", "zone", "fold", "cost", "commission", "slippage", "capital", "benchmark", "budget", "seed")


def shape_issues(error: ValidationError, limit: int) -> list[Issue]:
    """Return a pydantic error as issues: dotted paths, stable codes, and the nearest key or value that exists."""
    issues = [_issue(detail) for detail in error.errors(include_url=False)[:limit]]
    within = {issue.path.rpartition(".")[0] for issue in issues}
    return [issue for issue in issues if not (issue.code == "too_few" and issue.path in within)]  # a broken entry is not counted


def shorten(value: object) -> str | None:
    """Return a value as short text for an issue; a mapping or list as JSON."""
    if value is None or isinstance(value, str):
        return value[:200] if value else value
    try:
        return json.dumps(value)[:200]
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def unknown(name: str, known: Sequence[str], what: str) -> str:
    """Return the fix for an unknown name: the nearest one that exists, or the list."""
    near = nearest(name[:64], known)
    if near:
        return near
    listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f"known {what}: {listed}" if known else f"there are no {what}"


def _issue(detail: ErrorDetails) -> Issue:
    loc, kind = detail["loc"], detail["type"]
    is_key = loc[-1:] == ("[key]",) and kind.startswith(("string_", "reserved_name"))  # pydantic's mark of a bad key
    loc = loc[:-1] if is_key else loc
    path = ".".join(str(part)[:60] for part in loc) or "document"
    context: Mapping[str, object] = detail.get("ctx") or {}
    value = str(loc[-1]) if is_key or kind == "extra_forbidden" else shorten(detail["input"])
    code = _CODES.get(kind) or ("wrong_type" if kind.endswith(("_type", "_parsing", "_from_float")) else kind)
    message, suggestion = _words(kind, code, loc, context, detail)
    return Issue(path, code, message, None if code == "missing" else value and value[:200], suggestion)


def _words(kind: str, code: str, loc: tuple[int | str, ...], context: Mapping[str, object], detail: ErrorDetails) -> tuple[str, str | None]:
    last = str(loc[-1])[:60] if loc else ""
    if code == "unknown_key":
        return f"unknown key {last!r}", _right_key(last, loc)
    if code == "missing":
        return f"{last!r} is missing", f"add `{last}`"
    if code == "unknown_value":
        choices = [str(choice) for choice in _choices(_type_at(loc))]
        return f"must be one of {', '.join(choices)}", unknown(str(detail["input"]), choices, "values")
    if code == "out_of_range":
        (bound,) = context.values()
        words = {"greater_than": "above", "greater_than_equal": "at least", "less_than": "below", "less_than_equal": "at most"}
        inside = f"{bound * 0.99:g}" if kind in ("greater_than", "less_than") and isinstance(bound, int | float) else str(bound)
        return f"must be {words[kind]} {bound}", inside
    if code == "bad_name":
        return _bad_name(loc, str(detail["input"]))
    if code == "wrong_type":
        return f"must be {_expected_type(kind)}", _retyped(kind, detail["input"]) or _usual(kind, loc)
    if code in ("too_few", "too_many"):
        bound = context.get("min_length", context.get("max_length"))
        unit = "character" if kind.startswith("string") else "entry"
        units = unit if bound == 1 else {"character": "characters", "entry": "entries"}[unit]
        few = code == "too_few"
        return f"needs {'at least' if few else 'at most'} {bound} {units}", f"add to it until there are {bound}" if few else f"keep {bound}"
    fix = context.get("suggestion")
    return detail["msg"], None if fix is None else str(fix)


def _right_key(key: str, loc: tuple[int | str, ...]) -> str | None:
    model = _type_at(loc[:-1])
    here = list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
    if key.removesuffix("s") in _CAMPAIGN_KEYS:
        return "leave it out: it belongs to the campaign, not to a strategy"
    elsewhere = [path for path in _all_keys(StrategySpec, ()) if path.rsplit(".", 1)[-1] == key]
    if elsewhere:
        return f"it belongs at {elsewhere[0]}"
    return nearest(key, here) or f"known keys: {', '.join(here)}"


def _bad_name(loc: tuple[int | str, ...], name: str) -> tuple[str, str | None]:
    if loc and (loc[0] == "instruments" or loc[-1] == "of"):
        near = re.sub(r"[^A-Z0-9._^=-]|^[^A-Z0-9^]+", "", name.upper())[:MAX_SYMBOL]
        return "an instrument is upper-case letters, digits and . _ ^ = -", near or "SPX"
    if loc == ("name",):
        return "a strategy's name is letters, digits, spaces and . _ -", slug(name)
    fixed = slug(name).lower().replace("-", "_").replace(".", "_")[:32]
    return "a name is a lower-case letter, then lower-case letters, digits or _", fixed if fixed[:1].isalpha() else f"x_{fixed}"[:32]


def _expected_type(kind: str) -> str:
    kinds = {"float": "a number", "int": "a whole number", "string": "text", "tuple": "a list", "dict": "a mapping", "model": "a mapping"}
    return kinds.get(kind.split("_", 1)[0], "of another type")


def _retyped(kind: str, value: object) -> str | None:
    if kind.startswith(("float", "int")) and isinstance(value, str):
        try:
            float(value[:40])
        except ValueError:
            return None
        return f"{value[:40]} without quotes"
    return None


def _usual(kind: str, loc: Sequence[int | str]) -> str:
    """Return what stands at a place by default, or what a value of its type looks like."""
    model = _type_at(loc[:-1])
    info = model.model_fields.get(str(loc[-1])) if loc and isinstance(model, type) and issubclass(model, BaseModel) else None
    if info is not None and isinstance(info.default, bool | int | float | str):
        return str(info.default)
    forms = {
        "float": "0.5",
        "int": "10",
        "string": "some text",
        "tuple": "[one, another]",
        "dict": "{name: value}",
        "model": "{key: value}",
    }
    return forms.get(kind.split("_", 1)[0], "leave it out")


def _type_at(loc: Sequence[int | str]) -> object:
    """Return the type that the spec declares at a place, or None."""
    current: object = StrategySpec
    for part in loc:
        if isinstance(current, type) and issubclass(current, BaseModel):
            info = current.model_fields.get(str(part))
            current = _bare(info.annotation) if info else None
        else:
            args = typing.get_args(current)
            index = 1 if typing.get_origin(current) is dict else 0
            current = _bare(args[index]) if len(args) > index else None
    return current


def _bare(annotation: object) -> object:
    while hasattr(annotation, "__metadata__"):
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return next(_bare(arg) for arg in typing.get_args(annotation) if arg is not NoneType)
    return annotation


def _choices(annotation: object) -> tuple[object, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()


def _all_keys(model: type[BaseModel], prefix: tuple[str, ...]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield ".".join((*prefix, name))
        inner = _bare(info.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel) and inner is not FeatureSpec:
            yield from _all_keys(inner, (*prefix, name))
