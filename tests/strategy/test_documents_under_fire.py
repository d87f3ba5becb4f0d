"""Two thousand documents, whole and damaged, and the worst texts we know: never a traceback, always a typed error with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nullalpha.core.errors import Issue, SpecError
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.strategy.document import MAX_ISSUES
from nullalpha.strategy.importing import import_ktrdr
from nullalpha.strategy.syntax import FORBIDDEN
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.yaml_form import to_yaml
from tests.support.strategies import documents, mutated, torn

KTRDR = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "ktrdr").glob("*.yaml"))}
LONG = 10 * 1024 * 1024
EXAMPLE = """\
nullalpha: 1
name: base
hypothesis: It may work.
instruments: [SPX]
features: {a: {indicator: rsi, period: 14}}
sets: {a: {low: {gaussian: [30, 8]}}}
model: {kind: rules, rules: [if a is low then long 1.0]}
decision: {long_above: 0.2}
"""
under_fire = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def issues_of(source: str | bytes | dict[str, Any]) -> tuple[Issue, ...]:
    """Return what is wrong with a document; anything but a SpecError is a failure of the test."""
    try:
        parse_strategy(source, VOCABULARY)
    except SpecError as error:
        return error.issues
    return ()


def hold_typed(issues: Iterable[Issue]) -> None:
    for issue in issues:
        assert issue.path
        assert re.fullmatch(r"[a-z][a-z0-9_]*", issue.code)
        assert issue.message
        assert issue.suggestion
        assert len(issue.value or "") <= 200
        json.dumps([issue.path, issue.code, issue.message, issue.value, issue.suggestion]).encode()
        assert not FORBIDDEN.search(f"{issue.path}{issue.message}{issue.value}{issue.suggestion}")  # no door prints what steers a terminal


@settings(under_fire, max_examples=500)
@given(st.data())
def test_a_generated_document_is_valid_and_its_mutants_fail_only_with_typed_errors(data: st.DataObject) -> None:
    document = data.draw(documents(VOCABULARY))
    assert issues_of(document) == ()
    sources = [data.draw(mutated(document)), data.draw(mutated(document)), data.draw(torn(to_yaml(document)))]
    for source in sources:
        found = issues_of(source)
        assert len(found) <= MAX_ISSUES + 1
        hold_typed(found)


@settings(under_fire, max_examples=150)
@given(documents(VOCABULARY))
def test_text_and_values_are_the_same_document(document: dict[str, Any]) -> None:
    from_yaml, _ = parse_strategy(to_yaml(document), VOCABULARY)
    from_json, _ = parse_strategy(json.dumps(document), VOCABULARY)
    from_values, _ = parse_strategy(document, VOCABULARY)
    assert from_yaml == from_json == from_values


@settings(under_fire, max_examples=150)
@given(st.data())
def test_what_the_import_door_lets_in_is_valid_and_what_not_has_typed_errors(data: st.DataObject) -> None:
    text = KTRDR[data.draw(st.sampled_from(sorted(KTRDR)))]
    tree = yaml.safe_load(text)
    for source in (yaml.safe_dump(data.draw(mutated(tree, most=1)), allow_unicode=True), data.draw(torn(text))):
        result = import_ktrdr(source, VOCABULARY)
        assert (result.document is None) == bool(result.errors)
        hold_typed(result.errors)
        assert all(note.path and note.message for note in result.notes)
        if result.document is not None:
            assert issues_of(result.document) == ()


def _feature(text: str) -> str:
    return EXAMPLE.replace("{indicator: rsi, period: 14}", text)


BROKEN: dict[str, tuple[str | bytes | Callable[[], str | bytes], str]] = {
    "nothing": ("", "not_a_mapping"),
    "only a comment": ("# nothing\n", "not_a_mapping"),
    "a list": ("- 1\n- 2\n", "not_a_mapping"),
    "a word": ("strategy", "not_a_mapping"),
    "anchor and alias": (EXAMPLE.replace("[SPX]", "&x [SPX]").replace("timeframe", "timeframe") + "labels: *x\n", "anchor"),
    "alias without anchor": (EXAMPLE + "labels: *nowhere\n", "alias"),
    "merge key": (EXAMPLE + "<<: {labels: {horizon: 3}}\n", "unknown_key"),
    "merge key of an alias": ("base: &b {horizon: 3}\n" + EXAMPLE + "labels: {<<: *b}\n", "anchor"),
    "bomb of aliases": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
        "anchor",
    ),
    "python object": ("name: !!python/object/apply:os.system ['true']\n", "tag"),
    "python name": ("name: !!python/name:os.system x\n", "tag"),
    "local tag": (EXAMPLE.replace("base", "!secret base"), "tag"),
    "binary tag": (EXAMPLE.replace("base", "!!binary aGk="), "tag"),
    "duplicate key": (EXAMPLE + "name: again\n", "duplicate_key"),
    "duplicate key in json": ('{"name": "a", "name": "b"}', "duplicate_key"),
    "duplicate key below": (_feature("{indicator: rsi, period: 14, period: 15}"), "duplicate_key"),
    "ten megabytes of text": (lambda: EXAMPLE + "# " + "x" * LONG, "too_long"),
    "ten megabytes of bytes": (lambda: b"a" * LONG, "too_long"),
    "ten megabytes of brackets": (lambda: "[" * LONG, "too_long"),
    "a thousand levels of lists": ("hypothesis: " + "[" * 1000 + "]" * 1000, "too_deep"),
    "a thousand levels of mappings": ("a: " * 1000 + "1", "yaml_syntax"),
    "a thousand levels of blocks": ("\n".join(" " * i + "a:" for i in range(300)), "too_deep"),
    "a thousand levels of json": ('{"a":' * 1000 + "1" + "}" * 1000, "too_deep"),
    "a thousand open brackets of json": ("{" * 1000, "too_deep"),
    "not a number": (EXAMPLE.replace("0.2", ".nan"), "not_finite"),
    "infinity": (EXAMPLE.replace("0.2", ".inf"), "not_finite"),
    "minus infinity": (EXAMPLE.replace("[30, 8]", "[-.Inf, 8]"), "not_finite"),
    "not a number in json": ('{"nullalpha": NaN, "decision": {"long_above": -Infinity}}', "not_finite"),
    "overflowing number": (EXAMPLE.replace("0.2", "1e999"), "not_finite"),
    "huge integer": (_feature("{indicator: rsi, period: " + "9" * 400 + "}"), "not_finite"),
    "integer of thirty digits": (_feature("{indicator: rsi, period: " + "9" * 30 + "}"), "out_of_range"),
    "lone surrogate": (EXAMPLE.replace("It may", "It \ud800 may"), "yaml_syntax"),
    "lone surrogate in json": ('{"name": "\\ud800"}', "bad_text"),
    "zero byte": (EXAMPLE.replace("It may", "It \x00 may"), "yaml_syntax"),
    "zero byte in json": ('{"name": "\\u0000"}', "bad_text"),
    "utf-16": (EXAMPLE.encode("utf-16"), "encoding"),
    "utf-32": (EXAMPLE.encode("utf-32"), "encoding"),
    "latin-1": (EXAMPLE.replace("may", "mäy").encode("latin-1"), "encoding"),
    "cut within a character": (EXAMPLE.replace("may", "mäy").encode()[: EXAMPLE.index("may") + 2], "encoding"),
    "escape code of a terminal": (EXAMPLE.replace("It may work.", '"\\e[31mred"'), "bad_text"),
    "several documents": (EXAMPLE + "---\n" + EXAMPLE, "many_documents"),
    "tabs for indentation": ("name: a\nmodel:\n\tkind: rules\n", "yaml_syntax"),
    "broken flow": ("name: {a: [1, 2", "yaml_syntax"),
    "broken json": ('{"name": "a",', "json_syntax"),
    "a directive": ("%YAML 9.9\n---\nname: a\n", "yaml_syntax"),
    "a key that is a list": ("? [a, b]\n: 1\n", "bad_key"),
    "a key that is a mapping": ("name: base\n{a: 1}: 2\n", "bad_key"),
    "an empty key": (EXAMPLE + "'': 1\n", "unknown_key"),
    "a circle of one": (_feature("{indicator: zscore, input: a}"), "circular_input"),
    "a circle of three": (
        EXAMPLE.replace(
            "features: {a: {indicator: rsi, period: 14}}",
            "features: {a: {indicator: zscore, input: c}, b: {indicator: zscore, input: a}, c: {indicator: zscore, input: b}}",
        ),
        "circular_input",
    ),
    "a name of a hundred thousand characters": (EXAMPLE.replace("base", "n" * 60_000), "too_many"),
    "a feature's name of a thousand characters": (EXAMPLE.replace("{a: {indicator", "{" + "a" * 1000 + ": {indicator"), "too_many"),
    "a rule of parentheses": (EXAMPLE.replace("if a is low", "if " + "(" * 200 + "a is low" + ")" * 200), "rule_syntax"),
    "a rule in another script": (EXAMPLE.replace("if a is low", "іf a is low"), "rule_syntax"),
    "booleans for numbers": (_feature("{indicator: rsi, period: true}"), "wrong_type"),
    "text for a number": (EXAMPLE.replace("0.2", '"0.2"'), "wrong_type"),
    "code for a number": (EXAMPLE.replace("0.2", "\"__import__('os').system('true')\""), "wrong_type"),
    "ten thousand values": (lambda: EXAMPLE + "labels: [" + "1," * 11_000 + "1]\n", "too_long"),
    "thousands of features": (
        lambda: EXAMPLE.replace(
            "{a: {indicator: rsi, period: 14}}", "{" + ", ".join(f"a{i}: {{indicator: rsj}}" for i in range(1500)) + "}"
        ),
        "unknown_indicator",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_worst_texts_are_refused_for_what_is_wrong_with_them(what: str) -> None:
    text, code = BROKEN[what]
    source = text() if callable(text) else text
    found = issues_of(source)
    hold_typed(found)
    assert code in {issue.code for issue in found}
    assert len(found) <= MAX_ISSUES + 1


@pytest.mark.parametrize("what", BROKEN)
def test_the_import_door_refuses_them_too(what: str) -> None:
    text, _ = BROKEN[what]
    result = import_ktrdr(text() if callable(text) else text, VOCABULARY)
    assert result.document is None
    assert result.errors
    hold_typed(result.errors)
    assert len(result.errors) <= MAX_ISSUES + 1


def test_a_byte_order_mark_is_no_part_of_a_document() -> None:
    assert issues_of("\ufeff" + EXAMPLE) == issues_of(b"\xef\xbb\xbf" + EXAMPLE.encode()) == issues_of(EXAMPLE) == ()


def test_words_that_yaml_once_took_for_truth_stay_text() -> None:
    for word in ("yes", "on", "2020-01-01", "0x10", "1_000", "12:30"):
        spec, _ = parse_strategy(EXAMPLE.replace("It may work.", f"{word}"), VOCABULARY)
        assert spec.hypothesis == word
