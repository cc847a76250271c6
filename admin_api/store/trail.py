"""Whether the audit trail is whole: each row's mac, and the heads that were noted elsewhere.

A head whose row is gone means that rows were lost. A loss that is known is named, head by head, by a row of the trail
itself (``acknowledge`` of ``audit``, ``begin-anew`` or ``restore`` of ``store``); it is a gap then, and the trail is
whole with it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.audit import head, mac_of
from admin_api.store.change import Change
from admin_api.store.checkpoints import start_of
from admin_api.store.columns import iso_text
from admin_api.store.errors import NothingLost
from admin_api.store.tables import audit
from admin_api.store.trail_texts import Strikes, stray_texts, strikes_in, wrong_texts
from blocklists.feed.minisign import PublicKey

ACKNOWLEDGE: Final = ("acknowledge", "audit")
BEGIN_ANEW: Final = ("begin-anew", "store")
RESTORE: Final = ("restore", "store")
_MOST_FINDINGS = 100
_BATCH = 1000  # rows
_MOST_IDS = 500  # of a statement
_MOST_NAMED = 20  # rows of a gap that are told
_MOST_FOUND_WALKING = 20

Pair = tuple[int, str]  # row, mac


@dataclass(slots=True)
class Verified:
    """Result of verifying the trail: problems, one sentence each (at most a hundred), and what is known to be gone."""

    findings: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)  # texts that were struck, and are no fault
    removed: list[str] = field(default_factory=list)  # rows whose time was over, and are no fault


@dataclass(frozen=True, slots=True)
class _Acknowledgement:
    row: int
    actor: str
    reason: str
    heads: frozenset[Pair]
    other_key: int  # rows up to this one were made with another key; 0: none
    restored: str  # what a row of a restore tells; "" of others

    def told(self, heads: Iterable[Pair]) -> str:
        numbers = sorted({number for number, _ in heads})
        shown = ", ".join(map(str, numbers[:_MOST_NAMED])) + (" and more" if len(numbers) > _MOST_NAMED else "")
        rows = f"row {shown} is" if len(numbers) == 1 else f"rows {shown} are"
        return f"{rows} lost, which row {self.row} acknowledges ({self.actor}: {self.reason or 'no reason given'})"


async def look_through(
    conn: AsyncConnection, key: bytes, heads: Sequence[Pair] = (), *, signer: PublicKey | None = None
) -> Verified:
    """Look at every row, and at the heads (ids and macs that were the last ones once).

    `signer`: the key that must have signed the checkpoint, where the trail begins with one; None: any.
    """
    found = Verified()
    start = await start_of(conn, key)
    if start.checkpoint is not None:
        found.removed.append(start.checkpoint.told())
        found.findings += start.checkpoint.faults(start.store_id, signer)
    noted: dict[int, set[str]] = {}
    for number, mac in heads:
        if number >= max(start.row, 1):
            noted.setdefault(number, set()).add(mac)
    lost = {(start.row, mac) for mac in noted.pop(start.row, ()) if mac != start.mac}
    known: list[_Acknowledgement] = []
    other_key = await _rows_of_another_key(conn, key)
    last, last_mac = start.row, start.mac
    strikes = await _strikes(conn, key, other_key)
    while some := await _rows_behind(conn, last, _BATCH):
        for row in some:
            wrong = _wrong_with(row, last, last_mac, None if row.id <= other_key else key)
            found.findings += wrong
            if not wrong and row.id > other_key and (acknowledged := _acknowledgement(row)):
                known.append(acknowledged)
                if acknowledged.restored:
                    found.gaps.append(f"row {row.id}: {acknowledged.restored}")
            lost |= {(row.id, mac) for mac in noted.pop(row.id, ()) if mac != row.mac}
            last, last_mac = row.id, row.mac
        found.findings += await wrong_texts(conn, some, strikes)
        if len(found.findings) >= _MOST_FINDINGS:
            break
    else:
        lost |= {(number, mac) for number, macs in noted.items() for mac in macs}
        found.findings += await stray_texts(conn)
        found.erased += [strike.told(erasure) for erasure, strike in strikes.items()]
    if other_key > start.row:
        found.gaps.append(
            f"rows {start.row + 1} to {other_key} were made with another key, which can no longer verify them"
        )
    for acknowledgement in known:
        if named := lost & acknowledgement.heads:
            found.gaps.append(acknowledgement.told(named))
            lost -= named
    changed = sorted({number for number, _ in lost if number <= last})
    restored = max((one.row for one in known if one.restored), default=0)
    for row_id in changed:
        also = f": perhaps of before the restore that row {restored} tells of" if row_id >= restored > 0 else ""
        found.findings.append(f"row {row_id} is not the row that was recorded as the trail's head{also}")
    if cut := [number for number, _ in lost if number > last]:
        found.findings.append(f"the trail ends with row {last}, but row {max(cut)} existed: its end was cut off")
    del found.findings[_MOST_FINDINGS:]
    return found


@dataclass(slots=True)
class TrailWalk:
    """A look at all rows that goes on in pieces: how far it has come, and what it found (at most twenty)."""

    last: int | None = None  # None: nowhere yet
    last_mac: str = ""
    other_key: int = 0  # rows up to this one were made with another key
    findings: list[str] = field(default_factory=list)


async def walk_on(conn: AsyncConnection, key: bytes, walk: TrailWalk, rows: int) -> bool:
    """Look at so many rows more; True when there are no further ones."""
    start = await start_of(conn, key)
    if walk.last is None or walk.last < start.row:  # also where rows were removed meanwhile
        walk.last, walk.last_mac = start.row, start.mac
        walk.other_key = await _rows_of_another_key(conn, key)
    some = await _rows_behind(conn, walk.last, rows)
    for row in some:
        walk.findings += _wrong_with(row, walk.last, walk.last_mac, None if row.id <= walk.other_key else key)
        walk.last, walk.last_mac = row.id, row.mac
    walk.findings += await wrong_texts(conn, some, await _strikes(conn, key, walk.other_key))
    del walk.findings[_MOST_FOUND_WALKING:]
    return len(some) < rows


async def lost_heads(conn: AsyncConnection, key: bytes, heads: Iterable[Pair]) -> list[Pair]:
    """The heads whose rows are gone, or are others, and that no row acknowledges; looks at no other rows.

    Heads of rows that a checkpoint removed are not lost.
    """
    start = await start_of(conn, key)
    wanted = sorted({pair for pair in heads if pair[0] >= max(start.row, 1)})
    there = {start.row: start.mac}
    numbers = sorted({number for number, _ in wanted})
    for first in range(0, len(numbers), _MOST_IDS):
        some = numbers[first : first + _MOST_IDS]
        rows = await conn.execute(select(audit.c.id, audit.c.mac).where(audit.c.id.in_(some)))
        there |= {row.id: row.mac for row in rows}
    lost = [pair for pair in wanted if there.get(pair[0]) != pair[1]]
    if not lost:
        return []
    acknowledged: set[Pair] = set()
    for row in await conn.execute(_acknowledging()):
        if await _holds(conn, row, key):
            known = _acknowledgement(row)
            acknowledged |= known.heads if known else frozenset()
    return [pair for pair in lost if pair not in acknowledged]


async def acknowledge(change: Change, key: bytes, heads: Iterable[Pair], reason: str) -> list[Pair]:
    """Name the lost heads in the trail itself; gives them. Raises NothingLost where none is."""
    noted = list(heads)
    lost = await lost_heads(change.connection, key, noted)
    if not lost:
        raise NothingLost("nothing is lost: every recorded head of the audit trail still exists")
    last, _ = await head(change.connection)
    facts = {"reason": reason, "lost_heads": [list(pair) for pair in lost]}
    change.record(*ACKNOWLEDGE, {"rows": last}, {**facts, **await since_of(change.connection, noted, lost)})
    return lost


async def since_of(conn: AsyncConnection, noted: Sequence[Pair], lost: Sequence[Pair]) -> dict[str, str]:
    """Since when rows are lost, as the row that tells of it has that: the time of the last head before that is there.

    `noted` are in the order in which they were noted; empty where no such head is known to be from before the loss.
    """
    before: Pair | None = None
    for pair in noted:
        if pair in lost:
            break
        # Rows that go back are noted in another place, or by another copy of the store: that one may be of later.
        before = pair if before is None or pair[0] >= before[0] else None
    else:
        return {}
    if before is None or before[0] > pair[0]:
        return {}
    at = await conn.scalar(select(audit.c.at).where(audit.c.id == before[0], audit.c.mac == before[1]))
    return {} if at is None else {"since": iso_text(at)}


async def before_losses(conn: AsyncConnection, to: int) -> int:
    """The last row up to which rows may be removed: none that acknowledges the loss of a head beyond it."""
    rows = await conn.execute(_acknowledging().where(audit.c.id <= to))
    acknowledged = [one for row in rows if (one := _acknowledgement(row)) is not None and one.heads]
    known = [(one.row, max(number for number, _ in one.heads)) for one in acknowledged]
    for row_id, last_lost in sorted(known, reverse=True):
        if row_id <= to < last_lost:
            to = row_id - 1
    return to


def _acknowledging() -> Select[Any]:
    return select(audit).where(audit.c.action.in_((ACKNOWLEDGE[0], BEGIN_ANEW[0], RESTORE[0])))


def told_of_loss(lost: Sequence[Pair]) -> str:
    """Why the node is degraded; the same text while the trail grows."""
    return (
        f"the audit trail lacks rows that existed (row {max(number for number, _ in lost)} for one): the store was "
        "restored from an older copy, or its end was cut off. See 'moatdns audit verify'; an admin acknowledges a "
        "known loss by 'moatdns audit acknowledge --reason …'"
    )


def _acknowledgement(row: Row[Any]) -> _Acknowledgement | None:
    """Acknowledgement of lost rows that a row of the trail holds; None of any other row."""
    if (row.action, row.object) not in (ACKNOWLEDGE, BEGIN_ANEW, RESTORE) or row.after is None:
        return None
    after = json.loads(row.after)
    heads = frozenset((int(number), str(mac)) for number, mac in after.get("lost_heads", ()))
    told = ""
    if (row.action, row.object) == RESTORE:
        backup = after.get("backup", {})
        told = f"the store was restored from the backup of {backup.get('at')}, whose last row was {backup.get('row')}"
    other_key = int(after.get("rows_of_another_key", 0))
    return _Acknowledgement(row.id, row.actor, after.get("reason", ""), heads, other_key, told)


async def _rows_behind(conn: AsyncConnection, last: int, rows: int) -> Sequence[Row[Any]]:
    """So many rows behind one, in order."""
    return (await conn.execute(select(audit).where(audit.c.id > last).order_by(audit.c.id).limit(rows))).all()


async def _strikes(conn: AsyncConnection, key: bytes, other_key: int) -> Strikes:
    async def counts(row: Row[Any]) -> bool:
        return row.id <= other_key or await _holds(conn, row, key)

    return await strikes_in(conn, counts)


async def _rows_of_another_key(conn: AsyncConnection, key: bytes) -> int:
    """Up to which row the trail was made with a key that was lost, as a row made with ours says."""
    begun = select(audit).where(audit.c.action == BEGIN_ANEW[0], audit.c.object == BEGIN_ANEW[1])
    for row in await conn.execute(begun.order_by(audit.c.id.desc())):
        known = _acknowledgement(row) if await _holds(conn, row, key) else None
        if known is not None and known.other_key == row.id - 1:
            return known.other_key
    return 0


async def _holds(conn: AsyncConnection, row: Row[Any], key: bytes) -> bool:
    """Whether a row's mac is that of our key over the row before."""
    before: str | None = await conn.scalar(select(audit.c.mac).where(audit.c.id == row.id - 1))
    if before is None:
        start = await start_of(conn, key)
        before = start.mac if start.row == row.id - 1 else None
    return before is not None and hmac.compare_digest(mac_of(key, before, row._mapping), str(row.mac))


def _wrong_with(row: Row[Any], last: int, last_mac: str, key: bytes | None) -> list[str]:
    if row.id != last + 1:
        gap = f"row {last + 1} is" if row.id == last + 2 else f"rows {last + 1} to {row.id - 1} are"
        return [f"{gap} missing"]  # without the row before, this one's mac cannot be computed
    if key is None or hmac.compare_digest(mac_of(key, last_mac, row._mapping), str(row.mac)):
        return []
    return [f"row {row.id} ({row.action} {row.object}) was changed, or does not follow row {last}"]
