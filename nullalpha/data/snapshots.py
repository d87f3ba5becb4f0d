"""Snapshots: what is known of an immutable set of bars, apart from the bars themselves."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from nullalpha.core.errors import Finding
from nullalpha.core.fingerprint import canonical_json, sha256_hex
from nullalpha.data.bars import Bars
from nullalpha.data.instruments import Costs, Instrument
from nullalpha.data.slices import encode_bars


@dataclass(frozen=True)
class Snapshot:
    """An immutable set of bars.

    Attributes:
        id: SHA-256 over the bars' canonical bytes, the instrument with all its fields, and the timeframe.
        first, last: when the first and the last bar became known, ISO 8601 in UTC.
        source: where the bars came from, for people.
        bronze: SHA-256 of the bytes as received.
        findings: warnings of the check; they quote values, so agents are not shown them.
        created: when it was taken in, ISO 8601 in UTC; not part of the id.
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

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values, as stored in `snapshot.json`."""
        return asdict(self)


def snapshot_of(bars: Bars, instrument: Instrument, source: str, bronze: str, findings: tuple[Finding, ...], now: datetime) -> Snapshot:
    """Return the snapshot that these bars make; at least one bar."""
    first, last = (f"{time.astype('datetime64[s]')}Z" for time in (bars.time[0], bars.time[-1]))
    created = now.isoformat(timespec="microseconds")
    return Snapshot(snapshot_id(bars, instrument), instrument, bars.timeframe, first, last, len(bars), source, bronze, findings, created)


def snapshot_id(bars: Bars, instrument: Instrument) -> str:
    """Return the content hash; it depends on no file format, library version or machine."""
    return sha256_hex(encode_bars(bars, {"declared": canonical_json(asdict(instrument))}))


def parse_snapshot(text: str) -> Snapshot:
    """Return the snapshot stored as JSON.

    Raises:
        ValueError, KeyError, TypeError: if the text is not what `Snapshot.to_dict` gives.
    """
    fields: dict[str, Any] = json.loads(text)
    declared = dict(fields.pop("instrument"))
    instrument = Instrument(**{**declared, "costs": Costs(**declared["costs"])})
    findings = tuple(Finding(**finding) for finding in fields.pop("findings"))
    return Snapshot(instrument=instrument, findings=findings, **fields)
