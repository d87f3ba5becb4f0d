"""Frames of the protocol: one line of JSON-RPC each, read with bounds on size and depth.

A frame that cannot be read still gets a typed answer if it names its request: the SDK's own reader drops such a frame, and its client
would wait for ever.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from mcp import types
from pydantic import ValidationError

from nullalpha.core.errors import UsageError
from nullalpha.mcp.answers import refusal

MAX_FRAME_BYTES = 4_000_000
MAX_DEPTH = 100

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_TOKEN = re.compile(rb"[\[\]{}]|" + _STRING, re.DOTALL)
_SCALAR = re.compile(rb"\s*+:\s*+(-?\d{1,18}(?!\d)|" + _STRING + rb")", re.DOTALL)


class FrameError(UsageError):
    """A message that the server does not read: too long, too deep, or not JSON-RPC."""

    code = "invalid_request"


@dataclass(frozen=True)
class Envelope:
    """What can be told of a frame without parsing it: its request's id and method, and how deep it is nested."""

    id: int | str | None
    method: str | None
    depth: int


def parse(frame: bytes) -> types.JSONRPCMessage:
    """Return the message of one line.

    Raises:
        FrameError: if it is longer or deeper than the bounds, no JSON-RPC message, or a call whose arguments are no object or hold a
            number beyond every bound (which the SDK would pass on as null).
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise FrameError(f"a message of {len(frame)} bytes; at most {MAX_FRAME_BYTES} are read", suggestion="send less")
    if frame.count(b"[") + frame.count(b"{") > MAX_DEPTH and (depth := envelope(frame).depth) > MAX_DEPTH:
        raise FrameError(f"a message nested {depth} levels deep; at most {MAX_DEPTH} are read", suggestion="send flatter arguments")
    try:
        message = types.JSONRPCMessage.model_validate_json(frame)
    except ValidationError:
        raise FrameError("a message that is not JSON-RPC 2.0", suggestion="send one JSON object a line") from None
    root = message.root
    if isinstance(root, types.JSONRPCRequest) and root.method == "tools/call":
        params = root.params or {}
        if not isinstance(params.get("name"), str) or not isinstance(params.get("arguments"), dict | None):
            raise FrameError("tools/call takes the `name` of a tool, and `arguments` that are an object", path="params")
        if not _finite(params):
            raise FrameError("a number in `arguments` is not finite", path="params.arguments")
    return message


def _finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def refuse(frame: bytes, error: FrameError) -> types.JSONRPCMessage | None:
    """Return the answer to a frame that was not read: a failed call if it was one, else a protocol error; None if it names no request."""
    head = envelope(frame)
    if head.id is None:
        return None
    if head.method == "tools/call":
        result = refusal(error).model_dump(by_alias=True, mode="json", exclude_none=True)
        return types.JSONRPCMessage(types.JSONRPCResponse(jsonrpc="2.0", id=head.id, result=result))
    data = types.ErrorData(code=types.INVALID_REQUEST, message=error.message, data=error.to_dict())
    return types.JSONRPCMessage(types.JSONRPCError(jsonrpc="2.0", id=head.id, error=data))


def envelope(frame: bytes) -> Envelope:
    """Scan a frame in one pass, without recursion; whatever the bytes are, this returns."""
    depth = deepest = 0
    found: dict[bytes, int | str] = {}
    for token in _TOKEN.finditer(frame):
        text = token[0]
        if text in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif text in (b"]", b"}"):
            depth -= 1
        elif depth == 1 and text in (b'"id"', b'"method"') and (value := _SCALAR.match(frame, token.end())):
            try:
                found[text] = json.loads(value[1])
            except ValueError:
                continue
    method = found.get(b'"method"')
    return Envelope(found.get(b'"id"'), method if isinstance(method, str) else None, deepest)
