from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from nullalpha.core.errors import ArtifactError, InsufficientBarsError, UsageError
from nullalpha.core.fingerprint import derive_seed
from nullalpha.data.bars import Bars
from nullalpha.engines.training import ensemble as strategies
from nullalpha.engines.training import fit
from nullalpha.engines.training.baselines import compare_with_baselines
from nullalpha.engines.training.ensemble import StrategyTask, fit_task, label_plans
from nullalpha.engines.training.fit import EpochProgress
from nullalpha.engines.training.labels import LabelSeries, make_labels
from nullalpha.engines.training.parts import parts_of
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.predict import predict_output, predict_output_at, predict_signal, router_weight
from nullalpha.engines.training.rulebook import describe_rules, describe_sets
from nullalpha.engines.training.weights import weights_from_bytes, weights_to_bytes
from nullalpha.strategy.plan import Condition, FeaturePlan, LabelPlan, MemberPlan, Plan, RouterPlan, RulePlan

fit_population = partial(fit.fit_population, engine="tensor")
fit_strategy = partial(strategies.fit_strategy, engine="tensor")

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
REGIME = LabelPlan("regime", 5, 20, regime_of="volatility")


@pytest.fixture
def members(xor_plan: Plan, make_network: PlanMaker) -> tuple[MemberPlan, MemberPlan]:
    """An anfis on features 0 and 1 of three, and a GRU on features 2 and 0."""
    anfis = replace(xor_plan, training=replace(xor_plan.training, epochs=4))
    return MemberPlan("crossing", (0, 1), anfis), MemberPlan("remembering", (2, 0), make_network("fuzzy_gru", lookback=3, epochs=3))


@pytest.fixture
def ensemble(xor_plan: Plan, members: tuple[MemberPlan, MemberPlan]) -> Plan:
    features = tuple(FeaturePlan(f"x{i}", "rsi", (("period", 14),), "rsi", "1d") for i in range(3))
    return replace(xor_plan, features=features, sets=(), rules=(), model="ensemble", trainable=(), members=members)


@pytest.fixture
def routed(ensemble: Plan, make_network: PlanMaker) -> Plan:
    regime = MemberPlan("", (1, 2), replace(make_network("fuzzy_mlp", epochs=2), labels=REGIME))
    return replace(ensemble, router=RouterPlan(regime, above=1, below=0, threshold=0.05, softness=0.2))


def _series(y: np.ndarray, event: np.ndarray | None = None, ahead: int = 1) -> LabelSeries:
    rows = np.arange(len(y))
    events = np.ones(len(y), dtype=bool) if event is None else event
    return LabelSeries(y, rows + 1, rows + ahead, rows + ahead, events, np.ones(len(y)))


def _task(make_task: TaskMaker, seed: int, *plans: LabelPlan) -> StrategyTask:
    """A planted exclusive-or for the first labels, the size of a feature for the others."""
    base = make_task(seed, 300, 100, n_features=3)
    series = [_series(base.y), *(_series(np.clip((base.x[:, 1] - 50) / 3, -3, 3)) for _ in plans[1:])]
    return StrategyTask(base.x, dict(zip(plans, series, strict=True)), base.train_rows, base.stop_rows, 400, seed)


