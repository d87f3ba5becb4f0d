"""`nullalpha experiments`, `memory` and `doctor`, over a finished campaign."""

from __future__ import annotations

from pathlib import Path

from tests.support.campaigns import Campaign, Cli, Refused, copy_home


def test_experiments_are_listed_best_first_and_by_verdict(cli: Cli, reference: Campaign) -> None:
    listed = cli("experiments", "list", "--home", reference.home, "--json").json["experiments"]
    tried = [e for e in listed if e["status"] != "invalid"]
    assert {e["id"] for e in tried} == {e["id"] for e in reference.result["experiments"]}
    excess = [e["metrics"]["excess_sharpe"] for e in tried if e["metrics"]["excess_sharpe"] is not None and e["verdict"] != "shortlist"]
    assert excess == sorted(excess, reverse=True)
    rejected = cli("experiments", "list", "--verdict", "reject", "--home", reference.home, "--json").json["experiments"]
    assert rejected
    assert {e["verdict"] for e in rejected} == {"reject"}
    assert tried[0]["name"][:12] in cli("experiments", "list", "--home", reference.home).out


def test_an_experiment_is_shown_with_its_document_folds_rules_and_look_ahead_attack(cli: Cli, reference: Campaign) -> None:
    best = reference.result["experiments"][0]
    shown = cli("experiments", "show", best["id"], "--home", reference.home, "--json")
    assert shown.json["experiment"] == best | {"report": shown.json["experiment"]["report"]}
    assert shown.json["document"]["nullalpha"] == 1
    assert shown.json["folds"]
    assert shown.json["rules"]
    assert shown.json["lookahead"]["clean"] is True
    for experiment in reference.result["experiments"]:
        spoken = cli("experiments", "show", experiment["id"], "--home", reference.home)
        assert spoken.code == 0
        assert experiment["name"] in spoken.out


def test_experiments_are_compared_figure_by_figure(cli: Cli, refused: Refused, reference: Campaign) -> None:
    first, second = (e["id"] for e in reference.result["experiments"][:2])
    compared = cli("experiments", "compare", first, second, "--home", reference.home, "--json").json
    assert compared["ids"] == [first, second]
    assert compared["figures"]["excess_sharpe"] == [e["metrics"]["excess_sharpe"] for e in reference.result["experiments"][:2]]
    assert cli("experiments", "compare", first, second, "--home", reference.home).code == 0
    assert refused("experiments", "compare", first, first, "--home", reference.home).error["code"] == "usage"
    assert refused("experiments", "compare", first, "--home", reference.home).exit_code == 2


def test_an_unknown_experiment_or_verdict_is_refused(refused: Refused, reference: Campaign) -> None:
    known = reference.result["experiments"][0]["id"]
    assert known in refused("experiments", "show", known[:-1] + "_", "--home", reference.home).error["suggestion"]
    assert refused("experiments", "list", "--verdict", "bad", "--home", reference.home).exit_code == 2
    assert refused("experiments", "list", "--campaign", "c-none", "--home", reference.home).error["code"] == "not_found"


def test_memory_answers_in_words_and_a_rebuild_keeps_the_answer(cli: Cli, reference: Campaign, tmp_path: Path) -> None:
    home = copy_home(reference.home, tmp_path / "copy")
    question = ("memory", "search", "what do we know about momentum", "-k", 3, "--home", home)
    before = cli(*question, "--json").json
    assert len(before["hits"]) == 3
    assert [h["similarity"] for h in before["hits"]] == sorted((h["similarity"] for h in before["hits"]), reverse=True)
    assert before["hits"][0]["text"] in cli(*question).out
    rebuilt = cli("memory", "rebuild", "--home", home, "--json")
    assert rebuilt.json == {"indexed": len(reference.result["experiments"]) + len(reference.result["lessons"])}
    assert cli(*question, "--json").json == before


def test_lessons_are_the_campaigns_own(cli: Cli, reference: Campaign) -> None:
    found = cli("memory", "lessons", "--campaign", reference.id, "--home", reference.home, "--json").json["lessons"]
    assert found == reference.result["lessons"]
    assert all(lesson["text"] in cli("memory", "lessons", "--home", reference.home).out for lesson in found[:2])


def test_doctor_finds_a_home_with_a_campaign_in_order(cli: Cli, reference: Campaign) -> None:
    diagnosis = cli("doctor", "--home", reference.home, "--json")
    assert (diagnosis.code, diagnosis.json["ok"]) == (0, True), diagnosis.out
    assert all(set(check) == {"name", "ok", "detail", "fix", "warning"} for check in diagnosis.json["checks"])
    assert {"ledger", "data", "embedder", "index", "egress"} <= {check["name"] for check in diagnosis.json["checks"]}


def test_doctor_says_how_to_mend_a_snapshot_that_changed(cli: Cli, home: Path) -> None:
    cli("data", "list", "--home", home)
    torn = next((home / "data").rglob("*.parquet"))
    torn.chmod(0o644)
    torn.write_bytes(torn.read_bytes()[:-10])
    diagnosis = cli("doctor", "--home", home, "--json")
    assert (diagnosis.code, diagnosis.json["ok"]) == (1, False)
    (broken,) = [check for check in diagnosis.json["checks"] if not check["ok"]]
    assert broken["name"] == "data"
    assert broken["fix"]
