"""The open store: transactions that read, that change, and that count.

Changes are made one after the other, each with its audit rows and, where it touches the policy, a new revision, in one
transaction. Every error that means the store is away is StoreAway; a full disk is StoreFull. What was refused for such
a reason is told by the audit trail afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin_api.store import audit, revisions, rewriting
from admin_api.store.change import JUDGE, Change
from admin_api.store.engine import StoreLimits, told_as_away
from admin_api.store.errors import StoreAway, StoreFull, StoreHeld, StoreLost
from admin_api.store.gap import Gap
from admin_api.store.opening import Admit, Opened, open_ours
from admin_api.store.room import check_room
from admin_api.store.tables import meta, store_owner
from admin_api.store.turns import WriteTurns
from resolver.telemetry.log import Log

__all__ = ["Change", "Store"]


class Store:
    """The store, open. Made by `Store.open`."""

    def __init__(self, opened: Opened, limits: StoreLimits, state_dir: Path) -> None:
        self.id = opened.id  # of this very database, made with it: a snapshot of another one is not ours
        self.audited = 0  # commits of audit rows by this process
        self.holder: str | None = None  # by whom the lock has to be held for anything to be written (owner.Owner)
        self._engines = engines = opened.engines
        self._state_dir = state_dir
        self.audit_key = opened.key  # of the audit rows' HMACs
        self._file = _identity(engines.file)
        self._writer = asyncio.Lock()
        self._turns = WriteTurns(limits, engines.place)
        self._gap = Gap()

    @classmethod
    async def open(
        cls, url: str | None, state_dir: Path, log: Log, limits: StoreLimits | None = None, admit: Admit | None = None
    ) -> Store:
        """Connect, bring the tables up to date, and read who it is. `url` None: SQLite in state_dir. Raises StoreAway.

        `url` is ``postgresql://…``, or ``file:PATH`` of a file that holds one. A store that the state directory knows
        and that is gone, or another, is StoreLost. `admit` may refuse a store, too.
        """
        limits = limits or StoreLimits()
        return cls(await open_ours(url, state_dir, log, limits, admit=admit), limits, state_dir)

    @property
    def engine(self) -> AsyncEngine:
        """For what is no change: the lock of who serves the store."""
        return self._engines.changing

    @property
    def is_shared(self) -> bool:
        """Whether other machines can reach it."""
        return not self._engines.is_sqlite

    @property
    def place(self) -> str:
        """Where the store is, fit to show."""
        return self._engines.place

    @property
    def trouble(self) -> str | None:
        """Why nothing, or no policy, can be written; None while both can."""
        try:
            check_room(self._state_dir)
        except StoreFull as error:
            return str(error)
        return self._turns.trouble

    @asynccontextmanager
    async def turn(self, lock: asyncio.Lock, actor: str) -> AsyncIterator[float]:
        """Hold a lock of those who mean to write; gives since when they waited, for `change`. Raises StoreAway."""
        since = time.monotonic()
        try:
            await self._turns.acquire(lock, since)
        except StoreAway as error:
            self._gap.note(actor, str(error))
            raise
        try:
            yield since
        finally:
            lock.release()

    async def close(self) -> None:
        """Close all connections."""
        await self._engines.changing.dispose()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that sees one state of the store throughout. Nothing may be written by it."""
        return self._transaction(self._engines.reading, commits=False)

    def scratch(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Like `read`, but temporary tables may be made and written, which are gone with it."""
        return self._transaction(self._engines.trying, commits=False)

    @asynccontextmanager
    async def change(
        self, actor: str, request_id: str | None = None, *, synced: bool = True, since: float | None = None
    ) -> AsyncIterator[Change]:
        """One change: committed at the block's end, rolled back when it raises; one at a time.

        One that is not `synced` outlives the end of any process, but not surely a loss of power. Its turn is waited for
        since now, or `since` (monotonic), and not for long: StoreAway then.
        """
        engine = self._engines.changing if synced else self._engines.counting
        try:
            async with self._writing(engine, since) as connection:
                # On PostgreSQL the row's lock keeps out the writers of other processes; on SQLite the begin did.
                revision = await connection.scalar(select(meta.c.policy_revision).with_for_update())
                await self._check_owner(connection)  # not before: whoever takes it over waits for that row, too
                change = Change(connection, actor, request_id, (revision or 0) + 1)
                yield change
                if (judge := JUDGE.get()) is not None:
                    await judge(change)
                gap, refused = self._gap, self._gap.refused
                entries = [gap.entry(), *change.entries] if gap else change.entries
                await audit.append(connection, self.audit_key, self.id, entries)
                if change.is_of_policy:
                    check_room(self._state_dir)
                    await revisions.note(change)
                    await connection.execute(update(meta).values(policy_revision=change.revision))
                else:
                    change.revision -= 1
        except StoreAway as error:
            self._gap.note(actor, str(error))
            raise
        self.audited += len(entries)
        self._told(gap, refused)

    async def tell_gap(self) -> None:
        """Write down what was refused meanwhile, as soon as something can be written. Raises StoreAway."""
        gap, refused = self._gap, self._gap.refused
        if gap:
            async with self._writing(self._engines.changing) as connection:
                await audit.append(connection, self.audit_key, self.id, [gap.entry()])
            self.audited += 1
            self._told(gap, refused)

    def _told(self, gap: Gap, refused: int) -> None:
        """A gap's row is committed; what was refused since makes another."""
        if gap is self._gap and gap.refused == refused:
            self._gap = Gap()

    @asynccontextmanager
    async def count(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for counters and dates of last use: no audit, no revision, no sync of the disk.

        A commit survives the end of any process, but not surely a loss of power.
        """
        async with self._writing(self._engines.counting) as connection:
            await self._check_owner(connection)
            yield connection

    async def rewrite(self) -> str | None:
        """Have no free page of SQLite's file hold what was removed; gives why that is not so, None where it is.

        Writers wait meanwhile, as for each other. Raises StoreAway.
        """
        file = self._engines.file
        if file is None:
            return "PostgreSQL keeps what was removed until its own VACUUM, and in its log and replicas"
        await self._turns.acquire(self._writer, time.monotonic())
        try:
            self.check_place()
            return await asyncio.to_thread(rewriting.rewrite, file)
        finally:
            self._writer.release()

    async def check_identity(self) -> None:
        """Ask whether the store is still there, and the same. Raises StoreAway; StoreLost when it is not."""
        self.check_place()
        try:
            async with self.read() as connection:
                store_id = await connection.scalar(select(meta.c.store_id))
        except ProgrammingError:  # PostgreSQL has no such table any more
            store_id = None
        if store_id != self.id:
            raise StoreLost(f"the store, {self.place}, was emptied or replaced while it was in use")

    def check_place(self) -> None:
        """Raise StoreLost where SQLite's file was taken away or replaced: what is written to it now is lost."""
        if _identity(self._engines.file) != self._file:
            raise StoreLost(f"the store, {self.place}, was removed or replaced while it was in use")

    async def _check_owner(self, connection: AsyncConnection) -> None:
        """Raise StoreHeld where another node has taken the store over."""
        if self.holder is not None:
            row = (await connection.execute(select(store_owner.c.holder, store_owner.c.told))).first()
            if row is None or row.holder != self.holder:
                by = f" by another node ({row.told})" if row else ""
                raise StoreHeld(f"the store, {self.place}, was taken over{by}: nothing can be changed here")

    @asynccontextmanager
    async def _writing(self, engine: AsyncEngine, since: float | None = None) -> AsyncIterator[AsyncConnection]:
        await self._turns.acquire(self._writer, time.monotonic() if since is None else since)
        try:
            with self._turns.noted():
                self.check_place()
                async with self._transaction(engine) as connection:
                    yield connection
        finally:
            self._writer.release()

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine, *, commits: bool = True) -> AsyncIterator[AsyncConnection]:
        with told_as_away(self.place):
            async with engine.connect() as connection:
                try:
                    await connection.begin()
                    yield connection
                    if commits:
                        await connection.commit()
                except (TimeoutError, ConnectionError):
                    # A driver that waited in vain must not be asked to roll back: the server will, without us.
                    await connection.invalidate()
                    raise


def _identity(file: Path | None) -> tuple[int, int] | None:
    """Device and inode of a file; None where there is none."""
    if file is None:
        return None
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
