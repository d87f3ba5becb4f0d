"""Kernels compiled before they are used, so that a fit gives the same bits in every process.

What a process has just compiled for itself differs in the last digit from what it, or any other, loads from numba's cache: helpers were
compiled into one another before they were stored. So where the cache has no kernels yet, a process of its own compiles and stores them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from nullalpha.core.compiled import VARIABLE
from nullalpha.core.errors import OperationError
from nullalpha.engines.training.population import FitTask
from nullalpha.strategy.plan import (
    Condition,
    DecisionPlan,
    ExitPlan,
    FeaturePlan,
    LabelPlan,
    NetworkPlan,
    Plan,
    RulePlan,
    SetPlan,
    SizingPlan,
    TrainingPlan,
)

_COMPILING = "NULLALPHA_COMPILES_KERNELS"
_MARK = "training.ready"


def require_compiled() -> None:
    """See to it that the kernels are in numba's cache; without one, each process compiles its own.

    Raises:
        OperationError: if they cannot be compiled.
    """
    folder = os.environ.get(VARIABLE)
    if folder is None or _COMPILING in os.environ or (Path(folder) / _MARK).exists():
        return
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        env=os.environ | {_COMPILING: "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperationError(f"the training kernels could not be compiled: {done.stderr.strip()[-500:]}", path=folder)
    (Path(folder) / _MARK).touch()


def _smallest_plans() -> list[Plan]:
    """Return one plan for each compiled loop: rules with trained sets, and a network with trained sets."""
    sets = tuple(SetPlan(0, name, "gaussian", (centre, 1.0)) for name, centre in (("low", -1.0), ("high", 1.0)))
    common = {
        "fingerprint": "0" * 64,
        "name": "compiles",
        "hypothesis": "",
        "instruments": ("X",),
        "timeframe": "1d",
        "features": (FeaturePlan("x", "rsi", (("period", 14),), "rsi", "1d"),),
        "sets": sets,
        "labels": LabelPlan("forward_return", 1, 20),
        "training": TrainingPlan(1, 16, 0.01, 1, "huber"),
        "decision": DecisionPlan(0.1, None, SizingPlan("fixed", 1.0, 0.0, 1.0, 0), ExitPlan(0, 0, 0, 0, 0)),
        "warmup_bars": 0,
        "n_parameters": 0,
    }
    rules = tuple(RulePlan(Condition("is", at), 0.1, "") for at in range(len(sets)))
    anfis = Plan(**common, rules=rules, model="anfis", trainable=("sets", "consequents"))  # type: ignore[arg-type]
    network = Plan(**common, rules=(), model="fuzzy_mlp", trainable=("sets", "network"), network=NetworkPlan((4,), 1, 0.0))  # type: ignore[arg-type]
    fixed = Plan(**common, rules=(), model="fuzzy_mlp", trainable=("network",), network=NetworkPlan((4,), 1, 0.0))  # type: ignore[arg-type]
    return [anfis, network, fixed]


def main() -> None:
    """Fit the smallest plans for an epoch: whatever that needs is compiled and stored."""
    from nullalpha.engines.training.fused.epochs import FusedEpochs  # noqa: PLC0415  (it asks for compiled kernels itself)

    rng = np.random.default_rng(0)
    task = FitTask(rng.normal(size=(60, 1)), rng.normal(size=60), np.arange(40), np.arange(40, 60), 0)
    engine = FusedEpochs([(plan, task) for plan in _smallest_plans()], 1)
    engine.train_loss()
    engine.learn(np.ones(3, dtype=np.bool_), np.full(3, 0.01))
    engine.stop_loss()


if __name__ == "__main__":
    main()
