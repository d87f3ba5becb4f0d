"""Signatures of indicators: what the language knows of an indicator without computing it.

The engines bind each signature to a computation; the language is handed a vocabulary, so that it stays below them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["price", "ratio", "bounded_0_100", "bounded_-1_1", "volume", "signed_volume", "bars"]
BarColumn = Literal["open", "high", "low", "close", "volume"]
ParameterValue = int | float


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
        inputs: the bar columns it reads.
        parameters: with ranges, in canonical order.
        outputs: output names; the first is used when a strategy names none.
        unit: of the outputs.
        warmup_bars: bars that come out NaN (or are not yet reliable) given the parameters.
        path_dependent: True if the value depends on where history starts (its warm-up then covers the memory to 1e-6).
        source: paper, book or the library that computes it.
    """

    name: str
    summary: str
    inputs: tuple[BarColumn, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    unit: Unit
    warmup_bars: Callable[[Mapping[str, ParameterValue]], int]
    path_dependent: bool
    source: str


Vocabulary = Mapping[str, IndicatorSignature]
