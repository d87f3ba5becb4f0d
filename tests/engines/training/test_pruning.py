from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.engines.training.elimination import Rules, eliminate
from nullalpha.engines.training.labels import LabelSeries
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.predict import predict_output, predict_output_at
from nullalpha.engines.training.pruning import PruningReport, prune_rules, prune_strategy
from nullalpha.engines.training.tasks import StrategyTask, fit_task, part_task
from nullalpha.strategy.plan import Condition, MemberPlan, Plan, RouterPlan, SetPlan

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
ENTRIES = (0.1, -0.1)


def _is(index: int) -> Condition:
    return Condition("is", index)


def _not(condition: Condition) -> Condition:
    return Condition("not", args=(condition,))


def _and(*args: Condition) -> Condition:
    return Condition("and", args=args)


def _weights(plan: Plan, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
    """Weights as a fit might return them: sets as written, linear answers drawn."""
    rng = np.random.default_rng(seed)
    sets = np.full((len(plan.sets), 4), np.nan)
    for row, one in enumerate(plan.sets):
        sets[row, : len(one.params)] = one.params
    return {
        "feature_mean": x.mean(axis=0),
        "feature_scale": x.std(axis=0),
        "sets": sets,
        "coefficients": 0.3 * rng.standard_normal((len(plan.rules), len(plan.features))),
        "bias": rng.standard_normal(len(plan.rules)),
    }


def _without(plan: Plan, weights: dict[str, np.ndarray], left: tuple[int, ...]) -> tuple[Plan, dict[str, np.ndarray]]:
    """The strategy with these rules alone, as if no other had been written."""
    rows = list(left)
    fewer = {name: array[rows] if name in ("coefficients", "bias") else array for name, array in weights.items()}
    return replace(plan, rules=tuple(plan.rules[i] for i in rows)), fewer


def _grid_plan(make_plan: PlanMaker, model: str = "anfis", n_sets: int = 3, **training: object) -> Plan:
    """A rule for each pair of sets of two features, and one for what is not low."""
    places = np.linspace(44, 56, n_sets)
    sets = [SetPlan(f, f"at{place:.0f}", "gaussian", (float(place), 3.0)) for f in (0, 1) for place in places]
    rules = [(_and(_is(i), _is(n_sets + j)), (-1.0) ** (i + j) * 0.8) for i in range(n_sets) for j in range(n_sets)]
    return make_plan(sets, [*rules, (_not(_is(0)), 0.3)], model=model, **training)


def test_a_rule_that_never_fires_goes_at_no_cost(make_plan: PlanMaker) -> None:
    # Values from 0 to 1, ten and more widths from the set at 11: its rule's part is below e^-50.
    x = np.linspace(0, 1, 60)[:, None]
    task = FitTask(x, np.where(x[:, 0] > 0.5, 1.0, -1.0), np.arange(40), np.arange(40, 60), 0)
    plan = make_plan(
        [SetPlan(0, "near", "gaussian", (0.5, 1.0)), SetPlan(0, "far", "gaussian", (11.0, 1.0))], [(_is(0), 0.0), (_is(1), 0.0)]
    )
    weights = _weights(plan, 0, x) | {"coefficients": np.array([[1.0], [-5.0]]), "bias": np.array([0.5, 9.0])}
    report = prune_rules(plan, weights, task, ENTRIES)
    assert (report.dropped, report.kept, report.alike) == ((1,), (0,), ())
    whole, one = report.steps
    assert (whole.n_rules, whole.r2, whole.side_agreement) == (2, 1.0, 1.0)
    assert (one.n_rules, one.side_agreement) == (1, 1.0)
    assert one.r2 == pytest.approx(1.0, abs=1e-12)
    assert one.correlation == pytest.approx(1.0, abs=1e-12)
    # What is left is 0.5 + z; huber on the last twenty rows, all labelled 1.
    error = np.abs(0.5 + (x[40:, 0] - x.mean()) / x.std() - 1.0)
    assert report.fidelity.stop_loss == pytest.approx(np.where(error <= 1, error**2 / 2, error - 0.5).mean())
    assert whole.stop_loss == pytest.approx(report.fidelity.stop_loss, rel=1e-9)


def test_the_cost_of_a_rule_by_hand(make_plan: PlanMaker) -> None:
    # A triangle over 0, 2, 4 and its complement, at 1 (half true each) and 2 (only the first true), in turn. Answers 1.0 and -0.5, so
    # plain rules say (0.5 - 0.25) / (1 + 0.25) = 0.2 and 1. Without the second: 0.5 / (0.5 + 0.5) = 0.5 and 1. Without the first:
    # -0.25 / 1 = -0.25 and 0. So the second goes: error 0.3^2 in half the rows, variance 0.4^2.
    x = np.where(np.arange(60) % 2, 2.0, 1.0)[:, None]
    task = FitTask(x, np.ones(60), np.arange(40), np.arange(40, 60), 0)
    plan = make_plan([SetPlan(0, "two", "triangle", (0.0, 2.0, 4.0))], [(_is(0), 1.0), (_not(_is(0)), -0.5)], model="rules", loss="mse")
    report = prune_rules(plan, {}, task, (0.4, None))
    assert report.dropped == (1,)
    assert report.steps[1].r2 == pytest.approx(1 - 0.045 / 0.16, abs=1e-9)
    assert report.steps[1].correlation == pytest.approx(1.0, abs=1e-9)
    # tanh 0.2 is flat, tanh 0.5 = 0.46 is long: they disagree at every other row.
    assert report.steps[1].side_agreement == 0.5
    assert report.steps[0].stop_loss == pytest.approx((0.8**2 + 0) / 2, abs=1e-9)
    assert report.steps[1].stop_loss == pytest.approx((0.5**2 + 0) / 2, abs=1e-9)
    assert report.kept == (0, 1)
    assert report.fidelity == report.steps[0]
    assert prune_rules(plan, {}, task, (0.5, None)).steps[1].side_agreement == 1.0


@pytest.mark.parametrize("model", ["anfis", "rules"])
def test_what_is_left_answers_as_if_nothing_else_had_been_written(model: str, make_plan: PlanMaker, make_task: TaskMaker) -> None:
    task = make_task(1, 300, 80)
    plan = _grid_plan(make_plan, model, loss="mse")
    weights = _weights(plan, 3, task.x) if model == "anfis" else {}
    report = prune_rules(plan, weights, task, ENTRIES)
    assert sorted({*report.dropped, *report.kept}) == list(range(10))
    whole = predict_output(plan, weights, task.x)
    for n_dropped, step in enumerate(report.steps):
        left = tuple(sorted(set(range(10)) - set(report.dropped[:n_dropped])))
        said = predict_output(*_without(plan, weights, left), task.x)
        error = ((said - whole)[:300] ** 2).sum() / ((whole - whole[:300].mean())[:300] ** 2).sum()
        assert step.r2 == pytest.approx(1 - error, abs=1e-9)
        assert step.correlation == pytest.approx(np.corrcoef(said[:300], whole[:300])[0, 1], abs=1e-9)
        sides = [np.where(np.tanh(one[:300]) > 0.1, 1, np.where(np.tanh(one[:300]) < -0.1, -1, 0)) for one in (said, whole)]
        assert step.side_agreement == (sides[0] == sides[1]).mean()
        assert step.stop_loss == pytest.approx(((said - task.y)[300:] ** 2).mean(), rel=1e-9)
    assert report.fidelity.n_rules == len(report.kept)
    assert all(step.r2 < 0.95 or step.side_agreement < 0.98 for step in report.steps[len(report.steps) - len(report.kept) + 1 :])
    assert report.fidelity.r2 >= 0.95
    assert report.fidelity.side_agreement >= 0.98


def test_each_drop_is_the_one_that_changes_least(make_plan: PlanMaker, make_task: TaskMaker) -> None:
    task = make_task(2, 200, 50)
    plan = _grid_plan(make_plan)
    weights = _weights(plan, 4, task.x)
    report, whole = prune_rules(plan, weights, task, ENTRIES), predict_output(plan, weights, task.x[:200])
    left = set(range(10))
    for gone in report.dropped:
        costs = {i: ((predict_output(*_without(plan, weights, tuple(sorted(left - {i}))), task.x[:200]) - whole) ** 2).sum() for i in left}
        assert costs[gone] == pytest.approx(min(costs.values()), rel=1e-9)
        left.remove(gone)


def test_rules_far_weaker_than_one_that_goes_keep_all_their_digits() -> None:
    # In the first row the first rule is e^1000 times as true as the others: without it they share what is said 1 to e^-1.
    log_firing = np.array([[0.0, -3.0], [-1000.0, -1.0], [-1001.0, -2.0]])
    answers = np.array([[5.0, 0.0], [1.0, 1.0], [-1.0, 2.0]])
    without = Rules(False, log_firing, answers).without_each()
    share = 1 / (1 + math.exp(-1))
    assert without[0, 0] == pytest.approx(share - (1 - share), rel=1e-12)
    np.testing.assert_allclose(without[1:, 0], 5.0, rtol=1e-12)
    assert without[0, 1] == pytest.approx(share + 2 * (1 - share), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n_rules=st.integers(1, 7), plain=st.booleans(), spread=st.sampled_from([0.1, 3.0, 400.0]))
def test_every_way_ends_with_one_rule_and_is_always_the_same(seed: int, n_rules: int, plain: bool, spread: float) -> None:
    rng = np.random.default_rng(seed)
    truth = -spread * rng.random((n_rules, 30)) * (rng.random((n_rules, 30)) < 0.8)  # some wholly true
    rules = Rules(plain, truth, rng.standard_normal((n_rules, 30)))
    path, again = eliminate(rules), eliminate(rules)
    assert path.dropped == again.dropped
    assert sorted((*path.dropped, *path.left[-1])) == list(range(n_rules))
    for left, output, same in zip(path.left, path.outputs, again.outputs, strict=True):
        np.testing.assert_array_equal(output, same)
        np.testing.assert_allclose(output, rules.only(left).output(), rtol=1e-9, atol=1e-12)
        assert np.abs(output).max() <= np.abs(rules.answers).max() + 1e-12


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), model=st.sampled_from(["anfis", "rules"]), still=st.booleans())
def test_fidelity_is_one_with_all_rules_and_never_more(
    make_plan: PlanMaker, make_task: TaskMaker, seed: int, model: str, still: bool
) -> None:
    plan, task = _grid_plan(make_plan, model, n_sets=2), make_task(seed, 60, 20)
    weights = _weights(plan, seed, task.x) if model == "anfis" else {}
    if still and weights:
        weights |= {"coefficients": np.zeros_like(weights["coefficients"]), "bias": np.full(5, 0.3)}
    report = prune_rules(plan, weights, task, ENTRIES)
    assert (report.steps[0].r2, report.steps[0].side_agreement) == (1.0, 1.0)
    assert [step.n_rules for step in report.steps] == [5, 4, 3, 2, 1]
    for step in report.steps:
        assert not step.r2 > 1.0
        assert 0 <= step.side_agreement <= 1
        assert math.isnan(step.correlation) or -1 - 1e-9 <= step.correlation <= 1 + 1e-9
    if still and weights:  # every rule says the same, so one says it all
        assert len(report.kept) == 1
    assert prune_rules(plan, weights, task, ENTRIES) == report or any(math.isnan(step.correlation) for step in report.steps)


