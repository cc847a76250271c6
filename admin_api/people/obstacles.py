"""Obstacles to erasing a person: what is in force for them, or waits, and how each is ended; and legal holds."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.people.person import Person, names_in
from admin_api.persons import identity_form
from admin_api.query_log.sought import sought_for
from admin_api.store import exemptions
from admin_api.store.errors import WrongState
from admin_api.store.tables import change_requests, leases
from resolver.telemetry.pseudonyms import is_pseudonym

_MOST_NAMED = 10
_ENDS = {
    "pending": "deny it (moatdns exemption deny)",
    "active": "revoke it (moatdns exemption revoke)",
    "suspended": "revoke it (moatdns exemption revoke)",
}


class StandsInTheWay(WrongState):
    """A person cannot be erased yet, or at all while a legal hold lasts; its text says how to end that."""

    def __init__(self, obstacles: Iterable[str]) -> None:
        super().__init__(f"nothing is erased: {'; '.join(obstacles)}")


async def obstacles(conn: AsyncConnection, person: Person) -> list[str]:
    """Things in force for a person, or waiting, in finished phrases that say how each is ended."""
    names = names_in(person)
    theirs = select(leases.c.address).where(leases.c.identity.in_(sorted(person.spellings))).order_by(leases.c.address)
    addresses = list((await conn.execute(theirs)).scalars())
    found = []
    if addresses:
        shown = ", ".join(addresses[:_MOST_NAMED]) + (" and more" if len(addresses) > _MOST_NAMED else "")
        found.append(f"leases of {shown} are theirs: end these (moatdns lease end)")
    found += [
        f"exemption {row.id} is {row.status}: {_ENDS[row.status]}"
        for row in await exemptions.opened(conn)
        if row.kind == "identity" and any(map(person.is_meant_by, row.who))
    ]
    waiting = await requests_naming(conn, names)
    how = "deny it (moatdns change deny)"
    return found + [f"change request {number} waits and names them: {how}" for number in waiting]


async def requests_naming(conn: AsyncConnection, names: Callable[[object], bool]) -> list[str]:
    """Ids of change requests that wait and name somebody, one read at a time: a body may have many rules."""
    c = change_requests.c
    waits = select(c.id).where(c.status == "pending", c.expires_at > datetime.now(UTC)).order_by(c.id)
    found = []
    for number in (await conn.execute(waits)).scalars().all():
        columns = (c.path, c.query, c.opens, c.changes, c.body)
        *told, body = (await conn.execute(select(*columns).where(c.id == number))).one()
        if await asyncio.to_thread(_is_named, names, told, body):
            found.append(number)
    return found


def _is_named(names: Callable[[object], bool], told: Sequence[object], body: bytes | None) -> bool:
    return names([*told, None if body is None else json.loads(zlib.decompress(body))])


def refuse_held(holds: Iterable[str], state_dir: Path, text: str) -> None:
    """Refuse for an identity, or a pseudonym, that a legal hold (people.legal_holds) is on.

    Raises StandsInTheWay, and MoatdnsError where the secrets of pseudonyms cannot be read.
    """
    for held in holds:
        is_held = identity_form(held) == identity_form(text)
        if is_held or (is_pseudonym(text) and text in sought_for(state_dir, "identity", held).texts):
            raise StandsInTheWay(
                ["a legal hold is on this person: once it is over, take it out of people.legal_holds, and reload"]
            )
