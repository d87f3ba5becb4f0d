"""`nullalpha data import`, `fetch`, `synth`, `resample` and `instruments`: what they print, and that what they take in is used by name."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nullalpha.data.calendars import sessions_between
from nullalpha.data.synthetic.kinds import KINDS
from tests.support.campaigns import Cli, Refused, query
from tests.support.recorded_fred import KEY, KEY_NAME, recorded_fred
from tests.support.recorded_service import recorded_service

HEADER = "time,open,high,low,close,volume"
GOOD = ["2001-01-02,100,102,99,101,1000", "2001-01-03,101,103,100,102,1000", "2001-01-04,102,104,101,103,1000"]
BAD_ROW = "2001-01-05,103,90,102,104,1000"
SNAPSHOT_KEYS = {"instrument", "timeframe", "snapshot", "n_bars", "first", "last", "findings", "n_quarantined"}
FINDING_KEYS = {"code", "row", "time", "message", "severity"}


def write(folder: Path, rows: list[str], name: str = "acme.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def walk(folder: Path, name: str, last: str) -> Path:
    """Write a random walk of daily bars from 2001, its closes under another name."""
    sessions = sessions_between("XNYS", np.datetime64("2001-01-02"), np.datetime64(last)).date.astype("datetime64[D]")
    close = 50.0 * np.exp(np.cumsum(np.random.default_rng(3).standard_normal(len(sessions)) * 0.01))
    frame = pd.DataFrame({"Date": sessions, "Open": close, "High": close * 1.01, "Low": close * 0.99, "Last": close, "Volume": 1000})
    frame.to_csv(folder / name, index=False)
    return folder / name


def test_an_import_says_what_was_taken_in(cli: Cli, home: Path, tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    taken = cli("data", "import", "--from", "csv", path, "--instrument", "acme", "--timeframe", "1d", "--home", home, "--json")
    assert taken.code == 0
    assert set(taken.json) == {"snapshots", "failed", "left_out"}
    (snapshot,) = taken.json["snapshots"]
    assert set(snapshot) == SNAPSHOT_KEYS
    assert (snapshot["instrument"], snapshot["timeframe"], snapshot["n_bars"]) == ("ACME", "1d", 3)
    assert (snapshot["first"], snapshot["last"]) == ("2001-01-02T21:00:00Z", "2001-01-04T21:00:00Z")
    assert cli("data", "import", path, "--home", home, "--json").json == taken.json
    assert cli("data", "import", path, "--home", home).out == "ACME 1d: 3 bars, 2001-01-02 to 2001-01-04, 0 warnings\n"


def test_a_file_with_errors_imports_nothing_and_its_rows_are_printed_or_set_apart(
    cli: Cli, refused: Refused, home: Path, tmp_path: Path
) -> None:
    path = write(tmp_path, [*GOOD, BAD_ROW])
    refusal = refused("data", "import", path, "--home", home)
    assert refusal.exit_code == 2
    assert ("inconsistent_high", 3) in {(f["code"], f["row"]) for f in refusal.error["findings"]}
    assert "row 3 2001-01-05 inconsistent_high" in cli("data", "import", path, "--home", home).err
    assert "ACME" not in cli("data", "list", "--home", home).out
    apart = cli("data", "import", path, "--quarantine", "--home", home, "--json").json["snapshots"][0]
    assert (apart["n_bars"], apart["n_quarantined"]) == (3, 1)
    assert all(set(finding) == FINDING_KEYS for finding in apart["findings"])
    assert {f["severity"] for f in apart["findings"] if f["row"] == 3} == {"quarantined"}
    assert (
        "3 bars, 2001-01-02 to 2001-01-04, 0 warnings, 1 rows set apart" in cli("data", "import", path, "--quarantine", "--home", home).out
    )
    assert cli("data", "show", "ACME", "--home", home, "--json").json["n_quarantined"] == 1


def test_of_a_lean_folder_the_bad_series_are_named_and_the_others_taken_in(cli: Cli, home: Path, tmp_path: Path) -> None:
    daily = tmp_path / "Data" / "equity" / "usa" / "daily"
    daily.mkdir(parents=True)
    for ticker, high in (("aaa", 1_879_000), ("bbb", 1)):
        with zipfile.ZipFile(daily / f"{ticker}.zip", "w") as archive:
            archive.writestr("x.csv", f"20140305 00:00,1870000,{high},1868000,1876000,1000\n")
    (tmp_path / "Data" / "option" / "usa").mkdir(parents=True)
    ended = cli("data", "import", "--from", "lean", tmp_path / "Data", "--home", home, "--json")
    assert ended.code == 2
    assert [s["instrument"] for s in ended.json["snapshots"]] == ["AAA"]
    assert [(f["instrument"], f["timeframe"], f["error"]["code"]) for f in ended.json["failed"]] == [("BBB", "1d", "data")]
    assert ended.json["failed"][0]["error"]["findings"]
    assert len(ended.json["left_out"]) == 1
    spoken = cli("data", "import", tmp_path / "Data", "--home", home)
    assert (spoken.code, spoken.out) == (2, "AAA 1d: 1 bars, 2014-03-05 to 2014-03-05, 0 warnings\n")
    assert "left out: option" in spoken.err
    assert "error: BBB 1d" in spoken.err
    assert "inconsistent_high" in spoken.err


def test_parquet_is_recognised_and_columns_and_zones_are_as_said(cli: Cli, refused: Refused, home: Path, tmp_path: Path) -> None:
    """New York's half past nine and half past ten on 2 January 2001 are 14:30 and 15:30 UTC; the opens of bars that close an hour later."""
    frame = pd.DataFrame({"When": ["2001-01-02 09:30", "2001-01-02 10:30"], "o": [1.0, 2.0], "high": 3.0, "low": 0.5, "Last": 2.0})
    frame.to_parquet(tmp_path / "acme.parquet")
    path = tmp_path / "acme.parquet"
    columns = ("--column", "time=When", "--column", "open=o", "--column", "close=Last")
    zone = ("--timeframe", "1h", "--tz", "America/New_York", "--bar-time", "open")
    assert cli("data", "check", path, *columns, *zone, "--home", home, "--json").json["ok"]
    assert not cli("data", "check", path, *columns, "--timeframe", "1h", "--home", home, "--json").json["ok"]
    (snapshot,) = cli("data", "import", path, *columns, *zone, "--home", home, "--json").json["snapshots"]
    assert (snapshot["first"], snapshot["last"], snapshot["n_bars"]) == ("2001-01-02T15:30:00Z", "2001-01-02T16:30:00Z", 2)
    assert refused("data", "import", path, "--column", "clos=Last", "--home", home).error["suggestion"] == "did you mean close?"
    assert refused("data", "import", path, "--column", "close", "--home", home).error["path"] == "--column"
    assert refused("data", "import", path, *columns, "--column", "close=o", "--home", home).error["path"] == "--column"
    assert refused("data", "import", path, *columns, "--tz", "Mars", "--timeframe", "1h", "--home", home).exit_code == 2


