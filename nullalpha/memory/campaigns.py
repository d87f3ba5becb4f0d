"""Campaigns in the ledger: configuration, state with an event for each change, and facts that are written once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select, update

from nullalpha.memory.ledger import Ledger, now_text
from nullalpha.memory.rows import insert_once, not_found
from nullalpha.memory.tables import campaign_events, campaign_facts, campaigns

TERMINAL = ("done", "failed", "budget_exhausted")


@dataclass(frozen=True)
class CampaignRow:
    """A campaign as stored; `config`, `protocol` and `data` are plain JSON."""

    id: str
    created: str
    status: str
    stop_requested: bool
    config: dict[str, Any]
    protocol: dict[str, Any]
    protocol_hash: str
    zones_version: int
    data: list[dict[str, Any]]
    code_version: str
    seconds: float
    error: dict[str, Any] | None


@dataclass(frozen=True)
class Event:
    seq: int
    time: str
    kind: str
    body: dict[str, Any]


class CampaignStore:
    """Reads and writes of campaigns; one transaction a call."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(
        self,
        campaign_id: str,
        *,
        config: Mapping[str, Any],
        protocol: Mapping[str, Any],
        protocol_hash: str,
        zones_version: int,
        data: list[dict[str, Any]],
        code_version: str,
    ) -> None:
        """Record a new campaign in state `queued`."""
        now = now_text()
        with self._ledger.write() as connection:
            connection.execute(
                campaigns.insert().values(
                    id=campaign_id,
                    created=now,
                    status="queued",
                    stop_requested=0,
                    config=dict(config),
                    protocol=dict(protocol),
                    protocol_hash=protocol_hash,
                    zones_version=zones_version,
                    data=data,
                    code_version=code_version,
                    seconds=0.0,
                )
            )
            connection.execute(campaign_events.insert().values(campaign_id=campaign_id, time=now, kind="status", body={"status": "queued"}))

    def get(self, campaign_id: str) -> CampaignRow:
        """Return one campaign.

        Raises:
            NotFoundError: with the nearest id.
        """
        with self._ledger.read() as connection:
            row = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).mappings().first()
            if row is None:
                known = list(connection.execute(select(campaigns.c.id)).scalars())
                advice = "`nullalpha research list` shows what there is"
                raise not_found("campaign", campaign_id, known, path="campaign_id", otherwise=advice)
        return _campaign(row)

    def all(self) -> list[CampaignRow]:
        """Return every campaign, newest first."""
        with self._ledger.read() as connection:
            rows = connection.execute(select(campaigns).order_by(campaigns.c.created.desc(), campaigns.c.id)).mappings().all()
        return [_campaign(row) for row in rows]

    def with_status(self, *statuses: str) -> list[CampaignRow]:
        """Return campaigns in any of these states, oldest first."""
        return [row for row in reversed(self.all()) if row.status in statuses]

    def set_status(self, campaign_id: str, status: str, *, error: Mapping[str, Any] | None = None) -> None:
        """Move a campaign to a state and record the change."""
        now = now_text()
        with self._ledger.write() as connection:
            connection.execute(
                update(campaigns).where(campaigns.c.id == campaign_id).values(status=status, error=None if error is None else dict(error))
            )
            body = {"status": status} | ({"error": dict(error)} if error else {})
            connection.execute(campaign_events.insert().values(campaign_id=campaign_id, time=now, kind="status", body=body))

    def request_stop(self, campaign_id: str) -> None:
        """Ask whoever hosts the campaign to stop it at the next safe point."""
        self.get(campaign_id)
        with self._ledger.write() as connection:
            connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(stop_requested=1))
            connection.execute(campaign_events.insert().values(campaign_id=campaign_id, time=now_text(), kind="stop_requested", body={}))

    def clear_stop(self, campaign_id: str) -> None:
        with self._ledger.write() as connection:
            connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(stop_requested=0))

    def add_seconds(self, campaign_id: str, seconds: float) -> None:
        """Add wall-clock time spent on a campaign."""
        with self._ledger.write() as connection:
            connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(seconds=campaigns.c.seconds + seconds))

    def emit(self, campaign_id: str, kind: str, body: Mapping[str, Any]) -> None:
        """Append a progress event; a late watcher sees the history."""
        with self._ledger.write() as connection:
            connection.execute(campaign_events.insert().values(campaign_id=campaign_id, time=now_text(), kind=kind, body=dict(body)))

    def events(self, campaign_id: str, after: int = 0) -> list[Event]:
        """Return events with `seq` above `after`, in order."""
        query = (
            select(campaign_events)
            .where(campaign_events.c.campaign_id == campaign_id, campaign_events.c.seq > after)
            .order_by(campaign_events.c.seq)
        )
        with self._ledger.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Event(row["seq"], row["time"], row["kind"], row["body"]) for row in rows]

    def put_fact(self, campaign_id: str, name: str, body: Any) -> Any:
        """Record a fact unless it is there; return the recorded one, so that a replay takes what was first decided."""
        with self._ledger.write() as connection:
            insert_once(connection, campaign_facts, {"campaign_id": campaign_id, "name": name, "time": now_text(), "body": body})
            return connection.execute(
                select(campaign_facts.c.body).where(campaign_facts.c.campaign_id == campaign_id, campaign_facts.c.name == name)
            ).scalar_one()

    def fact(self, campaign_id: str, name: str) -> Any | None:
        """Return a recorded fact, or None."""
        with self._ledger.read() as connection:
            return connection.execute(
                select(campaign_facts.c.body).where(campaign_facts.c.campaign_id == campaign_id, campaign_facts.c.name == name)
            ).scalar_one_or_none()


def _campaign(row: RowMapping) -> CampaignRow:
    values = dict(row)
    values["stop_requested"] = bool(values["stop_requested"])
    return CampaignRow(**values)
