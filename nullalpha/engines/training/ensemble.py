"""Fitting of any strategy: one model, or an ensemble's parts one after the other, each a population of its own over the same tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from nullalpha.data.bars import IntArray
from nullalpha.engines.training.fit import EpochProgress, FitResult, Weights, fit_population
from nullalpha.engines.training.losses import mean_loss
from nullalpha.engines.training.parts import label_plans, parts_of
from nullalpha.engines.training.population import FitTask, relative_weights, require_rows
from nullalpha.engines.training.predict import predict_output_at
from nullalpha.engines.training.tasks import StrategyTask, fit_task, part_task
from nullalpha.strategy.plan import Plan

__all__ = ["StrategyTask", "fit_strategy", "fit_task", "label_plans"]

Progress = Callable[[EpochProgress], None]


def fit_strategy(plan: Plan, tasks: Sequence[StrategyTask], *, device: str = "cpu", progress: Progress | None = None) -> list[FitResult]:
    """Fit a strategy to each task, all tasks of one model together.

    Args:
        plan: of any kind. A plan that is no ensemble gets what `fit_population` makes of its tasks.
        tasks: folds x instruments.
        device: as `choose_device` returns it.
        progress: told once an epoch; an ensemble's epochs count over all its parts, one after the other.

    Raises:
        InsufficientBarsError: if a task has too few usable rows for a model or, in an ensemble, for its whole.
    """
    whole = [fit_task(plan, task) for task in tasks]
    if not plan.members:
        return fit_population(plan, whole, device=device, progress=progress)
    for index, task in enumerate(whole):
        require_rows(task, index, plan.lookback)
    fitted: dict[str, list[FitResult]] = {}
    parts = parts_of(plan)
    n_epochs = [part.plan.training.epochs for part in parts]
    for at, part in enumerate(parts):
        told = None if progress is None else _offset(progress, sum(n_epochs[:at]), sum(n_epochs))
        fitted[part.prefix] = fit_population(part.plan, [part_task(part, task) for task in tasks], device=device, progress=told)
    return [_ensemble_result(plan, task, {prefix: results[i] for prefix, results in fitted.items()}) for i, task in enumerate(whole)]


def _offset(progress: Progress, before: int, epochs: int) -> Progress:
    return lambda report: progress(replace(report, epoch=before + report.epoch, epochs=epochs))


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
    output = predict_output_at(plan, weights, task.x, rows)
    return mean_loss(output, task.y[rows], plan.training.loss, relative_weights(task, rows))
