"""Settings of workers and the control process, as plain data: the supervisor sends them along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from resolver.wire.local_records import LocalRecord

COUNTERS: Final = "counters"
"""The folder of the workers' counter files, below state_dir."""
QUERY_LOG: Final = "query-log"
"""Below state_dir: the days of the query log."""

PROXY: Final = "proxy"
PROXY_WITHIN_TLS: Final = "proxy-within-tls"
FORWARDED_FOR: Final = "x-forwarded-for"
CLIENT_SUBNET: Final = "client-subnet"
MAC_OPTION: Final = "mac"
PLAIN_SOURCES: Final = (PROXY, FORWARDED_FOR)
"""Words that a proxy is believed by unless the config says."""

Clients = Literal["full", "network", "pseudonym", "hidden"]
"""Ways to record a client (query_log.clients)."""


@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """Those of a network who ask for others, and by what they are believed when they say for whom."""

    network: str  # CIDR
    sources: tuple[str, ...] = PLAIN_SOURCES


@dataclass(frozen=True, slots=True)
class UpstreamServer:
    """One upstream: where it is and how to talk to it."""

    transport: str  # "udp" (TCP after a truncated answer), "tcp", "tls" or "https"
    host: str  # an IP address, IPv6 without brackets; with tls and https it may be a name
    port: int = 53
    certificate_name: str = ""  # the name or address that its certificate must be for; "" without TLS
    path: str = ""  # of its URL; "" without HTTPS

    @property
    def has_address(self) -> bool:
        """Whether `host` is an address, rather than a name that must be looked up first."""
        return ":" in self.host or self.host.replace(".", "").isdigit()

    @property
    def name(self) -> str:
        """As it stands in the config and in the log: ``udp://[2001:db8::1]:53``, ``tls://192.0.2.1:853#dns.example``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        name = f"{self.transport}://{host}:{self.port}{self.path}"
        is_elsewhere = self.certificate_name not in ("", self.host.partition("%")[0])
        return f"{name}#{self.certificate_name}" if is_elsewhere else name


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """Options by which all upstreams are asked alike."""

    strategy: str = "fastest"  # or ordered, parallel, random
    bootstrap: tuple[UpstreamServer, ...] = ()  # who is asked for the addresses of upstreams with names
    ca_file: str | None = None  # PEM; None: the system's trust store
    cookies: bool = True  # RFC 7873, over UDP
    random_case: bool = False  # of names asked for over UDP


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone with upstreams of its own."""

    name: str
    servers: tuple[UpstreamServer, ...]


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Bounds of one worker's response cache."""

    max_bytes: int = 64 << 20
    min_ttl_seconds: int = 0
    max_ttl_seconds: int = 86400
    max_negative_ttl_seconds: int = 3600
    stale_seconds: int = 86400
    prefetch: bool = True
    nxdomain_cut: bool | str = True  # below denials that were validated; "always": below all


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker. Reaching one is counted under `dropped`, by the field's name."""

    answer_table_entries: int = 100_000
    clients: int = 65_536  # client addresses whose view is remembered
    views: int = 10_000  # that have answers ready
    policy_walks: int = 10_000  # names whose rules, on them and above, are remembered
    policy_decisions: int = 10_000  # of names with patterns or conditions of their own, by view
    response_rates: int = 20_000  # kinds of responses whose rate is known, where responses are limited
    queries_in_flight: int = 10_000
    queries_in_flight_per_client: int = 1_000  # a client may be a whole office behind one address
    queries_in_flight_per_domain: int = 1_000  # registered domain: a flood for one leaves places for all others
    late_answer_seconds: float = 2.0  # over UDP, a large answer that comes later is truncated
    queries_put_off: int = 4_000  # datagrams that wait for their turn while a worker is busy
    queries_in_flight_per_upstream: int = 5_000  # beyond, the next server is asked
    tcp_connections: int = 1_000
    tcp_connections_per_client: int = 100
    tcp_queries_per_connection: int = 100  # in flight at once on one connection; beyond, it is not read
    tcp_idle_seconds: float = 10.0
    tcp_lifetime_seconds: float = 3600.0  # then a connection is closed once its queries are answered
    tcp_write_seconds: float = 10.0  # for a client to take what was sent to it
    tcp_write_buffer_bytes: int = 1 << 20  # unread answers a client may let pile up before its connection is ended
    tls_handshakes: int = 200  # in the middle of which a worker may be
    tls_handshake_seconds: float = 5.0  # for a handshake, and for a proxy's header
    http_streams_per_connection: int = 100
    unlisted_queries_per_second: int = 300  # forwarded, at which the inbox of unlisted names looks
    unlisted_names_per_second: int = 20  # that were not seen within the hour
    http_resets_per_connection: int = 100  # requests that a client may take back; an answer gives one back


