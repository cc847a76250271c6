"""The sections of the configuration that concern listeners: addresses, the certificate, and bounds of connections."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.control_schema import TlsSection
from resolver.config.fields import NUMBER, Positive, PositiveFloat
from resolver.config.section import Section
from resolver.config.settings import Limits

_LIMITS = Limits()


class ListenSection(Section):
    """Where queries are taken."""

    do53: fields.Endpoints = Field(
        default=("127.0.0.1:5300", "[::1]:5300"),
        description="Addresses with ports for DNS over UDP and TCP; IPv6 in brackets, '0.0.0.0' and '[::]' are all.",
    )
    dot: fields.OptionalEndpoints = Field(
        default=(), description="Addresses with ports for DNS over TLS, as in '0.0.0.0:853'; needs `tls`."
    )
    doh: fields.OptionalEndpoints = Field(
        default=(),
        description="Addresses with ports for DNS over HTTPS, as in '0.0.0.0:443', path /dns-query; needs `tls`.",
    )

    @model_validator(mode="after")
    def _each_is_for_one(self) -> ListenSection:
        taken = dict.fromkeys(self.do53, "do53")
        mistakes = []
        for key, endpoints in (("dot", self.dot), ("doh", self.doh)):
            for index, endpoint in enumerate(endpoints):
                if endpoint in taken:
                    why = f"{endpoint!r} is in listen.{taken[endpoint]}, too: give each a port of its own"
                    mistakes.append(fields.mistake(why, endpoint, key, index))
                taken.setdefault(endpoint, key)
        fields.raise_mistakes(mistakes)
        return self


class ServerTlsSection(TlsSection):
    """The certificate that DoT and DoH are served with, and the processes that serve them."""

    server_name: fields.HostName | None = Field(
        default=None,
        description=(
            "The name by which clients know this resolver, as in 'dns.example.com'; its certificate is for it. A "
            "client may ask for a name one label below, as in 'laptop.dns.example.com', to be told apart by it."
        ),
    )
    workers: Annotated[int, Field(ge=1, le=256), NUMBER] = Field(
        default=1, description="Worker processes that serve DoT and DoH, beside those of UDP and TCP."
    )


class StreamLimits(Section):
    """Bounds of connections, whatever is spoken on them."""

    tcp_connections: Positive = Field(
        default=_LIMITS.tcp_connections,
        description="Connections that a worker holds open; a new one takes the place of the most silent.",
    )
    tcp_connections_per_client: Positive = Field(
        default=_LIMITS.tcp_connections_per_client,
        description="Connections of one client address that a worker holds open.",
    )
    tcp_queries_per_connection: Positive = Field(
        default=_LIMITS.tcp_queries_per_connection,
        description="Queries in flight at once on one connection of a worker.",
    )
    tcp_idle_seconds: PositiveFloat = Field(
        default=_LIMITS.tcp_idle_seconds, description="A worker ends a connection after this silence, in seconds."
    )
    tcp_query_seconds: PositiveFloat = Field(
        default=_LIMITS.tcp_query_seconds,
        description="How long a query, or an HTTP request, may take to come in whole, in seconds.",
    )
    tcp_lifetime_seconds: PositiveFloat = Field(
        default=_LIMITS.tcp_lifetime_seconds,
        description="A worker ends a connection after this time, however busy it is, once what it has is answered.",
    )
    tcp_write_buffer_bytes: Positive = Field(
        default=_LIMITS.tcp_write_buffer_bytes,
        description="Unread answers, in bytes, that a client may let pile up before a worker ends its connection.",
    )
    tcp_write_seconds: PositiveFloat = Field(
        default=_LIMITS.tcp_write_seconds,
        description="How long a client may leave answers unread before a worker ends its connection, in seconds.",
    )
    tls_handshakes: Positive = Field(
        default=_LIMITS.tls_handshakes,
        description="TLS handshakes of a worker at once; a new one takes the place of the oldest.",
    )
    tls_handshake_seconds: PositiveFloat = Field(
        default=_LIMITS.tls_handshake_seconds,
        description="How long a TLS handshake, or a PROXY header, may take, in seconds.",
    )
    http_header_bytes: Annotated[int, Field(ge=1024, le=1 << 20), NUMBER] = Field(
        default=_LIMITS.http_header_bytes, description="Most octets of an HTTP request's head."
    )
    http2_streams: Positive = Field(
        default=_LIMITS.http2_streams, description="Requests that a client may have open at once on one connection."
    )
    http2_resets: Positive = Field(
        default=_LIMITS.http2_resets,
        description="Requests that a client may take back on one connection, beyond as many as it lets be answered.",
    )
    http2_control_frames: Positive = Field(
        default=_LIMITS.http2_control_frames,
        description="HTTP/2 frames without a request that a client may send, beyond four for each answer.",
    )
