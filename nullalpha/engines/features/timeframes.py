"""Longer bars made from shorter ones, and when each became known. Never looks ahead.

Intraday bars are grouped from the open of their session where bars know their sessions, so that the last bar of a session may be short
and is complete at its close; otherwise by the UTC clock. A day is a session, or a UTC day. A week runs from Saturday to Friday, which for
markets that trade on weekdays is the ISO week, and which lets a Friday session end its week in markets that never close. A session's
weekday is that of the UTC date just before its close, so that what closes at midnight belongs to the day it covers.

A longer bar is known from the base bar that ends it (at its scheduled end; of a week, at the close of Friday) or, where there is no such
bar, from the first base bar of a later one. The first is left out unless it is there from its beginning (a week: from its Monday): what is
missing of it is unknown. Bars outside every session are part of no longer bar. What a bar is part of follows from its own time and session
alone, so that history and the future do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nullalpha.core.errors import UsageError
from nullalpha.data.bars import Bars, FloatArray, IntArray, SessionTable, TimeArray
from nullalpha.data.timeframes import bar_duration
from nullalpha.strategy.timeframes import DAY, MINUTES, TIMEFRAMES, WEEK, longer_timeframes

BoolArray = NDArray[np.bool_]

_MONDAY, _FRIDAY = 0, 4
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_NS_A_DAY = 86_400_000_000_000
_NS_A_MINUTE = 60_000_000_000
_OUTSIDE = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Alignment:
    """Bars of one timeframe and how they meet the base bars.

    Attributes:
        bars: bars of the timeframe; the last may be incomplete, and is then in no row's reach.
        known: (n_base_bars,) index into `bars` of the last complete bar at each base bar, -1 before the first; None when both are the same.
    """

    bars: Bars
    known: IntArray | None

    def join(self, values: FloatArray) -> FloatArray:
        """Return the values of the timeframe's bars at each base bar, as known there; NaN before the first."""
        return values if self.known is None else taken(values, self.known)


def taken(values: FloatArray, index: IntArray) -> FloatArray:
    """Return the values at an index; NaN where it is -1."""
    if not len(values):
        return np.full(len(index), np.nan)
    return np.where(index >= 0, values[np.maximum(index, 0)], np.nan)


def align(bars: Bars, timeframe: str) -> Alignment:
    """Return the bars of `timeframe` made from base bars.

    Raises:
        UsageError: if the timeframe is not that of the bars and cannot be made from them.
    """
    if timeframe == bars.timeframe:
        return Alignment(bars, None)
    _require_multiple(bars.timeframe, timeframe, bars.instrument)
    grouping = _group(bars, timeframe)
    rows = _kept(grouping, _cut_off(grouping))
    label = grouping.label[rows]
    index = np.cumsum(_changes(label)) - 1
    known = np.full(len(bars), -1)
    known[rows] = np.where(grouping.completes[rows], index, index - 1)
    return Alignment(_merged(bars, rows, label, timeframe), np.maximum.accumulate(known))


class Aggregator:
    """The same bars made as base bars come in.

    Args:
        base: timeframe of the base bars.
        timeframe: of the bars to make.
        instrument: whose bars they are, for the error.

    Raises:
        UsageError: if the timeframe cannot be made from the base.
    """

    def __init__(self, base: str, timeframe: str, instrument: str) -> None:
        _require_multiple(base, timeframe, instrument)
        self.timeframe = timeframe
        self._begun = False
        self._dropped = _OUTSIDE
        self._open: Bars | None = None
        self._label = _OUTSIDE

    def extend(self, bars: Bars) -> tuple[Bars, TimeArray]:
        """Return the bars that the next base bars complete, and the times of the base bars at which each became known."""
        grouping = _group(bars, self.timeframe)
        if not self._begun:
            self._begun = bool((grouping.label != _OUTSIDE).any())
            self._dropped = _cut_off(grouping)
        rows = _kept(grouping, self._dropped)
        if not len(rows):
            return _merged(bars, rows, grouping.label[rows], self.timeframe), bars.time[:0]
        label, completes, time = grouping.label[rows], grouping.completes[rows], bars.time[rows]
        part = _at(bars, rows)
        if self._open is not None:
            part = _joined(self._open, part)
            label, completes = np.insert(label, 0, self._label), np.insert(completes, 0, False)
            time = np.insert(time, 0, self._open.time[0])
        starts = np.flatnonzero(_changes(label))
        ends = np.append(starts[1:], len(label)) - 1
        merged = _merged(part, np.arange(len(label)), label, self.timeframe)
        done = len(starts) if completes[-1] else len(starts) - 1
        self._label = int(label[-1])
        self._open = None if completes[-1] else replace(merged.slice(done, done + 1), timeframe=bars.timeframe)
        later = np.append(starts[1:], len(label) - 1)
        known = np.where(completes[ends], time[ends], time[later])
        return merged.slice(0, done), known[:done]


