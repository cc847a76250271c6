"""Making a backup, beside a running server or without one: one state of the store, and the files that belong to it.

The order matters. Heads and keys are read before the store, so that no head is of a row that the copy lacks; content
files before and after it, so that none is missing that the copy names; counts after it, so that none is left out. No
lock is taken: SQLite and PostgreSQL both show one state of the store to a reader while others write.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.backup import state, tables
from admin_api.backup.container import FORMAT, BackupManifest, BackupWriter
from admin_api.backup.errors import BackupError
from admin_api.signed.keys import key_file
from admin_api.store import audit
from admin_api.store.columns import iso_text
from admin_api.store.engine import FILE, Engines, StoreLimits, open_engines, told_as_away
from admin_api.store.evidence import known_store
from admin_api.store.migrating import VERSIONS, version_of
from admin_api.store.tables import meta
from resolver import __version__

CONFIG = "config.yaml"
"""Name of the part that holds the config file's text: to be looked at, and not restored."""
PATIENT = StoreLimits(statement_seconds=600.0, turn_seconds=600.0)
"""Limits of a copy: other work of the machine makes it slower, not wrong."""


@dataclass(frozen=True, slots=True)
class BackupOrder:
    """Wishes for a backup. `url` None: SQLite in `state_dir`."""

    url: str | None
    state_dir: Path
    config: bytes | None
    passphrase: bytes | None
    with_query_log: bool
    signing_key: str | None = None  # file:PATH, by the config; its key is in no backup


async def make_backup(order: BackupOrder, out: BinaryIO, told: Callable[[str], None]) -> BackupManifest:
    """Write a backup into an open file. `told` hears of each step. Raises BackupError, StoreAway, OSError."""
    _check_there_is_one(order)
    writer = BackupWriter(out, __version__, order.passphrase)
    try:
        return writer.finish(await _written(order, writer, told))
    except BaseException:
        writer.abandon()
        raise


async def _written(order: BackupOrder, writer: BackupWriter, told: Callable[[str], None]) -> BackupManifest:
    if order.config is not None:
        writer.add(CONFIG, order.config)
    told("keys, catalogue, lists")
    notes = state.add_files(writer, order.state_dir, key_file(order.signing_key, order.state_dir))
    contents: set[str] = set()
    state.add_contents(writer, order.state_dir, contents)
    engines = open_engines(order.url, order.state_dir, PATIENT)
    try:
        with told_as_away(engines.place):
            async with engines.reading.connect() as connection:
                await connection.begin()
                manifest = await _of_store(connection, engines)
                _check_identity(order.state_dir, engines, manifest.store_id)
                state.add_contents(writer, order.state_dir, contents)
                rows = await _add_rows(connection, writer, told)
    finally:
        await engines.changing.dispose()
    state.add_counters(writer, order.state_dir)
    if order.with_query_log:
        state.add_query_log(writer, order.state_dir, told)
    return replace(manifest, rows=rows, query_log=order.with_query_log, notes=tuple(notes))


def _check_there_is_one(order: BackupOrder) -> None:
    path = order.state_dir / FILE
    if order.url is None and not (path.is_file() and path.stat().st_size):
        raise BackupError(f"there is no store: {path} is missing or empty. Is this the server's config (--config)?")


def _check_identity(state_dir: Path, engines: Engines, store_id: str) -> None:
    """Raise BackupError for a store that is another than that of the state directory: its key vouches for nothing."""
    expected = known_store(state_dir)
    if expected and store_id != expected:
        ids = f"{store_id}, not {expected}"
        raise BackupError(f"the store, {engines.place}, is another than that of {state_dir}: its id is {ids}")
    if audit.load_key(state_dir) is None:
        key = state_dir / audit.KEY_FILE
        raise BackupError(f"the audit trail's key, {key}, is missing: a backup without it is none")


async def _of_store(connection: AsyncConnection, engines: Engines) -> BackupManifest:
    version = await version_of(connection)
    if version is None:
        raise BackupError(f"there is no store: {engines.place} has no tables of moatdns")
    if version not in VERSIONS:
        raise BackupError(
            f"the store, {engines.place}, was made by a later version of moatdns (its tables are of version {version}, "
            f"ours of {VERSIONS[-1]}): make the backup with that version"
        )
    row = (await connection.execute(select(meta.c.store_id, meta.c.policy_revision))).one()
    head, mac = await audit.head(connection)
    return BackupManifest(
        format=FORMAT,
        moatdns=__version__,
        schema=version,
        store_id=str(row.store_id),
        at=iso_text(datetime.now(UTC)),
        host=socket.gethostname(),
        engine="sqlite" if engines.is_sqlite else "postgresql",
        policy_revision=int(row.policy_revision),
        audit_row=head,
        audit_mac=mac,
        rows={},
        sequences=await tables.sequences_of(connection, await tables.reflected(connection)),
        query_log=False,
    )


async def _add_rows(connection: AsyncConnection, writer: BackupWriter, told: Callable[[str], None]) -> dict[str, int]:
    rows: dict[str, int] = {}
    found = await tables.reflected(connection)
    for table in found.sorted_tables:  # those that others refer to come first, as they are to be written
        async for name, content in tables.parts_of(connection, table, rows):
            told(f"{table.name}: {rows[table.name]} rows")
            writer.add(name, content)
    return rows
