"""Inventory of what is stored: of each kind how much there is, and since when; no names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.privacy.kinds import KINDS, DataKind


@dataclass(frozen=True, slots=True)
class StoredData:
    """A kind, and what is there of it: entries in the store, octets in files, and the time of the oldest."""

    kind: DataKind
    entries: int | None
    octets: int | None
    since: datetime | None


async def stored_data(conn: AsyncConnection, state_dir: Path) -> list[StoredData]:
    """All kinds. Raises StoreAway by way of the connection."""
    found = []
    for kind in KINDS:
        entries, since = await _in_store(conn, kind)
        octets, oldest = await asyncio.to_thread(_in_files, state_dir, kind.files)
        times = [at for at in (since, oldest) if at is not None]
        found.append(StoredData(kind, entries, octets, min(times, default=None)))
    return found


async def _in_store(conn: AsyncConnection, kind: DataKind) -> tuple[int | None, datetime | None]:
    if kind.table is None:
        return None, None
    entries = int(await conn.scalar(select(func.count()).select_from(kind.table)) or 0)
    oldest: Any = None if kind.time is None else await conn.scalar(select(func.min(kind.time)))
    if isinstance(oldest, int):  # Unix seconds
        oldest = datetime.fromtimestamp(oldest, UTC)
    return entries, oldest


def _in_files(state_dir: Path, patterns: Iterable[str]) -> tuple[int | None, datetime | None]:
    octets, begun = 0, []
    if not patterns:
        return None, None
    for pattern in patterns:
        for path in state_dir.glob(pattern):
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue
            octets += facts.st_size
            day = path.name[:10]  # of the query log
            try:
                begun.append(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC))
            except ValueError:
                continue
    return octets, min(begun, default=None)
