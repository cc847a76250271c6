"""Opening a store that is known to be ours, and beginning anew after one was lost."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import inspect, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import audit
from admin_api.store.engine import FILE, Engines, StoreLimits, open_engines, told_as_away
from admin_api.store.errors import StoreAway, StoreLost
from admin_api.store.evidence import how_to_go_on, known_store
from admin_api.store.migrating import bring_up_to_date
from admin_api.store.tables import audit as trail
from admin_api.store.tables import meta
from resolver.system.state_files import check_own
from resolver.telemetry.log import Log

_SQLITE_FILES = (FILE, f"{FILE}-wal", f"{FILE}-shm")


Admit = Callable[[Engines], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that was opened. `other_key` is up to which row its trail was made with a key that is not ours."""

    engines: Engines
    id: str
    key: bytes
    other_key: int = 0


async def open_ours(
    url: str | None, state_dir: Path, log: Log, limits: StoreLimits, *, anew: bool = False, admit: Admit | None = None
) -> Opened:
    """Connect, bring the tables up to date, and see whose it is. Raises StoreAway; StoreLost for one that is not ours.

    With `anew`, whatever store is there is taken as ours from now on. `admit` may refuse before that is looked at.
    """
    key = await asyncio.to_thread(audit.load_key, state_dir)
    expected = None if anew else await asyncio.to_thread(known_store, state_dir)
    if expected is not None and url is None:
        _check_sqlite(state_dir)
    engines = open_engines(url, state_dir, limits)
    try:
        with told_as_away(engines.place):
            if expected is not None:
                await _check_not_empty(engines, state_dir)
            await bring_up_to_date(engines, state_dir, log, limits)
            if admit is not None:
                await admit(engines)
            async with engines.reading.connect() as connection:
                row = (await connection.execute(select(meta.c.store_id, meta.c.audit_key_check))).first()
                store_id, check = (str(row.store_id), row.audit_key_check) if row else ("", None)
                rows, _ = await audit.head(connection)
                fits = key is not None and await _fits(connection, key, store_id, check)
            if expected:
                _check_id(engines, state_dir, store_id, expected)
            if not fits and not anew:
                _check_no_rows(engines, state_dir, rows, is_gone=key is None)
            key = await asyncio.to_thread(audit.make_key, state_dir) if key is None else key
            if check != audit.genesis(key, store_id):
                async with engines.changing.begin() as connection:
                    await connection.execute(update(meta).values(audit_key_check=audit.genesis(key, store_id)))
        return Opened(engines, store_id, key, 0 if fits else rows)
    except BaseException as error:
        await engines.changing.dispose()
        if isinstance(error, SQLAlchemyError):  # no rights to our tables, or tables that are not ours
            raise StoreAway(f"the store, {engines.place}, cannot be used: {type(error).__name__}") from error
        raise


async def _check_not_empty(engines: Engines, state_dir: Path) -> None:
    async with engines.reading.connect() as connection:
        if not await connection.run_sync(lambda sync: inspect(sync).has_table(meta.name)):
            why = f"the store, {engines.place}, is empty, and {state_dir} belongs to one that was not"
            raise StoreLost(f"{why}. {how_to_go_on('it')}")


def _check_id(engines: Engines, state_dir: Path, store_id: str, expected: str) -> None:
    if store_id != expected:
        ids = f"its id is {store_id or 'missing'}, not {expected}"
        why = f"the store, {engines.place}, is another than that of {state_dir} ({ids})"
        raise StoreLost(f"{why}. {how_to_go_on('the right one')}")


def _check_no_rows(engines: Engines, state_dir: Path, rows: int, *, is_gone: bool) -> None:
    if not rows:
        return
    lack = "is gone" if is_gone else "is not that of this store"
    why = f"the audit trail's key, {state_dir / audit.KEY_FILE}, {lack}"
    raise StoreLost(f"{why}: nothing vouches for the {rows} rows in {engines.place}. {how_to_go_on('the key')}")


async def _fits(connection: AsyncConnection, key: bytes, store_id: str, check: str | None) -> bool:
    """Whether the key is the one that the trail was made with."""
    begin = audit.genesis(key, store_id)
    if check is not None:
        return check == begin
    # Of a store from before there was a check: a row that holds shows it, the first, or else the last.
    last, _ = await audit.head(connection)
    rows = await connection.execute(select(trail).where(trail.c.id.in_((1, last - 1, last))).order_by(trail.c.id))
    before: dict[int, str] = {0: begin}
    for row in rows:
        if row.id - 1 in before and audit.mac_of(key, before[row.id - 1], row._mapping) == row.mac:
            return True
        before[row.id] = row.mac
    return False


def _check_sqlite(state_dir: Path) -> None:
    """Raise StoreLost where the file is not there, or has nothing in it; nothing is made."""
    path = state_dir / FILE
    try:
        lack = "is empty" if path.stat().st_size == 0 else None
    except FileNotFoundError:
        lack = "is gone"
    except OSError as error:
        raise StoreAway(f"the store {path} cannot be opened: {error.strerror}") from error
    if lack:
        raise StoreLost(f"the store {path} {lack}, and there was one. {how_to_go_on('it')}")


def put_aside_sqlite(state_dir: Path) -> str | None:
    """Take a damaged or empty SQLite store out of the way, never deleted; gives its new name. Raises StoreAway."""
    path = state_dir / FILE
    try:
        check_own(*(state_dir / name for name in _SQLITE_FILES))
    except OSError as error:
        raise StoreAway(f"the store {error.filename} {error.strerror}") from error
    if _is_sound(path):
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    moved = None
    try:
        for name in _SQLITE_FILES:
            with contextlib.suppress(FileNotFoundError):
                moved = f"lost-{stamp}-{FILE}"
                (state_dir / name).rename(state_dir / f"lost-{stamp}-{name}")
    except OSError as error:
        raise StoreAway(f"{path} cannot be put aside: {error.strerror}") from error
    return moved if (state_dir / str(moved)).exists() else None


def _is_sound(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
            return [text for (text,) in connection.execute("PRAGMA quick_check(1)")] == ["ok"]
    except sqlite3.OperationalError as error:
        raise StoreAway(f"the store {path} cannot be looked at: {error}") from error
    except sqlite3.DatabaseError:
        return False