@dataclass(frozen=True, slots=True)
class ClientNetworks:
    """Networks of IPv6 clients that are bounded together, and how many times as much each may have as one address."""

    ipv6_prefix: int = 64  # bits
    ipv6_prefix_factor: int = 20


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Rates at which clients may ask one worker, and at which a network is answered alike."""

    queries_per_second: int = 1_000  # of a client address; 0 is no limit
    action: str = "refuse"  # what is answered beyond it: "refuse" or "truncate"
    exempt: tuple[str, ...] = ()  # networks, CIDR
    responses_per_second: int = 0  # of one kind, over UDP, to a client network; 0 is no limit
    slip: int = 2  # every so many of those beyond it are truncated, the others dropped; 0 is none


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity that the server tells when asked (id.server, version.server, NSID); None where it tells nothing."""

    identity: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Client certificates that DoT and DoH take: paths of CAs and CRLs, "" for none; `required`: all need one."""

    ca: str = ""
    crl: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class EncryptedSettings:
    """Settings of DoT and DoH, and how clients are told of them."""

    certificate: str = ""  # paths of PEM files; "" where neither is served
    private_key: str = ""
    server_name: str | None = None
    dot_ports: tuple[int, ...] = ()
    doh_ports: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ()  # on which all of these ports are served; none where that differs, or is "all"
    clients: ClientCertificates = field(default_factory=ClientCertificates)


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Settings of a worker's counters, and of the query log."""

    statistics: bool = False  # by name and client, in a file
    counters_folder: str = ""
    query_log: str = "off"  # off, hits or all
    clients: str = "full"  # full, network, pseudonym or hidden
    identities: str = "pseudonym"  # full, pseudonym or hidden
    pseudonym_days: int = 7
    unlisted: bool = False  # names that no rule matches are told to the inbox


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """All that a worker takes from the config; the policy comes by the snapshot."""

    clients_allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")  # networks, CIDR
    trusted_proxies: tuple[TrustedProxy, ...] = ()
    upstream_servers: tuple[UpstreamServer, ...] = ()
    upstream_timeout_seconds: float = 2.0
    upstream: UpstreamOptions = field(default_factory=UpstreamOptions)
    zones: tuple[Zone, ...] = ()
    rebinding_guard: bool = True
    private_names: tuple[str, ...] = ()  # names that may lead to private addresses, beside zones
    local: tuple[LocalRecord, ...] = ()  # names that are answered here
    local_ttl_seconds: int = 300
    cache: CacheSettings = field(default_factory=CacheSettings)
    limits: Limits = field(default_factory=Limits)
    rates: RateLimits = field(default_factory=RateLimits)
    networks: ClientNetworks = field(default_factory=ClientNetworks)
    server: Identity = field(default_factory=Identity)
    encrypted: EncryptedSettings = field(default_factory=EncryptedSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)

    @property
    def every_upstream(self) -> tuple[UpstreamServer, ...]:
        """The upstreams of all zones, the default ones first, each once."""
        return tuple(
            dict.fromkeys((*self.upstream_servers, *(server for zone in self.zones for server in zone.servers)))
        )


@dataclass(frozen=True, slots=True)
class BlockPageSettings:
    """The page that blocked names lead to. `listen` has addresses with ports; without any there is none."""

    listen: tuple[str, ...] = ()
    names: tuple[str, ...] = ()  # that it is looked up by, beside its address
    contact: str | None = None
    request_form: bool = True
    most_pending: int = 1000
    most_pending_per_client: int = 3
    requests_per_minute: int = 30
    pages_per_second: int = 100
    pages_per_second_per_client: int = 20
    connections: int = 500
    connections_per_client: int = 20


@dataclass(frozen=True, slots=True)
class HostNamesSettings:
    """Where names of the machines at clients' addresses are taken from; absolute paths."""

    hosts: tuple[str, ...] = ()
    dhcp_leases: tuple[str, ...] = ()
    ptr: bool = False
    most: int = 50_000  # names of all files; and of reverse zones
    max_mib: int = 16  # of one file


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """The feed of signed catalogues: a URL or an absolute path, and the public keys that are trusted."""

    source: str
    keys: tuple[str, ...]
    is_reviewed: bool = False  # whether each version waits until somebody accepts it
    refresh_seconds: int = 21600
    max_mib: int = 8
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class UnlistedSettings:
    """The inbox of unlisted names. `local` are zones with upstreams of their own, whose names are the company's."""

    enabled: bool = False
    clients: int = 3  # of one day, from which on a name is shown
    least_score: int = 20
    most_names: int = 20_000  # in memory
    most_kept: int = 2_000  # in the store
    local: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogSinkSettings:
    """A receiver of the query log and of the audit trail. `authorization` is the text, or ``file:PATH``."""

    to: str  # as resolver.config.sink_address reads it
    what: tuple[str, ...] = ("queries", "audit")
    format: str = "ecs"  # or plain, splunk-hec
    verdicts: tuple[str, ...] = ()  # of queries that are sent; none: all. Likewise the next three
    groups: tuple[str, ...] = ()
    services: tuple[str, ...] = ()  # and vendors
    lists: tuple[str, ...] = ()
    authorization: str | None = None
    insecure: bool = False
    ca: str | None = None  # absolute paths of PEM files
    certificate: str | None = None
    private_key: str | None = None
    server_name: str | None = None
    gzip: bool = True
    batch_rows: int = 1_000
    rows_per_second: int = 20_000
    timeout_seconds: int = 15
    longest_wait_seconds: int = 600
    is_short: bool = False  # of audit.syslog


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Mail: the way to the server, who sends, and who is written to. `password` is the text, or ``file:PATH``."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    is_tls: bool = False  # from the connection on
    starttls: bool = True
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None  # absolute; None: the system's
    domains: tuple[str, ...] = ()  # whose people are written to
    most_per_hour: int = 30
    weekly: bool = True
    url: str | None = None  # of the web pages, for links


