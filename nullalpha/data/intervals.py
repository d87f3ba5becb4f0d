"""Three consecutive calendar intervals, the same for all instruments: search, validation, lockbox.

Half-open, in UTC; the lockbox has no end. Set once for a home; they move only forward.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Literal

from nullalpha.core.errors import InsufficientBarsError, RefusedError, SettingsError

ZoneName = Literal["search", "validation", "lockbox"]

SEARCH_SHARE = 0.6
VALIDATION_SHARE = 0.2
ROUNDED_ABOVE_DAYS = 3653
"""Spans longer than ten years have their zones start on 1 January."""


@dataclass(frozen=True)
class Zones:
    """Half-open calendar intervals, the same for all instruments; the lockbox has no end.

    Attributes:
        search_start, validation_start, lockbox_start: ISO dates, ascending; a zone starts at 00:00 UTC of its date.
    """

    search_start: str
    validation_start: str
    lockbox_start: str

    def __post_init__(self) -> None:
        starts = [iso_day(name, value) for name, value in asdict(self).items()]
        if not starts[0] < starts[1] < starts[2]:
            raise SettingsError("zones must start one after the other: search, validation, lockbox", path="zones", value=self)

    def start(self, zone: ZoneName) -> str:
        """Return the ISO date on which a zone starts."""
        return {"search": self.search_start, "validation": self.validation_start, "lockbox": self.lockbox_start}[zone]

    def end(self, zone: ZoneName) -> str | None:
        """Return the ISO date before which a zone ends; None for the lockbox."""
        return {"search": self.validation_start, "validation": self.lockbox_start, "lockbox": None}[zone]

    def advance(self, *, validation_start: str, lockbox_start: str) -> Zones:
        """Return zones whose boundaries lie later or where they were.

        Raises:
            RefusedError: if a boundary would move back: what was read for one zone cannot be unseen.
            SettingsError: if a date is none, or they do not ascend.
        """
        moved = replace(self, validation_start=validation_start, lockbox_start=lockbox_start)
        for name in ("validation_start", "lockbox_start"):
            old, new = getattr(self, name), getattr(moved, name)
            if date.fromisoformat(new) < date.fromisoformat(old):
                raise RefusedError(f"zones move only forward: {name} is {old} and cannot become {new}", path=name, value=new)
        return moved


def propose_zones(first: str, last: str) -> Zones:
    """Return zones over 60, 20 and 20 % of a calendar span.

    Args:
        first, last: ISO dates (or times) of the first and the last bar.
    Returns:
        Zones; boundaries rounded to the nearest 1 January when the span is longer than ten years.
    Raises:
        InsufficientBarsError: if the span is too short for three zones.
        SettingsError: if a date is none.
    """
    begin, end = iso_day("first", first[:10]), iso_day("last", last[:10])
    days = (end - begin).days
    validation = begin + timedelta(days=round(days * SEARCH_SHARE))
    lockbox = begin + timedelta(days=round(days * (SEARCH_SHARE + VALIDATION_SHARE)))
    if not begin < validation < lockbox < end:
        raise InsufficientBarsError(f"{begin} to {end} is too short for three zones", value=f"{days} days")
    if days > ROUNDED_ABOVE_DAYS:
        validation, lockbox = _nearest_new_year(validation), _nearest_new_year(lockbox)
    return Zones(begin.isoformat(), validation.isoformat(), lockbox.isoformat())


def iso_day(name: str, text: str) -> date:
    """Return a date.

    Raises:
        SettingsError: if the text is not one in the form 2011-01-01.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{name} {text!r} is no ISO date such as 2011-01-01", path=name, value=text) from error
    if text != day.isoformat():
        raise SettingsError(f"write {name} as {day}", path=name, value=text)
    return day


def _nearest_new_year(day: date) -> date:
    before, after = date(day.year, 1, 1), date(day.year + 1, 1, 1)
    return before if day - before <= after - day else after
