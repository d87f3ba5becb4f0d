"""A ledger filled by hand, through its own stores: a campaign with a few judged experiments."""

from __future__ import annotations

from typing import Any

from nullalpha.core.fingerprint import fingerprint
from nullalpha.data.zones import Zones
from nullalpha.memory.experiments import Design
from nullalpha.memory.stores import Stores

ZONES = Zones("1999-01-04", "2012-01-03", "2016-01-04")
DATA = [{"instrument": "SPX", "snapshot": "5" * 64, "first": "1999-01-04", "last": "2018-12-31", "n_bars": 5031}]


def put_campaign(stores: Stores, campaign_id: str = "c-1", **config: Any) -> None:
    """Record a campaign of two trials under the home's zones."""
    version, _ = stores.looks.set_zones(ZONES)
    stores.campaigns.create(
        campaign_id,
        config={"trials": 2, "designer": "search", "seed": 7, "budget_seconds": None, **config},
        protocol={"q": 0.1, "generation_size": 8},
        protocol_hash="ab" * 32,
        zones_version=version,
        data=DATA,
        code_version="cd" * 32,
    )


def design(experiment_id: str, campaign_id: str | None = "c-1", *, slot: int = 0, compiled: bool = True, **changes: Any) -> Design:
    """Return a design; its fingerprint derives from its id."""
    fields: dict[str, Any] = {
        "id": experiment_id,
        "campaign_id": campaign_id,
        "generation": 0,
        "slot": slot,
        "attempt": 0,
        "designer": "search",
        "actor": "agent:designer",
        "name": f"strategy {experiment_id}",
        "hypothesis": "Prices return to their average.",
        "fingerprint": fingerprint(experiment_id) if compiled else None,
        "registration": fingerprint("hypothesis") if compiled else None,
        "instruments": ["SPX"],
        "document": {"name": experiment_id},
    }
    return Design(**{**fields, **changes})
