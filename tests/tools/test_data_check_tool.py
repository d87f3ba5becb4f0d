"""Checking a file of bars through the tool: every bad row named, nothing taken in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nullalpha.app.lab import Lab
from nullalpha.core.errors import DataError, NotFoundError, RefusedError
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.tools.data import DataCheck
from nullalpha.tools.door import ToolDoor
from tests.support.ledger_state import put_campaign

Doors = Callable[[bool], ToolDoor]
ROWS = [
    "2024-01-02,10,10.6,9.9,10.5,100",
    "2024-01-03,10.5,10.8,10.1,10.2,110",
    "2024-01-04,10.2,10.5,10,10.4,120",
    "2024-01-05,10.4,10.6,10,10.1,130",
]


def write(lab: Lab, rows: list[str], name: str = "bars.csv") -> Path:
    path = lab.home / "desk" / name
    path.write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    return path


def check(door: ToolDoor, target: str = "bars.csv", **arguments: str) -> DataCheck:
    answer = door.call("data_check", {"target": target, **arguments})
    assert isinstance(answer, DataCheck)
    return answer


def errors(answer: DataCheck) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.row) for finding in answer.findings if finding.severity == "error"]


def test_good_bars_are_usable(lab: Lab, door: Doors) -> None:
    write(lab, ROWS)
    answer = check(door(False))
    assert (answer.ok, answer.n_bars, answer.findings) == (True, 4, [])


def test_shuffled_and_doubled_rows_are_listed_and_nothing_is_taken_in(lab: Lab, door: Doors) -> None:
    path = write(lab, [ROWS[0], ROWS[2], ROWS[1], ROWS[3], ROWS[3]])
    before = path.read_bytes()
    answer = check(door(False))
    assert not answer.ok
    assert answer.n_bars == 5
    assert errors(answer) == [("disorder", 2), ("duplicate_time", 4)]
    assert path.read_bytes() == before
    assert not (lab.home / "data").exists()
    assert [p.name for p in (lab.home / "desk").iterdir()] == ["bars.csv"]


def test_every_bad_cell_is_listed_with_its_row(lab: Lab, door: Doors) -> None:
    write(lab, ["yesterday,10,10.6,9.9,10.5,100", ROWS[1], "2024-01-04,10.2,10.1,10,10.4,x", "2024-01-05,-1,10.6,-2,10.1,130"])
    found = errors(check(door(False)))
    assert {("unreadable_time", 0), ("inconsistent_high", 2), ("not_a_number", 2), ("non_positive_price", 3)} <= set(found)


def test_a_file_that_is_no_table_is_a_typed_error_with_the_rows_that_do_not_fit(lab: Lab, door: Doors) -> None:
    write(lab, [ROWS[0], "2024-01-03,10.5", ROWS[2]])
    with pytest.raises(DataError) as caught:
        check(door(False))
    assert [(finding.code, finding.row) for finding in caught.value.findings] == [("ragged_row", 1)]


def test_a_timeframe_or_calendar_that_is_none_is_not_called_usable(lab: Lab, door: Doors) -> None:
    write(lab, ROWS)
    with pytest.raises(DataError, match="unknown timeframe"):
        check(door(False), timeframe="9z")
    assert errors(check(door(False), calendar="MOON")) == [("unknown_calendar", None)]


@pytest.mark.parametrize("target", ["nothing.csv", "a\x00.csv", "x" * 4000 + ".csv", "folder/nothing"])
def test_a_file_that_is_not_there_is_not_found(door: Doors, target: str) -> None:
    with pytest.raises(NotFoundError):
        check(door(False), target)


def test_a_symbol_is_looked_up_in_the_catalogue_whatever_folder_has_its_name(lab: Lab, door: Doors) -> None:
    (lab.home / "desk" / "SPX").mkdir()
    answer = check(door(True), "SPX")
    assert (answer.ok, answer.n_bars) == (True, 5031)
    with pytest.raises(NotFoundError) as caught:
        check(door(True), "SPY")
    assert caught.value.suggestion == "did you mean SPX?"


def test_an_agent_reads_no_finding_about_the_sealed_zones(lab: Lab, door: Doors) -> None:
    """Findings quote prices' moves; after the search zone they are a person's alone to read."""
    jump = {"2011-12-28": 10.0, "2011-12-29": 30.0, "2011-12-30": 30.0, "2012-01-03": 90.0}
    path = write(lab, [f"{day},{p},{p},{p},{p},1" for day, p in jump.items()])
    described = Instrument("JUMP", "Jump", "XNYS", "USD", "open", 252, Costs(0.0, 0.0, 0.0), "csv")
    lab.catalogue.ingest(read_csv_file(path, described, "1d"))
    jumps = [finding.time for finding in check(door(True), "JUMP").findings if finding.code == "jump"]
    assert jumps == ["2011-12-29", "2012-01-03"]
    assert check(door(False), "JUMP").findings == []
    put_campaign(lab.stores)
    assert [f.time for f in check(door(False), "JUMP").findings if f.code == "jump"] == ["2011-12-29"]


def test_an_agent_whose_folder_is_the_home_cannot_check_the_catalogues_own_files(lab: Lab) -> None:
    assert lab.catalogue.snapshots()
    received = next((lab.home / "data" / "bronze").iterdir())
    target = str(received.relative_to(lab.home))
    with pytest.raises(RefusedError):
        lab.door("mcp", person=False).call("data_check", {"target": target})
