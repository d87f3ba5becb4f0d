"""4,096 fuzzy MLPs at once on a CUDA device: models a second, how busy it is, and how far from what its memory and arithmetic allow.

Operations and bytes are counted from the shapes (`work_of`), not measured; the limits are measured in the same run: a product of large
matrices in the same precision, and a copy of a gigabyte. The slower of the two, at the counted work, is the roofline.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from benchmarks.training_peers import BATCH, HIDDEN, N_SETS, Size, jobs_of
from nullalpha.core.errors import NullAlphaError
from nullalpha.engines.training.fit import fit_many
from nullalpha.engines.training.placement import PrecisionName

PRECISIONS: tuple[PrecisionName, ...] = ("float32", "bf16")
SIZE, SHORT = Size(5_000, 1_000, 10), Size(400, 100, 2)
N_MODELS, N_SHORT = 4_096, 64
_MATRIX, _COPIED = 8_192, 2**30


@dataclass(frozen=True)
class GpuRow:
    """What one precision reached.

    Attributes:
        seconds: of all fits, preparation on the host included.
        utilisation: mean share of the time in which the device ran a kernel, as its driver samples it; None where nothing could be asked.
        operations, traffic: counted, of all fits, floating-point operations and bytes.
        peak_operations, peak_traffic: measured, a second.
        of_roofline: the time that the roofline needs over the time taken.
        peak_memory_mib: that the device's allocator held at most.
        worst_loss: largest stopping loss of all models: a NaN would show here.
    """

    device: str
    precision: PrecisionName
    n_models: int
    epochs: int
    seconds: float
    models_per_second: float
    utilisation: float | None
    operations: float
    traffic: float
    peak_operations: float
    peak_traffic: float
    of_roofline: float
    peak_memory_mib: float
    worst_loss: float


def measure_gpu(*, short: bool) -> list[GpuRow]:
    """Fit the population in each precision.

    Raises:
        SystemExit: if a model cannot be fitted.
    """
    size, n_models = (SHORT, N_SHORT) if short else (SIZE, N_MODELS)
    jobs = jobs_of("fuzzy_mlp", size, n_models)
    rows = []
    for precision in PRECISIONS:
        fit_many(jobs[:16], device="cuda", precision=precision)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        with _Utilisation() as busy:
            start = time.perf_counter()
            results = fit_many(jobs, device="cuda", precision=precision)
            seconds = time.perf_counter() - start
        losses = []
        for result in results:
            if isinstance(result, NullAlphaError):
                raise SystemExit(f"cuda, {precision}: {result}")
            losses.append(result.stop_loss)
        operations, traffic = work_of(size, n_models, 2 if precision == "bf16" else 4)
        peak_operations, peak_traffic = _peak_operations(precision), _peak_traffic()
        least = max(operations / peak_operations, traffic / peak_traffic)
        rows.append(
            GpuRow(
                device=torch.cuda.get_device_name(),
                precision=precision,
                n_models=n_models,
                epochs=size.epochs,
                seconds=seconds,
                models_per_second=n_models / seconds,
                utilisation=busy.mean,
                operations=operations,
                traffic=traffic,
                peak_operations=peak_operations,
                peak_traffic=peak_traffic,
                of_roofline=least / seconds,
                peak_memory_mib=torch.cuda.max_memory_allocated() / 2**20,
                worst_loss=max(losses),
            )
        )
    return rows


def work_of(size: Size, n_models: int, number_bytes: int) -> tuple[float, float]:
    """Return the floating-point operations and bytes that the fits need at least.

    Operations: two for each weight and row forward, two for its slope, two for the slope of its input but in the first layer; stopping
    rows forward alone. Bytes: each row's memberships read once, each layer's values written and read once forward and once back, in the
    products' precision; parameters, gradient and both moments read and written once a step, in float32. What a perfect kernel would keep
    on the chip (all of a row's values) is counted as traffic all the same: the batch of all models is far larger than any cache.
    """
    layers = [N_SETS, *HIDDEN["fuzzy_mlp"], 1]
    weights = [one * other for one, other in pairwise(layers)]
    by_row = 6 * sum(weights) - 2 * weights[0]
    operations = size.epochs * (size.n_train * by_row + size.n_stop * 2 * sum(weights))
    values = N_SETS + 4 * sum(layers[1:])
    steps = -(-size.n_train // BATCH)
    parameters = sum(weights) + sum(layers[1:])
    traffic = size.epochs * ((size.n_train * values + size.n_stop * sum(layers)) * number_bytes + steps * 8 * parameters * 4)
    return float(n_models * operations), float(n_models * traffic)


def gpu_table(rows: Sequence[GpuRow]) -> str:
    """Return the rows as text, one a line."""
    lines = [
        "",
        f"{'device':<24}{'precision':<10}{'models':>7}{'epochs':>7}{'seconds':>9}{'models/s':>10}{'busy':>7}{'roofline':>10}{'MiB':>9}",
    ]
    for r in rows:
        busy = "-" if r.utilisation is None else f"{r.utilisation:.0%}"
        lines.append(
            f"{r.device[:23]:<24}{r.precision:<10}{r.n_models:>7}{r.epochs:>7}{r.seconds:>9.2f}{r.models_per_second:>10.0f}{busy:>7}"
            f"{r.of_roofline:>10.1%}{r.peak_memory_mib:>9.0f}"
        )
    return "\n".join(lines)


class _Utilisation:
    """Asks the driver's own tool five times a second how busy the device is.

    Attributes:
        mean: 0..1, once it is left; None where the tool is not there or said nothing.
    """

    def __init__(self) -> None:
        self.mean: float | None = None
        self._asking: subprocess.Popen[str] | None = None

    def __enter__(self) -> _Utilisation:
        command = [
            "nvidia-smi",
            "--query-gpu=utilization.gpu",
            "--format=csv,noheader,nounits",
            f"--id={torch.cuda.current_device()}",
            "-lms",
            "200",
        ]
        try:
            self._asking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except FileNotFoundError:
            self._asking = None
        return self

    def __exit__(self, *error: object) -> None:
        if self._asking is None:
            return
        self._asking.terminate()
        said, _ = self._asking.communicate()
        samples = [float(line) for line in said.split() if line.replace(".", "").isdigit()]
        self.mean = sum(samples) / len(samples) / 100 if samples else None


def _peak_operations(precision: PrecisionName) -> float:
    """Return floating-point operations a second of a product of large matrices, as torch is set to take it."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(_MATRIX, _MATRIX, device="cuda", dtype=dtype) for _ in range(2))
    return 2 * _MATRIX**3 / _seconds(lambda: torch.mm(one, other))


def _peak_traffic() -> float:
    """Return bytes a second, read and written, of a copy on the device."""
    one = torch.empty(_COPIED, dtype=torch.uint8, device="cuda")
    other = torch.empty_like(one)
    return 2 * _COPIED / _seconds(lambda: other.copy_(one))


def _seconds(work: Callable[[], object]) -> float:
    """Return the fastest of ten turns, by the device's own clock."""
    best = float("inf")
    for _ in range(10):
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        stop.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(stop) / 1e3)
    return best
