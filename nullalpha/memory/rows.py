"""Insert-once and row access shared by the ledger's stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, and_, select


def insert_once(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is there already; return whether it was inserted.

    A replayed step derives the same key, so a fact is recorded exactly once.
    """
    key = and_(*(column == row[column.name] for column in table.primary_key.columns))
    if connection.execute(select(*table.primary_key.columns).where(key)).first() is not None:
        return False
    connection.execute(table.insert().values(**row))
    return True
