"""Models fitted a second: a population by tensors and by compiled loops, beside a plain torch loop over models in two processes.

What a fit is, and what the peer does, is written down in `training_peers.py`; every candidate starts from the same numbers, sees the same
batches and must end at the same stopping losses. Times are of whole fits, data preparation and stopping losses included, compilation over
before the first; candidates take turns, and ratios compare fastest turns. Below the comparison: how the engines scale with models and
threads, and the memory that a process needs more while it fits many. With a GPU, `training_gpu.py` adds what it makes of 4,096 models.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._machine import machine  # noqa: E402
from benchmarks.training_gpu import GpuRow, gpu_table, measure_gpu  # noqa: E402
from benchmarks.training_peers import Size, jobs_of, peer_fit  # noqa: E402
from nullalpha.core.errors import NullAlphaError  # noqa: E402
from nullalpha.engines.training.engine import EngineName  # noqa: E402
from nullalpha.engines.training.fit import FitJob, fit_many  # noqa: E402
from nullalpha.strategy.plan import ModelKind  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "training.json"
PEER = "torch loop, 2 processes"
KINDS: tuple[ModelKind, ...] = ("fuzzy_mlp", "anfis", "fuzzy_gru", "fuzzy_lstm")
MOST_APART = 0.005
"""Largest difference of a stopping loss allowed: of a Huber loss near 0.1."""


@dataclass(frozen=True)
class Scale:
    """How much of everything a run measures.

    Attributes:
        sizes: of a fit, by kind.
        n_models: that the compared candidates fit, by kind.
        scaling: models of the runs that show scaling.
        scaling_epochs: of each of those fits.
        n_in_memory: models whose memory is measured.
        repeats: turns of each candidate.
    """

    sizes: dict[ModelKind, Size]
    n_models: dict[ModelKind, int]
    scaling: tuple[int, ...]
    scaling_epochs: int
    n_in_memory: int
    repeats: int


DENSE, RECURRENT = Size(5_000, 1_000, 50), Size(2_000, 500, 20)
SCALES = {
    "full": Scale(
        sizes={"fuzzy_mlp": DENSE, "anfis": DENSE, "fuzzy_gru": RECURRENT, "fuzzy_lstm": RECURRENT},
        n_models={"fuzzy_mlp": 16, "anfis": 16, "fuzzy_gru": 8, "fuzzy_lstm": 8},
        scaling=(1, 8, 64, 256),
        scaling_epochs=5,
        n_in_memory=256,
        repeats=3,
    ),
    "short": Scale(
        sizes=dict.fromkeys(KINDS, Size(400, 100, 2)),
        n_models=dict.fromkeys(KINDS, 2),
        scaling=(1, 2),
        scaling_epochs=1,
        n_in_memory=2,
        repeats=1,
    ),
}


@dataclass(frozen=True)
class Row:
    """What one candidate reached on one kind of model.

    Attributes:
        models_per_second: by its fastest turn.
        faster: that over the peer's.
        apart: largest difference of a stopping loss from the peer's.
    """

    kind: ModelKind
    candidate: str
    n_models: int
    epochs: int
    median_ms: float
    best_ms: float
    models_per_second: float
    faster: float
    apart: float


@dataclass(frozen=True)
class ScalingRow:
    """Fuzzy MLPs a second, each of so many epochs, by how many are fitted at once and by how many threads."""

    engine: EngineName
    n_models: int
    n_threads: int
    epochs: int
    models_per_second: float


@dataclass(frozen=True)
class MemoryRow:
    """MiB by which a process' greatest resident size grows while it fits fuzzy MLPs, with the tasks' own arrays."""

    candidate: str
    n_models: int
    mib: float
    task_mib: float


def ours(jobs: Sequence[FitJob], engine: EngineName, n_threads: int) -> list[float]:
    """Return the stopping losses of fits by one of our engines; tensors on a CPU take one thread whatever they are given.

    Raises:
        SystemExit: if one cannot be fitted.
    """
    losses = []
    for result in fit_many(jobs, engine=engine, n_threads=n_threads):
        if isinstance(result, NullAlphaError):
            raise SystemExit(f"{engine}: {result}")
        losses.append(result.stop_loss)
    return losses


def in_turn(candidates: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each candidate's turns; what slows the machine for a while slows them all."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, fit in candidates.items():
            start = time.perf_counter()
            fit()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def measure(kind: ModelKind, scale: Scale, peers: ProcessPoolExecutor) -> list[Row]:
    """Time all candidates on one kind of model.

    Raises:
        SystemExit: if a candidate's stopping losses are not the peer's.
    """
    size = scale.sizes[kind]
    jobs = jobs_of(kind, size, scale.n_models[kind])
    candidates: dict[str, Callable[[], list[float]]] = {
        PEER: lambda: list(peers.map(peer_fit, jobs)),
        "tensors": lambda: ours(jobs, "tensor", 1),
        "compiled, 1 thread": lambda: ours(jobs, "fused", 1),
        "compiled, 2 threads": lambda: ours(jobs, "fused", 2),
    }
    losses = {name: np.array(fit()) for name, fit in candidates.items()}
    apart = {name: float(np.abs(its - losses[PEER]).max()) for name, its in losses.items()}
    for name, distance in apart.items():
        if not distance <= MOST_APART:
            raise SystemExit(f"{kind}: stopping losses of {name!r} differ by {distance:g} from those of {PEER!r}")
    times = in_turn(candidates, scale.repeats)
    return [
        Row(
            kind,
            name,
            len(jobs),
            size.epochs,
            1e3 * statistics.median(seconds),
            1e3 * min(seconds),
            len(jobs) / min(seconds),
            min(times[PEER]) / min(seconds),
            apart[name],
        )
        for name, seconds in times.items()
    ]


def measure_scaling(scale: Scale) -> list[ScalingRow]:
    """Time fuzzy MLPs by both engines, by how many there are and how many threads."""
    size = Size(scale.sizes["fuzzy_mlp"].n_train, scale.sizes["fuzzy_mlp"].n_stop, scale.scaling_epochs)
    ways: list[tuple[EngineName, int]] = [("tensor", 1), *(("fused", n) for n in sorted({1, 2, os.cpu_count() or 1}))]
    rows = []
    for n_models in scale.scaling:
        jobs = jobs_of("fuzzy_mlp", size, n_models)
        times = in_turn({f"{engine} {n}": partial(ours, jobs, engine, n) for engine, n in ways}, scale.repeats)
        rows += [ScalingRow(engine, n_models, n, size.epochs, n_models / min(times[f"{engine} {n}"])) for engine, n in ways]
    return rows


def measure_memory(scale: Scale) -> list[MemoryRow]:
    """Measure how much more memory a fresh process needs while it fits."""
    size = Size(scale.sizes["fuzzy_mlp"].n_train, scale.sizes["fuzzy_mlp"].n_stop, 1)
    rows = []
    for candidate in ("tensor", "fused", "torch loop"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            mib = process.submit(_memory, candidate, size, scale.n_in_memory).result()
        task = jobs_of("fuzzy_mlp", size, 1)[0].task
        rows.append(MemoryRow(candidate, scale.n_in_memory, mib, scale.n_in_memory * (task.x.nbytes + task.y.nbytes) / 2**20))
    return rows


def _memory(candidate: str, size: Size, n_models: int) -> float:
    """Return MiB by which this process' greatest size grows over the fits, after one fit alone."""

    def fit(jobs: Sequence[FitJob]) -> None:
        if candidate == "torch loop":
            for job in jobs:
                peer_fit(job)
        else:
            ours(jobs, "tensor" if candidate == "tensor" else "fused", 2)

    fit(jobs_of("fuzzy_mlp", size, 1))
    before = _greatest_size()
    fit(jobs_of("fuzzy_mlp", size, n_models))
    return (_greatest_size() - before) / 2**20


