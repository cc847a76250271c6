"""Looks at persons that another owner has agreed to, each until its end; one document in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.persons import is_same_person
from admin_api.store import documents
from admin_api.store.change import Change
from admin_api.store.errors import TooMany

GRANT: Final = ("grant", "people")
"""Action and object of the audit row."""

MOST_GRANTS: Final = 1000

_DOCUMENT: Final = "looks"


@dataclass(frozen=True, slots=True)
class GrantedLook:
    """A look that somebody may take: by which operation, at whom (rankings: at nobody in particular), and why."""

    owner: str  # who looks
    operation: str
    client: str | None
    identity: str | None
    reason: str
    ends_at: str  # ISO 8601, UTC

    def is_over(self, now: datetime) -> bool:
        """True once its time is over."""
        return datetime.fromisoformat(self.ends_at) <= now

    def is_for(self, owner: str, operation: str, asked: Mapping[str, str], reason: str) -> bool:
        """True for this very look, by that person."""
        whom = (asked.get("client"), asked.get("identity"))
        is_alike = (self.operation, self.client, self.identity, self.reason) == (operation, *whom, reason)
        return is_alike and is_same_person(self.owner, owner)


async def all_grants(conn: AsyncConnection, now: datetime | None = None) -> list[GrantedLook]:
    """Those that are not over."""
    now = now or datetime.now(UTC)
    return [one for one in await _kept(conn) if not one.is_over(now)]


async def grant(change: Change, look: GrantedLook) -> None:
    """Let somebody take a look. Raises TooMany."""
    granted = [one for one in await all_grants(change.connection) if one != look]
    if len(granted) >= MOST_GRANTS:
        raise TooMany(f"there are {MOST_GRANTS} looks that others agreed to, the maximum: wait until some are over")
    await _keep(change.connection, (*granted, look))
    facts = {name: value for name, value in asdict(look).items() if value is not None}
    change.record(*GRANT, None, facts)


async def identities(conn: AsyncConnection) -> set[str]:
    """Identities, and pseudonyms, that are looked at."""
    return {one.identity for one in await _kept(conn) if one.identity is not None}


async def drop(conn: AsyncConnection, is_dropped: Callable[[GrantedLook], bool]) -> int:
    """Forget agreements, those that are over among them; gives how many."""
    kept = await _kept(conn)
    left = [one for one in kept if not is_dropped(one)]
    if len(left) < len(kept):
        await _keep(conn, left)
    return len(kept) - len(left)


async def forget_ended(conn: AsyncConnection, before: datetime, _: int) -> int:
    """Forget agreements that ended before a time, all at once: they are one document; gives how many."""
    return await drop(conn, lambda one: one.is_over(before))


async def _kept(conn: AsyncConnection) -> list[GrantedLook]:
    return [GrantedLook(**one) for one in (await documents.get(conn, _DOCUMENT) or {}).get("granted", ())]


async def _keep(conn: AsyncConnection, looks: Iterable[GrantedLook]) -> None:
    await documents.put(conn, _DOCUMENT, {"granted": [asdict(one) for one in looks]})
