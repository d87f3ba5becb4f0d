"""Reading a model's text: objects amid prose, complaints that name path and value, and no text that breaks the reader."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from nullalpha.llm.answers import answer_schema, objects_in, read_answer

PROSE = st.text(alphabet="abc. \n", max_size=30)


class Sized(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    size: int = Field(ge=1, le=9)


class Nested(BaseModel):
    parts: list[Sized]


def test_of_several_objects_the_first_valid_one_counts() -> None:
    text = 'First {"a": 1}, then {"title": "b", "size": 2}, or {"title": "c", "size": 3}.'
    assert read_answer(text, Sized).value == Sized(title="b", size=2)


def test_complaints_name_path_message_and_value() -> None:
    reading = read_answer('{"parts": [{"title": "a", "size": 1}, {"title": "b", "size": 12}]}', Nested)
    assert reading.value is None
    assert reading.complaints == ("parts.1.size: Input should be less than or equal to 9 (you wrote 12)",)


def test_an_empty_a_plain_and_a_half_answer_are_told_apart() -> None:
    assert read_answer("  ", Sized).complaints == ("the answer is empty",)
    assert "holds no JSON object" in read_answer("hello", Sized).complaints[0]
    assert "not complete" in read_answer('{"title": ', Sized).complaints[0]


def test_the_schema_drops_titles_but_keeps_a_field_called_title() -> None:
    schema = answer_schema(Nested)
    assert "title" not in schema
    assert set(schema["$defs"]["Sized"]["properties"]) == {"title", "size"}
    assert "title" not in schema["$defs"]["Sized"]["properties"]["size"]


@given(st.text(alphabet='{}[]":,abc1 \n\\', max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    reading = read_answer(text, Sized)
    assert reading.value is not None or reading.complaints


@given(st.dictionaries(st.text(max_size=5), st.integers()), PROSE, PROSE)
def test_an_object_is_found_amid_prose(value: dict[str, int], before: str, after: str) -> None:
    assert objects_in(before + json.dumps(value) + after) == [value]


def test_deep_nesting_is_not_an_object() -> None:
    assert objects_in('{"a":' * 20_000) == []
