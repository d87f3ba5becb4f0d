"""Bars of QuantConnect LEAN's data folder, adjusted by its map and factor files.

Equity prices are deci-cents (price * 10,000), all others prices. Of quote bars open, high, low and close are mid prices and `spread` is ask
minus bid at the close; where a ticker has both trade and quote bars, the trade bars are taken and the spread joined to them by time.
Volumes are as traded, like the prices that a factor goes with. Times are the opens of bars; a daily bar is its session's. An equity
without a factor file is taken as traded (distributions `excluded`). The bytes kept are a tar of every file that was read.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from nullalpha.core.errors import DataError, Finding, NotFoundError, UsageError
from nullalpha.data.bars import FloatArray
from nullalpha.data.instruments import Distributions
from nullalpha.data.sources.lean.corporate import Factors, Spell, read_factors
from nullalpha.data.sources.lean.layout import TIMEFRAMES, Listing, folders_not_read, listings, locate
from nullalpha.data.sources.lean.markets import UTC, data_zone, day_ends_with_session, instrument_of, market_hours
from nullalpha.data.sources.lean.rows import QUOTE, TRADE, Rows, read_rows
from nullalpha.data.sources.lean.securities import Security, refuse_twins, securities_of, unknown
from nullalpha.data.sources.series import RawSeries

DECI_CENTS = 10_000.0
_PRICES = ("open", "high", "low", "close")
DAY = "day"
_MINUTE_DATE = slice(0, 8)


@dataclass(frozen=True)
class Unread:
    """One series of a folder.

    Attributes:
        symbol: as the instrument will have it.
        load: reads it; None when its tickers have rows, but none on the days that were its own.
    """

    symbol: str
    timeframe: str
    load: Callable[[], RawSeries | None]


@dataclass(frozen=True)
class Folder:
    """The series at a path, and what to say where none of them turns out to have bars."""

    series: tuple[Unread, ...]
    nothing: UsageError


def read_lean(path: Path, instrument: str | None = None, timeframe: str | None = None) -> Iterator[RawSeries]:
    """Return the series at a path of a LEAN data folder, each read when it is asked for; the first broken one ends it.

    Args:
        path, instrument, timeframe: as of `open_lean`.
    Raises:
        NotFoundError, UsageError: as `open_lean` does.
        DataError: that too, or (while reading) a broken file; findings name rows.
    """
    return _read(open_lean(path, instrument, timeframe))


def open_lean(path: Path, instrument: str | None = None, timeframe: str | None = None) -> Folder:
    """Return the series at a path of a LEAN data folder, by names alone.

    Args:
        path: the data folder, a folder below it, or one zip.
        instrument: only this ticker, in any case.
        timeframe: only `1d`, `1h` or `1m`.
    Raises:
        NotFoundError: if the path, the ticker or the timeframe is not there.
        DataError: if it is no such folder, or a resolution that is not read.
        UsageError: if two markets hold the same ticker.
    """
    with _readable(path):
        place = locate(path)
        found = listings(place)
    if timeframe is not None:
        found = [listing for listing in found if TIMEFRAMES[listing.resolution] == _known_timeframe(timeframe)]
    if not found:
        what = f"{timeframe} bars" if timeframe else "daily, hour or minute bars"
        raise NotFoundError(
            f"no {what} at {path}", path=str(path), value=timeframe, suggestion="`equity/usa/daily/<ticker>.zip`, for example"
        )
    with _readable(path):
        securities = securities_of(found)
    chosen = securities if instrument is None else [security for security in securities if security.ticker == instrument.lower()]
    nothing = DataError(f"{path} holds no bars", path=str(path)) if instrument is None else unknown(securities, instrument)
    if not chosen:
        raise nothing
    refuse_twins(chosen)
    whole = _whole_days(chosen, market_hours(place.root))
    return Folder(tuple(Unread(item.ticker.upper(), item.timeframe, partial(_series, item, zone)) for item, zone in whole), nothing)


def not_read(path: Path) -> list[str]:
    """Return one sentence for each folder at a path that LEAN knows and `read_lean` leaves out.

    Raises:
        NotFoundError, DataError: as `read_lean` for the path.
    """
    with _readable(path):
        place = locate(path)
        daily = [item for item in listings(place, lenient=True) if item.resolution == "daily"]
        folders = folders_not_read(place)
    hours = market_hours(place.root)
    zones = {(item.security_type, item.market): data_zone(hours, item.security_type, item.market, item.ticker) for item in daily}
    odd = [(pair, zone) for pair, zone in zones.items() if not day_ends_with_session(pair[0], zone)]
    said = [
        f"{kind}/{market}/daily: its days end at midnight in {zone}, when no session ends; import the hour bars"
        for (kind, market), zone in odd
    ]
    return [*folders, *said]


def _read(folder: Folder) -> Iterator[RawSeries]:
    """Yield the bars of a folder's series."""
    empty = True
    for unread in folder.series:
        series = unread.load()
        if series is not None:
            empty = False
            yield series
    if empty:
        raise folder.nothing


def _whole_days(securities: list[Security], hours: dict[str, str]) -> list[tuple[Security, str]]:
    """Return the securities with their zones, without daily bars that end while their market is open; refuse if there are no others."""
    zoned = [(item, data_zone(hours, item.listing.security_type, item.listing.market, item.ticker)) for item in securities]
    whole = [
        pair for pair in zoned if pair[0].listing.resolution != "daily" or day_ends_with_session(pair[0].listing.security_type, pair[1])
    ]
    if not whole:
        first, zone = zoned[0]
        raise DataError(
            f"daily bars of {first.listing.security_type}/{first.listing.market} end at midnight in {zone}, when no session ends",
            path=str(first.listing.folder / "daily"),
            value=zone,
            suggestion="import the hour or minute bars; the lab makes longer bars of them",
        )
    return whole


