"""The config's own policy, on its way into the store: lists and groups of `origin: file`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from admin_api.channel import Channel
from admin_api.compiling.keeper import Keeper
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.provision import ProvisionError, provision
from resolver.telemetry.log import Log

ACTOR = "config"
_RETRY_SECONDS = 2.0


class ConfigPolicy:
    """The policy that the config gives by now. What the supervisor hears of it is in moatdns.supervisor.control."""

    def __init__(self, access: StoreAccess, keeper: Keeper, channel: Channel, log: Log) -> None:
        self._access = access
        self._keeper = keeper
        self._channel = channel
        self._log = log
        self._policy: Mapping[str, Any] = {}
        self._fingerprint = ""
        self._given = asyncio.Event()
        self.tried = asyncio.Event()  # the store has taken one, or refused it
        self._refused: list[str] = []  # why the store does not take it; none when it did
        self._machine_lacks: list[str] = []

    @property
    def problems(self) -> list[str]:
        """Why the config's policy is not in force, and what the config wants of this machine that it does not have."""
        return [*self._refused, *self._machine_lacks]

    def miss(self, what: list[str]) -> None:
        """Note what the machine lacks, in finished sentences; none when it has all."""
        self._machine_lacks = what

    def give(self, policy: Mapping[str, Any], fingerprint: str) -> None:
        """Take a config's policy; it is stored, and comes in force, by `run`."""
        self._policy, self._fingerprint = policy, fingerprint
        self._given.set()

    async def run(self) -> None:
        """Store what is given, again and again while the store is away."""
        while True:
            await self._given.wait()
            self._given.clear()
            fingerprint = self._fingerprint
            try:
                revision = await self._store()
            except ProvisionError as error:
                self._refused = list(error.problems)
                self._channel.say("config_refused", fingerprint=fingerprint, problems=self._refused)
                self.tried.set()
                self._keeper.changed()  # what the store holds goes on
                continue
            except StoreAway as error:
                self._channel.say("config_waits", fingerprint=fingerprint, why=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                self._given.set()
                continue
            self._refused = []
            self.tried.set()
            self._keeper.changed()
            # A million rules take longer to compile than the keeper lets a caller wait.
            while not (in_force := await self._keeper.wait_until_in_force(revision)):
                if self._keeper.trouble or self._given.is_set():
                    break
            if in_force:
                self._channel.say("config_in_force", fingerprint=fingerprint)
            else:
                why = self._keeper.trouble or "another config came meanwhile"
                self._channel.say("config_waits", fingerprint=fingerprint, why=why)

    async def _store(self) -> int:
        async with self._access.store.change(ACTOR) as change:
            await provision(change, {**self._policy, "fingerprint": self._fingerprint})
        return change.revision
