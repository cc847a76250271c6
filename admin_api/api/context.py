"""The context of the admin API's handlers: the parts of the control process that they work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from admin_api.api.settings import Serves
from admin_api.audit.head import HeadKeeper
from admin_api.backup.watch import RestoredWatch
from admin_api.channel import SupervisorChannel
from admin_api.compiling.keeper import Keeper
from admin_api.editing.erasures import ClientErasures
from admin_api.editing.exemption_checks import Terms
from admin_api.editing.people import PersonErasures
from admin_api.evidence.desk import EvidenceDesk
from admin_api.firewall.kept_lists import KeptLists
from admin_api.forecast.kept_counts import KeptCounts
from admin_api.host_names.keeper import HostNames
from admin_api.outbox.delivery import Deliveries
from admin_api.outbox.receivers import Outbox
from admin_api.policy_file.plans import Plans
from admin_api.privacy_in_force import PrivacyInForce
from admin_api.query_log.reader import QueryLogReader
from admin_api.query_log.unreadable import UnreadableBlocks
from admin_api.sinks.sinks import LogSinks
from admin_api.statistics.service import StatisticsService
from admin_api.store.access import StoreAccess
from admin_api.store.store import Store
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subscriptions.feed.keeper import FeedKeeper
from admin_api.subscriptions.service import Subscriptions
from blocklists.catalogue import Catalogue
from blocklists.feed.place import CurrentCatalogue
from blocklists.sources import known_references
from resolver.answering.explaining import Access
from resolver.config.references import KnownReferences
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import Log

if TYPE_CHECKING:
    from admin_api.sign_in.issuer import Issuer


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a handler may use."""

    settings: ControlSettings
    serves: Serves
    log_lacks: Sequence[str]  # what the query log cannot show, in finished sentences
    access: Access
    log: Log
    store_access: StoreAccess
    policy: Keeper
    subjects: SubjectKeeper
    outbox: Outbox
    deliveries: Deliveries
    sinks: LogSinks
    audit_heads: HeadKeeper
    restored: RestoredWatch
    evidence: EvidenceDesk
    erasures: ClientErasures
    persons: PersonErasures
    plans: Plans
    subscriptions: Subscriptions
    statistics: StatisticsService
    query_log: QueryLogReader
    unreadable_blocks: UnreadableBlocks
    node: SupervisorChannel
    privacy: PrivacyInForce
    current: CurrentCatalogue
    feed: FeedKeeper
    host_names: HostNames
    state_dir: Path
    began: float  # when the service started, Unix time
    config_problems: Callable[[], Sequence[str]]  # why the config's policy is not in force; none when it is
    issuer: Issuer | None = None  # of login.oidc
    firewall_lists: KeptLists = field(default_factory=KeptLists)
    forecast_counts: KeptCounts = field(default_factory=KeptCounts)
    upstream_troubles: Callable[[], Sequence[str]] = tuple  # which upstreams do not answer, in finished phrases

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue in force."""
        return self.current.catalogue

    @property
    def terms(self) -> Terms:
        """Terms on which exemptions are granted."""
        return Terms.of(self.settings)

    @property
    def known(self) -> KnownReferences:
        """Names that policies may refer to beside lists."""
        return known_references(self.catalogue)

    @property
    def store(self) -> Store:
        """The open store. Raises StoreAway (admin_api.store.errors) while it cannot be reached."""
        return self.store_access.store