def test_instruments_are_printed_and_edited(cli: Cli, refused: Refused, home: Path, tmp_path: Path) -> None:
    cli("data", "import", write(tmp_path, GOOD), "--tick", "0.01", "--home", home)
    every = {one["symbol"]: one for one in cli("data", "instruments", "--home", home, "--json").json["instruments"]}
    assert {symbol: one["in_file"] for symbol, one in every.items()} == {"ACME": True, "SPX": False, "IXIC": False}
    assert every["ACME"]["tick"] == 0.01
    spoken = cli("data", "instruments", "spx", "--home", home).out
    assert spoken.startswith(f"# {home / 'instruments.yaml'}\nSPX:   # as its source describes it\n")
    changed = cli("data", "instruments", "spx", "--set", "slippage_bps=2.5", "--set", "currency=EUR", "--home", home, "--json").json
    assert (changed["instruments"][0]["costs"]["slippage_bps"], changed["instruments"][0]["currency"]) == (2.5, "EUR")
    assert cli("data", "show", "SPX", "--home", home, "--json").json["costs"]["slippage_bps"] == 2.5
    for changes, fix in (("slipage_bps=1", "slippage_bps"), ("kind=indx", "index"), ("calendar=XNYZ", ""), ("calendar=XLON", "import")):
        refusal = refused("data", "instruments", "SPX", "--set", changes, "--home", home)
        assert refusal.exit_code == 2
        assert fix in refusal.error["suggestion"]
    assert refused("data", "instruments", "SPY", "--home", home).error["suggestion"] == "did you mean SPX?"
    assert refused("data", "instruments", "--set", "tick=1", "--home", home).error["path"] == "SYMBOL"
    (home / "instruments.yaml").write_text("SPX: {tick: 1, tock: 2}\n")
    assert refused("data", "instruments", "--home", home).error["path"] == "instruments.SPX.tock"


