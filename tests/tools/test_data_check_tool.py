"""Checking a file of bars through the tool: every bad row named, nothing taken in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from nullalpha.app.descriptions import describe_instrument
from nullalpha.app.lab import Lab
from nullalpha.core.errors import DataError, NotFoundError, RefusedError, UsageError
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.tools.data import DataCheck
from nullalpha.tools.door import ArgumentsError, ToolDoor
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


def check(door: ToolDoor, target: str = "bars.csv", **arguments: object) -> DataCheck:
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


def test_parquet_is_read_by_its_own_reader(lab: Lab, door: Doors) -> None:
    times = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])
    frame = pd.DataFrame({"Date": times, "open": [1.0, 2.0, 3.0], "high": [1.0, 2.0, 1.0], "low": 0.5, "close": [1.0, 2.0, 3.0]})
    for name in ("bars.parquet", "bars.PQ"):
        frame.to_parquet(lab.home / "desk" / name)
        answer = check(door(False), name)
        assert answer.n_bars == 3
        assert errors(answer) == [("inconsistent_high", 2)]
    (lab.home / "desk" / "bars.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="no parquet file"):
        check(door(False), "bars.parquet")


def test_zone_columns_and_meaning_of_times_are_as_said(lab: Lab, door: Doors) -> None:
    """New York opens at half past nine: a bar stamped then with its open lies within the session, one stamped with its close does not."""
    path = lab.home / "desk" / "bars.csv"
    path.write_text("when,open,high,low,last\n2024-01-02 09:30,1,2,1,2\n2024-01-02 10:30,2,3,2,3\n")
    said = {"timeframe": "1h", "columns": {"time": "when", "close": "last"}}
    assert "naive_time" in {code for code, _ in errors(check(door(False), **said))}
    assert check(door(False), **said, tz="America/New_York", bar_time="open").ok
    closes = check(door(False), **said, tz="America/New_York", bar_time="close")
    assert {finding.code for finding in closes.findings} - {"calendar_gap"}
    for wrong in ({"bar_time": "middle"}, {"columns": {"close": 1}}, {"colums": {}}):
        with pytest.raises(ArgumentsError):
            check(door(False), **wrong)
    with pytest.raises(UsageError):
        check(door(False), columns={"clos": "last"})


def test_an_outside_series_in_a_file_is_checked_as_one(lab: Lab, door: Doors) -> None:
    path = lab.home / "desk" / "cpi.csv"
    path.write_text("time,value\n2024-01-02T13:30:00Z,-1\n2024-01-02T13:30:00Z,2\n")
    assert errors(check(door(False), "cpi.csv", timeframe="published")) == [("duplicate_time", 1)]


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


def test_an_instrument_whose_costs_its_bars_cannot_carry_is_not_usable(lab: Lab, door: Doors) -> None:
    """SPX has volumes and no quotes; what is said of quotes has no time, and is no value: agents are told it too."""
    person = door(True)
    assert check(person, "SPX").ok
    describe_instrument(lab, "SPX", {"costs": {"volume_cap": 0.05, "spread": "quoted"}})
    for one in (person, lab.door("agent:designer", person=False, path_root=lab.home / "desk")):
        answer = check(one, "SPX")
        assert not answer.ok
        assert errors(answer) == [("costs_need_spread", None)]
    describe_instrument(lab, "SPX", {"costs": {"spread": "fixed"}})
    assert check(person, "SPX").ok
