"""What a tool returns, as an MCP result: JSON that fits the room of one answer, or a typed error.

An answer goes out twice, as the protocol asks: structured, and as the same JSON in text. Lengths are in characters of that text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mcp import types
from pydantic import BaseModel

from nullalpha.core.errors import NullAlphaError
from nullalpha.tools.door import Tool

MAX_CHARS = 80_000
"""Claude Code takes 25,000 tokens an answer; JSON of names and figures has more than three characters a token."""

MAX_ERROR_CHARS = 20_000
MAX_ERROR_FIELD_CHARS = 1_000
SHORTENED = "shortened"
SHORTENED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Present only when lists were cut to fit one answer: what was left out, and how to ask for it.",
    "properties": {key: {"type": "string"} for key in ("code", "message", "suggestion")},
}
_NOTE_CHARS = 1_500
_NAMED_CUTS = 5


class AnswerTooLongError(NullAlphaError):
    """The answer does not fit, and no list in it can be cut."""

    code = "answer_too_long"


@dataclass(frozen=True)
class Cut:
    """A list of which only the first `kept` items stayed."""

    path: str
    kept: int
    of: int


def answer(tool: Tool, result: BaseModel) -> types.CallToolResult:
    """Return a tool's result, its longest lists cut from the end if it is longer than `MAX_CHARS`.

    Raises:
        AnswerTooLongError: if cutting lists is not enough.
    """
    body: dict[str, Any] = result.model_dump(mode="json", by_alias=True)
    if len(_text(body)) > MAX_CHARS:
        narrower = f"ask for less; {tool.name} takes: {', '.join(tool.arguments.model_fields) or 'no arguments'}"
        body, cuts = fit(body, MAX_CHARS - _NOTE_CHARS, narrower)
        named = "; ".join(f"{cut.path}: the first {cut.kept} of {cut.of}" for cut in cuts[:_NAMED_CUTS])
        body[SHORTENED] = {"code": SHORTENED, "message": f"too long for one answer; {named}", "suggestion": narrower}
    text = _text(body)
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structuredContent=json.loads(text))


def refusal(error: NullAlphaError) -> types.CallToolResult:
    """Return a typed error as the result of a call, its texts and lists cut to a size that a client can take."""
    body = _clipped(error.to_dict())
    if len(_text(body)) > MAX_ERROR_CHARS:
        body, _ = fit(body, MAX_ERROR_CHARS, "mend these first")
    return types.CallToolResult(content=[types.TextContent(type="text", text=_text(body))], isError=True)


def fit(body: dict[str, Any], room: int, narrower: str) -> tuple[dict[str, Any], tuple[Cut, ...]]:
    """Return JSON whose text is at most `room` long: the longest list keeps the items at its head that fit, then the next longest.

    Args:
        narrower: what the caller is told to do when that is not enough.
    Raises:
        AnswerTooLongError: if it is still longer with one item in each list.
    """
    body, cuts = json.loads(_text(body)), []
    while (excess := len(_text(body)) - room) > 0:
        path, items, size = max(_lists(body, ""), key=lambda found: found[2], default=("", [], 0))
        if not items:
            raise AnswerTooLongError(f"the answer is {excess} characters longer than one answer may be", suggestion=narrower)
        kept, used = 0, 1
        while (used := used + len(_text(items[kept])) + 1) <= size - excess:
            kept += 1
        cuts.append(Cut(path, max(1, kept), len(items)))
        del items[max(1, kept) :]
    return body, tuple(cuts)


def _lists(value: Any, path: str) -> list[tuple[str, list[Any], int]]:
    """Return every list of more than one item in a JSON value, with its path and the length of its text."""
    inner: list[tuple[str, Any]] = []
    found = []
    if isinstance(value, dict):
        inner = [(f"{path}.{key}".lstrip("."), item) for key, item in value.items()]
    elif isinstance(value, list):
        inner = [(f"{path}.{index}", item) for index, item in enumerate(value)]
        if len(value) > 1:
            found.append((path, value, len(_text(value))))
    return found + [entry for where, item in inner for entry in _lists(item, where)]


def _clipped(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_ERROR_FIELD_CHARS else value[: MAX_ERROR_FIELD_CHARS - 1] + "…"
    if isinstance(value, dict):
        return {key: _clipped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clipped(item) for item in value]
    return value


def _text(value: Any) -> str:
    """Return JSON text that UTF-8 can carry; a lone surrogate, which it cannot, becomes `?`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace").decode("utf-8")
