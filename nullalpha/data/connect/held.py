"""What a home has of a series that was fetched before: its rows as they came, read back from bronze."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from nullalpha.core.errors import ArtifactError, RefusedError
from nullalpha.core.fingerprint import sha256_hex
from nullalpha.data.catalogue import Catalogue
from nullalpha.data.connect.received import BRONZE, Identity, read_table
from nullalpha.data.instruments import Instrument


@dataclass(frozen=True)
class Held:
    """The newest snapshot's description, and the table that it was made of."""

    instrument: Instrument
    frame: pd.DataFrame = field(repr=False)


def held_in(catalogue: Catalogue, identity: Identity, timeframe: str) -> Held | None:
    """Return what there is of a series, or None.

    Raises:
        RefusedError: if the symbol stands for something that did not come from this source.
        ArtifactError: if the bytes as received are gone or torn.
    """
    known = [item for item in catalogue.snapshots() if item.instrument.symbol == identity.symbol]
    foreign = [item.instrument.source for item in known if item.instrument.source != identity.origin]
    if foreign:
        raise RefusedError(
            f"{identity.symbol} is there already, from {foreign[-1]}, and this would be from {identity.origin}",
            path="symbol",
            value=identity.symbol,
            suggestion="fetch it into another home, or let what is there go",
        )
    same = [item for item in known if item.timeframe == timeframe]
    if not same:
        return None
    path = catalogue.root / "bronze" / f"{same[-1].bronze}.{BRONZE}"
    data = path.read_bytes() if path.is_file() else b""
    if sha256_hex(data) != same[-1].bronze:
        raise ArtifactError(
            f"the bytes that {identity.symbol} {timeframe} was made of are missing or torn at {path}",
            path=str(path),
            suggestion="delete that file and the snapshot's folder, and fetch the series anew",
        )
    return Held(same[-1].instrument, read_table(data, str(path)))
