"""What people read where there is nothing, too much, or no number: sentences, options by their names, sensible figures."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from nullalpha.cli.metrics import figure_text
from tests.support.campaigns import COMMAND, REPOSITORY, Campaign, Cli, Refused, copy_home, environment, query

RUN = ("research", "run")


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        ((*RUN, "--trials", 0), "--trials", "0"),
        ((*RUN, "--trials=many"), "--trials", "many"),
        ((*RUN, "--trails", 3), "--trails", "3"),
        (("research", "show"), "CAMPAIGN_ID", None),
        ((*RUN, "--instruments", ","), "--instruments", "[]"),
        (("experiments", "list", "--limit", 0), "--limit", "0"),
        (("experiments", "list", "--verdict", "bad"), "--verdict", '"bad"'),
        (("experiments", "compare", "e-1"), "IDS", '["e-1"]'),
        (("memory", "search", ""), "QUERY", '""'),
        (("memory", "search", "x", "-k", 0), "-k", "0"),
    ],
)
def test_a_refused_argument_is_named_as_it_is_written_with_its_value(
    refused: Refused, home: Path, arguments: tuple[object, ...], path: str, value: str | None
) -> None:
    error = refused(*arguments, "--home", home).error
    assert (error["path"], error["value"]) == (path, value), error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*RUN, "--instruments", ","), "--instruments is empty; it takes at least 1 entry"),
        (("experiments", "compare", "e-1"), "IDS has 1 entry; it takes at least 2 entries"),
        (("experiments", "list", "--limit", 0), "--limit is 0; it takes at least 1"),
        (("experiments", "list", "--verdict", "bad"), '--verdict is "bad"; it takes reject, iterate or shortlist'),
        (("memory", "search", ""), "QUERY is empty; it takes at least 1 character"),
    ],
)
def test_a_refusal_says_what_would_be_taken(refused: Refused, home: Path, arguments: tuple[object, ...], sentence: str) -> None:
    assert refused(*arguments, "--home", home).error["message"] == sentence


def test_a_document_that_is_too_long_is_refused_in_characters(refused: Refused, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text("# " + "x" * 120_000)
    error = refused("strategy", "validate", path, "--home", home).error
    assert error["message"] == "FILE has 120,002 characters; it takes at most 100,000 characters"


@pytest.mark.parametrize(
    "command", [("research", "list"), ("experiments", "list"), ("memory", "lessons"), ("memory", "search", "momentum")]
)
def test_a_fresh_home_says_what_to_do(cli: Cli, home: Path, command: tuple[str, ...]) -> None:
    ended = cli(*command, "--home", home)
    assert (ended.code, ended.out.count("\n")) == (0, 1)
    assert "nullalpha research run" in ended.out


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("sharpe", 0.41234, "0.41"),
        ("excess_sharpe", None, "–"),
        ("max_drawdown", -0.1878, "-18.8 %"),
        ("n_trades", 269.0, "269"),
        ("psr", 0.9871, "0.987"),
        ("min_track_sessions", 2345.6, "2,346 sessions"),
        ("min_track_sessions", 1.0e7, ">100 years"),
        ("min_track_sessions", None, "–"),
    ],
)
def test_each_figure_is_said_in_its_own_unit(name: str, value: float | None, text: str) -> None:
    assert figure_text(name, value, 252) == text


def test_experiments_are_shown_and_compared_with_whole_counts_and_percent(cli: Cli, reference: Campaign) -> None:
    first, second = reference.result["experiments"][:2]
    shown = cli("experiments", "show", first["id"], "--home", reference.home).out
    compared = cli("experiments", "compare", first["id"], second["id"], "--home", reference.home).out
    trades, drawdown = first["metrics"]["n_trades"], f"{100 * first['metrics']['max_drawdown']:.1f} %"
    assert [line.split() for line in shown.splitlines() if "n_trades" in line] == [["n_trades", str(trades)]]
    assert [line.split()[1] for line in compared.splitlines() if line.startswith("n_trades")] == [str(trades)]
    assert drawdown in shown
    assert drawdown in compared


def test_a_list_that_stops_at_its_limit_says_of_how_many(cli: Cli, reference: Campaign) -> None:
    total = len(cli("experiments", "list", "--home", reference.home, "--json").json["experiments"])
    assert f"2 of {total}; --limit {total} lists them" in cli("experiments", "list", "--limit", 2, "--home", reference.home).err
    assert not cli("experiments", "list", "--limit", total, "--home", reference.home).err


def test_a_question_about_an_idea_finds_strategies_of_that_idea(cli: Cli, reference: Campaign) -> None:
    known = " ".join(text for (text,) in query(reference.home, "SELECT text FROM memories WHERE kind = 'experiment'"))
    for question, idea in (("what do we know about momentum", "Momentum"), ("mean reversion", "Mean reversion")):
        assert idea in known
        best = cli("memory", "search", question, "-k", 1, "--home", reference.home, "--json").json["hits"][0]
        assert idea in best["text"]
        assert best["similarity"] >= 0.25
    assert "nothing close" not in cli("memory", "search", "mean reversion", "--home", reference.home).out


def test_a_question_about_something_else_is_told_that_nothing_is_close(cli: Cli, reference: Campaign) -> None:
    out = cli("memory", "search", "a recipe for pancakes with maple syrup", "-k", 2, "--home", reference.home).out
    assert out.startswith("nothing close; nearest:\n")


def test_stopping_what_is_over_says_so_and_changes_nothing(cli: Cli, reference: Campaign, tmp_path: Path) -> None:
    home = copy_home(reference.home, tmp_path / "copy")
    spoken = cli("research", "stop", reference.id, "--home", home)
    assert (spoken.code, spoken.out) == (0, f"{reference.id} is already done\n")
    assert cli("research", "stop", reference.id, "--home", home, "--json").json == {"campaign_id": reference.id, "status": "done"}


def test_doctor_warns_of_a_risk_with_a_fix_and_stays_ok(cli: Cli, home: Path) -> None:
    diagnosis = cli("doctor", "--home", home, "--json").json
    warned = [check for check in diagnosis["checks"] if check["warning"]]
    assert all(check["ok"] and check["fix"] for check in warned)
    lines = cli("doctor", "--home", home).out.splitlines()
    assert sum(line.startswith("warn") for line in lines) == len(warned)


@pytest.mark.parametrize("json", [False, True])
def test_a_backtest_that_is_interrupted_ends_with_130_and_one_line(tmp_path: Path, json: bool) -> None:
    home = tmp_path / "home"
    process = subprocess.Popen(
        [*COMMAND, "backtest", "examples/oversold-in-uptrend.yaml", "--home", str(home), *(["--json"] if json else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=REPOSITORY,
        start_new_session=True,
    )
    while process.poll() is None and not (home / "ledger.db").exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    said = out if json else err
    assert said.count("\n") == 1
    assert "cancelled" in said
    assert (err if json else out) == ""