def _greatest_size() -> int:
    """Return bytes; of Linux' own count, as `ru_maxrss` outlives exec, and elsewhere of `resource`."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _one_thread() -> None:
    torch.set_num_threads(1)


def table(rows: Sequence[Row], scaling: Sequence[ScalingRow], memory: Sequence[MemoryRow]) -> str:
    """Return the rows as text, one a line."""
    lines = [f"{'model':<12}{'candidate':<26}{'models':>7}{'epochs':>7}{'best ms':>11}{'models/s':>10}{'x peer':>8}{'apart':>10}"]
    for r in rows:
        lines.append(
            f"{r.kind:<12}{r.candidate:<26}{r.n_models:>7}{r.epochs:>7}{r.best_ms:>11.0f}{r.models_per_second:>10.2f}{r.faster:>8.1f}{r.apart:>10.0e}"
        )
    lines += ["", f"{'fuzzy_mlp by':<14}{'models':>7}{'threads':>9}{'epochs':>8}{'models/s':>11}"]
    lines += [f"{s.engine:<14}{s.n_models:>7}{s.n_threads:>9}{s.epochs:>8}{s.models_per_second:>11.1f}" for s in scaling]
    lines += ["", f"{'fuzzy_mlp by':<14}{'models':>7}{'MiB':>9}{'tasks MiB':>11}"]
    lines += [f"{m.candidate:<14}{m.n_models:>7}{m.mib:>9.0f}{m.task_mib:>11.0f}" for m in memory]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Populations of models against a plain torch loop in one run.")
    parser.add_argument("--size", choices=tuple(SCALES), default="full", help="short: does it run, do results agree; writes no result file")
    parser.add_argument("--output", type=Path, help=f"result file (default {RESULT.relative_to(ROOT)})")
    given = parser.parse_args(arguments)
    scale = SCALES[given.size]
    output = given.output or (RESULT if given.size == "full" else None)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=_one_thread) as peers:
        rows = [row for kind in KINDS for row in measure(kind, scale, peers)]
    scaling, memory = measure_scaling(scale), measure_memory(scale)
    gpu: list[GpuRow] = measure_gpu(short=given.size == "short") if torch.cuda.is_available() else []
    print(table(rows, scaling, memory))
    if gpu:
        print(gpu_table(gpu))
    if output is not None:
        result = {
            "benchmark": "training",
            "repeats": scale.repeats,
            "machine": machine(("numpy", "numba", "torch")),
            "rows": [asdict(row) for row in rows],
            "scaling": [asdict(row) for row in scaling],
            "memory": [asdict(row) for row in memory],
            "gpu": [asdict(row) for row in gpu],
        }
        output.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {output}")


if __name__ == "__main__":
    main()