def test_a_plan_without_members_gets_what_its_population_gets_to_the_bit(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(xor_plan, training=replace(xor_plan.training, epochs=3))
    bases = [make_task(1, 300, 100), make_task(2, 200, 50)]
    tasks = [
        StrategyTask(base.x, {plan.labels: _series(base.y, ahead=0)}, base.train_rows, base.stop_rows, len(base.y), base.seed)
        for base in bases
    ]
    for one, other in zip(fit_strategy(plan, tasks), fit_population(plan, bases), strict=True):
        assert np.array_equal(one.history, other.history)
        assert all(np.array_equal(one.weights[name], other.weights[name], equal_nan=True) for name in other.weights)
        assert one.parts == {}
    assert label_plans(plan) == (plan.labels,)


def test_members_are_fitted_as_if_alone_and_the_ensemble_answers_their_mean(ensemble: Plan, make_task: TaskMaker) -> None:
    tasks = [_task(make_task, seed, ensemble.labels) for seed in (1, 2)]
    results = fit_strategy(ensemble, tasks)
    for task, result in zip(tasks, results, strict=True):
        assert set(result.parts) == {"member/0", "member/1"}
        outputs = []
        for index, member in enumerate(ensemble.members):
            seed = derive_seed(task.seed, f"member/{index}")
            alone = FitTask(
                task.x[:, list(member.columns)], task.labels[ensemble.labels].value, np.arange(299), np.arange(300, 399), seed
            )  # the labels of rows 299 and 399 reach into what follows
            (own,) = fit_population(member.plan, [alone])
            np.testing.assert_allclose(result.parts[f"member/{index}"].history, own.history, rtol=1e-9)
            for name in own.weights:
                np.testing.assert_allclose(result.weights[f"member/{index}/{name}"], own.weights[name], rtol=1e-7, atol=1e-9)
            outputs.append(predict_output(member.plan, own.weights, alone.x))
        found = predict_output(ensemble, result.weights, task.x)
        assert np.flatnonzero(np.isnan(found)).tolist() == [0, 1]  # where the member that looks back three rows has no answer
        np.testing.assert_allclose(found[2:], (outputs[0] + outputs[1])[2:] / 2, rtol=1e-6)
        np.testing.assert_array_equal(predict_signal(ensemble, result.weights, task.x), np.tanh(found))


def test_a_router_weighs_its_members_by_a_regime_model_with_labels_of_its_own(routed: Plan, make_task: TaskMaker) -> None:
    assert label_plans(routed) == (routed.labels, REGIME)
    assert [part.prefix for part in parts_of(routed)] == ["member/0", "member/1", "router"]
    task = _task(make_task, 3, routed.labels, REGIME)
    (result,) = fit_strategy(routed, [task])
    crossing, remembering, regime = (
        predict_output(part.plan, part.weights(result.weights), part.features(task.x)) for part in parts_of(routed)
    )
    assert np.corrcoef(regime, task.labels[REGIME].value)[0, 1] > 0.5
    say = 1 / (1 + np.exp(-(np.tanh(regime) - 0.05) / 0.2))
    np.testing.assert_allclose(
        predict_output(routed, result.weights, task.x)[2:], (say * remembering + (1 - say) * crossing)[2:], rtol=1e-9
    )
    hard = replace(routed, router=replace(routed.router, softness=0.0))  # type: ignore[type-var]
    chosen = np.where(np.tanh(regime) > 0.05, remembering, crossing)
    np.testing.assert_array_equal(predict_output(hard, result.weights, task.x)[2:], chosen[2:])


def test_the_say_of_a_member_by_hand(routed: Plan) -> None:
    assert routed.router is not None
    signals = np.array([0.05, 0.25, -0.15, 1.0, np.nan])
    soft = router_weight(routed.router, signals)
    np.testing.assert_allclose(soft[:4], [0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1)), 1 / (1 + np.exp(-4.75))], rtol=1e-12)
    assert np.isnan(soft[4])
    hard = router_weight(replace(routed.router, softness=0.0), signals)
    np.testing.assert_array_equal(hard, [0.5, 1.0, 0.0, 1.0, np.nan])
    assert np.isfinite(router_weight(replace(routed.router, softness=1e-9), np.array([-1.0, 1.0]))).all()


def test_a_bar_whose_regime_is_unknown_has_no_answer(routed: Plan, make_task: TaskMaker) -> None:
    task = _task(make_task, 4, routed.labels, REGIME)
    (result,) = fit_strategy(routed, [task])
    for column, gone in ((1, [50]), (0, [50, 51, 52])):  # of the regime model; of both members, one of which looks back
        x = task.x.copy()
        x[50, column] = np.nan
        found = predict_signal(routed, result.weights, x)
        assert np.flatnonzero(np.isnan(found)).tolist() == [0, 1, *gone]


def test_an_ensembles_own_figures_are_those_of_what_it_answers(routed: Plan, make_task: TaskMaker) -> None:
    task = _task(make_task, 5, routed.labels, REGIME)
    (result,) = fit_strategy(routed, [task])
    whole = fit_task(routed, task)
    assert whole.train_rows.tolist() == list(range(2, 299))  # the first two have no complete window, the last label reaches row 300
    error = np.abs(predict_output(routed, result.weights, task.x) - whole.y)
    loss = np.where(error <= 1, 0.5 * error**2, error - 0.5)
    assert result.train_loss == pytest.approx(loss[2:299].mean(), rel=1e-9)
    assert result.stop_loss == pytest.approx(loss[300:399].mean(), rel=1e-9)
    report = compare_with_baselines(routed, result.weights, whole)
    assert report.model_loss == pytest.approx(result.stop_loss, rel=1e-9)
    assert report.n_rows == 99
    assert result.epochs_run == max(part.epochs_run for part in result.parts.values()) == 4
    assert result.best_epoch == max(part.best_epoch for part in result.parts.values())
    assert result.history.shape == (0, 2)
    assert not result.diverged
    rows = np.array([120, 77, 300])
    whole_output = predict_output(routed, result.weights, task.x)
    np.testing.assert_allclose(predict_output_at(routed, result.weights, task.x, rows), whole_output[rows], rtol=1e-12)


