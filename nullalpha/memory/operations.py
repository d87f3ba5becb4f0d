"""Operations in the ledger: claimed with owner, epoch and lease; finished exactly once, by the owner that still holds them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from nullalpha.core.ids import derived_id
from nullalpha.memory.ledger import Ledger, now_text
from nullalpha.memory.rows import not_found
from nullalpha.memory.tables import operation_events, operations


@dataclass(frozen=True)
class OperationRow:
    id: str
    key: str
    kind: str
    status: str
    owner: str | None
    epoch: int
    lease_until: float | None
    attempts: int
    created: str
    updated: str
    campaign_id: str | None
    summary: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None


@dataclass(frozen=True)
class Claim:
    """What `claim` decided: run it (`epoch` fences the later write), take the finished result, or wait for another owner."""

    row: OperationRow
    granted: bool


class OperationStore:
    """Reads and writes of operations; one transaction a call."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def claim(
        self,
        key: str,
        kind: str,
        *,
        owner: str,
        now: float,
        lease_seconds: float,
        campaign_id: str | None,
        summary: Mapping[str, Any],
        seize: bool = False,
        running_here: Container[str] = (),
    ) -> Claim:
        """Claim the operation with this key, creating it if it is new; a finished one is not granted again.

        A failed one is: its inputs are the same, but what made it fail (memory, a killed worker) may not be.
        A running one is granted only if its lease has run out, or if the caller holds the home's lease (`seize`), so that whoever
        left a campaign's operation running is dead; never while the caller itself runs it (`running_here`).
        """
        with self._ledger.write() as connection:
            row = connection.execute(select(operations).where(operations.c.key == key)).mappings().first()
            if row is None:
                operation_id = derived_id("o", key)
                connection.execute(
                    operations.insert().values(
                        id=operation_id,
                        key=key,
                        kind=kind,
                        status="running",
                        owner=owner,
                        epoch=1,
                        lease_until=now + lease_seconds,
                        attempts=1,
                        created=now_text(),
                        updated=now_text(),
                        campaign_id=campaign_id,
                        summary=dict(summary),
                    )
                )
                granted = True
            else:
                operation_id = row["id"]
                orphaned = seize and row["campaign_id"] is not None and row["owner"] != owner
                lapsed = (row["lease_until"] or 0.0) <= now or orphaned
                held = operation_id in running_here or (row["status"] == "running" and not lapsed)
                granted = row["status"] != "done" and not held
                if granted:
                    connection.execute(
                        update(operations)
                        .where(operations.c.id == operation_id)
                        .values(
                            status="running",
                            owner=owner,
                            epoch=row["epoch"] + 1,
                            lease_until=now + lease_seconds,
                            attempts=row["attempts"] + 1,
                            updated=now_text(),
                            error=None,
                        )
                    )
            if granted:
                _event(connection, operation_id, "claimed", {"owner": owner})
            stored = connection.execute(select(operations).where(operations.c.id == operation_id)).mappings().one()
        return Claim(OperationRow(**dict(stored)), granted)

    def renew(self, operation_id: str, *, owner: str, epoch: int, lease_until: float) -> bool:
        """Extend a lease; False when the claim was lost."""
        return self._owned_update(operation_id, owner, epoch, {"lease_until": lease_until}, None, {})

    def finish(self, operation_id: str, *, owner: str, epoch: int, result: Mapping[str, Any]) -> bool:
        """Record the result, once; False when the claim was lost, and then nothing is written."""
        return self._owned_update(operation_id, owner, epoch, {"status": "done", "result": dict(result)}, "done", {})

    def fail(self, operation_id: str, *, owner: str, epoch: int, error: Mapping[str, Any]) -> bool:
        """Record a failure; False when the claim was lost."""
        return self._owned_update(operation_id, owner, epoch, {"status": "failed", "error": dict(error)}, "failed", dict(error))

    def release(self, operation_id: str, *, owner: str, epoch: int) -> bool:
        """Give an unfinished operation back, to be claimed anew."""
        return self._owned_update(operation_id, owner, epoch, {"status": "queued", "lease_until": None}, "released", {})

    def progress(self, operation_id: str, body: Mapping[str, Any]) -> None:
        """Append a progress frame."""
        with self._ledger.write() as connection:
            _event(connection, operation_id, "progress", body)

    def get(self, operation_id: str) -> OperationRow:
        """Return one operation.

        Raises:
            NotFoundError: with the nearest id.
        """
        with self._ledger.read() as connection:
            row = connection.execute(select(operations).where(operations.c.id == operation_id)).mappings().first()
            if row is None:
                raise not_found("operation", operation_id, list(connection.execute(select(operations.c.id)).scalars()), path="id")
        return OperationRow(**dict(row))

    def of_campaign(self, campaign_id: str) -> list[OperationRow]:
        with self._ledger.read() as connection:
            rows = connection.execute(
                select(operations).where(operations.c.campaign_id == campaign_id).order_by(operations.c.created)
            ).mappings()
            return [OperationRow(**dict(row)) for row in rows.all()]

    def _owned_update(
        self, operation_id: str, owner: str, epoch: int, values: dict[str, Any], event: str | None, body: Mapping[str, Any]
    ) -> bool:
        with self._ledger.write() as connection:
            done = connection.execute(
                update(operations)
                .where(operations.c.id == operation_id, operations.c.owner == owner, operations.c.epoch == epoch)
                .where(operations.c.status == "running")
                .values(updated=now_text(), **values)
            )
            if done.rowcount == 1 and event is not None:
                _event(connection, operation_id, event, body)
            return done.rowcount == 1


def _event(connection: Any, operation_id: str, kind: str, body: Mapping[str, Any]) -> None:
    connection.execute(operation_events.insert().values(operation_id=operation_id, time=now_text(), kind=kind, body=dict(body)))
