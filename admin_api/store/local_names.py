"""Local names that are made through the API: part of the policy, and of its revisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, select
from sqlalchemy import update as update_table
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.errors import found
from admin_api.store.queries import count_of, row_of, rows_of
from admin_api.store.tables import local_names
from resolver.config.local_schema import record_of
from resolver.wire.local_records import BY_API, LocalRecord


class LocalNameState(TypedDict):
    """A local name as audit rows and revisions have it: with addresses, or with the one name that it stands for."""

    name: str
    addresses: list[str]
    alias: str | None


@dataclass(frozen=True, slots=True)
class LocalNameRow:
    """One local name. `given`: addresses, or exactly one name."""

    name: str
    given: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def record(self) -> LocalRecord:
        """As it is answered."""
        return record_of(self.name, self.given, BY_API)

    def plain(self) -> LocalNameState:
        """As JSON has it."""
        return state_of(self.name, self.given)


def state_of(name: str, given: tuple[str, ...]) -> LocalNameState:
    """A local name as JSON has it."""
    record = record_of(name, given, BY_API)
    return {"name": name, "addresses": list(record.addresses), "alias": record.alias or None}


def given_of(state: LocalNameState) -> tuple[str, ...]:
    """The addresses of a state, or its one name."""
    return tuple(state["addresses"]) if state["alias"] is None else (state["alias"],)


async def get(conn: AsyncConnection, name: str) -> LocalNameRow:
    """The local name. Raises NotFound."""
    return found(await find(conn, name), f"local name {name!r} made through the API")


async def find(conn: AsyncConnection, name: str) -> LocalNameRow | None:
    """The local name, or None."""
    return await row_of(conn, LocalNameRow, select(local_names).where(local_names.c.name == bindable(name)))


async def all_names(conn: AsyncConnection) -> list[LocalNameRow]:
    """All local names, by name."""
    return await rows_of(conn, LocalNameRow, select(local_names).order_by(local_names.c.name))


async def count(conn: AsyncConnection) -> int:
    """How many there are."""
    return await count_of(conn, local_names)


async def put(change: Change, name: str, given: tuple[str, ...]) -> LocalNameRow:
    """Make a local name, or give it something else; its version goes up by one then."""
    now, before = datetime.now(UTC), await find(change.connection, name)
    if before is None:
        row = LocalNameRow(name, given, 1, now, now)
        values = {"name": name, "given": given, "version": 1, "created_at": now, "updated_at": now}
        await change.connection.execute(insert(local_names).values(values))
        return row
    row = LocalNameRow(name, given, before.version + 1, before.created_at, now)
    written = {"given": given, "version": row.version, "updated_at": now}
    await change.connection.execute(update_table(local_names).where(local_names.c.name == name).values(written))
    return row


async def delete(change: Change, name: str) -> None:
    """Remove a local name."""
    await change.connection.execute(delete_from(local_names).where(local_names.c.name == name))
