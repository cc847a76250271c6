"""Groups and their networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_table
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable, iso_text
from admin_api.store.errors import Duplicate, found
from admin_api.store.json_tables import among
from admin_api.store.queries import containing, page_behind
from admin_api.store.states import GroupState, ResponseState
from admin_api.store.tables import group_networks, groups


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group. `block` None: what the group `default` blocks. `response` None: the policy's."""

    id: int
    name: str
    description: str
    networks: tuple[str, ...]
    exempt: bool
    mode: str  # enforce, monitor
    block: tuple[str, ...] | None
    allow: tuple[str, ...]
    response: ResponseState | None
    schedule: dict[str, object] | None
    client_names: tuple[str, ...]
    monitor: tuple[str, ...]
    monitor_until: datetime | None
    origin: str  # bundled, file, api
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def references(self) -> frozenset[str]:
        """Sets, vendors, services and lists that it names."""
        return frozenset((*(self.block or ()), *self.monitor, *self.allow))

    def plain(self) -> GroupState:
        """The fields that an admin may write, as JSON has them."""
        return {
            "name": self.name,
            "description": self.description,
            "networks": list(self.networks),
            "exempt": self.exempt,
            "mode": self.mode,
            "block": None if self.block is None else list(self.block),
            "monitor": list(self.monitor),
            "monitor_until": None if self.monitor_until is None else iso_text(self.monitor_until),
            "allow": list(self.allow),
            "response": self.response,
            "schedule": self.schedule,
            "client_names": list(self.client_names),
        }


async def get(conn: AsyncConnection, name: str) -> GroupRow:
    """The group of that name. Raises NotFound."""
    return found(await find(conn, name), f"group {name!r}")


async def find(conn: AsyncConnection, name: str) -> GroupRow | None:
    """The group of that name, or None."""
    return next(iter(await _rows(conn, select(groups).where(groups.c.name == bindable(name)))), None)


async def exists(conn: AsyncConnection, name: str) -> bool:
    """Whether there is a group of that name."""
    return await conn.scalar(select(groups.c.id).where(groups.c.name == bindable(name))) is not None


async def all_groups(conn: AsyncConnection) -> list[GroupRow]:
    """All groups by name."""
    return await _rows(conn, select(groups).order_by(groups.c.name))


async def page(
    conn: AsyncConnection, *, limit: int, after: str | None = None, contains: str | None = None
) -> list[GroupRow]:
    """Groups by name, those behind `after`; `contains` is a text in name or description (any case)."""
    query = page_behind(select(groups), groups.c.name, after, limit)
    return await _rows(conn, containing(query, contains, groups.c.name, groups.c.description))


async def claims(conn: AsyncConnection, networks: Sequence[str]) -> dict[str, list[str]]:
    """Groups that have one of these networks: names of groups, each with those networks."""
    query = (
        select(groups.c.name, group_networks.c.network)
        .join_from(group_networks, groups)
        .where(among(conn, group_networks.c.network, networks))
    )
    found: dict[str, list[str]] = {}
    for name, network in await conn.execute(query):
        found.setdefault(name, []).append(network)
    return found


async def name_claims(conn: AsyncConnection, client_names: Sequence[str]) -> dict[str, list[str]]:
    """Groups that have one of these client names: names of groups, each with those client names."""
    if not client_names:
        return {}
    wanted = set(client_names)
    found: dict[str, list[str]] = {}
    for name, theirs in await conn.execute(select(groups.c.name, groups.c.client_names)):
        if shared := [client_name for client_name in theirs if client_name in wanted]:
            found[name] = shared
    return found


async def create(change: Change, state: GroupState, *, origin: str = "api") -> GroupRow:
    """Make a group. Raises Duplicate for its name; a network or client name that another group has is
    the caller's to see.
    """
    if await exists(change.connection, state["name"]):
        raise Duplicate(f"group {state['name']!r}")
    now = datetime.now(UTC)
    networks = tuple(state["networks"])
    made = {"origin": origin, "version": 1, "created_at": now, "updated_at": now}
    values = {**_columns({name: value for name, value in state.items() if name != "networks"}), **made}
    row = (await change.connection.execute(insert(groups).values(values).returning(*groups.c))).one()
    await claim(change, row.id, networks)
    return GroupRow(**row._mapping, networks=networks)


async def update(change: Change, row: GroupRow, **values: Any) -> GroupRow:
    """Set fields of GroupState besides the name, or `origin`; the version goes up by one."""
    networks = tuple(values.pop("networks", row.networks))
    written = {**_columns(values), "version": row.version + 1, "updated_at": datetime.now(UTC)}
    statement = update_table(groups).where(groups.c.id == row.id).values(written).returning(*groups.c)
    updated = (await change.connection.execute(statement)).one()
    if networks != row.networks:
        await release(change, row)
        await claim(change, row.id, networks)
    return GroupRow(**updated._mapping, networks=networks)


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of GroupState as columns have them."""
    until = values.get("monitor_until")
    return {**values, **({"monitor_until": datetime.fromisoformat(until)} if until is not None else {})}


async def release(change: Change, row: GroupRow) -> None:
    """Take all networks from the group, so that others may have them."""
    await change.connection.execute(delete_from(group_networks).where(group_networks.c.group_id == row.id))


async def delete(change: Change, row: GroupRow) -> None:
    """Remove the group and its claims."""
    await change.connection.execute(delete_from(groups).where(groups.c.id == row.id))


async def claim(change: Change, group_id: int, networks: Sequence[str]) -> None:
    """Give a group networks that nobody has."""
    if networks:
        rows = [
            {"network": network, "group_id": group_id, "position": position}
            for position, network in enumerate(networks)
        ]
        await change.connection.execute(insert(group_networks), rows)


async def _rows(conn: AsyncConnection, query: Select[Any]) -> list[GroupRow]:
    rows = (await conn.execute(query)).all()
    networks: dict[int, list[str]] = {row.id: [] for row in rows}
    claimed = select(group_networks.c.group_id, group_networks.c.network).order_by(group_networks.c.position)
    for group_id, network in await conn.execute(claimed.where(group_networks.c.group_id.in_(list(networks)))):
        networks[group_id].append(network)
    return [GroupRow(**row._mapping, networks=tuple(networks[row.id])) for row in rows]
