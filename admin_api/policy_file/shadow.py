"""A copy of the policy's tables to try changes on: temporary tables, which hide the real ones from one connection.

The connection sees one state of the store. It takes no lock that a writer waits for, and what it writes is gone at its
end. Of the rules, only those of lists that a plan touches are copied.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from admin_api.store.change import Change
from admin_api.store.policy import revision
from admin_api.store.store import Store
from admin_api.store.tables import group_networks, groups, lists, local_names, removed_rules, rules

_WHOLE = (lists, groups, group_networks, local_names)
_OF_LISTS = (rules, removed_rules)
_WITH_NUMBERS = (lists, groups)  # whose ids the database gives


@asynccontextmanager
async def shadowed(store: Store, actor: str) -> AsyncIterator[Change]:
    """A change that nobody sees, whatever is done in it, until `cover` was called only to read."""
    async with store.scratch() as connection:
        yield Change(connection, actor, None, await revision(connection) + 1)


async def cover(conn: AsyncConnection, list_names: Sequence[str]) -> None:
    """Put copies in front of the tables, with the rules of these lists; from now on writing is harmless."""
    is_sqlite = conn.dialect.name == "sqlite"
    real = "main" if is_sqlite else str(await conn.scalar(text("SELECT current_schema()")))
    copy = "temp" if is_sqlite else "pg_temp"
    numbers: list[int] = []
    for first in range(0, len(list_names), 500):
        some = list_names[first : first + 500]
        numbers += (await conn.scalars(select(lists.c.id).where(lists.c.name.in_(some)))).all()
    for table in (*_WHOLE, *_OF_LISTS):
        created = str(CreateTable(table).compile(dialect=conn.dialect))
        await conn.exec_driver_sql(created.replace("CREATE TABLE", "CREATE TEMPORARY TABLE", 1))
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        into = f'INSERT INTO {copy}."{table.name}" ({names}) SELECT {names} FROM "{real}"."{table.name}"'  # noqa: S608
        if table in _WHOLE:
            await conn.execute(text(into))
        else:
            for number in numbers:
                await conn.execute(text(f"{into} WHERE list_id = :number"), {"number": number})
    if not is_sqlite:
        for table in _WITH_NUMBERS:
            await _go_on_counting(conn, table)
        # A statement that was prepared before means the real tables, and would go on to.
        await conn.execute(text("DISCARD PLANS"))


async def _go_on_counting(conn: AsyncConnection, table: Table) -> None:
    """The copy's ids go on where the real ones are."""
    sequence = func.pg_get_serial_sequence(f"pg_temp.{table.name}", "id")
    most = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
    await conn.execute(select(func.setval(sequence, most, False)))
