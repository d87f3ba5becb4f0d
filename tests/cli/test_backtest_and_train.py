"""`nullalpha backtest FILE` and `nullalpha train FILE` on the examples: a person's strategy is a trial like any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.campaigns import REPOSITORY, Cli, query

TRAINED = REPOSITORY / "examples" / "oversold-in-uptrend.yaml"
RULES = REPOSITORY / "examples" / "trend-with-a-volatility-brake.yaml"


@pytest.fixture
def no_thread_change() -> Iterator[None]:
    """Jobs in this process set torch's threads; put them back for other tests."""
    import torch

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("no_thread_change")
def test_a_backtest_tells_its_figures_its_series_and_is_counted_as_a_trial(cli: Cli, home: Path) -> None:
    ended = cli("backtest", RULES, "--home", home, "--json")
    assert ended.code == 0, ended.out
    body = ended.json
    assert (body["zone"], sorted(body["instruments"]), body["engine"]) == ("search", ["IXIC", "SPX"], "nullalpha")
    assert body["metrics"]["n_trades"] == body["trades"] > 0
    assert body["metrics"]["max_drawdown"] < 0
    assert body["verdict"] in ("reject", "iterate")
    with np.load(body["series"]) as series:
        assert np.isfinite(series["equity"]).all()
        last = np.datetime64(int(series["bar_days"].max()), "D")
    ((validation_start,),) = query(home, "SELECT validation_start FROM zones")
    assert last < np.datetime64(validation_start)
    (listed,) = cli("experiments", "list", "--home", home, "--json").json["experiments"]
    assert (listed["id"], listed["designer"], listed["fingerprint"]) == (body["experiment"], "person", body["fingerprint"])
    again = cli("backtest", RULES, "--home", home, "--json").json
    assert again["metrics"] == body["metrics"]
    assert query(home, "SELECT count(*) FROM operations WHERE attempts > 1") == [(0,)]


@pytest.mark.usefixtures("no_thread_change")
def test_training_tells_losses_beside_baselines_and_rules_after_training(cli: Cli, home: Path) -> None:
    ended = cli("train", TRAINED, "--home", home, "--json")
    assert ended.code == 0, ended.out
    body = ended.json
    assert {fold["instrument"] for fold in body["folds"]} == {"SPX"}
    assert all(0 < fold["best_epoch"] <= fold["epochs_run"] <= 60 for fold in body["folds"])
    losses = ("model_loss", "zero_loss", "majority_loss", "linear_loss", "boosting_loss")
    assert all(np.isfinite([fold["stop_loss"], *(fold["baselines"][name] for name in losses)]).all() for fold in body["folds"])
    assert all(fold["baselines"]["model_loss"] == pytest.approx(fold["stop_loss"], rel=1e-4) for fold in body["folds"])
    assert len(body["rules"]["SPX"]) == 3
    assert Path(body["weights"]).is_file()
    spoken = cli("train", TRAINED, "--home", home)
    assert "fold 1" in spoken.out
    assert "fires" in spoken.out
    assert "of its training bars" in spoken.out
    shortfalls = [said for fold in body["folds"] for said in fold["baselines"]["shortfalls"]]
    assert all(f"  - {said}" in spoken.out for said in shortfalls)
    assert f"gradient boosting in {sum(_beats_boosting(fold) for fold in body['folds'])} of {len(body['folds'])} refits" in spoken.out
    shown = cli("experiments", "show", body["experiment"], "--home", home).out
    explained = cli("strategy", "explain", body["experiment"], "--home", home).out
    assert "of its training bars" in shown
    assert "gradient boosting in" in shown
    assert "gradient boosting in" in explained
    assert spoken.out.splitlines()[-1] == "the same run is on record: the trials of this home stay 1"


def _beats_boosting(fold: dict[str, Any]) -> bool:
    return bool(fold["baselines"]["model_loss"] < fold["baselines"]["boosting_loss"])
