"""Snapshots: what is known of an immutable set of bars, apart from the bars themselves."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import datetime
from typing import Any

from nullalpha.core.errors import Finding
from nullalpha.core.fingerprint import canonical_json
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.slices import hash_bars

_SINCE_THE_FIRST = ("kind", "tick", "lot", "multiplier", "distributions")
_FIRST_COSTS = ("commission", "half_spread_bps", "slippage_bps")


@dataclass(frozen=True)
class Derivation:
    """What bars were made of.

    Attributes:
        snapshots: ids of the snapshots they were made of; none for a market made of nothing but a recipe.
        recipe: how, as text; canonical JSON where it has parameters, e.g. `{"resample":"1w"}`.
    """

    snapshots: tuple[str, ...]
    recipe: str


@dataclass(frozen=True)
class Snapshot:
    """An immutable set of bars.

    Attributes:
        id: SHA-256 over the bars' canonical bytes, the instrument with all its fields, and the timeframe.
        first, last: when the first and the last bar became known, ISO 8601 in UTC.
        source: where the bars came from, for people.
        bronze: SHA-256 of the bytes as received; empty for bars that were made here.
        findings: warnings of the check, and what was wrong with rows set apart (severity `quarantined`); they quote values, so
            agents are not shown them.
        created: when it was taken in or last described so, ISO 8601 in UTC; not part of the id.
        derived_from: what the bars were made of; None for bars as received.
        n_quarantined: how many received rows had errors and were set apart.
    """

    id: str
    instrument: Instrument
    timeframe: str
    first: str
    last: str
    n_bars: int
    source: str
    bronze: str
    findings: tuple[Finding, ...]
    created: str
    derived_from: Derivation | None = None
    n_quarantined: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values, as stored in `snapshot.json`."""
        return asdict(self)


def snapshot_of(
    bars: Bars,
    instrument: Instrument,
    source: str,
    bronze: str,
    findings: tuple[Finding, ...],
    now: datetime,
    *,
    derived_from: Derivation | None = None,
    n_quarantined: int = 0,
) -> Snapshot:
    """Return the snapshot that these bars make; at least one bar."""
    first, last = (f"{time.astype('datetime64[s]')}Z" for time in (bars.time[0], bars.time[-1]))
    return Snapshot(
        snapshot_id(bars, instrument),
        instrument,
        bars.timeframe,
        first,
        last,
        len(bars),
        source,
        bronze,
        findings,
        stamp(now),
        derived_from,
        n_quarantined,
    )


def stamp(now: datetime) -> str:
    """Return a time as `Snapshot.created` holds it, so that text sorts like time."""
    return now.isoformat(timespec="microseconds")


def snapshot_id(bars: Bars, instrument: Instrument) -> str:
    """Return the content hash; it depends on no file format, library version or machine."""
    return hash_bars(bars, {"declared": canonical_json(_declared(instrument))})


def _declared(instrument: Instrument) -> dict[str, Any]:
    """Return the description to hash. Fields that the first snapshots had not are named only where they say something."""
    plain, plain_costs = (
        {field.name: field.default for field in fields(kind) if field.default is not MISSING} for kind in (Instrument, Costs)
    )
    told = asdict(instrument)
    told["costs"] = {name: value for name, value in told["costs"].items() if name in _FIRST_COSTS or value != plain_costs[name]}
    return {name: value for name, value in told.items() if name not in _SINCE_THE_FIRST or value != plain[name]}


def parse_snapshot(text: str) -> Snapshot:
    """Return the snapshot stored as JSON.

    Raises:
        ValueError, KeyError, TypeError: if the text is not what `Snapshot.to_dict` gives.
    """
    stored: dict[str, Any] = json.loads(text)
    declared = dict(stored.pop("instrument"))
    instrument = Instrument(**{**declared, "costs": Costs(**declared["costs"])})
    findings = tuple(Finding(**finding) for finding in stored.pop("findings"))
    made = stored.pop("derived_from", None)
    derived_from = None if made is None else Derivation(tuple(made["snapshots"]), made["recipe"])
    return Snapshot(instrument=instrument, findings=findings, derived_from=derived_from, **stored)
