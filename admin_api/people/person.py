"""One person, in all forms in which the store, statistics and query log may have them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.persons import identity_form
from admin_api.query_log.erased import digest_of, person_digest
from admin_api.query_log.sought import sought_for
from admin_api.statistics.persons import identities_counted
from admin_api.store import looks
from admin_api.store.naming import Naming
from admin_api.store.tables import exemptions, lease_history, leases
from resolver.telemetry.pseudonyms import is_pseudonym
from resolver.telemetry.query_block_lines import BlockClient


@dataclass(frozen=True, slots=True)
class Person:
    """A person: `spellings` are the identities that are written otherwise and mean the same, the given one among them.

    `pseudonyms` are those of all spellings, of every period whose secret is kept.
    """

    form: str  # the normal form, by which spellings are one
    spellings: frozenset[str]
    pseudonyms: frozenset[str]
    naming: Naming

    @property
    def keys(self) -> frozenset[str]:
        """Every text by which rows, counts and the query log have them."""
        return self.spellings | self.pseudonyms

    def is_meant_by(self, identity: str) -> bool:
        """Whether an identity is a spelling of theirs."""
        return identity_form(identity) == self.form

    def digests(self, key: bytes) -> tuple[str, ...]:
        """Digests for the journal of erasures: the person's own, and one of each pseudonym."""
        return (person_digest(key, self.form), *(digest_of(key, one, "identity") for one in sorted(self.pseudonyms)))

    def is_named_in(self, text: str) -> bool:
        """True for a text that names them, or has a pseudonym of theirs."""
        return self.naming.is_in(text) or any(one in text for one in self.pseudonyms)

    def is_in(self, client: BlockClient) -> bool:
        """Whether a row of the query log is theirs."""
        identity = client.identity
        return identity is not None and (identity in self.keys or self.is_meant_by(identity))


async def person_of(conn: AsyncConnection, state_dir: Path, identity: str) -> Person:
    """The person of an identity. Raises MoatdnsError where the secrets of pseudonyms cannot be read."""
    form = identity_form(identity)
    found = await asyncio.to_thread(_same, await identities_in(conn), form)
    spellings, pseudonyms = {identity, *found}, set[str]()
    for one in tuple(spellings):
        sought = await asyncio.to_thread(sought_for, state_dir, "identity", one)
        for text in sought.texts:
            (pseudonyms if is_pseudonym(text) else spellings).add(text)
    return Person(form, frozenset(spellings), frozenset(pseudonyms), Naming(identity))


async def identities_in(conn: AsyncConnection) -> set[str]:
    """Identities that the store has, pseudonyms among them.

    They are in leases and their history, exemptions, statistics, and looks that were agreed to.
    """
    found = await identities_counted(conn) | await looks.identities(conn)
    for column in (leases.c.identity, lease_history.c.identity):
        found |= set((await conn.execute(select(column).distinct())).scalars())
    rows = await conn.execute(select(exemptions.c.who).where(exemptions.c.kind == "identity"))
    return found.union(*rows.scalars())


def _same(identities: Iterable[str], form: str) -> set[str]:
    return {one for one in identities if identity_form(one) == form}


def texts_in(value: object) -> Iterator[str]:
    """Every text in a JSON value, its keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)


def names_in(person: Person) -> Callable[[object], bool]:
    """True for a JSON value with a text that names somebody, or has a pseudonym of theirs."""
    return lambda value: any(map(person.is_named_in, texts_in(value)))
