"""The sections about forwarding: upstreams, the cache, and the bounds of a worker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.fields import NUMBER, Positive, PositiveFloat, Switch
from resolver.config.section import Section
from resolver.config.settings import Limits

_LIMITS = Limits()
_DAY = 86400
_LONGEST_TTL = 7 * _DAY  # the cap that RFC 8767 section 4 recommends
UpstreamStrategy = Literal["fastest", "ordered", "parallel", "random"]


class UpstreamSection(Section):
    """Upstream servers, which answer queries that are neither blocked nor cached."""

    servers: fields.Servers = ("system",)
    """Servers that queries are forwarded to: 'udp://IP[:PORT]' (TCP after a truncated answer), 'tcp://IP[:PORT]',
    'tls://IP[:PORT]#NAME' or 'tls://NAME' (DoT), 'https://NAME/dns-query' (DoH), or 'system' for the nameservers of
    /etc/resolv.conf. The ports are 53, 853 and 443 unless given."""
    strategy: Annotated[UpstreamStrategy, fields.one_of("fastest", "ordered", "parallel", "random")] = "fastest"
    """The server to ask first: the fastest, the first of the list, the two fastest at once, or any."""
    bootstrap: fields.BootstrapServers = ()
    """Servers, by address, that are asked for the addresses of `servers` with names. Left out: those of `servers` that
    are plain and have an address, else the system's."""
    ca_file: fields.File | None = None
    """PEM file with the CAs that the certificates of 'tls://' and 'https://' servers must come from; left out: the
    system's. A relative path begins at the config file's folder."""
    cookies: Switch = True
    """Send DNS cookies (RFC 7873) over UDP, and take no answer without where there were."""
    random_case: Switch = False
    """Ask over UDP for names in random upper and lower case, and take no answer that has another."""
    timeout_seconds: Annotated[float, Field(ge=0.1, le=10, allow_inf_nan=False), NUMBER] = 2.0
    """Time limit of one server for its answer, in seconds."""
    rebinding_guard: Switch = True
    """Leave private addresses out of answers from upstreams, so that no web page can have browsers ask the inner
    network for it. Names below `zones` and `private_names` may have them."""
    private_names: Annotated[fields.Texts, fields.read_each(fields.read_domain)] = ()
    """Names that may lead to private addresses, with all names below: ['corp.example']."""
    zones: fields.Zones = Field(default={})
    """Zones with upstreams of their own, by name or, for reverse zones, by network: {'corp.example': ['10.0.0.53'],
    '172.16.0.0/12': ['10.0.0.53']}. The most specific zone counts; its names are never asked of others, and never
    answered here as private ones are."""


class CacheSection(Section):
    """The response cache, shared out evenly among the workers."""

    max_mib: Annotated[int, Field(ge=1, le=1 << 20), NUMBER] = 64
    """Memory limit of cached answers of all workers together, in MiB."""
    min_ttl_seconds: Annotated[int, Field(ge=0, le=_DAY), NUMBER] = 0
    """Answers are kept at least this long, in seconds, even if their TTL is shorter; not NXDOMAIN and NODATA."""
    max_ttl_seconds: Annotated[int, Field(ge=0, le=_LONGEST_TTL), NUMBER] = _DAY
    """Answers are kept at most this long, in seconds, even if their TTL is longer."""
    max_negative_ttl_seconds: Annotated[int, Field(ge=0, le=_DAY), NUMBER] = 3600
    """NXDOMAIN and NODATA are kept at most this long, in seconds."""
    stale_seconds: Annotated[int, Field(ge=0, le=_LONGEST_TTL), NUMBER] = _DAY
    """Time past its TTL, in seconds, for which an answer may be used while upstreams fail (RFC 8767)."""
    prefetch: Switch = True
    """Ask again for popular names shortly before their answers expire."""
    nxdomain_cut: fields.NxdomainCut = True
    """A name that does not exist has no other types and, where the upstream has validated that (AD), nothing below it
    (RFC 8020): do not ask for them. 'always': nor below what is not validated, though there are servers that deny names
    which have nothing but names below."""

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> CacheSection:
        if self.min_ttl_seconds > self.max_ttl_seconds:
            why = (
                f"is {self.min_ttl_seconds}, above max_ttl_seconds, {self.max_ttl_seconds}: lower it or raise the other"
            )
            fields.raise_mistakes([fields.mistake(why, self.min_ttl_seconds, "min_ttl_seconds")])
        return self


