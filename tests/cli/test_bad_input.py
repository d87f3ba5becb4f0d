"""Bad input is refused in one typed sentence with the right exit code, and leaves nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.campaigns import Cli, Refused

RUN = ("research", "run")
BAD_OPTIONS = {
    "unknown option": ((*RUN, "--trails", 3), "usage"),
    "negative trials": ((*RUN, "--trials", -1), "usage"),
    "no trials": ((*RUN, "--trials", 0), "usage"),
    "trials in words": ((*RUN, "--trials", "many"), "usage"),
    "unknown designer": ((*RUN, "--designer", "serch"), "usage"),
    "llm without a model": ((*RUN, "--designer", "llm"), "usage"),
    "no workers": ((*RUN, "--workers", 0), "usage"),
    "negative seed": ((*RUN, "--seed", -1), "usage"),
    "no budget": ((*RUN, "--budget-seconds", 0), "usage"),
    "no instruments": ((*RUN, "--instruments", ","), "usage"),
    "unknown instrument": ((*RUN, "--instruments", "SPX,IXICC"), "not_found"),
    "unknown timeframe": ((*RUN, "--timeframe", "7d"), "not_found"),
    "unknown command": (("reserch",), "usage"),
    "unknown sub-command": (("research", "go"), "usage"),
    "missing argument": (("research", "show"), "usage"),
    "promote an unknown experiment": (("research", "promote", "e-none"), "not_found"),
    "backtest a file that is not there": (("backtest", "/nowhere.yaml"), "not_found"),
    "train a folder": (("train", "/"), "usage"),
    "search for nothing": (("memory", "search", ""), "usage"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_a_bad_command_is_exit_2_and_starts_no_campaign(refused: Refused, cli: Cli, home: Path, case: str) -> None:
    arguments, code = BAD_OPTIONS[case]
    takes_home = len(arguments) > 1 and arguments[1] != "go"
    refusal = refused(*arguments, *(("--home", home) if takes_home else ()))
    assert refusal.exit_code == 2
    assert refusal.error["code"] in (code, "invalid_arguments"), refusal.error
    assert cli("research", "list", "--home", home, "--json").json == {"campaigns": []}


def test_near_misses_are_named(refused: Refused, home: Path) -> None:
    assert "search" in refused(*RUN, "--designer", "serch", "--home", home).error["suggestion"]
    assert "IXIC" in refused(*RUN, "--instruments", "IXICC", "--home", home).error["suggestion"]


def test_an_unknown_indicator_is_refused_with_the_nearest_name_by_backtest_too(
    refused: Refused, cli: Cli, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "nullalpha: 1\nname: x\nhypothesis: h\ninstruments: [SPX]\ntimeframe: 1d\nfeatures: {a: {indicator: stochastik}}\n"
        "sets: {a: {low: {gaussian: [20, 5]}}}\nmodel: {kind: rules, rules: [if a is low then long 1.0]}\ndecision: {long_above: 0.2}\n"
    )
    for command in ("backtest", "train"):
        refusal = refused(command, path, "--home", home)
        assert (refusal.exit_code, refusal.error["code"]) == (2, "invalid_strategy")
        assert "stochastic" in refusal.error["errors"][0]["suggestion"]
    assert cli("experiments", "list", "--home", home, "--json").json == {"experiments": []}


@pytest.mark.parametrize("command", [RUN, ("research", "list"), ("doctor",), ("data", "list"), ("memory", "lessons")])
def test_a_home_that_cannot_be_written_is_refused(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("a regular file")
    ended = cli(*command, "--home", tmp_path / "file" / "home", "--json")
    if command == ("doctor",):
        assert ended.code == 1
        assert {check["name"] for check in ended.json["checks"] if not check["ok"]} >= {"home"}
        return
    assert ended.code == 2
    assert ended.json["error"]["code"] == "home"
    assert "--home" in ended.json["error"]["suggestion"]


@pytest.mark.parametrize("content", [b"not a database, but long enough to be taken for one" * 100, b"SQLite format 3\x00" + b"\x07" * 5000])
def test_a_ledger_that_is_none_is_refused_and_left_alone(refused: Refused, home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "ledger.db").write_bytes(content)
    for command in (("research", "list"), RUN, ("memory", "lessons")):
        refusal = refused(*command, "--home", home)
        assert refusal.exit_code in (1, 2)
        assert refusal.error["code"] in ("home", "ledger")
        assert "ledger.db" in refusal.error["message"]
    assert (home / "ledger.db").read_bytes() == content


def test_an_empty_file_in_the_ledgers_place_becomes_a_ledger(cli: Cli, home: Path) -> None:
    home.mkdir()
    (home / "ledger.db").touch()
    assert cli("research", "list", "--home", home, "--json").json == {"campaigns": []}


@pytest.mark.parametrize("text", ["workers = 'two'", "[model]\nnmae = 'x'", "[research", "trials = 3"])
def test_bad_settings_are_refused_by_name(refused: Refused, home: Path, text: str) -> None:
    home.mkdir()
    (home / "settings.toml").write_text(text)
    refusal = refused(*RUN, "--home", home)
    assert (refusal.exit_code, refusal.error["code"]) == (2, "settings")
    assert str(home / "settings.toml") in str(refusal.error.values())


def test_a_group_without_a_command_shows_its_help_and_no_error(cli: Cli) -> None:
    for arguments in ((), ("research",)):
        ended = cli(*arguments)
        assert ended.code == 2
        assert "Usage:" in ended.out + ended.err
        assert "error" not in ended.out + ended.err
