"""Alembic's entry: runs migrations on the connection, and in the transaction, that it was given."""

from __future__ import annotations

from alembic import context

from admin_api.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
