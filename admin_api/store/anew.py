"""Beginning anew after a store was lost: an admin's word, and the first row of what begins."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from admin_api.store import audit, trail
from admin_api.store.engine import StoreLimits
from admin_api.store.errors import NothingLost, StoreLost
from admin_api.store.evidence import known_store
from admin_api.store.heads import Head, append_head, read_heads
from admin_api.store.opening import open_ours, put_aside_sqlite
from admin_api.store.owner import Owner, holder_of
from admin_api.store.store import Store
from resolver.telemetry.log import Log


@dataclass(frozen=True, slots=True)
class Begun:
    """Result of beginning anew. `put_aside` is the new name of a damaged store; `lost` heads are named in `row`."""

    place: str
    store_id: str
    before: str | None  # the id of the store that was there
    row: int
    lost: tuple[tuple[int, str], ...]
    put_aside: str | None
    rows_kept: int  # of the audit trail


async def begin_anew(url: str | None, state_dir: Path, log: Log, *, actor: str, reason: str) -> Begun:
    """Take the store that is there as ours, or make one. Raises NothingLost where none is lost, and StoreAway.

    StoreHeld, too, where another node serves it: that one knows it well, and we are new to it.
    """
    limits = StoreLimits()
    owner = Owner(holder_of(os.getpid(), time.time()), os.getpid())  # that never takes it: no living node is disturbed
    before = await asyncio.to_thread(known_store, state_dir)
    try:
        there = await Store.open(url, state_dir, log, limits, admit=owner.admit)
    except StoreLost as error:
        why = str(error).partition(". ")[0]
    else:
        await there.close()
        raise NothingLost(f"nothing is lost: {there.place} is the store of {state_dir}")
    aside = await asyncio.to_thread(put_aside_sqlite, state_dir) if url is None else None
    opened = await open_ours(url, state_dir, log, limits, anew=True, admit=owner.admit)
    store = Store(opened, limits, state_dir)
    try:
        async with store.change(actor) as change:
            rows, _ = await audit.head(change.connection)
            heads = [head.pair for head in await asyncio.to_thread(read_heads, state_dir)]
            lost = tuple(await trail.lost_heads(change.connection, store.audit_key, heads))
            facts = {
                "reason": reason,
                "why": why,
                "lost_heads": [list(pair) for pair in lost],
                **(await trail.since_of(change.connection, heads, lost)),
                **({"rows_of_another_key": opened.other_key} if opened.other_key else {}),
                **({"put_aside": aside} if aside else {}),
            }
            change.record(*trail.BEGIN_ANEW, {"store": before} if before else None, facts)
        async with store.read() as connection:
            row, mac = await audit.head(connection)
        # Last: with this the store is ours, and a server that waits for it goes on.
        await asyncio.to_thread(append_head, state_dir, Head(row, mac, store.id), lost)
    finally:
        await store.close()
    return Begun(opened.engines.place, opened.id, before, row, lost, aside, rows)