LONGEST_SESSION_SECONDS: Final = 12 * 3600
"""Of the web pages, however somebody signed in."""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Sign-in at an OpenID provider. `client_secret` is the text, or ``file:PATH``; roles go by values of a claim."""

    issuer: str
    client_id: str
    url: str  # of the web pages, as people reach them
    client_secret: str | None = None
    ca_file: str | None = None  # absolute; None: the system's
    session_seconds: int | None = None  # None: as long as the ID token is good
    audience: str | None = None  # of JWTs that the API takes
    name_claim: str = "name"
    roles_claim: str = "groups"
    roles: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Retention:
    """Days for which each kind of data is kept; None: what is not bounded by age."""

    query_log_days: int = 30
    statistics_minutes_days: int = 2
    statistics_hours_days: int = 92
    statistics_days: int = 1830
    lease_history_days: int = 90
    exemptions_days: int | None = None
    change_requests_days: int | None = None
    evidence_days: int = 800
    audit_days: int | None = None


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """All that the control process takes from the config, beside the policy and what it shares with the workers."""

    state_dir: str
    store_url: str | None = None  # None: SQLite in state_dir; "file:PATH" is read by whoever opens it
    admin_host: str | None = "127.0.0.1"  # None: no admin API
    admin_port: int = 8053
    login_links: bool = True  # sign in to the pages, once
    allowed_hosts: tuple[str, ...] = ()
    metrics: bool = True
    certificate: str | None = None
    private_key: str | None = None
    plans_at_once: int = 2
    most_local_names: int = 5_000  # that the API makes
    plan_seconds: int = 45
    statistics: bool = True
    most_identity_keys: int = 10_000
    query_log: bool = True
    max_mib: int = 512
    most_erasures: int = 100_000
    clients: str = "full"  # full, network, pseudonym or hidden
    identities: str = "pseudonym"  # full, pseudonym or hidden
    pseudonyms_found_by: str = "nobody"  # nobody or admin
    catalogue: str | None = None  # the folder of an older one that is kept; None: the bundled
    feed: FeedSettings | None = None
    fetch_max_mib: int = 64
    fetch_timeout_seconds: int = 120
    approval: str = "none"  # or four-eyes
    look_approval: str = "none"  # or four-eyes, which needs `approval`
    longest_exemption_seconds: int = 366 * 86400
    longest_pause_seconds: int = 86400
    longest_emergency_pause_seconds: int = 3600
    most_change_requests: int = 200
    change_request_seconds: int = 7 * 86400
    most_leases: int = 100_000
    longest_lease_seconds: int = 7 * 86400
    retention: Retention = Retention()
    legal_holds: tuple[str, ...] = ()  # identities of whom nothing may be erased
    log_sinks: tuple[LogSinkSettings, ...] = ()
    signing_key: str | None = None  # file:PATH; None: made in state_dir
    look_seconds: int = 3600
    webhooks: tuple[dict[str, Any], ...] = ()  # url, secret, events, allow_private
    mail: MailSettings | None = None
    oidc: OidcSettings | None = None
    block_page: BlockPageSettings = field(default_factory=BlockPageSettings)
    networks: ClientNetworks = field(default_factory=ClientNetworks)
    host_names: HostNamesSettings = field(default_factory=HostNamesSettings)
    unlisted: UnlistedSettings = field(default_factory=UnlistedSettings)

    @property
    def looks_need_two(self) -> bool:
        """True where another owner has to agree to each look at persons."""
        return self.approval == self.look_approval == "four-eyes"

    @property
    def admin_address(self) -> tuple[str, int] | None:
        """Address and port of the admin API; a reload cannot change them."""
        return None if self.admin_host is None else (self.admin_host, self.admin_port)
