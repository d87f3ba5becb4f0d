"""`nullalpha data`: what there is, and files of bars that are refused row by row without leaving anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.campaigns import Campaign, Cli, Refused

HEADER = "date,open,high,low,close,volume"
DAYS = ["2001-01-02", "2001-01-03", "2001-01-04", "2001-01-05", "2001-01-08", "2001-01-09"]


def bars(days: list[str]) -> str:
    return "\n".join([HEADER, *(f"{day},100,102,99,{100 + i % 3},1000" for i, day in enumerate(days))]) + "\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "bars.csv"
        path.write_text(text)
        return path

    return write


def test_the_packaged_bars_are_listed_with_what_they_cost(cli: Cli, reference: Campaign) -> None:
    listed = cli("data", "list", "--home", reference.home, "--json").json["snapshots"]
    assert {s["instrument"]: (s["first"], s["last"], s["n_bars"], s["fill_basis"]) for s in listed} == {
        "SPX": ("1999-01-04", "2018-12-31", 5031, "close"),
        "IXIC": ("1999-01-04", "2018-12-31", 5031, "close"),
    }
    assert all(s["costs"]["slippage_bps"] > 0 for s in listed)
    assert "IXIC" in cli("data", "list", "--home", reference.home).out


def test_show_names_the_sealed_zones_by_date(cli: Cli, reference: Campaign) -> None:
    shown = cli("data", "show", "SPX", "--home", reference.home, "--json").json
    zones = shown["zones"]
    assert shown["first"] < zones["validation_start"] < zones["lockbox_start"] < shown["last"]


def test_an_instrument_that_is_not_there_is_refused_with_the_nearest(refused: Refused, reference: Campaign) -> None:
    for command in (("show", "SPY"), ("check", "SPY")):
        refusal = refused("data", *command, "--home", reference.home)
        assert (refusal.exit_code, refusal.error["code"]) == (2, "not_found")
        assert "SPX" in refusal.error["suggestion"]


def test_good_bars_are_usable_and_can_be_imported(cli: Cli, csv: Callable[[str], Path], home: Path) -> None:
    path = csv(bars(DAYS))
    assert cli("data", "check", path, "--home", home, "--json").json | {"findings": []} == {
        "target": str(path),
        "ok": True,
        "n_bars": 6,
        "findings": [],
        "withheld": 0,
    }
    imported = cli("data", "import", path, "--instrument", "acme", "--home", home, "--json")
    assert imported.code == 0, imported.out
    assert imported.json["snapshots"][0]["instrument"] == "ACME"
    assert "ACME" in {s["instrument"] for s in cli("data", "list", "--home", home, "--json").json["snapshots"]}


@pytest.mark.parametrize(
    ("days", "rows"),
    [([DAYS[0], DAYS[2], DAYS[1], *DAYS[3:]], {2}), ([*DAYS[:3], DAYS[2], *DAYS[3:]], {3})],
    ids=["shuffled", "duplicated"],
)
def test_bad_dates_are_named_row_by_row_and_nothing_is_imported(
    cli: Cli, refused: Refused, csv: Callable[[str], Path], home: Path, days: list[str], rows: set[int]
) -> None:
    path = csv(bars(days))
    checked = cli("data", "check", path, "--home", home, "--json")
    assert (checked.code, checked.json["ok"]) == (2, False)
    assert {f["row"] for f in checked.json["findings"] if f["severity"] == "error"} == rows
    cli("data", "list", "--home", home)
    before = sorted(str(p) for p in (home / "data").rglob("*") if p.is_file())
    refusal = refused("data", "import", path, "--instrument", "ACME", "--home", home)
    assert (refusal.exit_code, refusal.error["code"]) == (2, "data")
    assert {f["row"] for f in refusal.error["findings"] if f["severity"] == "error"} == rows
    assert sorted(str(p) for p in (home / "data").rglob("*") if p.is_file()) == before


@pytest.mark.parametrize("text", ["", "date,open\n", "\x89PNG\r\n", f"{HEADER}\n2001-01-02,1,2\n", f"{HEADER}\nyesterday,1,1,1,1,1\n"])
def test_what_is_no_table_of_bars_is_refused_typed(refused: Refused, csv: Callable[[str], Path], home: Path, text: str) -> None:
    refusal = refused("data", "import", csv(text), "--instrument", "ACME", "--home", home)
    assert (refusal.exit_code, refusal.error["code"]) == (2, "data")
    assert refusal.error["message"]


def test_a_file_that_is_not_there_and_unknown_options_of_import_are_refused(
    refused: Refused, csv: Callable[[str], Path], home: Path
) -> None:
    assert refused("data", "import", "/nowhere.csv", "--instrument", "A", "--home", home).error["code"] == "not_found"
    path = csv(bars(DAYS))
    for option in (("--from", "cvs"), ("--fill-basis", "middle"), ("--calendar", "XNYZ")):
        refusal = refused("data", "import", path, "--instrument", "A", *option, "--home", home)
        assert refusal.exit_code == 2, option
        assert refusal.error["suggestion"], option


def test_a_symbol_that_is_there_is_replaced_only_when_asked_and_a_cost_that_pays_never(
    cli: Cli, refused: Refused, csv: Callable[[str], Path], home: Path
) -> None:
    path = csv(bars(DAYS))
    refusal = refused("data", "import", path, "--instrument", "spx", "--home", home)
    assert (refusal.exit_code, refusal.error["code"], refusal.error["value"]) == (2, "refused", "SPX")
    assert refused("data", "import", path, "--instrument", "A", "--commission", "-1", "--home", home).error["path"] == "commission"
    assert refused("data", "import", path, "--instrument", "A B", "--home", home).error["path"] == "symbol"
    assert cli("data", "show", "spx", "--home", home, "--json").json["n_bars"] == 5031
    assert cli("data", "import", path, "--instrument", "SPX", "--replace", "--home", home, "--json").code == 0
    assert cli("data", "show", "spx", "--home", home, "--json").json["n_bars"] == 6
