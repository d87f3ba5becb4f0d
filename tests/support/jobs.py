"""Real jobs for workers: one that takes seconds and shows its progress, and one that is over at once."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.slices import write_slice

N_BARS = 1000
INVENTED = Instrument("WALK", "A random walk", "XNYS", "USD", "open", 252, Costs(0.0, 0.0, 0.0), "invented")
QUICK: dict[str, Any] = {"trial_sharpes": [0.01, 0.03, 0.02], "n_trials": 3, "series": {}}
"""Payload of a `deflate` job."""


def document(number: int, epochs: int) -> dict[str, Any]:
    """Return a strategy that trains for all its epochs."""
    return {
        "nullalpha": 1,
        "name": f"slow {number}",
        "hypothesis": "A random walk returns to its average.",
        "instruments": ["WALK"],
        "timeframe": "1d",
        "features": {"rsi": {"indicator": "rsi", "period": 5 + number}},
        "sets": {"rsi": {"low": {"gaussian": [30, 10]}, "high": {"gaussian": [70, 10]}}},
        "model": {"kind": "anfis", "rules": ["if rsi is low then long 1.0", "if rsi is high then short 1.0"]},
        "labels": {"kind": "forward_return", "horizon": 5},
        "training": {"epochs": epochs, "patience": epochs},
        "decision": {"long_above": 0.0, "short_below": -0.01},
    }


def population(artifacts: ArtifactStore, *, n_strategies: int = 2, epochs: int = 30) -> dict[str, Any]:
    """Return the payload of a `population` job over an invented instrument."""
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, N_BARS)))
    time = np.datetime64("2000-01-03", "ns") + np.arange(N_BARS) * np.timedelta64(1, "D")
    bars = Bars("WALK", "1d", time, close, close * 1.01, close * 0.99, close, np.ones(N_BARS))
    return {
        "documents": [document(number, epochs) for number in range(n_strategies)],
        "market": {"WALK": {"slice": write_slice(artifacts, bars), "instrument": asdict(INVENTED)}},
        "protocol": {"n_folds": 2, "first_train_fraction": 0.6},
        "span": {"name": "search", "start": "2000-01-03", "end": str(time[-1].astype("datetime64[D]"))},
        "seed": 0,
        "device": "cpu",
    }
