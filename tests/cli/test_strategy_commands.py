"""`nullalpha strategy`: documents are checked with all errors at once, compiled, explained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nullalpha.strategy.yaml_form import to_yaml
from tests.support.campaigns import REPOSITORY, Campaign, Cli, Refused, run

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.yaml"))
REVERSAL = REPOSITORY / "examples" / "oversold-in-uptrend.yaml"
KTRDR = REPOSITORY / "tests" / "strategy" / "ktrdr"
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
    text = REVERSAL.read_text()
    renamed = tmp_path / "renamed.yaml"
    renamed.write_text(text.replace("name: oversold-in-uptrend", "name: other-name"))
    original, other = (cli("strategy", "compile", path, "--json").json for path in (REVERSAL, renamed))
    assert original["fingerprint"] == other["fingerprint"] == cli("strategy", "validate", renamed, "--json").json["fingerprint"]
    assert (original["n_features"], original["n_rules"]) == (4, 3)
    assert original["name"] != other["name"]


def test_explain_speaks_of_the_hypothesis_and_of_each_rule(cli: Cli) -> None:
    ended = cli("strategy", "explain", REVERSAL)
    assert ended.code == 0
    assert "oversold readings revert" in ended.out
    assert cli("strategy", "explain", REVERSAL, "--json").json["text"].strip() == ended.out.strip()


def test_explain_of_an_experiment_also_tells_what_it_learned(cli: Cli, refused: Refused, reference: Campaign) -> None:
    best = reference.result["experiments"][0]
    at_home = ("--home", reference.home)
    shown = cli("experiments", "show", best["id"], *at_home, "--json").json
    explained = cli("strategy", "explain", best["id"], *at_home, "--json").json
    assert explained["fingerprint"] == best["fingerprint"]
    assert shown["document"]["hypothesis"].strip() in explained["text"]
    for symbol in shown["document"]["instruments"]:
        assert f"What it learned on {symbol}, in its last training window:" in explained["text"]
        for rule in shown["rules"][symbol]:
            assert f"{rule['text']}: has {rule['firing_share']:.0%} of the say" in explained["text"]
    assert refused("strategy", "explain", "e-nothing", *at_home).error["code"] == "not_found"


def test_the_schema_is_a_closed_json_schema(cli: Cli) -> None:
    schema = json.loads(cli("strategy", "schema").out)
    assert schema["additionalProperties"] is False
    assert {"features", "sets", "model", "decision"} <= set(schema["properties"])


def test_at_least_twelve_indicators_are_listed_with_their_ranges(cli: Cli) -> None:
    found = cli("strategy", "indicators", "--json").json["indicators"]
    assert len(found) >= 12
    assert all(p["low"] <= p["default"] <= p["high"] for item in found for p in item["parameters"].values())
    assert all(item["name"] in cli("strategy", "indicators").out for item in found[:3])


def test_every_indicator_is_told_with_its_units_its_stability_and_what_it_is_applied_to(cli: Cli) -> None:
    found = {item["name"]: item for item in cli("strategy", "indicators", "--json").json["indicators"]}
    assert {item["stability"] for item in found.values()} == {"windowed", "fading", "converging"}
    assert found["rsi"]["units"] == {"rsi": "bounded_0_100"}
    assert found["rsi"]["takes_input"] == ["close"]
    assert found["atr"]["takes_input"] == []
    assert found["atr"]["inputs"] == ["high", "low", "close"]
    assert found["macd"]["outputs"] == list(found["macd"]["units"]) == ["macd", "signal", "histogram"]
    assert found["corr"]["takes_input"] == ["close", "volume"]
    assert found["psar"]["parameters"]["acceleration"] == {"default": 0.02, "low": 0.005, "high": 0.1}
    assert all(item["summary"].endswith(".") and item["source"] for item in found.values())


def test_the_decoders_schema_names_the_instruments_and_bounds_every_whole_number(cli: Cli) -> None:
    schema = cli("strategy", "schema", "--decoder", "--instruments", "spx, eurusd").json
    words = json.dumps(schema)
    assert '"SPX"' in words
    assert '"EURUSD"' in words
    assert "IXIC" not in words
    assert schema != cli("strategy", "schema").json
    whole = [node for node in _nodes(schema) if node.get("type") == "integer"]
    assert whole
    assert all({"minimum", "maximum"} <= set(node) for node in whole)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for below in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(below)


def test_validate_on_bars_tells_what_a_set_and_a_rule_meet_in_the_search_zone(cli: Cli, home: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(REVERSAL.read_text())
    document["features"]["rsi"] = {"indicator": "rsi", "period": 14}
    document["sets"]["rsi"] = {"low": {"gaussian": [2, 0.5]}, "high": {"gaussian": [75, 8]}}
    document["model"] = {"kind": "rules", "rules": ["if rsi is low then long 1.0", "if rsi is high then short 1.0"]}
    document["decision"] = {"long_above": 0.3}
    path = tmp_path / "narrow.yaml"
    path.write_text(to_yaml({key: document[key] for key in document if key not in ("labels", "training")}))
    before = cli("strategy", "validate", path, "--home", home, "--json").json
    after = cli("strategy", "validate", path, "--on-bars", "--home", home, "--json").json
    assert (after["valid"], after["fingerprint"]) == (True, before["fingerprint"])
    told = {(issue["path"], issue["code"]) for issue in after["warnings"]} - {(i["path"], i["code"]) for i in before["warnings"]}
    assert told == {("sets.rsi", "dead_zone"), ("sets.rsi.low", "empty_set"), ("model.rules", "silent_rule")}
    spoken = cli("strategy", "validate", path, "--on-bars", "--home", home)
    assert spoken.code == 0
    assert "on SPX it holds on 0.0% of the bars; rsi mostly lies from" in spoken.out


def test_validate_on_bars_of_an_instrument_that_is_not_there_is_not_found(cli: Cli, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.yaml"
    path.write_text(REVERSAL.read_text().replace("instruments: [SPX]", "instruments: [NOWHERE]"))
    assert cli("strategy", "validate", path, "--home", home, "--json").code == 0
    ended = cli("strategy", "validate", path, "--on-bars", "--home", home, "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "not_found")


def test_where_nothing_is_known_nothing_is_similar(cli: Cli, home: Path) -> None:
    found = cli("strategy", "similar", REVERSAL, "--home", home, "--json")
    assert (found.code, found.json["n_known"], found.json["nearest"]) == (0, 0, [])
    assert "no experiments in this home" in cli("strategy", "similar", REVERSAL, "--home", home).out


def test_the_nearest_known_strategy_comes_first_and_an_equal_one_is_called_the_same(cli: Cli, reference: Campaign, tmp_path: Path) -> None:
    at_home = ("--home", reference.home)
    best = reference.result["experiments"][0]
    document = cli("experiments", "show", best["id"], *at_home, "--json").json["document"]
    path = tmp_path / "known.yaml"
    path.write_text(to_yaml(document | {"name": "renamed", "prediction": None}))
    found = cli("strategy", "similar", path, *at_home, "--json").json
    first, *others = found["nearest"]
    assert found["fingerprint"] == best["fingerprint"]
    assert (first["experiment_id"], first["same"], first["structure"]) == (best["id"], True, 1.0)
    assert first["verdict"] in ("reject", "iterate", "shortlist")  # after the search zone, whatever sealed data then said
    assert first["excess_sharpe"] == best["metrics"]["excess_sharpe"]
    assert 0.5 < first["text"] <= 1.0  # what is remembered of an experiment holds its hypothesis, and more
    assert first["likeness"] == pytest.approx(0.75 + 0.25 * first["text"], abs=1e-4)
    assert others
    assert not any(item["same"] for item in others)
    assert [item["likeness"] for item in found["nearest"]] == sorted((item["likeness"] for item in found["nearest"]), reverse=True)
    assert found["n_known"] >= len(found["nearest"])
    assert len(cli("strategy", "similar", path, "-k", 2, *at_home, "--json").json["nearest"]) == 2
    assert f"{best['id']}" in cli("strategy", "similar", path, *at_home).out


def test_a_ktrdr_strategy_is_imported_with_notes_and_is_valid_here(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "imported.yaml"
    ended = cli("strategy", "import", "--from", "ktrdr", KTRDR / "dip_buyer_mlp.yaml", "--json", "--out", out)
    assert ended.code == 0, ended.out
    assert set(ended.json) == {"strategy", "notes", "errors"}
    assert ended.json["errors"] == []
    assert ended.json["notes"]
    assert all(set(note) == {"path", "message"} for note in ended.json["notes"])
    assert yaml.safe_load(out.read_text()) == ended.json["strategy"]
    assert cli("strategy", "validate", out, "--json").json["valid"]
    spoken = cli("strategy", "import", "--from", "ktrdr", KTRDR / "dip_buyer_mlp.yaml")
    assert yaml.safe_load(spoken.out) == ended.json["strategy"]
    assert all(note["message"] in spoken.err for note in ended.json["notes"])


def test_what_of_a_ktrdr_strategy_cannot_be_carried_is_an_error_with_its_path_and_nothing_is_written(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "imported.yaml"
    ended = cli("strategy", "import", "--from", "ktrdr", KTRDR / "beyond_reach.yaml", "--json", "--out", out)
    assert ended.code == 2
    assert ended.json["strategy"] is None
    assert ended.json["errors"]
    assert all(set(issue) == {"path", "code", "message", "value", "suggestion"} for issue in ended.json["errors"])
    assert not out.exists()
    spoken = cli("strategy", "import", "--from", "ktrdr", KTRDR / "beyond_reach.yaml")
    assert spoken.code == 2
    assert not spoken.out
    assert all(issue["path"] in spoken.err for issue in ended.json["errors"])


@pytest.mark.parametrize("text", ["", "a: [1", "- 1", "name: x", "\x00"])
def test_what_is_no_ktrdr_strategy_is_refused_in_the_same_form(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(text)
    ended = cli("strategy", "import", "--from", "ktrdr", path, "--json")
    assert ended.code == 2
    assert ended.json["strategy"] is None
    assert ended.json["errors"]


def test_another_systems_name_that_nobody_imports_is_refused(refused: Refused) -> None:
    assert refused("strategy", "import", "--from", "zipline", KTRDR / "dip_buyer_mlp.yaml").exit_code == 2
