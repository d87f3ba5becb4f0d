"""`nullalpha research`: the stable JSON of a whole campaign, its exit codes, and the commands that read it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.support.campaigns import Campaign, Cli, Refused, copy_home, query

CAMPAIGN_KEYS = {"campaign_id", "status", "protocol_hash", "data", "trials", "experiments", "lessons", "lockbox", "seconds", "home"}
EXPERIMENT_KEYS = {"id", "name", "fingerprint", "designer", "status", "verdict", "reasons", "metrics", "validation", "report"}
METRIC_KEYS = {
    "sharpe", "sharpe_se", "excess_sharpe", "dsr", "psr", "max_drawdown", "n_trades", "turnover", "annual_return", "buy_and_hold_sharpe",
}  # fmt: skip


def test_a_run_prints_one_object_with_every_key_of_the_contract(reference: Campaign) -> None:
    result = reference.result
    assert reference.ended.out.count("\n") == 1
    assert set(result) >= CAMPAIGN_KEYS
    assert (result["status"], result["trials"], result["home"]) == ("done", 10, str(reference.home))
    assert len(result["protocol_hash"]) == 64
    assert [set(ref) for ref in result["data"]] == [{"instrument", "snapshot", "first", "last", "n_bars"}] * 2
    assert result["lockbox"] == {"openings": []}
    assert 0 < result["seconds"] < 600
    assert all(set(lesson) == {"id", "text", "evidence", "window"} for lesson in result["lessons"])
    known = {experiment["id"] for experiment in result["experiments"]}
    assert all(lesson["evidence"] and set(lesson["evidence"]) <= known for lesson in result["lessons"])


def test_each_experiment_has_every_key_a_verdict_and_figures_that_are_null_when_missing(reference: Campaign) -> None:
    experiments = reference.result["experiments"]
    assert len(experiments) == 10
    for experiment in experiments:
        assert set(experiment) >= EXPERIMENT_KEYS
        assert experiment["verdict"] in ("reject", "iterate", "shortlist")
        assert experiment["verdict"] == "shortlist" or experiment["reasons"]
        assert set(experiment["metrics"]) >= METRIC_KEYS
        if experiment["metrics"]["n_trades"] == 0:
            assert experiment["metrics"]["sharpe"] is None
            assert experiment["metrics"]["dsr"] is None
    validated = [e["validation"] for e in experiments if e["validation"] is not None]
    assert validated
    assert all(set(v) >= {"excess_sharpe", "p_stepm"} and 0 < v["p_stepm"] <= 1 for v in validated)
    assert all(e["validation"] is None for e in experiments if not e["metrics"]["n_trades"])


def test_people_read_the_campaign_on_stderr_and_in_one_self_contained_page(reference: Campaign) -> None:
    page = Path(reference.result["report"])
    assert page.is_relative_to(reference.home)
    text = page.read_text()
    assert all(experiment["name"] in text for experiment in reference.result["experiments"])
    assert 'src="http' not in text
    assert "validate" in reference.ended.err


def test_a_gate_that_was_asked_for_and_failed_is_exit_3(reference: Campaign) -> None:
    shortlisted = any(e["verdict"] == "shortlist" for e in reference.result["experiments"])
    assert reference.ended.code == (0 if shortlisted else 3)


def test_a_budget_that_ran_out_is_exit_4_and_says_that_a_rerun_may_differ(finished: Callable[[str], Campaign]) -> None:
    campaign = finished("other-seed-out-of-time")
    assert campaign.ended.code == 4
    assert (campaign.result["status"], campaign.result["deterministic"]) == ("budget_exhausted", False)
    assert campaign.result["trials"] == 8
    assert any("8 of 10" in note for note in campaign.result["notes"])


def test_show_prints_what_the_run_printed_and_list_is_newest_first(cli: Cli, reference: Campaign) -> None:
    assert cli("research", "show", reference.id, "--home", reference.home, "--json").json == reference.result
    assert reference.result["experiments"][0]["name"] in cli("research", "show", reference.id, "--home", reference.home).out
    (listed,) = cli("research", "list", "--home", reference.home, "--json").json["campaigns"]
    sharpes = [e["metrics"]["sharpe"] for e in reference.result["experiments"] if e["metrics"]["sharpe"] is not None]
    assert set(listed) == {"campaign_id", "status", "started", "trials", "best_sharpe"}
    assert (listed["campaign_id"], listed["status"], listed["trials"], listed["best_sharpe"]) == (reference.id, "done", 10, max(sharpes))
    assert reference.id in cli("research", "list", "--home", reference.home).out


def test_an_empty_home_lists_nothing(cli: Cli, home: Path) -> None:
    assert cli("research", "list", "--home", home, "--json").json == {"campaigns": []}
    assert cli("experiments", "list", "--home", home, "--json").json == {"experiments": []}
    assert cli("memory", "lessons", "--home", home, "--json").json == {"lessons": []}


def test_a_finished_campaign_cannot_be_resumed_and_an_unknown_one_is_refused_with_the_nearest(
    refused: Refused, reference: Campaign
) -> None:
    done = refused("research", "resume", reference.id, "--home", reference.home)
    assert (done.exit_code, done.error["code"]) == (2, "refused")
    for command in ("resume", "show", "stop"):
        unknown = refused("research", command, reference.id[:-1] + "_", "--home", reference.home)
        assert (unknown.exit_code, unknown.error["code"]) == (2, "not_found")
        assert reference.id in unknown.error["suggestion"]


def test_a_campaign_that_began_under_other_code_is_not_mixed_with_this_one(refused: Refused, reference: Campaign, tmp_path: Path) -> None:
    home = copy_home(reference.home, tmp_path / "copy")
    with closing(sqlite3.connect(home / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE campaigns SET status = 'stopped', code_version = 'other'")
    refusal = refused("research", "resume", reference.id, "--home", home)
    assert (refusal.exit_code, refusal.error["code"]) == (2, "refused")
    assert "version of the code" in refusal.error["message"]
    assert query(home, "SELECT status FROM campaigns") == [("stopped",)]


def test_an_instrument_with_too_little_history_is_refused_before_anything_is_written(
    cli: Cli, refused: Refused, home: Path, tmp_path: Path
) -> None:
    days = [f"2001-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(300)]
    path = tmp_path / "short.csv"
    path.write_text("\n".join(["date,open,high,low,close,volume", *(f"{day},100,102,99,{100 + len(day) % 3},1000" for day in days)]) + "\n")
    assert cli("data", "import", path, "--instrument", "SHORT", "--calendar", "24/7", "--home", home).code == 0
    refusal = refused("research", "run", "--instruments", "SHORT", "--home", home)
    assert (refusal.exit_code, refusal.error["code"]) == (2, "insufficient_bars")
    assert query(home, "SELECT (SELECT count(*) FROM campaigns), (SELECT count(*) FROM zones)") == [(0, 0)]
