"""Compile every kernel once, at setup, so that the first campaign does not wait for it: a tiny synthetic experiment end to end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.egress import close_egress
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.slices import write_slice

N_BARS = 1200
DOCUMENT = {
    "nullalpha": 1,
    "name": "warm-up",
    "hypothesis": "None: this compiles the kernels.",
    "instruments": ["WARM"],
    "timeframe": "1d",
    "features": {"rsi": {"indicator": "rsi", "period": 5}},
    "sets": {"rsi": {"low": {"gaussian": [30, 10]}, "high": {"gaussian": [70, 10]}}},
    "model": {"kind": "anfis", "rules": ["if rsi is low then long 1.0", "if rsi is high then short 1.0"]},
    "labels": {"kind": "forward_return", "horizon": 5},
    "training": {"epochs": 2},
    "decision": {"long_above": 0.0, "short_below": -0.01, "exits": {"stop_loss": {"atr": 2.0}, "max_bars": 10}},
}


def main() -> None:
    """Run each job once on invented bars; nothing is kept but compiled code."""
    close_egress()
    from nullalpha.engines.features.indicators.registry import INDICATORS
    from nullalpha.engines.jobs import attack, evidence, joint_test, population

    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, N_BARS)))
    time = np.datetime64("2000-01-03", "ns") + np.arange(N_BARS) * np.timedelta64(1, "D")
    bars = Bars("WARM", "1d", time, close, close * 1.01, close * 0.99, close, np.ones(N_BARS))
    instrument = Instrument("WARM", "Warm-up", "XNYS", "USD", "open", 252, Costs(0.0, 0.0, 0.0), "invented").__dict__
    instrument = {**instrument, "costs": {"commission": 0.0, "half_spread_bps": 0.0, "slippage_bps": 0.0}}
    for indicator in INDICATORS.values():
        indicator.compute(bars, {})
    with tempfile.TemporaryDirectory() as folder:
        artifacts = ArtifactStore(Path(folder))
        market = {"WARM": {"slice": write_slice(artifacts, bars), "instrument": instrument}}
        span = {"name": "search", "start": "2000-01-03", "end": str(time[-1].astype("datetime64[D]"))}
        common = {"market": market, "seed": 0, "protocol": {}}
        done = population({**common, "documents": [DOCUMENT], "span": span, "device": "cpu"}, artifacts, lambda _: None)["experiments"][0]
        attack({**common, "document": DOCUMENT, "weights": done["last_weights"], "cuts": 1, "first_row": 900}, artifacts, lambda _: None)
        evidence({**common, "series": done["series"]}, artifacts, lambda _: None)
        joint_test({"series": [done["series"]], "seed": 0, "reps": 20}, artifacts, lambda _: None)


if __name__ == "__main__":
    main()
