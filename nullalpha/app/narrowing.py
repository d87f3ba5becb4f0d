"""A run that ends before the search zone does, or begins testing later: its dates checked, and the zones as it sees them."""

from __future__ import annotations

from dataclasses import replace

from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.errors import SealedZoneError, SettingsError, UsageError
from nullalpha.data.intervals import Zones, iso_day


def narrowed(zones: Zones, config: CampaignConfig) -> Zones:
    """Return the zones as a run sees them that ends before the search zone does: what comes after is sealed for it, too.

    Raises:
        SealedZoneError: if it reaches beyond the search zone.
        UsageError: if a date is none, or not in the search zone.
    """
    start, end = zones.search_start, zones.validation_start
    first, last = (_day(name, text) for name, text in (("from", config.tested_from), ("to", config.tested_to)))
    advice = f"the search zone holds {start} up to, not including, {end}"
    if last is not None and last > end:
        raise SealedZoneError(
            f"{last} lies beyond the search zone, which ends before {end}; promotion alone reads further",
            path="--to",
            value=last,
            suggestion=advice,
        )
    for name, day in (("from", first), ("to", last)):
        if day is not None and not (start <= day < end or (name == "to" and start < day)):
            raise UsageError(f"{day} does not lie in the search zone", path=f"--{name}", value=day, suggestion=advice)
    if first is not None and last is not None and first >= last:
        raise UsageError(f"nothing lies from {first} up to {last}", path="--to", value=last, suggestion=f"a day after {first}")
    return zones if last is None else replace(zones, validation_start=last)


def _day(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return iso_day(name, text).isoformat()
    except SettingsError as error:
        raise UsageError(error.message, path=f"--{name}", value=text, suggestion="e.g. 2005-01-31") from error
