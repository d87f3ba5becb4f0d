"""Where a LEAN data folder keeps what: from a path to the zip files that hold each ticker's bars.

    <root>/<security type>/<market>/daily|hour/<ticker>.zip            crypto: <ticker>_trade.zip, <ticker>_quote.zip
    <root>/<security type>/<market>/minute/<ticker>/<yyyyMMdd>_trade.zip, <yyyyMMdd>_quote.zip

The path may be the root, any folder below it, or one zip. Reads no file, names alone.

Source: the readme files of github.com/QuantConnect/Lean, Data/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nullalpha.core.errors import DataError, NotFoundError, nearest

TIMEFRAMES = {"daily": "1d", "hour": "1h", "minute": "1m"}
FINER = ("second", "tick")
SECURITY_TYPES = ("equity", "forex", "cfd", "crypto")
OTHER_TYPES = ("option", "future", "futureoption", "index", "indexoption", "cryptofuture")
_KINDS = {"": "trade", "_trade": "trade", "_quote": "quote"}
_LONG_NAME = re.compile(r"(?P<ticker>.+?)(?P<kind>_trade|_quote|_openinterest|)")
_MINUTE_NAME = re.compile(r"(?P<date>\d{8})(?P<kind>_trade|_quote|_openinterest)")
_LAYOUT = "equity, forex, cfd or crypto / market / daily, hour or minute"


@dataclass(frozen=True)
class Place:
    """A path inside a LEAN data folder.

    Attributes:
        root: the data folder.
        parts: security type, market, resolution, ticker or file, ... as far as the path goes.
    """

    root: Path
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """The files of one ticker at one resolution; either may be empty, not both.

    Attributes:
        ticker: lower case, as files name it.
        trades, quotes: zips of trade and of quote bars, by date.
    """

    root: Path
    security_type: str
    market: str
    resolution: str
    ticker: str
    trades: tuple[Path, ...]
    quotes: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """The market's folder, which also holds its map and factor files."""
        return self.root / self.security_type / self.market


def locate(path: Path) -> Place:
    """Return where a path lies in its LEAN data folder.

    Raises:
        NotFoundError: if there is no such path.
        DataError: if neither it nor a folder above it is laid out as LEAN's.
    """
    path = path.absolute()
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, siblings)
        raise NotFoundError(f"no folder or file {path}", path=str(path), suggestion=f"did you mean {path.parent / near}?" if near else None)
    known = (*SECURITY_TYPES, *OTHER_TYPES)
    if path.is_dir() and any((path / name).is_dir() for name in known):
        return Place(path, ())
    for folder in (path, *path.parents):
        if folder.name in known:
            return Place(folder.parent, path.relative_to(folder.parent).parts)
    raise DataError(f"{path} is no LEAN data folder", path=str(path), suggestion=f"its folders are {_LAYOUT}")


def listings(place: Place, lenient: bool = False) -> list[Listing]:
    """Return what a place holds of the resolutions that are read, in the order of security type, market, resolution and ticker.

    Args:
        lenient: return nothing for a place of a type or resolution that is not read.
    Raises:
        DataError: if the place is of a type or resolution that is not read, or a zip's name is none of LEAN's.
    """
    wanted = [*place.parts, None, None, None, None][:4]
    if lenient and (wanted[0] in OTHER_TYPES or wanted[2] in FINER):
        return []
    _refuse(place, wanted[0], wanted[2])
    found: list[Listing] = []
    for security_type in _chosen(place.root, wanted[0], SECURITY_TYPES):
        for market in _chosen(place.root / security_type, wanted[1], None):
            for resolution in _chosen(place.root / security_type / market, wanted[2], tuple(TIMEFRAMES)):
                found += _tickers(place, security_type, market, resolution, wanted[3])
    return found


