"""Servers of the control process: the admin API with its pages, and the block page."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from admin_api.channel import SupervisorChannel
from admin_api.editing.exemption_checks import Terms
from admin_api.keepers import Keepers
from admin_api.messages import Begin
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

if TYPE_CHECKING:
    from admin_api.api.serving import ApiServer
    from admin_api.block_page.serving import BlockPageServer

_CERTIFICATE_SECONDS = 2.0  # between looks for one that is not there yet


class Servers:
    """The API and the block page, each None where the config has none. Made before the keepers that count them."""

    def __init__(self, first: Begin, log: Log) -> None:
        self._first = first
        self._log = log
        self.api: ApiServer | None = None
        self.block_page: BlockPageServer | None = None

    def make(self, keepers: Keepers, channel: SupervisorChannel) -> None:
        """Make those that the config has, over the keepers."""
        settings, of_workers = self._first.settings, self._first.worker_settings
        if settings.block_page.listen:
            from admin_api.block_page.making import make_block_page  # noqa: PLC0415 (seldom there)

            self.block_page = make_block_page(
                settings.block_page,
                of_workers,
                Terms.of(settings),
                store_access=keepers.access,
                policy=keepers.policy,
                subjects=keepers.subjects,
                catalogue=keepers.catalogue,
                log=self._log,
            )
        if settings.admin_host is not None:
            from admin_api.making_api import make_api  # noqa: PLC0415 (a quarter of what a start loads)

            self.api = make_api(self._first, keepers, channel, self._log)

    def connections(self) -> Mapping[str, int]:
        """Open connections by server."""
        parts = {"admin": self.api, "block_page": self.block_page}
        return {name: part.connections if part is not None else 0 for name, part in parts.items()}

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Counts of the block page, by metric and label."""
        page = self.block_page
        api = self.api
        own = {}
        if api is not None:
            own = {("dropped", "sign_ins"): api.refused_sign_ins, ("dropped", "looks"): api.forgotten_looks}
        if page is None:
            return own
        dropped = {("dropped", what): count for what, count in page.dropped.items()}
        return {**own, **dropped, **{("block_page", what): count for what, count in page.events.items()}}

    async def serve(self) -> None:
        """Serve the API, for ever, once its certificate can be used: policy and statistics do not wait for that."""
        if self.api is not None:
            await self._start_api(self.api, socket.socket(fileno=self._first.sockets.admin))
        await asyncio.get_running_loop().create_future()

    async def _start_api(self, api: ApiServer, listening: socket.socket) -> None:
        told = None
        while True:
            try:
                await api.start(listening)
            except MoatdnsError as error:
                if str(error) != told:
                    told = str(error)
                    self._log.error("the admin API is not served", why=told, so="it waits for a certificate")
                await asyncio.sleep(_CERTIFICATE_SECONDS)
            else:
                break
        if told is not None:
            self._log.info("the certificate is there by now: the admin API is served")

    async def start_block_page(self) -> None:
        """Serve the block page, where there is one."""
        if self.block_page is not None:
            await self.block_page.start([socket.socket(fileno=fd) for fd in self._first.sockets.block_page])

    async def stop(self) -> None:
        """Finish what is in progress, and end both."""
        for part in (self.block_page, self.api):
            if part is not None:
                await part.stop()
