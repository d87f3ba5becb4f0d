from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.strategy.rules import MAX_NESTING, Is, Join, Not, Rule, RuleSyntaxError, format_rule, parse_rule, statements

A, B, C = Is("a", "low"), Is("b", "high"), Is("c", "mid")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("if a is low then long 1.0", A),
        ("if not a is low then long 1.0", Not(A)),
        ("if a is not low then long 1.0", Not(A)),
        ("if not not a is low then long 1.0", Not(Not(A))),
        ("if a is low and b is high and c is mid then long 1.0", Join("and", (A, B, C))),
        ("if a is low or b is high and c is mid then long 1.0", Join("or", (A, Join("and", (B, C))))),
        ("if not a is low and b is high then long 1.0", Join("and", (Not(A), B))),
        ("if not (a is low and b is high) then long 1.0", Not(Join("and", (A, B)))),
        ("if (a is low or b is high) and c is mid then long 1.0", Join("and", (Join("or", (A, B)), C))),
        ("  if(a is low)then long 1", A),
        ("if a is low and (not b is high or c is mid) then long 1.0", Join("and", (A, Join("or", (Not(B), C))))),
    ],
)
def test_not_binds_closer_than_and_and_and_closer_than_or(text: str, condition: object) -> None:
    assert parse_rule(text) == Rule(condition, "long", 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("written", "strength"), [("1", 1.0), ("0.5", 0.5), (".25", 0.25), ("1e-1", 0.1), ("+1.", 1.0)])
def test_a_strength_is_any_notation_of_a_number_above_0_and_at_most_1(written: str, strength: float) -> None:
    assert parse_rule(f"if a is low then short {written}") == Rule(A, "short", strength)


@pytest.mark.parametrize(
    ("text", "column", "message", "suggestion"),
    [
        ("a is low then long 1.0", 1, "expected 'if', found 'a'", "if"),
        ("IF a is low then long 1.0", 1, "expected 'if', found 'IF'", "if"),
        ("if a is low and then long 1.0", 17, "expected a feature's name", None),
        ("if a low then long 1.0", 6, "expected 'is', found 'low'", "is"),
        ("if a is then long 1.0", 9, "expected a set's name", None),
        ("if a is low then buy 1.0", 18, "expected 'long' or 'short', found 'buy'", None),
        ("if a is low then lnog 1.0", 18, "expected 'long' or 'short'", "long"),
        ("if a is low then long", 22, "expected a strength", "end the rule with e.g. `1.0`"),
        ("if a is low then long 0", 23, "is not above 0", "1.0"),
        ("if a is low then long 1.5", 23, "is not above 0 and at most 1", "1.0"),
        ("if a is low then long -1", 23, "expected a strength", "end the rule with e.g. `1.0`"),
        ("if a is low then long 1e9999", 23, "expected a strength", "end the rule with e.g. `1.0`"),
        ("if a is low then long 1.0 now", 27, "expected `weight` or the end of the rule", None),
        ("if (a is low then long 1.0", 14, "expected ')', 'and' or 'or'", None),
        ("if a is low) then long 1.0", 12, "expected 'then'", "then"),
        ("if a is low && b is high then long 1.0", 13, "'&' is not part of the grammar", None),
        ("if a is low b is high then long 1.0", 13, "expected 'then', found 'b'", "then"),
        ("", 1, "expected 'if', found the end of the rule", "if"),
    ],
)
def test_an_error_tells_its_column_what_was_expected_and_the_fix(text: str, column: int, message: str, suggestion: str | None) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_rule(text)
    assert caught.value.column == column
    assert message in caught.value.message
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("opening", ["(", "not "])
def test_nesting_is_bounded(opening: str) -> None:
    closing = ")" if opening == "(" else ""
    parse_rule("if " + opening * MAX_NESTING + "a is low" + closing * MAX_NESTING + " then long 1.0")
    with pytest.raises(RuleSyntaxError, match="nested deeper"):
        parse_rule("if " + opening * 200 + "a is low" + closing * 200 + " then long 1.0")


def test_statements_come_left_to_right_with_their_columns() -> None:
    rule = parse_rule("if not a is low or (b is high and c is mid) then long 1.0")
    assert [(s.feature, s.column) for s in statements(rule.condition)] == [("a", 8), ("b", 21), ("c", 35)]


names = st.sampled_from(["a", "b", "rsi_14", "trend", "x9"])
conditions = st.recursive(
    st.builds(Is, names, names),
    lambda inner: (
        st.builds(Not, inner) | st.builds(Join, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=7,
)


@given(conditions, st.sampled_from(["long", "short"]), st.floats(min_value=1e-6, max_value=1))
def test_a_formatted_rule_parses_to_an_equal_rule(condition: object, direction: str, strength: float) -> None:
    rule = Rule(condition, direction, strength)  # type: ignore[arg-type]
    assert parse_rule(format_rule(rule)) == rule


words = st.sampled_from(["if", "is", "and", "or", "not", "then", "long", "short", "(", ")", "a", "low", "1.0", "0", "-", "..", "é", "\n"])


@given(st.lists(words, max_size=25).map(" ".join) | st.text(max_size=80))
def test_any_text_parses_or_fails_at_a_column_of_the_text(text: str) -> None:
    try:
        parse_rule(text)
        column = 1
    except RuleSyntaxError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1
