"""Roles of tokens as a set; those that saw persons until now go on to.

Names of these tokens are kept in `meta` until the control process has told of it, in the audit trail and the log.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import canonical

revision = "0013"
down_revision = "0012"

_SAW_PERSONS = ("viewer", "operator", "admin")
_TOKENS = sa.table("tokens", *(sa.column(name, sa.Text) for name in ("id", "name", "role", "roles")))
_META = sa.table("meta", sa.column("tokens_widened", sa.Text))


def upgrade() -> None:
    """A column for the set instead of that for one role."""
    connection = op.get_bind()
    if "roles" in {column["name"] for column in sa.inspect(connection).get_columns("tokens")}:
        return  # a store that was set back to an earlier number has it
    op.add_column("meta", sa.Column("tokens_widened", sa.Text))
    op.add_column("tokens", sa.Column("roles", sa.Text, nullable=False, server_default="[]"))
    widened = []
    for number, name, role in connection.execute(sa.select(_TOKENS.c.id, _TOKENS.c.name, _TOKENS.c.role)).all():
        sees = role in _SAW_PERSONS
        roles = canonical([role, "investigator"] if sees else [role])
        connection.execute(sa.update(_TOKENS).where(_TOKENS.c.id == number).values(roles=roles))
        widened += [name] if sees else []
    if widened:
        connection.execute(sa.update(_META).values(tokens_widened=canonical(sorted(widened))))
    op.drop_column("tokens", "role")