def _known_timeframe(timeframe: str) -> str:
    if timeframe in TIMEFRAMES.values():
        return timeframe
    text = f"{timeframe} is none of the timeframes of LEAN bars"
    raise DataError(text, path="timeframe", value=timeframe, suggestion="take 1m, 1h or 1d; second and tick data are not supported")


def _series(security: Security, zone: str) -> RawSeries | None:
    """Return a security's bars; None when its tickers have rows, but none on the days that were its own."""
    listing = security.listing
    equity = listing.security_type == "equity"
    with _readable(listing.folder):
        factors = read_factors(security.factors, security.ticker) if equity else None
        mapped = security.maps.read(security.ticker) if equity else None
    distributions: Distributions = "none" if not equity else "adjusted" if factors else "excluded"
    described = instrument_of(listing.security_type, listing.market, security.ticker, distributions)
    originals = {} if factors is None else {f"factor_files/{factors.original[0]}": factors.original[1]}
    if mapped is not None:
        originals[f"map_files/{Path(mapped[0]).name}"] = mapped[1]
    pieces = [frame for part, spell in security.parts if (frame := _frame(part, spell, zone, originals)) is not None]
    if not pieces:
        return None
    frame = pieces[0] if len(pieces) == 1 else pd.concat(pieces, ignore_index=True)
    if factors is not None:
        frame = _with_factors(frame, factors)
    source = f"LEAN {listing.security_type}/{listing.market}/{listing.resolution}/{security.ticker}"
    bars = frame.drop(columns=DAY).reset_index(drop=True)
    return RawSeries(described, security.timeframe, bars, source, _tar(originals), "tar", "open")


def _with_factors(frame: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    days = frame[DAY].to_numpy()
    usable = days >= factors.usable_from
    return frame[usable].assign(factor=factors.at(days[usable]))


def _frame(listing: Listing, spell: Spell, zone: str, originals: dict[str, bytes]) -> pd.DataFrame | None:
    """Return the bars of one ticker on the days of a spell, with their days on the data zone's wall clock; None if there are none."""
    scale = DECI_CENTS if listing.security_type == "equity" else 1.0
    trades, quotes = (_rows(listing, files, names, spell, originals) for files, names in ((listing.trades, TRADE), (listing.quotes, QUOTE)))
    intraday = listing.resolution != "daily"
    traded, quoted = (None if rows is None else _times(rows, zone, intraday) for rows in (trades, quotes))
    if quotes is not None and quoted is not None:
        frame = quoted.assign(**_mid(quotes, scale))
    if trades is not None and traded is not None:
        spread = None if quotes is None else frame.drop_duplicates("time").set_index("time")["spread"]
        frame = traded.assign(**{name: trades.columns[name] / scale for name in _PRICES}, volume=trades.columns["volume"])
        if spread is not None:
            frame["spread"] = spread.reindex(pd.Index(frame["time"])).to_numpy()
    elif quotes is None:
        return None
    days = frame[DAY].to_numpy()
    mine = frame[(days >= spell.first) & (days <= spell.last)]
    return mine if len(mine) else None


def _rows(listing: Listing, files: Sequence[Path], names: tuple[str, ...], spell: Spell, originals: dict[str, bytes]) -> Rows | None:
    minute = listing.resolution == "minute"
    if minute:
        first, last = (str(day).replace("-", "") for day in (spell.first, spell.last))
        files = [file for file in files if first <= file.name[_MINUTE_DATE] <= last]
    if not files:
        return None
    with _readable(listing.folder):
        opened = [(file, file.read_bytes()) for file in files]
    originals.update((str(file.relative_to(listing.root)), data) for file, data in opened)
    return read_rows(opened, names, minute)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = str(error.filename or path)
        raise DataError(f"cannot read {where}: {error.strerror}", path=where) from error


def _mid(quotes: Rows, scale: float) -> dict[str, FloatArray]:
    columns = {name: (quotes.columns[f"bid_{name}"] + quotes.columns[f"ask_{name}"]) / 2 / scale for name in _PRICES}
    return {**columns, "spread": (quotes.columns["ask_close"] - quotes.columns["bid_close"]) / scale}


def _times(rows: Rows, zone: str, intraday: bool) -> pd.DataFrame:
    """Return columns time (UTC instants, or dates) and day (the wall clock's).

    Raises:
        DataError: if an instant cannot be told, because the zone's clocks skipped the hour or had it twice.
    """
    day = rows.time.astype("datetime64[D]").astype("datetime64[s]")
    if not intraday:
        return pd.DataFrame({"time": rows.time, DAY: day})
    local = pd.DatetimeIndex(rows.time).tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    if local.hasnans:
        place = int(np.argmax(local.isna()))
        file, row = rows.where(place)
        stamp = str(rows.time[place].astype("datetime64[m]"))
        finding = Finding("unreadable_time", row, stamp, f"{stamp} was skipped, or happened twice, when clocks in {zone} changed")
        raise DataError(f"{file}: row {row}: {finding.message}", findings=[finding], path=str(file), value=stamp)
    return pd.DataFrame({"time": local.tz_convert(UTC), DAY: day})


def _tar(originals: dict[str, bytes]) -> bytes:
    """Return one deterministic archive of files as received."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(originals.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return sink.getvalue()
