"""Alembic's entry point: it is handed a connection and never reads a configuration file."""

from alembic import context

from nullalpha.memory.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
