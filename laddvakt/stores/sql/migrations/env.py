"""Alembic's environment: the caller hands over a connection inside a transaction."""

from __future__ import annotations

from alembic import context

from laddvakt.stores.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
