"""Features as bars come in: the live path over the whole graph of nodes, with the values that the batch pipeline gives.

Each indicator keeps the rows or the state it needs, each longer timeframe its unfinished bar, each join the rows that are not yet due. Rows
may come one at a time or many (a history first, say); all ways give the same. Another instrument's row counts from the first base bar that
comes with it or after it and is not earlier; one that comes late counts from the next base bar on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from nullalpha.core.errors import DataError, UsageError
from nullalpha.data.bars import Bars, FloatArray, IntArray, TimeArray
from nullalpha.engines.features.fields import bar_field
from nullalpha.engines.features.indicators.contract import Columns, Stream
from nullalpha.engines.features.pipeline import NO_OTHERS, Place, indicator_of, is_joined, missing_instrument, place_of
from nullalpha.engines.features.timeframes import Aggregator, taken
from nullalpha.strategy.plan import FeaturePlan
from nullalpha.strategy.vocabulary import BarColumn, BarField

_MAY_BE_MISSING = ("volume", "spread")
NO_TIMEFRAMES: Mapping[str, str] = MappingProxyType({})


class FeatureStream:
    """The columns of one strategy on their way through the bars of one instrument.

    Args:
        features: the columns, in the order wanted.
        timeframe: of the base bars.
        others: timeframes of the other instruments' bars, by symbol.

    Raises:
        NotFoundError: on an unknown indicator or output, or an instrument that is not in `others`.
        UsageError: on a parameter out of its range, inputs on other bars than their node, or a timeframe that cannot be made from the bars.
    """

    def __init__(self, features: Sequence[FeaturePlan], timeframe: str, others: Mapping[str, str] = NO_TIMEFRAMES) -> None:
        self._features = tuple(features)
        self._base: Place = (timeframe, "")
        self._timeframes = {"": timeframe, **others}
        self._last: dict[str, np.datetime64] = {}
        self._needed: set[tuple[str, BarField | BarColumn, str]] = set()
        self._places: dict[Place, _Place] = {}
        self._nodes: dict[object, _Node] = {}
        self._columns = [self._node(feature) for feature in self._features]

    def push(self, bar: Bars, others: Mapping[str, Bars] = NO_OTHERS) -> FloatArray:
        """Return (n_features,) the row of the next base bar.

        Args:
            bar: one bar.
            others: other instruments' rows that have become known since the last call, by symbol.

        Raises:
            UsageError: if it is not one bar.
            DataError: as `extend`.
        """
        if len(bar) != 1:
            raise UsageError(f"push was handed {len(bar)} bars of {bar.instrument}", value=len(bar), suggestion="use extend for several")
        row: FloatArray = self.extend(bar, others)[0]
        return row

    def extend(self, bars: Bars, others: Mapping[str, Bars] = NO_OTHERS) -> FloatArray:
        """Return (n_new_bars, n_features) the rows of the base bars that follow those already seen.

        Raises:
            DataError: if rows are not later than those before, are of another timeframe than was said, or lack a volume that is read;
                the stream then stays as it was.
        """
        new = {"": bars, **others}
        for symbol, rows in new.items():
            self._check(symbol, rows)
        for symbol, field, reader in self._needed:
            if symbol in new:
                bar_field(new[symbol], field, reader)
        self._last |= {symbol: rows.time[-1] for symbol, rows in new.items() if len(rows)}
        for (_, symbol), place in self._places.items():
            place.extend(new.get(symbol), bars.time)
        for node in self._nodes.values():  # inputs come before what reads them
            node.extend()
        matrix = np.empty((len(bars), len(self._columns)))
        for column, (node, output) in enumerate(self._columns):
            matrix[:, column] = node.on_base[output]
        for node in self._nodes.values():
            node.forget()
        for place in self._places.values():
            place.forget()
        return matrix

    def _node(self, plan: FeaturePlan) -> tuple[_Node, int]:
        """Return the computation of a node, made with those below it if it is new, and which of its outputs is meant."""
        indicator = indicator_of(plan)
        key = (plan.indicator, plan.params, plan.timeframe, plan.instrument, plan.inputs)
        if key not in self._nodes:
            inputs = [
                _Input(*self._node(given), is_joined(given, plan, self._base)) if isinstance(given, FeaturePlan) else given
                for given in plan.inputs or indicator.fields
            ]
            self._needed |= {
                (plan.instrument, given, plan.indicator) for given in inputs if not isinstance(given, _Input) and given in _MAY_BE_MISSING
            }
            self._nodes[key] = _Node(plan.indicator, indicator.stream(dict(plan.params)), inputs, self._place(plan))
        return self._nodes[key], indicator.signature.outputs.index(plan.output)

    def _place(self, plan: FeaturePlan) -> _Place:
        place = place_of(plan)
        if place not in self._places:
            if plan.instrument not in self._timeframes:
                raise missing_instrument(plan, sorted(set(self._timeframes) - {""}))
            own = self._timeframes[plan.instrument]
            longer = plan.timeframe not in (self._base[0], own)
            aggregator = Aggregator(own, plan.timeframe, plan.instrument or "the base instrument") if longer else None
            self._places[place] = _Place(place == self._base, aggregator)
        return self._places[place]

    def _check(self, symbol: str, rows: Bars) -> None:
        """Refuse rows that do not follow those before."""
        if self._timeframes.get(symbol) != rows.timeframe:
            said = f"said to be {self._timeframes[symbol]!r}" if symbol in self._timeframes else "not said to come"
            raise DataError(
                f"rows of {symbol or rows.instrument} are {rows.timeframe!r} bars, {said}",
                path="timeframe",
                value=rows.timeframe,
                suggestion="name the other instruments and their timeframes when the stream is made",
            )
        if not len(rows):
            return
        times = rows.time if symbol not in self._last else np.insert(rows.time, 0, self._last[symbol])
        steps = np.diff(times).astype(np.int64)
        if (steps < (0 if symbol else 1)).any():
            at = times[1:][int(np.argmax(steps < (0 if symbol else 1)))]
            raise DataError(
                f"the {rows.instrument} row of {at} does not follow the one before it",
                path="time",
                value=at,
                suggestion="hand in each row once, oldest first",
            )


class _Place:
    """The bars of one timeframe and instrument as they come in, and which of them is known at each new base bar."""

    def __init__(self, is_base: bool, aggregator: Aggregator | None) -> None:
        self.is_base = is_base
        self.new: Bars | None = None
        self.close_before = np.nan
        self.index: IntArray = np.empty(0, np.int64)
        self._aggregator = aggregator
        self._due: TimeArray = np.empty(0, "datetime64[ns]")

    def extend(self, rows: Bars | None, base_time: TimeArray) -> None:
        self.new = rows
        if rows is not None and not self.is_base:
            due = rows.time
            if self._aggregator is not None:
                self.new, due = self._aggregator.extend(rows)
            self._due = np.concatenate([self._due, due])
        self.index = np.searchsorted(self._due, base_time, side="right") - 1

    @property
    def n_past(self) -> int:
        """Rows before the one that the last base bar knows; none will be asked for again."""
        return max(int(self.index[-1]), 0) if len(self.index) else 0

    def forget(self) -> None:
        self._due = self._due[self.n_past :]
        if self.new is not None and len(self.new):
            self.close_before = float(self.new.close[-1])


@dataclass(frozen=True)
class _Input:
    node: _Node
    output: int
    joined: bool

    @property
    def values(self) -> FloatArray:
        return (self.node.on_base if self.joined else self.node.new)[self.output]


class _Node:
    """One node's computation, and its values on the rows that base bars still may ask for."""

    def __init__(self, name: str, stream: Stream, inputs: Sequence[_Input | BarField | BarColumn], place: _Place) -> None:
        self.new: Columns = ()
        self.on_base: Columns = ()
        self._name = name
        self._stream = stream
        self._inputs = inputs
        self._place = place
        self._kept: Columns = tuple(np.empty(0) for _ in range(stream.n_outputs))

    def extend(self) -> None:
        bars = self._place.new
        if bars is None or not len(bars):
            self.new = tuple(np.empty(0) for _ in self._kept)
        else:
            before = self._place.close_before
            self.new = self._stream.extend(
                tuple(given.values if isinstance(given, _Input) else bar_field(bars, given, self._name, before) for given in self._inputs)
            )
        if self._place.is_base:
            self.on_base = self.new
        else:
            self._kept = tuple(np.concatenate(pair) for pair in zip(self._kept, self.new, strict=True))
            self.on_base = tuple(taken(values, self._place.index) for values in self._kept)

    def forget(self) -> None:
        self._kept = tuple(values[self._place.n_past :] for values in self._kept)
