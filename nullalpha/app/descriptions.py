"""What a person says of instruments, and the home's instruments file that keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

from nullalpha.core.artifacts import write_durably
from nullalpha.core.errors import NotFoundError, NullAlphaError, RefusedError, UsageError, nearest
from nullalpha.data.instrument_book import FIELDS
from nullalpha.data.instrument_kinds import DEFAULTS
from nullalpha.data.instruments import COST_HINTS, SPREADS, Costs, Instrument

if TYPE_CHECKING:
    from nullalpha.app.lab import Lab

COSTS = tuple(field.name for field in fields(Costs))
SETTABLE = (*(name for name in FIELDS if name not in ("costs", "source")), *COSTS)


@dataclass(frozen=True)
class Description:
    """What a person says of an instrument; None leaves it to the instruments file, and that to the instrument's kind.

    Attributes:
        costs: any of the costs by name, the first three among them.
    """

    kind: str | None = None
    calendar: str | None = None
    currency: str | None = None
    fill_basis: str | None = None
    sessions_per_year: int | None = None
    commission: float | None = None
    half_spread_bps: float | None = None
    slippage_bps: float | None = None
    tick: float | None = None
    lot: float | None = None
    multiplier: float | None = None
    distributions: str | None = None
    survivorship: bool | None = None
    costs: Mapping[str, float | str] | None = None

    def over(self, instrument: Instrument) -> Instrument:
        """Return an instrument with what is said here instead.

        Raises:
            UsageError: if a value cannot be; its path is the field.
        """
        said = {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}
        costs = {**said.pop("costs", {}), **{name: said.pop(name) for name in COSTS if name in said}}
        return replace(instrument, costs=replace(instrument.costs, **costs), **said)


def refuse_another(known: Instrument | None, described: Instrument, replacing: bool) -> None:
    """Refuse bars whose symbol stands for something else, or for the same under another description.

    Args:
        known: what the symbol stands for, as the instruments file describes it now; None where it is new.
    Raises:
        RefusedError: naming what differs, unless `replacing`.
    """
    if known is None or replacing or known == described:
        return
    advice = "choose another symbol, or --replace it for campaigns from now on (earlier ones keep their bars)"
    differs = ""
    if known.source == described.source and known.name == described.name:
        old, new = (_flat(one) for one in (known, described))
        differs = " with " + ", ".join(f"{name} {old[name]}, not {new[name]}" for name in old if old[name] != new[name])
        advice = "leave out what is said of it, or --replace it for campaigns from now on (earlier ones keep their description)"
    raise RefusedError(
        f"{described.symbol} is there already ({known.name}, from {known.source}){differs}",
        path="--instrument",
        value=described.symbol,
        suggestion=advice,
    )


def _flat(instrument: Instrument) -> dict[str, object]:
    plain = asdict(instrument)
    costs: dict[str, object] = plain.pop("costs")
    return {**plain, **costs}


def held_instruments(lab: Lab) -> dict[str, Instrument]:
    """Return what the latest bars of each symbol were taken in as."""
    return {snapshot.instrument.symbol: snapshot.instrument for snapshot in lab.catalogue.series()}


def instruments(lab: Lab) -> dict[str, tuple[Instrument, bool]]:
    """Return every instrument by symbol, and whether the instruments file describes it; of the others, what their source says."""
    held = held_instruments(lab)
    described = {one.symbol: one for one in lab.book.instruments(held)}
    return {symbol: (instrument, symbol in described) for symbol, instrument in sorted({**held, **described}.items())}


def describe_instrument(lab: Lab, symbol: str, changes: Mapping[str, object]) -> Instrument:
    """Change what the instruments file says of an instrument, for the bars that are there too: later campaigns use it.

    Raises:
        NotFoundError: if neither the file nor the catalogue knows the symbol, and its kind is not said.
        SettingsError: if a value cannot be.
        RefusedError: if the bars would have to be imported again; the file is then as it was.
    """
    held = [snapshot.instrument for snapshot in lab.catalogue.series() if snapshot.instrument.symbol == symbol]
    listed = {one.symbol for one in lab.book.instruments()}
    if not held and symbol not in listed and "kind" not in changes:
        near = nearest(symbol, sorted({*listed, *(snapshot.instrument.symbol for snapshot in lab.catalogue.series())}))
        raise NotFoundError(
            f"there is no instrument {symbol!r}",
            path="SYMBOL",
            value=symbol,
            suggestion=f"did you mean {near}?" if near else "give its kind, e.g. kind=equity, to describe a new one",
        )
    before = lab.book.path.read_bytes() if lab.book.path.is_file() else None
    try:
        if held and symbol not in listed:
            lab.book.put(held[-1])
        instrument = lab.book.set(symbol, **changes)
        if held:
            taken_out = {name for name, value in changes.items() if value is None}
            base = replace(held[-1], **{name: getattr(DEFAULTS[instrument.kind], name) for name in taken_out if name != "source"})
            instrument = lab.book.describe(base)
            lab.catalogue.redescribe(symbol, replace(instrument, source=held[-1].source))
    except NullAlphaError:
        _put_back(lab, before)
        raise
    return instrument


def _put_back(lab: Lab, before: bytes | None) -> None:
    if before is None:
        lab.book.path.unlink(missing_ok=True)
    else:
        write_durably(lab.book.path, before)


def instrument_changes(pairs: Sequence[str]) -> dict[str, object]:
    """Return `field=value` pairs as changes for the instruments file; costs by their own names, an empty value takes a field out.

    Raises:
        UsageError: for a text without `=`, an unknown field, or a cost without a number.
    """
    changes: dict[str, object] = {}
    costs: dict[str, object] = {}
    for text in pairs:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise UsageError(f"--set is {text!r}", path="--set", value=text, suggestion="--set slippage_bps=2")
        if name not in SETTABLE:
            fix = nearest(name, SETTABLE)
            raise UsageError(
                f"an instrument has no field {name!r} to set",
                path="--set",
                value=text,
                suggestion=f"did you mean {fix}?" if fix else f"there is {', '.join(SETTABLE)}",
            )
        if name in COSTS and not value:
            raise UsageError(f"{name} needs a value", path="--set", value=text, suggestion=f"--set {name}={_example(name)}")
        (costs if name in COSTS else changes)[name] = value or None
    return {**changes, "costs": costs} if costs else changes


def costs_of(pairs: Sequence[str]) -> dict[str, float | str]:
    """Return `name=value` pairs as costs.

    Raises:
        UsageError: for an unknown cost, or a value that is no number; `spread` alone is a word.
    """
    costs: dict[str, float | str] = {}
    for text in pairs:
        name, value = pair(text, "--cost", "commission_per_unit=0.005")
        if name not in COSTS:
            near = nearest(name, COSTS)
            fix = f"did you mean {near}?" if near else f"there is {', '.join(COSTS)}"
            raise UsageError(f"there is no cost {name!r}", path="--cost", value=text, suggestion=fix)
        try:
            costs[name] = float(value) if name in COST_HINTS else value
        except ValueError as error:
            raise UsageError(f"{name} is {value!r}, no number", path="--cost", value=text, suggestion=COST_HINTS[name]) from error
    return costs


def _example(cost: str) -> str:
    return "0" if cost in COST_HINTS else SPREADS[0]


def pair(text: str, option: str, example: str) -> tuple[str, str]:
    """Return a `name=value` text in two.

    Raises:
        UsageError: if it is none.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise UsageError(f"{option} is {text!r}", path=option, value=text, suggestion=f"{option} {example}")
    return name, value
