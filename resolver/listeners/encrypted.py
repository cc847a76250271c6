"""The listeners of DoT and DoH, and the certificate that all of a worker's share."""

from __future__ import annotations

import ssl
from pathlib import Path

from resolver.certificates import Pair, read_pair
from resolver.clients import Client
from resolver.config.settings import TlsSettings
from resolver.listeners.connection import Connection
from resolver.listeners.http1 import Http1
from resolver.listeners.http2 import Http2
from resolver.listeners.listener import StreamListener
from resolver.listeners.session import Session
from resolver.listeners.tls import NamedObject, note_server_name
from resolver.listeners.who import client_of, name_below
from resolver.pipeline import Transport

DOT = ("dot",)  # RFC 7858 has none of its own; IANA's registry of ALPN ids names it
# Forward secrecy and authenticated encryption only, where TLS 1.2 lets one choose (RFC 9325 section 4.2).
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_OPTIONS = (
    ssl.OP_NO_RENEGOTIATION  # a client could have us do the dear half of a handshake again and again
    | ssl.OP_NO_COMPRESSION
    | ssl.OP_CIPHER_SERVER_PREFERENCE
    | ssl.OP_IGNORE_UNEXPECTED_EOF  # messages say where they end
)


class Certificate:
    """The pair in use, and the contexts that use it: one for each kind of listener, since each has tickets of its own.

    A new pair goes into the same contexts: connections go on, and sessions can be resumed.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self.settings = settings
        self.pair: Pair | None = None
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}

    def load(self) -> bool:
        """Read the files (again); whether they hold another pair than before.

        Raises CertificateError; what was in use stays so.
        """
        pair = read_pair(Path(self.settings.certificate), Path(self.settings.private_key))
        old, self.pair = self.pair, pair
        if old is not None and (old.certificate, old.private_key) == (pair.certificate, pair.private_key):
            return False
        if old is not None and old.facts.key_kind != pair.facts.key_kind:
            self._contexts.clear()  # a context keeps a pair of each kind, and would go on with the old one, too
        for context in self._contexts.values():
            pair.load_into(context)
        return True

    def context(self, protocols: tuple[str, ...]) -> ssl.SSLContext | None:
        """What new connections use, with these protocols to choose from (ALPN); None without a pair."""
        if self.pair is None:
            return None
        context = self._contexts.get(protocols)
        if context is None:
            context = _new_context(protocols)
            self.pair.load_into(context)
            self._contexts[protocols] = context
        return context


def _new_context(protocols: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.options |= _OPTIONS
    context.set_ciphers(_CIPHERS)
    # A client that offers none of ours is served without ALPN: Python's ssl has no refusal (RFC 7301 section 3.2).
    context.set_alpn_protocols(list(protocols))
    context.sslobject_class = NamedObject
    context.sni_callback = note_server_name
    return context


class DotListener(StreamListener):
    """DNS over TLS (RFC 7858) on one socket."""

    transport = Transport.TLS
    protocols: tuple[str, ...] = DOT
    certificate: Certificate

    @property
    def is_open(self) -> bool:
        """Without a certificate nobody can be served."""
        return self.certificate.pair is not None

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What new connections speak TLS with."""
        return self.certificate.context(self.protocols)

    def name_of(self, server_name: str) -> str:
        """The label that a client put before our own name."""
        return name_below(server_name, self.certificate.settings.server_name)

    def client(self, address: str, name: str) -> Client:
        """Who asks: an address, or whoever has told a name."""
        return client_of(self.pipeline, address, name)


class DohListener(DotListener):
    """DNS over HTTPS (RFC 8484) on one socket."""

    transport = Transport.HTTPS
    protocols = ("h2", "http/1.1")

    def session(self, connection: Connection, protocol: str | None) -> Session:
        """HTTP/2 where it was agreed on, else HTTP/1.1."""
        if protocol == "h2":
            return Http2(connection, self.limits)
        return Http1(connection, self.limits.http_header_bytes)
