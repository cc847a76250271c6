"""Settings of the admin API, and the context of its handlers: the parts of the control process that they work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from admin_api.audit.head import HeadKeeper
from admin_api.channel import SupervisorChannel
from admin_api.compiling.keeper import Keeper
from admin_api.editing.exemption_checks import Terms
from admin_api.editing.leases import LeaseTerms
from admin_api.policy_file.plans import Plans
from admin_api.query_log.reader import QueryLogReader
from admin_api.statistics.service import StatisticsService
from admin_api.store.access import StoreAccess
from admin_api.store.store import Store
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subscriptions.service import Subscriptions
from admin_api.webhooks.delivery import Deliveries
from admin_api.webhooks.hooks import Outbox
from blocklists.catalogue import Catalogue
from blocklists.sources import known_references
from resolver.answering.explaining import Access
from resolver.config.references import KnownReferences
from resolver.telemetry.log import Log

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Serves:
    """Where DNS is served, as the config says, and what clients are told of it."""

    do53: tuple[Address, ...] = ()
    dot: tuple[Address, ...] = ()
    doh: tuple[Address, ...] = ()
    server_name: str | None = None  # in the certificate of DoT and DoH
    identity: str | None = None
    trusted_proxies: tuple[str, ...] = ()  # networks whose PROXY headers are believed, CIDR


@dataclass(frozen=True, slots=True)
class ChangeTerms:
    """The config's bounds on changes that wait for another owner."""

    most: int = 200
    wait_seconds: int = 7 * 86400


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """The `admin` section of the config."""

    host: str  # an IP address that is listened on
    port: int
    allowed_hosts: tuple[str, ...]  # accepted in Host beside the address itself and "localhost"
    metrics: bool
    certificate: Path | None
    private_key: Path | None
    exemptions: Terms = field(default_factory=lambda: Terms(four_eyes=False, longest_seconds=366 * 86400))
    leases: LeaseTerms = field(default_factory=lambda: LeaseTerms(most=100_000, longest_seconds=7 * 86400))
    longest_pause_seconds: int = 86400
    longest_emergency_pause_seconds: int = 3600  # that one owner alone makes under four eyes
    changes: ChangeTerms = field(default_factory=ChangeTerms)
    log_lacks: tuple[str, ...] = ()  # what the query log cannot show, in finished sentences
    serves: Serves = field(default_factory=Serves)
    ipv6_prefix: int = 64  # bits of an address that wrong tokens are counted by


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a handler may use."""

    settings: AdminSettings
    access: Access
    log: Log
    store_access: StoreAccess
    policy: Keeper
    subjects: SubjectKeeper
    outbox: Outbox
    deliveries: Deliveries
    audit_heads: HeadKeeper
    plans: Plans
    subscriptions: Subscriptions
    statistics: StatisticsService
    query_log: QueryLogReader
    node: SupervisorChannel
    catalogue: Catalogue
    state_dir: Path
    began: float  # when the service started, Unix time
    config_problems: Callable[[], Sequence[str]]  # why the config's policy is not in force; none when it is
    upstream_troubles: Callable[[], Sequence[str]] = tuple  # which upstreams do not answer, in finished phrases

    @property
    def known(self) -> KnownReferences:
        """Names that policies may refer to beside lists."""
        return known_references(self.catalogue)

    @property
    def store(self) -> Store:
        """The open store. Raises StoreAway (admin_api.store.errors) while it cannot be reached."""
        return self.store_access.store
