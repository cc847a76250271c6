"""Openings by leases: an address that comes into another group, or to an identity that is exempt."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.second_owner.groups import Facts, States, networks_around, opened
from admin_api.store.change import Change
from admin_api.store.lease_row import LeaseRow
from admin_api.store.policy import DEFAULT_GROUP
from admin_api.store.tables import group_networks, groups


async def lease_openings(
    change: Change, states: States, facts: Facts, exempt_identities: Collection[str], *, ends_too: bool = True
) -> list[str]:
    """Openings by leases that a change set (and ended, with `ends_too`), in finished phrases."""
    found: list[str] = []
    for before, after in _at_last(change):
        if (before is None or not ends_too) and after is None:
            continue
        address = before.address if before is not None else after.address if after is not None else ""
        without = await _by_network(change.connection, address)
        was, will = _group(before, without, states), _group(after, without, states)
        steps = [(was, will)]
        if ends_too and before is not None and after is not None:
            if after.ends_at < before.ends_at:  # sooner than it would be
                steps.append((was, without))
            elif after.ends_at > before.ends_at:  # for longer than was agreed to
                steps.append((without, will))
        found += [
            f"{address} comes from group {one!r} into group {other!r}, which {why}"
            for one, other in dict.fromkeys(steps)
            if one != other
            for why in opened(states[one], states[other], states, states, facts)
        ]
        identity = None if after is None else after.identity
        if identity in exempt_identities and (before is None or before.identity != identity):
            found.append(f"{address} becomes {identity!r}, who has an exemption")
    return found


def _at_last(change: Change) -> list[tuple[LeaseRow | None, LeaseRow | None]]:
    """Each address as it was first, and as it is in the end."""
    by_address: dict[str, tuple[LeaseRow | None, LeaseRow | None]] = {}
    for before, after in change.leased:
        row = before if before is not None else after
        if row is not None:
            first = by_address[row.address][0] if row.address in by_address else before
            by_address[row.address] = (first, after)
    return list(by_address.values())


def _group(row: LeaseRow | None, without: str, states: States) -> str:
    return row.group if row is not None and row.group is not None and row.group in states else without


async def _by_network(conn: AsyncConnection, address: str) -> str:
    """The group that an address has without a lease."""
    around = networks_around(address)
    query = (
        select(group_networks.c.network, groups.c.name)
        .join_from(group_networks, groups)
        .where(group_networks.c.network.in_(around))
    )
    claims = {row.network: row.name for row in await conn.execute(query)}
    return next((claims[network] for network in around if network in claims), DEFAULT_GROUP)
