"""The sections of the configuration that concern the control process: its API, store, statistics and query log."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from resolver.config import fields
from resolver.config.addresses import parse_endpoint
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.settings import Clients
from resolver.config.sink_address import read_syslog
from resolver.config.subscription import read_base_url, read_url
from resolver.config.wording import shown
from resolver.errors import RuleError

EVENTS = (
    "exemption.pending",
    "exemption.decided",
    "exemption.ending",
    "list.refused",
    "node.degraded",
    "node.recovered",
    "change.pending",
    "change.decided",
    "pause.begun",
    "upstream.failing",
    "upstream.recovered",
    "unlisted.new",
    "token.used",
)


def _read_event(text: str) -> str:
    if text in EVENTS:
        return text
    raise RuleError(f"{shown(text)} is not an event: use {', '.join(EVENTS)}")


def _read_key_file(text: str) -> str:
    written = text.strip()
    if not written.startswith("file:") or not written.removeprefix("file:").strip() or "\0" in written:
        raise RuleError("should be 'file:PATH': the key itself does not belong into the config")
    return written


Identities = Literal["full", "pseudonym", "hidden"]


class CertificateSection(Section):
    """A certificate and its key, as PEM files."""

    certificate: fields.File | None = None
    """PEM file with the certificate and its chain; read again at SIGHUP."""
    private_key: fields.File | None = None
    """PEM file with the certificate's private key."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            lacking = "certificate" if self.certificate is None else "private_key"
            fields.raise_mistakes([fields.mistake("is missing: TLS needs both files", None, lacking)])
        return self


class AdminSection(Section):
    """The admin API."""

    listen: fields.Endpoint | None = "127.0.0.1:8053"
    """Address with port of the admin API; null for none. Beyond loopback it needs `tls`."""
    allowed_hosts: fields.HostNames = ()
    """Names by which clients may call the API (the Host header), beside the address it listens on."""
    url: Annotated[str, fields.reading(read_base_url)] | None = None
    """The address at which people reach the web pages, as in 'https://dns.corp.example': links begin with it."""
    login_links: Switch = True
    """Let `moatdns login-link` make links that sign in to the web pages once, within ten minutes.
    Off with `login.oidc.issuer`."""
    metrics: Switch = True
    """Serve /metrics, without a token."""
    insecure: Switch = False
    """Allow the API to listen beyond loopback without TLS."""
    tls: CertificateSection = CertificateSection()
    plans_at_once: Annotated[int, Field(ge=1, le=16), NUMBER] = 2
    """Policies planned (policy:plan) at once; others get 503."""
    plan_seconds: Annotated[int, Field(ge=1, le=50), NUMBER] = 45
    """Time limit of one plan, including its replay, in seconds."""
    most_local_names: Annotated[int, Field(ge=1, le=20_000), NUMBER] = 5_000
    """Local names that may be made through the API; beyond is 409. Those of the config have a bound of their own."""

    @model_validator(mode="after")
    def _is_safe(self) -> AdminSection:
        if self.listen is None or self.insecure or self.tls.certificate is not None:
            return self
        host, _ = parse_endpoint(self.listen)
        if not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
            why = (
                f"{self.listen} can be reached from elsewhere, and tokens would be sent unencrypted: set admin.tls, "
                "listen on 127.0.0.1, or set admin.insecure: true (behind a proxy that does TLS)"
            )
            fields.raise_mistakes([fields.mistake(why, self.listen, "listen")])
        return self


class StoreSection(Section):
    """The store: where lists, groups, tokens, the audit trail and statistics are kept."""

    url: fields.StoreUrl | None = None
    """null: SQLite in state_dir. 'postgresql://USER:PASSWORD@HOST/DATABASE' for PostgreSQL; 'file:PATH' reads the URL
    from a file."""


class QueryLogSection(Section):
    """The query log: which queries are recorded, and how clients are recorded."""

    enabled: Switch = True
    """Keep a query log."""
    what: Annotated[Literal["hits", "all"], fields.one_of("hits", "all")] = "hits"
    """'hits': only queries that a rule matched; 'all': every query."""
    retention_days: Annotated[int, Field(ge=1, le=3660), NUMBER] | None = None
    """Older name of retention.query_log_days."""
    max_mib: Annotated[int, Field(ge=1, le=1 << 20), NUMBER] = 512
    """Disk limit of the log, in MiB; the oldest days are removed first."""
    most_erasures: Annotated[int, Field(ge=1_000, le=10_000_000), NUMBER] = 100_000
    """Erasures of clients that the journal keeps, for a restore to repeat; then the oldest are forgotten."""
    clients: Annotated[Clients, fields.one_of("full", "network", "pseudonym", "hidden")] = "full"
    """The part of a client's address in log and statistics: all, its network (/24, /48), a pseudonym, or nothing."""
    identities: Annotated[Identities, fields.one_of("full", "pseudonym", "hidden")] | None = None
    """Whose a client is, by its certificate or lease, in log and statistics: the identity, a pseudonym, or nothing.
    null: 'pseudonym', and 'hidden' where `clients` is 'network' or 'hidden'."""
    pseudonym_days: Annotated[int, Field(ge=1, le=366), NUMBER] = 7
    """Days of a period, after which everybody has another pseudonym; 7 is the week from Monday, UTC."""
    pseudonyms_found_by: Annotated[Literal["nobody", "admin"], fields.one_of("nobody", "admin")] = "nobody"
    """For whom a search of the log by an identity finds its pseudonyms, too: nobody, or the role admin."""

    @property
    def identities_recorded(self) -> Identities:
        """The value that `identities` comes to."""
        if self.identities is not None:
            return self.identities
        return "hidden" if self.clients in ("network", "hidden") else "pseudonym"


