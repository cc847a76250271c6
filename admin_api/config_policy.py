"""The config's own policy, on its way into the store: lists and groups of `origin: file`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from admin_api.channel import SupervisorChannel
from admin_api.compiling.keeper import Keeper
from admin_api.messages import ConfigInForce, ConfigRefused, ConfigWaits, FilePolicy, UseConfigPolicy
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.provision import ProvisionError, provision
from resolver.telemetry.log import Log

ACTOR = "config"
_RETRY_SECONDS = 2.0


class ConfigPolicy:
    """The policy that the config gives by now. admin_api.messages tells the supervisor of it."""

    def __init__(self, access: StoreAccess, keeper: Keeper, channel: SupervisorChannel, log: Log) -> None:
        self._access = access
        self._keeper = keeper
        self._channel = channel
        self._log = log
        self._config = UseConfigPolicy({}, "")
        self._given = asyncio.Event()
        self.tried = asyncio.Event()  # the store has taken one, or refused it
        self._refused: list[str] = []  # why the store does not take it; none when it did
        self._machine_lacks: Sequence[str] = ()

    @property
    def problems(self) -> list[str]:
        """Why the config's policy is not in force, and what the config wants of this machine that it does not have."""
        return [*self._refused, *self._machine_lacks]

    def miss(self, what: Sequence[str]) -> None:
        """Note what the machine lacks, in finished sentences; none when it has all."""
        self._machine_lacks = what

    def give(self, config: UseConfigPolicy) -> None:
        """Take a config's policy; it is stored, and comes in force, by `run`."""
        self._config = config
        self._given.set()

    async def run(self) -> None:
        """Store what is given, again and again while the store is away."""
        while True:
            await self._given.wait()
            self._given.clear()
            config = self._config
            try:
                revision = await self._store(config.policy, config.fingerprint)
            except ProvisionError as error:
                self._refused = list(error.problems)
                self._channel.tell(ConfigRefused(config.fingerprint, tuple(self._refused)))
                self.tried.set()
                self._keeper.changed()  # what the store holds goes on
                continue
            except StoreAway as error:
                self._channel.tell(ConfigWaits(config.fingerprint, str(error)))
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
                self._channel.tell(ConfigInForce(config.fingerprint))
            else:
                why = self._keeper.trouble or "another config came meanwhile"
                self._channel.tell(ConfigWaits(config.fingerprint, why))

    async def _store(self, policy: FilePolicy, fingerprint: str) -> int:
        async with self._access.store.change(ACTOR) as change:
            await provision(change, {**policy, "fingerprint": fingerprint})
        return change.revision
