from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from nullalpha.engines.training.baselines import BaselineReport, compare_with_baselines, ridge_prediction
from nullalpha.engines.training.boosting import boosted_chances, boosted_values, logistic_chances
from nullalpha.engines.training.population import FitTask
from nullalpha.strategy.plan import Condition, Plan, SetPlan

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
TREES = {
    "max_iter": 50,
    "max_leaf_nodes": 8,
    "learning_rate": 0.05,
    "min_samples_leaf": 20,  # 5 % of 400 rows
    "l2_regularization": 50.0,
    "early_stopping": False,
}


@pytest.fixture
def make_rules(make_plan: PlanMaker) -> PlanMaker:
    """Plain rules on two features that answer nothing anywhere."""

    def make(**training: object) -> Plan:
        sets = [SetPlan(0, "low", "gaussian", (50.0, 3.0))]
        return make_plan(sets, [(Condition("is", 0), 0.0)], model="rules", n_features=2, **training)

    return make


def _alternating(y: list[float], stop: list[float]) -> FitTask:
    """Rows whose features tell nothing: the same 40 points in the same order for labels of every kind."""
    rows = len(y) + len(stop)
    x = np.column_stack([np.arange(rows) % 2, np.arange(rows) % 3]).astype(np.float64)
    return FitTask(x, np.array(y + stop), np.arange(len(y)), np.arange(len(y), rows), 0)


def _weighted(task: FitTask, seed: int) -> FitTask:
    return replace(task, weight=np.random.default_rng(seed).random(len(task.y)) + 0.1)


def test_losses_of_forecasts_by_hand(make_rules: PlanMaker) -> None:
    # Training labels: 20 x 0.5, 10 x -0.7, so the usual answer is (10 - 7) / 30 = 0.1. Stopping labels: 6 x 0.5, 4 x -1.1.
    task = _alternating([0.5] * 20 + [-0.7] * 10, [0.5] * 6 + [-1.1] * 4)
    report = compare_with_baselines(make_rules(loss="mse"), {}, task)
    assert report.zero_loss == report.model_loss == pytest.approx((6 * 0.25 + 4 * 1.21) / 10)
    assert report.majority_loss == pytest.approx((6 * 0.4**2 + 4 * 1.2**2) / 10)
    assert (report.model_accuracy, report.majority_accuracy, report.n_rows) == (0.0, 0.6, 10)
    huber = compare_with_baselines(make_rules(loss="huber"), {}, task)
    assert huber.majority_loss == pytest.approx((6 * 0.5 * 0.4**2 + 4 * (1.2 - 0.5)) / 10)


def test_losses_of_chances_by_hand(make_rules: PlanMaker) -> None:
    # Training rows: 15 up, 9 down, 6 flat, so the shares are 0.5, 0.3, 0.2. One row more, a third of each class, makes them
    # (15 + 1/3) / 31, (9 + 1/3) / 31, (6 + 1/3) / 31. Stopping rows: 4 up, 4 down, 2 flat.
    task = _alternating([0.8] * 15 + [-0.9] * 9 + [0.1, -0.1] * 3, [0.8] * 4 + [-0.9] * 4 + [0.1] * 2)
    up, down, flat = 46 / 93, 28 / 93, 19 / 93
    plain = compare_with_baselines(make_rules(loss="cross_entropy", class_band=0.2), {}, task)
    assert plain.majority_loss == pytest.approx(-(4 * math.log(up) + 4 * math.log(down) + 2 * math.log(flat)) / 10)
    focal = compare_with_baselines(make_rules(loss="focal", class_band=0.2, focal_gamma=2.0), {}, task)
    terms = [count * (1 - chance) ** 2 * math.log(chance) for count, chance in ((4, up), (4, down), (2, flat))]
    assert focal.majority_loss == pytest.approx(-sum(terms) / 10)
    assert plain.majority_accuracy == 0.5  # of the eight rows that are not flat
    # Output 0: flat as likely as (0.2 x 30 + 0.5) / 31 = 6.5 / 31, the rest halved.
    rest = math.log((1 - 6.5 / 31) / 2)
    assert plain.zero_loss == pytest.approx(-(8 * rest + 2 * math.log(6.5 / 31)) / 10)


def test_balanced_classes_have_an_equal_say_in_what_is_usual(make_rules: PlanMaker) -> None:
    # With balanced weights each class has a third of the training rows' say, so the usual answer is even chances: log 3 for every row.
    task = _alternating([0.8] * 15 + [-0.9] * 9 + [0.1] * 6, [0.8] * 4 + [-0.9] * 4 + [0.1] * 2)
    report = compare_with_baselines(make_rules(loss="cross_entropy", class_band=0.2, class_weights="balanced"), {}, task)
    assert report.majority_loss == pytest.approx(math.log(3))


