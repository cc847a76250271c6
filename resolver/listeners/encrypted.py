"""The listeners of DoT and DoH, put together. Imported only by the processes that serve them: h2 and h11 are large."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.answering.pipeline import Transport
from resolver.config.settings import ClientCertificates, EncryptedSettings
from resolver.listeners.application import Application
from resolver.listeners.connection import ClientConnection, ListenerContext
from resolver.listeners.connections import Handshakes
from resolver.listeners.doh import HttpExchange
from resolver.listeners.http1 import Http1
from resolver.listeners.http2 import Http2
from resolver.listeners.stream import DnsStream, StreamListener
from resolver.listeners.tls import DOH, DOT, ServerContext, ignore_senseless_names
from resolver.policy.proved_names import is_claimable

if TYPE_CHECKING:
    from resolver.listeners.proofs import Proofs


class EncryptedListeners:
    """All DoT and DoH sockets of a process, with the certificate that they share."""

    def __init__(
        self, dot: list[socket.socket], doh: list[socket.socket], settings: EncryptedSettings, plain: ListenerContext
    ) -> None:
        """`plain` has what they share with plain TCP. Nobody is served before `renew` has read the certificate."""
        ignore_senseless_names()
        certificate, private_key = Path(settings.certificate), Path(settings.private_key)
        of_dot, of_doh = (ServerContext(certificate, private_key, protocols) for protocols in (DOT, DOH))
        self._contexts = [context for context, sockets in ((of_dot, dot), (of_doh, doh)) if sockets]
        self._suffix = f".{settings.server_name}" if settings.server_name else ""
        handshakes = Handshakes(plain.limits.tls_handshakes, plain.counters.dropped)
        self._proofs = _proofs_by(settings.clients, plain.counters.dropped)
        encrypted = replace(plain, handshakes=handshakes, admission=self._proofs)
        by_dot = replace(encrypted, speak=self._speak_dns, tls=of_dot)
        by_doh = replace(encrypted, speak=self._speak_http, tls=of_doh)
        self.listeners = [
            *(StreamListener(one, by_dot) for one in dot),
            *(StreamListener(one, by_doh) for one in doh),
        ]

    def renew(self) -> None:
        """Read the certificate (again), with the CAs and CRLs of clients' ones. Raises ListenError.

        It goes on with the old ones then, if there are any. May run beside the loop, one at a time.
        """
        if self._proofs is None:
            for context in self._contexts:
                context.renew()
            return
        self._contexts[0].look()  # first: without a pair, nobody need read CRLs, which are large, once a second
        authorities = self._proofs.read()
        check = self._proofs.check_by(authorities)
        for context in self._contexts:
            context.renew(check)
        self._proofs.use(authorities)

    async def look_at_clients(self) -> None:
        """End the connections whose client's certificate would not be taken now. To be called every second or so."""
        while True:
            if self._proofs is None or not self._proofs.look():
                return
            await asyncio.sleep(0)  # queries have their turn

    @property
    def are_open(self) -> bool:
        """Whether there is a certificate to serve with."""
        return all(context.context is not None for context in self._contexts)

    def _speak_dns(self, connection: ClientConnection) -> Application:
        return DnsStream(connection, Transport.TLS, self._name_of(connection))

    def _speak_http(self, connection: ClientConnection) -> Application:
        exchange = HttpExchange(connection, self._name_of(connection))
        return Http2(connection, exchange) if connection.protocol == "h2" else Http1(connection, exchange)

    def _name_of(self, connection: ClientConnection) -> str:
        """The name that a client gives itself: the one label before our own name."""
        server_name = (connection.server_name or "").lower().rstrip(".")
        if not self._suffix or not server_name.endswith(self._suffix):
            return ""
        label = server_name[: -len(self._suffix)]
        return label if is_claimable(label) else ""


def _proofs_by(settings: ClientCertificates, dropped: Counter[str]) -> Proofs | None:
    """Where clients are asked for certificates, what judges them."""
    if not settings.ca:
        return None
    from resolver.listeners.proofs import Proofs  # noqa: PLC0415 (7 MiB that nobody else needs: cryptography)

    return Proofs(settings, dropped)
