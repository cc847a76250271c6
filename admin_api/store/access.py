"""Access to the store: opened when it can be, tried again while it cannot, looked at now and then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from admin_api.store.errors import StoreAway, StoreHeld, StoreLost
from admin_api.store.owner import Owner
from admin_api.store.store import Store
from resolver.config.fields import secret
from resolver.errors import RuleError
from resolver.telemetry.log import Log

_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)  # before it is tried again, by how often it just failed
_LOST_SECONDS = 1.0  # while an admin's word is waited for
_LOOK_SECONDS = 5.0


class StoreAccess:
    """The store of this process, which may be away."""

    def __init__(
        self, url: str | None, state_dir: Path, log: Log, owner: Owner, hear: Callable[[StoreAway | None], None]
    ) -> None:
        """`owner` locks a store that other machines can reach; `hear` is told how each opening went."""
        self._url = url
        self._state_dir = state_dir
        self._log = log
        self._owner = owner
        self._hear = hear
        self._store: Store | None = None
        self._trouble: str | None = "the store has not been opened yet"

    @property
    def store(self) -> Store:
        """The open store. Raises StoreAway while there is none."""
        if self._store is None:
            raise StoreAway(self._trouble or "the store is away")
        return self._store

    @property
    def trouble(self) -> str | None:
        """Why the store is away; None while it is not."""
        return self._trouble or (self._store.trouble if self._store is not None else None)

    async def open(self) -> Store:
        """Open it, however long that takes."""
        failures = 0
        while True:
            try:
                url = secret(self._url) if self._url else None
                self._store = await self._open(url)
            except (StoreAway, RuleError) as error:
                if str(error) != self._trouble:
                    self._log.error("the store cannot be opened; trying again and again", why=str(error))
                self._trouble = str(error)
                self._hear(error if isinstance(error, StoreAway) else StoreAway(str(error)))
                pause = _PAUSES_SECONDS[min(failures, len(_PAUSES_SECONDS) - 1)]
                await asyncio.sleep(min(pause, _LOST_SECONDS) if isinstance(error, StoreLost | StoreHeld) else pause)
                failures += 1
            else:
                self._trouble = None
                self._hear(None)
                return self._store

    async def _open(self, url: str | None) -> Store:
        store = await Store.open(url, self._state_dir, self._log, admit=self._owner.admit)
        try:
            if store.is_shared:
                await self._owner.take(store)
        except BaseException:
            await store.close()
            raise
        return store

    async def hold(self) -> None:
        """Show that this node is alive, and serves the store. Raises StoreHeld once another has taken it over.

        What this process knows of the store is not how it goes on: the next one waits until it is its turn.
        """
        if self.store.is_shared:
            try:
                await self._owner.keep(self.store)
            except StoreHeld as error:
                self._trouble = str(error)
                self._log.error("another node serves the store; DNS goes on with the policy in force", why=str(error))
                raise

    async def watch(self) -> None:
        """Look every few seconds whether it still answers, and is the same. Raises StoreLost once it is not.

        This process knows too much of the store that was: the next one begins with what is there.
        """
        told = None
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.store.check_identity()
                await self.store.tell_gap()
            except StoreLost as error:
                self._trouble = str(error)
                self._log.error("the store is lost; DNS goes on with the policy in force", why=str(error))
                raise
            except StoreAway as error:
                self._trouble = str(error)
            else:
                self._trouble = None
            trouble = self.trouble
            if trouble is not None and told is None:
                self._log.error("the store is away; DNS goes on with the policy in force", why=trouble)
            elif trouble is None and told is not None:
                self._log.info("the store is back")
            told = trouble

    async def close(self, *, for_good: bool = True) -> None:
        """Close it; `for_good` lets another node have it at once."""
        if self._store is not None:
            if self._store.is_shared and for_good:
                with contextlib.suppress(StoreAway):
                    await self._owner.give_up(self._store)
            await self._store.close()