@pytest.mark.parametrize(
    ("aversion", "position"),
    [
        (0.5, 0.6),  # (0.2 - 0.05) / (0.5 x 0.5), the mean square of the training labels being (20 x 0.5 + 10 x 0.5) / 30 = 0.5
        (0.1, 1.0),  # 0.15 / 0.05 = 3, more than a whole position
        (0.0, 1.0),  # risk costs nothing
    ],
)
def test_utility_of_the_usual_answer_by_hand(aversion: float, position: float, make_rules: PlanMaker) -> None:
    # Labels of +-sqrt(0.5); a mean of 0.2 takes shares (1 +- 0.2 / sqrt(0.5)) / 2, so weights give it exactly.
    size = math.sqrt(0.5)
    up = (1 + 0.2 / size) / 2
    task = _alternating([size] * 20 + [-size] * 10, [size] * 5 + [-size] * 5)
    weight = np.concatenate([np.full(20, up / 20), np.full(10, (1 - up) / 10), np.full(10, 1.0)])
    task = replace(task, weight=weight, cost=np.full(40, 0.05))
    report = compare_with_baselines(make_rules(loss="utility", risk_aversion=aversion), {}, task)
    held = math.sqrt(position**2 + 0.01**2) - 0.01  # what the loss takes for |position|
    gained = [0.5 * aversion * (position * y) ** 2 + 0.05 * held - position * y for y in (size, -size)]
    assert report.majority_loss == pytest.approx(sum(gained) / 2, rel=1e-6)
    assert report.zero_loss == 0.0


def test_a_forecast_that_does_not_pay_its_cost_holds_nothing(make_rules: PlanMaker) -> None:
    task = replace(_alternating([0.5] * 16 + [-0.5] * 14, [0.5] * 5 + [-0.5] * 5), cost=np.full(40, 0.2))
    report = compare_with_baselines(make_rules(loss="utility", risk_aversion=1.0), {}, task)
    assert report.majority_loss == report.zero_loss == 0.0


def test_trees_find_an_exclusive_or_that_a_line_does_not(make_rules: PlanMaker, make_task: TaskMaker) -> None:
    task = make_task(3, 2000, 400)
    for training in ({"loss": "huber"}, {"loss": "cross_entropy"}, {"loss": "focal", "class_band": 0.3, "focal_gamma": 1.0}):
        report = compare_with_baselines(make_rules(**training), {}, task)
        assert report.boosting_loss < 0.8 * report.linear_loss
        assert report.boosting_accuracy > 0.9
        assert report.linear_accuracy < 0.6
        assert any("gradient boosting" in said for said in report.shortfalls)
    utility = compare_with_baselines(make_rules(loss="utility", risk_aversion=0.5), {}, replace(task, cost=np.full(2400, 0.05)))
    assert utility.boosting_loss < -0.4 < utility.linear_loss


@pytest.mark.parametrize("weighted", [False, True])
def test_trees_are_those_of_scikit_learn_where_bins_make_no_difference(weighted: bool) -> None:
    # Features of ten values: their bins are the same whoever cuts them.
    rng = np.random.default_rng(5)
    x, asked = rng.integers(0, 10, (400, 3)).astype(np.float64), rng.integers(0, 10, (50, 3)).astype(np.float64)
    y = x[:, 0] * x[:, 1] / 20 + rng.standard_normal(400)
    weight = rng.random(400) + 0.1 if weighted else None
    found = boosted_values(x, y, weight, asked)
    np.testing.assert_allclose(found, HistGradientBoostingRegressor(**TREES).fit(x, y, sample_weight=weight).predict(asked), rtol=1e-12)
    classes = np.sign(np.round(y - 1))
    peer = HistGradientBoostingClassifier(**TREES).fit(x, classes, sample_weight=weight)
    np.testing.assert_allclose(boosted_chances(x, classes, weight, asked), peer.predict_proba(asked), rtol=1e-12)
    line = LogisticRegression(max_iter=1000).fit(x, classes, sample_weight=weight)
    np.testing.assert_allclose(logistic_chances(x, classes, weight, asked), line.predict_proba(asked), rtol=1e-12)


