"""Changes of the config at each start and reload, for the audit trail: it is root who edits the file."""

from __future__ import annotations

import asyncio
from typing import Final

from admin_api.messages import ConfigReading
from admin_api.privacy_in_force import WIDEN, PrivacyInForce
from admin_api.store import documents
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from resolver.config.privacy import widened
from resolver.config.telling import Told, differences
from resolver.telemetry.log import Log

ACTOR: Final = "config"
_NOTED: Final = "config_told"  # the document: the reading that the trail has
_RETRY_SECONDS = 2.0


class ConfigTold:
    """Writes a row for each reading of the config, once, though the control process may be started anew meanwhile."""

    def __init__(self, access: StoreAccess, privacy: PrivacyInForce, log: Log) -> None:
        self._access = access
        self._privacy = privacy
        self._log = log
        self._readings: asyncio.Queue[ConfigReading] = asyncio.Queue(maxsize=1000)

    def give(self, reading: ConfigReading) -> None:
        """Take a reading; it is written by `run`."""
        self._privacy.give(reading)
        try:
            self._readings.put_nowait(reading)
        except asyncio.QueueFull:
            self._log.error("a reading of the config is not in the audit trail", number=reading.number)

    async def run(self) -> None:
        """Write what is given, again and again while the store is away."""
        while True:
            reading = await self._readings.get()
            while True:
                try:
                    await self._write(reading)
                    break
                except StoreAway:
                    await asyncio.sleep(_RETRY_SECONDS)

    async def _write(self, reading: ConfigReading) -> None:
        await self._record(reading)
        await self._privacy.keep(reading)  # behind the row: what is wider is not taken for what was before

    async def _record(self, reading: ConfigReading) -> None:
        async with self._access.store.change(ACTOR) as change:
            noted = await documents.get(change.connection, _NOTED) or {}
            if (noted.get("began"), noted.get("number")) == (reading.began, reading.number):
                return  # by the control process before this one
            is_start = noted.get("began") != reading.began
            before: Told = {key: (shown, mark) for key, (shown, mark) in noted.get("told", {}).items()}
            changed = differences(before, dict(reading.told))
            old = {key: shown for key, (shown, _) in changed.items()} if noted else None
            new = {"source": reading.source, "changed": {key: shown for key, (_, shown) in changed.items()}}
            change.record("start" if is_start else "reload", "config", old, new)
            was = noted.get("privacy", {})
            if wider := widened(was, reading.privacy):
                change.record(*WIDEN, {key: was[key] for key in wider}, wider)
            facts = {"told": dict(reading.told), "privacy": dict(reading.privacy)}
            body = {"began": reading.began, "number": reading.number, **facts}
            await documents.put(change.connection, _NOTED, body)
