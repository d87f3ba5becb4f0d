"""Complaints: pydantic's errors in the lab's own words, whatever the type and however odd the value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from nullalpha.core.complaints import complaint, shown


def complaint_about(annotation: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(annotation).validate_python(value)
    return complaint(caught.value.errors()[0], "x")


@pytest.mark.parametrize(
    ("annotation", "value", "sentence"),
    [
        (Annotated[int, Field(ge=1)], 0, "x is 0; it takes at least 1"),
        (Annotated[int, Field(lt=2**31)], 2**31, "x is 2147483648; it takes less than 2147483648"),
        (Annotated[float, Field(gt=0)], -1.5, "x is -1.5; it takes more than 0"),
        (Annotated[float, Field(allow_inf_nan=False)], float("nan"), "x is NaN; it takes a finite number"),
        (int, "many", 'x is "many"; it takes a whole number'),
        (int, 1.5, "x is 1.5; it takes a whole number"),
        (str, 3, "x is 3; it takes text"),
        (list[str], "a", 'x is "a"; it takes a list'),
        (Literal["a", "b"], "c", 'x is "c"; it takes a or b'),
        (Annotated[list[str], Field(min_length=2)], ["e"], "x has 1 entry; it takes at least 2 entries"),
        (Annotated[tuple[str, ...], Field(min_length=1)], (), "x is empty; it takes at least 1 entry"),
        (Annotated[str, Field(max_length=1000)], "y" * 2000, "x has 2,000 characters; it takes at most 1,000 characters"),
        (Annotated[str, Field(pattern="^a$")], "b", 'x is "b"; it takes text of the form ^a$'),
        (Annotated[str, Field(max_length=5)], "\ud800", "x is no text that UTF-8 can hold"),
    ],
)
def test_a_complaint_says_where_the_value_and_what_it_takes(annotation: Any, value: object, sentence: str) -> None:
    assert complaint_about(Annotated[annotation, Field()], value) == sentence


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
def test_any_value_is_shown_short_on_one_line_and_as_valid_text(value: object) -> None:
    text = shown(value)
    assert len(text) <= 60
    assert "\n" not in text
    text.encode("utf-8")
