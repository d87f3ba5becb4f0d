"""Feature plans in, one matrix out: the same computation for training, backtest and live use. Row t uses bars up to and including t.

Plans form a directed acyclic graph; equal nodes are computed once. A node is computed on the bars of its own timeframe and instrument. What
is not on the base bars is joined to them as of the time it became known: a longer bar from the base bar that completes it, another
instrument's row from the first base bar that is not earlier. An operator reads nodes of its own bars row by row; if it is on the base bars,
any other node as joined.

Warm-up: a node's first value comes `warmup_bars` of its own rows after the first row in which all its inputs have one, so on the same bars
warm-ups add up: the node's own plus the greatest of its inputs'. A joined node has its first value at the base bar at which its row is
known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from nullalpha.core.errors import NotFoundError, UsageError, nearest
from nullalpha.data.bars import Bars, FloatArray, IntArray
from nullalpha.engines.features.fields import bar_field
from nullalpha.engines.features.indicators.contract import Columns, Indicator
from nullalpha.engines.features.indicators.registry import INDICATORS
from nullalpha.engines.features.node_keys import NodeKeys
from nullalpha.engines.features.timeframes import Alignment, align, taken
from nullalpha.strategy.plan import FeaturePlan

Place = tuple[str, str]
"""Timeframe and instrument of the bars that a node is computed on; the instrument is empty for the base instrument."""

NO_OTHERS: Mapping[str, Bars] = MappingProxyType({})
_BLOCK_ROWS = 2048
"""Rows of the matrix that are written together, so that they stay in the processor's cache: a third of the time of column by column."""


class Cache(Protocol):
    """Where columns are kept by the hash of what they were computed from."""

    def get(self, key: str) -> FloatArray | None:
        """Return the column kept under a key, or None."""

    def put(self, key: str, values: FloatArray) -> None:
        """Keep a column under a key."""


def compute_features(
    features: Sequence[FeaturePlan], bars: Bars, others: Mapping[str, Bars] = NO_OTHERS, cache: Cache | None = None
) -> FloatArray:
    """Return the feature matrix.

    Args:
        features: the columns, in the order wanted.
        bars: base bars.
        others: bars of the other instruments that features read, by symbol, in any timeframe of their own.
        cache: where columns are looked up and kept, by the hash of their node and of the bars that it reads.

    Returns:
        (n_bars, n_features) float64; NaN in each column's warm-up and where its value is undefined (a flat window's z-score, say).

    Raises:
        NotFoundError: on an unknown indicator or output, or an instrument that is not in `others`.
        UsageError: on a parameter out of its range, a timeframe that cannot be made from these bars, or inputs on other bars than the node.
        DataError: if an indicator needs volume and the instrument has none.
    """
    evaluation = _Evaluation(bars, others, cache)
    columns = [evaluation.on_base(feature) for feature in features]
    matrix = np.empty((len(bars), len(columns)))
    for start in range(0, len(bars), _BLOCK_ROWS):
        rows = np.s_[start : start + _BLOCK_ROWS]
        for column, values in enumerate(columns):
            matrix[rows, column] = values[rows]
    return matrix


def indicator_of(node: FeaturePlan) -> Indicator:
    """Return the indicator that computes a node.

    Raises:
        NotFoundError: if there is none of that name, or it has no such output.
    """
    indicator = INDICATORS.get(node.indicator)
    if indicator is None:
        near = nearest(node.indicator, sorted(INDICATORS))
        raise NotFoundError(
            f"unknown indicator {node.indicator!r} at features.{node.name}; there are {len(INDICATORS)}",
            path=f"features.{node.name}.indicator",
            value=node.indicator,
            suggestion=f"did you mean {near!r}?" if near else "`nullalpha strategy indicators` lists all",
        )
    if node.output not in indicator.signature.outputs:
        raise NotFoundError(
            f"indicator {node.indicator!r} has no output {node.output!r} at features.{node.name}",
            path=f"features.{node.name}.output",
            value=node.output,
            suggestion=f"use one of: {', '.join(indicator.signature.outputs)}",
        )
    return indicator


