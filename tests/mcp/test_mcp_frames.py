"""Reading frames: bounds on size and depth, and a typed answer to every request that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import types

from nullalpha.mcp.frames import MAX_DEPTH, MAX_FRAME_BYTES, FrameError, envelope, parse, refuse


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def call_frame(arguments: str, request_id: str = "7") -> bytes:
    """A call as the SDK's client writes it: the id last."""
    return f'{{"method":"tools/call","params":{{"name":"data_list","arguments":{arguments}}},"jsonrpc":"2.0","id":{request_id}}}'.encode()


def refused(frame: bytes) -> Any:
    """Return what a client hears of a frame that is not read."""
    with pytest.raises(FrameError) as caught:
        parse(frame)
    message = refuse(frame, caught.value)
    return None if message is None else message.root


def test_a_call_within_the_bounds_is_read_whole() -> None:
    message = parse(call_frame('{"a":' + nested(MAX_DEPTH - 3) + ',"b":"[[[{{{"}')).root
    assert isinstance(message, types.JSONRPCRequest)
    assert (message.id, message.method) == (7, "tools/call")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('{"a":' + nested(500) + "}", "503 levels deep"),
        ('{"a":' + nested(200_000) + "}", "200003 levels deep"),
        ('{"a":"' + "x" * MAX_FRAME_BYTES + '"}', "bytes"),
        ('{"a":}', "not JSON-RPC"),
        ('{"a":"\\ud800"}', "not JSON-RPC"),
        ('{"a":' + "9" * 5000 + "}", "not JSON-RPC"),
        ('{"a":[{"b":1e999}]}', "finite"),
        ('{"a":NaN}', "finite"),
        ("[1,2]", "arguments"),
        ('"text"', "arguments"),
    ],
    ids=["deep", "very deep", "long", "broken", "lone surrogate", "huge integer", "infinite", "no number", "list", "text"],
)
def test_a_call_that_cannot_be_read_fails_with_a_typed_error(arguments: str, says: str) -> None:
    answered = refused(call_frame(arguments))
    assert isinstance(answered, types.JSONRPCResponse)
    assert answered.id == 7
    result = types.CallToolResult.model_validate(answered.result)
    assert result.isError
    assert isinstance(result.content[0], types.TextContent)
    error = json.loads(result.content[0].text)
    assert error["code"] == "invalid_request"
    assert says in error["message"]
    assert set(error) == {"code", "message", "path", "value", "suggestion"}


def test_other_requests_that_cannot_be_read_get_a_protocol_error_under_their_own_id() -> None:
    frame = b'{"jsonrpc":"2.0","id":"a-1","method":"tools/list","params":{"id":3,"x":' + nested(300).encode() + b"}}"
    answered = refused(frame)
    assert isinstance(answered, types.JSONRPCError)
    assert (answered.id, answered.error.code) == ("a-1", types.INVALID_REQUEST)
    assert answered.error.data["code"] == "invalid_request"


@pytest.mark.parametrize(
    "frame", [b"hello", b"[]", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', b'{"jsonrpc":"2.0"', b'"id":1', b"\xff\xfe{"]
)
def test_a_frame_that_names_no_request_is_refused_without_an_answer(frame: bytes) -> None:
    assert refused(frame) is None


@given(st.binary(max_size=300) | st.text(alphabet='{}[]":,\\ id1method', max_size=300).map(str.encode))
def test_any_bytes_are_scanned_and_either_read_or_refused(frame: bytes) -> None:
    assert envelope(frame).depth >= 0
    try:
        parse(frame)
    except FrameError as error:
        refuse(frame, error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["id", "method"]), inner, max_size=4),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(item) for item in value), default=0)
    return 0


@given(st.dictionaries(st.text(), JSON, max_size=4), st.integers(0, 10**9) | st.text(), st.text(min_size=1), st.booleans())
def test_the_scan_agrees_with_a_parser(params: dict[str, Any], request_id: int | str, method: str, escaped: bool) -> None:
    message = {"params": params, "method": method, "jsonrpc": "2.0", "id": request_id}
    found = envelope(json.dumps(message, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))
    assert (found.id, found.method, found.depth) == (request_id, method, depth_of(message))
