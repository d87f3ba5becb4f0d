"""Bars of many futures contracts in one file, made into a continuous series.

A CSV or parquet file with columns contract, expiry (the last day on which it trades, an ISO date), time, open, high, low, close, volume and
perhaps open_interest, in any case and order; rows of different contracts may be mixed, those of one are in order of time. Every row of
every contract is checked before any is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nullalpha.core.errors import DataError
from nullalpha.core.fingerprint import canonical_json
from nullalpha.data.bars import Bars, FloatArray, IntArray
from nullalpha.data.check import check_table
from nullalpha.data.futures import Adjustment, ContinuousSeries, as_traded, continuous
from nullalpha.data.futures_rolls import Contract, Roll, RollRule
from nullalpha.data.instruments import Instrument
from nullalpha.data.parse import ParsedTable, parse_table
from nullalpha.data.problems import Problem, has_errors, table_problem, told
from nullalpha.data.snapshots import Derivation
from nullalpha.data.sources.csv_file import read_csv_file
from nullalpha.data.sources.parquet_file import read_parquet_file
from nullalpha.data.sources.series import BarTime, RawSeries
from nullalpha.data.timeframes import is_daily

PARQUET = (".parquet", ".pq")
_NAMED = ("contract", "expiry")
_DATE_CHARACTERS = 10

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class FuturesImport:
    """Attributes:
    series: prices as traded with their factor, as the catalogue takes them in (adjusted by difference: adjusted prices).
    continuous: the same, with each bar's contract.
    """

    series: RawSeries
    continuous: ContinuousSeries

    @property
    def rolls(self) -> tuple[Roll, ...]:
        return self.continuous.rolls


def read_futures(
    path: Path,
    instrument: Instrument,
    timeframe: str,
    rule: RollRule,
    adjustment: Adjustment = "ratio",
    bar_time: BarTime = "close",
    *,
    columns: Mapping[str, str] | None = None,
    tz: str | None = None,
) -> FuturesImport:
    """Read a file of contracts and join them.

    Args:
        path: the file; parquet by its suffix, otherwise CSV.
        instrument: the continuous series, of kind `future`.
        timeframe, bar_time, columns, tz: as of any file of bars.
        rule: when to roll.
        adjustment: `ratio` or `difference`.
    Raises:
        NotFoundError: if there is no such file.
        DataError: if a row cannot be read or is wrong (findings name the rows), or the contracts cannot be joined.
        UsageError: if `columns` names a column that bars do not have.
    """
    read = read_parquet_file if path.suffix.lower() in PARQUET else read_csv_file
    raw = read(path, instrument, timeframe, bar_time, columns=columns, tz=tz)
    joined = continuous(_contracts(raw), rule, adjustment)
    recipe = canonical_json(
        {"adjustment": adjustment, "contracts": list(joined.symbols), "roll": rule.kind, "days": rule.days if rule.kind == "days" else None}
    )
    derived_from = Derivation((), recipe)
    series = RawSeries(
        instrument, timeframe, _frame(joined.bars), raw.source, raw.original, raw.extension, bar_time, derived_from=derived_from
    )
    return FuturesImport(series, joined)


def _frame(bars: Bars) -> pd.DataFrame:
    """Return prices as traded and their factor; of bars adjusted by difference, the adjusted prices."""
    traded = as_traded(bars)
    time = pd.DatetimeIndex(bars.time)
    frame = pd.DataFrame({"time": time if is_daily(bars.timeframe) else time.tz_localize("UTC")})
    frame = frame.assign(open=traded.open, high=traded.high, low=traded.low, close=traded.close, volume=bars.volume)
    return frame if bars.factor is None else frame.assign(factor=bars.factor)


def _contracts(raw: RawSeries) -> list[Contract]:
    """Return the contracts of a file, all of whose rows are in order.

    Raises:
        DataError: if any row is not; findings name all that are not.
    """
    absent = [name for name in _NAMED if name not in raw.frame.columns]
    if absent:
        have = ", ".join(map(str, raw.frame.columns))
        raise _refusal(raw, [table_problem("missing_column", f"no column {name!r} (there are: {have})") for name in absent])
    table, problems = parse_table(raw.frame, raw.timeframe, raw.tz)
    if table is None:
        raise _refusal(raw, problems)
    symbols = raw.frame["contract"].astype("string").str.strip().fillna("")
    expiry = pd.to_datetime(raw.frame["expiry"].astype("string").str.slice(0, _DATE_CHARACTERS), format="%Y-%m-%d", errors="coerce")
    days = expiry.to_numpy().astype("datetime64[D]")
    interest, unread = _open_interest(raw.frame)
    named = [
        _problem(table, "missing_contract", np.flatnonzero(symbols == ""), "the contract is missing"),
        _problem(table, "unreadable_time", np.flatnonzero(np.isnat(days)), "the expiry is no ISO date, e.g. 2024-03-15"),
        _problem(table, "not_a_number", np.flatnonzero(unread), "the open interest is not a number of 0 or more"),
    ]
    rows_of = {str(symbol): np.sort(places) for symbol, places in symbols.groupby(symbols.to_numpy(dtype=object)).indices.items()}
    for places in rows_of.values():
        named.append(_problem(table, "other_expiry", places[days[places] != days[places[0]]], "not the expiry of its contract's first row"))
        problems += check_table(table.kept(places), None)
    problems += [problem for problem in named if len(problem.rows)]
    if has_errors(problems):
        raise _refusal(raw, problems)
    return [_contract(raw, table.kept(places), symbol, days[places[0]], interest, places) for symbol, places in rows_of.items()]


def _contract(
    raw: RawSeries, table: ParsedTable, symbol: str, expiry: np.datetime64, interest: FloatArray | None, places: IntArray
) -> Contract:
    bars = Bars(raw.instrument.symbol, raw.timeframe, table.time, table.open, table.high, table.low, table.close, table.volume)
    return Contract(symbol, expiry, bars, None if interest is None else interest[places])


def _open_interest(frame: pd.DataFrame) -> tuple[FloatArray | None, BoolArray]:
    """Return the column, if there is one (NaN where a cell is empty), and the rows that are no open interest."""
    if "open_interest" not in frame.columns:
        return None, np.zeros(len(frame), dtype=np.bool_)
    cells = frame["open_interest"]
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    blank = (cells.isna() | (cells.astype("string").str.strip() == "")).to_numpy(dtype=bool)
    return values, (np.isnan(values) & ~blank) | np.isinf(values) | (values < 0)


def _problem(table: ParsedTable, code: str, rows: IntArray, message: str) -> Problem:
    return Problem(code, rows, lambda k: (table.label(int(rows[k])), message))


def _refusal(raw: RawSeries, problems: list[Problem]) -> DataError:
    findings = told(problems)
    first = next(finding for finding in findings if finding.severity == "error")
    where = "" if first.row is None else f" row {first.row}" + (f" ({first.time})" if first.time else "")
    return DataError(
        f"{raw.source}:{where} {first.message}; nothing was imported",
        findings=findings,
        path=raw.source,
        value=first.code,
        suggestion="correct the rows named in the findings",
    )
