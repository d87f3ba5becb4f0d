"""Taking bars in: described by the instruments file, refused where a symbol would come to mean something else, used by later campaigns."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nullalpha.app.campaigns import create_campaign
from nullalpha.app.descriptions import COSTS, Description, describe_instrument, instrument_changes, instruments
from nullalpha.app.intake import FileRequest, Intake, import_bars
from nullalpha.app.lab import Lab
from nullalpha.app.markets import MarketRequest, make_market, resample_bars
from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.errors import DataError, NotFoundError, NullAlphaError, RefusedError, SettingsError, UsageError
from nullalpha.data.calendars import sessions_between
from nullalpha.data.instrument_kinds import DEFAULTS
from nullalpha.data.instruments import Costs
from nullalpha.data.snapshots import Snapshot

ROWS = [
    "2001-01-02,100,102,99,101,1000",
    "2001-01-03,101,103,100,102,1000",
    "2001-01-04,102,104,101,103,1000",
    "2001-01-05,103,105,102,104,1000",
]
CONTRACTS = """contract,expiry,time,open,high,low,close,volume
CLH4,2024-03-11,2024-03-04,99,101,98,100,900
CLM4,2024-06-11,2024-03-04,109,111,108,110,100
CLH4,2024-03-11,2024-03-05,100,104,99,102,800
CLM4,2024-06-11,2024-03-05,110,114,109,112,300
CLM4,2024-06-11,2024-03-06,112,115,111,114,600
"""
Take = Callable[..., Intake]


@pytest.fixture
def lab(home: Path) -> Iterator[Lab]:
    opened = Lab(home)
    yield opened
    opened.stores.ledger.close()


@pytest.fixture
def take(lab: Lab) -> Take:
    """Return a function that takes a file in; `said` is what is said of the instrument."""

    def taken(
        path: Path | None, *, quarantine: bool = False, replacing: bool = False, said: Description | None = None, **request: str
    ) -> Intake:
        return import_bars(lab, FileRequest(path, **request), said or Description(), quarantine=quarantine, replacing=replacing)  # type: ignore[arg-type]

    return taken


def write(folder: Path, rows: list[str] | None = None, name: str = "acme.csv", header: str = "time,open,high,low,close,volume") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *(ROWS if rows is None else rows)]) + "\n")
    return path


def long_bars(folder: Path, name: str = "fund.csv", first: str = "2001-01-02", last: str = "2012-12-31", beyond: str = "") -> Path:
    """Write daily bars of a random walk; those from the date `beyond` on are doubled."""
    sessions = sessions_between("XNYS", np.datetime64(first), np.datetime64(last)).date.astype("datetime64[D]")
    close = 50.0 * np.exp(np.cumsum(np.random.default_rng(1).standard_normal(len(sessions)) * 0.01))
    close = np.where(sessions >= np.datetime64(beyond), close * 1.7, close) if beyond else close
    frame = pd.DataFrame({"time": sessions, "open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1000})
    frame.to_csv(folder / name, index=False)
    return folder / name


def put_zip(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bars.csv", text)


def files(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file() and "ledger" not in path.name}


def refused(action: Callable[[], object], kind: type[NullAlphaError] = UsageError) -> NullAlphaError:
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.suggestion, caught.value.message
    return caught.value


def test_a_file_is_described_by_what_is_said_then_by_its_kind_and_its_name(take: Take, lab: Lab, tmp_path: Path) -> None:
    (snapshot,) = take(write(tmp_path, name="my fund.csv"), said=Description(kind="etf", commission=0.0003, tick=0.01)).snapshots
    assert (snapshot.instrument.symbol, snapshot.timeframe, snapshot.n_bars) == ("MY_FUND", "1d", 4)
    assert snapshot.instrument == replace(
        DEFAULTS["etf"], symbol="MY_FUND", name="my fund", source="file", tick=0.01, costs=Costs(0.0003, 1.0, 1.0, borrow=0.005)
    )
    assert lab.book.get("MY_FUND") == snapshot.instrument


def test_taking_the_same_file_in_again_changes_nothing(take: Take, lab: Lab, tmp_path: Path) -> None:
    path = write(tmp_path)
    first = take(path, said=Description(slippage_bps=4.0))
    before = files(lab.home)
    assert take(path) == first
    assert take(path, said=Description(slippage_bps=4.0)) == first
    assert files(lab.home) == before


def test_an_edit_of_the_instruments_file_by_hand_holds_for_the_next_import_and_the_next_campaign(
    take: Take, lab: Lab, tmp_path: Path
) -> None:
    path = long_bars(tmp_path)
    (old,) = take(path).snapshots
    config = CampaignConfig(instruments=("FUND",))
    began = lab.stores.campaigns.get(create_campaign(lab, config))
    lab.book.path.write_text(lab.book.path.read_text().replace("slippage_bps: 1.0", "slippage_bps: 7.5"))
    later = lab.stores.campaigns.get(create_campaign(lab, config))
    assert began.data[0]["snapshot"] == old.id
    pinned = lab.catalogue.get(later.data[0]["snapshot"])
    assert (pinned.id != old.id, pinned.instrument.costs, pinned.n_bars) == (True, Costs(0.0001, 1.0, 7.5, borrow=0.005), old.n_bars)
    assert lab.catalogue.get(old.id).instrument.costs.slippage_bps == 1.0
    assert began.protocol_hash != later.protocol_hash
    assert take(path).snapshots[0].id == pinned.id


def test_a_file_written_by_hand_before_the_first_import_completes_an_instrument_by_its_kind(take: Take, lab: Lab, tmp_path: Path) -> None:
    lab.ensure_home()
    lab.book.path.write_text("EUR: {kind: forex, costs: {half_spread_bps: 0.2}}\n")
    path = write(tmp_path, ["2024-01-02,1.1,1.2,1.0,1.15,0", "2024-01-03,1.1,1.2,1.0,1.15,0"], name="eur.csv")
    (snapshot,) = take(path).snapshots
    assert (snapshot.instrument.calendar, snapshot.instrument.sessions_per_year) == ("24/5", 260)
    assert snapshot.instrument.costs == Costs(0.00002, 0.2, 0.2)


def test_another_description_of_a_known_symbol_is_refused_with_what_differs_unless_it_replaces(
    take: Take, lab: Lab, tmp_path: Path
) -> None:
    path = write(tmp_path)
    (old,) = take(path).snapshots
    error = refused(lambda: take(path, said=Description(commission=0.001)), RefusedError)
    assert error.message == "ACME is there already (acme, from file) with commission 0.0001, not 0.001"
    assert lab.book.get("ACME").costs.commission == 0.0001
    (new,) = take(path, said=Description(commission=0.001), replacing=True).snapshots
    assert new.id != old.id
    assert lab.standing("ACME", "1d").id == new.id
    assert lab.book.get("ACME").costs.commission == 0.001


def test_a_file_never_takes_the_place_of_a_sample_unasked_whatever_the_instruments_file_says_of_it(
    take: Take, lab: Lab, tmp_path: Path
) -> None:
    describe_instrument(lab, "SPX", {"costs": {"slippage_bps": "3"}})
    path = write(tmp_path, name="spx.csv")
    error = refused(lambda: take(path), RefusedError)
    assert "from arch" in error.message
    assert lab.catalogue.latest("SPX", "1d").n_bars == 5031
    take(path, replacing=True)
    assert Lab(lab.home).catalogue.latest("SPX", "1d").n_bars == 4


def test_a_second_timeframe_of_a_symbol_is_no_other_description(take: Take, lab: Lab, tmp_path: Path) -> None:
    take(write(tmp_path))
    frame = pd.DataFrame({"time": pd.to_datetime(["2001-01-02T15:30:00Z", "2001-01-02T16:30:00Z"])})
    frame.assign(open=1.0, high=2.0, low=1.0, close=1.5).to_parquet(tmp_path / "hours.parquet")
    take(tmp_path / "hours.parquet", symbol="ACME", timeframe="1h")
    assert {(s.instrument.symbol, s.timeframe) for s in lab.catalogue.series()} >= {("ACME", "1d"), ("ACME", "1h")}


def test_a_file_with_errors_imports_nothing_and_one_whose_bad_rows_are_set_apart_the_others(take: Take, lab: Lab, tmp_path: Path) -> None:
    path = write(tmp_path, [ROWS[0], "2001-01-03,101,90,100,102,1000", *ROWS[2:]])
    assert lab.catalogue.snapshots()
    before = files(lab.home)
    error = refused(lambda: take(path), DataError)
    assert isinstance(error, DataError)
    assert {(f.code, f.row) for f in error.findings if f.severity == "error"} >= {("inconsistent_high", 1)}
    assert files(lab.home) == before
    (snapshot,) = take(path, quarantine=True).snapshots
    assert (snapshot.n_bars, snapshot.n_quarantined) == (3, 1)
    apart = lab.catalogue.quarantined(snapshot)
    assert apart is not None
    assert apart.column("row").to_pylist() == [1]
    assert [f.severity for f in snapshot.findings if f.row == 1] == ["quarantined"] * len([f for f in snapshot.findings if f.row == 1])


def test_of_a_lean_folder_a_bad_series_fails_alone(take: Take, lab: Lab, tmp_path: Path) -> None:
    daily = tmp_path / "Data" / "equity" / "usa" / "daily"
    good = "20140305 00:00,1870000,1879000,1868000,1876000,1000\n20140306 00:00,1878000,1881000,1876000,1880000,1100\n"
    put_zip(daily / "aaa.zip", good)
    put_zip(daily / "bbb.zip", good.replace("1881000", "1"))
    put_zip(daily / "ddd.zip", good)
    (daily / "ccc.zip").write_bytes(b"no zip")
    (tmp_path / "Data" / "equity" / "usa" / "tick").mkdir()
    intake = take(tmp_path / "Data")
    assert [s.instrument.symbol for s in intake.snapshots] == ["AAA", "DDD"]
    assert [(symbol, frame, error.code) for symbol, frame, error in intake.failed] == [("BBB", "1d", "data"), ("CCC", "1d", "data")]
    assert intake.failed[0][2].to_dict()["findings"]
    assert [sentence.split(":")[0] for sentence in intake.left_out] == ["equity/usa/tick"]
    assert {one.symbol for one in lab.book.instruments()} == {"AAA", "DDD"}
    with pytest.raises(DataError):
        take(tmp_path / "Data", symbol="BBB")
    assert refused(lambda: take(tmp_path / "Data", symbol="AAB"), NotFoundError).suggestion == "did you mean AAA?"
    assert take(tmp_path / "Data", symbol="ddd").snapshots == (intake.snapshots[1],)


def test_every_packaged_sample_can_be_taken_in_by_its_name_and_all_at_once(take: Take, lab: Lab) -> None:
    every = take(None)
    assert not every.failed
    symbols = [s.instrument.symbol for s in every.snapshots]
    assert {"SPX", "IXIC"} < set(symbols)
    assert take(None, source="samples", symbol="ixic").snapshots[0].instrument.symbol == "IXIC"
    assert refused(lambda: take(None, symbol="IXICC"), NotFoundError).suggestion == "did you mean IXIC?"
    assert {one.symbol for one in lab.book.instruments()} == set(symbols)


def test_contracts_are_joined_as_said(take: Take, tmp_path: Path) -> None:
    path = tmp_path / "cl.csv"
    path.write_text(CONTRACTS)
    said = Description(calendar="XNYS", multiplier=1000.0)
    (by_volume,) = take(path, source="futures", roll="volume", said=said).snapshots
    assert (by_volume.instrument.kind, by_volume.instrument.multiplier, by_volume.n_bars) == ("future", 1000.0, 3)
    (by_difference,) = take(path, source="futures", roll="days:4", adjustment="difference", said=said).snapshots
    assert by_difference.id != by_volume.id


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({"source": "cvs"}, "--from"),
        ({"source": "samples"}, "PATH"),
        ({"roll": "volume"}, "--roll"),
        ({"adjustment": "ratio"}, "--adjustment"),
        ({"source": "lean", "tz": "UTC"}, "--tz"),
        ({"bar_time": "middle"}, "--bar-time"),
        ({"source": "futures", "adjustment": "both"}, "--adjustment"),
        ({"source": "futures", "roll": "never"}, "roll"),
        ({"symbol": "A B"}, "symbol"),
        ({"timeframe": "9z"}, "timeframe"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(take: Take, tmp_path: Path, request_: dict[str, str], path: str) -> None:
    assert refused(lambda: take(write(tmp_path), **request_)).path == path


def test_quarantine_is_refused_where_every_row_is_needed(take: Take, tmp_path: Path) -> None:
    assert refused(lambda: take(write(tmp_path), source="futures", quarantine=True)).path == "--quarantine"


@pytest.mark.parametrize("source", ["csv", "parquet", "lean", "futures"])
def test_a_source_that_reads_files_says_that_it_needs_one(take: Take, source: str) -> None:
    assert refused(lambda: take(None, source=source)).path == "PATH"


def test_an_outside_series_is_taken_in_as_published_and_nothing_trades_it(take: Take, lab: Lab, tmp_path: Path) -> None:
    take(write(tmp_path, ["2001-01-02T13:30:00Z,-1.5", "2001-02-01T13:30:00Z,2.5"], "cpi.csv", "time,value"), timeframe="published")
    snapshot = lab.standing("CPI", "published")
    assert (snapshot.instrument.kind, snapshot.instrument.tradable, snapshot.n_bars) == ("series", False, 2)
    for timeframe in ("published", "1d"):
        config = CampaignConfig(instruments=("SPX", "CPI") if timeframe == "1d" else ("CPI",), timeframe=timeframe)
        error = refused(lambda config=config: create_campaign(lab, config), RefusedError)  # type: ignore[misc]
        assert error.suggestion == "read it in a feature: {indicator: level, of: CPI}"


def test_a_campaign_pins_the_outside_series_that_it_reads_and_names_the_one_that_is_not_there(take: Take, lab: Lab, tmp_path: Path) -> None:
    take(write(tmp_path, ["2001-01-02T13:30:00Z,1.5"], "cpi.csv", "time,value"), timeframe="published")
    row = lab.stores.campaigns.get(create_campaign(lab, CampaignConfig(instruments=("SPX",), reads=("CPI", "IXIC"))))
    assert [(item["instrument"], item["timeframe"]) for item in row.data] == [("SPX", "1d"), ("CPI", "published"), ("IXIC", "1d")]
    assert refused(lambda: create_campaign(lab, CampaignConfig(instruments=("SPX",), reads=("CPJ",))), NotFoundError).path == "instrument"


def test_fields_are_set_and_wrong_ones_refused_with_the_nearest(take: Take, lab: Lab, tmp_path: Path) -> None:
    take(write(tmp_path))
    described = describe_instrument(lab, "ACME", instrument_changes(["tick=0.05", "slippage_bps=3", "survivorship=true"]))
    assert (described.tick, described.costs.slippage_bps, described.survivorship) == (0.05, 3.0, True)
    assert lab.standing("ACME", "1d").instrument == described
    assert refused(lambda: instrument_changes(["slipage_bps=3"])).suggestion == "did you mean slippage_bps?"
    for text in ("tick", "=3", "commission=", "source=me"):
        assert refused(lambda text=text: instrument_changes([text])).path == "--set"  # type: ignore[misc]
    before = lab.book.path.read_bytes()
    for changes in ({"kind": "equty"}, {"calendar": "XNYZ"}, {"fill_basis": "opn"}):
        refused(lambda changes=changes: describe_instrument(lab, "ACME", changes), SettingsError)  # type: ignore[misc]
    for numbers in ({"tick": "-1"}, {"costs": {"commission": "0.9"}}, {"sessions_per_year": "x"}):
        with pytest.raises(SettingsError):
            describe_instrument(lab, "ACME", numbers)
    assert lab.book.path.read_bytes() == before


def test_what_would_make_other_bars_of_them_is_refused_and_the_file_left_as_it_was(take: Take, lab: Lab, tmp_path: Path) -> None:
    take(write(tmp_path))
    before = files(lab.home)
    for changes in ({"calendar": "XLON"}, {"kind": "series"}):
        assert "import the bars again" in str(refused(lambda c=changes: describe_instrument(lab, "ACME", c), RefusedError).suggestion)  # type: ignore[misc]
    assert files(lab.home) == before
    refused(lambda: describe_instrument(lab, "SPX", {"calendar": "XLON"}), RefusedError)
    assert files(lab.home) == before


def test_a_calendar_changed_by_hand_is_refused_by_a_campaign_until_the_bars_are_imported_again(
    take: Take, lab: Lab, tmp_path: Path
) -> None:
    path = long_bars(tmp_path)
    take(path)
    lab.book.path.write_text(lab.book.path.read_text().replace("calendar: XNYS", "calendar: 24/5"))
    refused(lambda: create_campaign(lab, CampaignConfig(instruments=("FUND",))), RefusedError)
    (again,) = take(path).snapshots
    assert again.instrument.calendar == "24/5"
    assert create_campaign(lab, CampaignConfig(instruments=("FUND",)))


def test_an_unknown_instrument_is_described_only_with_its_kind(lab: Lab) -> None:
    assert refused(lambda: describe_instrument(lab, "SPXX", {"tick": "1"}), NotFoundError).suggestion == "did you mean SPX?"
    assert describe_instrument(lab, "GOLD", {"kind": "commodity"}).fill_basis == "close"


def market(lab: Lab, kind: str, *, replacing: bool = False, **request: object) -> Snapshot:
    wanted = {"symbol": "SYN", "n_bars": 300, "seed": 1, **request}
    return make_market(lab, MarketRequest(kind, **wanted), replacing=replacing)[1]  # type: ignore[arg-type]


def test_a_synthetic_market_is_made_of_the_search_zones_bars_alone(take: Take, lab: Lab, tmp_path: Path) -> None:
    """Bars beyond the zone are 70 % higher in the second home, and its market is the same."""
    take(long_bars(tmp_path))
    create_campaign(lab, CampaignConfig(instruments=("FUND",)))
    current = lab.stores.looks.current_zones()
    assert current is not None
    other = Lab(tmp_path / "other")
    path = long_bars(tmp_path, beyond=current[1].validation_start)
    import_bars(other, FileRequest(path), Description(), quarantine=False, replacing=False)
    create_campaign(other, CampaignConfig(instruments=("FUND",)))
    assert lab.standing("FUND", "1d").id != other.standing("FUND", "1d").id
    for kind in ("bootstrap", "permutation", "garch", "gbm"):
        made = [market(one, kind, like="fund", symbol=kind[:8].upper()) for one in (lab, other)]
        assert made[0].id == made[1].id, kind
        assert made[0].derived_from is not None
        assert made[0].derived_from.snapshots == (lab.standing("FUND", "1d").id,)
    other.stores.ledger.close()


def test_a_market_like_another_has_its_costs_and_calendar_as_the_instruments_file_has_them(lab: Lab) -> None:
    describe_instrument(lab, "SPX", {"costs": {"slippage_bps": "9"}})
    made = market(lab, "bootstrap", like="SPX")
    assert (made.instrument.costs.slippage_bps, made.instrument.fill_basis, made.first[:10]) == (9.0, "close", "1999-01-04")
    assert made.instrument.kind == "synthetic"


def test_a_market_is_made_again_by_its_seed_and_takes_another_markets_place_only_when_asked(lab: Lab) -> None:
    first = market(lab, "gbm")
    assert market(lab, "gbm") == first
    refused(lambda: market(lab, "gbm", seed=2), RefusedError)
    assert market(lab, "gbm", seed=2, replacing=True).id != first.id
    assert market(lab, "gbm", replacing=True).id == first.id == lab.standing("SYN", "1d").id
    refused(lambda: market(lab, "gbm", symbol="SPX"), RefusedError)


@pytest.mark.parametrize(
    ("kind", "request_", "kind_of_error"),
    [
        ("gbmm", {}, NotFoundError),
        ("bootstrap", {}, UsageError),
        ("regime", {"like": "SPX"}, UsageError),
        ("gbm", {"like": "SPY"}, NotFoundError),
        ("gbm", {"like": "SPX", "timeframe": "1h"}, NotFoundError),
        ("gbm", {"n_bars": 1}, UsageError),
        ("gbm", {"seed": -1}, UsageError),
        ("gbm", {"options": {"volatility": 9.0}}, UsageError),
        ("gbm", {"options": {"volatilty": 0.1}}, UsageError),
        ("gbm", {"calendar": "XNYZ"}, UsageError),
        ("gbm", {"fill_basis": "middle"}, UsageError),
        ("gbm", {"timeframe": "9z"}, UsageError),
        ("gbm", {"first": "soon"}, UsageError),
        ("gbm", {"symbol": "a b"}, UsageError),
        ("momentum", {"options": {"sharpe": float("nan")}}, UsageError),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(lab: Lab, kind: str, request_: dict[str, object], kind_of_error: type[NullAlphaError]) -> None:
    refused(lambda: market(lab, kind, **request_), kind_of_error)


def test_an_outside_series_is_no_pattern_for_a_market(take: Take, lab: Lab, tmp_path: Path) -> None:
    take(write(tmp_path, ["2001-01-02T13:30:00Z,-1.5"], "cpi.csv", "time,value"), timeframe="published")
    refused(lambda: market(lab, "gbm", like="CPI"), RefusedError)
    with pytest.raises(NullAlphaError):
        resample_bars(lab, "CPI", None, "1w")


def test_longer_bars_are_made_of_shorter_ones_and_say_so(take: Take, lab: Lab, tmp_path: Path) -> None:
    """On the session of 2 January 2001, New York opens at 14:30 UTC: the first hour ends at 15:30."""
    minutes = pd.date_range("2001-01-02T14:31:00Z", "2001-01-02T16:30:00Z", freq="min")
    frame = pd.DataFrame({"time": minutes, "open": 10.0, "high": np.arange(120) + 11.0, "low": 9.0, "close": 10.5, "volume": 2.0})
    frame.to_csv(tmp_path / "acme.csv", index=False)
    (base,) = take(tmp_path / "acme.csv", timeframe="1m").snapshots
    hours = resample_bars(lab, "ACME", None, "1h")
    read = lab.catalogue.read(hours)
    assert read.time.astype("datetime64[m]").astype(str).tolist() == ["2001-01-02T15:30", "2001-01-02T16:30"]
    assert (read.high.tolist(), read.volume.tolist()) == ([70.0, 130.0], [120.0, 120.0])
    assert hours.derived_from is not None
    assert hours.derived_from.snapshots == (base.id,)
    assert resample_bars(lab, "ACME", "1m", "1h") == hours
    for to, kind in (("1m", DataError), ("90s", DataError), ("1d", DataError)):
        refused(lambda to=to: resample_bars(lab, "ACME", None, to), kind)  # type: ignore[misc]
    refused(lambda: resample_bars(lab, "ACNE", None, "1h"), NotFoundError)


def test_many_series_of_a_folder_are_described_as_the_edited_file_has_them(take: Take, lab: Lab, tmp_path: Path) -> None:
    daily = tmp_path / "Data" / "equity" / "usa" / "daily"
    symbols = [f"s{number:03}" for number in range(60)]
    for symbol in symbols:
        put_zip(daily / f"{symbol}.zip", "20140305 00:00,1870000,1879000,1868000,1876000,1000\n")
    take(tmp_path / "Data")
    lab.book.path.write_text(lab.book.path.read_text().replace("slippage_bps: 1.0", "slippage_bps: 2.5"))
    again = take(tmp_path / "Data")
    assert {s.instrument.costs.slippage_bps for s in again.snapshots} == {2.5}
    assert [one.symbol for one in lab.book.instruments()] == [symbol.upper() for symbol in symbols]


def test_bars_taken_in_again_after_others_are_the_ones_that_stand(take: Take, lab: Lab, tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path, ROWS[:3], name="later.csv")
    (old,) = take(first).snapshots
    (new,) = take(second, symbol="ACME").snapshots
    assert lab.standing("ACME", "1d").id == new.id
    take(first)
    assert lab.standing("ACME", "1d").id == old.id


def test_an_instrument_that_was_taken_in_before_holding_had_a_cost_keeps_what_was_recorded(take: Take, lab: Lab, tmp_path: Path) -> None:
    """Its kind has a borrow rate now; neither the same file, nor an edit of another field, nor a campaign brings it in unasked."""
    path = write(tmp_path)
    (snapshot,) = take(path, said=Description(costs={"borrow": 0.0})).snapshots
    text = lab.book.path.read_text()
    entry = text.index("ACME:")
    later = [line for line in text[entry:].splitlines() if line.strip().split(":")[0] not in COSTS[3:]]
    lab.book.path.write_text(text[:entry] + "\n".join(later) + "\n")
    assert "borrow" not in lab.book.path.read_text()[entry:]
    assert lab.standing("ACME", "1d").id == snapshot.id
    assert instruments(lab)["ACME"] == (snapshot.instrument, True)
    assert take(path).snapshots == (snapshot,)
    changed = describe_instrument(lab, "ACME", {"costs": {"slippage_bps": "2"}})
    assert (changed.costs.borrow, changed.costs.slippage_bps) == (0.0, 2.0)
    assert lab.standing("ACME", "1d").instrument.costs == replace(snapshot.instrument.costs, slippage_bps=2.0)


def test_a_field_taken_out_of_an_entry_is_its_kinds_again_for_the_bars_too(take: Take, lab: Lab, tmp_path: Path) -> None:
    take(write(tmp_path), said=Description(multiplier=50.0, tick=0.25))
    assert describe_instrument(lab, "ACME", instrument_changes(["multiplier="])).multiplier == 1.0
    assert (lab.standing("ACME", "1d").instrument.multiplier, lab.standing("ACME", "1d").instrument.tick) == (1.0, 0.25)


def test_dividends_that_a_file_names_are_in_the_prices_and_said_to_be(take: Take, lab: Lab, tmp_path: Path) -> None:
    rows = [f"{row},{dividend}" for row, dividend in zip(ROWS, ("", "2", "", ""), strict=True)]
    path = write(tmp_path, rows, header="time,open,high,low,close,volume,dividend")
    (snapshot,) = take(path).snapshots
    assert snapshot.instrument.distributions == "adjusted"
    np.testing.assert_allclose(lab.catalogue.read(snapshot).close, [101 * (1 - 2 / 101), 102, 103, 104], rtol=1e-14)
    assert take(path).snapshots == (snapshot,)
