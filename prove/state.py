"""Whether what is on disk is whole: snapshots, store, audit trail and journal, each by the product's own reader."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from admin_api.audit.head import noted_heads
from admin_api.store import audit, trail
from admin_api.store.engine import FILE, StoreLimits, open_engines
from resolver.errors import MoatdnsError
from resolver.snapshot.clocks import now
from resolver.snapshot.journal_places import newest
from resolver.snapshot.manifests import SNAPSHOTS
from resolver.snapshot.snapshot_file import last_good
from resolver.snapshot.subjects_file import subjects_at


def faults_of(state_dir: Path) -> list[str]:
    """Faults of a state directory; [] when there are none."""
    return [
        *_wrong_with_snapshots(state_dir),
        *_wrong_with_store(state_dir),
        *asyncio.run(_wrong_with_audit(state_dir)),
        *_wrong_with_journal(state_dir),
    ]


def _wrong_with_snapshots(state_dir: Path) -> list[str]:
    try:
        _, _, refused = last_good(state_dir / SNAPSHOTS)
    except MoatdnsError as error:
        return [str(error)]
    return refused


def _wrong_with_store(state_dir: Path) -> list[str]:
    with closing(sqlite3.connect(state_dir / FILE)) as connection:
        said = [text for (text,) in connection.execute("PRAGMA integrity_check")]
    return [] if said == ["ok"] else said


async def _wrong_with_audit(state_dir: Path) -> list[str]:
    key = audit.load_key(state_dir)
    if key is None:
        return ["the audit key is gone"]
    engines = open_engines(None, state_dir, StoreLimits())
    try:
        async with engines.reading.connect() as connection:
            return (await trail.look_through(connection, key, noted_heads(state_dir, None))).findings
    finally:
        await engines.reading.dispose()


def _wrong_with_journal(state_dir: Path) -> list[str]:
    path = newest(state_dir)
    if path is None:
        return []
    try:
        subjects_at(path, None, now())
    except MoatdnsError as error:
        return [str(error)]
    return []
