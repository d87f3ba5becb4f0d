"""Zones and looks in the ledger: where a home's sealed intervals lie, and every time one was opened, recorded before it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from nullalpha.data.zones import LockboxOpening, ValidationTicket, Zones
from nullalpha.memory.ledger import Ledger, now_text
from nullalpha.memory.rows import insert_once
from nullalpha.memory.tables import look_results, looks, zones


@dataclass(frozen=True)
class LookRow:
    """One opening of a sealed zone; `result` is None until it was judged."""

    id: str
    zone: str
    campaign_id: str | None
    experiment_id: str | None
    fingerprint: str | None
    created: str
    result: dict[str, Any] | None


class LookStore:
    """The only issuer of validation tickets and lockbox openings: it writes the row, then hands out the key."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def current_zones(self) -> tuple[int, Zones] | None:
        """Return the home's zones and their version, or None before the first campaign."""
        with self._ledger.read() as connection:
            row = connection.execute(select(zones).order_by(zones.c.version.desc())).mappings().first()
        if row is None:
            return None
        return row["version"], Zones(row["search_start"], row["validation_start"], row["lockbox_start"])

    def set_zones(self, proposed: Zones) -> tuple[int, Zones]:
        """Fix the home's zones, once; return those in force."""
        row = {
            "version": 1,
            "created": now_text(),
            "search_start": proposed.search_start,
            "validation_start": proposed.validation_start,
            "lockbox_start": proposed.lockbox_start,
        }
        with self._ledger.write() as connection:
            insert_once(connection, zones, row)
        current = self.current_zones()
        assert current is not None
        return current

    def open_validation(
        self, look_id: str, *, zones_version: int, campaign_id: str, experiment_id: str, fingerprint: str, actor: str
    ) -> ValidationTicket:
        """Record a look at the validation zone and return the ticket that opens it."""
        self._record(look_id, "validation", zones_version, campaign_id, experiment_id, fingerprint, actor)
        return ValidationTicket(look_id)

    def open_lockbox(
        self, look_id: str, *, zones_version: int, campaign_id: str | None, experiment_id: str, fingerprint: str, actor: str
    ) -> LockboxOpening:
        """Record an opening of the lockbox and return the key to it."""
        self._record(look_id, "lockbox", zones_version, campaign_id, experiment_id, fingerprint, actor)
        return LockboxOpening(look_id)

    def _record(
        self,
        look_id: str,
        zone: str,
        zones_version: int,
        campaign_id: str | None,
        experiment_id: str,
        fingerprint: str,
        actor: str,
    ) -> None:
        row = {
            "id": look_id,
            "zone": zone,
            "zones_version": zones_version,
            "campaign_id": campaign_id,
            "experiment_id": experiment_id,
            "fingerprint": fingerprint,
            "created": now_text(),
            "actor": actor,
        }
        with self._ledger.write() as connection:
            insert_once(connection, looks, row)

    def put_result(self, look_id: str, body: Mapping[str, Any]) -> None:
        """Record what a look showed, once."""
        with self._ledger.write() as connection:
            insert_once(connection, look_results, {"look_id": look_id, "created": now_text(), "body": dict(body)})

    def all(self, zone: str, zones_version: int | None = None, campaign_ids: Sequence[str] | None = None) -> list[LookRow]:
        """Return the looks at a zone, oldest first."""
        query = (
            select(looks, look_results.c.body.label("result"))
            .select_from(looks.outerjoin(look_results, look_results.c.look_id == looks.c.id))
            .where(looks.c.zone == zone)
            .order_by(looks.c.created, looks.c.id)
        )
        if zones_version is not None:
            query = query.where(looks.c.zones_version == zones_version)
        if campaign_ids is not None:
            query = query.where(looks.c.campaign_id.in_(list(campaign_ids)))
        with self._ledger.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            LookRow(r["id"], r["zone"], r["campaign_id"], r["experiment_id"], r["fingerprint"], r["created"], r["result"]) for r in rows
        ]
