"""Persons who were erased since a backup, erased again from its rows before these are anybody's store."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import delete, select, update

from admin_api.people.obstacles import requests_naming
from admin_api.people.person import Person, identities_in, names_in
from admin_api.people.rows import ERASE, take_out
from admin_api.persons import identity_form, name_of
from admin_api.query_log.erased import digest_of, person_digest
from admin_api.statistics.persons import move_to_erased
from admin_api.store import exemptions, looks
from admin_api.store.audit_texts import strike_where
from admin_api.store.change import Change
from admin_api.store.naming import Naming
from admin_api.store.tables import change_requests, leases
from admin_api.store.tables import exemptions as exemption_table
from resolver.telemetry.pseudonyms import is_pseudonym


async def erase_restored(change: Change, key: bytes, digests: Collection[str]) -> int:
    """Erase whom the digests mean, who may have things in force again; gives how many persons that are.

    Whom no identity, pseudonym or owner is the name of is struck from the audit trail's texts alone, where one is.
    """
    conn = change.connection
    if not digests:
        return 0
    identities = await identities_in(conn)
    pseudonyms = {one for one in identities if digest_of(key, one, "identity") in digests}
    await move_to_erased(conn, pseudonyms)
    await looks.drop(conn, lambda look: look.identity in pseudonyms)
    owners = set((await conn.execute(select(exemption_table.c.owner).distinct())).scalars())
    found = await asyncio.to_thread(_meant, identities | owners, key, digests)
    for digest, spellings in sorted(found.items()):
        name = min(spellings)
        person = Person(identity_form(name), frozenset(spellings), frozenset(), Naming(name))
        await _end(change, person)
        taken_out = await take_out(change, person, statuses=exemptions.STATUSES)  # nobody is told what is left
        told = {"erased": digest, "reason": "a restore repeats it", "taken_out": asdict(taken_out)}
        change.record(*ERASE, None, told)
    await strike_where(change, lambda text: _is_meant(text, key, digests))
    return len(found)


def _is_meant(text: str, key: bytes, digests: Collection[str]) -> bool:
    return person_digest(key, name_of(text)) in digests or (
        is_pseudonym(text) and digest_of(key, text, "identity") in digests
    )


def _meant(names: Collection[str], key: bytes, digests: Collection[str]) -> dict[str, set[str]]:
    """Spellings by digest, of those whose digest is among them."""
    found: dict[str, set[str]] = {}
    for name in map(name_of, names):
        if (digest := person_digest(key, name)) in digests:
            found.setdefault(digest, set()).add(name)
    return found


async def _end(change: Change, person: Person) -> None:
    """End what is in force or waits, without a word of it: rows that tell would name them."""
    conn, now = change.connection, datetime.now(UTC)
    await conn.execute(delete(leases).where(leases.c.identity.in_(sorted(person.spellings))))
    for row in await exemptions.opened(conn):
        if row.kind == "identity" and any(map(person.is_meant_by, row.who)):
            of_row = update(exemption_table).where(exemption_table.c.id == row.id)
            await conn.execute(of_row.values(status="revoked", ended_at=now, renewal=None))
    for number in await requests_naming(conn, names_in(person)):
        of_request = update(change_requests).where(change_requests.c.id == number)
        await conn.execute(of_request.values(status="expired", body=None, body_octets=0, token_part=None))
