"""Many plans at once: each member becomes what it becomes alone, whatever it is padded to, and the same jobs give the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nullalpha.core.errors import InsufficientBarsError, NullAlphaError, UsageError
from nullalpha.engines.training.engine import engine_for
from nullalpha.engines.training.fit import EpochProgress, FitJob, FitResult, fit_many
from nullalpha.engines.training.grouping import groups_of, job_digest, shape_of
from nullalpha.engines.training.member import member_of
from nullalpha.engines.training.placement import Placement
from nullalpha.engines.training.population import FitTask
from nullalpha.strategy.plan import Condition, Loss, NetworkKind, Plan, SetPlan, Trainable

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]
SHAPES = {
    "gaussian": (48.0, 2.0),
    "bell": (51.0, 2.0, 1.5),
    "sigmoid": (50.0, 0.8),
    "triangle": (44.0, 50.0, 56.0),
    "trapezoid": (43.0, 49.0, 52.0, 57.0),
}


def _sets(names: list[str], n_features: int) -> list[SetPlan]:
    """Sets of the named shapes on the features in turn; of one shape each lies a little higher than the last, slopes alternate."""
    out = []
    for at, name in enumerate(names):
        params = tuple(p + 0.7 * at if p > 10 else p for p in SHAPES[name])
        if name == "sigmoid" and at % 2:
            params = (params[0], -params[1])
        out.append(SetPlan(at % n_features, f"set {at}", name, params))  # type: ignore[arg-type]
    return out


def _is(at: int) -> Condition:
    return Condition("is", at)


def _and(*args: Condition) -> Condition:
    return Condition("and", args=args)


def _not(arg: Condition) -> Condition:
    return Condition("not", args=(arg,))


def _products(n_sets: int, n_rules: int, seed: int) -> list[tuple[Condition, float]]:
    """Rules of two or three sets, some of them negated, one of them twice."""
    rng = np.random.default_rng(seed)
    rules = []
    for rule in range(n_rules):
        chosen = [_is(int(at)) for at in rng.choice(n_sets, min(3, n_sets), replace=False)]
        parts = [_not(one) if rng.random() < 0.4 else one for one in chosen[: 2 + rule % 2]]
        rules.append((_and(*parts, parts[0]) if rule == 0 else _and(*parts), float(rng.uniform(-1, 1))))
    return rules


def _alone(job: FitJob) -> FitResult:
    (result,) = fit_many([job], engine="tensor")
    assert isinstance(result, FitResult)
    return result


def _assert_same(one: FitResult | NullAlphaError, other: FitResult | NullAlphaError, tolerance: float) -> None:
    assert isinstance(one, FitResult)
    assert isinstance(other, FitResult)
    assert (one.best_epoch, one.epochs_run, one.diverged) == (other.best_epoch, other.epochs_run, other.diverged)
    np.testing.assert_allclose(one.history, other.history, rtol=tolerance)
    assert set(one.weights) == set(other.weights)
    for name in one.weights:
        np.testing.assert_allclose(one.weights[name], other.weights[name], rtol=tolerance, atol=tolerance)


def _assert_bits(one: FitResult | NullAlphaError, other: FitResult | NullAlphaError) -> None:
    assert isinstance(one, FitResult)
    assert isinstance(other, FitResult)
    assert np.array_equal(one.history, other.history)
    assert all(np.array_equal(one.weights[name], other.weights[name], equal_nan=True) for name in other.weights)


@pytest.fixture(scope="module")
def anfis_jobs(make_plan: PlanMaker, make_task: TaskMaker) -> list[FitJob]:
    """Of one shape, but each with its own sets, rules, features, rows, rates, schedules and patience."""
    shapes = ["gaussian", "sigmoid", "triangle", "bell", "trapezoid"]
    jobs = []
    for at, (n_sets, n_rules, n_features) in enumerate([(5, 3, 2), (10, 4, 3), (7, 4, 4), (5, 2, 1)]):
        plan = make_plan(
            _sets((shapes * 2)[:n_sets], n_features),
            _products(n_sets, n_rules, at),
            n_features=n_features,
            epochs=7 + at,
            patience=2 + at,
            learning_rate=0.02 + 0.02 * at,
            schedule=("cosine", "constant")[at % 2],
            warmup_epochs=at,
            clip_norm=0.2 + 0.4 * at,
        )
        for n_train in (150 + 200 * at, 333):
            jobs.append(FitJob(plan, make_task(10 + at, n_train, 60, n_features=max(n_features, 2))))
    return [replace(job, task=replace(job.task, x=job.task.x[:, : len(job.plan.features)])) for job in jobs]


def test_anfis_of_different_plans_become_what_they_become_alone(anfis_jobs: list[FitJob]) -> None:
    assert len({shape_of(job.plan) for job in anfis_jobs}) == 1
    together = fit_many(anfis_jobs, engine="tensor")
    assert len({result.epochs_run for result in together if isinstance(result, FitResult)}) > 2
    for job, result in zip(anfis_jobs, together, strict=True):
        _assert_same(result, _alone(job), 1e-9)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "focal", "utility"])
def test_members_differ_in_the_numbers_of_their_loss(loss: Loss, anfis_jobs: list[FitJob]) -> None:
    jobs = []
    for at, job in enumerate(anfis_jobs[:6]):
        weights = ("none", "balanced")[at % 2]
        training = replace(
            job.plan.training,
            loss=loss,
            class_band=0.1 * at,
            class_weights=weights,  # type: ignore[arg-type]
            focal_gamma=1.0 + at,
            risk_aversion=0.5 * at,
            epochs=5,
        )
        cost = np.abs(job.task.y) * 0.01 * at
        jobs.append(FitJob(replace(job.plan, training=training), replace(job.task, cost=cost)))
    for job, result in zip(jobs, fit_many(jobs, engine="tensor"), strict=True):
        _assert_same(result, _alone(job), 1e-9)


@pytest.mark.parametrize(
    ("kind", "trainable", "dropout"),
    [
        ("fuzzy_mlp", ("network",), 0.3),
        ("fuzzy_mlp", ("network", "sets"), 0.0),
        ("fuzzy_gru", ("network", "sets"), 0.2),
        ("fuzzy_lstm", ("network",), 0.0),
    ],
)
def test_networks_over_different_sets_become_what_they_become_alone(
    kind: NetworkKind, trainable: tuple[Trainable, ...], dropout: float, make_network: PlanMaker, make_task: TaskMaker
) -> None:
    base = make_network(kind, hidden=(5, 3), lookback=3, dropout=dropout, trainable=trainable, batch_size=64)
    jobs = []
    for at, n_sets in enumerate((8, 5, 6, 7)):
        names = ["gaussian", "sigmoid", "triangle", "sigmoid", "gaussian", "trapezoid", "sigmoid", "triangle"][:n_sets]
        training = replace(base.training, epochs=4 + at, learning_rate=0.02 * (at + 1), patience=2 + at)
        plan = replace(base, sets=tuple(_sets(names, 2)), training=training)
        jobs.append(FitJob(plan, make_task(20 + at, 90 + 70 * at, 40)))
    assert len({shape_of(job.plan) for job in jobs}) == 1
    for job, result in zip(jobs, fit_many(jobs, engine="tensor"), strict=True):
        _assert_same(result, _alone(job), 1e-7)


def test_rules_with_a_disjunction_go_by_equal_structure(make_plan: PlanMaker, make_task: TaskMaker) -> None:
    # The same structure over other features, set by set: columns are by shape, so the order of the sets may differ.
    either = Condition("or", args=(_is(0), _and(_is(1), _not(_is(2)))))
    first = make_plan([*_sets(["gaussian", "sigmoid", "bell"], 2)], [(either, 0.4), (_is(2), -0.4)], epochs=4)
    moved = Condition("or", args=(_is(1), _and(_is(2), _not(_is(0)))))
    sets = [SetPlan(1, "c", "bell", (49.0, 3.0, 1.0)), SetPlan(1, "a", "gaussian", (52.0, 3.0)), SetPlan(0, "b", "sigmoid", (48.0, -0.5))]
    second = make_plan(sets, [(moved, -0.3), (_is(0), 0.9)], epochs=6, learning_rate=0.05)
    other = make_plan(sets, [(Condition("or", args=(_is(1), _is(2))), -0.3), (_is(0), 0.9)], epochs=3)
    assert shape_of(first) == shape_of(second) != shape_of(other)
    jobs = [FitJob(plan, make_task(30 + at, 200 + 40 * at, 50)) for at, plan in enumerate((first, second, other))]
    for job, result in zip(jobs, fit_many(jobs, engine="tensor"), strict=True):
        _assert_same(result, _alone(job), 1e-9)


def test_sets_that_stay_as_they_are_do_not_keep_rules_apart(make_plan: PlanMaker, make_task: TaskMaker) -> None:
    either = Condition("or", args=(_is(0), _is(1)))
    plans = [
        make_plan(_sets(["gaussian", "sigmoid"], 2), [(either, 0.4), (_is(1), -0.4)], epochs=4, trainable=("consequents",)),
        make_plan(_sets(["bell"], 1), [(_is(0), 0.4), (_not(_is(0)), 0.1)], n_features=2, epochs=5, trainable=("consequents",)),
        make_plan(_sets(["triangle"] * 3, 2), _products(3, 3, 1), n_features=2, epochs=5, trainable=("consequents",)),
    ]
    assert len({shape_of(plan) for plan in plans}) == 1
    jobs = [FitJob(plan, make_task(40 + at, 200, 50)) for at, plan in enumerate(plans)]
    for job, result in zip(jobs, fit_many(jobs, engine="tensor"), strict=True):
        _assert_same(result, _alone(job), 1e-9)


def test_the_same_jobs_give_the_same_bits_in_any_order(anfis_jobs: list[FitJob], make_network: PlanMaker, make_task: TaskMaker) -> None:
    networks = [FitJob(make_network("fuzzy_mlp", epochs=3, dropout=0.2), make_task(seed, 150, 40)) for seed in (1, 2, 3)]
    jobs = [*anfis_jobs, *networks, networks[0]]
    results = fit_many(jobs, engine="tensor")
    order = np.random.default_rng(0).permutation(len(jobs))
    shuffled = fit_many([jobs[at] for at in order], engine="tensor")
    for at, result in zip(order, shuffled, strict=True):
        _assert_bits(result, results[at])


def test_groups_are_of_one_shape_never_twice_as_large_and_of_what_fits(
    make_network: PlanMaker, make_plan: PlanMaker, make_task: TaskMaker, anfis_jobs: list[FitJob]
) -> None:
    task = make_task(1, 100, 30)
    one = make_network("fuzzy_mlp")
    others = [
        make_network("fuzzy_mlp", hidden=(7,)),
        make_network("fuzzy_mlp", dropout=0.1),
        make_network("fuzzy_mlp", batch_size=64),
        make_network("fuzzy_mlp", loss="mse"),
        make_network("fuzzy_mlp", trainable=("network", "sets")),
        make_network("fuzzy_gru"),
        replace(one, sets=one.sets * 2),
    ]
    same = replace(one, sets=one.sets[:3], training=replace(one.training, epochs=99, learning_rate=0.5, schedule="cosine"))
    assert shape_of(same) == shape_of(one)
    assert len({shape_of(plan) for plan in (one, *others)}) == 8
    members = [member_of(plan, task) for plan in (one, *others, same)]
    groups = groups_of(members, [str(at) for at in range(len(members))])
    assert sorted(map(len, groups)) == [1] * 7 + [2]
    assert [0, 8] in groups
    assert groups_of(members, ["x"] * len(members), mixed=True) == [[0, 1, 2, 3, 4, 5, 7, 8, 6]]  # the one that looks back has fewest rows
    # 40,000 rows of 2 + 4 + 4 numbers are 3.2 MB: 671 such members in two parts of 2^30 bytes at most.
    large = member_of(one, make_task(2, 39_900, 100))
    parts = groups_of([large] * 671, [f"{at:03}" for at in range(671)])
    assert [len(part) for part in parts] == [336, 335]


def test_a_digest_tells_every_job_apart_and_nothing_else(make_task: TaskMaker, xor_plan: Plan) -> None:
    task = make_task(1, 60, 20)
    seen: dict[int, bytes] = {}
    first = job_digest(xor_plan, task, seen)
    copied = FitTask(task.x.copy(), task.y.copy(), task.train_rows.copy(), task.stop_rows.copy(), task.seed)
    assert job_digest(replace(xor_plan, name="other", fingerprint="0" * 64), copied, {}) == first
    y = task.y.copy()
    y[3] += 1e-12
    changed = [
        (xor_plan, replace(task, y=y)),
        (xor_plan, replace(task, seed=2)),
        (xor_plan, replace(task, weight=np.ones(80))),
        (xor_plan, replace(task, train_rows=task.train_rows[1:])),
        (replace(xor_plan, training=replace(xor_plan.training, warmup_epochs=1)), task),
        (replace(xor_plan, rules=xor_plan.rules[:3]), task),
    ]
    assert len({first, *(job_digest(plan, one, seen) for plan, one in changed)}) == 7


def test_a_job_that_cannot_be_fitted_says_why_in_its_place_and_stops_no_other(xor_plan: Plan, make_task: TaskMaker) -> None:
    plan = replace(xor_plan, training=replace(xor_plan.training, epochs=2))
    task = make_task(1, 100, 30)
    jobs = [
        FitJob(plan, make_task(2, 29, 50)),
        FitJob(plan, task),
        FitJob(plan, replace(task, x=task.x[:, :1])),
        FitJob(plan, replace(task, train_rows=np.arange(40, 140))),
        FitJob(replace(plan, model="ensemble"), task),
        FitJob(replace(plan, model="rules", trainable=()), task),
    ]
    few, good, narrow, outside, ensemble, rules = fit_many(jobs, engine="tensor")
    assert isinstance(few, InsufficientBarsError)
    assert "task 0 has 29 usable training rows" in few.message
    _assert_bits(good, _alone(jobs[1]))
    for error, words in (
        (narrow, "x of shape (130, 1), not (130, 2)"),
        (outside, "outside its rows 0 to 129"),
        (ensemble, "no single model"),
    ):
        assert isinstance(error, UsageError)
        assert words in error.message
    assert isinstance(rules, FitResult)
    assert rules.history.tolist() == [[rules.train_loss, rules.stop_loss]]
    assert fit_many([]) == []


def test_progress_counts_the_epochs_of_all_groups(xor_plan: Plan, make_network: PlanMaker, make_task: TaskMaker) -> None:
    seen: list[EpochProgress] = []
    jobs = [
        FitJob(replace(xor_plan, training=replace(xor_plan.training, epochs=3)), make_task(1, 100, 30)),
        FitJob(replace(xor_plan, training=replace(xor_plan.training, epochs=5)), make_task(2, 100, 30)),
        FitJob(make_network("fuzzy_mlp", epochs=2), make_task(3, 50, 30)),
    ]
    fit_many(jobs, engine="tensor", progress=seen.append)
    assert [(one.epoch, one.epochs) for one in seen] == [(epoch, 7) for epoch in range(1, 8)]
    assert [one.n_active for one in seen] == [2, 2, 2, 1, 1, 1, 1]


def test_an_engine_or_a_precision_that_is_not_known_or_not_possible_is_a_typed_error(xor_plan: Plan, make_task: TaskMaker) -> None:
    job = FitJob(xor_plan, make_task(1, 60, 20))
    for asked, words in (
        ({"engine": "quick"}, "engine 'quick' is not known"),
        ({"precision": "float16"}, "precision 'float16' is not known"),
        ({"device": "mps", "precision": "float64"}, "no float64"),
        ({"device": "tpu"}, "device 'tpu' is not available"),
        ({"n_threads": 0}, "0 threads cannot fit anything"),
        ({"engine": "fused", "precision": "float64"}, "computes in float32, not in float64"),
    ):
        with pytest.raises(UsageError, match=words):
            fit_many([job], **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="runs on a CPU, not on 'cuda'"):
        engine_for(xor_plan, "fused", Placement("cuda", "float32", "auto"))


@pytest.mark.parametrize("cost", [None, np.nan])
def test_a_utility_without_its_costs_is_refused_in_its_place(cost: float | None, xor_plan: Plan, make_task: TaskMaker) -> None:
    task = make_task(1, 60, 20)
    netted = replace(xor_plan, training=replace(xor_plan.training, loss="utility"))
    costs = None if cost is None else np.where(np.arange(80) == 7, cost, 0.01)
    refused, fitted = fit_many([FitJob(netted, replace(task, cost=costs)), FitJob(xor_plan, task)])
    assert isinstance(refused, UsageError)
    assert f"row {0 if cost is None else 7} has none" in refused.message
    assert isinstance(fitted, FitResult)
