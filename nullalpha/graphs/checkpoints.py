"""Checkpoints of graphs, in the ledger's own database file, written before the next step begins."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from nullalpha.memory.ledger import configure_sqlite


@contextmanager
def open_checkpoints(path: Path) -> Iterator[SqliteSaver]:
    """Yield a saver on the ledger's file; a forged row cannot name a type to construct, because none is allowed."""
    connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
    configure_sqlite(connection)
    saver = SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
    saver.setup()
    try:
        yield saver
    finally:
        connection.close()
