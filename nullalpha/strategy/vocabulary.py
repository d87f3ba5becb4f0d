"""Signatures of indicators: what the language knows of an indicator without computing it.

The engines bind each signature to a computation; the language is handed a vocabulary, so that it stays below them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal[
    "price", "ratio", "bounded_0_1", "bounded_-1_1", "bounded_0_100", "deviations", "volume", "signed_volume", "bars", "input", "value"
]
"""`deviations`: standard deviations (of a z-score). `input`: as the series it is applied to. `value`: of an outside series, unknown."""

BarColumn = Literal["open", "high", "low", "close", "volume", "spread", "session"]
"""What an indicator may read of bars; `session`: a number that grows from session to session."""

BarField = Literal["open", "high", "low", "close", "volume", "spread", "typical", "median", "returns", "log_returns"]
"""What a series operator may be applied to, besides a feature: a column, (h + l + c) / 3, (h + l) / 2, close-to-close returns."""

Stability = Literal["windowed", "fading", "converging"]
"""What a value depends on. `windowed`: the last `warmup_bars` + 1 rows alone. `fading`: all history, with a memory that falls to 1e-6
within the warm-up. `converging`: a state machine (a trailing stop, say) that two histories bring together at its next turn, not at a known
bar."""

ParameterValue = int | float

BAR_FIELD_UNITS: Mapping[BarField, Unit] = {
    "open": "price",
    "high": "price",
    "low": "price",
    "close": "price",
    "volume": "volume",
    "spread": "price",
    "typical": "price",
    "median": "price",
    "returns": "ratio",
    "log_returns": "ratio",
}
BAR_FIELD_COLUMNS: Mapping[BarField, tuple[BarColumn, ...]] = {
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "spread": ("spread",),
    "typical": ("high", "low", "close"),
    "median": ("high", "low"),
    "returns": ("close",),
    "log_returns": ("close",),
}
BAR_FIELD_WARMUP: Mapping[BarField, int] = {field: 1 if "returns" in field else 0 for field in BAR_FIELD_UNITS}


@dataclass(frozen=True)
class Parameter:
    """One parameter of an indicator with its closed range."""

    name: str
    default: ParameterValue
    low: ParameterValue
    high: ParameterValue
    integer: bool = True


@dataclass(frozen=True)
class IndicatorSignature:
    """What a strategy may say of an indicator.

    Attributes:
        name: snake_case, unique.
        summary: one sentence for people and models.
        inputs: the bar columns it reads by itself; empty for a series operator.
        parameters: with ranges, in canonical order.
        outputs: output names; the first is used when a strategy names none.
        unit: of the outputs.
        warmup_bars: bars that come out NaN (or are not yet reliable) given the parameters; of a series operator, on top of its input's own.
        stability: what a value depends on.
        source: paper, book or the library that computes it.
        series: for a series operator, the bar fields it is applied to when a strategy names no `input`; as many as it takes (1 or 2).
        output_units: for outputs whose unit is not `unit`.
        rising: names of parameters that must ascend strictly, e.g. ("fast", "slow").
        symmetric: whether its two series may be swapped.
    """

    name: str
    summary: str
    inputs: tuple[BarColumn, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    unit: Unit
    warmup_bars: Callable[[Mapping[str, ParameterValue]], int]
    stability: Stability
    source: str
    series: tuple[BarField, ...] = ()
    output_units: tuple[tuple[str, Unit], ...] = ()
    rising: tuple[str, ...] = ()
    symmetric: bool = False

    def unit_of(self, output: str) -> Unit:
        """Return the unit of an output; `input` where it is that of what the operator is applied to."""
        return dict(self.output_units).get(output, self.unit)


Vocabulary = Mapping[str, IndicatorSignature]
