"""Each loss by hand and by independent libraries; each slope against automatic differentiation and finite differences."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss
from torch import Tensor

from nullalpha.engines.training.losses import LossTerms, element_loss, element_slope
from nullalpha.strategy.plan import Loss

LOSSES = get_args(Loss)
CLASSES = torch.tensor([-1.0, 0.0, 1.0])


def terms(
    kind: Loss, *, margin: float = 0.7, gamma: float = 2.0, aversion: float = 0.5, models: int = 1, dtype: torch.dtype = torch.float64
) -> LossTerms:
    """A population of equal members."""
    column = torch.ones((models, 1), dtype=dtype)
    return LossTerms(kind, margin * column, gamma * column, aversion * column)


def loss_at(kind: Loss, output: float, label: float, cost: float = 0.0, **numbers: float) -> float:
    one = (torch.tensor([[value]], dtype=torch.float64) for value in (output, label, cost))
    return float(element_loss(next(one), next(one), terms(kind, **numbers), next(one)))  # type: ignore[arg-type]


def rows(seed: int, n: int, kind: Loss, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, labels of the loss's sort and costs, (3, n)."""
    rng = np.random.default_rng(seed)
    label = rng.integers(-1, 2, (3, n)) if kind in ("cross_entropy", "focal") else np.clip(rng.standard_normal((3, n)), -3, 3)
    output, cost = 2 * rng.standard_normal((3, n)), rng.uniform(0, 0.5, (3, n))
    return tuple(torch.as_tensor(array).to(dtype) for array in (output, label, cost))  # type: ignore[return-value]


def chances(output: float, margin: float) -> list[float]:
    """Of down, flat and up."""
    return [math.exp(-loss_at("cross_entropy", output, label, margin=margin)) for label in (-1, 0, 1)]


def test_errors_count_squared_or_under_huber_in_proportion_beyond_one() -> None:
    assert loss_at("mse", 0.5, -0.5) == 1.0
    assert loss_at("huber", 0.5, -0.3) == pytest.approx(0.8**2 / 2)
    assert loss_at("huber", 2.0, -0.5) == pytest.approx(2.5 - 0.5)


def test_the_chances_of_three_ordered_classes_by_hand() -> None:
    # margin log 3: at an output of 0, up and down are 1 / (1 + 3) each, flat the half that is left
    assert chances(0.0, math.log(3)) == pytest.approx([0.25, 0.5, 0.25])
    # at an output of log(3) / 2, z = log 3: up 1 / (1 + 1), down 1 / (1 + 9)
    assert chances(math.log(3) / 2, math.log(3)) == pytest.approx([0.1, 0.4, 0.5])


