"""LEAN's map and factor files: which ticker a security had when, and what its prices are multiplied by.

A map file's row `date,ticker` says that the security traded as `ticker` up to and on that date; the first row's date is its first day, the
last's the day it was delisted or far in the future. A factor file's row `date,price factor,split factor[,reference price]` holds up to
and on its date, from the date after the row before; after the last row both are 1. Adjusted price = price * price factor * split factor
(distributions and splits).

Source: github.com/QuantConnect/Lean, Common/Data/Auxiliary (MapFile, CorporateFactorProvider, CorporateFactorRow).
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from nullalpha.core.errors import DataError, Finding
from nullalpha.data.bars import FloatArray, TimeArray

_DAY = np.timedelta64(1, "D")
_FIRST, _LAST = np.datetime64("1900-01-01", "D"), np.datetime64("2200-01-01", "D")


@dataclass(frozen=True)
class Spell:
    """The days, both included, on which a security traded under a ticker."""

    ticker: str
    first: np.datetime64
    last: np.datetime64


@dataclass(frozen=True)
class Factors:
    """A factor file.

    Attributes:
        date: (n,) datetime64[D], ascending: the last day on which the row holds.
        price, split: (n,) factors.
        usable_from: the first day whose factors can be used: as in LEAN, rows that lost their digits (`inf`, `1.6e+6`) or are 0 are none.
        original: (name, bytes) of the file.
    """

    date: TimeArray
    price: FloatArray
    split: FloatArray
    usable_from: np.datetime64
    original: tuple[str, bytes]

    def at(self, days: TimeArray) -> FloatArray:
        """Return (n,) what prices are multiplied by on (n,) days."""
        place = np.searchsorted(self.date, days.astype("datetime64[D]"), side="left")
        factor: FloatArray = np.append(self.price * self.split, 1.0)[place]
        return factor


class AuxiliaryFiles:
    """The map or the factor files of a market: one CSV a security, single or in the newest of dated archives.

    Args:
        folder: `map_files` or `factor_files`; it need not be there.
    Raises:
        DataError: if the archive is broken.
    """

    def __init__(self, folder: Path) -> None:
        self._single = {file.stem.lower(): file for file in folder.glob("*.csv")}
        newest = sorted(folder.glob(f"{folder.name}_????????.zip"))[-1:]
        self._packed = {Path(name).stem.lower(): (f"{file}/{name}", data) for file in newest for name, data in _members(file).items()}

    @property
    def tickers(self) -> list[str]:
        """The securities that have a file, by the ticker that names it."""
        return sorted({*self._single, *self._packed})

    def read(self, ticker: str) -> tuple[str, bytes] | None:
        """Return the path and bytes of a security's file, or None if it has none."""
        single = self._single.get(ticker)
        return self._packed.get(ticker) if single is None else (str(single), single.read_bytes())


def read_factors(files: AuxiliaryFiles, ticker: str) -> Factors | None:
    """Return a security's factors, or None if it has no file.

    Raises:
        DataError: if the file is broken; findings name the rows.
    """
    found = files.read(ticker)
    if found is None:
        return None
    rows: list[tuple[np.datetime64, float, float]] = []
    usable_from: np.datetime64 = _FIRST
    for number, cells in _rows(*found, least=3):
        day = _day(cells[0], found[0], number)
        lost = any("inf" in cell or "e+" in cell for cell in cells[1:3])
        price, split = (0.0, 0.0) if lost else (_factor(cell, found[0], number) for cell in cells[1:3])
        if price * split > 0:
            rows.append((day, price, split))
        else:
            usable_from = day + _DAY if day >= usable_from else usable_from
    rows.sort(key=lambda row: row[0])
    dates = np.array([row[0] for row in rows], dtype="datetime64[D]")
    prices, splits = (np.array([row[column] for row in rows]) for column in (1, 2))
    return Factors(dates, prices, splits, usable_from, (Path(found[0]).name, found[1]))


def spells_of(files: AuxiliaryFiles, ticker: str) -> tuple[Spell, ...]:
    """Return the tickers that a security traded under, oldest first; none if it has no file.

    Raises:
        DataError: if the file is broken; findings name the rows.
    """
    found = files.read(ticker)
    if found is None:
        return ()
    rows = sorted((_day(cells[0], found[0], number), cells[1].lower()) for number, cells in _rows(*found, least=2))
    if not rows:
        return ()
    spells = [Spell(rows[0][1], rows[0][0], rows[0][0])]
    for (before, _), (last, name) in pairwise(rows):
        if name == spells[-1].ticker:
            spells[-1] = Spell(name, spells[-1].first, last)
        else:
            spells.append(Spell(name, before + _DAY, last))
    return tuple(spells)


def unclaimed(spells: Iterable[Spell], ticker: str) -> tuple[Spell, ...]:
    """Return the days on which a ticker belonged to none of the securities whose spells are given."""
    taken = sorted((spell.first, spell.last) for spell in spells if spell.ticker == ticker)
    free: list[Spell] = []
    start: np.datetime64 = _FIRST
    for first, last in taken:
        if start < first:
            free.append(Spell(ticker, start, first - _DAY))
        start = last + _DAY if last >= start else start
    return (*free, Spell(ticker, start, _LAST)) if start < _LAST else tuple(free)


def _members(archive: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as opened:
            return {name: opened.read(name) for name in opened.namelist() if name.endswith(".csv")}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{archive} is a broken zip file", path=str(archive)) from error


def _rows(path: str, data: bytes, least: int) -> list[tuple[int, list[str]]]:
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text", path=path, value=f"byte {error.start}") from error
    rows = [(number, [cell.strip() for cell in line.split(",")]) for number, line in enumerate(lines) if line.strip()]
    short = [
        Finding("ragged_row", number, None, f"{len(cells)} cells, at least {least} expected")
        for number, cells in rows
        if len(cells) < least
    ]
    if short:
        raise DataError(f"{path}: row {short[0].row} has {short[0].message}", findings=short, path=path)
    return rows


def _day(cell: str, path: str, number: int) -> np.datetime64:
    try:
        return np.datetime64(datetime.strptime(cell, "%Y%m%d").date(), "D")  # noqa: DTZ007 - a date
    except ValueError as error:
        finding = Finding("unreadable_time", number, None, f"{cell!r} is no date yyyyMMdd")
        raise DataError(f"{path}: row {number}: {finding.message}", findings=[finding], path=path, value=cell) from error


def _factor(cell: str, path: str, number: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and value >= 0:
        return value
    finding = Finding("not_a_number", number, None, f"{cell!r} is no factor")
    raise DataError(f"{path}: row {number}: {finding.message}", findings=[finding], path=path, value=cell)
