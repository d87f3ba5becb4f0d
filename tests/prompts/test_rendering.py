"""Prompts render strictly and are known by their hashes."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import NotFoundError, UsageError
from nullalpha.prompts.render import FOLDER, MAX_QUOTED_CHARACTERS, prompt_names, quoted, render

VALUES: dict[str, object] = {
    "instruments": ("SPX",), "timeframe": "1d", "brief": "", "max_features": 3, "max_rules": 4, "indicators": ["rsi: index"],
    "lessons": (), "best": [], "worst": [], "siblings": [], "example": "{}",
}  # fmt: skip


def test_a_rendered_prompt_carries_the_hash_of_its_text_and_of_its_file() -> None:
    prompt = render("designer", **VALUES)
    assert prompt.sha256 == hashlib.sha256(prompt.text.encode()).hexdigest()
    assert prompt.template_sha256 == hashlib.sha256((FOLDER / "designer.md.jinja").read_bytes()).hexdigest()
    assert "- rsi: index\n" in prompt.text
    assert "Nothing yet: this is the first trial." in prompt.text


def test_another_value_is_another_hash_of_the_same_file() -> None:
    one, other = render("designer", **VALUES), render("designer", **{**VALUES, "timeframe": "1h"})
    assert one.sha256 != other.sha256
    assert one.template_sha256 == other.template_sha256


@pytest.mark.parametrize("missing", sorted(VALUES))
def test_a_missing_value_is_an_error(missing: str) -> None:
    with pytest.raises(UsageError, match="lacks a value"):
        render("designer", **{name: value for name, value in VALUES.items() if name != missing})


def test_a_value_that_the_file_does_not_use_is_an_error() -> None:
    with pytest.raises(UsageError, match="does not use mood"):
        render("designer", **VALUES, mood="bright")


def test_an_unknown_prompt_names_the_nearest() -> None:
    with pytest.raises(NotFoundError) as caught:
        render("desiner")
    assert caught.value.suggestion == "designer"
    assert "designer" in prompt_names()


@given(st.text(max_size=600))
def test_quoted_text_is_one_line_of_bounded_length_that_reads_back(text: str) -> None:
    shown = quoted(text)
    assert "\n" not in shown
    back = json.loads(shown)
    assert len(back) <= MAX_QUOTED_CHARACTERS
    assert back == text or back.endswith("...")