@given(st.floats(-20, 20), st.floats(1e-4, 12))
def test_the_chances_of_the_classes_sum_to_one(output: float, margin: float) -> None:
    down, flat, up = chances(output, margin)
    assert down + flat + up == pytest.approx(1, abs=1e-12)
    assert (up - down) * output >= 0
    assert chances(-output, margin) == pytest.approx([up, flat, down], rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("output", [-3.0, -0.4, 0.0, 0.2, 5.0])
def test_without_a_flat_class_the_signal_is_the_chance_of_up_less_that_of_down(output: float) -> None:
    down, flat, up = chances(output, 1e-9)
    assert up - down == pytest.approx(math.tanh(output), abs=1e-8)
    assert flat < 1e-8


def test_without_a_flat_class_it_is_the_binary_cross_entropy_of_the_sign() -> None:
    output, label, cost = rows(1, 200, "mse")
    sign = label.sign()
    ours = element_loss(output, sign, terms("cross_entropy", margin=1e-12), cost)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(2 * output, (sign + 1) / 2, reduction="none")
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("margin", [0.05, 0.7, 4.0])
def test_its_mean_is_the_log_loss_of_scikit_learn(margin: float) -> None:
    output, label, cost = rows(2, 300, "cross_entropy")
    z = 2 * output.numpy()
    up, down = 1 / (1 + np.exp(margin - z)), 1 / (1 + np.exp(z + margin))
    probabilities = np.stack([down, 1 - up - down, up], axis=-1).reshape(-1, 3)
    theirs = log_loss(label.numpy().ravel(), probabilities, labels=[-1, 0, 1])
    ours = element_loss(output, label, terms("cross_entropy", margin=margin), cost).mean()
    assert float(ours) == pytest.approx(theirs, rel=1e-9)


def test_focal_takes_away_from_what_is_already_likely_by_hand() -> None:
    # the chances of flat and up are 0.5 and 0.25 at an output of 0 (see above)
    assert loss_at("focal", 0.0, 0, margin=math.log(3), gamma=2.0) == pytest.approx(-math.log(0.5) * 0.5**2)
    assert loss_at("focal", 0.0, 1, margin=math.log(3), gamma=3.0) == pytest.approx(-math.log(0.25) * 0.75**3)


def test_focal_without_gamma_is_cross_entropy() -> None:
    output, label, cost = rows(3, 200, "focal")
    for function in (element_loss, element_slope):
        focal = function(output, label, terms("focal", gamma=0.0), cost)
        assert torch.equal(focal, function(output, label, terms("cross_entropy"), cost))


def test_a_utility_is_profit_less_cost_less_half_the_aversion_times_its_square_by_hand() -> None:
    position = 0.6
    output = math.atanh(position)
    paid = math.sqrt(position**2 + 0.01**2) - 0.01
    assert loss_at("utility", output, 2.0, 0.3, aversion=0.5) == pytest.approx(-(1.2 - 0.3 * paid - 0.25 * 1.2**2))
    assert loss_at("utility", -output, 2.0, 0.3, aversion=0.0) == pytest.approx(1.2 + 0.3 * paid)
    assert loss_at("utility", 0.0, 2.0, 0.3) == 0.0
    assert paid == pytest.approx(position, abs=0.011)


@pytest.mark.parametrize(("mean", "cost", "aversion"), [(0.05, 0.0, 0.2), (0.05, 0.02, 0.2), (-0.05, 0.02, 0.1), (0.05, 0.08, 0.2)])
def test_the_best_position_of_a_utility_is_the_net_edge_over_aversion_times_second_moment(
    mean: float, cost: float, aversion: float
) -> None:
    # labels mean + 1 and mean - 1: the best |p| x aversion x (1 + mean^2) is |mean| - cost; 0 where costs are more than the edge
    position = torch.linspace(-0.9, 0.9, 3601, dtype=torch.float64)[None]
    loss = sum(
        element_loss(position.atanh(), torch.full_like(position, mean + side), terms("utility", aversion=aversion), torch.tensor(cost))
        for side in (-1.0, 1.0)
    )
    best = float(position[0, int(loss.argmin())])
    edge = max(abs(mean) - cost, 0.0)
    assert best == pytest.approx(math.copysign(edge, mean) / (aversion * (1 + mean**2)), abs=0.02)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("margin", [1e-3, 0.7, 6.0])
def test_a_slope_is_what_automatic_differentiation_finds(kind: Loss, margin: float) -> None:
    output, label, cost = rows(4, 400, kind)
    given_terms = terms(kind, margin=margin, models=3)
    leaf = output.clone().requires_grad_()
    (automatic,) = torch.autograd.grad(element_loss(leaf, label, given_terms, cost).sum(), leaf)
    torch.testing.assert_close(element_slope(output, label, given_terms, cost), automatic, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", LOSSES)
def test_a_slope_is_what_finite_differences_find(kind: Loss) -> None:
    output, label, cost = rows(5, 300, kind)
    step, given_terms = 1e-6, terms(kind, models=3)
    ends = [element_loss(output + side * step, label, given_terms, cost) for side in (-1, 1)]
    torch.testing.assert_close(element_slope(output, label, given_terms, cost), (ends[1] - ends[0]) / (2 * step), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", LOSSES)
def test_each_member_has_its_own_terms(kind: Loss) -> None:
    output, label, cost = rows(6, 50, kind)
    columns = (torch.tensor([[a], [b], [c]], dtype=torch.float64) for a, b, c in ((0.2, 1.0, 3.0), (0.5, 1.0, 2.0), (0.0, 0.1, 1.0)))
    together = LossTerms(kind, *columns)
    for function in (element_loss, element_slope):
        whole = function(output, label, together, cost)
        for i in range(3):
            own = LossTerms(kind, *(term[i : i + 1] for term in (together.margin, together.gamma, together.risk_aversion)))
            alone = function(output[i : i + 1], label[i : i + 1], own, cost[i : i + 1])
            torch.testing.assert_close(whole[i : i + 1], alone, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_outputs_and_rare_classes_give_finite_losses_and_slopes(kind: Loss, dtype: torch.dtype) -> None:
    output = torch.tensor([[-80.0, -15.0, -1e-4, 0.0, 15.0, 80.0]], dtype=dtype)
    for margin in (1e-5, 0.5, 14.0):
        for label in (-1.0, 0.0, 1.0):
            for function in (element_loss, element_slope):
                found = function(
                    output, torch.full_like(output, label), terms(kind, margin=margin, dtype=dtype), torch.full_like(output, 0.1)
                )
                assert found.dtype == dtype
                assert torch.isfinite(found).all()


@pytest.mark.parametrize("kind", LOSSES)
def test_single_precision_agrees_with_double(kind: Loss) -> None:
    whole = rows(7, 400, kind)
    single = [value.to(torch.float32) for value in whole]
    for margin in (1e-3, 0.7, 8.0):
        for function in (element_loss, element_slope):
            double = function(whole[0], whole[1], terms(kind, margin=margin), whole[2])
            halved = function(single[0], single[1], terms(kind, margin=margin, dtype=torch.float32), single[2])
            torch.testing.assert_close(halved.to(torch.float64), double, rtol=2e-5, atol=2e-6)


def test_a_class_that_is_all_but_certain_loses_no_digits() -> None:
    # at an output of 0 and a margin of 20 the chance of flat is tanh(10), so its loss is 2 exp(-20) to 1e-8
    assert loss_at("cross_entropy", 0.0, 0, margin=20.0) == pytest.approx(2 * math.exp(-20), rel=1e-7)
    assert loss_at("focal", 0.0, 0, margin=20.0, gamma=1.0) == pytest.approx(4 * math.exp(-40), rel=1e-6)
    assert loss_at("cross_entropy", 20.0, 1, margin=1.0) == pytest.approx(math.exp(1 - 40), rel=1e-9)
