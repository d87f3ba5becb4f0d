"""From a model's text to a validated value, and from a validator's errors to words that a small model can act on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Generic

from pydantic import BaseModel, ValidationError

from nullalpha.llm.calls import Answer

MAX_ANSWER_CHARACTERS = 64_000
MAX_STARTS = 64
MAX_COMPLAINTS = 8
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Reading(Generic[Answer]):
    """What a text turned out to be: a value, or the complaints about it."""

    value: Answer | None
    complaints: tuple[str, ...]


def answer_schema(returns: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of an answer without titles, which only cost tokens."""
    schema: dict[str, Any] = _without_titles(returns.model_json_schema())
    return schema


def _without_titles(node: Any, named: bool = False) -> Any:
    if isinstance(node, dict):
        return {key: _without_titles(value, named=key in ("properties", "$defs")) for key, value in node.items() if named or key != "title"}
    return [_without_titles(item) for item in node] if isinstance(node, list) else node


def read_answer(text: str, returns: type[Answer]) -> Reading[Answer]:
    """Find the JSON object in a text (alone, fenced, or amid prose) and validate it.

    Of several objects the first valid one counts; if none is, the complaints are about the largest.
    """
    found = objects_in(text)
    if not found:
        return Reading(None, (_why_no_object(text),))
    failures: list[tuple[int, tuple[str, ...]]] = []
    for candidate in found:
        try:
            return Reading(returns.model_validate(candidate), ())
        except ValidationError as error:
            failures.append((len(json.dumps(candidate)), complaints_of(error)))
    return Reading(None, max(failures, key=lambda failure: failure[0])[1])


def objects_in(text: str) -> list[dict[str, Any]]:
    """Return the outermost JSON objects of a text, in order; thoughts between think tags are skipped."""
    text = _THOUGHT.sub("", text[:MAX_ANSWER_CHARACTERS])
    found: list[dict[str, Any]] = []
    position, starts = text.find("{"), 0
    while position >= 0 and starts < MAX_STARTS:
        starts += 1
        try:
            value, end = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            found.append(value)
        position = text.find("{", end)
    return found


def complaints_of(error: ValidationError) -> tuple[str, ...]:
    """Return one line an error: path, message and value."""
    lines = []
    for detail in error.errors(include_url=False, include_context=False)[:MAX_COMPLAINTS]:
        path = ".".join(str(part) for part in detail["loc"]) or "the object"
        value = repr(detail["input"])
        lines.append(f"{path}: {detail['msg']} (you wrote {value if len(value) <= 80 else value[:77] + '...'})")
    more = error.error_count() - len(lines)
    return (*lines, f"and {more} more") if more else tuple(lines)


def complaint_text(complaints: tuple[str, ...], cut_off: bool) -> str:
    """Return the message that asks for a repair."""
    reason = ["The answer was cut off at the length limit: write a shorter one."] if cut_off else []
    listed = [f"- {complaint}" for complaint in complaints]
    return "\n".join(["Your answer is not valid:", *reason, *listed, "Answer again with the whole corrected JSON object and nothing else."])


def _why_no_object(text: str) -> str:
    if not text.strip():
        return "the answer is empty"
    head = text.strip()[:60]
    if "{" not in text:
        return f"the answer holds no JSON object (it begins with {head!r})"
    return f"the answer's JSON does not parse or is not complete (it begins with {head!r})"
