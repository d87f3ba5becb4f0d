"""`nullalpha backtest` in full: what its JSON promises, its files, its dates and its engines, and the orders that give its equity again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.campaigns import REPOSITORY, Cli, Ended, Refused, query, run

RULES = REPOSITORY / "examples" / "trend-with-a-volatility-brake.yaml"
PROMISED = {"engine", "fingerprint", "snapshot", "n_bars", "metrics", "costs", "trades", "equity", "orders"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a home with one backtest of fixed rules on one index, and what it said."""
    home = tmp_path_factory.mktemp("backtests") / "home"
    ended = run("backtest", RULES, "--instrument", "SPX", "--home", home, "--json")
    assert ended.code == 0, ended.out + ended.err
    return home, ended.json


def test_the_json_tells_all_that_it_promises(done: tuple[Path, dict[str, Any]], cli: Cli) -> None:
    home, body = done
    assert set(body) >= PROMISED
    ((validation,),) = query(home, "SELECT validation_start FROM zones")
    snapshot = cli("data", "show", "SPX", "--home", home, "--json").json["snapshot"]
    assert (body["engine"], body["snapshot"], body["instruments"]) == ("nullalpha", snapshot, ["SPX"])
    assert body["trades"] == body["metrics"]["n_trades"] > 0
    assert body["metrics"]["mean_mae"] < 0.0 < body["metrics"]["mean_mfe"]
    assert body["metrics"]["capacity_1_percent"] is None  # nobody trades the volume that an index states
    assert body["window"][0] == body["folds"][0]["test"][0] < body["window"][1] < validation
    spx, paid = body["costs"]["instruments"]["SPX"], body["costs"]["paid"]
    assert (spx["commission"], spx["half_spread_bps"], spx["slippage_bps"], spx["fill_basis"]) == (0.00005, 0.5, 1.0, "close")
    assert paid["slippage"] == pytest.approx(paid["commission"] * 3.0, rel=1e-3)  # 1.5 basis points beside 0.5
    shares = body["costs"]["share_of_equity"]
    assert shares["commission"] + shares["slippage"] + shares["carry"] == pytest.approx(body["metrics"]["fees_fraction"], rel=1e-12)


def test_its_files_are_read_by_pandas_and_agree_with_its_figures(done: tuple[Path, dict[str, Any]]) -> None:
    _, body = done
    equity, orders = pd.read_parquet(body["equity"]), pd.read_parquet(body["orders"])
    assert len(equity) == body["n_bars"]
    assert list(equity) == ["time", "equity", "cash", "returns", "exposure"]
    assert str(equity["time"].dt.tz) == "UTC"
    assert equity["time"].is_monotonic_increasing
    np.testing.assert_allclose((1.0 + equity["returns"]).cumprod() * 1e6, equity["equity"], rtol=1e-12)
    np.testing.assert_allclose(equity["cash"] + equity["exposure"] * equity["equity"], equity["equity"], rtol=1e-12)
    drawdown = (equity["equity"] / np.maximum(equity["equity"].cummax(), 1e6) - 1.0).min()
    assert drawdown == pytest.approx(body["metrics"]["max_drawdown"], rel=1e-12)
    assert orders["commission"].sum() == pytest.approx(body["costs"]["paid"]["commission"], rel=1e-12)
    assert (np.sign(orders["units"]) == orders["side"].map({"buy": 1.0, "sell": -1.0})).all()
    assert set(orders["time"]) <= set(equity["time"])
    assert orders["held"].iloc[-1] == 0.0
    assert (orders["held"] == 0.0).sum() == body["trades"]


def test_its_trades_are_listed_and_its_orders_replayed(done: tuple[Path, dict[str, Any]], cli: Cli, tmp_path: Path) -> None:
    home, body = done
    log = cli("experiments", "trades", body["experiment"], "--home", home, "--json").json
    assert (log["n_trades"], len(log["trades"]), log["orders"]) == (body["trades"], body["trades"], [])
    assert log["replay"]["equal"] is True
    assert log["replay"]["largest_difference"] < 1e-11
    assert log["replay"]["n_bars"] == body["n_bars"]
    equity = pd.read_parquet(body["equity"])["equity"]
    assert sum(trade["pnl"] for trade in log["trades"]) == pytest.approx(equity.iloc[-1] - 1e6, rel=1e-9)
    spoken = cli("experiments", "trades", body["experiment"], "--home", home)
    assert spoken.code == 0
    assert f"replayed: {body['n_bars']:,} bars, equity equal to 1e-1" in spoken.out.splitlines()[-1]
    csv, parquet = tmp_path / "orders.csv", tmp_path / "trades.parquet"
    assert cli("experiments", "trades", body["experiment"], "--orders", "--csv", csv, "--home", home).code == 0
    assert cli("experiments", "trades", body["experiment"], "--parquet", parquet, "--home", home).code == 0
    orders = pd.read_parquet(body["orders"])
    np.testing.assert_array_equal(pd.read_csv(csv)["price"], orders["price"])
    trades = pd.read_parquet(parquet)
    assert [row["entry_price"] for row in log["trades"]] == trades["entry_price"].tolist()
    assert (trades["exit_time"] > trades["entry_time"]).all()


