"""The configuration: every key, its default, its bounds and its unit. What keys say to each other is in `references`.

A model here holds values in their one normal form (networks in CIDR, rules as `resolver.rules` writes them), so that
`model_dump(mode="json")` of equal policies is equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from resolver.config import fields
from resolver.config.block_page_schema import BlockPageSection, clashes
from resolver.config.client_schema import CookiesSection, ListenSection, RateLimitsSection, ServerSection, TlsSection
from resolver.config.control_schema import (
    AdminSection,
    AuditSection,
    LeasesSection,
    QueryLogSection,
    StatisticsSection,
    StoreSection,
    SubscriptionsSection,
    WebhookSection,
    each_url_once,
)
from resolver.config.fields import NUMBER, Positive, PositiveFloat, Switch
from resolver.config.schedule import ScheduleSection
from resolver.config.section import Section
from resolver.config.settings import Limits, RateLimits
from resolver.config.subscription import SubscriptionFields

_LIMITS = Limits()
_RATES = RateLimits()
_DAY = 86400
_LONGEST_TTL = 7 * _DAY  # the cap that RFC 8767 section 4 recommends

ResponseMode = Literal["zero-ip", "nxdomain", "nodata", "refused", "address"]
GroupMode = Literal["enforce", "monitor"]
UpstreamStrategy = Literal["fastest", "ordered", "parallel", "random"]

DEFAULT_GROUP: Final = "default"
"""The group of every client that no other group claims."""

DEFAULT_BLOCK: Final = ("ai", "bypass", "lists")
"""What the default group blocks unless it says otherwise."""


class ClientsSection(Section):
    """Who is answered."""

    allow: fields.ClientSets = Field(
        default=("loopback", "private"),
        description=(
            "Networks whose queries are answered; all others get REFUSED. Named sets: 'loopback', and 'private' "
            "(RFC 1918, 100.64.0.0/10, fc00::/7 and link-local)."
        ),
    )
    trusted_proxies: fields.ClientSets = Field(
        default=(),
        description=(
            "Networks of forwarders and load balancers that ask for others, and are believed when they say for whom: "
            "by a PROXY header (version 2) or an EDNS client subnet of full length. List only those that put it there "
            "themselves. Sets as in `allow`."
        ),
    )
    queries_per_second: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = Field(
        default=_RATES.queries_per_second,
        description=(
            "Queries that a client address may ask a worker in a second, over all transports; 0 is no limit. What "
            "happens beyond it, `rate_limits` says."
        ),
    )


class UpstreamSection(Section):
    """Who answers what is neither blocked nor cached."""

    servers: fields.Servers = Field(
        default=("system",),
        description=(
            "Servers that queries are forwarded to: 'udp://IP[:PORT]' (TCP after a truncated answer), "
            "'tcp://IP[:PORT]', 'tls://IP[:PORT]#NAME' or 'tls://NAME' (DoT), 'https://NAME/dns-query' (DoH), or "
            "'system' for the nameservers of /etc/resolv.conf. The ports are 53, 853 and 443 unless given."
        ),
    )
    strategy: Annotated[UpstreamStrategy, fields.one_of("fastest", "ordered", "parallel", "random")] = Field(
        default="fastest",
        description=(
            "Who is asked first: the one that answers soonest, the first of the list, the two soonest at once, or any."
        ),
    )
    bootstrap: fields.BootstrapServers = Field(
        default=(),
        description=(
            "Servers, by address, that are asked for the addresses of `servers` with names. Left out: those of "
            "`servers` that are plain and have an address, else the system's."
        ),
    )
    ca_file: fields.File | None = Field(
        default=None,
        description=(
            "PEM file with the CAs that the certificates of 'tls://' and 'https://' servers must come from; left out: "
            "the system's. A relative path begins at the config file's folder."
        ),
    )
    cookies: Switch = Field(
        default=True, description="Send DNS cookies (RFC 7873) over UDP, and take no answer without where there were."
    )
    random_case: Switch = Field(
        default=False,
        description="Ask over UDP for names in random upper and lower case, and take no answer that has another.",
    )
    timeout_seconds: Annotated[float, Field(ge=0.1, le=10, allow_inf_nan=False), NUMBER] = Field(
        default=2.0, description="How long one server may take to answer, in seconds."
    )
    rebinding_guard: Switch = Field(
        default=True,
        description=(
            "Leave private addresses out of answers from upstreams, so that no web page can have browsers ask the "
            "inner network for it. Names below `zones` and `private_names` may have them."
        ),
    )
    private_names: Annotated[fields.Texts, fields.read_each(fields.read_domain)] = Field(
        default=(), description="Names that may lead to private addresses, with all below: ['corp.example']."
    )
    zones: fields.Zones = Field(
        default={},
        description=(
            "Zones with upstreams of their own, by name or, for reverse zones, by network: {'corp.example': "
            "['10.0.0.53'], '10.0.0.0/8': ['10.0.0.53']}. The most specific zone counts; its names are never asked of "
            "others, and never answered here as private ones are."
        ),
    )


class CacheSection(Section):
    """The response cache, shared out evenly among the workers."""

    max_mib: Annotated[int, Field(ge=1, le=1 << 20), NUMBER] = Field(
        default=64, description="Most memory for cached answers of all workers together, in MiB."
    )
    min_ttl_seconds: Annotated[int, Field(ge=0, le=_DAY), NUMBER] = Field(
        default=0, description="Answers are kept at least this long, in seconds, even if their TTL is shorter."
    )
    max_ttl_seconds: Annotated[int, Field(ge=0, le=_LONGEST_TTL), NUMBER] = Field(
        default=_DAY, description="Answers are kept at most this long, in seconds, even if their TTL is longer."
    )
    max_negative_ttl_seconds: Annotated[int, Field(ge=0, le=_DAY), NUMBER] = Field(
        default=3600, description="NXDOMAIN and NODATA are kept at most this long, in seconds."
    )
    stale_seconds: Annotated[int, Field(ge=0, le=_LONGEST_TTL), NUMBER] = Field(
        default=_DAY,
        description="How long past its TTL an answer may be given while upstreams fail, in seconds (RFC 8767).",
    )
    prefetch: Switch = Field(
        default=True, description="Ask again for popular names shortly before their answers expire."
    )
    nxdomain_cut: Switch = Field(
        default=True,
        description="What is not there has nothing below it, and no other types (RFC 8020): do not ask for them.",
    )

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

    answer_table_entries: Positive = Field(
        default=_LIMITS.answer_table_entries,
        description="Finished answers that a worker keeps ready for repeated queries.",
    )
    clients: Positive = Field(default=_LIMITS.clients, description="Client addresses whose policy a worker remembers.")
    views: Positive = Field(
        default=_LIMITS.views,
        description="Views (groups, exemptions, their ends) whose answers a worker keeps ready.",
    )
    response_rates: Positive = Field(
        default=_LIMITS.response_rates,
        description="Kinds of responses, by client network, whose rate a worker knows (rate_limits).",
    )
    queries_in_flight: Positive = Field(
        default=_LIMITS.queries_in_flight, description="Queries of a worker that wait for an upstream at once."
    )
    queries_in_flight_per_upstream: Positive = Field(
        default=_LIMITS.queries_in_flight_per_upstream,
        description="Queries that wait for one upstream server at once, in a worker; beyond, the next one is asked.",
    )
    queries_in_flight_per_domain: Positive = Field(
        default=_LIMITS.queries_in_flight_per_domain,
        description="Queries for names of one registered domain that wait for an upstream at once, in a worker.",
    )
    late_answer_seconds: PositiveFloat = Field(
        default=_LIMITS.late_answer_seconds,
        description="After this wait for an upstream, in seconds, a worker truncates a large answer over UDP.",
    )
    queries_put_off: Positive = Field(
        default=_LIMITS.queries_put_off,
        description="Queries over UDP that wait for their turn at one port of a worker that is busy.",
    )
    tcp_connections: Positive = Field(
        default=_LIMITS.tcp_connections, description="TCP connections that a worker holds open."
    )
    queries_in_flight_per_client: Positive = Field(
        default=_LIMITS.queries_in_flight_per_client,
        description="Queries of one client address that wait for an upstream at once, in a worker.",
    )
    tcp_connections_per_client: Positive = Field(
        default=_LIMITS.tcp_connections_per_client,
        description="TCP connections of one client address that a worker holds open.",
    )
    tcp_queries_per_connection: Positive = Field(
        default=_LIMITS.tcp_queries_per_connection,
        description="Queries in flight at once on one TCP connection of a worker.",
    )
    tcp_idle_seconds: PositiveFloat = Field(
        default=_LIMITS.tcp_idle_seconds, description="A worker ends a TCP connection after this silence, in seconds."
    )
    tcp_lifetime_seconds: PositiveFloat = Field(
        default=_LIMITS.tcp_lifetime_seconds,
        description="After this time, in seconds, a worker closes a TCP connection once its queries are answered.",
    )
    tcp_write_seconds: PositiveFloat = Field(
        default=_LIMITS.tcp_write_seconds,
        description="How long a client may take to read what a worker has sent to it, in seconds.",
    )
    tls_handshakes: Positive = Field(
        default=_LIMITS.tls_handshakes, description="TLS handshakes that a worker is in the middle of at once."
    )
    tls_handshake_seconds: PositiveFloat = Field(
        default=_LIMITS.tls_handshake_seconds,
        description="How long a worker waits for the end of a TLS handshake, or of a proxy's header, in seconds.",
    )
    http_streams_per_connection: Positive = Field(
        default=_LIMITS.http_streams_per_connection,
        description="Requests in flight at once on one HTTP/2 connection of a worker.",
    )
    http_resets_per_connection: Positive = Field(
        default=_LIMITS.http_resets_per_connection,
        description=(
            "Requests that an HTTP/2 client may take back on one connection of a worker; each that is answered lets it "
            "take back one more, up to so many again."
        ),
    )
    tcp_write_buffer_bytes: Positive = Field(
        default=_LIMITS.tcp_write_buffer_bytes,
        description="Unread answers, in bytes, that a client may let pile up before a worker ends its TCP connection.",
    )


class Response(Section):
    """How a blocked query is answered. Complete in itself: a group's takes nothing from the policy's."""

    mode: Annotated[ResponseMode, fields.one_of("zero-ip", "nxdomain", "nodata", "refused", "address")] = Field(
        default="zero-ip",
        description="'zero-ip': 0.0.0.0 and '::'; 'address': `ipv4` and `ipv6`, for example those of a block page.",
    )
    ttl_seconds: Annotated[int, Field(ge=0, le=_DAY), NUMBER] = Field(
        default=10,
        description="TTL of the answer, in seconds: how late a change is noticed by a client that has asked before.",
    )
    ipv4: fields.Ipv4 | None = Field(default=None, description="The IPv4 address that mode 'address' answers with.")
    ipv6: fields.Ipv6 | None = Field(default=None, description="The IPv6 address that mode 'address' answers with.")

    @model_validator(mode="after")
    def _address_has_one(self) -> Response:
        if self.mode == "address" and self.ipv4 is None and self.ipv6 is None:
            why = "is 'address', but no address is given: add ipv4, ipv6 or both beside it"
            fields.raise_mistakes([fields.mistake(why, self.mode, "mode")])
        return self


class OwnList(SubscriptionFields):
    """A list of rules: one that the company keeps itself, or one that is fetched (`url`)."""

    name: fields.Name = Field(description="What groups call the list by: lower-case letters, digits and '-'.")
    block: fields.BlockRules = Field(
        default=(),
        description="Rules: 'example.com' (the name and all below), '=example.com', '*.example.com' (only below).",
    )
    allow: fields.AllowRules = Field(
        default=(), description="Rules for names to allow; at the same name, allow beats block."
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> OwnList:
        if self.url is not None and (self.block or self.allow):
            side = "block" if self.block else "allow"
            why = "is beside a url: a list is fetched, or has rules of its own; make two lists"
            fields.raise_mistakes([fields.mistake(why, None, side)])
        return self


class Group(Section):
    """Networks with one policy. Without networks and client names, only leases and exemptions reach it."""

    name: fields.Name = Field(description="The group's name: lower-case letters, digits and '-'.")
    description: str = Field(default="", max_length=1000, description="A note for people.")
    networks: fields.Networks = Field(
        default=(), description="Networks in CIDR form, each in one group only; the most specific one decides."
    )
    client_names: fields.ClientNames = Field(
        default=(),
        description=(
            "Names that its clients call themselves by over DoT (NAME.server_name) or DoH (/dns-query/NAME), each in "
            "one group only. They go before networks, and prove nothing: whoever learns one may use it."
        ),
    )
    exempt: Switch = Field(
        default=False, description="Let its queries through, and count what would have been blocked."
    )
    mode: Annotated[GroupMode, fields.one_of("enforce", "monitor")] = Field(
        default="enforce", description="'monitor' answers normally and counts what would have been blocked."
    )
    block: fields.References | None = Field(
        default=None,
        description=(
            "What is blocked: 'ai', 'gateways', 'bypass', 'lists', a vendor, a 'vendor/service' or a list. "
            "Left out: what the group 'default' blocks."
        ),
    )
    allow: fields.References = Field(default=(), description="What is allowed even if blocked; names as in `block`.")
    schedule: ScheduleSection | None = Field(
        default=None, description="When the policy is enforced; outside these windows the group is only watched."
    )
    response: Response | None = Field(
        default=None, description="How blocked queries are answered; left out: the policy's."
    )
    _is_built_in: bool = PrivateAttr(False)
    _follows_default: bool = PrivateAttr(False)

    @property
    def is_built_in(self) -> bool:
        """Whether it is the default group that no file gave."""
        return self._is_built_in

    @property
    def follows_default(self) -> bool:
        """Whether `block` was left out, and is the default group's."""
        return self._follows_default


