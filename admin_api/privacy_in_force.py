"""Privacy settings of the config: those in force, and wider ones that wait until two owners agree (four eyes)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from admin_api.messages import ConfigReading
from admin_api.store.errors import StoreAway
from resolver.config.privacy_file import read_agreed, write_agreed
from resolver.telemetry.log import Log

WIDEN: Final = ("widen", "privacy")
"""Action and object of the audit row that all roles see: settings that are wider than before."""

AGREE: Final = ("agree", "privacy")
"""That of the agreement to wider ones."""


class PrivacyInForce:
    """Knows the last reading of the config, and keeps the file by which the next one is held back."""

    def __init__(self, state_dir: Path, log: Log) -> None:
        self._state_dir = state_dir
        self._log = log
        self._turn = asyncio.Lock()
        self.values: Mapping[str, str] = {}  # in force
        self.held: Mapping[str, str] = {}  # wider ones that the config asks for

    def give(self, reading: ConfigReading) -> None:
        """Take a reading."""
        self.values, self.held = reading.privacy, reading.held

    async def keep(self, reading: ConfigReading) -> None:
        """Have the file say what is in force, and what is agreed to and not in force yet."""
        async with self._turn:
            found = await asyncio.to_thread(read_agreed, self._state_dir)
            agreed = {} if found is None else found.agreed
            still = {key: value for key, value in agreed.items() if reading.held.get(key) == value}
            try:
                await asyncio.to_thread(write_agreed, self._state_dir, reading.privacy, still)
            except OSError as error:
                self._log.error("which privacy settings are in force cannot be kept", why=str(error))

    async def agree(self, settings: Mapping[str, str]) -> None:
        """Let wider settings be in force from the next reading on. Raises StoreAway where that cannot be kept."""
        async with self._turn:
            try:
                await asyncio.to_thread(write_agreed, self._state_dir, self.values, settings)
            except OSError as error:
                raise StoreAway(f"the agreement cannot be written to {error.filename}: {error.strerror}") from error