def test_every_cost_is_said_at_the_import_shown_and_edited(cli: Cli, refused: Refused, home: Path, tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    costs = ("--cost", "commission_per_unit=0.005", "--cost", "commission_minimum=1", "--cost", "borrow=0.02", "--commission", "0")
    cli("data", "import", path, *costs, "--home", home)
    shown = cli("data", "show", "ACME", "--home", home)
    for words in ("commission_per_unit 0.005", "commission_minimum 1.0", "borrow             0.02", "spread             fixed"):
        assert words in shown.out
    assert "2.0 bps + 0.005 a unit, at least 1" in cli("data", "list", "--home", home).out
    cli("data", "instruments", "ACME", "--set", "spread=quoted", "--set", "volume_cap=0.05", "--home", home)
    spoken = cli("data", "instruments", "ACME", "--home", home).out
    assert "  costs:\n    commission: 0.0\n" in spoken
    assert "    spread: quoted\n" in spoken
    assert "1.0 bps + half the quote + 0.005 a unit, at least 1" in cli("data", "list", "--home", home).out
    checked = cli("data", "check", "ACME", "--home", home)
    assert checked.code == 2
    assert "costs_need_spread: costs spread quoted needs quotes, and the bars have none" in checked.out
    for said, path_of, fix in (
        ("borow=0.02", "--cost", "did you mean borrow?"),
        ("borrow=much", "--cost", "a fraction of the notional a year (0.01 is one percent)"),
        ("borrow=25", "borrow", "a fraction of the notional a year (0.01 is one percent)"),
        ("spread=qouted", "spread", "use quoted"),
        ("borrow", "--cost", "--cost commission_per_unit=0.005"),
    ):
        refusal = refused("data", "import", path, "--instrument", "OTHER", "--cost", said, "--home", home)
        assert (refusal.exit_code, refusal.error["path"], refusal.error["suggestion"]) == (2, path_of, fix)
    assert refused("data", "instruments", "ACME", "--set", "spread=", "--home", home).error["suggestion"] == "--set spread=fixed"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_market_can_be_made(cli: Cli, home: Path, kind: str) -> None:
    like = ("--like", "SPX") if KINDS[kind].like == "needed" else ()
    made = cli("data", "synth", kind, "--bars", "400", "--seed", "3", "--instrument", "m", *like, "--home", home, "--json").json
    assert (made["snapshots"][0]["instrument"], made["snapshots"][0]["n_bars"], made["recipe"]["seed"]) == ("M", 400, 3)
    again = cli("data", "synth", kind, "--bars", "400", "--seed", "3", "--instrument", "m", *like, "--home", home, "--json").json
    assert again == made
    assert cli("data", "show", "M", "--home", home, "--json").json["kind"] == "synthetic"


def test_a_planted_edge_says_what_its_oracle_earns_and_options_are_set_by_name(cli: Cli, refused: Refused, home: Path) -> None:
    planted = ("data", "synth", "momentum", "--sharpe", "2", "--set", "lookback=10", "--bars", "500", "--home", home)
    made = cli(*planted, "--json").json
    assert made["truth"]["stated_sharpe"] == 2.0
    assert made["recipe"]["options"] == {"sharpe": 2.0, "volatility": 0.16, "lookback": 10.0}
    assert "the oracle's net Sharpe ratio: 2 in the long run" in cli(*planted).out
    for wrong in (
        ("--set", "lookback"),
        ("--set", "lookback=x"),
        ("--set", "look=3"),
        ("--sharpe", "99"),
        ("--bars", "0"),
        ("--seed", "-1"),
    ):
        assert refused("data", "synth", "momentum", "--instrument", "n", *wrong, "--home", home).exit_code == 2, wrong


def test_the_kinds_of_markets_are_listed(cli: Cli, home: Path) -> None:
    listed = cli("data", "synth", "list", "--home", home, "--json").json["kinds"]
    assert {kind["name"] for kind in listed} == set(KINDS)
    spoken = cli("data", "synth", "list", "--home", home).out
    assert all(f"{name}: " in spoken for name in KINDS)
    assert not home.exists()


def test_longer_bars_are_made_shown_with_what_they_were_made_of_and_drawn(cli: Cli, refused: Refused, home: Path, tmp_path: Path) -> None:
    path = walk(tmp_path, "fund.csv", "2004-12-31")
    cli("data", "import", path, "--column", "close=Last", "--home", home)
    (weeks,) = cli("data", "resample", "fund", "--to", "1w", "--home", home, "--json").json["snapshots"]
    assert (weeks["timeframe"], weeks["first"][:10]) == ("1w", "2001-01-05")
    shown = cli("data", "show", "FUND", "--timeframe", "1w", "--plot", "--home", home).out
    assert [line.split()[2:4] for line in shown.splitlines() if line.startswith("made of")] == [
        [weeks["snapshot"][:12], "1w,"],
        [cli("data", "show", "FUND", "--home", home, "--json").json["snapshot"][:12], "1d,"],
    ]
    assert '{"resample":"1w"}' in shown
    assert (
        cli("data", "query", "SELECT max(time) FROM FUND_1w", "--home", home, "--json").json["rows"]
        <= cli("data", "query", "SELECT max(time) FROM FUND", "--home", home, "--json").json["rows"]
    )  # weeks too few to be traded show no more than the days that they are made of
    assert re.search(r"FUND 1w: closes, 2001-01-05 to 200[23]-", shown)
    assert "\x1b" not in shown
    assert sum(line.count("│") for line in shown.splitlines()) > 20
    assert refused("data", "resample", "fund", "--to", "1s", "--home", home).exit_code == 2
    assert refused("data", "resample", "fnd", "--to", "1w", "--home", home).error["code"] == "not_found"


def test_questions_are_answered_in_a_table_or_as_json(cli: Cli, refused: Refused, home: Path) -> None:
    asked = ("data", "query", "SELECT count(*) AS n, '[bold]' AS text FROM SPX WHERE time < '1999-02-01'", "--home", home)
    assert cli(*asked, "--json").json == {
        "columns": ["n", "text"],
        "rows": [[19, "[bold]"]],
        "truncated": False,
        "bars_before": "2011-01-01",
    }
    spoken = cli(*asked)
    assert [line.split() for line in spoken.out.splitlines()] == [["n", "text"], ["19", "[bold]"]]
    assert "before 2011-01-01" in spoken.err
    assert "more than 1 rows" in cli("data", "query", "SELECT * FROM SPX", "--rows", "1", "--home", home).err
    assert refused("data", "query", "SELECT * FROM SPY", "--home", home).error["suggestion"] == "did you mean SPX?"
    assert refused("data", "query", "DELETE FROM SPX", "--home", home).error["code"] == "query"
    assert refused("data", "query", "SELECT 1", "--rows", "0", "--home", home).error["path"] == "--rows"
    assert refused("data", "query", "SELECT 1", "--seconds", "99", "--home", home).error["path"] == "--seconds"


MONTHS = np.arange("1998-06", "2018-11", dtype="datetime64[M]")
RELEASED = {f"{month}-05": (f"{month - 1}-01", round(5.0 + float(np.sin(n / 9)), 2)) for n, month in enumerate(MONTHS)}
STRATEGY = """
nullalpha: 1
name: jobs
hypothesis: When fewer people look for work, stocks that fell recover.
instruments: [SPX]
timeframe: 1d
features:
  jobs: {indicator: level, of: UNRATE, transform: {zscore: 250}}
  rsi: {indicator: rsi, period: 14}
sets:
  rsi: {low: {gaussian: [30, 10]}, high: {gaussian: [70, 10]}}
  jobs: {few: {sigmoid: [0, -4]}, many: {sigmoid: [0, 4]}}
model:
  kind: rules
  rules: [if jobs is few and rsi is low then long 1.0, if jobs is many and rsi is high then short 1.0]
decision: {long_above: 0.1, short_below: -0.1}
"""


def test_a_macro_series_is_fetched_kept_up_and_read_by_a_strategy(
    cli: Cli, refused: Refused, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    fetch = ("data", "fetch", "UNRATE", "--from", "fred", "--home", home)
    with recorded_service(recorded_fred(dict(list(RELEASED.items())[:-1]))) as service:
        (home / "settings.toml").write_text(f'[connect.fred]\nbase_url = "{service.base}/fred"\n')
        refusal = refused(*fetch)
        assert (refusal.error["code"], refusal.error["path"]) == ("settings", "connect.fred.key_env")
        assert service.seen == []
        monkeypatch.setenv(KEY_NAME, KEY)
        first = cli(*fetch, "--json")
        assert (first.json["instrument"], first.json["timeframe"], first.json["n_new"]) == ("UNRATE", "published", len(RELEASED) - 1)
        assert set(first.json["snapshots"][0]) == SNAPSHOT_KEYS
        assert cli(*fetch).out == "UNRATE published: nothing new\n"
    cli("data", "instruments", "UNRATE", "--set", "name=Jobs", "--home", home)
    with recorded_service(recorded_fred(RELEASED)) as service:
        (home / "settings.toml").write_text(f'[connect.fred]\nbase_url = "{service.base}/fred"\n')
        second = cli(*fetch, "--json").json
    assert (second["n_new"], second["snapshots"][0]["n_bars"]) == (1, len(RELEASED))
    shown = cli("data", "show", "UNRATE", "--home", home, "--json").json
    assert (shown["name"], shown["kind"], shown["timeframe"], shown["last"]) == ("Jobs", "series", "published", "2018-10-06")
    assert KEY not in "".join(path.read_text(errors="ignore") for path in home.rglob("*") if path.is_file())

    (tmp_path / "jobs.yaml").write_text(STRATEGY)
    result = cli("backtest", tmp_path / "jobs.yaml", "--home", home, "--json")
    assert result.code == 0, result.out
    assert result.json["trades"] > 0
    ((data,),) = query(home, "SELECT data FROM campaigns")
    assert [(item["instrument"], item["timeframe"]) for item in json.loads(data)] == [("SPX", "1d"), ("UNRATE", "published")]


def test_what_was_imported_and_made_is_traded_by_name(cli: Cli, refused: Refused, home: Path, tmp_path: Path) -> None:
    path = walk(tmp_path, "myfund.csv", "2014-12-31")
    cli("data", "import", path, "--column", "close=Last", "--kind", "etf", "--commission", "0.0003", "--home", home)
    cli("data", "synth", "momentum", "--sharpe", "3", "--bars", "3400", "--first", "2001-01-02", "--home", home)
    run = ("research", "run", "--trials", "2", "--seed", "7", "--workers", "1", "--home", home)
    ended = cli(*run, "--instruments", "MYFUND,SYN", "--json")
    assert (ended.code, ended.json["status"]) == (0, "done"), ended.out
    assert {item["instrument"] for item in ended.json["data"]} == {"MYFUND", "SYN"}
    outside = tmp_path / "cpi.csv"
    outside.write_text("time,value\n2001-01-02T13:30:00Z,1.5\n")
    cli("data", "import", outside, "--timeframe", "published", "--home", home)
    refusal = refused(*run, "--instruments", "MYFUND,CPI")
    assert (refusal.error["code"], refusal.error["suggestion"]) == ("refused", "read it in a feature: {indicator: level, of: CPI}")


WORDS = st.sampled_from(
    ["", " ", "-1", "nan", "inf", "1e999", "XNYS", "UTC", "1d", "open", "=", "close=", "=x", "\u0000", "💥", "../..", "9" * 400]
)
OPTIONS = st.sampled_from(
    [
        "--from", "--instrument", "--timeframe", "--kind", "--calendar", "--currency", "--fill-basis", "--sessions-per-year",
        "--commission", "--half-spread-bps", "--tick", "--lot", "--multiplier", "--distributions", "--column", "--tz", "--bar-time",
        "--roll", "--adjustment",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def good_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("fuzzed"), GOOD)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=st.lists(st.tuples(OPTIONS, WORDS), min_size=1, max_size=3))
def test_whatever_an_import_is_told_it_takes_it_or_says_what_is_wrong(cli: Cli, good_file: Path, options: list[tuple[str, str]]) -> None:
    words = [word for option in options for word in option]
    ended = cli("data", "import", good_file, *words, "--home", good_file.parent / "home", "--json")
    assert ended.code in (0, 2), ended.out
    assert ended.code == 0 or ended.json["error"]["message"]


@pytest.mark.parametrize("command", ["fetch", "synth", "resample"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        WORDS | st.sampled_from(["--to", "--like", "--bars", "--set", "--start", "gbm", "SPX", "1w", "--from", "fred"]), max_size=5
    )
)
def test_whatever_other_commands_are_told_they_end_with_a_typed_error_or_do_it(
    cli: Cli, good_file: Path, command: str, words: list[str]
) -> None:
    ended = cli("data", command, *words, "--home", good_file.parent / "home", "--json")
    assert ended.code in (0, 2), ended.out
    assert ended.code == 0 or ended.json["error"]["message"]
