"""What an indicator is: a signature that the language reads, and a computation bound to it. Importing this imports no indicator library."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nullalpha.core.errors import DataError, UsageError, nearest
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.strategy.vocabulary import IndicatorSignature, Parameter, ParameterValue

Parameters = Mapping[str, ParameterValue]
Computation = Callable[[Bars, Parameters], tuple[FloatArray, ...]]

FORGOTTEN = 1e-7
"""What an exponential memory keeps of its seed after a warm-up; a seed is off by a few times its value, so outputs agree to 1e-6."""


@dataclass(frozen=True)
class Indicator:
    """A signature with its computation.

    Attributes:
        signature: name, parameters, outputs, unit and warm-up.
        computation: validated bars and complete parameters in, one (n_bars,) array for each output out, causal.
    """

    signature: IndicatorSignature
    computation: Computation

    def compute(self, bars: Bars, params: Parameters) -> tuple[FloatArray, ...]:
        """Return one (n_bars,) array for each output.

        NaN over exactly the declared warm-up, and wherever the value is undefined (0 / 0); never infinite.

        Args:
            bars: validated bars, whose prices hold no NaN.
            params: parameters by name; those left out take their defaults.

        Raises:
            UsageError: on an unknown parameter or a value out of its range.
            DataError: if the indicator reads volume and some bars have none.
        """
        complete = complete_params(self.signature, params)
        if "volume" in self.signature.inputs:
            _require_volume(self.signature.name, bars)
        warmup = self.signature.warmup_bars(complete)
        if len(bars) <= warmup:
            return tuple(np.full(len(bars), np.nan) for _ in self.signature.outputs)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            columns = self.computation(bars, complete)
        return tuple(_masked(column, warmup) for column in columns)


def _masked(column: FloatArray, warmup: int) -> FloatArray:
    out = np.where(np.isfinite(column), column, np.nan)
    out[:warmup] = np.nan
    return out


def complete_params(signature: IndicatorSignature, params: Parameters) -> dict[str, ParameterValue]:
    """Return all parameters in canonical order.

    Raises:
        UsageError: on an unknown parameter, or a value out of its range or of the wrong kind.
    """
    known = [parameter.name for parameter in signature.parameters]
    for name in params:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"indicator {signature.name!r} has no parameter {name!r}",
                path=name,
                value=name,
                suggestion=f"did you mean {near!r}?" if near else f"it has: {', '.join(known)}",
            )
    complete = {parameter.name: params.get(parameter.name, parameter.default) for parameter in signature.parameters}
    for parameter in signature.parameters:
        _require_in_range(signature.name, parameter, complete[parameter.name])
    return complete


def _require_in_range(indicator: str, parameter: Parameter, value: ParameterValue) -> None:
    if parameter.low <= value <= parameter.high and (not parameter.integer or float(value).is_integer()):
        return
    kind = "a whole number" if parameter.integer else "a number"
    raise UsageError(
        f"{indicator}.{parameter.name} is {value}; it must be {kind} from {parameter.low} to {parameter.high}",
        path=parameter.name,
        value=value,
        suggestion=f"use {parameter.default}, the default",
    )


def _require_volume(indicator: str, bars: Bars) -> None:
    missing = int(np.isnan(bars.volume).sum())
    if missing:
        what = "has no volume" if missing == len(bars) else f"has no volume at {missing} of {len(bars)} bars"
        raise DataError(
            f"instrument {bars.instrument} {what}, which indicator {indicator!r} needs",
            path=f"{indicator}.volume",
            value=bars.instrument,
            suggestion="use an indicator that reads prices alone",
        )


def period_of(params: Parameters) -> int:
    """Return the parameter `period`."""
    return int(params["period"])


def period(default: int, low: int = 2, high: int = 250) -> Parameter:
    """Return the parameter `period`, in bars."""
    return Parameter("period", default, low, high)


def wilder_memory(bars: float) -> int:
    """Return the bars after which Wilder's average (weight 1 / bars) has forgotten its seed."""
    return math.ceil(math.log(FORGOTTEN) / math.log1p(-1 / bars))


def ema_memory(bars: float) -> int:
    """Return the bars after which an exponential average (weight 2 / (bars + 1)) has forgotten its seed."""
    return wilder_memory((bars + 1) / 2)
