"""The provider's description and keys, kept and fetched again. What it said last holds while it is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from joserfc.jwk import KeySet

from admin_api.sign_in.asking import json_of
from admin_api.sign_in.jwts import read_keys
from admin_api.sign_in.provider import WELL_KNOWN, OpenIdMetadata
from admin_api.sign_in.refusal import ProviderAway
from admin_api.sign_in.waiting import WaitingRoom
from resolver.config.settings import OidcSettings
from resolver.telemetry.log import Log

_GOOD_SECONDS: Final = 3600.0  # for which what was fetched is taken as it is
_AGAIN_SECONDS: Final = 30.0  # a fetch, whoever sends tokens with whatever key
_MOST_AT_ONCE: Final = 3  # fetches that may come sooner: keys rotate when they like


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider as it described itself, and its keys."""

    metadata: OpenIdMetadata
    keys: KeySet


class KeptProvider:
    """The provider of the config."""

    def __init__(
        self, settings: OidcSettings, waiting: WaitingRoom, log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._waiting = waiting
        self._log = log
        self._clock = clock
        self._last: KnownProvider | None = None
        self._fetched = 0.0
        self._why: str | None = "it was not asked yet"  # None: the last fetch did it
        self._left, self._counted = float(_MOST_AT_ONCE), clock()  # fetches that may be made now
        self._fetching: asyncio.Task[None] | None = None

    @property
    def last(self) -> KnownProvider | None:
        """As it was last; None before it was reached."""
        return self._last

    async def known(self) -> KnownProvider:
        """As it was last, fetched anew each hour, which nobody waits for but the first. Raises ProviderAway."""
        if self._last is None:
            await self._fetch()
        elif self._clock() - self._fetched > _GOOD_SECONDS:
            self._begin()
        if self._last is None:
            raise ProviderAway(f"the OpenID provider {self._settings.issuer} cannot be used: {self._why}")
        return self._last

    async def anew(self) -> KnownProvider | None:
        """As it is now; None where it was asked a moment ago. Raises ProviderAway."""
        if not await self._fetch():
            return None
        if self._why is not None or self._last is None:
            raise ProviderAway(f"the OpenID provider {self._settings.issuer} cannot be asked for its keys: {self._why}")
        return self._last

    async def stop(self) -> None:
        """End a fetch that goes on."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self) -> bool:
        """Wait for a fetch; False where none may begin. Raises ProviderAway where too many wait."""
        fetching = self._begin()
        if fetching is None:
            return False
        with self._waiting.taken():
            await asyncio.wait([fetching])
        return True

    def _begin(self) -> asyncio.Task[None] | None:
        """The fetch that goes on, or a new one; None where none may begin yet."""
        if self._fetching is None:
            now = self._clock()
            self._left = min(_MOST_AT_ONCE, self._left + (now - self._counted) / _AGAIN_SECONDS)
            self._counted = now
            if self._left < 1:
                return None
            self._left -= 1
            self._fetching = asyncio.create_task(self._take(), name="description and keys of the OpenID provider")
        return self._fetching

    async def _take(self) -> None:
        settings = self._settings
        try:
            found = await json_of("GET", settings.issuer.rstrip("/") + WELL_KNOWN, ca_file=settings.ca_file)
            metadata = OpenIdMetadata.read(found, settings.issuer)
            keys = read_keys(await json_of("GET", metadata.keys, ca_file=settings.ca_file))
        except ProviderAway as error:
            self._why = str(error)
            self._log.warning("the OpenID provider cannot be used", issuer=settings.issuer, why=self._why)
        else:
            self._last, self._fetched, self._why = KnownProvider(metadata, keys), self._clock(), None
        finally:
            self._fetching = None
