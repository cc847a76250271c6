"""Listening addresses that no interface has yet, or any more: told when they are missing, and when they come.

Their sockets are open all the while (ip(7), IP_FREEBIND), so an address is served from the moment that it is there,
also on a port that we may not bind any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from moatdns.plan import Ground
from resolver.config.addresses import parse_endpoint
from resolver.listeners.sockets import Listen, is_there
from resolver.telemetry.log import Log

_EVERY_SECONDS = 1.0


class LateAddresses:
    """Each address that is listened on, with its key in the config, and whether it was there when last looked at."""

    def __init__(self, addresses: Iterable[tuple[str, Listen]], log: Log) -> None:
        self._log = log
        self._addresses = list(addresses)
        self._missing: set[tuple[str, Listen]] = set()

    @classmethod
    def of(cls, ground: Ground, log: Log) -> LateAddresses:
        """Those of a config."""
        found = [(f"listen.{one.kind}", one) for one in ground.listen if not one.optional]
        if ground.admin is not None:
            found.append(("admin.listen", Listen(*ground.admin, kind="")))
        found += [("block_page.listen", Listen(*parse_endpoint(text), kind="")) for text in ground.block_page]
        return cls(found, log)

    def look(self) -> None:
        """See which are there, and tell what changed since."""
        for place in self._addresses:
            key, address = place
            is_missing = not is_there(address)
            if is_missing and place not in self._missing:
                self._missing.add(place)
                so = "it is served as soon as it appears; the others are served"
                event = "this host does not have an address that is listened on"
                self._log.warning(event, key=key, address=address.text, so=so)
            elif not is_missing and place in self._missing:
                self._missing.discard(place)
                self._log.info("an address that is listened on is there by now", key=key, address=address.text)

    async def watch(self) -> None:
        """Look every second, for ever."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY_SECONDS)
