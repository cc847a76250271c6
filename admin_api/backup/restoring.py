"""Restoring: a backup becomes the state of a node, all of it or nothing.

Everything is checked first. The new state is written into a work folder, rows in one transaction; then one rename
decides (`resolver.system.placing`). With PostgreSQL the transaction is committed just before that: a kill between the
two leaves a store whose state directory does not know it, which opens nothing, and the restore is repeated. The old
state is set aside: its files in a folder, PostgreSQL's tables in a schema of their own.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Table, func, inspect, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.backup import state, tables
from admin_api.backup.container import BackupManifest, BackupSource
from admin_api.backup.errors import DamagedBackup, NotRestorable
from admin_api.backup.making import PATIENT
from admin_api.backup.restored_files import ErasedAgain, erase_again, keep_secrets, write_files
from admin_api.people.restored import erase_restored
from admin_api.query_log import files as query_log
from admin_api.query_log.erased import ErasureNote, read_erasures, to_repeat
from admin_api.second_owner.openings import opening_leases
from admin_api.second_owner.standing import standing_openings
from admin_api.signed.keys import MADE
from admin_api.store import audit, restored, revisions, rewriting, trail
from admin_api.store.change import Change
from admin_api.store.engine import FILE, Engines, open_engines, told_as_away
from admin_api.store.evidence import known_store
from admin_api.store.heads import Head, read_heads, write_heads
from admin_api.store.migrating import VERSION_TABLE, VERSIONS, upgrade_to
from admin_api.store.owner import Owner, holder_of
from admin_api.store.restored_policy import PolicyOpening
from admin_api.store.tables import meta, metadata, store_owner
from admin_api.store.trail import Pair
from blocklists.catalogue import Catalogue
from resolver.system import placing
from resolver.telemetry.pseudonyms import SECRETS_FILE

SPARE_OCTETS: Final = 64 << 20
"""Room that has to be left on the disk beside what is restored."""


@dataclass(frozen=True, slots=True)
class RestoreOrder:
    """Wishes for a restore. `heads` are heads of the trail noted elsewhere; `by` is told in the audit trail."""

    url: str | None
    state_dir: Path
    replace: bool
    actor: str
    by: str
    heads: tuple[Head, ...]
    retention_days: int  # of the query log: older days are not brought back
    catalogue: Catalogue
    erasures: Sequence[ErasureNote] | None = None  # that a log tells of; None: there is no log


@dataclass(frozen=True, slots=True)
class RestoreDone:
    """Result of a restore. `lost` are heads of rows that the backup lacks; `row` of the trail tells of it."""

    manifest: BackupManifest
    place: str
    row: int
    lost: tuple[Pair, ...]
    counts: restored.RestoredCounts
    trouble: str | None  # of a trail that was not whole when it was saved
    aside: str | None  # the folder with the old files, below the state directory
    aside_schema: str | None  # PostgreSQL's, with the old tables
    old_days: int  # of the query log, whose time is over
    policy: tuple[PolicyOpening, ...]  # groups and lists that were closed, or are told
    erased: ErasedAgain


async def restore(source: BackupSource, order: RestoreOrder, told: Callable[[str], None]) -> RestoreDone:
    """Restore a backup. The state directory is held by the caller, so that no server runs on it.

    Raises NotRestorable where it does not fit, DamagedBackup, StoreAway (StoreHeld for a node that serves), OSError.
    """
    told("checking all of it")
    manifest = source.check()
    _check_version(manifest)
    known = known_store(order.state_dir)
    stays = _staying(manifest, known)
    _check_place(order, known, manifest, stays)
    # Heads of our own store's rows: those of another one say nothing of this trail.
    own = [head.pair for head in read_heads(order.state_dir) if head.store_id in ("", manifest.store_id)]
    heads = [*own, *_kept_elsewhere(order, manifest)]
    erasures = order.erasures
    if known == manifest.store_id:
        erasures = [*read_erasures(order.state_dir), *(erasures or ())]
    new = placing.begin(order.state_dir)
    try:
        return await _Restoring(source, manifest, order, new, known, stays, heads, erasures, told).work()
    finally:
        placing.forget(order.state_dir)


@dataclass(frozen=True, slots=True)
class _Restoring:
    """One restore: `new` is where the new state is written, `stays` what of the old one is not moved."""

    source: BackupSource
    manifest: BackupManifest
    order: RestoreOrder
    new: Path
    known: str | None  # the store whose state directory it is
    stays: Sequence[str]
    heads: Sequence[Pair]
    erasures: Sequence[ErasureNote] | None  # since the backup, as far as is known
    told: Callable[[str], None]

    async def work(self) -> RestoreDone:
        """Write the files, then the rows, and put everything in its place."""
        old_days = write_files(self.source, self.manifest, self.new, self.order.retention_days, self.told)
        key = audit.load_key(self.new)
        if key is None:
            raise DamagedBackup(f"the backup lacks {audit.KEY_FILE}, the audit trail's key")
        erased = erase_again(self.new, key, self.manifest, self.erasures, self.told)
        if self.manifest.query_log and self.known == self.manifest.store_id:
            keep_secrets(self.order.state_dir, self.new)
        engines = open_engines(self.order.url, self.new, PATIENT)
        try:
            with told_as_away(engines.place):
                return await self._decide(engines, key, old_days, erased)
        finally:
            await engines.changing.dispose()

    async def _decide(self, engines: Engines, key: bytes, old_days: int, erased: ErasedAgain) -> RestoreDone:
        order, manifest, new = self.order, self.manifest, self.new
        async with engines.changing.connect() as connection:
            await connection.begin()
            if await connection.run_sync(lambda sync: inspect(sync).has_table(store_owner.name)):
                await Owner(holder_of(os.getpid(), time.time()), os.getpid()).admit(engines)
            schema = None if engines.is_sqlite else await _make_room(connection, engines.place, order, manifest)
            await connection.run_sync(upgrade_to, manifest.schema)
            await self._load(connection)
            if manifest.schema != VERSIONS[-1]:
                await connection.run_sync(upgrade_to, VERSIONS[-1])
            trouble = await _trail_trouble(connection, manifest, key)
            lost = tuple(await trail.lost_heads(connection, key, self.heads))
            self.told("suspending tokens and exemptions, closing what the policy opens")
            counts, erased = await self._suspend(connection, key, lost, trouble, erased)
            waiting = await restored.suspended(connection)
            row, mac = await audit.head(connection)
            # Lost heads stay: they are the evidence that the row accounts for.
            heads = [*read_heads(new), *(Head(*pair, manifest.store_id) for pair in lost)]
            write_heads(new, [*heads, Head(row, mac, manifest.store_id)])
            await connection.commit()
        await engines.changing.dispose()  # with SQLite's last connection, all is in its one file
        if erased.clients and (why := rewriting.rewrite(new / FILE) if engines.is_sqlite else None) is not None:
            raise NotRestorable(f"persons cannot be erased again from free pages of the store: {why}")
        aside = placing.decide(order.state_dir, new, self.stays)
        place = str(order.state_dir / FILE) if engines.is_sqlite else engines.place
        policy, row = waiting.policy if waiting is not None else (), manifest.audit_row + 1
        return RestoreDone(manifest, place, row, lost, counts, trouble, aside, schema, old_days, policy, erased)

    async def _load(self, connection: AsyncConnection) -> None:
        found = await tables.reflected(connection)
        await tables.empty(connection, found)
        for name, part in self.source.parts(self.manifest):
            if name.startswith(tables.PREFIX):
                self.told(name.removeprefix(tables.PREFIX))
                await tables.load(connection, found, name, part)
        await tables.set_sequences(connection, found, self.manifest.sequences)
        for name, expected in self.manifest.rows.items():
            if name not in found.tables or await _count(connection, found.tables[name]) != expected:
                raise DamagedBackup(f"table {name!r} does not have the {expected} rows that the manifest says")

    async def _suspend(
        self, connection: AsyncConnection, key: bytes, lost: Sequence[Pair], trouble: str | None, erased: ErasedAgain
    ) -> tuple[restored.RestoredCounts, ErasedAgain]:
        """Erase again, suspend what an old copy revives, and say in the trail what happened."""
        manifest = self.manifest
        revision = int(await connection.scalar(select(meta.c.policy_revision)) or 0)
        change = Change(connection, self.order.actor, None, revision + 1)
        digests = to_repeat(read_erasures(self.new), manifest.at)
        erased = replace(erased, people=await erase_restored(change, key, digests))  # before a row names them again
        opening = await opening_leases(change, self.order.catalogue)
        policy = await standing_openings(connection, self.order.catalogue)
        counts = await restored.suspend(change, manifest.at, opening, policy)
        if change.is_of_policy:
            await revisions.note(change)
            await connection.execute(update(meta).values(policy_revision=change.revision))
        # First the row that tells of the restore: the others follow from it.
        suspending, change.entries = change.entries, []
        facts = {
            "by": self.order.by,
            "backup": {
                "at": manifest.at,
                "host": manifest.host,
                "moatdns": manifest.moatdns,
                "policy_revision": manifest.policy_revision,
                "row": manifest.audit_row,
                "mac": manifest.audit_mac,
            },
            "lost_heads": [list(pair) for pair in lost],
            "lost_rows": max((row for row, _ in lost), default=manifest.audit_row) - manifest.audit_row,
            "suspended": asdict(counts),
            "erased_again": asdict(erased),
            **({"trail": trouble} if trouble else {}),
        }
        change.record(*trail.RESTORE, None, facts)
        await audit.append(connection, key, manifest.store_id, [*change.entries, *suspending])
        return counts, erased


def _check_version(manifest: BackupManifest) -> None:
    if manifest.schema not in VERSIONS:
        raise NotRestorable(
            f"the backup is of a later version: its tables are of revision {manifest.schema}, ours of {VERSIONS[-1]}; "
            f"restore it with moatdns {manifest.moatdns} or later"
        )


def _staying(manifest: BackupManifest, known: str | None) -> tuple[str, ...]:
    """Entries of the old state that stay where they are, where the backup has none: the key that signs evidence, and
    the query log of the same store with the secrets of its pseudonyms.
    """
    has_key = any(part.name == f"{state.PREFIX}{MADE}" for part in manifest.parts)  # of an earlier version
    keeps_log = known == manifest.store_id and not manifest.query_log
    return (*(() if has_key else (MADE,)), *((query_log.FOLDER, SECRETS_FILE) if keeps_log else ()))


def _kept_elsewhere(order: RestoreOrder, manifest: BackupManifest) -> list[Pair]:
    """Heads that were kept elsewhere. Raises NotRestorable for those of another store."""
    for head in order.heads:
        if head.store_id not in ("", manifest.store_id):
            raise NotRestorable(
                f"the head of row {head.row} is of the audit trail of store {head.store_id}, and the backup of store "
                f"{manifest.store_id}: of what it lost, the head says nothing"
            )
    return [head.pair for head in order.heads]


def _check_place(order: RestoreOrder, known: str | None, manifest: BackupManifest, stays: Sequence[str]) -> None:
    """Raise NotRestorable where something is in the way, or there is no room."""
    there = [name for name in placing.occupants(order.state_dir) if name != MADE or name not in stays]
    if there and not order.replace:
        is_ours = "a store" if known is not None else "other things"
        whose = "the same store" if known == manifest.store_id else f"the store {known}" if known else is_ours
        raise NotRestorable(
            f"{order.state_dir} is not empty: it holds {whose} ({there[0]}, for one). With --replace it is set aside, "
            "in a folder beside the new state, and nothing is deleted"
        )
    for name in there:
        if name not in stays and os.path.ismount(order.state_dir / name):
            raise NotRestorable(f"{order.state_dir / name} is a mount, which cannot be moved: unmount it first")
    check_room(order.state_dir, manifest)


def check_room(state_dir: Path, manifest: BackupManifest) -> None:
    """Raise NotRestorable where the disk has no room for what the backup holds."""
    free = shutil.disk_usage(state_dir).free
    if free < 2 * manifest.octets + SPARE_OCTETS:
        needed = (2 * manifest.octets + SPARE_OCTETS) >> 20
        raise NotRestorable(f"{state_dir} has {free >> 20} MiB of free space, and the restore needs {needed}")


async def _make_room(
    connection: AsyncConnection, place: str, order: RestoreOrder, manifest: BackupManifest
) -> str | None:
    """Set PostgreSQL's old tables aside; gives the schema that they are in then. Raises NotRestorable."""
    ours = {*metadata.tables, VERSION_TABLE}
    names = await connection.run_sync(lambda sync: sorted(ours & set(inspect(sync).get_table_names())))
    if not names:
        return None
    store_id = await connection.scalar(select(meta.c.store_id)) if meta.name in names else None
    if not order.replace:
        raise NotRestorable(
            f"{place} is not empty: it holds the store {store_id or '(with no id)'}"
            f"{', the same' if store_id == manifest.store_id else ''}. With --replace its tables are set aside, in a "
            "schema of their own, and nothing is deleted"
        )
    schema = f"moatdns_before_restore_{datetime.now(UTC).strftime('%Y%m%dt%H%M%Sz')}"
    try:
        await connection.execute(text(f"CREATE SCHEMA {schema}"))
        for name in names:
            await connection.execute(text(f'ALTER TABLE "{name}" SET SCHEMA {schema}'))
    except ProgrammingError as error:  # no right to
        raise NotRestorable(
            f"the tables in {place} cannot be set aside, since its user may not create a schema there: grant it (GRANT "
            "CREATE ON DATABASE … TO …), or name an empty database in store.url"
        ) from error
    return schema


async def _count(connection: AsyncConnection, table: Table) -> int:
    return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def _trail_trouble(connection: AsyncConnection, manifest: BackupManifest, key: bytes) -> str | None:
    """The first fault of the trail that was saved: it is restored as it was. Raises DamagedBackup for another store."""
    store_id = await connection.scalar(select(meta.c.store_id))
    found = await trail.look_through(connection, key, [(manifest.audit_row, manifest.audit_mac)])
    if store_id != manifest.store_id or await audit.head(connection) != (manifest.audit_row, manifest.audit_mac):
        raise DamagedBackup("the store is not the one that the manifest tells of")
    return found.findings[0] if found.findings else None