def folders_not_read(place: Place) -> list[str]:
    """Return one sentence for each folder at a place that LEAN knows and that `listings` leaves out."""
    base = place.root.joinpath(*place.parts)
    types = [place.parts[0]] if place.parts else [name for name in (*SECURITY_TYPES, *OTHER_TYPES) if (place.root / name).is_dir()]
    said = [f"{name}: of LEAN's types only {', '.join(SECURITY_TYPES)} are read" for name in types if name in OTHER_TYPES]
    folders = [folder for name in types if name in SECURITY_TYPES for folder in sorted((place.root / name).glob("*/*"))]
    finer = [folder for folder in folders if folder.name in FINER and (base in folder.parents or base == folder)]
    return [*said, *(f"{folder.relative_to(place.root)}: {_FINER_TEXT}" for folder in finer)]


_FINER_TEXT = "second and tick data are not supported; the shortest bars read are LEAN's minute bars"


def _refuse(place: Place, security_type: str | None, resolution: str | None) -> None:
    where = str(place.root.joinpath(*place.parts))
    if security_type in OTHER_TYPES:
        raise DataError(f"LEAN {security_type} data are not supported", path=where, suggestion=f"read are {', '.join(SECURITY_TYPES)}")
    if resolution in FINER:
        raise DataError(_FINER_TEXT, path=where, value=resolution, suggestion="point at the minute folder beside it")
    if resolution is not None and resolution not in TIMEFRAMES:
        raise DataError(f"{resolution!r} is no resolution of LEAN bars", path=where, value=resolution, suggestion=", ".join(TIMEFRAMES))


def _chosen(folder: Path, wanted: str | None, names: tuple[str, ...] | None) -> list[str]:
    if wanted is not None:
        return [wanted]
    present = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    return [name for name in present if names is None or name in names]


def _tickers(place: Place, security_type: str, market: str, resolution: str, wanted: str | None) -> Iterator[Listing]:
    folder = place.root / security_type / market / resolution
    only = folder.joinpath(*place.parts[3:]) if wanted is not None else None
    if resolution == "minute":
        yield from _minute(place.root, security_type, market, folder, only)
        return
    files = [only] if only is not None else sorted(folder.glob("*.zip"))
    by_ticker: dict[str, dict[str, list[Path]]] = {}
    for file in files:
        name = _LONG_NAME.fullmatch(file.stem)
        if file.suffix != ".zip" or name is None:
            raise _misnamed(file, "<ticker>.zip")
        if name["kind"] != "_openinterest":
            kind = "quote" if security_type in ("forex", "cfd") else _KINDS[name["kind"]]
            by_ticker.setdefault(name["ticker"].lower(), {"trade": [], "quote": []})[kind].append(file)
    for ticker, kinds in sorted(by_ticker.items()):
        yield Listing(place.root, security_type, market, resolution, ticker, tuple(kinds["trade"]), tuple(kinds["quote"]))


def _minute(root: Path, security_type: str, market: str, folder: Path, only: Path | None) -> Iterator[Listing]:
    every = sorted(entry for entry in folder.iterdir() if entry.is_dir()) if only is None else [only if only.is_dir() else only.parent]
    for ticker in every:
        files = [only] if only is not None and only.is_file() else sorted(ticker.glob("*.zip"))
        kinds: dict[str, list[Path]] = {"_trade": [], "_quote": [], "_openinterest": []}
        for file in files:
            name = _MINUTE_NAME.fullmatch(file.stem)
            if file.suffix != ".zip" or name is None:
                raise _misnamed(file, "<yyyyMMdd>_trade.zip or <yyyyMMdd>_quote.zip")
            kinds[name["kind"]].append(file)
        if kinds["_trade"] or kinds["_quote"]:
            yield Listing(root, security_type, market, "minute", ticker.name.lower(), tuple(kinds["_trade"]), tuple(kinds["_quote"]))


def _misnamed(file: Path, form: str) -> DataError:
    return DataError(f"{file} is not named as LEAN names its files", path=str(file), value=file.name, suggestion=f"the form is {form}")