def is_joined(given: FeaturePlan, node: FeaturePlan, base: Place) -> bool:
    """Return whether a node reads another as joined to the base bars; False: row by row, on the bars of both.

    Raises:
        UsageError: if the two are on different bars and the reader is not on the base bars.
    """
    if place_of(given) == place_of(node):
        return False
    if place_of(node) == base:
        return True
    raise UsageError(
        f"features.{node.name} is computed on {_words(place_of(node))} bars, its input {given.indicator!r} on {_words(place_of(given))}",
        path=f"features.{node.name}.input",
        value=given.indicator,
        suggestion="compute both on the same bars, or the operator on the base bars",
    )


def place_of(node: FeaturePlan) -> Place:
    """Return the bars that a node is computed on."""
    return node.timeframe, node.instrument


def missing_instrument(node: FeaturePlan, known: Sequence[str]) -> NotFoundError:
    """Return the error of a node whose instrument has no bars here."""
    return NotFoundError(
        f"features.{node.name} is computed on {node.instrument}, of which there are no bars here",
        path=f"features.{node.name}.of",
        value=node.instrument,
        suggestion=f"there are bars of: {', '.join(known)}" if known else "hand in the other instruments' bars",
    )


def _words(place: Place) -> str:
    return f"{place[0]} {place[1]}" if place[1] else place[0]


class _Evaluation:
    """The nodes of one call, each computed at most once."""

    def __init__(self, bars: Bars, others: Mapping[str, Bars], cache: Cache | None) -> None:
        self._bars = bars
        self._others = others
        self._base: Place = (bars.timeframe, "")
        self._cache = cache
        self._keys = NodeKeys(bars, others) if cache is not None else None
        self._alignments: dict[Place, Alignment] = {}
        self._as_of: dict[str, IntArray] = {}
        self._outputs: dict[tuple[object, ...], Columns] = {}
        self._native: dict[FeaturePlan, FloatArray] = {}

    def on_base(self, node: FeaturePlan) -> FloatArray:
        """Return (n_base_bars,) a node's values as known at each base bar."""
        values = self.native(node)
        if place_of(node) == self._base:
            return values
        values = self._aligned(node).join(values)
        return taken(values, self._rows_as_of(node.instrument)) if node.instrument else values

    def native(self, node: FeaturePlan) -> FloatArray:
        """Return a node's values on the bars that it is computed on."""
        if node not in self._native:
            self._native[node] = self._looked_up(node)
        return self._native[node]

    def _looked_up(self, node: FeaturePlan) -> FloatArray:
        indicator = indicator_of(node)
        if self._cache is None or self._keys is None:
            return self._computed(node, indicator)
        self._aligned(node)
        key = self._keys.of(node)
        kept = self._cache.get(key)
        if kept is None:
            kept = self._computed(node, indicator)
            self._cache.put(key, kept)
        return kept

    def _computed(self, node: FeaturePlan, indicator: Indicator) -> FloatArray:
        key = (node.indicator, node.params, node.timeframe, node.instrument, node.inputs)
        if key not in self._outputs:
            bars = self._aligned(node).bars
            if node.inputs:
                series = tuple(
                    (self.on_base(given) if is_joined(given, node, self._base) else self.native(given))
                    if isinstance(given, FeaturePlan)
                    else bar_field(bars, given, node.indicator)
                    for given in node.inputs
                )
                self._outputs[key] = indicator.compute_series(series, dict(node.params))
            else:
                self._outputs[key] = indicator.compute(bars, dict(node.params))
        return self._outputs[key][indicator.signature.outputs.index(node.output)]

    def _aligned(self, node: FeaturePlan) -> Alignment:
        place = place_of(node)
        if place not in self._alignments:
            if node.instrument and node.instrument not in self._others:
                raise missing_instrument(node, sorted(self._others))
            source = self._others[node.instrument] if node.instrument else self._bars
            own = source.timeframe if node.timeframe == self._bars.timeframe else node.timeframe
            self._alignments[place] = align(source, own)
        return self._alignments[place]

    def _rows_as_of(self, instrument: str) -> IntArray:
        """Return the last row of another instrument that is known at each base bar, -1 before the first."""
        if instrument not in self._as_of:
            self._as_of[instrument] = np.searchsorted(self._others[instrument].time, self._bars.time, side="right") - 1
        return self._as_of[instrument]
