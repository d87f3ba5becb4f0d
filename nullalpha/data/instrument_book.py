"""The instruments file of a home: what each instrument is and what trading it costs, in one place that a person can edit.

    EURUSD:
      kind: forex
      calendar: 24/5
      costs: {spread: quoted, half_spread_bps: 0.2, swap_long: 0.011, swap_short: -0.006}

What an entry leaves out is what `DEFAULTS` says of its kind or, where it stands over an instrument that is described elsewhere (a sample,
a snapshot), what is said there: bars keep what they were taken in with until somebody says otherwise. The file is read strictly: an
unknown or doubled key, a wrong type or a value that cannot be is an error with its path.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml

from nullalpha.core.artifacts import write_durably
from nullalpha.core.errors import HomeError, NotFoundError, SettingsError, StorageFullError, UsageError, nearest
from nullalpha.data.calendars import require_calendar
from nullalpha.data.instrument_kinds import DEFAULTS
from nullalpha.data.instruments import COST_RANGES, DISTRIBUTIONS, KINDS, Costs, FillBasis, Instrument
from nullalpha.data.plain_yaml import read_plain_yaml

__all__ = ["DEFAULTS", "FIELDS", "InstrumentBook"]

HEADER = """\
# The instruments of this home: kind, calendar, currency, what trading costs, and at which price an order can fill.
#
# kind: {kinds}
# calendar: a code of exchange_calendars (XNYS, XLON, CMES, 24/5, 24/7, ...)
# fill_basis: open (an order decided at the close of bar t fills at the open of t+1) or close (at its close)
# distributions: {distributions} (prices contain them; or they were paid and prices do not contain them)
# tick, lot: least step of price and of units, 0 for none. multiplier: currency a point of price and unit
# costs:
#   of one side: commission (fraction of notional), commission_per_unit (currency a share or contract), commission_minimum (currency a
#     fill), half_spread_bps, slippage_bps (basis points of price)
#   spread: fixed (half_spread_bps) or quoted (half of what the bars quote)
#   volatility_slippage: slippage as a multiple of a bar's volatility. impact: Y in Y x volatility x sqrt(units / volume of the bar)
#   volume_cap: largest share of a bar's volume that fills in it, 0 for no cap
#   of holding, fractions of the notional a year: borrow (short positions), swap_long, swap_short (below 0 is received), funding (long
#     positions pay it to short ones)
#
# What an entry leaves out is taken from its kind. `nullalpha data instruments` prints and edits this file; a change holds for
# campaigns that begin after it. Comments other than these are not kept.
"""
MOST_BYTES = 1_000_000
MOST_DEPTH = 4
_COSTS = tuple(field.name for field in fields(Costs))
_TYPES: Mapping[str, type] = MappingProxyType(
    {
        "name": str,
        "kind": str,
        "calendar": str,
        "currency": str,
        "fill_basis": str,
        "sessions_per_year": int,
        "tick": float,
        "lot": float,
        "multiplier": float,
        "distributions": str,
        "survivorship": bool,
        "source": str,
        "costs": dict,
    }
)
FIELDS = tuple(_TYPES)
_WORDS = {"kind": KINDS, "fill_basis": get_args(FillBasis), "distributions": DISTRIBUTIONS}
Entry = dict[str, Any]


class InstrumentBook:
    """One home's instruments file; read anew at every call, so that an edit by hand is seen.

    Args:
        path: `<home>/instruments.yaml`; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def instruments(self, held: Mapping[str, Instrument] | None = None) -> list[Instrument]:
        """Return all instruments that the file describes, by symbol.

        Args:
            held: what bars that are there were taken in as, by symbol; it completes their entries in place of their kind.
        Raises:
            SettingsError: if the file is broken, with the path of what is wrong and the nearest that is right.
            HomeError: if it cannot be read.
        """
        known = held or {}
        entries = sorted(self._entries().items())
        return [self._over(known[name], entry) if name in known else self._instrument(name, entry) for name, entry in entries]

    def get(self, symbol: str) -> Instrument:
        """Return what the file says of an instrument, completed by its kind.

        Raises:
            NotFoundError: if it says nothing, with the nearest symbol.
            SettingsError: if the file is broken.
        """
        entries = self._entries()
        if symbol not in entries:
            near = nearest(symbol, sorted(entries))
            raise NotFoundError(
                f"{self.path} does not describe {symbol!r}",
                path="instrument",
                value=symbol,
                suggestion=f"did you mean {near}?" if near else "describe it with `nullalpha data instruments`",
            )
        return self._instrument(symbol, entries[symbol])

    def describe(self, instrument: Instrument) -> Instrument:
        """Return an instrument as the file describes it; what the file leaves out stays as it was.

        Raises:
            SettingsError: if the file is broken.
        """
        return self.describing()(instrument)

    def describing(self) -> Callable[[Instrument], Instrument]:
        """Return `describe` on one reading of the file, for many instruments.

        Raises:
            SettingsError: if the file is broken.
        """
        entries = self._entries()

        def described(instrument: Instrument) -> Instrument:
            entry = entries.get(instrument.symbol)
            return instrument if entry is None else self._over(instrument, entry)

        return described

    def set(self, symbol: str, **changes: object) -> Instrument:
        """Describe an instrument, or change some of what is said of it, and return it completed.

        Args:
            symbol: added if it is not there.
            changes: fields by name; `costs` as a mapping of some or all costs; None takes a field out again.
        Raises:
            SettingsError: if a field is unknown or its value cannot be; the file stays as it was.
            HomeError, StorageFullError: if the file cannot be written.
        """
        return self._written({symbol: changes})[symbol]

    def put(self, instrument: Instrument) -> Instrument:
        """Describe an instrument with all its fields.

        Raises:
            HomeError, StorageFullError: if the file cannot be written.
        """
        return self.put_all([instrument])[instrument.symbol]

    def put_all(self, instruments: Iterable[Instrument]) -> dict[str, Instrument]:
        """Describe instruments with all their fields, in one writing, and return all that the file describes.

        Raises:
            HomeError, StorageFullError: if the file cannot be written.
        """
        told = {one.symbol: asdict(one) for one in instruments}
        return self._written({symbol: {name: one[name] for name in one if name != "symbol"} for symbol, one in told.items()})

    def _written(self, changes: Mapping[str, Mapping[str, object]]) -> dict[str, Instrument]:
        with self._alone():
            entries = self._entries()
            for symbol, fields_of in changes.items():
                entry = dict(entries.get(symbol, {}))
                for name, value in fields_of.items():
                    self._change(entry, f"{symbol}.{name}", name, value)
                entries[symbol] = entry
            described = {name: self._instrument(name, other) for name, other in entries.items()}
            write_durably(self.path, _text(entries).encode())
        return described

    def _change(self, entry: Entry, where: str, name: str, value: object) -> None:
        if value is None:
            entry.pop(name, None)
            return
        read = self._field(where, name, _plain(value))
        entry[name] = {**entry.get(name, {}), **read} if isinstance(read, dict) else read

    def _entries(self) -> dict[str, Entry]:
        with self._usable():
            if not self.path.is_file():
                return {}
            size = self.path.stat().st_size
            data = self.path.read_bytes() if size <= MOST_BYTES else b""
        if size > MOST_BYTES:
            raise self._broken("", f"the file has {size:,} bytes; at most {MOST_BYTES:,} are read", size)
        document = read_plain_yaml(data, str(self.path), MOST_DEPTH)
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise self._broken("", "the file is no mapping of symbols to what they are", type(document).__name__)
        return {symbol: self._entry(symbol, entry) for symbol, entry in document.items()}

    def _entry(self, symbol: str, entry: object) -> Entry:
        if entry == "" or entry is None:
            return {}
        if not isinstance(entry, dict):
            raise self._broken(symbol, "an instrument is a mapping of fields", entry, "e.g. kind: equity")
        return {name: self._field(f"{symbol}.{name}", name, value) for name, value in entry.items()}

    def _field(self, where: str, name: str, value: object) -> object:
        if name not in _TYPES:
            near = nearest(name, FIELDS)
            raise self._broken(where, f"there is no field {name!r}", name, f"did you mean {near}?" if near else f"use {', '.join(FIELDS)}")
        if name == "costs":
            return self._costs(where, value)
        read = self._scalar(where, value, _TYPES[name])
        if name in _WORDS and read not in _WORDS[name]:
            near = nearest(str(read), _WORDS[name])
            raise self._broken(where, f"{name} is {read!r}", read, f"use {near or ', '.join(_WORDS[name])}")
        return read

    def _costs(self, where: str, value: object) -> dict[str, float | str]:
        if not isinstance(value, dict):
            raise self._broken(where, "costs are a mapping", value, "e.g. {commission: 0.0001, half_spread_bps: 1, slippage_bps: 1}")
        unknown = next((name for name in value if name not in _COSTS), None)
        if unknown is not None:
            near = nearest(str(unknown), _COSTS)
            raise self._broken(
                f"{where}.{unknown}",
                f"there is no cost {unknown!r}",
                unknown,
                f"did you mean {near}?" if near else f"use {', '.join(_COSTS)}",
            )
        return {name: self._scalar(f"{where}.{name}", cost, _cost_type(name)) for name, cost in value.items()}

    def _scalar(self, where: str, value: object, kind: type) -> Any:
        if not isinstance(value, str):
            raise self._broken(
                where, f"{where.rsplit('.', 1)[-1]} is a {'list' if isinstance(value, list) else 'mapping'}", value, "a single value"
            )
        try:
            return (
                {"true": True, "false": False}[value.lower()]
                if kind is bool
                else kind(value.replace("_", "x") if kind is not str else value)
            )
        except (ValueError, KeyError) as error:
            wanted = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
            raise self._broken(where, f"{where.rsplit('.', 1)[-1]} is {value!r}; it takes {wanted}", value) from error

    def _instrument(self, symbol: str, entry: Entry) -> Instrument:
        base = DEFAULTS[entry.get("kind", "equity")]
        return self._over(replace(base, name=symbol), entry, symbol)

    def _over(self, base: Instrument, entry: Entry, symbol: str | None = None) -> Instrument:
        named = symbol or base.symbol
        costs = {**asdict(base.costs), **entry.get("costs", {})}
        try:
            described = replace(base, **{**entry, "symbol": named, "costs": Costs(**costs)})
            require_calendar(described.calendar)
        except UsageError as error:
            field = f"costs.{error.path}" if error.path in _COSTS else error.path
            raise self._broken(f"{named}.{field}", error.message, error.value, error.suggestion) from error
        return described

    def _broken(self, where: str, message: str, value: object, suggestion: str | None = None) -> SettingsError:
        at = f"instruments.{where}" if where else "instruments"
        return SettingsError(
            f"{self.path}: {at}: {message}" if where else f"{self.path}: {message}", path=at, value=value, suggestion=suggestion
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock while the file is read and written, so that no change is lost."""
        with self._usable():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield
            finally:
                os.close(folder)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(f"no space left to write {self.path}", path=str(self.path)) from error
            raise HomeError(
                f"cannot use {self.path}: {error.strerror}",
                path=str(self.path),
                suggestion="choose a folder that you may read and write with --home, or change its permissions",
            ) from error


def _cost_type(name: str) -> type:
    return float if name in COST_RANGES else str


def _plain(value: object) -> object:
    """Return a value as the file would hold it."""
    if isinstance(value, Costs):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _text(entries: Mapping[str, Entry]) -> str:
    ordered = {
        symbol: {name: _ordered_costs(entry[name]) if name == "costs" else entry[name] for name in FIELDS if name in entry}
        for symbol, entry in sorted(entries.items())
    }
    header = HEADER.format(kinds=", ".join(KINDS), distributions=", ".join(DISTRIBUTIONS))
    body = "".join("\n" + yaml.safe_dump({symbol: entry}, sort_keys=False, allow_unicode=True) for symbol, entry in ordered.items())
    return header + body


def _ordered_costs(costs: Mapping[str, float | str]) -> dict[str, float | str]:
    return {name: costs[name] for name in _COSTS if name in costs}
