"""Insert-once and row access shared by the ledger's stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, select

from nullalpha.core.errors import NotFoundError, nearest

MOST_VARIABLES = 10_000


def insert_once(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is there already; return whether it was inserted.

    A replayed step derives the same key, so a fact is recorded exactly once.
    """
    key = and_(*(column == row[column.name] for column in table.primary_key.columns))
    if connection.execute(select(*table.primary_key.columns).where(key)).first() is not None:
        return False
    connection.execute(table.insert().values(**row))
    return True


def not_found(what: str, name: str, known: Sequence[str], *, path: str, otherwise: str | None = None) -> NotFoundError:
    """Return the error for a row that is not there, with the nearest name, or else what `otherwise` advises."""
    near = nearest(name, known)
    return NotFoundError(
        f"no {what} {name!r} in this home", path=path, value=name, suggestion=f"did you mean {near}?" if near else otherwise
    )


def batches(ids: Sequence[str]) -> Iterator[list[str]]:
    """Yield ids in runs that one statement can bind (SQLite allows 32,766 variables)."""
    for start in range(0, len(ids), MOST_VARIABLES):
        yield list(ids[start : start + MOST_VARIABLES])
