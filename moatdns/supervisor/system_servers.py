"""Follows the system's nameservers, for configs with upstream `system`: /etc/resolv.conf changes while we run.

Whatever way it changes (written anew, another file in its place, a link that leads elsewhere), it is read every other
second. While it names nobody, those that it named last are asked on, and /ready says what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from moatdns.ourselves import SystemServers, usable_system_servers
from moatdns.plan import left_out
from resolver.config.settings import UpstreamServer
from resolver.config.system_servers import RESOLV_CONF
from resolver.listeners.sockets import Listen
from resolver.telemetry.log import Log

LOOK_SECONDS = 1.5
_LOOKS_UNTIL_NONE = 2  # one may find a file that is just being written


class SystemFollower:
    """Follower of the nameservers that the system names."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.servers: tuple[UpstreamServer, ...] = ()  # that are to be asked
        self.trouble: str | None = None  # why there is none, if the system names none by now
        self._ourselves: tuple[UpstreamServer, ...] = ()
        self._found_none = 0  # looks in a row

    async def begin(self, listen: Sequence[Listen]) -> None:
        """Look for the first time; what is to be told of servers that are left out, the plan has."""
        found = await asyncio.to_thread(usable_system_servers, listen)
        self._ourselves = found.ourselves
        self._found_none = _LOOKS_UNTIL_NONE
        self._take(found)

    async def look(self, listen: Sequence[Listen]) -> None:
        """Look again, and tell in the log what is new."""
        found = await asyncio.to_thread(usable_system_servers, listen)
        for server in found.ourselves:
            if server not in self._ourselves:
                self._log.warning(left_out(server))
        self._ourselves = found.ourselves
        known = self.servers
        self._take(found)
        if self.servers != known:
            names = [server.name for server in self.servers]
            self._log.info("the system's nameservers changed", file=str(RESOLV_CONF), servers=names)

    def _take(self, found: SystemServers) -> None:
        if found.servers:
            self.servers, self._found_none = found.servers, 0
        else:
            self._found_none += 1
        if found.trouble != self.trouble and (found.servers or self._found_none >= _LOOKS_UNTIL_NONE):
            self.trouble = found.trouble
            if self.trouble is not None:
                so = "the previous ones are still used" if self.servers else "no server can be asked"
                self._log.warning("the system names no nameserver", why=self.trouble, so=so)
