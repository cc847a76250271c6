"""Serves one listening TCP socket: its connections, with what is spoken on them."""

from __future__ import annotations

import asyncio
import socket
import ssl

from resolver.clients import Client
from resolver.config.settings import Limits
from resolver.listeners.connection import Connection
from resolver.listeners.connections import Connections
from resolver.listeners.session import Session
from resolver.listeners.stream import DnsStream
from resolver.pipeline import Pipeline, Transport
from resolver.telemetry.counters import Counters


class StreamListener:
    """DNS over TCP on one socket; what else may be spoken overrides `tls`, `session` and `name_of`."""

    transport = Transport.TCP

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        one: socket.socket,
        pipeline: Pipeline,
        connections: Connections,
        limits: Limits,
        counters: Counters,
    ) -> None:
        self.loop = loop
        self.pipeline = pipeline
        self.connections = connections
        self.limits = limits
        self.counters = counters
        self._socket = one
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accept connections."""
        # The supervisor keeps the socket; the loop closes what it is given, so it is given a duplicate.
        self._server = await self.loop.create_server(lambda: Connection(self), sock=self._socket.dup())

    def stop(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.close()

    @property
    def is_open(self) -> bool:
        """Whether it can serve anybody now."""
        return True

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What new connections speak TLS with; None where they do not."""
        return None

    def session(self, connection: Connection, protocol: str | None) -> Session:
        """What is spoken on a new connection; `protocol` is what TLS has agreed on."""
        return DnsStream(connection, self.transport, self.limits.tcp_queries_per_connection)

    def name_of(self, server_name: str) -> str:
        """The client's name in a server name that it asked for; "" where there is none."""
        return ""

    def client(self, address: str, name: str) -> Client:
        """Who asks."""
        return self.pipeline.client(address)
