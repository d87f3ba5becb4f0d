"""`nullalpha strategy`: documents are checked with all errors at once, compiled, explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.campaigns import REPOSITORY, Cli, run

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))
BROKEN = """\
nullalpha: 1
name: broken
hypothesis: It has three faults.
instruments: [SPX]
timeframe: 1d
features:
  rsi: {indicator: rsii, period: 14}
sets:
  rsi: {low: {gaussian: [25, -8]}}
model: {kind: rules, rules: [if rsi is lo then long 1.0]}
decision: {long_above: 0.2}
colour: blue
"""


def test_there_are_examples_and_each_is_valid_without_a_warning(cli: Cli) -> None:
    assert len(EXAMPLES) >= 2
    for path in EXAMPLES:
        ended = cli("strategy", "validate", path, "--json")
        assert (ended.code, ended.json["valid"], ended.json["errors"], ended.json["warnings"]) == (0, True, [], []), path
        assert len(ended.json["fingerprint"]) == 64


def test_every_fault_is_named_at_once_with_its_path_and_the_nearest_fix(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(BROKEN)
    ended = cli("strategy", "validate", path, "--json")
    assert ended.code == 2
    assert (ended.json["valid"], ended.json["fingerprint"]) == (False, None)
    faults = {issue["path"]: issue for issue in ended.json["errors"]}
    assert set(faults["colour"]) == {"path", "code", "message", "value", "suggestion"}
    assert "rsi" in faults["features.rsi.indicator"]["suggestion"]
    assert any(path.startswith("sets.rsi.low") for path in faults)
    spoken = cli("strategy", "validate", path)
    assert spoken.code == 2
    assert all(path in spoken.err for path in faults)


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2", "", "a: &x 1\nb: *x", "\x00", "nullalpha: 1\nnullalpha: 1"])
def test_what_is_no_document_is_invalid_in_one_typed_answer(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "text.yaml"
    path.write_text(text)
    ended = cli("strategy", "validate", path, "--json")
    assert ended.code == 2
    assert ended.json["valid"] is False
    assert ended.json["errors"]


def test_a_document_can_come_from_stdin() -> None:
    ended = run("strategy", "validate", "-", "--json", stdin=EXAMPLES[0].read_text())
    assert (ended.code, ended.json["valid"]) == (0, True)


def test_a_renamed_strategy_keeps_its_fingerprint_and_compile_agrees_with_validate(cli: Cli, tmp_path: Path) -> None:
    text = EXAMPLES[0].read_text()
    renamed = tmp_path / "renamed.yaml"
    renamed.write_text(text.replace("name: oversold-in-uptrend", "name: other-name"))
    original, other = (cli("strategy", "compile", path, "--json").json for path in (EXAMPLES[0], renamed))
    assert original["fingerprint"] == other["fingerprint"] == cli("strategy", "validate", renamed, "--json").json["fingerprint"]
    assert (original["n_features"], original["n_rules"]) == (4, 3)
    assert original["name"] != other["name"]


def test_explain_speaks_of_the_hypothesis_and_of_each_rule(cli: Cli) -> None:
    ended = cli("strategy", "explain", EXAMPLES[0])
    assert ended.code == 0
    assert "oversold readings revert" in ended.out
    assert cli("strategy", "explain", EXAMPLES[0], "--json").json["text"].strip() == ended.out.strip()


def test_the_schema_is_a_closed_json_schema(cli: Cli) -> None:
    schema = json.loads(cli("strategy", "schema").out)
    assert schema["additionalProperties"] is False
    assert {"features", "sets", "model", "decision"} <= set(schema["properties"])


def test_at_least_twelve_indicators_are_listed_with_their_ranges(cli: Cli) -> None:
    found = cli("strategy", "indicators", "--json").json["indicators"]
    assert len(found) >= 12
    assert all(p["low"] <= p["default"] <= p["high"] for item in found for p in item["parameters"].values())
    assert all(item["name"] in cli("strategy", "indicators").out for item in found[:3])
