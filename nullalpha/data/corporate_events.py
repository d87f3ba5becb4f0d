"""Dividends and splits that a table names itself: whether they can be, and the factor of adjustment that they make.

Prices and volumes are as traded. An event on a bar's row happens before the bar opens: first the split (units that one unit becomes), then
the dividend (currency that each unit, as it now is, has paid out). So of one unit worth `close[t-1]` there become `split[t]` units worth
`close[t-1] / split[t]` each, and the factor of all bars before t is multiplied by

    (1 - dividend[t] * split[t] / close[t-1]) / split[t]

The last bar's factor is 1. An event on the first row changes nothing: nobody held the instrument before.

Source: CRSP, Data Definitions and Calculations, cumulative factors to adjust prices; Yahoo's adjusted closes are made the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray
from nullalpha.data.parse import ParsedTable
from nullalpha.data.problems import Problem

TELLING_SPLIT = 1.5
"""Prices show a split of this much or more (or its inverse), or do not show it, beyond what a market does in a day."""
NEAR_SPLIT = 0.25
"""Share of a split's logarithm within which a move is that of prices that contain the split, or of prices as traded."""
_UNSTATED = (
    "nothing says whether prices contain this dividend or split. Yahoo's always contain splits, and dividends unless auto_adjust is False: "
    "leave out what they contain (--column split= --column dividend=); where prices are as traded, say so (--column dividend=Dividends)"
)

BoolArray = NDArray[np.bool_]


def event_rows(table: ParsedTable) -> BoolArray:
    """Return (n_rows,) whether a row names a dividend or a split, or one that cannot be read."""
    if table.dividend is None or table.split is None:
        return np.zeros(len(table), dtype=np.bool_)
    rows: BoolArray = (table.dividend != 0.0) | (table.split != 1.0)
    return rows


def event_factor(table: ParsedTable) -> FloatArray | None:
    """Return (n_rows,) what prices as traded are multiplied by; None for a table without events.

    Args:
        table: one of which `check_events` says nothing.
    """
    if table.split is None or not event_rows(table).any():
        return None
    step = (1.0 - _paid(table)[1:]) / table.split[1:]
    return np.append(np.cumprod(step[::-1])[::-1], 1.0)


def check_events(table: ParsedTable) -> Iterator[Problem]:
    """Yield the events that cannot be, or that leave open what prices contain."""
    events = event_rows(table)
    dividend, split = table.dividend, table.split
    if dividend is None or split is None or not events.any():
        return
    if table.adj_close is not None or table.factor is not None:
        other = "an adjusted close" if table.adj_close is not None else "a factor"
        text = f"a dividend or split beside {other}: both say how prices are adjusted; leave one out, e.g. with --column dividend="
        yield from _wrong(table, "two_adjustments", events, lambda _: text)
        return
    yield from _wrong(table, "negative_dividend", dividend < 0.0, lambda at: f"dividend {dividend[at]:g} is below 0")
    yield from _wrong(table, "impossible_split", split <= 0.0, lambda at: f"split {split[at]:g}; it is the units that one unit becomes")
    yield from _wrong(table, "impossible_dividend", _paid(table) >= 1.0, lambda at: _told_too_large(table, at))
    contained, traded = _told_by_prices(table)
    yield from _wrong(table, "split_in_prices", contained, lambda at: _told_contained(table, at))
    if not (table.events_are_stated or traded.any() or contained.any()):
        first = np.arange(len(table)) == np.argmax(events)
        yield from _wrong(table, "unstated_events", first, lambda _: _UNSTATED)


def _paid(table: ParsedTable) -> FloatArray:
    """Return (n_rows,) the share of the close before that a row's dividend pays out; 0 where there is no close before."""
    paid = np.zeros(len(table))
    if table.dividend is not None and table.split is not None:
        before = np.where(table.close[:-1] > 0.0, table.close[:-1], np.nan)
        paid[1:] = np.nan_to_num(table.dividend[1:] * table.split[1:] / before, nan=0.0)
    return paid


def _told_by_prices(table: ParsedTable) -> tuple[BoolArray, BoolArray]:
    """Return (n_rows,) where prices contain a split already, and where they show it as traded; neither where the move leaves it open."""
    split = np.ones(len(table)) if table.split is None else np.where(table.split > 0.0, table.split, 1.0)
    size = np.log(split)
    move = np.full(len(table), np.nan)
    move[1:] = np.diff(np.log(np.where(table.close > 0.0, table.close, np.nan)))
    telling, near = np.abs(size) >= np.log(TELLING_SPLIT), NEAR_SPLIT * np.abs(size)
    return telling & (np.abs(move) < near), telling & (np.abs(move + size) < near)


def _told_too_large(table: ParsedTable, at: int) -> str:
    dividend, split = (0.0, 1.0) if table.dividend is None or table.split is None else (table.dividend[at], table.split[at])
    return f"dividend {dividend:g} is not below {table.close[at - 1] / split:g}, what a unit was worth at the close before"


def _told_contained(table: ParsedTable, at: int) -> str:
    split = 1.0 if table.split is None else table.split[at]
    move = table.close[at] / table.close[at - 1] - 1.0
    return f"split {split:g}, and the close moved by {move:+.3f} of itself: prices contain the split already"


def _wrong(table: ParsedTable, code: str, mask: BoolArray, message: Callable[[int], str]) -> Iterator[Problem]:
    """Yield the problem of the rows of a mask, if there are any; `message` is asked for a row's place in the table."""
    places = np.flatnonzero(mask)
    if len(places):
        yield Problem(code, table.row[places], lambda k: (table.label(int(places[k])), message(int(places[k]))))
