"""Exemptions and pauses of a node that may not serve its store: another node may have revoked them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from resolver.errors import MoatdnsError
from resolver.policy.subjects import Subject, Subjects
from resolver.snapshot.clocks import now
from resolver.snapshot.journal_places import Position, newest
from resolver.snapshot.subjects_file import Journal, subjects_at
from resolver.telemetry.log import Log


async def close_what_opens(state_dir: Path, publish: Callable[[Position], Awaitable[None]], log: Log) -> None:
    """Take them out of force in every worker. Leases stay; the store has all of it, for whoever serves it next."""
    try:
        path = await asyncio.to_thread(newest, state_dir)
        if path is None:
            return
        subjects: Subjects = (await asyncio.to_thread(subjects_at, path, None, now()))[0]
        left: list[Subject] = list(subjects.leases.values())
        if len(left) == len(list(subjects)):
            return
        journal = await asyncio.to_thread(Journal.begin, state_dir, left)
        journal.close()
        await publish(journal.position)
    except MoatdnsError as error:
        log.error("exemptions and pauses stay in force", why=str(error))
    else:
        log.warning("exemptions and pauses are not in force here while another node serves the store")
