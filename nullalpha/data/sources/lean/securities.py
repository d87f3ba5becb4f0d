"""Which files make up which security: by LEAN's map files, tickers are joined, and shared out among those that had them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nullalpha.core.errors import NotFoundError, UsageError, nearest
from nullalpha.data.sources.lean.corporate import AuxiliaryFiles, Spell, spells_of, unclaimed
from nullalpha.data.sources.lean.layout import TIMEFRAMES, Listing


@dataclass(frozen=True)
class Security:
    """One series to read: the files of its tickers, and the days on which each was its own.

    Attributes:
        ticker: lower case, the security's own (its latest, or LEAN's numbered one such as `twx.1`).
        parts: its listings with the days to take of each, oldest first.
        maps, factors: the map and the factor files of its market.
    """

    ticker: str
    parts: tuple[tuple[Listing, Spell], ...]
    maps: AuxiliaryFiles
    factors: AuxiliaryFiles

    @property
    def listing(self) -> Listing:
        return self.parts[0][0]

    @property
    def timeframe(self) -> str:
        return TIMEFRAMES[self.listing.resolution]


def securities_of(found: list[Listing]) -> list[Security]:
    """Return what the listings are bars of, by LEAN's map files."""
    result: list[Security] = []
    groups: dict[tuple[Path, str], dict[str, Listing]] = {}
    for listing in found:
        groups.setdefault((listing.folder, listing.resolution), {})[listing.ticker] = listing
    for (market, _), by_ticker in groups.items():
        maps, factors = (AuxiliaryFiles(market / name) for name in ("map_files", "factor_files"))
        spells = {ticker: spells_of(maps, ticker) for ticker in maps.tickers}
        every = [spell for own in spells.values() for spell in own]
        for ticker in sorted({*spells, *by_ticker}):
            own = spells.get(ticker) or unclaimed(every, ticker)
            parts = tuple((by_ticker[spell.ticker], spell) for spell in own if spell.ticker in by_ticker)
            if parts:
                result.append(Security(ticker, parts, maps, factors))
    return sorted(result, key=lambda security: (str(security.listing.folder), security.timeframe, security.ticker))


def unknown(securities: list[Security], instrument: str) -> NotFoundError:
    symbol = instrument.upper()
    known = sorted({security.ticker.upper() for security in securities} - {symbol})
    near = nearest(symbol, known)
    owners = {s.ticker.upper() for s in securities for listing, _ in s.parts if listing.ticker == instrument.lower()} - {symbol}
    advice = f"it was the ticker of {min(owners)}" if owners else f"did you mean {near}?" if near else f"there is {', '.join(known[:10])}"
    return NotFoundError(f"no bars of {symbol} in LEAN's folder", path="instrument", value=instrument, suggestion=advice)


def refuse_twins(securities: list[Security]) -> None:
    seen: dict[tuple[str, str], Listing] = {}
    for security in securities:
        other = seen.setdefault((security.ticker, security.timeframe), security.listing)
        if other is not security.listing:
            names = [f"{item.security_type}/{item.market}" for item in (other, security.listing)]
            raise UsageError(
                f"{security.ticker.upper()} is in both {' and '.join(names)}",
                path="path",
                value=security.ticker.upper(),
                suggestion=f"point at one market's folder, e.g. {other.folder}",
            )