def test_a_log_that_is_not_the_experiments_is_found_out(done: tuple[Path, dict[str, Any]], cli: Cli, tmp_path: Path) -> None:
    """The stored equity is what one backtest gave, the log another's: the same strategy under another cost."""
    home, body = done
    assert cli("data", "instruments", "SPX", "--set", "slippage_bps=50", "--home", home).code == 0
    dear = cli("backtest", RULES, "--instrument", "SPX", "--home", home, "--json").json
    assert cli("data", "instruments", "SPX", "--set", "slippage_bps=1", "--home", home).code == 0
    swap_orders(home, body["experiment"], dear["experiment"])
    ended = cli("experiments", "trades", body["experiment"], "--home", home)
    swap_orders(home, body["experiment"], dear["experiment"])
    assert ended.code == 1
    assert "equity differs first at" in ended.err


def swap_orders(home: Path, one: str, other: str) -> None:
    """Exchange the logs of two results, past all code of the lab."""
    import json
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(home / "ledger.db")) as connection, connection:
        rows = dict(connection.execute("SELECT experiment_id, body FROM results WHERE stage = 'search'").fetchall())
        bodies = {i: json.loads(rows[i]) for i in (one, other)}
        bodies[one]["orders"], bodies[other]["orders"] = bodies[other]["orders"], bodies[one]["orders"]
        for i, changed in bodies.items():
            connection.execute("UPDATE results SET body = ? WHERE stage = 'search' AND experiment_id = ?", (json.dumps(changed), i))


def test_dates_narrow_what_is_tested_and_models_train_on_what_precedes(done: tuple[Path, dict[str, Any]], cli: Cli) -> None:
    home, body = done
    narrow = cli("backtest", RULES, "--instrument", "SPX", "--from", "2005-03-01", "--to", "2008-01-01", "--home", home, "--json").json
    assert (narrow["window"], narrow["fingerprint"]) == (["2005-03-01", "2007-12-31"], body["fingerprint"])
    assert [fold["train"][0] for fold in narrow["folds"]] == ["1999-01-04"] * 5
    assert all(fold["train"][1] < fold["test"][0] for fold in narrow["folds"])
    equity = pd.read_parquet(narrow["equity"])
    assert narrow["n_bars"] == len(equity) == (equity["time"] < "2008-01-01").sum()
    whole = cli("backtest", RULES, "--instrument", "SPX", "--to", "2011-01-01", "--home", home, "--json").json
    assert whole["metrics"] == body["metrics"]


NARROWINGS = {
    "beyond the search zone": (("--to", "2011-01-02"), "sealed_zone", "--to"),
    "before the search zone": (("--from", "1998-12-31"), "usage", "--from"),
    "from the sealed zones": (("--from", "2011-01-01"), "usage", "--from"),
    "ends where it begins": (("--from", "2005-01-03", "--to", "2005-01-03"), "usage", "--to"),
    "no date": (("--from", "yesterday"), "usage", "--from"),
    "another form of date": (("--to", "2005-1-3"), "usage", "--to"),
    "too little to train on": (("--from", "1999-09-01"), "insufficient_bars", "--from"),
    "too little to test": (("--from", "2010-12-01"), "insufficient_bars", "--from"),
}


@pytest.mark.parametrize("case", NARROWINGS)
def test_dates_that_cannot_be_are_refused_and_leave_no_trial(done: tuple[Path, dict[str, Any]], refused: Refused, case: str) -> None:
    home, _ = done
    before = query(home, "SELECT count(*) FROM experiments")
    options, code, where = NARROWINGS[case]
    refusal = refused("backtest", RULES, "--instrument", "SPX", *options, "--home", home)
    assert (refusal.exit_code, refusal.error["code"], refusal.error["path"]) == (2, code, where), refusal.error
    assert refusal.error["suggestion"]
    assert query(home, "SELECT count(*) FROM experiments") == before


