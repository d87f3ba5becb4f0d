"""`nullalpha backtest --signal`: positions decided elsewhere are traded by the lab's kernel, counted as a trial, and never a strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nullalpha.app.lab import Lab
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Instrument
from nullalpha.engines.backtest.execution import execution_of
from nullalpha.engines.backtest.run import run_backtest
from tests.support.campaigns import REPOSITORY, Cli, Refused, query, run

RULES = REPOSITORY / "examples" / "trend-with-a-volatility-brake.yaml"
VALIDATION = np.datetime64("2011-01-01", "ns")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bars, Instrument]:
    """Return all bars of SPX, sealed zones among them, and what trading it costs."""
    lab = Lab(tmp_path_factory.mktemp("market") / "home")
    snapshot = lab.catalogue.latest("SPX", "1d")
    return lab.catalogue.read(snapshot), snapshot.instrument


@pytest.fixture(scope="module")
def wanted(market: tuple[Bars, Instrument]) -> np.ndarray:
    """Return a position for every bar, decided anew each week."""
    n = len(market[0])
    return np.repeat(np.random.default_rng(4).choice([-1.0, -0.5, 0.0, 0.5, 1.0], n // 5 + 1), 5)[:n]


@pytest.fixture(scope="module")
def done(
    market: tuple[Bars, Instrument], wanted: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, dict[str, Any]]:
    """Return a home with one signal in it, the signal's file, which reaches over all zones, and what its backtest said."""
    folder = tmp_path_factory.mktemp("signals")
    path = folder / "weekly.parquet"
    pd.DataFrame({"time": pd.DatetimeIndex(market[0].time, tz="UTC"), "target_position": wanted}).to_parquet(path)
    ended = run("backtest", "--signal", path, "--instrument", "SPX", "--home", folder / "home", "--json")
    assert ended.code == 0, ended.out + ended.err
    return folder / "home", path, ended.json


