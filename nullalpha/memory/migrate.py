"""Bring a ledger's schema up to date with Alembic; the revisions travel inside the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply every missing revision in one transaction.

    Raises:
        LookupError: if the file was written by a newer NullAlpha, whose revision is not known here.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect().execution_options(nullalpha_write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise LookupError(f"{error}; a newer NullAlpha wrote it") from error
