"""Fitting of strategies: the models of all of them, ensembles' parts among them, as one batch of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nullalpha.core.errors import NullAlphaError
from nullalpha.data.bars import IntArray
from nullalpha.engines.training.engine import EngineName
from nullalpha.engines.training.fit import CHECKPOINT_SECONDS, FitJob, FitResult, Progress, Weights, fit_many
from nullalpha.engines.training.parts import label_plans, parts_of
from nullalpha.engines.training.placement import PrecisionName
from nullalpha.engines.training.population import FitTask, require_rows, usable_rows
from nullalpha.engines.training.predict import predict_output_at
from nullalpha.engines.training.targets import mean_loss, member_loss, targets_of
from nullalpha.engines.training.tasks import StrategyTask, fit_task, part_task
from nullalpha.strategy.plan import Plan

__all__ = ["StrategyTask", "fit_strategies", "fit_strategy", "fit_task", "label_plans"]


def fit_strategy(
    plan: Plan,
    tasks: Sequence[StrategyTask],
    *,
    device: str = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    progress: Progress | None = None,
) -> list[FitResult]:
    """Fit a strategy to each task; see `fit_strategies`.

    Raises:
        InsufficientBarsError: if a task has too few usable rows for a model or, in an ensemble, for its whole.
        UsageError, OperationError: as `fit_population` does.
    """
    (results,) = fit_strategies([(plan, tasks)], device=device, engine=engine, precision=precision, progress=progress)
    if isinstance(results, NullAlphaError):
        raise results
    return results


def fit_strategies(
    strategies: Sequence[tuple[Plan, Sequence[StrategyTask]]],
    *,
    device: str = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    n_threads: int | None = None,
    deterministic: bool = False,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> list[list[FitResult] | NullAlphaError]:
    """Fit strategies of any kind, each to its tasks (folds x instruments), all their models as one batch.

    Args:
        strategies: plans with their tasks.
        device, engine, precision, n_threads, deterministic, progress, checkpoint, checkpoint_seconds: as of `fit.fit_many`.

    Returns:
        For each plan its results in the order of its tasks; of one with a task that cannot be fitted, why.

    Raises:
        UsageError, ArtifactError, StorageFullError: as `fit.fit_many` does.
    """
    prepared = [_prepared(plan, tasks) for plan, tasks in strategies]
    jobs = [job for one in prepared if isinstance(one, list) for job in one]
    fitted = iter(
        fit_many(
            jobs,
            device=device,
            engine=engine,
            precision=precision,
            n_threads=n_threads,
            deterministic=deterministic,
            progress=progress,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
        )
    )
    return [
        one if isinstance(one, NullAlphaError) else _results(plan, tasks, [next(fitted) for _ in one])
        for (plan, tasks), one in zip(strategies, prepared, strict=True)
    ]


def _prepared(plan: Plan, tasks: Sequence[StrategyTask]) -> list[FitJob] | NullAlphaError:
    """Return the jobs of a strategy, part by part and task by task; or why it has none."""
    try:
        whole = [fit_task(plan, task) for task in tasks]
        for index, one in enumerate(whole):
            require_rows(one, index, plan.lookback)
        if not plan.members:
            return [FitJob(plan, one) for one in whole]
        jobs = []
        for part in parts_of(plan):
            for index, task in enumerate(tasks):
                own = part_task(part, task)
                require_rows(own, index, part.plan.lookback)
                jobs.append(FitJob(part.plan, own))
        return jobs
    except NullAlphaError as error:
        return error


def _results(plan: Plan, tasks: Sequence[StrategyTask], fitted: Sequence[FitResult | NullAlphaError]) -> list[FitResult] | NullAlphaError:
    found: list[FitResult] = []
    for result in fitted:
        if isinstance(result, NullAlphaError):
            return result
        found.append(result)
    if not plan.members:
        return found
    prefixes = [part.prefix for part in parts_of(plan)]
    return [
        _ensemble_result(plan, fit_task(plan, task), {prefix: found[part * len(tasks) + at] for part, prefix in enumerate(prefixes)})
        for at, task in enumerate(tasks)
    ]


def _ensemble_result(plan: Plan, task: FitTask, parts: Mapping[str, FitResult]) -> FitResult:
    weights = {f"{prefix}/{name}": array for prefix, result in parts.items() for name, array in result.weights.items()}
    return FitResult(
        weights=weights,
        best_epoch=max(result.best_epoch for result in parts.values()),
        epochs_run=max(result.epochs_run for result in parts.values()),
        train_loss=_loss_at(plan, weights, task, task.train_rows),
        stop_loss=_loss_at(plan, weights, task, task.stop_rows),
        diverged=any(result.diverged for result in parts.values()),
        history=np.zeros((0, 2)),
        parts=parts,
    )


def _loss_at(plan: Plan, weights: Weights, task: FitTask, rows: IntArray) -> float:
    loss = member_loss(plan.training, task, usable_rows(task, task.train_rows, plan.lookback))
    return mean_loss(predict_output_at(plan, weights, task.x, rows), targets_of(loss, task, rows), loss)