class StatisticsSection(Section):
    """Counts by service, list, name, group and client."""

    enabled: Switch = True
    """Count by service, list, name, group and client."""
    minutes_days: Annotated[int, Field(ge=1, le=31), NUMBER] | None = None
    """Older name of retention.statistics_minutes_days."""
    hours_days: Annotated[int, Field(ge=2, le=3660), NUMBER] | None = None
    """Older name of retention.statistics_hours_days."""
    days_days: Annotated[int, Field(ge=31, le=36600), NUMBER] | None = None
    """Older name of retention.statistics_days."""
    most_identity_keys: Annotated[int, Field(ge=100, le=1_000_000), NUMBER] = 10_000
    """People, and pairs of person and vendor, counted apart in one minute, hour or day; the others are 'other'."""


class WebhookSection(Section):
    """A receiver of events."""

    url: Annotated[str, fields.reading(read_url)]
    """The address, http or https, to which events are sent by POST."""
    secret: Annotated[str, Field(min_length=1, max_length=1000)]
    """The key that signs messages (HMAC-SHA256): the text, 'whsec_' with base64, or 'file:PATH'."""
    events: Annotated[tuple[str, ...], fields.read_each(_read_event)] = EVENTS
    """The events that it receives; default: all."""
    allow_private: Switch = False
    """Permit private and local addresses in the URL."""

    @field_validator("events")
    @classmethod
    def _are_some(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        return events or EVENTS


def each_url_once(hooks: tuple[WebhookSection, ...]) -> tuple[WebhookSection, ...]:
    """Refuse a webhook whose URL another has: each would be told of everything twice."""
    firsts: dict[str, int] = {}
    for index, hook in enumerate(hooks):
        if firsts.setdefault(hook.url, index) != index:
            why = f"is the URL of webhook [{firsts[hook.url]}] as well: keep one, with the events of both"
            fields.raise_mistakes([fields.mistake(why, None, index, "url")])
    return hooks


class AuditSection(Section):
    """Copies of the audit trail outside the store."""

    syslog: Annotated[str, fields.reading(read_syslog)] | None = None
    """A server that receives each row at once (RFC 5424): 'udp://HOST:514', 'tcp://HOST:601', 'tls://HOST:6514',
    'unix:/dev/log'. `log_sinks` can do more."""
    signing_key: Annotated[str, fields.reading(_read_key_file)] | None = None
    """'file:PATH' of the key that signs evidence and audit heads; null: one is made in state_dir (signing.key)."""
    evidence_days: Annotated[int, Field(ge=1, le=36600), NUMBER] | None = None
    """Older name of retention.evidence_days."""
    look_seconds: Annotated[int, Field(ge=60, le=86400), NUMBER] = 3600
    """How long a look at persons is noted once, in seconds: by the same caller, of the same persons, for one reason."""


class LeasesSection(Section):
    """Bounds of leases: addresses assigned to identities for a while."""

    most: Annotated[int, Field(ge=1, le=1_000_000), NUMBER] = 100_000
    """Maximum number of leased addresses."""
    longest_seconds: Annotated[int, Field(ge=1, le=366 * 86400), NUMBER] = 7 * 86400
    """Maximum duration of a lease without renewal, in seconds."""
    history_days: Annotated[int, Field(ge=1, le=3660), NUMBER] | None = None
    """Older name of retention.lease_history_days."""


def _read_held(text: str) -> str:
    if text.strip():
        return fields.read_one_line(text.strip())
    raise RuleError("is empty: name the person, as leases and certificates do")


class PeopleSection(Section):
    """Rules for what is kept of single persons."""

    legal_holds: Annotated[tuple[str, ...], fields.read_each(_read_held), Field(max_length=1000)] = ()
    """Identities of persons of whom nothing may be erased, as leases and certificates name them."""


class SubscriptionsSection(Section):
    """Bounds of downloads for lists with a url."""

    max_mib: Annotated[int, Field(ge=1, le=1024), NUMBER] = 64
    """Size limit of one download, in MiB; unpacked it may be four times as large."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600), NUMBER] = 120
    """Time limit of one download with its redirects, in seconds."""
