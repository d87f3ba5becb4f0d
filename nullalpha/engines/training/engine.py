"""Which engine moves a population: tensors anywhere, or compiled loops on a CPU."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Literal, Protocol, cast

from nullalpha.core.errors import UsageError
from nullalpha.engines.training.epochs import Epochs
from nullalpha.engines.training.member import Member
from nullalpha.engines.training.placement import Placement
from nullalpha.engines.training.population import FitTask
from nullalpha.engines.training.tensor_epochs import TensorEpochs
from nullalpha.strategy.plan import Plan

EngineName = Literal["auto", "tensor", "fused"]
ENGINES: tuple[EngineName, ...] = ("auto", "tensor", "fused")
_FUSED = "nullalpha.engines.training.fused.epochs"


class _Fused(Protocol):
    """What the module of compiled loops offers; it is imported by name where it is chosen, as fitting runs without numba."""

    def supports(self, plan: Plan) -> bool: ...

    def FusedEpochs(self, members: Sequence[tuple[Plan, FitTask]], n_threads: int) -> Epochs: ...  # noqa: N802


def engine_for(plan: Plan, name: EngineName, place: Placement) -> EngineName:
    """Return `tensor` or `fused` for a plan.

    Args:
        plan: of the members.
        name: `auto` takes compiled loops, in float32, on a CPU where numba is installed, they know the plan's kind and no precision is
            asked for but float32; else tensors.
        place: where, and in which precision: `auto` stands as `Placement.asked`.

    Raises:
        UsageError: if `fused` is asked for and cannot be.
    """
    if name not in ENGINES:
        raise UsageError(f"engine {name!r} is not known", path="engine", value=name, suggestion=f"use {', '.join(ENGINES)}")
    if name == "tensor":
        return "tensor"
    hindrance = _hindrance(plan, place)
    if hindrance and name == "fused":
        raise UsageError(f"engine 'fused' {hindrance}", path="engine", value=name, suggestion="use auto or tensor")
    return "tensor" if hindrance else "fused"


def epochs_of(members: Sequence[Member], engine: EngineName, place: Placement, n_threads: int) -> Epochs:
    """Return an engine over members of one shape, as `engine_for` chose it."""
    if engine == "fused":
        return _fused().FusedEpochs([(member.plan, member.task) for member in members], n_threads)
    return TensorEpochs(members, place)


def _hindrance(plan: Plan, place: Placement) -> str:
    if not place.on_cpu:
        return f"runs on a CPU, not on {place.device!r}"
    if place.asked not in ("auto", "float32"):
        return f"computes in float32, not in {place.asked}"
    try:
        fused = _fused()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "numba":
            raise
        return "needs numba, which is not installed"
    return "" if fused.supports(plan) else f"knows no {plan.model} of this make"


def _fused() -> _Fused:
    return cast(_Fused, importlib.import_module(_FUSED))
