"""What is wrong, or doubtful, with a table of bars: row by row, everything at once.

Errors make a table unusable: it is not imported, unless the rows that have them are set apart. Warnings travel with the snapshot.

| code | severity | meaning |
|---|---|---|
| missing_column, empty, two_adjustments, unknown_calendar | error | of the table as a whole: no bars, or no such exchange |
| ragged_row | error | a row of a file has other cells than its header |
| unreadable_time, naive_time, mixed_time_zones | error | when a bar was cannot be told |
| ambiguous_time, nonexistent_time | error | the clocks of the zone showed this local time twice, or never |
| duplicate_time, disorder | error | a time occurs again, or is before the row above |
| not_a_number, missing_price, non_positive_price, inconsistent_high, inconsistent_low | error | no price, or none that can be |
| in_the_future | error | after the time of import |
| negative_dividend, impossible_dividend, impossible_split | error | below 0, no less than the close before, not above 0 |
| two_adjustments | error | a dividend or split beside an adjusted close or a factor |
| split_in_prices, unstated_events | error | prices contain a split, or nothing says whether they contain the events |
| event_apart | error | a dividend or split on a row that would be set apart |
| negative_volume, negative_spread | error | the ask below the bid |
| zero_volume, missing_volume | warning | none reported, while other bars have some |
| missing_sessions, missing_bars, not_a_session, outside_calendar | warning | the exchange's calendar says otherwise, or nothing |
| jump | warning | over 40 % close to close, or a third less: perhaps an unadjusted split |
| stale_price | warning | the same close in 5 bars or more, of bars shorter than 12 minutes for an hour or more |
| costs_need_volume, costs_need_spread | error | of an instrument: its costs cannot be charged on its bars (`lacking`) |

Rows count from 0 after the header. Of one thing wrong with many rows the first 1,000 are told, and the last of these says how many more
there are. Published values of an outside series may have any sign, jump and stay; only their times and that they are numbers is checked.

The sample indices have no errors; SPX has no warnings, IXIC two (zero_volume on 2015-05-12 and 2018-01-09).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullalpha.core.errors import Finding
from nullalpha.data.bars import Bars, FloatArray, IntArray
from nullalpha.data.corporate_events import check_events, event_factor
from nullalpha.data.gaps import check_sessions
from nullalpha.data.instruments import Costs
from nullalpha.data.parse import PRICES, ParsedTable, iso, parse_table
from nullalpha.data.problems import Problem, told
from nullalpha.data.sources.series import BarTime

PRICE_TOLERANCE = 1e-6
"""Relative: how far a high may lie below its bar's other prices (or a low above) and still be a rounding of them."""
JUMP = 0.4
STALE_BARS = 5
STALE_TIME = np.timedelta64(1, "h")
"""A run of the same close is shorter than this by chance in bars of a few minutes."""
SPLITS = (
    (2, 1),
    (3, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (7, 1),
    (8, 1),
    (10, 1),
    (15, 1),
    (20, 1),
    (25, 1),
    (30, 1),
    (50, 1),
    (100, 1),
    (3, 2),
    (5, 2),
)
"""New shares for old ones, as splits are announced; reverse splits are the same the other way round."""
SPLIT_TOLERANCE = 0.05
"""Relative: how far a move may lie from a split's ratio, for what the market did that day, and still be named after it."""
_THREE_FOR_TWO = (2 / 3, 0.02)

BoolArray = NDArray[np.bool_]


def check_frame(frame: pd.DataFrame, calendar: str | None, timeframe: str) -> list[Finding]:
    """Return all findings about a received table, in row order, those about the whole table first.

    Args:
        frame: the columns that `RawSeries` describes.
        calendar: an `exchange_calendars` code; None to leave sessions unchecked.
        timeframe: `1d`, `1h`, ...
    Raises:
        DataError: if the timeframe is unknown.
    """
    table, problems = parse_table(frame, timeframe)
    return told(problems if table is None else [*problems, *check_table(table, judged_by(calendar, problems))])


def judged_by(calendar: str | None, problems: Sequence[Problem]) -> str | None:
    """Return the calendar to check sessions with: none while times have no zone, since nobody knows when they were."""
    return None if any(problem.code == "naive_time" for problem in problems) else calendar


def check_table(table: ParsedTable, calendar: str | None, bar_time: BarTime = "close") -> list[Problem]:
    """Return what the values of an already read table show."""
    if table.kind == "published":
        return list(_order(table))
    events = list(check_events(table))
    adjusted = _adjusted_close(table, None if events else event_factor(table))
    problems = [*_order(table), *_prices(table), *_amounts(table), *events, *_jumps(table, adjusted), *_stale(table)]
    return problems if calendar is None else [*problems, *check_sessions(table, calendar, bar_time)]


def check_future(table: ParsedTable, now: np.datetime64) -> Iterator[Problem]:
    """Yield the rows that lie after `now` (UTC): nobody knows them, and the zones of a home would be cut by them."""
    later = np.flatnonzero(~np.isnat(table.time) & (table.time > now))
    if len(later):
        yield from _at(table, "in_the_future", later, lambda _: f"after the time of import, {str(now)[:19]}Z")


def lacking(bars: Bars, costs: Costs) -> list[Finding]:
    """Return what these costs need and the bars have not: volumes for impact and volume caps, quotes for quoted spreads.

    A backtest with these costs refuses such bars, or fills nothing where all volumes are 0. A row without a volume is named, the first of
    them; quotes may begin later than the bars.
    """
    found = []
    asking = [f"{name} {value:g}" for name, value in (("impact", costs.impact), ("volume_cap", costs.volume_cap)) if value]
    rows = np.flatnonzero(~(bars.volume >= 0.0)) if asking else np.empty(0, dtype=np.int64)
    if asking and len(bars) and not len(rows) and not bars.volume.any():
        text = f"costs {' and '.join(asking)} need volumes, and all are 0: nothing would ever fill"
        found.append(Finding("costs_need_volume", None, None, text))
    if len(rows):
        text = f"costs {' and '.join(asking)} need volumes, and {len(rows):,} of {len(bars):,} bars have none, this the first"
        found.append(Finding("costs_need_volume", int(rows[0]), iso(bars.time[rows[0]], daily=False), text))
    if costs.spread == "quoted" and bars.spread is None:
        text = "costs spread quoted needs quotes, and the bars have none: import a spread, or describe it as fixed"
        found.append(Finding("costs_need_spread", None, None, text))
    return found


def _order(table: ParsedTable) -> Iterator[Problem]:
    places = np.flatnonzero(~np.isnat(table.time))
    times = table.time[places]
    steps = np.diff(times)
    if (steps > np.timedelta64(0, "ns")).all():
        return
    _, first, group = np.unique(times, return_index=True, return_inverse=True)
    earlier = first[group]
    again = np.flatnonzero(earlier != np.arange(len(places)))
    rows = table.row[places]
    yield from _at(table, "duplicate_time", places[again], lambda k: f"this time is already in row {rows[earlier[again[k]]]}")
    back = 1 + np.flatnonzero(steps < np.timedelta64(0, "ns"))
    yield from _at(table, "disorder", places[back], lambda k: f"before row {rows[back[k] - 1]} ({table.label(int(places[back[k] - 1]))})")


def _prices(table: ParsedTable) -> Iterator[Problem]:
    columns = {name: getattr(table, name) for name in (*PRICES, "adj_close", "factor")}
    for name, values in columns.items():
        if values is not None:
            yield from _where(table, "non_positive_price", values <= 0, _told_not_above_0(name, values))
    top = np.fmax(np.fmax(table.open, table.close), table.low)
    text = "high {:.10g} is below {:.10g}, another price of its bar"
    yield from _where(table, "inconsistent_high", table.high < top * (1 - PRICE_TOLERANCE), lambda at: text.format(table.high[at], top[at]))
    bottom = np.fmin(np.fmin(table.open, table.close), table.high)
    low = "low {:.10g} is above {:.10g}, another price of its bar"
    yield from _where(
        table, "inconsistent_low", table.low > bottom * (1 + PRICE_TOLERANCE), lambda at: low.format(table.low[at], bottom[at])
    )


def _told_not_above_0(name: str, values: NDArray[np.float64]) -> Callable[[int], str]:
    return lambda at: f"{name} {values[at]:g} is not above 0"


def _amounts(table: ParsedTable) -> Iterator[Problem]:
    volume, spread = table.volume, table.spread
    yield from _where(table, "negative_volume", volume < 0, lambda at: f"volume {volume[at]:g} is below 0")
    if (volume > 0).any():
        yield from _where(table, "zero_volume", volume == 0, lambda _: "volume is 0", "warning")
    if spread is not None:
        yield from _where(table, "negative_spread", spread < 0, lambda at: f"spread {spread[at]:g}: the ask is below the bid")


def _adjusted_close(table: ParsedTable, events: FloatArray | None) -> FloatArray:
    if table.adj_close is not None:
        return table.adj_close
    factor = events if table.factor is None else table.factor
    return table.close if factor is None else table.close * factor


def _jumps(table: ParsedTable, close: FloatArray) -> Iterator[Problem]:
    usable = np.where(close > 0, close, np.nan)
    ratio = np.ones(len(usable))
    ratio[1:] = usable[1:] / usable[:-1]
    third_less, tolerance = _THREE_FOR_TWO
    split_size = (np.abs(ratio - 1) > JUMP) | (np.abs(ratio / third_less - 1) < tolerance)
    yield from _where(table, "jump", split_size, lambda at: _told_jump(float(ratio[at])), "warning")


def _told_jump(ratio: float) -> str:
    new, old = min((split for pair in SPLITS for split in (pair, pair[::-1])), key=lambda split: abs(np.log(ratio * split[0] / split[1])))
    near = abs(ratio * new / old - 1) < SPLIT_TOLERANCE
    question = f"a {new}:{old} split that is not adjusted for?" if near else "a split that is not adjusted for?"
    return f"the close moved by {ratio - 1:+.3f} of itself; {question}"


def _stale(table: ParsedTable) -> Iterator[Problem]:
    edges = np.concatenate([[0], 1 + np.flatnonzero(np.diff(table.close) != 0), [len(table)]])  # NaN differs from itself
    lengths = np.diff(edges)
    least = STALE_BARS if table.duration is None else max(STALE_BARS, int(STALE_TIME / table.duration))
    long = np.flatnonzero(lengths >= least)
    yield from _at(table, "stale_price", edges[long], lambda k: f"the same close in {lengths[long[k]]} bars", "warning")


def _where(table: ParsedTable, code: str, mask: BoolArray, message: Callable[[int], str], severity: str = "error") -> Iterator[Problem]:
    """Yield the problem of the rows of a mask, if there are any; `message` is asked for a row's place in the table."""
    places = np.flatnonzero(mask)
    yield from _at(table, code, places, lambda k: message(int(places[k])), severity)


def _at(table: ParsedTable, code: str, places: IntArray, message: Callable[[int], str], severity: str = "error") -> Iterator[Problem]:
    """Yield the problem of the rows at some places, if there are any; `message` is asked for the number of the row among them."""
    if len(places):
        yield Problem(code, table.row[places], lambda k: (table.label(int(places[k])), message(k)), severity)