def _complete(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Add the built-in default group where none is given, and fill in every `block` that was left out."""
    default = next((group for group in groups if group.name == DEFAULT_GROUP), None)
    if default is None:
        default = Group(name=DEFAULT_GROUP)
        default._is_built_in = True
        groups = (default, *groups)
    block = DEFAULT_BLOCK if default.block is None else default.block

    def completed(group: Group) -> Group:
        if group.block is not None:
            return group
        copy = group.model_copy(update={"block": block})
        copy._follows_default = True
        return copy

    return tuple(completed(group) for group in groups)


class Policy(Section):
    """What is blocked, for whom, and how."""

    own_vendors: fields.References = Field(
        default=(),
        description="Vendors whose services are the company's own: bundled and subscribed rules for them are left out.",
    )
    response: Response = Field(default=Response(), description="How blocked queries are answered.")
    catalogue: Annotated[Literal["auto", "review"], fields.one_of("auto", "review")] = Field(
        default="auto",
        description="A new version's catalogue: 'auto' takes it, 'review' waits for 'moatdns catalogue accept'.",
    )
    approval: Annotated[Literal["none", "four-eyes"], fields.one_of("none", "four-eyes")] = Field(
        default="none",
        description=(
            "'four-eyes': an exemption waits until a token of another owner than the requesting one's approves it."
        ),
    )
    longest_exemption_seconds: Annotated[int, Field(ge=1, le=10 * 366 * _DAY), NUMBER] = Field(
        default=366 * _DAY, description="The longest that an exemption may last, in seconds."
    )
    longest_pause_seconds: Annotated[int, Field(ge=1, le=366 * _DAY), NUMBER] = Field(
        default=_DAY, description="The longest that a pause may last, in seconds."
    )
    lists: tuple[OwnList, ...] = Field(default=(), description="Lists: the company's own, and those that are fetched.")
    groups: Annotated[tuple[Group, ...], AfterValidator(_complete)] = Field(
        default=(),
        validate_default=True,
        description="Groups of networks. 'default' holds every client that no other group claims.",
        json_schema_extra={"default": [{"name": DEFAULT_GROUP, "block": list(DEFAULT_BLOCK)}]},
    )


class Config(Section):
    """The configuration of moatdns. Every key has a default."""

    listen: ListenSection = ListenSection()
    tls: TlsSection = TlsSection()
    workers: fields.Workers = Field(default="auto", description="Worker processes: 'auto' is one a core.")
    state_dir: fields.Folder = Field(
        default=Path("state"),
        description="Folder for what must outlive a restart; a relative path begins at the config file's folder.",
        json_schema_extra={"default": "./state"},
    )
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="The user of this machine to become once the ports are open, where moatdns is started as root.",
    )
    server: ServerSection = ServerSection()
    clients: ClientsSection = ClientsSection()
    rate_limits: RateLimitsSection = RateLimitsSection()
    cookies: CookiesSection = CookiesSection()
    upstream: UpstreamSection = UpstreamSection()
    cache: CacheSection = CacheSection()
    limits: LimitsSection = LimitsSection()
    admin: AdminSection = AdminSection()
    store: StoreSection = StoreSection()
    statistics: StatisticsSection = StatisticsSection()
    query_log: QueryLogSection = QueryLogSection()
    subscriptions: SubscriptionsSection = SubscriptionsSection()
    leases: LeasesSection = LeasesSection()
    audit: AuditSection = AuditSection()
    webhooks: Annotated[tuple[WebhookSection, ...], Field(max_length=20), AfterValidator(each_url_once)] = Field(
        default=(), description="Who is told of events; see docs/webhooks.md."
    )
    block_page: BlockPageSection = BlockPageSection()
    policy: Policy = Policy()
    _source: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _encrypted_has_certificate(self) -> Config:
        served = next((key for key in ("dot", "doh") if getattr(self.listen, key)), None)
        if served is not None and self.tls.certificate is None:
            why = "is set, but there is no certificate: set tls.certificate and tls.private_key"
            fields.raise_mistakes([fields.mistake(why, None, "listen", served)])
        return self

    @model_validator(mode="after")
    def _block_page_has_its_own(self) -> Config:
        others = [(f"listen.{key}", text) for key in ("do53", "dot", "doh") for text in getattr(self.listen, key)]
        if self.admin.listen is not None:
            others.append(("admin.listen", self.admin.listen))
        found = clashes(self.block_page.listen, others)
        fields.raise_mistakes([fields.mistake(why, None, "block_page", "listen", index) for index, why in found])
        return self

    @property
    def source(self) -> Path | None:
        """The file it was read from, as it was given; None for the built-in defaults."""
        return self._source

    def placed(self, source: Path | None) -> Config:
        """The same configuration as read from `source`: `state_dir` becomes absolute."""
        folder = (source.parent if source else Path()).absolute()
        placed = self.model_copy(update={"state_dir": folder / self.state_dir})
        placed._source = source
        return placed