def test_another_instrument_or_timeframe_is_another_strategy(done: tuple[Path, dict[str, Any]], cli: Cli, refused: Refused) -> None:
    home, body = done
    both = cli("backtest", RULES, "--instrument", "SPX", "--instrument", "IXIC", "--home", home, "--json").json
    assert (both["instruments"], len(both["snapshot"].split(","))) == (["IXIC", "SPX"], 2)
    assert both["fingerprint"] != body["fingerprint"]
    assert refused("backtest", RULES, "--instrument", "SPXX", "--home", home).error["code"] == "not_found"
    assert refused("backtest", RULES, "--timeframe", "7d", "--home", home).exit_code == 2


def test_vectorbt_runs_the_same_folds_and_is_recorded(done: tuple[Path, dict[str, Any]], cli: Cli) -> None:
    pytest.importorskip("vectorbt")
    home, body = done
    theirs = cli("backtest", RULES, "--instrument", "SPX", "--engine", "vectorbt", "--home", home, "--json").json
    assert theirs["engine"] == "vectorbt"
    assert theirs["fingerprint"] == body["fingerprint"]
    ours, other = (pd.read_parquet(one["equity"])["equity"] for one in (body, theirs))
    np.testing.assert_allclose(other, ours, rtol=1e-9)
    assert theirs["trades"] == body["trades"]
    shown = cli("experiments", "show", theirs["experiment"], "--home", home, "--json").json
    assert shown["engine"] == "vectorbt"
    assert cli("experiments", "trades", theirs["experiment"], "--home", home).code == 0
    operations = query(home, "SELECT count(DISTINCT operation_id) FROM results WHERE stage = 'search' AND experiment_id IN (?, ?)",
                       body["experiment"], theirs["experiment"])  # fmt: skip
    assert operations == [(2,)]


def test_an_engine_that_cannot_is_refused_and_the_one_that_can_is_named(
    done: tuple[Path, dict[str, Any]], cli: Cli, refused: Refused, tmp_path: Path
) -> None:
    pytest.importorskip("vectorbt")
    home, _ = done
    limits = tmp_path / "limits.yaml"
    limits.write_text(RULES.read_text() + "  entry: {order: limit, distance: {fraction: 0.01}}\n")
    before = query(home, "SELECT count(*) FROM experiments")
    refusal = refused("backtest", limits, "--instrument", "SPX", "--engine", "vectorbt", "--home", home)
    assert (refusal.exit_code, refusal.error["code"]) == (2, "unsupported_by_engine")
    assert "limit entries" in refusal.error["message"]
    assert "--engine nullalpha" in refusal.error["suggestion"]
    unknown = refused("backtest", RULES, "--engine", "vectorbot", "--home", home)
    assert (unknown.error["code"], unknown.error["suggestion"]) == ("not_found", "did you mean vectorbt?")
    assert query(home, "SELECT count(*) FROM experiments") == before
    assert cli("backtest", limits, "--instrument", "SPX", "--home", home).code == 0


def test_an_engine_whose_package_is_missing_says_how_to_install_it(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    home, _ = done
    (tmp_path / "vectorbt.py").write_text("raise ImportError(\"No module named 'vectorbt'\", name='vectorbt')\n")
    ended: Ended = run("backtest", RULES, "--engine", "vectorbt", "--home", home, "--json", PYTHONPATH=str(tmp_path))
    error = ended.json["error"]
    assert (ended.code, error["code"], error["suggestion"]) == (2, "usage", "pip install 'nullalpha[vectorbt]'")
    assert "Traceback" not in ended.err


def test_interest_is_paid_told_and_replayed(cli: Cli, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("[market]\nrisk_free = 0.02\ncash_interest = 0.03\ncash_debit = 0.06\n")
    body = cli("backtest", RULES, "--instrument", "SPX", "--home", home, "--json").json
    assert body["costs"]["cash"] == {"interest": 0.03, "debit": 0.06, "risk_free": 0.02}
    assert 0.02 * 7 < body["costs"]["share_of_equity"]["interest"] / (1.0 - body["metrics"]["exposure"]) < 0.04 * 7.2
    log = cli("experiments", "trades", body["experiment"], "--home", home, "--json").json
    assert log["replay"]["equal"] is True
    earned = sum(trade["pnl"] for trade in log["trades"]) + body["costs"]["paid"]["interest"]
    assert earned == pytest.approx(pd.read_parquet(body["equity"])["equity"].iloc[-1] - 1e6, rel=1e-9)


def test_trades_of_what_was_never_run_are_refused(done: tuple[Path, dict[str, Any]], refused: Refused) -> None:
    home, body = done
    assert refused("experiments", "trades", "e-none", "--home", home).error["code"] == "not_found"
    unwritable = refused("experiments", "trades", body["experiment"], "--csv", "/nowhere/trades.csv", "--home", home)
    assert (unwritable.exit_code, unwritable.error["code"]) == (2, "usage")