def test_a_part_that_diverges_makes_the_ensemble_diverge(ensemble: Plan, make_task: TaskMaker) -> None:
    broken = tuple(replace(m, plan=replace(m.plan, training=replace(m.plan.training, loss="mse"))) for m in ensemble.members)
    task = _task(make_task, 6, ensemble.labels)
    y = task.labels[ensemble.labels].value.copy()
    y[5] = 1e200  # its square is infinite
    results = fit_strategy(replace(ensemble, members=broken), [replace(task, labels={ensemble.labels: _series(y)}), task])
    assert [result.diverged for result in results] == [True, False]


def test_weights_of_an_ensemble_come_back_from_bytes_and_must_fit(routed: Plan, make_task: TaskMaker) -> None:
    task = _task(make_task, 7, routed.labels, REGIME)
    (result,) = fit_strategy(routed, [task])
    again = weights_from_bytes(weights_to_bytes(result.weights))
    np.testing.assert_array_equal(predict_signal(routed, again, task.x), predict_signal(routed, result.weights, task.x))
    assert {"member/0/bias", "member/1/recurrent_state", "router/hidden_0_weight"} < set(again)
    with pytest.raises(ArtifactError, match="do not fit"):
        predict_signal(routed, {name: array for name, array in again.items() if not name.startswith("router/")}, task.x)
    with pytest.raises(ArtifactError, match="do not fit"):
        predict_signal(routed, {**again, "member/2/bias": np.zeros(4)}, task.x)


def test_progress_counts_the_epochs_of_all_parts(routed: Plan, make_task: TaskMaker) -> None:
    seen: list[EpochProgress] = []
    fit_strategy(routed, [_task(make_task, 8, routed.labels, REGIME)], progress=seen.append)
    assert [(one.epoch, one.epochs) for one in seen] == [(epoch, 9) for epoch in range(1, 10)]


def test_rules_and_sets_are_described_with_the_member_they_are_of(routed: Plan, make_task: TaskMaker) -> None:
    plain = replace(
        routed.members[0].plan, model="rules", trainable=(), rules=(RulePlan(Condition("is", 0), -1.0, "if x0 is low then short 1.0"),)
    )
    plan = replace(routed, members=(*routed.members, MemberPlan("plain", (2, 1), plain)), router=None)
    task = _task(make_task, 9, plan.labels)
    (result,) = fit_strategy(plan, [task])
    rules = describe_rules(plan, result.weights, task.x)
    assert [rule.member for rule in rules] == ["crossing"] * 4 + ["plain"]
    assert rules[4].text == "if x0 is low then short 1.0"
    own = describe_rules(plan.members[0].plan, result.parts["member/0"].weights, task.x[:, [0, 1]])
    assert [rule.firing_share for rule in rules[:4]] == [rule.firing_share for rule in own]
    sets = describe_sets(plan, result.weights, task.x, np.arange(20, 60))
    assert [influence.member for influence in sets] == ["remembering"] * 4
    assert describe_sets(plan.members[0].plan, result.parts["member/0"].weights, task.x[:, [0, 1]], np.arange(5)) == []
    assert describe_rules(plan.members[1].plan, result.parts["member/1"].weights, task.x[:, [2, 0]]) == []


def test_rows_are_kept_that_are_events_with_complete_windows_and_labels_that_end_in_time(make_network: PlanMaker) -> None:
    plan = make_network("fuzzy_gru", lookback=3)
    x = np.zeros((60, 2))
    x[10] = np.nan
    y, event = np.zeros(60), np.ones(60, dtype=bool)
    y[20], event[30] = np.nan, False
    task = StrategyTask(x, {plan.labels: _series(y, event, ahead=4)}, np.arange(40), np.arange(45, 55), 56, 0)
    kept = fit_task(plan, task)
    assert kept.train_rows.tolist() == [row for row in range(2, 40) if row not in (10, 11, 12, 20, 30)]
    assert kept.stop_rows.tolist() == list(range(45, 52))  # row 52 reaches the price of row 56
    assert kept.weight is None
    early = replace(task, stop_rows=np.arange(38, 55))
    assert fit_task(plan, early).train_rows.max() == 33
    assert plan.lookback == 3


