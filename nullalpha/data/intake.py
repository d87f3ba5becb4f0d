"""From a series as received to bars and findings; rows that have errors stop it, or are set apart."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from nullalpha.core.errors import DataError, Finding
from nullalpha.data.bars import Bars, IntArray, TimeArray
from nullalpha.data.check import check_future, check_table, judged_by
from nullalpha.data.corporate_events import event_rows
from nullalpha.data.parse import ParsedTable, parse_table
from nullalpha.data.problems import Problem, has_errors, of_findings, told, within, wrong_rows
from nullalpha.data.silver import build_bars
from nullalpha.data.sources.series import RawSeries
from nullalpha.data.timeframes import PUBLISHED

QUARANTINED = "quarantined"
"""Severity of what was wrong with rows that were set apart."""


@dataclass(frozen=True)
class Taken:
    """What was made of a series as received.

    Attributes:
        bars: at least one.
        findings: warnings about the rows that became bars and, of severity `quarantined`, what was wrong with those that did not.
        apart: the rows set apart: `row`, `codes` and `messages` (of all that is wrong, joined by `; `), and the cells as received, as
            text; None when there are none.
    """

    bars: Bars
    findings: tuple[Finding, ...]
    apart: pa.Table | None = None


def take(raw: RawSeries, *, quarantine: bool = False, now: datetime | None = None) -> Taken:
    """Return the bars of a series.

    Args:
        quarantine: whether rows with errors are set apart and the others taken, instead of refusing them all.
        now: the present, beyond which no row may lie, unless it was made by a recipe; None leaves that unchecked.
    Raises:
        DataError: if a row has an error and nothing is to be set apart, or if with `quarantine` the table as a whole has one, no row is
            left, or a row to be set apart has a dividend or split, which the prices before it need.
    """
    if not quarantine:
        whole, findings = checked(raw, now)
        return Taken(build_bars(whole, raw.instrument, raw.timeframe, raw.bar_time), findings)
    table, problems = _read(raw)
    if table is None or any(problem.of_the_table and problem.severity == "error" for problem in problems):
        raise _refusal(raw, problems)
    good, wrong = _parted(raw, table, problems, now)
    if not len(good):
        raise _refusal(raw, _judged(raw, table, problems, now))
    lost = np.flatnonzero(event_rows(table) & ~np.isin(table.row, good.row))
    if len(lost):
        text = "a dividend or split on a row with errors: set apart, it would leave prices before it unadjusted"
        raise _refusal(raw, [*wrong, Problem("event_apart", table.row[lost], lambda k: (table.label(int(lost[k])), text))])
    kept = [part for problem in problems if problem.severity != "error" and len((part := within(problem, good.row)).rows)]
    remaining = _judged(raw, good, kept, now)
    if has_errors(remaining):
        raise _refusal(raw, remaining)
    findings = tuple(told([*(replace(problem, severity=QUARANTINED) for problem in wrong), *remaining]))
    return Taken(build_bars(good, raw.instrument, raw.timeframe, raw.bar_time), findings, _apart(raw, wrong) if wrong else None)


def checked(raw: RawSeries, now: datetime | None = None) -> tuple[ParsedTable, tuple[Finding, ...]]:
    """Return a received table's columns and its warnings.

    Raises:
        DataError: if anything is an error; `findings` holds errors and warnings.
    """
    table, problems = _read(raw)
    if table is not None:
        problems = _judged(raw, table, problems, now)
    if table is None or has_errors(problems):
        raise _refusal(raw, problems)
    return table, tuple(told(problems))


def _read(raw: RawSeries) -> tuple[ParsedTable | None, list[Problem]]:
    if (raw.timeframe == PUBLISHED) != (raw.instrument.kind == "series"):
        raise DataError(
            f"{raw.instrument.symbol} is of kind {raw.instrument.kind} and its timeframe {raw.timeframe}",
            path="timeframe",
            value=raw.timeframe,
            suggestion=f"timeframe {PUBLISHED!r} goes with kind 'series', and only with it",
        )
    table, problems = parse_table(raw.frame, raw.timeframe, raw.tz)
    return table, [*of_findings(raw.findings), *problems]


def _judged(raw: RawSeries, table: ParsedTable, problems: list[Problem], now: datetime | None) -> list[Problem]:
    """Return what reading found, and what the values show."""
    later: Iterable[Problem] = ()
    if now is not None and raw.instrument.kind != "synthetic":
        later = check_future(table, np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "ns"))
    return [*problems, *later, *check_table(table, judged_by(raw.instrument.calendar, problems), raw.bar_time)]


def _refusal(raw: RawSeries, problems: list[Problem]) -> DataError:
    findings = told(problems)
    count = sum(max(len(problem.rows), 1) for problem in problems if problem.severity == "error")
    first = next(finding for finding in findings if finding.severity == "error")
    where = "" if first.row is None else f" row {first.row}" + (f" ({first.time})" if first.time else "")
    more = f" (+{count - 1} more)" if count > 1 else ""
    return DataError(
        f"{raw.source}:{where} {first.message}{more}; nothing was imported",
        findings=findings,
        path=raw.source,
        value=first.code,
        suggestion="correct the rows named in the findings",
    )


def _parted(raw: RawSeries, table: ParsedTable, problems: list[Problem], now: datetime | None) -> tuple[ParsedTable, list[Problem]]:
    """Return the rows without errors, and what is wrong with the others.

    Of times that do not ascend the longest run that does is kept, so that one row far in the future does not condemn all after it.
    """
    shown = [problem for problem in _judged(raw, table, problems, now) if problem.code not in ("duplicate_time", "disorder")]
    wrong = [problem for problem in shown if problem.severity == "error" and not problem.of_the_table]
    good = table.kept(np.flatnonzero(~np.isin(table.row, wrong_rows(wrong))))
    in_order = ascending(good.time)
    for code, again in (("duplicate_time", True), ("disorder", False)):
        left_out = np.setdiff1d(np.arange(len(good)), in_order)
        places = left_out[np.isin(good.time[left_out], good.time[in_order]) == again]
        if len(places):
            wrong.append(_out_of_order(code, good, places))
    return good.kept(in_order), wrong


def _out_of_order(code: str, table: ParsedTable, places: IntArray) -> Problem:
    message = "another row has this time" if code == "duplicate_time" else "not in the order of the rows around it"
    return Problem(code, table.row[places], lambda k: (table.label(int(places[k])), message))


def ascending(times: TimeArray) -> IntArray:
    """Return the places of a longest strictly ascending run of times, not necessarily side by side.

    Args:
        times: (n,) datetime64[ns], none NaT.
    Source: patience sorting, Fredman (1975), Discrete Mathematics 11(1).
    """
    if (np.diff(times) > np.timedelta64(0, "ns")).all():
        return np.arange(len(times))
    ends: list[int] = []  # the least last time of a run of each length
    last: list[int] = []  # where that is
    before: list[int] = []
    for place, value in enumerate(times.astype(np.int64).tolist()):
        length = bisect_left(ends, value)
        before.append(last[length - 1] if length else -1)
        if length == len(ends):
            ends.append(value)
            last.append(place)
        elif value < ends[length]:
            ends[length], last[length] = value, place
    run: list[int] = []
    place = last[-1] if last else -1
    while place >= 0:
        run.append(place)
        place = before[place]
    return np.array(run[::-1], dtype=np.int64)


def _apart(raw: RawSeries, wrong: list[Problem]) -> pa.Table:
    rows = wrong_rows(wrong)
    codes: dict[int, list[str]] = {int(row): [] for row in rows}
    messages: dict[int, list[str]] = {int(row): [] for row in rows}
    for problem in wrong:
        for k, row in enumerate(map(int, problem.rows)):
            codes[row].append(problem.code)
            messages[row].append(problem.told(k)[1])
    cells = raw.frame.iloc[rows]
    columns: dict[str, pa.Array] = {
        "row": pa.array(rows),
        "codes": pa.array(["; ".join(dict.fromkeys(codes[row])) for row in codes]),
        "messages": pa.array(["; ".join(messages[row]) for row in messages]),
    }
    for name in cells.columns:
        columns[f"received_{name}"] = pa.array([None if _is_missing(cell) else str(cell) for cell in cells[name].tolist()], pa.string())
    return pa.table(columns)


def _is_missing(cell: object) -> bool:
    return cell is None or cell != cell  # NaN and NaT differ from themselves
