"""Checkpoints of the audit trail: rows with which older rows were removed, and from which the trail is verified on.

A row ``checkpoint`` of ``audit`` has number, mac and time of the last row that it removed, and the same as a signed
file. The first row that is left stands on that mac. Since the checkpoint's own mac is by the trail's key, nobody
without it can remove rows; the signature shows the same to whoever has the public key alone, and outlives the trail.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.signed.files import NotGenuine, verified
from admin_api.store.audit import genesis, mac_of
from admin_api.store.change import Change
from admin_api.store.columns import iso_text
from admin_api.store.tables import audit, audit_texts, meta
from blocklists.feed.minisign import PublicKey, SignatureError

CHECKPOINT: Final = ("checkpoint", "audit")
"""Action and object of the row."""

FORMAT: Final = "moatdns audit checkpoint 1"
"""Format of the signed file in it."""


@dataclass(frozen=True, slots=True)
class LastRemoved:
    """The last row of those that are removed: its number, mac and time."""

    row: int
    mac: str
    at: datetime

    def content(self, store_id: str) -> dict[str, Any]:
        """The content that is signed."""
        return {"store_id": store_id, "row": self.row, "mac": self.mac, "at": iso_text(self.at)}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as the trail has it: its own row, when it was written, what it removed, and its signed file."""

    row: int
    written: datetime
    last: LastRemoved
    signed: Any

    def told(self) -> str:
        """The sentence about the rows that were removed."""
        rows = "row 1 was" if self.last.row == 1 else f"rows 1 to {self.last.row} were"
        at = iso_text(self.last.at)
        by = f"the checkpoint in row {self.row}, which {self.signed_by} has signed"
        return f"{rows} removed when their time was over (the last is of {at}), by {by}"

    @property
    def signed_by(self) -> str:
        """The fingerprint of the key that has signed it, as it says itself."""
        signature = self.signed.get("signature") if isinstance(self.signed, dict) else None
        return str(signature.get("fingerprint")) if isinstance(signature, dict) else "nobody"

    def faults(self, store_id: str, signer: PublicKey | None) -> list[str]:
        """Faults of its signature, one sentence each. `signer`: the key that must have made it; None: any."""
        where = f"row {self.row} (a checkpoint)"
        try:
            key = signer or PublicKey.parse(str(self.signed["signature"]["key"]))
            content = verified(json.dumps(self.signed).encode(), FORMAT, key)
        except NotGenuine as error:
            return [f"{where}: {problem}" for problem in error.problems]
        except (TypeError, KeyError, SignatureError):
            return [f"{where} has no signed file"]
        return [] if content == self.last.content(store_id) else [f"{where}: what is signed is not what the row says"]


@dataclass(frozen=True, slots=True)
class Start:
    """The place from which a trail is verified: the row before its first one, and the mac that this one stands on.

    `checkpoint` says so; None where the trail begins with row 1.
    """

    row: int
    mac: str
    store_id: str
    checkpoint: Checkpoint | None = None


async def start_of(conn: AsyncConnection, key: bytes) -> Start:
    """The place from which the trail is verified."""
    store_id = str(await conn.scalar(select(meta.c.store_id)))
    first = await conn.scalar(select(func.min(audit.c.id)))
    newest = None if first in (None, 1) else await _newest(conn)
    checkpoint = None if newest is None else _read(newest)
    if newest is None or checkpoint is None or checkpoint.last.row + 1 != first:
        return Start(0, genesis(key, store_id), store_id)
    if not await _is_genuine(conn, newest, key):
        return Start(0, genesis(key, store_id), store_id)
    return Start(checkpoint.last.row, checkpoint.last.mac, store_id, checkpoint)


async def newest(conn: AsyncConnection) -> Checkpoint | None:
    """The newest checkpoint, None where there is none."""
    row = await _newest(conn)
    return None if row is None else _read(row)


def remember(change: Change, last: LastRemoved, signed: Mapping[str, Any]) -> None:
    """Write the row of a checkpoint; `signed` is the file of its content."""
    facts = {"row": last.row, "mac": last.mac, "at": iso_text(last.at), "signed": signed}
    change.record(*CHECKPOINT, None, facts)


async def remove_to(conn: AsyncConnection, last: LastRemoved) -> int:
    """Remove the rows up to a checkpoint's, and their texts; gives how many rows."""
    await conn.execute(delete(audit_texts).where(audit_texts.c.row <= last.row))
    return (await conn.execute(delete(audit).where(audit.c.id <= last.row))).rowcount


async def _newest(conn: AsyncConnection) -> Row[Any] | None:
    told = select(audit).where(audit.c.object == CHECKPOINT[1], audit.c.action == CHECKPOINT[0])
    return (await conn.execute(told.order_by(audit.c.id.desc()).limit(1))).first()


def _read(row: Row[Any]) -> Checkpoint | None:
    """The checkpoint that a row holds; None where its content is not that of one."""
    try:
        facts = json.loads(row.after)
        at = datetime.fromisoformat(facts["at"]).astimezone(UTC)
        last = LastRemoved(int(facts["row"]), str(facts["mac"]), at)
        return Checkpoint(row.id, row.at, last, facts["signed"])
    except (TypeError, ValueError, KeyError):
        return None


async def _is_genuine(conn: AsyncConnection, row: Row[Any], key: bytes) -> bool:
    """Whether the checkpoint's row is made with our key."""
    before = await conn.scalar(select(audit.c.mac).where(audit.c.id == row.id - 1))
    return before is not None and hmac.compare_digest(mac_of(key, before, row._mapping), str(row.mac))
