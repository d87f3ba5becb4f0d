"""Answers that fit: JSON the same in structure and text, the longest lists cut from the end, and errors kept short."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import types
from pydantic import BaseModel

from nullalpha.core.errors import Issue, NullAlphaError, SpecError
from nullalpha.mcp.answers import MAX_CHARS, MAX_ERROR_CHARS, AnswerTooLongError, answer, fit, refusal
from nullalpha.mcp.listing import describe
from nullalpha.tools.desk import Desk
from nullalpha.tools.door import tool


class Item(BaseModel):
    name: str
    score: float | None = None


class Items(BaseModel):
    title: str
    items: list[Item]
    window: tuple[str, str] = ("1999-01-04", "2018-12-31")


def things(desk: Desk, *, limit: int = 10) -> Items:
    """List things."""
    raise NotImplementedError


THINGS = tool(things)


def text_of(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def test_an_answer_is_the_same_json_in_structure_and_text_and_keeps_its_nulls() -> None:
    result = answer(THINGS, Items(title="t", items=[Item(name="é")]))
    expected = {"title": "t", "items": [{"name": "é", "score": None}], "window": ["1999-01-04", "2018-12-31"]}
    assert result.structuredContent == expected
    assert json.loads(text_of(result)) == expected
    assert not result.isError


def test_a_long_answer_keeps_the_head_of_its_longest_list_and_says_how_to_ask_for_less() -> None:
    whole = Items(title="t", items=[Item(name=f"{i:04d}" + "x" * 100) for i in range(2000)])
    result = answer(THINGS, whole)
    body = result.structuredContent
    assert body is not None
    assert len(text_of(result)) <= MAX_CHARS
    kept = len(body["items"])
    assert [item["name"][:4] for item in body["items"]] == [f"{i:04d}" for i in range(kept)]
    assert f"items: the first {kept} of 2000" in body["shortened"]["message"]
    assert "limit" in body["shortened"]["suggestion"]
    assert body["window"] == ["1999-01-04", "2018-12-31"]
    jsonschema.validate(body, describe(THINGS).outputSchema)


def test_an_answer_without_a_list_to_cut_is_a_typed_error() -> None:
    with pytest.raises(AnswerTooLongError, match="longer than one answer"):
        answer(THINGS, Items(title="t" * (MAX_CHARS + 1), items=[]))


def test_text_that_utf8_cannot_carry_is_replaced() -> None:
    result = answer(THINGS, Items(title="a\ud800b", items=[]))
    assert result.structuredContent is not None
    assert result.structuredContent["title"] == "a?b"


def test_the_first_items_that_fit_are_kept_exactly() -> None:
    body = {"a": ["xx", "yy", "zz"], "b": "c"}
    whole = '{"a":["xx","yy","zz"],"b":"c"}'
    assert fit(body, len(whole), "")[0] == body
    shortened, (cut,) = fit(body, len(whole) - 1, "")
    assert shortened == {"a": ["xx", "yy"], "b": "c"}
    assert (cut.path, cut.kept, cut.of) == ("a", 2, 3)


def test_when_one_item_alone_is_too_long_the_lists_inside_it_are_cut() -> None:
    body = {"a": [{"n": list(range(10, 60))}, {"n": []}]}
    shortened, cuts = fit(body, 40, "")
    assert [cut.path for cut in cuts] == ["a", "a.0.n"]
    assert shortened["a"][0]["n"] == list(range(10, 10 + cuts[1].kept))


TREE = st.recursive(
    st.integers(0, 9) | st.text(alphabet="ab", max_size=8),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(alphabet="kv", max_size=2), inner, max_size=3),
    max_leaves=40,
)


def is_head_of(part: Any, whole: Any) -> bool:
    """Whether a value is another with items missing from the ends of its lists only."""
    if isinstance(whole, dict):
        return isinstance(part, dict) and part.keys() == whole.keys() and all(is_head_of(part[k], whole[k]) for k in whole)
    if isinstance(whole, list):
        return isinstance(part, list) and len(part) <= len(whole) and all(map(is_head_of, part, whole))
    return bool(part == whole)


@given(st.dictionaries(st.sampled_from("xyz"), TREE, min_size=1), st.integers(1, 200))
def test_what_is_cut_fits_and_is_the_head_of_what_was_there(body: dict[str, Any], room: int) -> None:
    try:
        shortened, cuts = fit(body, room, "")
    except AnswerTooLongError:
        return
    assert len(json.dumps(shortened, separators=(",", ":"))) <= room
    assert is_head_of(shortened, body)
    assert bool(cuts) == (shortened != body)


def test_an_error_has_the_five_words_of_every_error() -> None:
    result = refusal(NullAlphaError("it broke", path="here", value=3, suggestion="mend it"))
    assert result.isError
    assert result.structuredContent is None
    assert json.loads(text_of(result)) == {"code": "error", "message": "it broke", "path": "here", "value": "3", "suggestion": "mend it"}


def test_a_long_error_is_cut_and_still_json() -> None:
    issues = [Issue(f"features.f{i}", "unknown", "y" * 5000, None, "z") for i in range(3000)]
    body = json.loads(text_of(refusal(SpecError(issues))))
    assert body["code"] == "invalid_strategy"
    assert 0 < len(body["errors"]) < 3000
    assert body["errors"][0]["path"] == "features.f0"
    assert len(json.dumps(body, ensure_ascii=False, separators=(",", ":"))) <= MAX_ERROR_CHARS
