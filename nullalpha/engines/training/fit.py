"""Fitting of many models at once: jobs of one shape become one population, whatever plans, folds, instruments and seeds they are of.

What a member becomes does not depend on its companions: it has its own standardisation, seed, shuffles, step count and early stopping, and
padding carries no weight. The same jobs give the same bits, in whatever order they come. Torch and NumPy alone; see `engine` for the
compiled loops that a CPU may use instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nullalpha.core.errors import NullAlphaError, OperationError, UsageError
from nullalpha.core.fingerprint import fingerprint
from nullalpha.engines.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from nullalpha.engines.training.engine import EngineName, engine_for, epochs_of
from nullalpha.engines.training.epochs import State
from nullalpha.engines.training.fit_result import EpochProgress, FitResult, Weights
from nullalpha.engines.training.group_fit import GroupFit
from nullalpha.engines.training.grouping import groups_of, job_digest
from nullalpha.engines.training.member import Member, member_of
from nullalpha.engines.training.memory import is_out_of_memory, release_memory
from nullalpha.engines.training.placement import Placement, PrecisionName, placement, repeatable
from nullalpha.engines.training.population import FitJob, FitTask, require_fittable
from nullalpha.engines.training.predict import predict_output_at
from nullalpha.engines.training.targets import mean_loss
from nullalpha.strategy.plan import Plan

__all__ = ["EpochProgress", "FitJob", "FitResult", "FitTask", "Weights", "fit_many", "fit_population"]

Progress = Callable[[EpochProgress], None]
CHECKPOINT_SECONDS = 30.0


def fit_population(
    plan: Plan,
    tasks: Sequence[FitTask],
    *,
    device: str = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    progress: Progress | None = None,
) -> list[FitResult]:
    """Fit one plan to each task, as `fit_many` does.

    Raises:
        InsufficientBarsError: if a task has too few usable rows.
        UsageError: if the plan is an ensemble (see `ensemble.fit_strategy`), or a task's arrays do not belong together.
        OperationError: if a task does not fit in memory.
    """
    jobs = [FitJob(plan, task) for task in tasks]
    for index, job in enumerate(jobs):
        require_fittable(job, index)
    results = fit_many(jobs, device=device, engine=engine, precision=precision, progress=progress)
    fitted = []
    for result in results:
        if isinstance(result, NullAlphaError):
            raise result
        fitted.append(result)
    return fitted


def fit_many(
    jobs: Sequence[FitJob],
    *,
    device: str = "cpu",
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    n_threads: int | None = None,
    deterministic: bool = False,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> list[FitResult | NullAlphaError]:
    """Fit jobs of any plans but ensembles; each result equals that of fitting its job alone, up to rounding.

    Out of memory, a group of jobs is split in halves that are fitted one after the other.

    Args:
        jobs: plans of kind `rules` have nothing to train, so their losses are those of the rules as written.
        device: as `choose_device` returns it.
        engine: see `engine.engine_for`.
        precision: see `placement.placement`.
        n_threads: of compiled loops; None for as many as torch has. Results do not depend on it.
        deterministic: on CUDA, take only algorithms that give the same bits every time, which costs speed; a CPU always does so.
        progress: told once an epoch.
        checkpoint: a file that holds where the fit stands, written at ends of epochs, and at its end with all results; where it is there
            already, the fit goes on from it, to the bit.
        checkpoint_seconds: between two writings.

    Returns:
        A result for each job in its place; of a job that cannot be fitted, why.

    Raises:
        UsageError: for an engine, precision or checkpoint that does not go with the jobs.
        ArtifactError: if the checkpoint is corrupt.
        StorageFullError: if the disk has no room for it.
    """
    place = placement(device, precision)
    n_threads = torch.get_num_threads() if n_threads is None else n_threads
    if n_threads < 1:
        raise UsageError(f"{n_threads} threads cannot fit anything", path="n_threads", value=n_threads, suggestion="use 1 or more")
    members: dict[int, Member] = {}
    errors: dict[int, NullAlphaError] = {}
    for index, job in enumerate(jobs):
        try:
            require_fittable(job, index)
            members[index] = member_of(job.plan, job.task)
        except NullAlphaError as error:
            errors[index] = error
        except MemoryError:
            errors[index] = _too_large(job.plan, len(job.task.train_rows))
    with repeatable(place, deterministic):
        run = _Run(members, place, engine, n_threads, progress)
        if checkpoint is not None:
            run.go_on_from(checkpoint, checkpoint_seconds)
        run.to_the_end()
    found: dict[int, FitResult | NullAlphaError] = {**errors, **run.done, **run.failed}
    return [found[index] for index in range(len(jobs))]


class _Run:
    """Groups of jobs on their way through, one after the other.

    Attributes:
        done, failed: by job.
    """

    def __init__(self, members: dict[int, Member], place: Placement, engine: EngineName, n_threads: int, progress: Progress | None) -> None:
        self.done: dict[int, FitResult] = {}
        self.failed: dict[int, NullAlphaError] = {}
        self._members = members
        self._place, self._n_threads, self._progress = place, n_threads, progress
        seen: dict[int, bytes] = {}
        digests = {at: job_digest(one.plan, one.task, seen) for at, one in members.items()}
        self._engines = {at: engine_for(one.plan, engine, place) for at, one in members.items() if one.plan.model != "rules"}
        self._jobs = fingerprint([[*sorted(digests.items())], [*sorted(self._engines.items())], place.device, place.precision])
        self._groups: list[list[int]] = []
        for name in ("fused", "tensor"):
            own = [at for at, chosen in self._engines.items() if chosen == name]
            groups = groups_of([members[at] for at in own], [digests[at] for at in own], mixed=name == "fused")
            self._groups += [[own[at] for at in group] for group in groups]
        self._epochs_before = 0
        self._state: State = {}
        self._checkpoint: Path | None = None
        self._written, self._seconds = 0.0, 0.0
        for at, one in members.items():
            if one.plan.model == "rules":
                self.done[at] = _judged(one)

    def go_on_from(self, path: Path, seconds: float) -> None:
        """Take up what a checkpoint holds, if there is one, and write there from now on."""
        self._checkpoint, self._seconds, self._written = path, seconds, time.monotonic()
        found = load_checkpoint(path, self._jobs)
        if found is not None:
            all_epochs = self._epochs_ahead
            self._groups, self._state = found.groups, found.state
            self.done |= found.done
            self._epochs_before = max(0, all_epochs - self._epochs_ahead)

    def to_the_end(self) -> None:
        """Fit every group that is left."""
        while self._groups:
            group = self._groups[0]
            results = self._fit(group)
            self._groups.pop(0)
            self._state = {}
            if results is not None:
                self.done |= dict(zip(group, results, strict=True))
                self._epochs_before += self._most_epochs(group)
            elif len(group) > 1:
                half = (len(group) + 1) // 2
                self._groups[:0] = [group[:half], group[half:]]
            else:
                self.failed[group[0]] = _too_large(self._members[group[0]].plan, len(self._members[group[0]].train_rows))
        self._write()

    def _fit(self, group: list[int]) -> list[FitResult] | None:
        """Return the results of a group; None if memory ran out."""
        try:
            return self._fitted(group)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        release_memory(self._place.device)  # the error is gone by now, and all that its frames held
        return None

    def _fitted(self, group: list[int]) -> list[FitResult]:
        members = [self._members[at] for at in group]
        engine = epochs_of(members, self._engines[group[0]], self._place, self._n_threads)
        fit = GroupFit([member.plan.training for member in members], engine)
        if self._state:
            fit.restore(self._state)
        while fit.learns:
            report = fit.run_epoch()
            if self._checkpoint is not None and time.monotonic() - self._written >= self._seconds:
                self._write(fit)
            if self._progress is not None:
                before, ahead = self._epochs_before, self._epochs_ahead
                self._progress(replace(report, epoch=before + report.epoch, epochs=before + ahead))
        return fit.results()

    def _write(self, fit: GroupFit | None = None) -> None:
        if self._checkpoint is not None:
            groups = [*self._groups, *([at] for at in self.failed)]
            save_checkpoint(self._checkpoint, Checkpoint(self._jobs, groups, {} if fit is None else fit.state(), self.done))
            self._written = time.monotonic()

    @property
    def _epochs_ahead(self) -> int:
        return sum(self._most_epochs(group) for group in self._groups)

    def _most_epochs(self, group: Sequence[int]) -> int:
        return max(self._members[at].plan.training.epochs for at in group)


def _judged(member: Member) -> FitResult:
    """Return plain rules with their losses as written."""
    losses = [
        mean_loss(predict_output_at(member.plan, {}, member.task.x, rows), member.targets(rows), member.loss)
        for rows in (member.train_rows, member.stop_rows)
    ]
    return FitResult(
        weights={},
        best_epoch=0,
        epochs_run=0,
        train_loss=losses[0],
        stop_loss=losses[1],
        diverged=not np.isfinite(losses).all(),
        history=np.array([losses]),
    )


def _too_large(plan: Plan, n_rows: int) -> OperationError:
    smaller = "training.batch_size" if plan.network is None else "training.batch_size, model.hidden or model.lookback"
    return OperationError(
        f"memory runs out fitting {plan.name!r} ({plan.model}, {n_rows} training rows, batches of {plan.training.batch_size}) by itself",
        path="training.batch_size",
        value=plan.training.batch_size,
        suggestion=f"lower {smaller}, give it fewer rows, or end what else holds memory",
    )
