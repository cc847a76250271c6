"""A store that came out of a backup: what it lets in and opens is suspended until an admin confirms it.

The copy is older than the store that was lost, and has in it what was revoked since. So tokens let nobody in and
exemptions open nothing until somebody says that they still hold. What lasts a short while only ends at once: pauses,
requests that nobody has decided, and leases that open something.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import change_requests, documents, exemptions, leases, pauses, tokens
from admin_api.store.change import Change
from admin_api.store.errors import NotFound, NothingLost
from admin_api.store.exemptions import ExemptionRow
from admin_api.store.lease_row import LeaseRow
from admin_api.store.queries import rows_of
from admin_api.store.tables import change_requests as request_table

CONFIRM: Final = ("confirm", "restored")
"""Action and object of the audit row."""

_DOCUMENT = "restored"
_OWNER = "moatdns"
_NOTE = "the store was restored from a backup"


@dataclass(frozen=True, slots=True)
class RestoredCounts:
    """Numbers of what a restore suspended or ended."""

    tokens: int
    exemptions: int
    ended_pauses: int
    ended_requests: int  # of exemptions and of changes
    ended_leases: int


@dataclass(frozen=True, slots=True)
class SuspendedThings:
    """Names of tokens and ids of exemptions that wait. Times of the restore and of its backup are ISO 8601."""

    restored_at: str
    backup_at: str
    tokens: tuple[str, ...]
    exemptions: tuple[str, ...]

    @property
    def told(self) -> str:
        """Why the node is degraded."""
        counted = [
            f"{len(names)} {what}{'' if len(names) == 1 else 's'}"
            for what, names in (("token", self.tokens), ("exemption", self.exemptions))
            if names
        ]
        is_one = len(self.tokens) + len(self.exemptions) == 1
        return (
            f"the store was restored from the backup of {self.backup_at}: {' and '.join(counted)} "
            f"{'is' if is_one else 'are'} suspended until an admin confirms or revokes {'it' if is_one else 'them'} "
            "('moatdns store confirm-restored')"
        )


async def suspend(change: Change, backup_at: str, opening: Sequence[LeaseRow]) -> RestoredCounts:
    """Suspend and end; `opening` are the leases that open something."""
    conn = change.connection
    suspended, ended = 0, 0
    for row in await exemptions.opened(conn):
        if row.status == "active":
            await exemptions.move(change, row, "suspend", owner=_OWNER, note=_NOTE)
            suspended += 1
        elif row.status == "pending":
            await exemptions.move(change, row, "expire", owner=_OWNER, note=_NOTE)
            ended += 1
    paused = await pauses.all_pauses(conn)
    for pause in paused:
        await pauses.end(change, pause, "end")
    waiting = change_requests.EVERY.where(request_table.c.status == "pending")
    for request in await rows_of(conn, change_requests.ChangeRequestRow, waiting):
        await change_requests.decide(change, request, "expire", owner=_OWNER, note=_NOTE)
        ended += 1
    await leases.end(change, list(opening), "ended")
    let_in = await tokens.suspend_all(change)
    await documents.put(conn, _DOCUMENT, {"at": datetime.now(UTC).isoformat(), "backup_at": backup_at})
    return RestoredCounts(let_in, suspended, len(paused), ended, len(opening))


async def is_restored(conn: AsyncConnection) -> bool:
    """Whether the store came out of a backup, however long ago."""
    return await documents.get(conn, _DOCUMENT) is not None


async def suspended(conn: AsyncConnection) -> SuspendedThings | None:
    """All that waits; None where nothing does."""
    names = await tokens.suspended_names(conn)
    ids = sorted(row.id for row in await exemptions.suspended(conn))
    if not names and not ids:
        return None
    told: Any = await documents.get(conn, _DOCUMENT) or {}
    return SuspendedThings(str(told.get("at", "")), str(told.get("backup_at", "")), tuple(names), tuple(ids))


async def confirm(
    change: Change, names: Collection[str] | None, ids: Collection[str] | None, *, owner: str, by: str | None = None
) -> tuple[list[str], list[ExemptionRow]]:
    """Confirm tokens by name and exemptions by id; None: all of them. Gives what was confirmed.

    Exemptions whose time is over meanwhile stay closed, and are not among it. Raises NotFound, NothingLost.
    """
    conn = change.connection
    waiting = await suspended(conn)
    if waiting is None:
        raise NothingLost("nothing is suspended: the store was not restored, or all of it is confirmed or revoked")
    wanted = list(waiting.tokens if names is None else dict.fromkeys(names))
    for name in wanted:
        await tokens.confirm(change, name)
    confirmed = []
    for number in waiting.exemptions if ids is None else dict.fromkeys(ids):
        if number not in waiting.exemptions:
            raise NotFound(f"suspended exemption {number!r}")
        row = await exemptions.get(conn, number)
        action = "confirm" if row.expires_at > datetime.now(UTC) else "expire"
        moved = await exemptions.move(change, row, action, owner=owner)
        if action == "confirm":
            confirmed.append(moved)
    facts = {"tokens": wanted, "exemptions": [row.id for row in confirmed]}
    change.record(*CONFIRM, None, {**facts, **({"by": by} if by else {})})
    return wanted, confirmed
