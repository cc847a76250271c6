"""A relay before a server, whose open connections can be made to fall silent, as behind a firewall that forgot them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from resolver.config.settings import UpstreamServer


class Relay:
    """Passes octets on between a port of 127.0.0.1 and a server, but for connections that are `frozen`."""

    def __init__(self, server: UpstreamServer) -> None:
        self._server = server
        self._listener: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.opened = 0  # connections so far
        self.has_closed_one = asyncio.Event()
        self.frozen: set[int] = set()  # by number, from 0

    @property
    def settings(self) -> UpstreamServer:
        """The server, by way of the relay."""
        return replace(self._server, port=self.port)

    def freeze(self) -> None:
        """Pass nothing on any more on the connections that are open now."""
        self.frozen.update(range(self.opened))

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.opened
        self.opened += 1
        there, back = await asyncio.open_connection(self._server.host, self._server.port)
        self._writers += [writer, back]
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(number, source, sink))
            self._tasks.add(task)

    async def _pass(self, number: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while octets := await source.read(1 << 16):
                if number not in self.frozen:
                    sink.write(octets)
        except ConnectionError:
            pass
        self.has_closed_one.set()
        sink.close()
