"""What an indicator is: a signature that the language reads, and one computation that serves all rows at once and one row at a time.

To write one, choose how its values depend on the past:

- On the last `warmup_bars` + 1 rows alone (stability `windowed`): give `Indicator` a plain function `(columns, params) -> outputs`. Build
  it of `nullalpha.engines.features.rolling`: rolling_sum, rolling_mean, rolling_std, rolling_moments, rolling_max, rolling_min,
  rolling_rank, rolling_quantile, rolling_line (mean, slope, rsquare), rolling_cross (correlation, slope), rolling_absolute_deviation,
  rolling_weighted_mean, rolling_since_max, rolling_since_min, lagged. Those give NaN for a window that holds a NaN and let no other row
  matter.
- On a state that goes on from row to row (`fading`, `converging`): give it `Recursion(step, n_state)`, where `step(columns, params, state)`
  returns the outputs of the rows it is handed and leaves in `state` (float64 zeros before the first row) what the next call goes on from.
  Build it of `nullalpha.engines.features.kernels` (ema, wilder, rsi, macd, atr, adx, each with its `..._STATE` size; a composition hands
  out slices of its state) and of element-wise arithmetic; a look at an earlier row belongs into a kernel's state. A row that holds a NaN
  must give NaN and clear the state, as the kernels do. `front` is a windowed function that makes what `step` reads, and `front_bars` the
  rows before its own that a row of it needs.

`columns` are the arrays of `signature.inputs`, in that order; of a series operator (`signature.series` not empty, `inputs` empty), the
series it is applied to (`series_operator` makes one). Outputs are new arrays, never a column itself. The contract makes the warm-up NaN
(after a NaN in a recursion's input, anew), turns infinities into NaN, and checks parameters and volume. All series operators are in
`series_operators.SERIES_OPERATORS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit

from nullalpha.core.errors import UsageError, nearest
from nullalpha.data.bars import Bars, FloatArray
from nullalpha.engines.features.fields import bar_field
from nullalpha.strategy.vocabulary import BarColumn, BarField, IndicatorSignature, Parameter, ParameterValue, Stability, Unit

Parameters = Mapping[str, ParameterValue]
Columns = tuple[FloatArray, ...]
Window = Callable[[Columns, Parameters], Columns]
Step = Callable[[Columns, Parameters, FloatArray], Columns]

FORGOTTEN = 1e-7
"""What an exponential memory keeps of its seed after a warm-up; a seed is off by a few times its value, so outputs agree to 1e-6."""


def _none(params: Parameters) -> int:
    return 0


@dataclass(frozen=True)
class Recursion:
    """A computation with a state.

    Attributes:
        step: columns, complete parameters and state in, outputs out; goes on from `state` and leaves the next in it.
        n_state: length of `state`.
        front: windowed function of the columns whose outputs `step` reads in their place; None where it reads the columns.
        front_bars: rows before its own that a row of `front` needs, given the parameters.
        counted: the first number of `state` counts the rows since the last NaN in any column, and no output is ever infinite, as holds for
            each kernel alone. Then long outputs need not be looked through again.
    """

    step: Step
    n_state: int
    front: Window | None = None
    front_bars: Callable[[Parameters], int] = _none
    counted: bool = False


@dataclass(frozen=True)
class Indicator:
    """A signature with its computation.

    Attributes:
        signature: name, parameters, outputs, unit and warm-up.
        computation: complete parameters and columns in, one array for each output out, causal.
    """

    signature: IndicatorSignature
    computation: Window | Recursion

    @property
    def fields(self) -> tuple[BarField | BarColumn, ...]:
        """The bar fields it reads when it is handed bars."""
        return self.signature.series or self.signature.inputs

    def compute(self, bars: Bars, params: Parameters) -> Columns:
        """Return one (n_bars,) array for each output; a series operator is applied to its default bar fields.

        NaN over exactly the declared warm-up (on top of a field's own), and wherever the value is undefined (0 / 0); never infinite.

        Args:
            bars: validated bars, whose prices hold no NaN.
            params: parameters by name; those left out take their defaults.

        Raises:
            UsageError: on an unknown parameter or a value out of its range.
            DataError: if the indicator reads volume and some bars have none.
        """
        stream = self.stream(params)
        return stream.extend(tuple(bar_field(bars, field, self.signature.name) for field in self.fields))

    def compute_series(self, series: Columns, params: Parameters) -> Columns:
        """Return one (n_rows,) array for each output, as `compute` does, of any series; NaN in them is missing.

        Args:
            series: as many as the operator takes (of a bar indicator, its input columns), (n_rows,) each.
            params: parameters by name; those left out take their defaults.

        Raises:
            UsageError: on a wrong number of series, series of unequal length, or a wrong parameter.
        """
        if len(series) != len(self.fields) or len({len(one) for one in series}) > 1:
            raise UsageError(
                f"indicator {self.signature.name!r} was handed series of {[len(one) for one in series]} rows",
                path="input",
                value=len(series),
                suggestion=f"it takes {len(self.fields)} of equal length",
            )
        return self.stream(params).extend(series)

    def stream(self, params: Parameters) -> Stream:
        """Return the computation before its first row.

        Raises:
            UsageError: on an unknown parameter or a value out of its range.
        """
        return Stream(self, complete_params(self.signature, params))


class Stream:
    """An indicator on its way through a history: rows come in as they become known, one or many at a time; all ways give the same."""

    def __init__(self, indicator: Indicator, params: Parameters) -> None:
        computation = indicator.computation
        self._params = params
        self.n_outputs = len(indicator.signature.outputs)
        self._warmup = indicator.signature.warmup_bars(params)
        self._recursion = computation if isinstance(computation, Recursion) else None
        if isinstance(computation, Recursion):
            front_bars = computation.front_bars(params) if computation.front else 0
            self._window = _Window(computation.front, front_bars, params) if computation.front else None
            self._state = np.zeros(computation.n_state)
            self._warmup -= front_bars
            self._run = 0
        else:
            self._window = _Window(computation, self._warmup, params)

    def extend(self, columns: Columns) -> Columns:
        """Return one (n_new_rows,) array for each output of the rows that follow those already seen.

        Args:
            columns: (n_new_rows,) each, in the order of the signature's `inputs` or `series`.
        """
        columns = tuple(np.require(column, np.float64, ["C", "W"]) for column in columns)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self._window is not None:
                columns = self._window.extend(columns)
            return columns if self._recursion is None else self._recur(self._recursion, columns)

    def push(self, *values: float) -> tuple[float, ...]:
        """Return the outputs of the next row."""
        return tuple(float(out[0]) for out in self.extend(tuple(np.array([value], dtype=np.float64) for value in values)))

    def _recur(self, recursion: Recursion, columns: Columns) -> Columns:
        before = self._state[0]
        outputs = recursion.step(columns, self._params, self._state)
        n = len(columns[0])
        head = min(max(self._warmup - self._run, 0), n)
        if recursion.counted:
            whole = self._state[0] == before + n
            for out in outputs:
                out[:head] = np.nan
        else:
            missing = sum(_finish_nb(out, head) for out in outputs)
            whole = not missing and not any(np.isnan(column[:head]).any() for column in columns)
        if whole:
            self._run += n
            return outputs
        runs = _runs(columns, self._run)
        for out in outputs:
            out[runs <= self._warmup] = np.nan
        self._run = int(runs[-1]) if n else self._run
        return outputs


class _Window:
    """A windowed function with the rows it still needs."""

    def __init__(self, function: Window, bars: int, params: Parameters) -> None:
        self._function = function
        self._bars = bars
        self._params = params
        self._kept: Columns = ()

    def extend(self, columns: Columns) -> Columns:
        n_kept = len(self._kept[0]) if self._kept else 0
        if n_kept:
            columns = tuple(np.concatenate(pair) for pair in zip(self._kept, columns, strict=True))
        n = len(columns[0])
        outputs = self._function(columns, self._params)
        for out in outputs:
            _finish_nb(out, min(self._bars, n))
        self._kept = tuple(column[max(n - self._bars, 0) :].copy() for column in columns)
        return tuple(out[n_kept:] for out in outputs) if n_kept else outputs


@njit(cache=True)
def _finish_nb(column: FloatArray, head: int) -> int:
    """Make the first `head` rows and all infinities NaN, in place; return how many of the other rows are NaN."""
    column[:head] = np.nan
    missing = 0
    for t in range(head, len(column)):  # counting alone is vectorised: a third of the time of writing as well
        missing += column[t] - column[t] != 0.0
    if missing:
        for t in range(head, len(column)):
            if column[t] - column[t] != 0.0:
                column[t] = np.nan
    return missing


def _runs(columns: Columns, before: int) -> FloatArray:
    """Return (n,) the rows since the last one with a NaN, that row not counted; `before`: rows in the run that the first continues."""
    rows = np.arange(1, len(columns[0]) + 1)
    bad = np.logical_or.reduce([np.isnan(column) for column in columns])
    last = np.maximum.accumulate(np.where(bad, rows, 0))
    return np.where(last > 0, rows - last, rows + before)


def complete_params(signature: IndicatorSignature, params: Parameters) -> dict[str, ParameterValue]:
    """Return all parameters in canonical order.

    Raises:
        UsageError: on an unknown parameter, or a value out of its range or of the wrong kind.
    """
    known = [parameter.name for parameter in signature.parameters]
    for name in params:
        if name not in known:
            near = nearest(name, known)
            has = f"it has: {', '.join(known)}" if known else "it has none"
            raise UsageError(
                f"indicator {signature.name!r} has no parameter {name!r}",
                path=name,
                value=name,
                suggestion=f"did you mean {near!r}?" if near else has,
            )
    complete = {parameter.name: params.get(parameter.name, parameter.default) for parameter in signature.parameters}
    for parameter in signature.parameters:
        _require_in_range(signature.name, parameter, complete[parameter.name])
    _require_rising(signature, complete)
    return complete


def series_operator(
    name: str,
    summary: str,
    computation: Window | Recursion,
    *,
    unit: Unit,
    source: str,
    warmup_bars: Callable[[Parameters], int] = _none,
    parameters: tuple[Parameter, ...] = (),
    series: tuple[BarField, ...] = ("close",),
    outputs: tuple[str, ...] = (),
    output_units: tuple[tuple[str, Unit], ...] = (),
    stability: Stability = "windowed",
    rising: tuple[str, ...] = (),
    symmetric: bool = False,
) -> Indicator:
    """Return an operator on series; `series` are those it is applied to when none are named, and its output is named as it is."""
    signature = IndicatorSignature(
        name=name,
        summary=summary,
        inputs=(),
        parameters=parameters,
        outputs=outputs or (name,),
        unit=unit,
        warmup_bars=warmup_bars,
        stability=stability,
        source=source,
        series=series,
        output_units=output_units,
        rising=rising,
        symmetric=symmetric,
    )
    return Indicator(signature, computation)


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


def _require_rising(signature: IndicatorSignature, params: Parameters) -> None:
    for lower, upper in pairwise(signature.rising):
        if params[lower] >= params[upper]:
            raise UsageError(
                f"{signature.name}.{lower} is {params[lower]}; it must be below {upper}, which is {params[upper]}",
                path=lower,
                value=params[lower],
                suggestion=f"use {lower} below {params[upper]}",
            )


def period_of(params: Parameters) -> int:
    """Return the parameter `period`."""
    return int(params["period"])


def before_period(params: Parameters) -> int:
    """Return the warm-up of a window of `period` bars."""
    return period_of(params) - 1


def period(default: int, low: int = 2, high: int = 250) -> Parameter:
    """Return the parameter `period`, in bars."""
    return Parameter("period", default, low, high)


def wilder_memory(bars: float) -> int:
    """Return the bars after which Wilder's average (weight 1 / bars) has forgotten its seed."""
    return math.ceil(math.log(FORGOTTEN) / math.log1p(-1 / bars))


def ema_memory(bars: float) -> int:
    """Return the bars after which an exponential average (weight 2 / (bars + 1)) has forgotten its seed."""
    return wilder_memory((bars + 1) / 2)
