"""Interfaces of the control process's parts, as the handlers of the admin API see them, and the context of them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from admin_api.editing.exemption_checks import Terms
from admin_api.editing.leases import LeaseTerms
from admin_api.messages import NodeStatus
from admin_api.policy_file.planning import PolicyPlan
from admin_api.policy_file.trying import InForce, Told, Try
from admin_api.query_log.reader import LogPage
from admin_api.statistics.figures import KeyHits, KeyStepHits, StepHits
from admin_api.store.access import StoreAccess
from admin_api.store.store import Store
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.webhooks.delivery import Deliveries
from admin_api.webhooks.hooks import Outbox
from blocklists.catalogue import Catalogue
from resolver.answering.explaining import Access
from resolver.policy.snapshot import PolicySnapshot
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


class PolicyKeeper(Protocol):
    """The policy in force, and the way of a change into it."""

    @property
    def snapshot(self) -> PolicySnapshot | None:
        """The compiled policy that the workers answer by; None before the first."""

    @property
    def snapshot_revision(self) -> int:
        """The number of the compiled snapshot."""

    @property
    def manifest_path(self) -> Path | None:
        """Of the compiled snapshot; None before the first."""

    @property
    def revision(self) -> int:
        """The store's policy revision that is in force in every worker; 0 before the first."""

    @property
    def whole_revision(self) -> int:
        """Like `revision`, but lists that were fetched anew are in force as well: they take their time."""

    @property
    def in_force_since(self) -> datetime | None:
        """When that revision came in force."""

    @property
    def trouble(self) -> str | None:
        """Why the newest revision is not in force; None when all is well."""

    def changed(self) -> None:
        """The store has a new revision: bring it in force soon."""

    async def wait_until_in_force(self, revision: int) -> bool:
        """Wait until every worker serves that revision or a later one; False when it takes unreasonably long."""


class AuditHeads(Protocol):
    """The heads of the audit trail that were noted outside the store."""

    @property
    def trouble(self) -> str | None:
        """That rows are gone, and what to do; None while none are."""

    @property
    def lost(self) -> Sequence[tuple[int, str]]:
        """Rows and macs of heads that are gone, and that nobody has acknowledged."""

    @property
    def heads(self) -> int:
        """How many are noted."""

    async def note(self) -> None:
        """Look whether they are there, and note the head as it is. Raises StoreAway."""


class PolicyPlans(Protocol):
    """Where policies are planned, so many at once."""

    async def tell(
        self, store: Store, catalogue: Catalogue, wanted: Try, in_force: InForce | None, manifest: Path | None
    ) -> Told:
        """Plan it, try it on a copy, and tell. Raises as applying does, and BadRequest (503)."""

    async def make(self, store: Store, sent: Mapping[str, Any]) -> PolicyPlan | None:
        """The plan of a large policy, to be applied; None for a small one, which is planned in its transaction."""


class ListSubscriptions(Protocol):
    """The lists that are fetched."""

    def request(self, list_id: int, revision: int) -> None:
        """Fetch a list now; the revision is what its answer promised."""

    def progress(self, list_id: int) -> Mapping[str, Any]:
        """state (idle, waiting, fetching, reading, compiling), received_bytes, total_bytes, started_at, next_at."""

    def in_force(self) -> int:
        """The revision that is in force with all that was promised."""


class Statistics(Protocol):
    """Counts, exact to the moment of the call. Windows are [start, end), UTC."""

    async def summary(self, start: datetime, end: datetime) -> dict[str, int | None]:
        """queries, blocked, cached, forwarded, failed, refused, monitored, exempted, clients (None: not recorded)."""

    async def top(self, by: str, start: datetime, end: datetime, limit: int) -> list[KeyHits]:
        """The keys with most hits; `by` is service, vendor, list, domain, group or client."""

    async def series(self, step_seconds: int, start: datetime, end: datetime) -> list[StepHits]:
        """Counts of each step, of empty ones too."""

    async def breakdown(
        self, dimension: str, start: datetime, end: datetime, step_seconds: int | None
    ) -> list[KeyStepHits]:
        """Hits by step (None: the window is one) and key; only those that have some."""

    def dropped(self) -> dict[str, int]:
        """Counts of what was dropped because something was full or wrong, by kind, as of the last fold."""

    async def metrics(self) -> bytes:
        """All metrics in the Prometheus text format."""


class QueryLog(Protocol):
    """The query log."""

    async def page(
        self,
        filters: Mapping[str, str],
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int,
        cursor: str | None,
        after: str | None = None,
    ) -> LogPage:
        """`filters` by client, name (and all below it), contains, group, service, verdict.

        With `after` (`newest` of an earlier page), only what was written since. A page and all that follow it by
        `next` have each such row once. Raises BadCursor, BadAfter.
        """


class Node(Protocol):
    """The other processes, as the supervisor tells."""

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Forget cached answers; gives how many there were."""

    async def status(self) -> NodeStatus:
        """Return the workers' state."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a handler may use."""

    settings: AdminSettings
    access: Access
    log: Log
    store_access: StoreAccess
    policy: PolicyKeeper
    subjects: SubjectKeeper
    outbox: Outbox
    deliveries: Deliveries
    audit_heads: AuditHeads
    plans: PolicyPlans
    subscriptions: ListSubscriptions
    statistics: Statistics
    query_log: QueryLog
    node: Node
    catalogue: Catalogue
    state_dir: Path
    began: float  # when the service started, Unix time
    config_problems: Callable[[], Sequence[str]]  # why the config's policy is not in force; none when it is
    upstream_troubles: Callable[[], Sequence[str]] = tuple  # which upstreams do not answer, in finished phrases

    @property
    def store(self) -> Store:
        """The open store. Raises StoreAway (admin_api.store.errors) while it cannot be reached."""
        return self.store_access.store
