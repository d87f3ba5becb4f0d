from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from nullalpha.engines.training.population import FitTask
from nullalpha.strategy.plan import (
    Condition,
    DecisionPlan,
    ExitPlan,
    FeaturePlan,
    LabelPlan,
    ModelKind,
    NetworkKind,
    NetworkPlan,
    Plan,
    RulePlan,
    SetPlan,
    SizingPlan,
    Trainable,
    TrainingPlan,
)

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
BOTH: tuple[Trainable, ...] = ("sets", "consequents")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """As a worker runs; several threads gain nothing on tensors this small."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_plan() -> PlanMaker:
    """A plan from its sets and rules, each rule a condition and a consequent."""

    def make(
        sets: Sequence[SetPlan],
        rules: Sequence[tuple[Condition, float]],
        *,
        model: ModelKind = "anfis",
        trainable: tuple[Trainable, ...] = BOTH,
        n_features: int | None = None,
        **training: object,
    ) -> Plan:
        count = n_features or 1 + max(one.feature for one in sets)
        defaults = TrainingPlan(epochs=20, batch_size=128, learning_rate=0.02, patience=20, loss="huber")
        return Plan(
            fingerprint="f" * 64,
            name="test",
            hypothesis="a planted rule can be found",
            instruments=("TEST",),
            timeframe="1d",
            features=tuple(FeaturePlan(f"x{i}", "rsi", (("period", 14),), "rsi", "1d") for i in range(count)),
            sets=tuple(sets),
            rules=tuple(RulePlan(condition, consequent, f"rule {i}") for i, (condition, consequent) in enumerate(rules)),
            model=model,
            trainable=() if model == "rules" else trainable,
            labels=LabelPlan("forward_return", 5, 20),
            training=replace(defaults, **training),  # type: ignore[arg-type]
            decision=DecisionPlan(0.1, None, SizingPlan("fixed", 1.0, 0.0, 1.0, 0), ExitPlan(0, 0, 0, 0, 0)),
            warmup_bars=0,
            n_parameters=0,
        )

    return make


@pytest.fixture(scope="session")
def make_task() -> TaskMaker:
    """A planted exclusive-or of two features, which no line can find, with noise."""

    def make(seed: int, n_train: int = 600, n_stop: int = 200, *, n_features: int = 2, noise: float = 0.5) -> FitTask:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((n_train + n_stop, n_features)) * 3 + 50
        y = np.sign((x[:, 0] - 50) * (x[:, 1] - 50)) + noise * rng.standard_normal(len(x))
        return FitTask(x, y, np.arange(n_train), np.arange(n_train, n_train + n_stop), seed)

    return make


@pytest.fixture(scope="session")
def xor_plan(make_plan: PlanMaker) -> Plan:
    """Four rules over low and high of two features, all with no opinion at first."""
    sets = [SetPlan(f, name, "sigmoid", (50.0, slope)) for f in (0, 1) for name, slope in (("low", -0.8), ("high", 0.8))]
    both = [Condition("and", args=(Condition("is", i), Condition("is", 2 + j))) for i in (0, 1) for j in (0, 1)]
    return make_plan(sets, [(condition, 0.0) for condition in both])


@pytest.fixture(scope="session")
def make_network(xor_plan: Plan) -> PlanMaker:
    """A network over the sets of the planted exclusive-or."""

    def make(
        kind: NetworkKind,
        *,
        hidden: tuple[int, ...] = (6,),
        lookback: int = 4,
        dropout: float = 0.0,
        trainable: tuple[Trainable, ...] = ("network",),
        **training: object,
    ) -> Plan:
        return replace(
            xor_plan,
            rules=(),
            model=kind,
            trainable=trainable,
            network=NetworkPlan(hidden, 1 if kind == "fuzzy_mlp" else lookback, dropout),
            training=replace(xor_plan.training, **training),  # type: ignore[arg-type]
        )

    return make
