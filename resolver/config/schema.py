"""The configuration: every section of the file. Their keys, defaults, bounds and units are in the modules `*_schema`;
what keys say to each other is in `references`.

A model here holds values in their one normal form (networks in CIDR, rules as `policy.rule_syntax` writes them), so
that `model_dump(mode="json")` of equal policies is equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from resolver.config import fields
from resolver.config.block_page_schema import BlockPageSection, clashes
from resolver.config.client_schema import (
    ClientsSection,
    CookiesSection,
    ListenSection,
    RateLimitsSection,
    ServerSection,
    TlsSection,
)
from resolver.config.control_schema import (
    AdminSection,
    AuditSection,
    LeasesSection,
    PeopleSection,
    QueryLogSection,
    StatisticsSection,
    StoreSection,
    SubscriptionsSection,
    WebhookSection,
    each_url_once,
)
from resolver.config.forwarding_schema import CacheSection, LimitsSection, UpstreamSection
from resolver.config.local_files import LocalNamesRead
from resolver.config.local_schema import LocalNamesGiven
from resolver.config.log_sink_schema import LogSinkSection, sinks_that_clash
from resolver.config.login_schema import LoginSection
from resolver.config.mail_schema import MailSection
from resolver.config.policy_schema import Policy
from resolver.config.retention_schema import OLDER_NAMES, RetentionSection, contradictions, retention_of
from resolver.config.section import Section
from resolver.config.unlisted_schema import UnlistedSection


class Config(Section):
    """The configuration of moatdns. Every key has a default."""

    listen: ListenSection = ListenSection()
    tls: TlsSection = TlsSection()
    workers: fields.Workers = "auto"
    """Worker processes: 'auto' is one a core."""
    state_dir: fields.Folder = Field(default=Path("state"), json_schema_extra={"default": "./state"})
    """Folder for what must outlive a restart; a relative path begins at the config file's folder."""
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The user of this machine to become once the ports are open, where moatdns is started as root."""
    server: ServerSection = ServerSection()
    clients: ClientsSection = ClientsSection()
    rate_limits: RateLimitsSection = RateLimitsSection()
    cookies: CookiesSection = CookiesSection()
    upstream: UpstreamSection = UpstreamSection()
    local: LocalNamesGiven = Field(default={})
    """Names that are answered here, with their addresses, or with one other name each that they stand for:
    {'printer.office.example': ['192.0.2.7']}; '*.lab.office.example' is what is below lab.office.example. See
    docs/local-names.md."""
    local_files: Annotated[tuple[fields.File, ...], Field(max_length=20)] = ()
    """Hosts files ('ADDRESS NAME [ALIAS…]' a line) with more such names; a relative path begins at the config file's
    folder. They are read when the config is."""
    local_ttl_seconds: Annotated[int, Field(ge=0, le=86400), fields.NUMBER] = 300
    """TTL of local names, in seconds."""
    cache: CacheSection = CacheSection()
    limits: LimitsSection = LimitsSection()
    admin: AdminSection = AdminSection()
    store: StoreSection = StoreSection()
    statistics: StatisticsSection = StatisticsSection()
    query_log: QueryLogSection = QueryLogSection()
    subscriptions: SubscriptionsSection = SubscriptionsSection()
    retention: RetentionSection = RetentionSection()
    leases: LeasesSection = LeasesSection()
    people: PeopleSection = PeopleSection()
    audit: AuditSection = AuditSection()
    webhooks: Annotated[tuple[WebhookSection, ...], Field(max_length=20), AfterValidator(each_url_once)] = ()
    """Receivers of events; see docs/webhooks.md."""
    log_sinks: Annotated[tuple[LogSinkSection, ...], Field(max_length=10)] = ()
    """Receivers of the query log and of the audit trail; see docs/log-sinks.md."""
    mail: MailSection = MailSection()
    login: LoginSection = LoginSection()
    block_page: BlockPageSection = BlockPageSection()
    unlisted: UnlistedSection = UnlistedSection()
    policy: Policy = Policy()
    _source: Path | None = PrivateAttr(None)
    _local_names: LocalNamesRead = PrivateAttr(LocalNamesRead())

    @model_validator(mode="after")
    def _encrypted_has_certificate(self) -> Config:
        served = next((key for key in ("dot", "doh") if getattr(self.listen, key)), None)
        if served is not None and self.tls.certificate is None:
            why = "is set, but there is no certificate: set tls.certificate and tls.private_key"
            fields.raise_mistakes([fields.mistake(why, None, "listen", served)])
        return self

    @model_validator(mode="after")
    def _sign_in_has_a_way_back(self) -> Config:
        if self.login.oidc.issuer is not None and self.admin.listen is not None and self.admin.url is None:
            why = "is missing: the provider of login.oidc sends people back to it, as in 'https://dns.corp.example'"
            fields.raise_mistakes([fields.mistake(why, None, "admin", "url")])
        return self

    @model_validator(mode="after")
    def _block_page_has_its_own(self) -> Config:
        others = [(f"listen.{key}", text) for key in ("do53", "dot", "doh") for text in getattr(self.listen, key)]
        if self.admin.listen is not None:
            others.append(("admin.listen", self.admin.listen))
        found = clashes(self.block_page.listen, others)
        fields.raise_mistakes([fields.mistake(why, None, "block_page", "listen", index) for index, why in found])
        return self

    @model_validator(mode="after")
    def _unlisted_has_clients(self) -> Config:
        if self.unlisted.enabled and self.unlisted.clients > 1 and self.query_log.clients == "hidden":
            why = (
                "names are shown from so many clients on, and query_log.clients: hidden says that none is counted: "
                "set 1, which shows every name, or query_log.clients: network"
            )
            fields.raise_mistakes([fields.mistake(why, self.unlisted.clients, "unlisted", "clients")])
        return self

    @model_validator(mode="after")
    def _sinks_have_what_they_send(self) -> Config:
        found = sinks_that_clash(self.log_sinks, self.audit.syslog, is_logged=self.query_log.enabled)
        fields.raise_mistakes([fields.mistake(why, None, "log_sinks", *path) for path, why in found])
        return self

    @model_validator(mode="after")
    def _retention_is_said_once(self) -> Config:
        found = contradictions(self.retention, self._older_retention)
        fields.raise_mistakes([fields.mistake(why, days, section, key) for section, key, days, why in found])
        return self

    @property
    def _older_retention(self) -> dict[tuple[str, str], int | None]:
        return {(section, key): getattr(getattr(self, section), key) for section, key, _ in OLDER_NAMES}

    @property
    def kept(self) -> RetentionSection:
        """The days for which each kind of data is kept, by whatever name the file has them."""
        return retention_of(self.retention, self._older_retention)

    @property
    def source(self) -> Path | None:
        """The file it was read from, as it was given; None for the built-in defaults."""
        return self._source

    @property
    def folder(self) -> Path:
        """The folder at which its relative paths begin."""
        return (self._source.parent if self._source else Path()).absolute()

    @property
    def local_names(self) -> LocalNamesRead:
        """All local names, those of hosts files among them."""
        return self._local_names

    def with_local_names(self, names: LocalNamesRead) -> Config:
        """The same configuration with the local names that were read for it."""
        found = self.model_copy()
        found._local_names = names
        return found

    def placed(self, source: Path | None) -> Config:
        """The same configuration as read from `source`: `state_dir` becomes absolute."""
        placed = self.model_copy()
        placed._source = source
        return placed.model_copy(update={"state_dir": placed.folder / self.state_dir})