def test_sets_that_say_the_same_are_named(make_plan: PlanMaker, make_task: TaskMaker) -> None:
    task = make_task(1, 300, 80)
    sets = [
        SetPlan(0, "low", "gaussian", (47.0, 3.0)),
        SetPlan(0, "lowish", "gaussian", (47.1, 3.05)),
        SetPlan(0, "high", "gaussian", (53.0, 3.0)),
        SetPlan(1, "low", "gaussian", (47.0, 3.0)),  # of another feature
    ]
    plan = make_plan(sets, [(_is(i), 0.5) for i in range(4)], model="rules")
    (alike,) = prune_rules(plan, {}, task, ENTRIES).alike
    assert (alike.feature, alike.first, alike.second) == ("x0", "low", "lowish")
    a, b = (np.exp(-0.5 * ((task.x[:300, 0] - centre) / width) ** 2) for centre, width in ((47.0, 3.0), (47.1, 3.05)))
    assert alike.overlap == pytest.approx(np.minimum(a, b).sum() / np.maximum(a, b).sum(), rel=1e-12)


def _series(value: np.ndarray) -> LabelSeries:
    rows = np.arange(len(value))
    return LabelSeries(value, rows, rows + 1, rows + 1, np.ones(len(value), dtype=bool), np.ones(len(value)))