@dataclass(frozen=True)
class _Grouping:
    """Of each base bar: the group it is part of (a label that grows), whether it completes it, and whether it begins it."""

    label: IntArray
    completes: BoolArray
    begins: BoolArray


def _require_multiple(base: str, timeframe: str, instrument: str) -> None:
    possible = longer_timeframes(base)
    if timeframe not in possible and not _divides(base, timeframe):
        raise UsageError(
            f"timeframe {timeframe!r} cannot be made from {base!r} bars of {instrument}",
            path="timeframe",
            value=timeframe,
            suggestion="use " + " or ".join(repr(frame) for frame in (base, *possible)),
        )


def _group(bars: Bars, timeframe: str) -> _Grouping:
    time = bars.time.astype("datetime64[ns]").astype(np.int64)
    if bars.timeframe == DAY:
        days = (time - 1) // _NS_A_DAY
        return _Grouping(_week(days), _weekday(days) == _FRIDAY, _weekday(days) == _MONDAY)
    start = time - _duration(bars.timeframe)
    if bars.sessions is None:
        return _by_the_clock(time, start, timeframe)
    return _by_session(time, start, timeframe, bars.sessions)


def _divides(base: str, timeframe: str) -> bool:
    """Return whether bars of an intraday timeframe that is not of the language's own make up those of `timeframe`."""
    if base in TIMEFRAMES or timeframe not in TIMEFRAMES or not base[:-1].isdigit() or base[-1] not in "mh":
        return False
    longer = _NS_A_DAY if timeframe in (DAY, WEEK) else _duration(timeframe)
    return longer > _duration(base) and longer % _duration(base) == 0


def _duration(timeframe: str) -> int:
    if timeframe in MINUTES:
        return MINUTES[timeframe] * _NS_A_MINUTE
    duration = bar_duration(timeframe)
    return _NS_A_DAY if duration is None else int(duration.astype("timedelta64[ns]").astype(np.int64))


def _by_the_clock(time: IntArray, start: IntArray, timeframe: str) -> _Grouping:
    if timeframe == WEEK:
        days = (time - 1) // _NS_A_DAY
        completes = (_weekday(days) == _FRIDAY) & (time >= (days + 1) * _NS_A_DAY)
        return _Grouping(_week(days), completes, (_weekday(days) == _MONDAY) & (start <= days * _NS_A_DAY))
    length = _NS_A_DAY if timeframe == DAY else _duration(timeframe)
    label = (time - 1) // length * length
    return _Grouping(label, time >= label + length, start <= label)


