"""A fit that was killed goes on from its checkpoint to the bit; a file that cannot be gone on from is a typed error."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nullalpha.core.errors import ArtifactError, UsageError
from nullalpha.engines.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from nullalpha.engines.training.fit import EpochProgress, FitJob, FitResult, fit_many
from nullalpha.engines.training.generators import generator_states, restore_generators
from nullalpha.engines.training.population import FitTask
from nullalpha.strategy.plan import Plan

PlanMaker = Callable[..., Plan]
TaskMaker = Callable[..., FitTask]

KILLED = """
import pickle, sys
from pathlib import Path
import torch
from nullalpha.engines.training.fit import fit_many
torch.set_num_threads(1)
jobs, engine = pickle.loads(Path(sys.argv[1]).read_bytes())
def tell(report):
    print(report.epoch, flush=True)
    sys.stdin.readline()
fit_many(jobs, engine=engine, progress=tell, checkpoint=Path(sys.argv[2]), checkpoint_seconds=0)
"""


@pytest.fixture
def jobs(xor_plan: Plan, make_network: PlanMaker, make_task: TaskMaker) -> list[FitJob]:
    """Two shapes: rules with trained sets, of which one stops early, and networks that drop units."""
    rules = [replace(xor_plan, training=replace(xor_plan.training, epochs=5, learning_rate=rate, patience=2)) for rate in (0.02, 0.4)]
    networks = [make_network("fuzzy_mlp", epochs=epochs, dropout=0.3, schedule="cosine", warmup_epochs=2) for epochs in (4, 6)]
    return [FitJob(plan, make_task(at, 150 + 20 * at, 40)) for at, plan in enumerate([*rules, *networks])]


def _assert_bits(one: object, other: object) -> None:
    assert isinstance(one, FitResult)
    assert isinstance(other, FitResult)
    assert np.array_equal(one.history, other.history)
    assert (one.best_epoch, one.epochs_run, one.train_loss, one.stop_loss, one.diverged) == (
        other.best_epoch,
        other.epochs_run,
        other.train_loss,
        other.stop_loss,
        other.diverged,
    )
    assert all(np.array_equal(one.weights[name], other.weights[name], equal_nan=True) for name in other.weights)


@pytest.mark.parametrize(("engine", "killed_at"), [("tensor", 3), ("tensor", 8), ("fused", 3)])
def test_a_fit_that_was_killed_goes_on_to_the_bit(engine: str, killed_at: int, jobs: list[FitJob], tmp_path: Path) -> None:
    import pickle

    (tmp_path / "jobs").write_bytes(pickle.dumps((jobs, engine)))
    path = tmp_path / "fit.safetensors"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "jobs"), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == killed_at:
                process.send_signal(signal.SIGKILL)
                break
            process.stdin.write("on\n")
            process.stdin.flush()
    assert process.returncode == -signal.SIGKILL
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []  # nothing half-written

    whole = fit_many(jobs, engine=engine)  # type: ignore[arg-type]
    seen: list[EpochProgress] = []
    resumed = fit_many(jobs, engine=engine, checkpoint=path, progress=seen.append)  # type: ignore[arg-type]
    assert seen[0].epoch == killed_at + 1
    for one, other in zip(resumed, whole, strict=True):
        _assert_bits(one, other)
    assert {one.epochs_run for one in whole if isinstance(one, FitResult)} > {4, 6}

    again: list[EpochProgress] = []
    for one, other in zip(fit_many(jobs, engine=engine, checkpoint=path, progress=again.append), whole, strict=True):  # type: ignore[arg-type]
        _assert_bits(one, other)
    assert again == []  # it was done


def test_a_checkpoint_of_other_jobs_or_another_way_is_refused(jobs: list[FitJob], tmp_path: Path) -> None:
    path = tmp_path / "fit.safetensors"
    fit_many(jobs, engine="tensor", checkpoint=path)
    y = jobs[0].task.y.copy()
    y[0] += 1e-9
    changed = [FitJob(jobs[0].plan, replace(jobs[0].task, y=y)), *jobs[1:]]
    for others, asked in ((changed, {}), (jobs[::-1], {}), (jobs[:-1], {}), (jobs, {"precision": "float32"})):
        with pytest.raises(UsageError, match="is of other jobs, or of these fitted in another way") as caught:
            fit_many(others, engine="tensor", checkpoint=path, **asked)  # type: ignore[arg-type]
        assert caught.value.path == str(path)


def test_a_corrupt_checkpoint_is_named_with_its_fix(jobs: list[FitJob], tmp_path: Path) -> None:
    path = tmp_path / "fit.safetensors"
    fit_many(jobs, engine="tensor", checkpoint=path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 1
    plain = tmp_path / "plain"
    save_file(load_file(path), plain)
    for data in (b"", whole[: len(whole) // 2], b"\x00" * 100, bytes(flipped), plain.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match="is corrupt") as caught:
            fit_many(jobs, engine="tensor", checkpoint=path)
        assert caught.value.path == str(path)
        assert "delete it" in str(caught.value.suggestion)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArtifactError, match="is corrupt"):
        fit_many(jobs, engine="tensor", checkpoint=path)


def test_a_checkpoint_that_cannot_be_written_is_a_typed_error(jobs: list[FitJob], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="no checkpoint can be written to"):
        fit_many(jobs, engine="tensor", checkpoint=tmp_path / "file" / "fit.safetensors")


def test_checkpoints_come_back_as_they_were_and_no_oftener_than_asked(jobs: list[FitJob], tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "one.safetensors"
    result = FitResult({"bias": np.array([1.0, np.nan])}, 2, 5, np.inf, 0.25, True, np.arange(6.0).reshape(3, 2))
    state = {"epoch": np.array(3), "active": np.array([True, False]), "shuffles": np.array([2**64 - 1], dtype=np.uint64)}
    save_checkpoint(path, Checkpoint("a" * 64, [[2, 0], [3]], state, {1: result}))
    found = load_checkpoint(path, "a" * 64)
    assert found is not None
    assert (found.groups, list(found.done)) == ([[2, 0], [3]], [1])
    _assert_bits(found.done[1], result)
    for name, array in state.items():
        np.testing.assert_array_equal(found.state[name], array)
        assert found.state[name].dtype == array.dtype
    assert load_checkpoint(tmp_path / "none", "a" * 64) is None

    rare = tmp_path / "rare.safetensors"
    there: list[bool] = []
    fit_many(jobs, engine="tensor", checkpoint=rare, checkpoint_seconds=3600, progress=lambda _: there.append(rare.exists()))
    assert not any(there)
    assert rare.exists()  # the end is always written


def test_generators_go_on_from_their_states() -> None:
    first = [np.random.default_rng([seed, 1]) for seed in (1, 2)]
    for generator in first:
        generator.permutation(7)
        generator.integers(0, 10, dtype=np.uint32)  # leaves half a draw behind
    second = [np.random.default_rng(0), np.random.default_rng(0)]
    restore_generators(second, generator_states(first))
    for one, other in zip(first, second, strict=True):
        assert one.integers(0, 2**31, 9, dtype=np.uint32).tolist() == other.integers(0, 2**31, 9, dtype=np.uint32).tolist()
        assert one.permutation(50).tolist() == other.permutation(50).tolist()
