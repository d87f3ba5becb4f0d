from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import SpecError
from nullalpha.strategy.document import check_tree, load_document, read_document
from nullalpha.strategy.syntax import MAX_BYTES, MAX_DEPTH, resolve_plain


def refusal(text: str | bytes) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load_document(text)
    return caught.value


def is_read_or_refused(text: str | bytes) -> bool:
    try:
        return isinstance(load_document(text), dict)
    except SpecError as error:
        return all(issue.path and issue.code and issue.message for issue in error.issues)


def test_a_mapping_comes_back_as_plain_values() -> None:
    assert load_document("a: 1\nb: [x, 2.5, null, true]\nc: {d: '7'}\n") == {"a": 1, "b": ["x", 2.5, None, True], "c": {"d": "7"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("0x1F", "0x1F"),
        ("1d", "1d"),
        ("1e-3", 0.001),
        ("+.5", 0.5),
        ("-7", -7),
        ("", None),
        ("~", None),
        ("True", True),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    read = load_document(f"key: {text}")["key"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 400])
def test_what_is_not_finite_is_refused_at_its_place(text: str) -> None:
    (issue,) = refusal(f"a:\n  b: {text}\n").issues
    assert (issue.path, issue.code) == ("a.b", "not_finite")


@pytest.mark.parametrize(
    "text", ['{"a": {"b": NaN}}', '{"a": {"b": -Infinity}}', '{"a": {"b": 1e400}}', '{"a": {"b": ' + "9" * 5000 + "}}"]
)
def test_what_is_not_finite_in_json_is_refused_at_its_place(text: str) -> None:
    (issue,) = refusal(text).issues
    assert (issue.path, issue.code) == ("a.b", "not_finite")


@pytest.mark.parametrize("text", ["a:\n  b: 1\n  c: 2\n  b: 3\n", '{"a": {"b": 1, "c": 2, "b": 3}}'])
def test_a_duplicate_key_is_refused_with_its_path(text: str) -> None:
    (issue,) = refusal(text).issues
    assert (issue.path, issue.code) == ("a.b", "duplicate_key")


def test_a_duplicate_key_in_yaml_tells_its_line() -> None:
    assert "line 4" in refusal("a:\n  b: 1\n  c: 2\n  b: 3\n").issues[0].message


def test_anchors_aliases_and_tags_are_all_named_at_once() -> None:
    issues = refusal("a: &x 1\nb: *x\nc: !!str 3\nd: !!python/object:os.system {x: 1}\n").issues
    assert [(i.path, i.code) for i in issues] == [("a", "anchor"), ("b", "alias"), ("c", "tag"), ("d", "tag")]
    assert "line 3" in issues[2].message


def test_a_bomb_of_aliases_is_refused_without_unfolding_it() -> None:
    levels = "\n".join(f"l{i}: &l{i} [" + ", ".join([f"*l{i - 1}"] * 9) + "]" for i in range(1, 12))
    codes = {issue.code for issue in refusal("l0: &l0 [x]\n" + levels).issues}
    assert codes == {"anchor"}


def test_a_merge_key_is_an_ordinary_unknown_key() -> None:
    assert load_document("<<: {a: 1}") == {"<<": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        ("", "not_a_mapping", "document"),
        ("# only a comment\n", "not_a_mapping", "document"),
        ("- a\n- b\n", "not_a_mapping", "document"),
        ("just words", "not_a_mapping", "document"),
        ("a: [1, 2\nb: 3\n", "yaml_syntax", "line 2"),
        ("a: 1\n\tb: 2\n", "yaml_syntax", "line 2"),
        ("a: 1\nb: 'open\n", "yaml_syntax", "line 3"),
        ("a: 1\n---\na: 2\n", "many_documents", "line 2"),
        ("? [a, b]\n: 1\n", "bad_key", "line 1"),
        ("? *x\n: 1\n", "bad_key", "line 1"),
        ('{"a": 1,\n "b": ]}', "json_syntax", "line 2"),
        ("a: \x00", "yaml_syntax", "line 1"),
        ("a: 1\nb: \ud800", "yaml_syntax", "line 2"),
        (b"a: \xff\xfe", "encoding", "document"),
        ("a: 1\n" * 20_000, "too_long", "document"),
        ("a" * 10_000_000, "too_long", "document"),
        (b"[" * 10_000_000, "too_long", "document"),
        ("é" * (MAX_BYTES // 2 + 1), "too_long", "document"),
        ("[" * 1000, "too_deep", "line 1"),
        ("{a: " * 1000, "too_deep", "document"),
        ('{"a":' * 1000 + "1" + "}" * 1000, "too_deep", "document"),
        ("\n".join(" " * i + "a:" for i in range(300)), "too_deep", "line 13"),
        ("- " * 1000, "too_deep", "line 1"),
        ("a: [" + "1," * 12_000 + "1]", "too_long", "document"),
    ],
)
def test_texts_that_are_no_document_are_refused_with_a_place(text: str | bytes, code: str, path: str) -> None:
    error = refusal(text)
    assert (error.issues[0].code, error.path) == (code, path)


def test_nesting_up_to_the_limit_is_read() -> None:
    text = "{a: " * (MAX_DEPTH - 1) + "{}" + "}" * (MAX_DEPTH - 1)
    assert load_document(text)["a"] != {}


def test_json_and_yaml_of_one_document_read_alike() -> None:
    values = {"a": {"b": [1, 2.5, "x"], "c": None}, "d": "tab\there / slash", "e": "\N{GRINNING FACE}"}
    assert load_document(json.dumps(values)) == values
    assert load_document(json.dumps(values, indent="\t")) == values


def test_a_flow_mapping_that_is_not_json_is_read_as_yaml() -> None:
    assert load_document("{a: 1, b: {c: x}}") == {"a": 1, "b": {"c": "x"}}


def test_half_of_a_character_in_json_is_refused() -> None:
    (issue,) = refusal('{"a": "\\ud800"}').issues
    assert (issue.path, issue.code) == ("a", "bad_text")


def test_a_byte_order_mark_is_passed_over() -> None:
    assert load_document("\ufeffa: 1") == load_document(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_values_are_kept_beside_what_was_refused() -> None:
    document = read_document("a: .nan\nb: 2\n")
    assert document.values == {"a": None, "b": 2}
    assert len(document.issues) == 1


def test_a_mapping_from_elsewhere_is_held_to_the_same_rules() -> None:
    issues = check_tree({"a": math.nan, "b": {1: 2}, "c": object(), "d": 10**400, "e": "x\x00"}).issues  # type: ignore[dict-item]
    assert [(i.path, i.code) for i in issues] == [
        ("a", "not_finite"),
        ("b.int", "bad_key"),
        ("c", "wrong_type"),
        ("d", "not_finite"),
        ("e", "bad_text"),
    ]


def test_a_mapping_that_holds_itself_is_refused() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    with pytest.raises(SpecError, match="nested deeper"):
        check_tree(loop)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_with_a_typed_error(text: str) -> None:
    assert is_read_or_refused(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_typed_error(data: bytes) -> None:
    assert is_read_or_refused(data)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_back_as_it_was_written(number: float) -> None:
    assert resolve_plain(repr(number)) == number
