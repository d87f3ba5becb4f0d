"""What the gates read is what the chain computes: no field of theirs waits for a figure that never comes."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.engines import jobs
from nullalpha.engines.evidence.gates import EvidenceFigures
from nullalpha.engines.experiment import ExperimentOutcome, MarketSeries, run_experiment
from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.engines.outcome_json import outcome_body
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.validate import parse_strategy

PROTOCOL = Protocol(n_folds=2, bootstrap_reps=100, random_entry_draws=50)
SPAN = Span("search", "2000-01-03", "2005-01-01")
FROM_THE_ATTACK_AND_THE_PROTOCOL = {"lookahead_clean", "lookahead_findings", "interval_level"}  # named so where a trial is judged
HORIZON = 2


def market() -> dict[str, MarketSeries]:
    """Return the same bars under two symbols: what fell comes back, so a strategy that waits for it trades both on the same days."""
    rng = np.random.default_rng(3)
    n = 1300
    noise = rng.normal(0.0, 0.01, n)
    for t in range(1, n):
        noise[t] -= 0.3 * noise[t - 1]
    close = 100.0 * np.exp(np.cumsum(noise))
    open_ = np.concatenate(([100.0], close[:-1]))
    time = np.busday_offset("2000-01-03", np.arange(n)).astype("datetime64[ns]") + np.timedelta64(21, "h")
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    bars = Bars("AAA", "1d", time, open_, high, low, close, np.full(n, 1e6)).before(np.datetime64(SPAN.end, "ns"))
    listed = Instrument("AAA", "AAA", "XNYS", "USD", "open", 252, Costs(0.0, 0.0, 0.0), "invented")
    return {s: MarketSeries(replace(listed, symbol=s), replace(bars, instrument=s)) for s in ("AAA", "BBB")}


def outcome_of(model: dict[str, Any], instruments: list[str]) -> ExperimentOutcome:
    document = {
        "nullalpha": 1,
        "name": "reversal",
        "hypothesis": "What fell comes back.",
        "instruments": instruments,
        "timeframe": "1d",
        "features": {"rsi": {"indicator": "rsi", "period": 3}},
        "sets": {"rsi": {"low": {"gaussian": [30, 15]}, "high": {"gaussian": [70, 15]}}},
        "model": model,
        "labels": {"kind": "forward_return", "horizon": HORIZON},
        "training": {"epochs": 4},
        "decision": {"long_above": 0.02, "short_below": -0.02},
    }
    spec, _ = parse_strategy(document, VOCABULARY)
    return run_experiment(compile_strategy(spec, VOCABULARY), market(), PROTOCOL, SPAN, seed=1)


TRAINED = {"kind": "anfis", "rules": ["if rsi is low then long 1.0", "if rsi is high then short 1.0"]}
PLAIN = TRAINED | {"kind": "rules"}


def test_every_figure_of_the_gates_comes_out_of_a_computed_experiment(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    body = outcome_body(outcome_of(TRAINED, ["AAA"]), market(), artifacts)
    figures = jobs.evidence({"series": body["series"], "protocol": asdict(PROTOCOL), "seed": 0}, artifacts, lambda event: None)
    fed = body["facts"] | body["metrics"] | figures
    wanted = {field.name for field in fields(EvidenceFigures)} - FROM_THE_ATTACK_AND_THE_PROTOCOL
    assert wanted - set(fed) == set()
    assert {name for name in wanted if fed[name] is None} == set()


@pytest.mark.parametrize("model", [TRAINED, PLAIN], ids=["anfis", "rules"])
def test_trades_that_open_on_the_same_day_are_counted_once(model: dict[str, Any], tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    outcome = outcome_of(model, ["AAA", "BBB"])
    days = {
        str(market()[symbol].bars.time[row].astype("datetime64[D]"))
        for symbol, stitched in zip(("AAA", "BBB"), outcome.stitched, strict=True)
        for row in stitched.trade_array["entry_row"]
    }
    body = outcome_body(outcome, market(), artifacts)
    assert body["facts"]["n_entry_days"] == len(days) < body["metrics"]["n_trades"]
    half = body["metrics"]["n_trades"] / 2  # the two instruments have the same bars; trained models differ by their seeds
    assert body["facts"]["n_entry_days"] == half if model is PLAIN else body["facts"]["n_entry_days"] >= half


def test_independent_samples_are_of_rows_that_were_trained_on(tmp_path: Path) -> None:
    outcome = outcome_of(TRAINED, ["AAA"])
    facts = outcome_body(outcome, market(), ArtifactStore(tmp_path))["facts"]
    first = outcome.folds[0]
    assert facts["n_independent_samples"] == first.n_train_rows / HORIZON
    assert first.n_train_rows < len(first.fold.train_rows)  # the first bars have no rsi yet