def _by_session(time: IntArray, start: IntArray, timeframe: str, sessions: SessionTable) -> _Grouping:
    opens = sessions.open.astype("datetime64[ns]").astype(np.int64)
    closes = sessions.close.astype("datetime64[ns]").astype(np.int64)
    index = np.searchsorted(opens, time, side="left") - 1
    if not len(opens):
        return _Grouping(np.full(len(time), _OUTSIDE), np.zeros(len(time), bool), np.zeros(len(time), bool))
    opened, closed = opens[np.maximum(index, 0)], closes[np.maximum(index, 0)]
    outside = (index < 0) | (time > closed)
    if timeframe == WEEK:
        days = (closed - 1) // _NS_A_DAY
        label, completes = _week(days), (_weekday(days) == _FRIDAY) & (time >= closed)
        begins = (_weekday(days) == _MONDAY) & (start <= opened)
    else:
        length = _NS_A_DAY * 7 if timeframe == DAY else _duration(timeframe)  # no session is as long as a week
        label = opened + (time - 1 - opened) // length * length
        completes, begins = time >= np.minimum(label + length, closed), start <= label
    return _Grouping(np.where(outside, _OUTSIDE, label), completes & ~outside, begins & ~outside)


def _week(days: IntArray) -> IntArray:
    """Return the number of the week of days since 1970; Saturday starts one."""
    return (days + _EPOCH_WEEKDAY + 2) // 7


def _weekday(days: IntArray) -> IntArray:
    """Return the weekday of days since 1970; 0 is Monday."""
    return (days + _EPOCH_WEEKDAY) % 7


def _cut_off(grouping: _Grouping) -> int:
    """Return the label of the first group if it is not there from its beginning, else that of no group."""
    inside = grouping.label != _OUTSIDE
    first = int(np.argmax(inside)) if inside.any() else -1
    return _OUTSIDE if first < 0 or grouping.begins[first] else int(grouping.label[first])


def _kept(grouping: _Grouping, dropped: int) -> IntArray:
    """Return the rows that are part of a group other than `dropped`."""
    return np.flatnonzero((grouping.label != _OUTSIDE) & (grouping.label != dropped))


def _changes(label: IntArray) -> BoolArray:
    return np.concatenate([np.ones(min(len(label), 1), bool), label[1:] != label[:-1]])


def _at(bars: Bars, rows: IntArray) -> Bars:
    if len(rows) == len(bars):
        return replace(bars, sessions=None)
    return Bars(
        bars.instrument,
        bars.timeframe,
        bars.time[rows],
        bars.open[rows],
        bars.high[rows],
        bars.low[rows],
        bars.close[rows],
        bars.volume[rows],
        None if bars.spread is None else bars.spread[rows],
        None if bars.factor is None else bars.factor[rows],
    )


def _joined(first: Bars, second: Bars) -> Bars:
    return Bars(
        second.instrument,
        second.timeframe,
        np.concatenate([first.time, second.time]),
        np.concatenate([first.open, second.open]),
        np.concatenate([first.high, second.high]),
        np.concatenate([first.low, second.low]),
        np.concatenate([first.close, second.close]),
        np.concatenate([first.volume, second.volume]),
        None if first.spread is None or second.spread is None else np.concatenate([first.spread, second.spread]),
        None if first.factor is None or second.factor is None else np.concatenate([first.factor, second.factor]),
    )


def _merged(bars: Bars, rows: IntArray, label: IntArray, timeframe: str) -> Bars:
    """Return one bar for each run of equal labels among `rows`; its time is that of its last base bar so far."""
    starts = np.flatnonzero(_changes(label))
    if not len(starts):
        return replace(bars.slice(0, 0), timeframe=timeframe)
    part = _at(bars, rows)
    last = np.append(starts[1:], len(rows)) - 1
    return Bars(
        instrument=bars.instrument,
        timeframe=timeframe,
        time=part.time[last],
        open=part.open[starts],
        high=np.maximum.reduceat(part.high, starts),
        low=np.minimum.reduceat(part.low, starts),
        close=part.close[last],
        volume=np.add.reduceat(_in_last_units(part, starts, last), starts),
        spread=None if part.spread is None else part.spread[last],
        factor=None if part.factor is None else part.factor[last],
    )


def _in_last_units(bars: Bars, starts: IntArray, last: IntArray) -> FloatArray:
    """Return (n_bars,) volumes in the units of each run's last bar, whose factor the merged bar has: a split inside changes units."""
    if bars.factor is None:
        return bars.volume
    return bars.volume * np.repeat(bars.factor[last], last - starts + 1) / bars.factor