def test_the_same_rows_give_the_same_bits_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(6)
    x, weight = rng.standard_normal((3000, 5)), rng.random(3000)
    y = x[:, 0] * x[:, 1] + rng.standard_normal(3000)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            found.append(
                [boosted_values(x, y, weight, x), boosted_chances(x, np.sign(y), weight, x), logistic_chances(x, np.sign(y), None, x)]
            )
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_rows_of_one_class_or_without_spread_have_their_answer() -> None:
    x, asked = np.zeros((60, 2)), np.zeros((3, 2))
    for chances in (boosted_chances(x, np.ones(60), None, asked), logistic_chances(x, np.ones(60), None, asked)):
        np.testing.assert_array_equal(chances, [[0, 0, 1]] * 3)
    np.testing.assert_allclose(boosted_values(x, np.repeat([1.0, 2.0], 30), None, asked), 1.5)
    two = boosted_chances(x, np.repeat([-1.0, 1.0], [20, 40]), None, asked)
    np.testing.assert_allclose(two, [[1 / 3, 0, 2 / 3]] * 3, rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.02, 0.98), band=st.sampled_from([0.0, 0.4]))
def test_chances_are_chances_and_losses_are_finite(seed: int, share: float, band: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((90, 2)), np.where(rng.random(90) < share, 1.0, -1.0) * rng.random(90)
    classes = np.where(np.abs(y) > band, np.sign(y), 0.0)
    for chances in (boosted_chances(x, classes, None, x), logistic_chances(x, classes, None, x)):
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, rtol=1e-9)
        assert (chances >= 0).all()
        assert (chances[:, [one not in classes for one in (-1, 0, 1)]] == 0).all()


def test_a_class_that_training_never_saw_costs_a_finite_loss(make_rules: PlanMaker) -> None:
    # 30 up, none flat or down: chances of 1/3 / 31 for what was never seen.
    task = _alternating([0.8] * 30, [0.8] * 5 + [-0.8] * 5)
    report = compare_with_baselines(make_rules(loss="cross_entropy"), {}, task)
    by_hand = -(math.log(91 / 93) + math.log(1 / 93)) / 2
    assert report.majority_loss == report.linear_loss == report.boosting_loss == pytest.approx(by_hand)


def test_weights_count_in_every_baseline(make_rules: PlanMaker, make_task: TaskMaker) -> None:
    plain, weighted = make_task(1, 400, 100), _weighted(make_task(1, 400, 100), 2)
    for training in ({"loss": "mse"}, {"loss": "cross_entropy"}):
        one = compare_with_baselines(make_rules(**training), {}, plain)
        other = compare_with_baselines(make_rules(**training), {}, weighted)
        for name in ("zero_loss", "majority_loss", "linear_loss", "boosting_loss"):
            assert getattr(one, name) != getattr(other, name)
    scaled = replace(weighted, weight=7 * weighted.weight)  # type: ignore[operator]
    assert compare_with_baselines(make_rules(loss="mse"), {}, scaled).boosting_loss == pytest.approx(
        compare_with_baselines(make_rules(loss="mse"), {}, weighted).boosting_loss, rel=1e-9
    )


def test_the_linear_loss_is_that_of_the_ridge_prediction(make_rules: PlanMaker, make_task: TaskMaker) -> None:
    task = _weighted(make_task(4, 300, 80), 3)
    error = ridge_prediction(task) - task.y[task.stop_rows]
    report = compare_with_baselines(make_rules(loss="mse"), {}, task)
    assert task.weight is not None
    assert report.linear_loss == pytest.approx(np.average(error**2, weights=task.weight[task.stop_rows]), rel=1e-9)


GOOD = BaselineReport(0.4, 0.5, 0.5, 0.5, 0.5, 0.6, 0.55, 0.5, 0.5, 100)


def test_every_shortfall_is_said() -> None:
    assert GOOD.beats_all
    assert GOOD.shortfalls == ()
    bad = BaselineReport(0.5, 0.5, 0.49, 0.48, 0.47, 0.5, 0.5, 0.9, 0.9, 100)
    assert bad.shortfalls == (
        "its loss 0.5000 is no lower than 0.5000, that of predicting nothing",
        "its loss 0.5000 is no lower than 0.4900, that of always giving the usual answer",
        "its loss 0.5000 is no lower than 0.4800, that of a linear model",
        "its loss 0.5000 is no lower than 0.4700, that of gradient boosting",
        "it has the direction right in 0.500 of rows, no more than the 0.500 of always naming the usual one",
    )
    assert not replace(GOOD, boosting_loss=0.3).beats_all
    assert replace(GOOD, model_accuracy=math.nan, majority_accuracy=math.nan).beats_all  # no row moved


def test_scikit_learn_is_loaded_only_where_a_comparison_is_made() -> None:
    code = "import nullalpha.engines.training.baselines, nullalpha.engines.training.pruning, sys; print('sklearn' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert ended.stdout.strip() == "False"