def test_each_part_of_an_ensemble_is_pruned_by_its_own_rules_rows_and_labels(
    make_plan: PlanMaker, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    base = make_task(5, 300, 80)
    anfis, plain, regime = _grid_plan(make_plan), _grid_plan(make_plan, "rules", 2), _grid_plan(make_plan, "rules", 2, loss="mse")
    regime = replace(regime, labels=replace(regime.labels, kind="regime", horizon_bars=3))
    network = make_network("fuzzy_mlp")
    members = (MemberPlan("learned", (0, 1), anfis), MemberPlan("written", (1, 0), plain), MemberPlan("net", (0, 1), network))
    router = RouterPlan(MemberPlan("regime", (0, 1), regime), 0, 1, 0.05, 0.1)
    plan = replace(anfis, rules=(), sets=(), model="ensemble", members=members, router=router)
    other = np.random.default_rng(0).standard_normal(380)
    task = StrategyTask(base.x, {plan.labels: _series(base.y), regime.labels: _series(other)}, np.arange(300), np.arange(300, 380), 379, 1)
    own = _weights(anfis, 6, base.x)
    reports = prune_strategy(plan, {f"member/0/{name}": array for name, array in own.items()}, task)
    assert [report.member for report in reports] == ["learned", "written", "router"]
    decided = (plan.decision.long_above, plan.decision.short_below)
    assert replace(reports[0], member="") == prune_rules(anfis, own, fit_task(anfis, task), decided)
    assert replace(reports[1], member="") == prune_rules(plain, {}, replace(fit_task(plain, task), x=base.x[:, [1, 0]]), decided)
    switching = replace(fit_task(regime, task), y=other)
    assert replace(reports[2], member="") == prune_rules(regime, {}, switching, (0.05, None))
    rows = part_task_rows(plan, task)
    assert reports[2].steps[0].stop_loss == pytest.approx(((predict_output_at(regime, {}, base.x, rows) - other[rows]) ** 2).mean())


def part_task_rows(plan: Plan, task: StrategyTask) -> np.ndarray:
    from nullalpha.engines.training.parts import parts_of

    return part_task(parts_of(plan)[3], task).stop_rows


def test_a_network_has_no_rules_to_prune_and_plain_strategies_one_report(
    make_plan: PlanMaker, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    base, network = make_task(5, 300, 80), make_network("fuzzy_mlp")
    task = StrategyTask(base.x, {network.labels: _series(base.y)}, np.arange(300), np.arange(300, 380), 379, 1)
    assert prune_strategy(network, {}, task) == []
    lone = make_plan([SetPlan(0, "low", "gaussian", (47.0, 3.0))], [(_is(0), 0.5)], model="rules", n_features=2)
    (report,) = prune_strategy(lone, {}, task)
    assert isinstance(report, PruningReport)
    assert (report.dropped, report.kept, len(report.steps)) == ((), (0,), 1)