def test_sampling_and_uniqueness_change_what_is_learned_as_weighting_by_hand_does(xor_plan: Plan, make_task: TaskMaker) -> None:
    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(1).standard_normal(900)))
    time = np.datetime64("2020-01-01T21", "ns") + np.arange(900) * np.timedelta64(1, "D")
    bars = Bars("TEST", "1d", time, close, close, close, close, np.full(900, np.nan))
    labels = LabelPlan("triple_barrier", 8, 20, 0.6, cusum=1.0, weights="uniqueness")
    x = make_task(1, 800, 100).x
    x[:, 0] += 2 * np.nan_to_num(make_labels(labels, bars, "close").value)  # so that there is something to learn
    plan = replace(xor_plan, labels=labels, training=replace(xor_plan.training, epochs=4))

    def fitted(one: LabelPlan) -> dict[str, np.ndarray]:
        task = StrategyTask(x, {one: make_labels(one, bars, "close")}, np.arange(650), np.arange(660, 880), 890, 5)
        return fit_strategy(replace(plan, labels=one), [task])[0].weights

    series = make_labels(labels, bars, "close")
    train = np.flatnonzero(series.event & np.isfinite(series.value) & (series.end_row < 660) & (np.arange(900) < 650))
    stop = np.flatnonzero(series.event & (series.end_row < 890) & (np.arange(900) >= 660) & (np.arange(900) < 880))
    weight = np.zeros(900)
    for rows in (train, stop):
        holds = [(np.arange(900) >= row + 2) & (np.arange(900) <= series.end_row[row]) for row in rows]
        weight[rows] = [(1 / np.sum(holds, axis=0)[own]).mean() for own in holds]
    assert 50 < len(train) < 500
    assert weight[train].min() < 0.8 < weight[train].max()
    by_hand = fit_population(plan, [FitTask(x, series.value, train, stop, 5, weight)])[0].weights
    found = fitted(labels)
    for name in found:
        np.testing.assert_allclose(found[name], by_hand[name], rtol=1e-9, atol=1e-12)
    for other in (replace(labels, cusum=0.0), replace(labels, weights="none")):
        assert np.abs(fitted(other)["coefficients"] - found["coefficients"]).max() > 1e-3


def test_many_strategies_at_once_become_what_each_becomes_alone_and_one_that_fails_stops_no_other(
    routed: Plan, ensemble: Plan, xor_plan: Plan, make_task: TaskMaker
) -> None:
    plain = replace(xor_plan, features=ensemble.features, training=replace(xor_plan.training, epochs=3))
    short = replace(_task(make_task, 9, plain.labels), train_rows=np.arange(20))
    wanted = [
        (routed, [_task(make_task, seed, routed.labels, REGIME) for seed in (1, 2)]),
        (plain, [_task(make_task, 3, plain.labels), short]),
        (ensemble, [_task(make_task, 4, ensemble.labels)]),
        (ensemble, []),
        (plain, [_task(make_task, 5, plain.labels)]),
    ]
    found = strategies.fit_strategies(wanted, engine="tensor")
    error = found[1]
    assert isinstance(error, InsufficientBarsError)
    assert error.message.startswith("task 1 has 20 usable training rows")
    assert found[3] == []
    for at in (0, 2, 4):
        results = found[at]
        assert isinstance(results, list)
        for one, alone in zip(results, fit_strategy(*wanted[at]), strict=True):
            assert set(one.parts) == set(alone.parts)
            assert one.stop_loss == pytest.approx(alone.stop_loss, rel=1e-9)
            assert one.epochs_run == alone.epochs_run
            for name in alone.weights:
                np.testing.assert_allclose(one.weights[name], alone.weights[name], rtol=1e-7, atol=1e-9)


def test_too_few_rows_and_a_population_of_ensembles_are_typed_errors(ensemble: Plan, xor_plan: Plan, make_task: TaskMaker) -> None:
    task = _task(make_task, 1, ensemble.labels)
    with pytest.raises(InsufficientBarsError, match="task 1 has 28 usable training rows of 28"):
        fit_strategy(ensemble, [task, replace(task, train_rows=np.arange(30))])
    with pytest.raises(UsageError, match="an ensemble is no single model"):
        fit_population(ensemble, [make_task(1, n_features=3)])
    assert fit_strategy(ensemble, []) == []
