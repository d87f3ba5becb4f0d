"""Out of memory, a population is split and goes on; under a real limit of the operating system."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from nullalpha.engines.training.memory import is_out_of_memory

LIMITED = """
import json, resource, sys
from pathlib import Path
import numpy as np, torch
from nullalpha.core.errors import NullAlphaError
from nullalpha.engines.training.fit import FitJob, fit_many
from nullalpha.engines.training.population import FitTask
from nullalpha.strategy.plan import *

torch.set_num_threads(1)
n_features, n_rows, room, engine = 40, 12_000, int(sys.argv[1]), sys.argv[2]
sets = tuple(SetPlan(f, "high", "sigmoid", (0.0, 1.0)) for f in range(8))
rules = tuple(RulePlan(Condition("and", args=(Condition("is", f), Condition("is", f + 1))), 0.1 * f, "rule") for f in range(7))
plan = Plan(
    fingerprint="0" * 64, name="large", hypothesis="", instruments=("TEST",), timeframe="1d",
    features=tuple(FeaturePlan(f"x{i}", "rsi", (("period", 14),), "rsi", "1d") for i in range(n_features)),
    sets=sets, rules=rules, model="anfis", trainable=("sets", "consequents"), labels=LabelPlan("forward_return", 5, 20),
    training=TrainingPlan(epochs=2, batch_size=512, learning_rate=0.02, patience=2, loss="huber"),
    decision=DecisionPlan(0.1, None, SizingPlan("fixed", 1.0, 0.0, 1.0, 0), ExitPlan(0, 0, 0, 0, 0)), warmup_bars=0, n_parameters=0,
)
rng = np.random.default_rng(0)
x, y = rng.standard_normal((n_rows, n_features)), rng.standard_normal(n_rows)
jobs = [FitJob(plan, FitTask(x, y, np.arange(n_rows - 500), np.arange(n_rows - 500, n_rows), seed)) for seed in range(8)]
small = [FitJob(plan, FitTask(x, y, np.arange(200), np.arange(300, 400), 1))]
fit_many(small, engine=engine)  # loads and compiles what a fit needs
seen = []
if room:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + room * 2**20,) * 2)
results = fit_many([*jobs, *small], engine=engine, progress=lambda report: seen.append(report.n_active))
print(json.dumps([r.to_dict() if isinstance(r, NullAlphaError) else r.history.tolist() for r in results]))
print(json.dumps(seen))
"""


def _fit_within(room: int, engine: str) -> tuple[list[object], list[int]]:
    """Fit eight jobs of some 6 MB each, and a small one, in so many more MiB than the process had before; 0 for no limit."""
    done = subprocess.run([sys.executable, "-c", LIMITED, str(room), engine], capture_output=True, text=True, check=True, timeout=200)
    results, seen = done.stdout.splitlines()
    return json.loads(results), json.loads(seen)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_group_that_does_not_fit_is_split_and_each_member_becomes_what_it_becomes_in_plenty() -> None:
    plenty, whole = _fit_within(0, "tensor")
    assert whole == [9, 9]
    results, seen = _fit_within(40, "tensor")
    assert max(seen) < 9
    for one, other in zip(results, plenty, strict=True):
        assert isinstance(one, list)
        assert isinstance(other, list)
        for found, expected in zip(one, other, strict=True):
            assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("engine", ["tensor", "fused"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_model_that_does_not_fit_alone_says_what_to_lower_and_stops_no_other(engine: str) -> None:
    results, _ = _fit_within(6, engine)
    *large, small = results
    assert isinstance(small, list)
    for error in large:
        assert isinstance(error, dict)
        assert error["code"] == "operation_failed"
        assert "memory runs out fitting 'large' (anfis, 11500 training rows, batches of 512) by itself" in error["message"]
        assert error["suggestion"].startswith("lower training.batch_size, give it fewer rows")


def test_the_allocators_words_are_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))
