"""Alembic's entrance: it runs on the connection, and in the transaction, that it is handed."""

from __future__ import annotations

from alembic import context

from monitoring_sdk.adapters.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by writing it anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
