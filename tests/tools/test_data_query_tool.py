"""Questions in SQL through the tool: which relations there are, and that none of them holds a bar from beyond the search zone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nullalpha.app.lab import Lab
from nullalpha.core.errors import NotFoundError, NullAlphaError
from nullalpha.data.calendars import sessions_between
from nullalpha.data.instrument_kinds import DEFAULTS
from nullalpha.data.query import QueryError
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.tools.data import DataFacts
from nullalpha.tools.door import ArgumentsError, ToolDoor
from nullalpha.tools.questions import DataAnswer
from nullalpha.tools.registry import TOOLS
from tests.support.ledger_state import ZONES, put_campaign

Doors = Callable[[bool], ToolDoor]


def put(lab: Lab, symbol: str, first: str = "1999-01-04", last: str = "2018-12-31", kind: str = "equity", timeframe: str = "1d") -> None:
    """Take in bars of an instrument: one a session, or of an outside series one value a month."""
    path = lab.home / f"{symbol}.csv"
    if kind == "series":
        frame = pd.DataFrame({"time": pd.date_range(first, last, freq="MS", tz="UTC"), "value": 1.0})
    else:
        sessions = sessions_between("XNYS", np.datetime64(first), np.datetime64(last))
        times = sessions.date.astype("datetime64[D]") if timeframe == "1d" else pd.DatetimeIndex(sessions.close).tz_localize("UTC")
        frame = pd.DataFrame({"time": times}).assign(open=10.0, high=11.0, low=9.0, close=np.arange(len(sessions.date)) % 2 + 9.5)
    frame.to_csv(path, index=False)
    instrument = DEFAULTS[kind]  # type: ignore[index]
    described = type(instrument)(**{**vars(instrument), "symbol": symbol, "name": symbol})
    lab.catalogue.ingest(read_csv_file(path, described, timeframe))


def ask(door: ToolDoor, sql: str, **limits: float) -> DataAnswer:
    answer = door.call("data_query", {"sql": sql, **limits})
    assert isinstance(answer, DataAnswer)
    return answer


def last_days(door: ToolDoor) -> dict[str, str | None]:
    """Return the day of the last bar of every relation that there is."""
    names = [row[0] for row in ask(door, "SELECT relation FROM snapshots").rows]
    return {name: (ask(door, f"SELECT max(time) FROM {name}").rows[0][0] or "")[:10] for name in names}


def test_the_tool_reads_and_is_offered_to_agents() -> None:
    assert TOOLS["data_query"].scope == "read"


@pytest.mark.parametrize("person", [True, False])
def test_nothing_from_beyond_the_search_zone_is_in_any_relation(lab: Lab, door: Doors, person: bool) -> None:
    put(lab, "FUND", "2005-01-03", "2020-12-31")
    put(lab, "CPI", "2000-01-01", "2020-12-31", "series", "published")
    put(lab, "HOURS", "2010-01-04", "2013-12-31", timeframe="1h")
    put_campaign(lab.stores)
    ends = last_days(door(person))
    assert set(ends) == {"SPX", "IXIC", "FUND", "CPI_published", "HOURS_1h"}
    assert all(day < ZONES.validation_start for day in ends.values() if day)
    assert ends == {
        "SPX": "2011-12-30",
        "IXIC": "2011-12-30",
        "FUND": "2011-12-30",
        "CPI_published": "2012-01-01",
        "HOURS_1h": "2011-12-30",
    }
    assert ask(door(person), "SELECT 1").bars_before == ZONES.validation_start


def test_before_the_first_campaign_each_relation_ends_where_the_earliest_zone_in_which_it_could_be_traded_would(
    lab: Lab, door: Doors
) -> None:
    """SPX alone, 1999 to 2018, would get validation from 2011; a campaign on OLD alone, 1990 to 2010, would fix it at 2003 for SPX too."""
    assert set(last_days(door(False)).values()) == {"2010-12-31"}
    put(lab, "OLD", "1990-01-02", "2010-12-31")
    assert last_days(door(False)) == {"SPX": "2002-12-31", "IXIC": "2002-12-31", "OLD": "2002-12-31"}


def test_series_that_no_campaign_could_trade_hide_nothing_of_the_others(lab: Lab, door: Doors) -> None:
    put(lab, "SHORT", "1999-01-04", "1999-06-30")
    put(lab, "CPI", "1950-01-01", "1999-12-31", "series", "published")
    ends = last_days(door(False))
    assert (ends["SPX"], ends["SHORT"], ends["CPI_published"]) == ("2010-12-31", "1999-06-30", "1999-12-01")


def test_where_the_settings_say_that_validation_begins_nothing_is_shown_from_there_on(lab: Lab) -> None:
    lab.ensure_home()
    (lab.home / "settings.toml").write_text('[research]\nvalidation_from = "2005-01-01"\n')
    answer = ask(Lab(lab.home).door("mcp", person=False), "SELECT max(time) FROM SPX")
    assert (answer.rows, answer.bars_before) == ([["2004-12-31T21:00:00Z"]], "2005-01-01")


def test_a_symbol_that_is_no_word_is_written_in_quotes_or_with_underscores_while_that_is_no_other(lab: Lab, door: Doors) -> None:
    put(lab, "A.B", last="2001-12-31")
    assert ask(door(True), "SELECT DISTINCT instrument FROM A_B").rows == [["A.B"]]
    assert ask(door(True), 'SELECT DISTINCT instrument FROM "A.B"').rows == [["A.B"]]
    put(lab, "A_B", last="2002-12-31")
    put(lab, "A-C", last="2001-12-31")
    put(lab, "A=C", last="2001-12-31")
    put(lab, "SNAPSHOTS", last="2001-12-31")
    assert ask(door(True), "SELECT DISTINCT instrument FROM a_b").rows == [["A_B"]]
    assert ask(door(True), 'SELECT DISTINCT instrument FROM "A.B"').rows == [["A.B"]]
    with pytest.raises(NotFoundError):
        ask(door(True), "SELECT * FROM A_C")
    relations = {row[0] for row in ask(door(True), "SELECT relation FROM snapshots").rows}
    assert relations == {"SPX", "IXIC", '"A.B"', "A_B", '"A-C"', '"A=C"', "SNAPSHOTS_1d"}
    for relation in relations:
        (row,) = ask(door(True), f"SELECT DISTINCT instrument FROM {relation}").rows
        assert row[0] == relation.strip('"').removesuffix("_1d")


def test_the_list_of_relations_says_what_each_is(door: Doors) -> None:
    answer = ask(door(False), "SELECT relation, instrument, timeframe, first, last, n_bars, kind FROM snapshots ORDER BY 1")
    assert answer.rows == [
        ["IXIC", "IXIC", "1d", "1999-01-04", "2018-12-31", 5031, "index"],
        ["SPX", "SPX", "1d", "1999-01-04", "2018-12-31", 5031, "index"],
    ]


@pytest.mark.parametrize("sql", ["DROP TABLE SPX", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM glob('*')"])
def test_an_agent_is_refused_what_reaches_out(door: Doors, sql: str) -> None:
    with pytest.raises(QueryError):
        ask(door(False), sql)


@pytest.mark.parametrize(
    "limits", [{"max_rows": 0}, {"max_rows": 10_001}, {"seconds": 0}, {"seconds": 61}, {"seconds": float("nan")}, {"max_rows": 1.5}]
)
def test_limits_are_limited(door: Doors, limits: dict[str, float]) -> None:
    with pytest.raises(ArgumentsError):
        ask(door(False), "SELECT 1", **limits)


def test_facts_are_shown_of_the_daily_bars_or_of_what_there_is(lab: Lab, door: Doors, tmp_path: Path) -> None:
    put(lab, "HOURS", "2010-01-04", "2010-12-31", timeframe="1h")

    def facts(**arguments: str) -> DataFacts:
        shown = door(True).call("data_show", arguments)
        assert isinstance(shown, DataFacts)
        return shown

    assert facts(instrument="SPX").timeframe == "1d"
    assert facts(instrument="HOURS").timeframe == "1h"
    put(lab, "HOURS", "2010-01-04", "2010-12-31")
    assert facts(instrument="HOURS").timeframe == "1d"
    assert facts(instrument="HOURS", timeframe="1h").timeframe == "1h"
    with pytest.raises(NullAlphaError) as caught:
        facts(instrument="HOURS", timeframe="5m")
    assert caught.value.suggestion == "there is 1d, 1h"
