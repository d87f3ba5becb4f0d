"""Which column of a user's file is which of ours: by name in any case and order, or as the user says.

Yahoo's downloads name their events `Dividends` and `Stock Splits`. Beside its `Adj Close` they say what that contains already, and are
left alone. Without it they keep their names, and reading asks what the prices contain: yfinance's `history()` puts both into all prices
unless `auto_adjust` is False (ranaroussi.github.io/yfinance, Price adjustment).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from nullalpha.core.errors import DataError, NotFoundError, UsageError, nearest

COLUMNS = ("time", "open", "high", "low", "close", "value", "volume", "adj_close", "factor", "spread", "dividend", "split")
YAHOO_EVENTS: Mapping[str, str] = MappingProxyType({"dividend": "dividends", "split": "stock_splits"})
"""Our names of events, and those of Yahoo's downloads as `plain_name` gives them."""
TIME_NAMES = ("time", "date")
LATER_TIME_NAMES = ("datetime", "timestamp")
"""Taken for the time where no column has one of `TIME_NAMES`."""


def canonical_columns(header: Sequence[str], chosen: Mapping[str, str] | None, path: str) -> dict[str, int]:
    """Return the place of each column of the file, under our names; a column that is none of ours keeps its own, in lower case.

    Args:
        header: the file's names.
        chosen: our name to the file's, for columns that are not to be found by name; to "" where a column of that name is left out.
    Raises:
        UsageError: if `chosen` names a column that bars do not have.
        DataError: if it names one that the file has not, or the file has a column twice.
    """
    said = chosen or {}
    _require_ours(said)
    picked = {ours: _place(header, ours, theirs, path) for ours, theirs in said.items() if theirs}
    unused = {name for ours in said for name in (ours, YAHOO_EVENTS.get(ours, ours))}
    plain = [plain_name(name) for name in header]
    if not set(plain) & set(TIME_NAMES) and "time" not in picked:
        plain = [next(iter(TIME_NAMES)) if name in LATER_TIME_NAMES else name for name in plain]
    plain = ["time" if name in TIME_NAMES else name for name in plain]
    others = [(place, name) for place, name in enumerate(plain) if place not in picked.values() and name not in unused]
    names = [name for _, name in others]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataError(f"{path} has more than one column {', '.join(doubled)}", path=path, value=",".join(header))
    if "adj_close" in {*names, *picked}:
        others = [(place, name) for place, name in others if name not in YAHOO_EVENTS.values()]
    by_place = dict(others) | {place: ours for ours, place in picked.items()}
    return {by_place[place]: place for place in sorted(by_place)}


def plain_name(name: str) -> str:
    """Return a column's name in lower case, with `_` between its words."""
    return "_".join(name.strip().lower().replace("_", " ").split())


def read_file(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        NotFoundError: if there is no such file.
        DataError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"no file {path}", path=str(path)) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", path=str(path)) from error


def _require_ours(chosen: Mapping[str, str]) -> None:
    ours = next((name for name in chosen if name not in COLUMNS), None)
    if ours is not None:
        near = nearest(ours, COLUMNS)
        raise UsageError(
            f"bars have no column {ours!r}",
            path="column",
            value=ours,
            suggestion=f"did you mean {near}?" if near else f"use {', '.join(COLUMNS)}",
        )


def _place(header: Sequence[str], ours: str, theirs: str, path: str) -> int:
    plain = [plain_name(name) for name in header]
    wanted = theirs if theirs in header else plain_name(theirs)
    among = list(header) if theirs in header else plain
    if among.count(wanted) != 1:
        near = nearest(theirs, list(header))
        raise DataError(
            f"{path} has {'no' if wanted not in among else 'more than one'} column {theirs!r} to read {ours} from",
            path=path,
            value=theirs,
            suggestion=f"did you mean {near}?" if near else f"there are: {', '.join(header)}",
        )
    return among.index(wanted)