def test_a_signal_is_traded_as_run_backtest_trades_it(
    done: tuple[Path, Path, dict[str, Any]], market: tuple[Bars, Instrument], wanted: np.ndarray
) -> None:
    _, _, body = done
    bars, instrument = market
    seen = bars.before(VALIDATION)
    by_hand = run_backtest(seen, wanted[: len(seen)], execution_of(seen, instrument), capital=1e6)
    equity = pd.read_parquet(body["equity"])
    np.testing.assert_allclose(equity["equity"], by_hand.equity, rtol=1e-12)
    np.testing.assert_allclose(equity["exposure"], by_hand.exposure, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(equity["time"].dt.tz_convert(None).to_numpy().astype("datetime64[ns]"), seen.time)
    assert (body["trades"], body["n_bars"], body["window"]) == (len(by_hand.trades), len(seen), ["1999-01-04", "2010-12-31"])
    orders = pd.read_parquet(body["orders"])
    np.testing.assert_allclose(orders["price"], [fill.price for fill in by_hand.fills], rtol=1e-14)
    assert body["costs"]["paid"]["commission"] == pytest.approx(by_hand.commission.sum(), rel=1e-12)


def test_it_has_figures_and_reasons_but_no_folds_and_says_so(done: tuple[Path, Path, dict[str, Any]]) -> None:
    _, _, body = done
    assert (body["kind"], body["folds"]) == ("signal", [])
    assert all(body["metrics"][name] is not None for name in ("sharpe", "sharpe_se", "excess_sharpe", "excess_sharpe_se", "random_entry_p"))
    assert body["verdict"] in ("reject", "iterate")
    assert "it has no folds" in body["reasons"][0]
    assert body["signal"]["rows_beyond"] > 0
    assert f"{body['signal']['rows_beyond']:,} rows of the signal from beyond the search zone were left out" in body["reasons"]
    assert any("attack was not made" in reason for reason in body["reasons"])


def test_it_is_one_trial_however_often_it_is_run_and_its_sealed_rows_change_nothing(
    done: tuple[Path, Path, dict[str, Any]], market: tuple[Bars, Instrument], cli: Cli, tmp_path: Path
) -> None:
    home, path, body = done
    shorter = tmp_path / "renamed.parquet"
    pd.read_parquet(path).iloc[: len(market[0].before(VALIDATION)) + 7].to_parquet(shorter)
    again = cli("backtest", "--signal", shorter, "--instrument", "SPX", "--home", home, "--json").json
    assert (again["fingerprint"], again["metrics"]) == (body["fingerprint"], body["metrics"])
    spoken = cli("backtest", "--signal", path, "--instrument", "SPX", "--home", home)
    assert spoken.out.splitlines()[-1] == "the same run is on record: the trials of this home stay 1"
    elsewhere = cli("backtest", "--signal", path, "--instrument", "IXIC", "--home", home)
    assert elsewhere.out.splitlines()[-1] == "counts as trial 2 of this home"
    evidence = query(home, "SELECT count(*) FROM results WHERE stage = 'evidence' AND json_extract(body, '$.session_sharpe') IS NOT NULL")
    assert evidence == [(4,)]


def test_it_is_listed_and_shown_as_a_signal_and_its_orders_replay(done: tuple[Path, Path, dict[str, Any]], cli: Cli) -> None:
    home, _, body = done
    listed = {e["id"]: e for e in cli("experiments", "list", "--home", home, "--json").json["experiments"]}[body["experiment"]]
    assert (listed["kind"], listed["designer"], listed["status"], listed["name"]) == ("signal", "signal", "done", "weekly")
    assert "weekly (signal)" in cli("experiments", "list", "--home", home).out
    assert "an outside signal, on SPX" in cli("experiments", "show", body["experiment"], "--home", home).out
    shown = cli("experiments", "show", body["experiment"], "--home", home, "--json").json
    assert (shown["document"], shown["lookahead"], shown["signal"]["sha256"]) == (None, None, body["signal"]["sha256"])
    log = cli("experiments", "trades", body["experiment"], "--orders", "--home", home, "--json").json
    assert log["replay"]["equal"] is True
    assert len(log["orders"]) == log["n_orders"] == len(pd.read_parquet(body["orders"]))


def test_whatever_reads_strategies_passes_it_by(done: tuple[Path, Path, dict[str, Any]], cli: Cli, refused: Refused) -> None:
    home, _, body = done
    assert refused("strategy", "explain", body["experiment"], "--home", home).error["code"] == "not_found"
    assert refused("research", "promote", body["experiment"], "--home", home).error["code"] == "refused"
    assert cli("strategy", "similar", RULES, "--home", home, "--json").json["nearest"] == []
    campaign = query(home, "SELECT campaign_id FROM experiments WHERE id = ?", body["experiment"])[0][0]
    assert cli("research", "show", campaign, "--home", home).code == 0
    ended = run("research", "run", "--instruments", "SPX", "--trials", "1", "--workers", "1", "--home", home, "--json")
    assert ended.code == 0, ended.err
    assert [e["kind"] for e in ended.json["experiments"]] == ["strategy"]


def test_dates_narrow_it_to_what_a_strategy_would_be_tested_on(
    done: tuple[Path, Path, dict[str, Any]], market: tuple[Bars, Instrument], wanted: np.ndarray, cli: Cli
) -> None:
    home, path, body = done
    dates = ("--instrument", "SPX", "--from", "2005-03-01", "--to", "2008-01-01", "--home", home, "--json")
    narrow, strategy = cli("backtest", "--signal", path, *dates).json, cli("backtest", RULES, *dates).json
    assert narrow["window"] == strategy["window"] == ["2005-03-01", "2007-12-31"]
    assert (narrow["n_bars"], narrow["fingerprint"]) == (strategy["n_bars"], body["fingerprint"])
    bars, instrument = market
    seen = bars.before(np.datetime64("2008-01-01", "ns"))
    start = int(np.searchsorted(seen.time, np.datetime64("2005-03-01", "ns")))
    by_hand = run_backtest(seen, wanted[: len(seen)], execution_of(seen, instrument), capital=1e6, start_row=start)
    np.testing.assert_allclose(pd.read_parquet(narrow["equity"])["equity"], by_hand.equity, rtol=1e-12)


def test_vectorbt_trades_it_alike(done: tuple[Path, Path, dict[str, Any]], cli: Cli) -> None:
    pytest.importorskip("vectorbt")
    home, path, body = done
    theirs = cli("backtest", "--signal", path, "--instrument", "SPX", "--engine", "vectorbt", "--home", home, "--json").json
    np.testing.assert_allclose(pd.read_parquet(theirs["equity"])["equity"], pd.read_parquet(body["equity"])["equity"], rtol=1e-9)


DAYS = pd.date_range("2001-01-02", periods=3, tz="UTC")
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no time": ({"when": DAYS, "target_position": [0.0] * 3}, "no column 'time'"),
    "no position": ({"time": DAYS, "position": [0.0] * 3}, "no column 'target_position'"),
    "disorder": ({"time": DAYS[::-1], "target_position": [0.0] * 3}, "row 1"),
    "a time twice": ({"time": DAYS[[0, 0, 1]], "target_position": [0.0] * 3}, "row 1"),
    "no number": ({"time": DAYS, "target_position": [0.0, np.nan, 0.0]}, "row 1"),
    "out of range": ({"time": DAYS, "target_position": [0.0, 0.0, 1.5]}, "row 2"),
    "before all bars": ({"time": DAYS - pd.Timedelta("4000D"), "target_position": [0.0] * 3}, "lies among the bars of SPX"),
    "in the sealed zones": ({"time": DAYS + pd.Timedelta("4000D"), "target_position": [0.0] * 3}, "lies among the bars of SPX"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_refused_and_leaves_no_trial(
    done: tuple[Path, Path, dict[str, Any]], refused: Refused, tmp_path: Path, fault: str
) -> None:
    home, _, _ = done
    columns, said = FAULTS[fault]
    path, before = tmp_path / "faulty.parquet", query(home, "SELECT count(*) FROM experiments")
    pd.DataFrame(columns).to_parquet(path)
    refusal = refused("backtest", "--signal", path, "--instrument", "SPX", "--home", home)
    assert (refusal.exit_code, refusal.error["code"]) == (2, "data")
    assert said in refusal.error["message"]
    assert refusal.error["suggestion"]
    assert query(home, "SELECT count(*) FROM experiments") == before


def test_what_was_asked_for_must_be_one_thing(done: tuple[Path, Path, dict[str, Any]], refused: Refused, tmp_path: Path) -> None:
    home, path, _ = done
    text = tmp_path / "signal.parquet"
    text.write_text("no parquet")
    asked: dict[tuple[object, ...], tuple[str, str]] = {
        (): ("usage", "FILE"),
        (RULES, "--signal", path, "--instrument", "SPX"): ("usage", "FILE"),
        ("--signal", path): ("usage", "--instrument"),
        ("--signal", path, "--instrument", "SPX", "--instrument", "IXIC"): ("usage", "--instrument"),
        ("--signal", tmp_path / "none.parquet", "--instrument", "SPX"): ("not_found", "--signal"),
        ("--signal", tmp_path, "--instrument", "SPX"): ("not_found", "--signal"),
        ("--signal", text, "--instrument", "SPX"): ("data", str(text)),
        ("--signal", path, "--instrument", "SPX", "--timeframe", "1h"): ("not_found", "timeframe"),
        ("--signal", path, "--instrument", "SPX", "--to", "2012-01-01"): ("sealed_zone", "--to"),
        ("--signal", path, "--instrument", "SPX", "--from", "2010-12-28"): ("insufficient_bars", "--from"),
        ("--signal", path, "--instrument", "SPX", "--engine", "backtrader"): ("not_found", "--engine"),
    }
    for arguments, (code, where) in asked.items():
        refusal = refused("backtest", *arguments, "--home", home)
        assert refusal.exit_code == 2, arguments
        assert (refusal.error["code"], refusal.error["path"]) == (code, where), (arguments, refusal.error)
