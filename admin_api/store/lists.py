"""Lists: everything about them but their rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Unpack, cast

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, select, tuple_
from sqlalchemy import update as update_table
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.errors import Duplicate, found
from admin_api.store.queries import page_behind, row_of, rows_of
from admin_api.store.states import ListCopy, ListSettings, NewListSettings
from admin_api.store.tables import lists, rules

PRIVATE_ERROR = "it could not be fetched or read; details of private addresses are for admins only"

FETCHING: Final = ("url", "format", "refresh_seconds", "allow_private", "sha256")
"""Columns that say how a subscription is fetched."""

_BATCH = 50_000  # rules removed with one statement


@dataclass(frozen=True, slots=True)
class ListRow:
    """One list."""

    id: int
    name: str
    kind: str  # own, subscription
    origin: str  # file, api
    enabled: bool
    url: str | None
    format: str | None
    refresh_seconds: int | None
    content: str | None  # SHA-256 of a content file that holds its rules; None: they are in the store
    rules: int
    patterns: int  # of the rules
    regexes: int  # of the rules
    rules_revision: int  # the policy revision that last changed the rules
    version: int
    created_at: datetime
    updated_at: datetime
    last_success_at: datetime | None
    last_error: str | None
    allow_private: bool = False
    sha256: str | None = None
    last_attempt_at: datetime | None = None
    fetched: ListCopy | None = None
    report: dict[str, Any] | None = None  # as the reader of lists wrote it in JSON: what could not be read of it

    @property
    def key(self) -> str:
        """Name of the list in compiled layers. A list made anew under an old name has another."""
        return self.name if self.origin == "file" else f"{self.name}#{self.id}"

    @property
    def fetching(self) -> ListSettings:
        """The settings of its fetching."""
        return cast(ListSettings, {name: getattr(self, name) for name in FETCHING})

    @property
    def settings(self) -> dict[str, object]:
        """Its settings, without rules."""
        return {"enabled": self.enabled, **(self.fetching if self.kind == "subscription" else {})}

    def plain(self) -> dict[str, object]:
        """As the audit trail keeps it."""
        names = ("name", "kind", "origin", "enabled", "url", "format", "refresh_seconds", "content", "rules", "sha256")
        plain = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {**plain, "allow_private": True} if self.allow_private else plain


def error_shown(row: ListRow, *, is_admin: bool) -> str | None:
    """Text of the last fetch that failed, fit for its reader: only an admin learns what is at a private address."""
    return PRIVATE_ERROR if row.last_error is not None and row.allow_private and not is_admin else row.last_error


async def get(conn: AsyncConnection, name: str) -> ListRow:
    """The list of that name. Raises NotFound."""
    return found(await find(conn, name), f"list {name!r}")


async def find(conn: AsyncConnection, name: str) -> ListRow | None:
    """The list of that name, or None."""
    return await row_of(conn, ListRow, select(lists).where(lists.c.name == bindable(name)))


async def all_lists(conn: AsyncConnection) -> list[ListRow]:
    """All lists by name."""
    return await rows_of(conn, ListRow, select(lists).order_by(lists.c.name))


async def page(conn: AsyncConnection, *, limit: int, after: str | None = None) -> list[ListRow]:
    """Lists by name, those behind `after`."""
    return await rows_of(conn, ListRow, page_behind(select(lists), lists.c.name, after, limit))


async def create(
    change: Change, *, name: str, kind: str, origin: str = "api", **settings: Unpack[NewListSettings]
) -> ListRow:
    """Make a list without rules in the store. Raises Duplicate."""
    if await find(change.connection, name) is not None:
        raise Duplicate(f"list {name!r}")
    now = datetime.now(UTC)
    values = {
        **{"enabled": True, "rules": 0, "patterns": 0, "regexes": 0},
        **settings,
        "name": name,
        "kind": kind,
        "origin": origin,
        "rules_revision": change.revision,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    row = (await change.connection.execute(insert(lists).values(values).returning(*lists.c))).one()
    return ListRow(**row._mapping)


async def update(change: Change, row: ListRow, **values: Any) -> ListRow:
    """Set columns; the version goes up by one."""
    written = {**values, "version": row.version + 1, "updated_at": datetime.now(UTC)}
    statement = update_table(lists).where(lists.c.id == row.id).values(written).returning(*lists.c)
    return ListRow(**(await change.connection.execute(statement)).one()._mapping)


async def delete(change: Change, row: ListRow) -> None:
    """Remove the list and its rules."""
    some = select(rules.c.action, rules.c.rule).where(rules.c.list_id == row.id).limit(_BATCH)
    piece = delete_from(rules).where(rules.c.list_id == row.id, tuple_(rules.c.action, rules.c.rule).in_(some))
    while (await change.connection.execute(piece)).rowcount == _BATCH:
        pass  # a million at once would take longer than one statement may
    await change.connection.execute(delete_from(lists).where(lists.c.id == row.id))
