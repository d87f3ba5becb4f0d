"""What a fit is here, and the peer: one model after the other, each an `nn.Module` moved by torch's own fused Adam.

The peer does the same work from the same first numbers: standardised features, batches in the same order, Huber loss, gradients clipped
to norm 1, the stopping loss after every epoch, the best parameters kept. It has what a careful user gives it: data in memory as tensors,
one gather a batch, no data loader, no progress bar, memberships of fixed sets worked out once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nullalpha.engines.training.member import Member, member_of
from nullalpha.engines.training.membership import encode_sets, set_params
from nullalpha.engines.training.model import fuzzy_model
from nullalpha.engines.training.network import NetworkModel, first_arrays, network_model
from nullalpha.engines.training.population import FitJob, FitTask
from nullalpha.engines.training.rules_learner import first_parameters
from nullalpha.strategy.plan import (
    Condition,
    DecisionPlan,
    ExitPlan,
    FeaturePlan,
    LabelPlan,
    ModelKind,
    NetworkPlan,
    Plan,
    RulePlan,
    SetPlan,
    SizingPlan,
    Trainable,
    TrainingPlan,
)

N_FEATURES, N_SETS, N_RULES = 6, 18, 32
HIDDEN: dict[str, tuple[int, ...]] = {"fuzzy_mlp": (32, 16), "fuzzy_gru": (32,), "fuzzy_lstm": (32,)}
LOOKBACK = 16
BATCH, RATE = 256, 0.01
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Size:
    """How much there is to learn: rows to learn from, rows to stop by, epochs."""

    n_train: int
    n_stop: int
    epochs: int


def jobs_of(kind: ModelKind, size: Size, n_models: int) -> list[FitJob]:
    """Return the fits of some models of one kind, each on data of its own."""
    plan = plan_of(kind, size.epochs)
    return [FitJob(plan, _task(seed, size)) for seed in range(n_models)]


def plan_of(kind: ModelKind, epochs: int) -> Plan:
    """Return a plan over 18 gaussians, three on each of 6 features: a network with fixed sets, or an anfis of 32 rules whose sets move."""
    sets = tuple(SetPlan(at % N_FEATURES, f"set {at}", "gaussian", (at // N_FEATURES - 1.0, 0.8)) for at in range(N_SETS))
    trainable: tuple[Trainable, ...] = ("sets", "consequents") if kind == "anfis" else ("network",)
    return Plan(
        fingerprint="b" * 64,
        name=f"benchmark {kind}",
        hypothesis="a planted interaction can be found",
        instruments=("MADE",),
        timeframe="1d",
        features=tuple(FeaturePlan(f"x{at}", "rsi", (("period", 14),), "rsi", "1d") for at in range(N_FEATURES)),
        sets=sets,
        rules=_rules() if kind == "anfis" else (),
        model=kind,
        trainable=trainable,
        labels=LabelPlan("forward_return", 5, 20),
        training=TrainingPlan(epochs, BATCH, RATE, epochs, "huber"),
        decision=DecisionPlan(0.1, None, SizingPlan("fixed", 1.0, 0.0, 1.0, 0), ExitPlan(0, 0, 0, 0, 0)),
        warmup_bars=0,
        n_parameters=0,
        network=None if kind == "anfis" else NetworkPlan(HIDDEN[kind], 1 if kind == "fuzzy_mlp" else LOOKBACK, 0.0),
    )


def _rules() -> tuple[RulePlan, ...]:
    """Return rules of three sets each, on features drawn once."""
    rng = np.random.default_rng(1)
    rules = []
    for at in range(N_RULES):
        features, levels = rng.choice(N_FEATURES, 3, replace=False), rng.integers(0, 3, 3)
        args = tuple(Condition("is", int(feature + N_FEATURES * level)) for feature, level in zip(features, levels, strict=True))
        rules.append(RulePlan(Condition("and", args=args), 0.0, f"rule {at}"))
    return tuple(rules)


def _task(seed: int, size: Size) -> FitTask:
    rng = np.random.default_rng(seed)
    n_rows = size.n_train + size.n_stop
    x = rng.standard_normal((n_rows, N_FEATURES))
    y = np.tanh(x[:, 0] * x[:, 1]) + 0.5 * x[:, 2] + 0.3 * rng.standard_normal(n_rows)
    return FitTask(x, y, np.arange(LOOKBACK, size.n_train), np.arange(size.n_train, n_rows), seed)


def peer_fit(job: FitJob) -> float:
    """Fit one model; return its best stopping loss."""
    member = member_of(job.plan, job.task)
    module, inputs_of = _module_of(member)
    training, shuffle = job.plan.training, member.generator(1)
    (x, y), (x_stop, y_stop) = (
        (inputs_of(rows), torch.as_tensor(job.task.y[rows], dtype=torch.float32)) for rows in (member.train_rows, member.stop_rows)
    )
    adam = torch.optim.Adam(module.parameters(), lr=training.learning_rate, fused=True)
    best, best_state = np.inf, module.state_dict()
    for _ in range(training.epochs):
        order = torch.from_numpy(shuffle.permutation(len(y)))
        for rows in order.split(training.batch_size):
            loss = nn.functional.huber_loss(module(x[rows]), y[rows])
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), training.clip_norm)
            adam.step()
        with torch.no_grad():
            stop_loss = float(nn.functional.huber_loss(module(x_stop), y_stop))
        if stop_loss < best:
            best, best_state = stop_loss, copy.deepcopy(module.state_dict())
    module.load_state_dict(best_state)
    return best


class _Mlp(nn.Module):
    """A fuzzy_mlp on memberships (rows, n_sets)."""

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        super().__init__()
        dense = [_linear(arrays[f"hidden_{at}_weight"], arrays[f"hidden_{at}_bias"]) for at in range(len(HIDDEN["fuzzy_mlp"]))]
        last = _linear(arrays["output_weight"][:, None], arrays["output_bias"])
        self.layers = nn.Sequential(*(layer for one in dense for layer in (one, nn.Tanh())), last)

    def forward(self, memberships: Tensor) -> Tensor:
        output: Tensor = self.layers(memberships)
        return output.squeeze(1)


class _Recurrent(nn.Module):
    """A fuzzy_gru or fuzzy_lstm on windows of memberships (rows, lookback, n_sets), by torch's own layers.

    Torch has two biases of each gate, we have one but for the one inside a GRU's reset: the others of the second are held at 0.
    """

    def __init__(self, kind: ModelKind, arrays: dict[str, Tensor]) -> None:
        super().__init__()
        units = arrays["recurrent_state"].shape[0]
        layer: nn.GRU | nn.LSTM = (nn.GRU if kind == "fuzzy_gru" else nn.LSTM)(N_SETS, units, batch_first=True)
        gates = [0, 1, 2] if kind == "fuzzy_gru" else [0, 1, 3, 2]  # torch's LSTM has the candidate before the output gate
        width = len(gates) * units

        def of_torch(numbers: Tensor) -> Tensor:
            return torch.cat([numbers[gate * units : (gate + 1) * units] for gate in gates])

        inner = torch.zeros(width)
        if kind == "fuzzy_gru":
            inner[2 * units :] = arrays["recurrent_bias"][width:]
        with torch.no_grad():
            layer.weight_ih_l0.copy_(of_torch(arrays["recurrent_input"].T))
            layer.weight_hh_l0.copy_(of_torch(arrays["recurrent_state"].T))
            layer.bias_ih_l0.copy_(of_torch(arrays["recurrent_bias"][:width]))
            layer.bias_hh_l0.copy_(inner)
        held = torch.ones(width)
        held[: 2 * units if kind == "fuzzy_gru" else width] = 0
        layer.bias_hh_l0.register_hook(lambda slope: slope * held)
        self.layer, self.last = layer, _linear(arrays["output_weight"][:, None], arrays["output_bias"])

    def forward(self, windows: Tensor) -> Tensor:
        states, _ = self.layer(windows)
        output: Tensor = self.last(states[:, -1])
        return output.squeeze(1)


class _Anfis(nn.Module):
    """An anfis on standardised features (rows, n_features)."""

    def __init__(self, plan: Plan, first: Tensor) -> None:
        super().__init__()
        centre, log_width, coefficients, bias = first.split([N_SETS, N_SETS, N_RULES * N_FEATURES, N_RULES])
        self.centre, self.log_width, self.bias = nn.Parameter(centre.clone()), nn.Parameter(log_width.clone()), nn.Parameter(bias.clone())
        self.coefficients = nn.Parameter(coefficients.reshape(N_RULES, N_FEATURES).clone())
        self.features = torch.tensor([one.feature for one in plan.sets])
        self.joins = torch.zeros(N_SETS, N_RULES)
        for rule, one in enumerate(plan.rules):
            for arg in one.condition.args:
                self.joins[arg.set_index, rule] += 1

    def forward(self, x: Tensor) -> Tensor:
        log_truth = ((x[:, self.features] - self.centre) * torch.exp(-self.log_width)).square() * -0.5
        firing = torch.softmax(log_truth @ self.joins, dim=1)
        return (firing * torch.addmm(self.bias, x, self.coefficients.T)).sum(dim=1)


def _module_of(member: Member) -> tuple[nn.Module, Callable[[np.ndarray], Tensor]]:
    """Return a member's module with our first numbers, and what makes its inputs of rows."""
    plan = member.plan
    if plan.model == "anfis":
        first = first_parameters(plan, fuzzy_model(plan, CPU), member.scale, member.task.seed)
        return _Anfis(plan, torch.as_tensor(first, dtype=torch.float32)), lambda rows: _float32(member.standardised(rows))
    model = network_model(plan, CPU)
    arrays = {name: _float32(array) for name, array in first_arrays(model, member.generator(0)).items()}
    memberships = _memberships(model, member)
    if plan.model == "fuzzy_mlp":
        return _Mlp(arrays), lambda rows: memberships[rows]
    return _Recurrent(plan.model, arrays), lambda rows: memberships[rows[:, None] + np.arange(1 - LOOKBACK, 1)]


def _memberships(model: NetworkModel, member: Member) -> Tensor:
    plan, scale = member.plan, member.scale
    code = encode_sets(plan.sets, model.bank.structure, set_params(plan.sets), scale.mean, scale.scale)
    x = scale.apply(member.task.x)[:, list(model.set_features)]
    return model.memberships(torch.from_numpy(code[None]), torch.from_numpy(x[None]))[0].float()


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(weight.T)
        layer.bias.copy_(bias)
    return layer


def _float32(array: np.ndarray) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32)
