"""The fuzzy model against plain NumPy in linear space, which shares no code with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.engines.training.gradient import loss_and_gradient
from nullalpha.engines.training.losses import LossTerms, element_loss
from nullalpha.engines.training.membership import decode_sets, encode_sets, log_complement, set_params
from nullalpha.engines.training.model import fuzzy_model
from nullalpha.engines.training.predict import predict_output, predict_signal
from nullalpha.strategy.plan import Condition, Loss, Plan, SetPlan

CPU = torch.device("cpu")
SETS = (
    SetPlan(0, "low", "gaussian", (25.0, 8.0)),
    SetPlan(1, "up", "sigmoid", (0.02, 80.0)),
    SetPlan(1, "down", "sigmoid", (-0.02, -80.0)),
    SetPlan(0, "mid", "triangle", (20.0, 40.0, 80.0)),
    SetPlan(0, "wide", "trapezoid", (10.0, 30.0, 60.0, 90.0)),
    SetPlan(0, "high", "gaussian", (75.0, 12.0)),
    SetPlan(0, "shoulder", "trapezoid", (20.0, 20.0, 50.0, 70.0)),
    SetPlan(1, "flat", "bell", (0.0, 0.02, 2.0)),
    SetPlan(0, "about", "bell", (55.0, 15.0, 0.7)),
)
X = np.array([[30.0, 0.01], [55.0, -0.03], [72.0, 0.04], [20.0, 0.0], [95.0, -0.01]])


def _is(index: int) -> Condition:
    return Condition("is", index)


def _not(arg: Condition) -> Condition:
    return Condition("not", args=(arg,))


def _and(*args: Condition) -> Condition:
    return Condition("and", args=args)


def _or(*args: Condition) -> Condition:
    return Condition("or", args=args)


def _membership(one: SetPlan, x: np.ndarray) -> np.ndarray:
    p, v = one.params, x[:, one.feature]
    if one.shape == "gaussian":
        return np.exp(-((v - p[0]) ** 2) / (2 * p[1] ** 2))
    if one.shape == "sigmoid":
        return 1 / (1 + np.exp(-p[1] * (v - p[0])))
    if one.shape == "bell":
        return 1 / (1 + np.abs((v - p[0]) / p[1]) ** (2 * p[2]))
    a, b, c, d = (*p[:2], p[1], p[2]) if one.shape == "triangle" else p
    return np.interp(v, [a - 1e-9 if a == b else a, b, c, d], [0.0, 1.0, 1.0, 0.0])


def _truth(condition: Condition, x: np.ndarray) -> np.ndarray:
    if condition.op == "is":
        return _membership(SETS[condition.set_index], x)
    parts = [_truth(arg, x) for arg in condition.args]
    if condition.op == "not":
        return 1 - parts[0]
    return np.prod(parts, axis=0) if condition.op == "and" else 1 - np.prod([1 - part for part in parts], axis=0)


def _terms(kind: Loss) -> LossTerms:
    one = torch.ones(1, 1, dtype=torch.float64)
    return LossTerms(kind, 0.3 * one, 2.0 * one, 0.5 * one)


def _weights(plan: Plan, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "feature_mean": np.array([50.0, 0.001]),
        "feature_scale": np.array([20.0, 0.03]),
        "sets": set_params(plan.sets),
        "coefficients": rng.standard_normal((len(plan.rules), 2)),
        "bias": rng.standard_normal(len(plan.rules)),
    }


def test_anfis_equals_a_two_rule_example_by_hand(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(SETS, [(_and(_is(0), _is(1)), 1.0), (_is(2), -0.5)])
    weights = _weights(plan) | {"coefficients": np.array([[0.5, -1.0], [0.0, 2.0]]), "bias": np.array([1.0, -0.5])}
    # Row 0: rsi 30, trend 0.01. low = exp(-25/128), up = 1/(1+exp(0.8)), down = 1/(1+exp(2.4)).
    first, second = np.exp(-25 / 128) / (1 + np.exp(0.8)), 1 / (1 + np.exp(2.4))
    rsi, trend = (30 - 50) / 20, (0.01 - 0.001) / 0.03
    answer = (first * (0.5 * rsi - trend + 1.0) + second * (2 * trend - 0.5)) / (first + second)
    np.testing.assert_allclose(predict_output(plan, weights, X)[0], answer, rtol=1e-12)
    np.testing.assert_allclose(predict_signal(plan, weights, X)[0], np.tanh(answer), rtol=1e-12)


def test_plain_rules_answer_as_by_hand_with_an_implicit_rule_for_nothing(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(SETS, [(_and(_is(0), _is(1)), 1.0), (_is(2), -0.5)], model="rules")
    first, second = np.exp(-25 / 128) / (1 + np.exp(0.8)), 1 / (1 + np.exp(2.4))
    answer = (first - 0.5 * second) / (first + second + (1 - first) * (1 - second))
    np.testing.assert_allclose(predict_signal(plan, {}, X)[0], np.tanh(answer), rtol=1e-12)


CONDITIONS = st.recursive(
    st.integers(0, len(SETS) - 1).map(_is),
    lambda inner: (
        inner.map(_not)
        | st.lists(inner, min_size=2, max_size=3).map(lambda args: _and(*args))
        | st.lists(inner, min_size=2, max_size=3).map(lambda args: _or(*args))
    ),
    max_leaves=6,
)


@given(conditions=st.lists(CONDITIONS, min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=120, deadline=None)
def test_any_rules_equal_plain_arithmetic(make_plan: Callable[..., Plan], conditions: list[Condition], seed: int) -> None:
    truth = np.stack([_truth(condition, X) for condition in conditions], axis=1)
    rules = [(condition, (-0.8) ** i) for i, condition in enumerate(conditions)]
    plain = make_plan(SETS, rules, model="rules")
    consequents = np.array([consequent for _, consequent in rules])
    expected = (truth @ consequents) / (truth.sum(axis=1) + (1 - truth).prod(axis=1))
    np.testing.assert_allclose(predict_output(plain, {}, X), expected, rtol=1e-6, atol=1e-9)

    anfis = make_plan(SETS, rules)
    weights = _weights(anfis, seed)
    answers = (X - weights["feature_mean"]) / weights["feature_scale"] @ weights["coefficients"].T + weights["bias"]
    fires = truth.max(axis=1) > 1e-6  # where nothing is true, floors decide
    expected = (truth * answers).sum(axis=1)[fires] / truth.sum(axis=1)[fires]
    np.testing.assert_allclose(predict_output(anfis, weights, X)[fires], expected, rtol=1e-4, atol=1e-6)


def test_the_generalised_bell_by_hand_even_at_its_centre_and_far_away(make_plan: Callable[..., Plan]) -> None:
    # (x - 10) / 4 squared to the slope: 0.5^6 = 1/64 at 12; 1 at 14; 2^6 = 64 at 18.
    plan = make_plan([SetPlan(0, "near", "bell", (10.0, 4.0, 3.0))], [(_is(0), 1.0), (_not(_is(0)), -1.0)], model="rules")
    model = fuzzy_model(plan, CPU)
    code = torch.tensor([[10.0, np.log(4.0), np.log(3.0)]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([12.0, 14.0, 18.0, 10.0, 1e9], dtype=torch.float64)[None, :, None]
    truth = model.bank.log_memberships(code, x).exp()[0]
    np.testing.assert_allclose(truth[:3, 0].detach(), [64 / 65, 1 / 2, 1 / 65], rtol=1e-12)
    np.testing.assert_allclose(truth[:3, 1].detach(), [1 / 65, 1 / 2, 64 / 65], rtol=1e-12)  # the complement is as precise
    assert truth[3].detach().tolist() == pytest.approx([1.0, 0.0], abs=1e-60)
    np.testing.assert_allclose(truth[4, 0].item(), (4 / (1e9 - 10)) ** 6, rtol=1e-9)
    (gradient,) = torch.autograd.grad(model.bank.log_memberships(code, x).sum(), code)
    assert torch.isfinite(gradient).all()


def test_a_rules_weight_multiplies_its_truth(make_plan: Callable[..., Plan]) -> None:
    rules = [(_and(_is(0), _is(1)), 1.0), (_is(2), -0.5)]
    first, second = 0.25 * np.exp(-25 / 128) / (1 + np.exp(0.8)), 1 / (1 + np.exp(2.4))  # row 0, the first rule at a quarter
    plain = make_plan(SETS, rules, model="rules")
    plain = replace(plain, rules=(replace(plain.rules[0], weight=0.25), plain.rules[1]))
    expected = (first - 0.5 * second) / (first + second + (1 - first) * (1 - second))
    np.testing.assert_allclose(predict_output(plain, {}, X)[0], expected, rtol=1e-12)
    anfis = replace(make_plan(SETS, rules), rules=plain.rules)
    weights = _weights(anfis) | {"coefficients": np.zeros((2, 2)), "bias": np.array([1.0, -0.5])}
    np.testing.assert_allclose(predict_output(anfis, weights, X)[0], (first - 0.5 * second) / (first + second), rtol=1e-12)


def test_a_disjunction_of_tiny_truths_keeps_its_size(make_plan: Callable[..., Plan]) -> None:
    sets = (SetPlan(0, "a", "gaussian", (0.0, 1.0)), SetPlan(0, "b", "gaussian", (1.0, 1.0)))
    model = fuzzy_model(make_plan(sets, [(_or(_is(0), _is(1)), 1.0)]), CPU)
    codes = torch.tensor([[0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    x = torch.tensor([[[40.0, 40.0]]], dtype=torch.float64)
    expected = np.logaddexp(-(40.0**2) / 2, -(39.0**2) / 2)
    np.testing.assert_allclose(model.log_firing(codes, x)[0, 0, 0].item(), expected, rtol=1e-12)


@pytest.mark.parametrize("log_truth", [-800.0, -50.0, -1.0, -0.5, -1e-6, 0.0])
def test_a_complement_is_precise_and_has_a_finite_gradient(log_truth: float) -> None:
    value = torch.tensor([log_truth], dtype=torch.float64, requires_grad=True)
    out = log_complement(value)
    expected = np.log(1e-12) if log_truth == 0 else np.log1p(-np.exp(log_truth))
    np.testing.assert_allclose(out.item(), expected, rtol=1e-6)
    (gradient,) = torch.autograd.grad(out.sum(), value)
    assert torch.isfinite(gradient).all()


def test_sets_come_back_from_their_code_as_they_were(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(SETS, [(_is(i), 0.1) for i in range(len(SETS))])
    structure = fuzzy_model(plan, CPU).structure
    mean, scale = np.array([50.0, 0.001]), np.array([20.0, 0.03])
    code = encode_sets(plan.sets, structure, set_params(plan.sets), mean, scale)
    np.testing.assert_allclose(decode_sets(plan.sets, structure, code, mean, scale), set_params(plan.sets), rtol=1e-12)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_whatever_training_does_to_a_code_its_sets_keep_their_meaning(make_plan: Callable[..., Plan], seed: int) -> None:
    plan = make_plan(SETS, [(_is(i), 0.1) for i in range(len(SETS))])
    structure = fuzzy_model(plan, CPU).structure
    mean, scale = np.array([50.0, 0.001]), np.array([20.0, 0.03])
    code = encode_sets(plan.sets, structure, set_params(plan.sets), mean, scale)
    moved = decode_sets(plan.sets, structure, code + np.random.default_rng(seed).normal(0, 5, len(code)), mean, scale)
    for one, params in zip(SETS, moved, strict=True):
        own = params[~np.isnan(params)]
        assert len(own) == len(one.params)
        if one.shape in ("gaussian", "bell"):
            assert (own[1:] > 0).all()
        elif one.shape == "sigmoid":
            assert np.sign(own[1]) == np.sign(one.params[1])
        else:
            assert (np.diff(own) >= 0).all()
            assert own[-1] > own[0]
    assert moved[6, 0] == moved[6, 1]  # a side without width stays upright


@pytest.mark.parametrize("kind", ["huber", "mse"])
@pytest.mark.parametrize("trainable", [("sets", "consequents"), ("sets",), ("consequents",)])
def test_the_gradient_equals_autograd_through_the_whole_model(
    make_plan: Callable[..., Plan], kind: Loss, trainable: tuple[str, ...]
) -> None:
    conditions = [
        _and(_is(0), _is(1)),
        _or(_is(2), _not(_is(3))),
        _not(_and(_is(4), _is(5))),
        _or(_and(_is(6), _is(0)), _is(1), _not(_is(2))),
        _and(_is(7), _not(_is(8))),
    ]
    plan = make_plan(SETS, [(condition, 0.5) for condition in conditions])
    plan = replace(plan, rules=tuple(replace(rule, weight=0.2 * (i + 1)) for i, rule in enumerate(plan.rules)))
    model = fuzzy_model(plan, CPU)
    rng = np.random.default_rng(4)
    mean, scale = np.array([50.0, 0.001]), np.array([20.0, 0.03])
    code = encode_sets(plan.sets, model.structure, set_params(plan.sets), mean, scale)
    first = np.stack([np.concatenate([code + 0.05 * rng.standard_normal(len(code)), rng.standard_normal(15)]) for _ in range(3)])
    parameters = torch.tensor(first, requires_grad=True)
    x = torch.tensor(rng.standard_normal((3, 40, 2)))
    x_sets = x[..., list(model.set_features)]
    label, weight = torch.tensor(rng.standard_normal((3, 40)) * 2), torch.tensor(rng.random((3, 40)))
    terms, cost = _terms(kind), torch.zeros(1, 1, dtype=torch.float64)
    output = model.output(parameters, x, model.log_firing(model.split(parameters)[0], x_sets))
    expected_loss = (element_loss(output, label, terms, cost) * weight).sum(dim=1)
    (expected,) = torch.autograd.grad(expected_loss.sum(), parameters)
    n_sets = model.n_set_parameters
    expected[:, :n_sets] *= "sets" in trainable
    expected[:, n_sets:] *= "consequents" in trainable
    inputs = x_sets if "sets" in trainable else torch.softmax(model.log_firing(model.split(parameters)[0], x_sets), dim=-1).detach()
    loss, gradient = loss_and_gradient(
        model,
        parameters.detach(),
        (x, inputs, label, cost, weight),
        terms,
        train_sets="sets" in trainable,
        train_consequents="consequents" in trainable,
    )
    np.testing.assert_allclose(loss.numpy(), expected_loss.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(gradient.numpy(), expected.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", ["gaussian", "sigmoid", "triangle", "trapezoid", "bell"])
def test_twenty_inputs_neither_vanish_nor_lose_their_gradient(make_plan: Callable[..., Plan], shape: str) -> None:
    near, far = {
        "gaussian": ((-0.3, 0.4), (0.3, 0.4)),
        "sigmoid": ((5.0, 2.0), (5.1, 2.0)),
        "triangle": ((-1.0, 1.0, 9.0), (-0.9, 1.1, 9.0)),
        "bell": ((-0.3, 0.4, 1.5), (0.3, 0.4, 1.5)),
        "trapezoid": ((-9.0, -1.0, 1.0, 9.0), (-9.0, -1.1, 1.1, 9.0)),
    }[shape]
    sets = [SetPlan(f, "set", shape, params) for f in range(20) for params in (near, far)]  # type: ignore[arg-type]
    rules = [(_and(*(_is(2 * f + k) for f in range(20))), 1.0 - 2 * k) for k in (0, 1)]
    plan = make_plan(sets, rules)
    model = fuzzy_model(plan, CPU)
    code = encode_sets(plan.sets, model.structure, set_params(plan.sets), np.zeros(20), np.ones(20))
    parameters = torch.tensor(np.concatenate([code, np.zeros(40), [1.0, -1.0]]))[None]
    x = torch.tensor(np.random.default_rng(0).standard_normal((1, 50, 20)))
    x_sets = x[..., list(model.set_features)]
    firing = torch.softmax(model.log_firing(model.split(parameters)[0], x_sets), dim=-1)
    assert torch.isfinite(firing).all()
    np.testing.assert_allclose(firing.sum(dim=-1).numpy(), 1.0, rtol=1e-12)
    weight = torch.full((1, 50), 1 / 50, dtype=torch.float64)
    zero = torch.zeros(1, 50, dtype=torch.float64)
    batch = (x, x_sets, zero, zero, weight)
    _, gradient = loss_and_gradient(model, parameters, batch, _terms("mse"), train_sets=True, train_consequents=True)
    assert torch.isfinite(gradient).all()
    assert gradient[:, : model.n_set_parameters].abs().max() > 1e-9


def test_a_row_with_a_missing_feature_has_no_signal_and_leaves_the_others_alone(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(SETS, [(_is(0), 1.0), (_is(1), -1.0)])
    weights = _weights(plan)
    whole = predict_signal(plan, weights, X)
    holed = X.copy()
    holed[2, 1] = np.nan
    found = predict_signal(plan, weights, holed)
    assert np.isnan(found).tolist() == [False, False, True, False, False]
    np.testing.assert_allclose(found[[0, 1, 3, 4]], whole[[0, 1, 3, 4]], rtol=1e-13)
    np.testing.assert_allclose(predict_signal(plan, weights, X[:3]), whole[:3], rtol=1e-13)
    assert (np.abs(whole) <= 1).all()
    assert predict_signal(plan, weights, X[:0]).shape == (0,)
