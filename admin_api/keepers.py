"""Keepers: the parts of the control process that keep one thing each in force, counted, fetched or told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from admin_api.api.certificate_ends import CertificateEnds
from admin_api.api.gauges import Gauges
from admin_api.audit.head import HeadKeeper
from admin_api.audit.retention import AuditRetention
from admin_api.audit.signing_key import SigningKeyWatch
from admin_api.backup.watch import RestoredWatch
from admin_api.channel import SupervisorChannel
from admin_api.compiling.keeper import Keeper
from admin_api.config_policy import ConfigPolicy
from admin_api.config_told import ConfigTold
from admin_api.editing.erasures import ClientErasures
from admin_api.editing.people import PersonErasures
from admin_api.evidence.desk import EvidenceDesk
from admin_api.evidence.recording import Recorder, Versions
from admin_api.host_names.keeper import HostNames
from admin_api.mail.receiver import MailReceiver
from admin_api.mail.weekly import WeeklySummary
from admin_api.outbox.delivery import Deliveries
from admin_api.outbox.receivers import Outbox
from admin_api.outbox.watching import Watcher
from admin_api.policy_file.plans import Plans
from admin_api.privacy_in_force import PrivacyInForce
from admin_api.query_log.unreadable import UnreadableBlocks
from admin_api.retention import RetentionKeeper
from admin_api.signed.signer import Signer
from admin_api.sinks.sinks import LogSinks
from admin_api.statistics.service import StatisticsService
from admin_api.store.access import StoreAccess
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subscriptions.feed.keeper import FeedKeeper
from admin_api.subscriptions.feed.opening import OpenedCatalogue
from admin_api.subscriptions.service import Subscriptions
from admin_api.unlisted.inbox import Inbox
from admin_api.upstream_watch import UpstreamWatch
from admin_api.webhooks.hooks import hooks_of
from blocklists.feed.place import CurrentCatalogue
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import Log


class Keepers:
    """All of them; `connections` and `counts` tell of the servers that stand over them."""

    def __init__(
        self,
        settings: ControlSettings,
        channel: SupervisorChannel,
        access: StoreAccess,
        opened: OpenedCatalogue,
        log: Log,
        *,
        connections: Callable[[], Mapping[str, int]],
        counts: Callable[[], Mapping[tuple[str, str], int]],
        certificates: CertificateEnds,
        host_names: HostNames,
    ) -> None:
        state_dir, url = Path(settings.state_dir), settings.store_url
        self._counts = counts
        self.host_names = host_names
        self.access = access
        self.signing = Signer(settings.signing_key, state_dir)
        self.signing_key = SigningKeyWatch(access, self.signing, log)
        self.heads = HeadKeeper(access, state_dir, log, self.signing)
        self.catalogue = CurrentCatalogue(opened.loaded)
        self.policy = Keeper(access, state_dir, self.catalogue, channel.publish, log, url=url)
        self.feed = FeedKeeper(settings, access, self.policy, self.catalogue, opened, log)
        self.plans = Plans(url, state_dir, at_once=settings.plans_at_once, seconds=settings.plan_seconds)
        self.unreadable_blocks = UnreadableBlocks(log)
        self.evidence = EvidenceDesk(self.plans, self.signing)
        self.mail = MailReceiver(settings.mail) if settings.mail is not None else None
        self.outbox = Outbox([*hooks_of(settings.webhooks), *([self.mail] if self.mail is not None else [])])
        self.deliveries = Deliveries(access, self.outbox, log)
        self.sinks = LogSinks(settings, access, log)
        self.audit_retention = AuditRetention(
            *(access, self.signing, log),
            days=settings.retention.audit_days,
            trouble=lambda: self.heads.trouble,
            sent=self.sinks.audit_sent,
            held=settings.legal_holds,
        )
        self.upstreams = UpstreamWatch(channel, access, self.outbox, log)
        self.watcher = Watcher(access, self.outbox, self.troubles)
        days = settings.retention.lease_history_days
        self.subjects = SubjectKeeper(
            access, state_dir, channel.use_subjects, log, history_days=days, outbox=self.outbox
        )
        self.retention = RetentionKeeper(access, settings.retention, log)
        self.restored = RestoredWatch(access, self.subjects.reload, log)
        self.erasures = ClientErasures(access, state_dir, log, most=settings.most_erasures, holds=settings.legal_holds)
        self.config_policy = ConfigPolicy(access, self.policy, channel, log)
        self.privacy = PrivacyInForce(state_dir, log)
        self.config_told = ConfigTold(access, self.privacy, log)
        self.gauges = Gauges(
            access, state_dir, self.policy, self.subjects, self.heads, channel, connections, certificates
        )
        self.inbox = Inbox(access, self.policy, self.outbox, opened.loaded.catalogue, settings.unlisted, log)
        seconds = settings.fetch_timeout_seconds
        self.subscriptions = Subscriptions(
            access, self.policy, state_dir, log, max_mib=settings.fetch_max_mib, timeout_seconds=seconds
        )
        self.recorder = Recorder(
            *(access, self.policy, channel.status, self.troubles, self._versions),
            keeps_days=settings.retention.evidence_days,
        )
        self.statistics = StatisticsService(access, settings, log, self._all_gauges, own_counts=self._own_counts)
        self.persons = PersonErasures(
            *(access, settings, self.erasures, self.statistics, self.subjects, channel.begin_counters, log)
        )
        self.weekly = WeeklySummary(access, self.outbox, self.statistics, self.troubles)

    def _versions(self) -> Versions:
        version = self.feed.version
        return Versions(self.feed.bundled_version, version.number if version else None)

    def config_problems(self) -> list[str]:
        """Reasons why what the config names is not in force, or no longer good."""
        return [*self.config_policy.problems, *self.gauges.certificates.troubles]

    def troubles(self) -> list[str]:
        """Reasons why the node is not healthy."""
        keepers = (self.access, self.heads, self.restored, self.policy, self.subjects, self.signing)
        parts = (*(keeper.trouble for keeper in keepers), *self.config_problems())
        found = [text for text in parts if text]
        return [*found, *self.feed.troubles, *self.upstreams.states.troubles, *self.sinks.troubles]

    def _all_gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        return {
            **self.gauges.values(),
            **self.subscriptions.gauges(),
            **self.feed.gauges(),
            **self.deliveries.gauges(),
            **self.inbox.gauges(),
            **self.sinks.gauges(),
            **self.host_names.gauges(),
            **self.restored.gauges(),
            "moatdns_audit_removed_rows": {(): self.audit_retention.removed_to},
            "moatdns_upstream_up": self.upstreams.states.up,
            "moatdns_evidence_since_timestamp_seconds": (
                {(): self.recorder.since.timestamp()} if self.recorder.since is not None else {}
            ),
        }

    def _own_counts(self) -> Mapping[tuple[str, str], int]:
        """Counts of this process itself, by metric and label."""
        dropped = {("dropped", what): count for what, count in self.inbox.dropped.items()}
        dropped["dropped", "query_log_blocks"] = self.unreadable_blocks.count
        dropped["dropped", "erasures"] = self.erasures.forgotten
        dropped["dropped", "node_spans"] = self.recorder.lost
        dropped["dropped", "evidence_reports"] = self.evidence.refused
        dropped.update({("dropped", what): count for what, count in self.host_names.dropped.items()})
        told = {**self.deliveries.own_counts(), **(self.mail.own_counts() if self.mail is not None else {})}
        own = {("dropped", "policy_plans"): self.plans.refused, **dropped, **told}
        return {**own, **self.feed.counts(), **self.sinks.counts(), **self._counts()}
