"""What a loss reads of each row, and what it takes from the training rows as a whole."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from nullalpha.core.errors import UsageError
from nullalpha.engines.training.labels import LabelSeries
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.targets import MemberLoss, loss_terms, mean_loss, member_loss, targets_of
from nullalpha.engines.training.tasks import StrategyTask, fit_task
from nullalpha.strategy.plan import Plan, TrainingPlan

HUBER = TrainingPlan(epochs=1, batch_size=32, learning_rate=0.1, patience=1, loss="huber")
CLASSES = replace(HUBER, loss="cross_entropy", class_band=0.5)
UTILITY = replace(HUBER, loss="utility", risk_aversion=0.5)
Y = np.array([-2.0, -0.6, -0.5, 0.0, 0.4, 0.5, 0.6, 0.7, 1.0, 3.0])
"""Of band 0.5: two down, four flat (both edges among them), four up."""
ROWS = np.arange(10)


def task_of(y: np.ndarray = Y, weight: np.ndarray | None = None, cost: np.ndarray | None = None) -> FitTask:
    return FitTask(np.zeros((len(y), 1)), y, np.arange(len(y)), np.arange(0), 0, weight, cost)


def test_labels_within_the_band_are_flat_and_the_rest_have_a_side() -> None:
    found = targets_of(member_loss(CLASSES, task_of(), ROWS), task_of(), ROWS)
    assert found.label.tolist() == [-1, -1, 0, 0, 0, 0, 1, 1, 1, 1]
    assert found.relative is None
    assert found.cost.tolist() == [0.0] * 10
    sign = replace(CLASSES, class_band=0.0)
    assert targets_of(member_loss(sign, task_of(), ROWS), task_of(), ROWS).label.tolist() == [-1, -1, -1, 0, 1, 1, 1, 1, 1, 1]


def test_losses_without_classes_read_the_label_itself() -> None:
    task = task_of(weight=np.arange(1.0, 11.0))
    loss = member_loss(HUBER, task, ROWS)
    assert loss.margin == 1.0
    found = targets_of(loss, task, ROWS)
    assert np.array_equal(found.label, Y)
    assert found.relative is not None
    np.testing.assert_allclose(found.relative, np.arange(1.0, 11.0) / 5.5)


def test_the_margin_makes_flat_as_likely_at_zero_as_its_share_by_hand() -> None:
    # four of ten rows are flat, half a row of eleven more for safety: 4.5 / 11; its chance at an output of 0 is tanh(margin / 2)
    loss = member_loss(CLASSES, task_of(), ROWS)
    assert math.tanh(loss.margin / 2) == pytest.approx(4.5 / 11)
    assert math.exp(-mean_loss(np.zeros(1), targets_of(loss, task_of(np.zeros(1)), np.arange(1)), loss)) == pytest.approx(4.5 / 11)
    weighted = task_of(weight=np.array([1, 1, 5, 1, 1, 1, 1, 1, 1, 1.0]))  # flat rows count 8 of 14
    assert math.tanh(member_loss(CLASSES, weighted, ROWS).margin / 2) == pytest.approx((8 / 14 * 10 + 0.5) / 11)


@pytest.mark.parametrize(("y", "flat"), [(np.full(40, 2.0), 0.5 / 41), (np.zeros(40), 40.5 / 41)])
def test_classes_that_never_occur_stay_possible(y: np.ndarray, flat: float) -> None:
    for training in (CLASSES, replace(CLASSES, class_weights="balanced")):
        loss = member_loss(training, task_of(y), np.arange(40))
        assert math.tanh(loss.margin / 2) == pytest.approx(flat)
        assert loss.class_weights.tolist() == [1, 1, 1]
        assert math.isfinite(mean_loss(np.zeros(3), targets_of(loss, task_of(np.array([-1.0, 0, 1])), np.arange(3)), loss))


def test_balanced_classes_have_equal_says_by_hand() -> None:
    loss = member_loss(replace(CLASSES, class_weights="balanced"), task_of(), ROWS)
    np.testing.assert_allclose(loss.class_weights, [10 / 6, 10 / 12, 10 / 12])  # of ten rows two, four and four
    assert math.tanh(loss.margin / 2) == pytest.approx((10 / 3 + 0.5) / 11)  # flat counts a third
    found = targets_of(loss, task_of(), ROWS)
    assert found.relative is not None
    np.testing.assert_allclose([found.relative[found.label == one].sum() for one in (-1, 0, 1)], 10 / 3)
    few = targets_of(loss, task_of(), np.array([0, 3]))  # of other rows the same weights, over their own mean
    assert few.relative is not None
    np.testing.assert_allclose(few.relative, [4 / 3, 2 / 3])
    assert targets_of(loss, task_of(), np.arange(0)).label.size == 0


def test_balanced_classes_count_rows_by_their_weights() -> None:
    task = task_of(weight=np.array([3, 3, 1, 1, 1, 1, 1, 1, 1, 1.0]))  # down counts 6 of 14
    loss = member_loss(replace(CLASSES, class_weights="balanced"), task, ROWS)
    np.testing.assert_allclose(loss.class_weights, [14 / 18, 14 / 12, 14 / 12])
    found = targets_of(loss, task, ROWS)
    assert found.relative is not None
    np.testing.assert_allclose([found.relative[found.label == one].sum() for one in (-1, 0, 1)], 10 / 3)


def test_the_mean_loss_of_balanced_classes_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y, output = rng.standard_normal(400) + 0.4, rng.standard_normal(400)
    task, rows = task_of(y), np.arange(400)
    loss = member_loss(replace(CLASSES, class_weights="balanced"), task, rows)
    found = targets_of(loss, task, rows)
    up, down = 1 / (1 + np.exp(loss.margin - 2 * output)), 1 / (1 + np.exp(loss.margin + 2 * output))
    probabilities = np.column_stack([down, 1 - up - down, up])
    weight = compute_sample_weight("balanced", found.label)
    assert mean_loss(output, found, loss) == pytest.approx(log_loss(found.label, probabilities, sample_weight=weight, labels=[-1, 0, 1]))


def test_the_mean_loss_weighs_rows_by_hand() -> None:
    task = task_of(np.array([0.0, 2.0]), weight=np.array([1.0, 3.0]))
    loss = member_loss(replace(HUBER, loss="mse"), task, np.arange(2))
    assert mean_loss(np.array([1.0, 1.0]), targets_of(loss, task, np.arange(2)), loss) == pytest.approx((1 + 3) / 4)
    assert mean_loss(np.array([3.0, 1.0]), targets_of(loss, task, np.arange(2)), loss) == pytest.approx((9 + 3) / 4)


def test_a_utility_reads_what_each_row_costs() -> None:
    task = task_of(np.array([1.0, -1.0, 2.0]), cost=np.array([0.1, np.nan, 0.4]))
    loss = member_loss(UTILITY, task, np.array([0, 2]))
    found = targets_of(loss, task, np.array([0, 2]))
    assert found.cost.tolist() == [0.1, 0.4]
    position, paid = 0.5, math.sqrt(0.5**2 + 0.01**2) - 0.01
    by_hand = [-0.5 + 0.1 * paid + 0.25 * 0.25, -1.0 + 0.4 * paid + 0.25 * 1.0]
    assert mean_loss(np.full(2, math.atanh(position)), found, loss) == pytest.approx(sum(by_hand) / 2)


def test_a_utility_without_known_costs_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        targets_of(member_loss(UTILITY, task_of(), ROWS), task_of(), ROWS)
    assert refused.value.path == "training.loss"
    assert "round_trip" in (refused.value.suggestion or "")


def test_the_terms_of_a_population_are_a_column_for_each_member() -> None:
    focal = replace(CLASSES, loss="focal", focal_gamma=1.5)
    terms = loss_terms([MemberLoss(focal, 0.5, np.ones(3)), MemberLoss(focal, 0.8, np.ones(3))], "cpu", torch.float32)
    assert terms.kind == "focal"
    torch.testing.assert_close(terms.margin, torch.tensor([[0.5], [0.8]]))
    assert terms.gamma.tolist() == [[1.5], [1.5]]
    assert terms.risk_aversion.tolist() == [[0.0], [0.0]]


def test_costs_are_round_trips_in_units_of_the_label_and_at_most_three(xor_plan: Plan) -> None:
    n = 30
    rows = np.arange(n)
    scale = np.full(n, 0.02)
    scale[3], scale[4] = np.nan, 1e-6
    value = np.where(np.isnan(scale), np.nan, 0.5)
    series = LabelSeries(value, rows + 1, rows + 1, rows + 1, np.ones(n, dtype=bool), scale)
    whole = StrategyTask(np.zeros((n, 2)), {xor_plan.labels: series}, rows[:20], rows[20:], n + 5, 0)
    assert fit_task(xor_plan, whole).cost is None
    cost = fit_task(xor_plan, replace(whole, round_trip=0.003)).cost
    assert cost is not None
    np.testing.assert_allclose(cost[[0, 1, 2, 5]], 0.15)
    assert np.isnan(cost[3])
    assert cost[4] == 3.0
    by_bar = fit_task(xor_plan, replace(whole, round_trip=np.linspace(0.001, 0.03, n))).cost
    assert by_bar is not None
    np.testing.assert_allclose(by_bar[[0, 29]], [0.05, 1.5])
