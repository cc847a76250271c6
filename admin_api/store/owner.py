"""Ownership of a store that several machines can reach: one node serves it, by a lock that shows signs of life.

Two nodes would each have leases and exemptions of their own in force: what is revoked on one would stay open on the
other. The lock is a row with the time of its holder's last sign of life, by the database's clock. A holder that gave
none for EXPIRES_SECONDS has lost it to whoever asks; its own changes fail from then on, since each looks whose the lock
is. Commands of the command line change single rows, put nothing in force, and need no lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, cast, delete, extract, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin_api.store.engine import Engines, told_as_away
from admin_api.store.errors import StoreAway, StoreHeld
from admin_api.store.store import Store
from admin_api.store.tables import meta, store_owner
from resolver.snapshot.clocks import boot_id

BEAT_SECONDS: Final = 2.0
EXPIRES_SECONDS: Final = 8.0
_LOOK_SECONDS = 0.5
_ID = 1
_c = store_owner.c


def holder_of(supervisor: int, began: float) -> str:
    """Return the identifier of one run of the service: machine, process, and when it began."""
    return f"{_machine()}|{supervisor}|{began}"


@dataclass(frozen=True, slots=True)
class _Held:
    holder: str
    told: str
    beat: int
    silent_seconds: float


class Owner:
    """The lock, as one run of the service takes it."""

    def __init__(self, holder: str, supervisor: int, waits: Callable[[], None] = lambda: None) -> None:
        """`waits` is called when another node has the lock, of which nobody knows yet whether it lives."""
        self._holder = holder
        self._waits = waits
        self._told = f"{socket.gethostname()}, process {supervisor}"

    async def take(self, store: Store) -> None:
        """Take it for a store that is not in use yet. Raises as `admit`."""
        is_mine = False
        while not is_mine:
            is_mine = await self._put(store, await self._takeable(store.engine, store.place))
        store.holder = self._holder

    async def admit(self, engines: Engines) -> None:
        """Wait until it can be taken. Raises StoreHeld where another node lives, and StoreAway.

        That of a node that is dead can be when its time is over.
        """
        if not engines.is_sqlite:
            await self._takeable(engines.changing, engines.place)

    async def _takeable(self, engine: AsyncEngine, place: str) -> _Held | None:
        first: _Held | None = None
        while True:
            held = await _look(engine, place)
            if held is None or held.holder == self._holder or held.silent_seconds > EXPIRES_SECONDS or _is_dead(held):
                return held
            if first is None:
                first = held
                self._waits()
            elif held.beat != first.beat:
                raise StoreHeld(
                    f"the store, {place}, is served by another node ({held.told}), and only one may: what is revoked "
                    "on one would stay open on the other. Stop that one, or give this one a store of its own "
                    "(store.url)"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def keep(self, store: Store) -> None:
        """Give signs of life, for ever. Raises StoreHeld once another node has the lock."""
        is_mine = True
        while is_mine:
            with contextlib.suppress(StoreAway), told_as_away(store.place):
                # While the store is away, it is for all: whoever comes back first has it.
                async with store.engine.connect() as connection:  # of its own: readers may have taken all others
                    while is_mine:
                        async with connection.begin():
                            beat = update(store_owner).where(_c.holder == self._holder).values(beat=_now())
                            is_mine = bool((await connection.execute(beat)).rowcount)
                        await asyncio.sleep(BEAT_SECONDS)
            await asyncio.sleep(_LOOK_SECONDS)
        held = await _look(store.engine, store.place)
        raise StoreHeld(f"the store, {store.place}, was taken over by another node ({held.told if held else 'gone'})")

    async def give_up(self, store: Store) -> None:
        """Let the next one have it at once. Raises StoreAway."""
        with told_as_away(store.place):
            async with store.engine.begin() as connection:
                await connection.execute(delete(store_owner).where(_c.holder == self._holder))

    async def _put(self, store: Store, instead_of: _Held | None) -> bool:
        """Take it, if it still is as it was. Whoever changes the store now is waited for, and is the last one."""
        with told_as_away(store.place):
            async with store.engine.begin() as connection:
                await connection.execute(select(meta.c.policy_revision).with_for_update())
                row = (await connection.execute(select(_c.holder, _c.beat))).first()
                if (row and tuple(row)) != (instead_of and (instead_of.holder, instead_of.beat)):
                    return False
                values = {"holder": self._holder, "told": self._told, "since": _now(), "beat": _now()}
                if row is None:
                    await connection.execute(insert(store_owner).values(id=_ID, **values))
                else:
                    await connection.execute(update(store_owner).values(values))
        return True


async def _look(engine: AsyncEngine, place: str) -> _Held | None:
    with told_as_away(place):
        async with engine.connect() as connection:
            row = (await connection.execute(select(store_owner, _now().label("now")))).first()
    return None if row is None else _Held(row.holder, row.told, row.beat, (row.now - row.beat) / 1e6)


def _now() -> ColumnElement[int]:
    """Microseconds since 1970, by the database's clock."""
    return cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)


def _machine() -> str:
    """This machine since its start, and the processes that it can see: only among those does a number mean one."""
    try:
        seen = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        seen = "?"
    return f"{boot_id()}|{seen}"


def _is_dead(held: _Held) -> bool:
    """Whether its process ran here, and is gone."""
    machine, _, rest = held.holder.rpartition("|")[0].rpartition("|")
    if machine != _machine() or "?" in machine or machine.startswith("|") or not rest.isdecimal():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
