"""The open store: transactions that read, that change, and that count.

Changes are made one after the other, each with its audit rows and, where it touches the policy, a new revision, in one
transaction. Every error that means the store is away is StoreAway; a full disk is StoreFull. What was refused for such
a reason is told by the audit trail afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin_api.store import audit, revisions
from admin_api.store.change import JUDGE, Change
from admin_api.store.engine import Engines, Limits, open_engines, told_as_away
from admin_api.store.errors import StoreAway, StoreFull
from admin_api.store.gap import Gap
from admin_api.store.migrating import bring_up_to_date
from admin_api.store.room import check_room
from admin_api.store.tables import meta
from admin_api.store.turns import Turns
from resolver.telemetry.log import Log

__all__ = ["Change", "Store"]


class Store:
    """The store, open. Made by `Store.open`."""

    def __init__(self, engines: Engines, limits: Limits, state_dir: Path, store_id: str, audit_key: bytes) -> None:
        self.id = store_id  # of this very database, made with it: a snapshot of another one is not ours
        self._engines = engines
        self._state_dir = state_dir
        self._audit_key = audit_key
        self._writer = asyncio.Lock()
        self._turns = Turns(limits, engines.place)
        self._gap = Gap()

    @classmethod
    async def open(cls, url: str | None, state_dir: Path, log: Log, limits: Limits | None = None) -> Store:
        """Connect, bring the tables up to date, and read who it is. `url` None: SQLite in state_dir. Raises StoreAway.

        `url` is ``postgresql://…``, or ``file:PATH`` of a file that holds one.
        """
        limits = limits or Limits()
        engines = open_engines(url, state_dir, limits)
        try:
            with told_as_away(engines.place):
                await bring_up_to_date(engines, state_dir, log, limits)
                async with engines.reading.connect() as connection:
                    store_id = await connection.scalar(select(meta.c.store_id))
                    head = await audit.head(connection)
                key = await asyncio.to_thread(audit.load_key, state_dir)
                if key is None:
                    key = await asyncio.to_thread(audit.make_key, state_dir)
                    if head[0]:
                        log.error("the audit key was missing: a new one cannot vouch for the rows so far", rows=head[0])
            return cls(engines, limits, state_dir, str(store_id), key)
        except BaseException as error:
            await engines.changing.dispose()
            if isinstance(error, SQLAlchemyError):  # no rights to our tables, or tables that are not ours
                raise StoreAway(f"the store, {engines.place}, cannot be used: {type(error).__name__}") from error
            raise

    @property
    def place(self) -> str:
        """Where the store is, fit to show."""
        return self._engines.place

    @property
    def trouble(self) -> str | None:
        """Why nothing, or no policy, can be written; None when all is well."""
        try:
            check_room(self._state_dir)
        except StoreFull as error:
            return str(error)
        return self._turns.trouble

    @asynccontextmanager
    async def turn(self, lock: asyncio.Lock, actor: str) -> AsyncIterator[None]:
        """Hold a lock of those who mean to write; they give up as those inside do. Raises StoreAway."""
        try:
            await self._turns.acquire(lock)
        except StoreAway as error:
            self._gap.note(actor, str(error))
            raise
        try:
            yield
        finally:
            lock.release()

    async def close(self) -> None:
        """Close all connections."""
        await self._engines.changing.dispose()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that sees one state of the store throughout. Nothing may be written by it."""
        return self._transaction(self._engines.reading, commits=False)

    @asynccontextmanager
    async def change(self, actor: str, request_id: str | None = None, *, synced: bool = True) -> AsyncIterator[Change]:
        """One change: committed at the block's end, rolled back when it raises; one at a time.

        One that is not `synced` outlives the end of any process, but not surely a loss of power.
        """
        engine = self._engines.changing if synced else self._engines.counting
        try:
            async with self._writing(engine) as connection:
                # On PostgreSQL the row's lock keeps out the writers of other processes; on SQLite the begin did.
                revision = await connection.scalar(select(meta.c.policy_revision).with_for_update())
                change = Change(connection, actor, request_id, (revision or 0) + 1)
                yield change
                if (judge := JUDGE.get()) is not None:
                    await judge(change)
                gap, refused = self._gap, self._gap.refused
                entries = [gap.entry(), *change.entries] if gap else change.entries
                await audit.append(connection, self._audit_key, self.id, entries)
                if change.is_of_policy:
                    check_room(self._state_dir)
                    await revisions.note(change)
                    await connection.execute(update(meta).values(policy_revision=change.revision))
                else:
                    change.revision -= 1
        except StoreAway as error:
            self._gap.note(actor, str(error))
            raise
        self._told(gap, refused)

    async def tell_gap(self) -> None:
        """Write down what was refused meanwhile, as soon as something can be written. Raises StoreAway."""
        gap, refused = self._gap, self._gap.refused
        if gap:
            async with self._writing(self._engines.changing) as connection:
                await audit.append(connection, self._audit_key, self.id, [gap.entry()])
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
            yield connection

    @property
    def audit_key(self) -> bytes:
        """What the audit rows' HMACs are made with."""
        return self._audit_key

    @asynccontextmanager
    async def _writing(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        await self._turns.acquire(self._writer)
        try:
            with self._turns.noted():
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
