"""Bring the tables up to date, once, whoever else opens the store at the same time."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.before_upgrade import copy_of, keep_copy
from admin_api.store.engine import Engines, StoreLimits
from admin_api.store.errors import StoreAway
from resolver.system.state_files import open_own
from resolver.telemetry.log import Log

VERSIONS: Final = tuple(f"{number:04d}" for number in range(1, 15))
"""The migrations that we know, oldest first."""

VERSION_TABLE: Final = "alembic_version"
_LOCK_FILE = "moatdns.sqlite.lock"
_ADVISORY_LOCK = 0x6D6F6174  # "moat": PostgreSQL's locks have numbers
_SCRIPTS = Path(__file__).parent / "migrations"


async def bring_up_to_date(engines: Engines, state_dir: Path, log: Log, limits: StoreLimits) -> None:
    """Run the migrations that lack. Raises StoreAway, too when the store was made by a later version of moatdns."""
    async with engines.reading.connect() as connection:
        if await _known_version(connection, engines) == VERSIONS[-1]:
            return
    async with _alone(engines, state_dir, limits):
        if engines.file is not None:
            await _keep_copy(engines, engines.file, log)
        async with engines.changing.begin() as connection:
            if not engines.is_sqlite:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
            if await _known_version(connection, engines) != VERSIONS[-1]:
                log.info("bringing the store up to date", store=engines.place, version=VERSIONS[-1])
                await connection.run_sync(_upgrade)


async def _keep_copy(engines: Engines, file: Path, log: Log) -> None:
    """Keep a copy of SQLite's file, if it has tables and nobody has migrated them meanwhile."""
    async with engines.reading.connect() as connection:
        version = await _known_version(connection, engines)
    if version not in (None, VERSIONS[-1]):
        await asyncio.to_thread(keep_copy, file, str(version), log)


async def _known_version(connection: AsyncConnection, engines: Engines) -> str | None:
    """The revision of the tables, None for none. Raises StoreAway for one that we do not know."""
    version = await version_of(connection)
    if version is not None and version not in VERSIONS:
        copy = None if engines.file is None else copy_of(engines.file, VERSIONS[-1])
        kept = f" Its upgrade kept a copy from before: {copy}" if copy is not None and copy.exists() else ""
        raise StoreAway(
            f"the store, {engines.place}, was made by a later version of moatdns (its tables are of version {version}, "
            f"ours of {VERSIONS[-1]}): run that version, or restore a backup from before ('moatdns restore'; "
            f"docs/backup.md).{kept}"
        )
    return version


async def version_of(connection: AsyncConnection) -> str | None:
    """The revision of the tables; None where there are none of ours."""
    # Plain SQL: Alembic costs a start more than all else here, and is needed once in a long while.
    if not await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE)):
        return None
    version = await connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 (a constant)
    return None if version is None else str(version)


def _upgrade(connection: Connection) -> None:
    upgrade_to(connection, "head")


def upgrade_to(connection: Connection, to: str) -> None:
    """Run the migrations up to one."""
    from alembic import command  # noqa: PLC0415 (slow to import, seldom needed)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


@asynccontextmanager
async def _alone(engines: Engines, state_dir: Path, limits: StoreLimits) -> AsyncIterator[None]:
    if not engines.is_sqlite:
        yield  # the transaction takes a lock of the database's own
        return
    path = state_dir / _LOCK_FILE
    try:
        descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StoreAway(f"{path} cannot be opened: {error.strerror}") from error
    try:
        try:
            async with asyncio.timeout(limits.turn_seconds):
                while not _took(descriptor):  # noqa: ASYNC110 (another process holds it)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise StoreAway(f"another process is bringing the store up to date and does not finish: {path}") from None
        yield
    finally:
        os.close(descriptor)  # and so the lock is free


def _took(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
