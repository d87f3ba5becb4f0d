"""The ledger: one database that holds every fact of a home. SQLite in WAL mode; one writer at a time, enforced by BEGIN IMMEDIATE."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from nullalpha.core.clock import utc_now
from nullalpha.core.errors import HomeError, NullAlphaError, StorageFullError

SCHEMA_REVISION = "0002"


class LedgerError(NullAlphaError):
    """The ledger cannot be read or written."""

    code = "ledger"


class Ledger:
    """A database engine with the home's rules of transaction.

    `write()` opens BEGIN IMMEDIATE, so that two writers queue instead of failing late; `read()` sees one snapshot.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open (or create) the ledger at `path` and bring its schema up to date.

        Raises:
            HomeError: if the folder cannot be written or the file is no ledger.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"the home {path.parent} cannot be created: {error.strerror}",
                path=str(path.parent),
                suggestion="choose another with --home DIR",
            ) from error
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10, "check_same_thread": False}, pool_size=8, max_overflow=24)
        event.listen(engine, "connect", _configure_connection)
        event.listen(engine, "begin", _begin)
        ledger = cls(engine, path)
        try:
            ledger._migrate()
        except (OperationalError, sqlite3.OperationalError) as error:
            raise HomeError(
                f"the ledger {path} cannot be opened: {getattr(error, 'orig', error)}",
                path=str(path),
                suggestion="check that the folder is writable, or choose another with --home DIR",
            ) from error
        except (DatabaseError, sqlite3.DatabaseError, LookupError) as error:
            raise HomeError(
                f"{path} is not a ledger of this NullAlpha: {getattr(error, 'orig', error)}",
                path=str(path),
                suggestion="choose another with --home DIR",
            ) from error
        return ledger

    def _migrate(self) -> None:
        revision = self.revision()
        if revision is None:
            with self.engine.connect() as connection:
                foreign = inspect(connection).get_table_names()
            if foreign and self.revision() is None:  # a neighbour may have made the ledger between the two looks
                raise LookupError(f"it is a database with tables of its own ({', '.join(foreign[:3])})")
        if revision != SCHEMA_REVISION:
            from nullalpha.memory.migrate import upgrade  # noqa: PLC0415  (alembic is needed once in a ledger's life)

            upgrade(self.engine)

    def revision(self) -> str | None:
        """Return the schema revision of the file, or None for an empty one."""
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            row = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return None if row is None else str(row)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection inside one immediate transaction; commits on success, rolls back on any error.

        Raises:
            StorageFullError: when the disk is full; nothing of the transaction stays.
            LedgerError: when the write failed otherwise.
        """
        try:
            with self.engine.connect().execution_options(nullalpha_write=True) as connection, connection.begin():
                yield connection
        except OperationalError as error:
            message = str(error.orig)
            if "full" in message:
                raise StorageFullError(
                    f"no space left for the ledger {self.path}",
                    path=str(self.path),
                    suggestion="free some space, then `nullalpha research resume`",
                ) from error
            raise LedgerError(f"the ledger {self.path} could not be written: {message}", path=str(self.path)) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one consistent state."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def now_text() -> str:
    """Return the current UTC time as the ledger stores it."""
    return utc_now().isoformat(timespec="microseconds")


def _configure_connection(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, not by the driver
    configure_sqlite(connection)


def configure_sqlite(connection: sqlite3.Connection) -> None:
    """Set the durability rules that every connection to the ledger's file shares, checkpoints included."""
    cursor = connection.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("nullalpha_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
