"""Where a population lives and in which numbers: its device, its precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nullalpha.core.errors import UsageError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
PrecisionName = Literal["auto", "float64", "float32", "bf16"]
PRECISIONS: tuple[PrecisionName, ...] = ("auto", "float64", "float32", "bf16")


@dataclass(frozen=True)
class Placement:
    """A device, and the precision of what lies there.

    Attributes:
        device: as `choose_device` returns it.
        precision: `bf16` keeps parameters, moments, sets and losses in float32 and takes the products of weights and rows in bfloat16.
        asked: the precision by the name it was asked for, `auto` among them.
    """

    device: str
    precision: PrecisionName
    asked: PrecisionName

    @property
    def dtype(self) -> torch.dtype:
        """The precision of parameters and data."""
        return torch.float64 if self.precision == "float64" else torch.float32

    @property
    def on_cpu(self) -> bool:
        return self.device == "cpu"

    def tensor(self, array: NDArray[np.generic]) -> Tensor:
        """Return an array of numbers on the device in its precision."""
        return torch.as_tensor(array).to(self.dtype).to(self.device)

    def index(self, array: NDArray[np.int64]) -> Tensor:
        """Return an array of indices on the device."""
        return torch.as_tensor(array).to(self.device)

    def products(self) -> AbstractContextManager[object]:
        """Return the context in which products are taken: autocast to bfloat16 where that is the precision."""
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.precision == "bf16")


def choose_device(name: DeviceName = "auto") -> str:
    """Return the device to train on; `auto` is CUDA where there is one, then Apple's, then the CPU.

    Raises:
        UsageError: if the named device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if not there.get(name, False):
        raise UsageError(
            f"device {name!r} is not available here",
            path="device",
            value=name,
            suggestion=f"use auto, {' or '.join(device for device, found in there.items() if found)}",
        )
    return name


def placement(device: str, precision: PrecisionName = "auto") -> Placement:
    """Return a placement; `auto` is float64 for tensors on a CPU, else float32.

    Raises:
        UsageError: if the precision is unknown, the device is not there, or it has no such numbers.
    """
    if precision not in PRECISIONS:
        raise UsageError(
            f"precision {precision!r} is not known", path="precision", value=precision, suggestion=f"use {', '.join(PRECISIONS)}"
        )
    if precision == "float64" and device.startswith("mps"):
        raise UsageError("Apple's GPUs have no float64", path="precision", value=precision, suggestion="use float32 or auto")
    choose_device(cast(DeviceName, device.split(":")[0]))
    chosen: PrecisionName = precision if precision != "auto" else "float64" if device == "cpu" else "float32"
    return Placement(device, chosen, precision)


@contextmanager
def repeatable(place: Placement, deterministic: bool) -> Iterator[None]:
    """Let torch work so that the same operations give the same bits.

    On a CPU it takes one thread, since several split sums in other places, and gain nothing on tensors this small.

    Args:
        place: where.
        deterministic: of other devices, allow only algorithms that give the same bits every time.

    Raises:
        UsageError: on CUDA, where the environment does not say how cuBLAS is to do so.
    """
    if deterministic and place.device.startswith("cuda") and os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in (":4096:8", ":16:8"):
        raise UsageError(
            "deterministic training on CUDA needs the environment variable CUBLAS_WORKSPACE_CONFIG",
            path="deterministic",
            value=os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
            suggestion="set CUBLAS_WORKSPACE_CONFIG=:4096:8 before starting",
        )
    algorithms, n_threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(algorithms or deterministic)
    if place.on_cpu:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(algorithms)
        torch.set_num_threads(n_threads)