class LimitsSection(Section):
    """Bounds of each worker, per worker. Reaching one is counted."""

    answer_table_entries: Positive = _LIMITS.answer_table_entries
    """Finished answers that a worker keeps for repeated queries."""
    clients: Positive = _LIMITS.clients
    """Client addresses whose policy a worker remembers."""
    views: Positive = _LIMITS.views
    """Views (groups, exemptions, their ends) whose answers a worker keeps ready."""
    policy_walks: Positive = _LIMITS.policy_walks
    """Names whose rules a worker remembers, on them and above."""
    policy_decisions: Positive = _LIMITS.policy_decisions
    """Decisions that a worker remembers of names for which patterns were searched, by view."""
    response_rates: Positive = _LIMITS.response_rates
    """Kinds of responses, by client network, whose rate a worker knows (rate_limits)."""
    queries_in_flight: Positive = _LIMITS.queries_in_flight
    """Queries of a worker that wait for an upstream at once."""
    queries_in_flight_per_upstream: Positive = _LIMITS.queries_in_flight_per_upstream
    """Queries that wait for one upstream server at once, in a worker; beyond, the next one is asked."""
    queries_in_flight_per_domain: Positive = _LIMITS.queries_in_flight_per_domain
    """Queries for names of one registered domain that wait for an upstream at once, in a worker."""
    late_answer_seconds: PositiveFloat = _LIMITS.late_answer_seconds
    """After this wait for an upstream, in seconds, a worker truncates a large answer over UDP."""
    queries_put_off: Positive = _LIMITS.queries_put_off
    """Queries over UDP that wait for their turn at one port of a worker that is busy."""
    tcp_connections: Positive = _LIMITS.tcp_connections
    """TCP connections that a worker holds open."""
    queries_in_flight_per_client: Positive = _LIMITS.queries_in_flight_per_client
    """Queries of one client address that wait for an upstream at once, in a worker."""
    tcp_connections_per_client: Positive = _LIMITS.tcp_connections_per_client
    """TCP connections of one client address that a worker holds open."""
    tcp_queries_per_connection: Positive = _LIMITS.tcp_queries_per_connection
    """Queries in flight at once on one TCP connection of a worker."""
    tcp_idle_seconds: PositiveFloat = _LIMITS.tcp_idle_seconds
    """A worker closes a TCP connection after this idle time, in seconds."""
    tcp_lifetime_seconds: PositiveFloat = _LIMITS.tcp_lifetime_seconds
    """After this time, in seconds, a worker closes a TCP connection once its queries are answered."""
    tcp_write_seconds: PositiveFloat = _LIMITS.tcp_write_seconds
    """Time, in seconds, that a client may take to read what a worker has sent to it."""
    tls_handshakes: Positive = _LIMITS.tls_handshakes
    """Simultaneous TLS handshakes of a worker."""
    tls_handshake_seconds: PositiveFloat = _LIMITS.tls_handshake_seconds
    """Time, in seconds, that a worker waits for the end of a TLS handshake, or of a proxy's header."""
    unlisted_queries_per_second: Positive = _LIMITS.unlisted_queries_per_second
    """Forwarded queries a second of a worker at which the inbox of unlisted names looks (unlisted.enabled)."""
    unlisted_names_per_second: Positive = _LIMITS.unlisted_names_per_second
    """Names a second that were not seen within the hour and a worker tells the inbox of; ten seconds' worth at once."""
    http_streams_per_connection: Positive = _LIMITS.http_streams_per_connection
    """Requests in flight at once on one HTTP/2 connection of a worker."""
    http_resets_per_connection: Positive = _LIMITS.http_resets_per_connection
    """Requests that an HTTP/2 client may take back on one connection of a worker; each that is answered lets it take
    back one more, up to so many again."""
    tcp_write_buffer_bytes: Positive = _LIMITS.tcp_write_buffer_bytes
    """Unread answers, in bytes, that a client may let pile up before a worker ends its TCP connection."""
