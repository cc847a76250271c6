"""A store that came out of a backup: what it lets in and opens is suspended until an admin confirms it.

The copy is older than the store that was lost, and has in it what was revoked since. So tokens let nobody in,
exemptions open nothing, and openings by the policy are closed (`restored_policy`) until somebody says that they still
hold. What lasts a short while only ends at once: pauses, requests that nobody has decided, and leases that open
something. Messages that wait for webhooks and mail are forgotten: the lost node has sent them, or told what it did
since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import change_requests, documents, exemptions, leases, pauses, restored_policy, tokens, webhooks
from admin_api.store.change import Change
from admin_api.store.errors import NotFound, NothingLost
from admin_api.store.exemptions import ExemptionRow
from admin_api.store.lease_row import LeaseRow
from admin_api.store.queries import rows_of
from admin_api.store.restored_policy import FoundOpening, PolicyOpening
from admin_api.store.tables import change_requests as request_table

CONFIRM: Final = ("confirm", "restored")
"""Action and object of the audit row."""

_DOCUMENT = "restored"
_OWNER = "moatdns"
_NOTE = "the store was restored from a backup"
_MOST_NAMED = 5  # openings that /ready names


@dataclass(frozen=True, slots=True)
class RestoredCounts:
    """Numbers of what a restore suspended or ended."""

    tokens: int
    exemptions: int
    ended_pauses: int
    ended_requests: int  # of exemptions and of changes
    ended_leases: int
    closed: int = 0  # groups and lists
    told: int = 0  # groups and lists that are still open
    dropped_messages: int = 0  # to webhooks and by mail


@dataclass(frozen=True, slots=True)
class SuspendedThings:
    """Names of tokens, ids of exemptions, and openings by the policy that wait.

    Times of the restore and of its backup are ISO 8601.
    """

    restored_at: str
    backup_at: str
    tokens: tuple[str, ...]
    exemptions: tuple[str, ...]
    policy: tuple[PolicyOpening, ...] = ()

    @property
    def told(self) -> str:
        """Why the node is degraded."""
        closed = [one.object for one in self.policy if one.closed]
        still_open = [one.object for one in self.policy if not one.closed]
        waiting = [
            *_counted("token", self.tokens),
            *_counted("exemption", self.exemptions),
            *_counted("opening by the policy", closed, "openings by the policy", named=True),
        ]
        said = []
        if waiting:
            is_one = len(self.tokens) + len(self.exemptions) + len(closed) == 1
            said.append(
                f"{' and '.join([', '.join(waiting[:-1]), waiting[-1]] if waiting[:-1] else waiting)} "
                f"{'is' if is_one else 'are'} suspended until an admin confirms or revokes {'it' if is_one else 'them'}"
            )
        if still_open:
            said.append(f"{_named(still_open)} {'is' if len(still_open) == 1 else 'are'} open, and to be confirmed")
        what = "; ".join(said)
        return f"the store was restored from the backup of {self.backup_at}: {what} ('moatdns store confirm-restored')"


def _counted(what: str, names: Sequence[str], several: str = "", *, named: bool = False) -> list[str]:
    if not names:
        return []
    word = what if len(names) == 1 else several or f"{what}s"
    return [f"{len(names)} {word}{f' ({_named(names)})' if named else ''}"]


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class ConfirmedThings:
    """Things that count again, and openings by the policy that stay as the restore left them."""

    tokens: tuple[str, ...]
    exemptions: tuple[ExemptionRow, ...]
    policy: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


async def suspend(
    change: Change, backup_at: str, opening: Sequence[LeaseRow], policy: Sequence[FoundOpening] = ()
) -> RestoredCounts:
    """Suspend, close and end; `opening` are the leases that open something, `policy` the groups and lists."""
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
    found = await suspend_policy(change, backup_at, policy)
    closed = sum(one.closed for one in found)
    messages = await webhooks.forget_all(conn)
    return RestoredCounts(
        let_in, suspended, len(paused), ended, len(opening), closed, len(found) - closed, dropped_messages=messages
    )


async def suspend_policy(change: Change, backup_at: str, policy: Sequence[FoundOpening]) -> list[PolicyOpening]:
    """Close openings by the policy, and note that the store is a restored one; gives those that wait."""
    found = await restored_policy.close(change, policy)
    told: dict[str, object] = {"at": datetime.now(UTC).isoformat(), "backup_at": backup_at}
    body = {**told, "revision": change.revision, "policy": [asdict(one) for one in found]}
    await documents.put(change.connection, _DOCUMENT, body)
    return found


async def is_restored(conn: AsyncConnection) -> bool:
    """Whether the store came out of a backup, however long ago."""
    return await documents.get(conn, _DOCUMENT) is not None


async def suspended(conn: AsyncConnection) -> SuspendedThings | None:
    """All that waits; None where nothing does."""
    told: Mapping[str, Any] = await documents.get(conn, _DOCUMENT) or {}
    names = await tokens.suspended_names(conn)
    ids = sorted(row.id for row in await exemptions.suspended(conn))
    policy = await restored_policy.still_there(conn, [PolicyOpening.of(plain) for plain in told.get("policy", ())])
    if not names and not ids and not policy:
        return None
    return SuspendedThings(str(told.get("at", "")), str(told.get("backup_at", "")), tuple(names), tuple(ids), policy)


async def confirm(
    change: Change,
    names: Collection[str] | None,
    ids: Collection[str] | None,
    policy: Collection[str] | None = (),
    *,
    leave: Collection[str] = (),
    owner: str,
    by: str | None = None,
) -> ConfirmedThings:
    """Confirm tokens by name, exemptions by id and openings by the policy by object; None: all of them.

    Openings in `leave` wait no longer, and stay as they are. Exemptions whose time is over meanwhile stay closed, and
    are not among what it gives. Raises NotFound, NothingLost.
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
    opened = await _decide_policy(change, waiting, policy, leave)
    facts = {"tokens": wanted, "exemptions": [row.id for row in confirmed], "policy": opened, "left": list(leave)}
    change.record(*CONFIRM, None, {**facts, **({"by": by} if by else {})})
    return ConfirmedThings(tuple(wanted), tuple(confirmed), tuple(opened), tuple(leave))


async def _decide_policy(
    change: Change, waiting: SuspendedThings, policy: Collection[str] | None, leave: Collection[str]
) -> list[str]:
    """Reopen some, and forget those and what is to be left; gives the objects that count again."""
    by_object = {one.object: one for one in waiting.policy}
    wanted = list(by_object.keys() - {*leave} if policy is None else dict.fromkeys(policy))
    for name in (*wanted, *leave):
        if name not in by_object:
            raise NotFound(f"opening {name!r} that waits")
    told = await documents.get(change.connection, _DOCUMENT) or {}
    wanted.sort()
    await restored_policy.reopen(change, [by_object[name] for name in wanted], int(told.get("revision", 0)))
    left = [asdict(one) for one in waiting.policy if one.object not in {*wanted, *leave}]
    await documents.put(change.connection, _DOCUMENT, {**told, "policy": left})
    return wanted
