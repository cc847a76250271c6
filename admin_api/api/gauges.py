"""Gauges of the metrics: the policy, the store, and the workers as the supervisor last told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from admin_api.api.certificate_ends import CertificateEnds
from admin_api.audit.head import HeadKeeper
from admin_api.channel import SupervisorChannel
from admin_api.compiling.keeper import Keeper
from admin_api.messages import WorkerStatus
from admin_api.store import change_requests, exemptions
from admin_api.store.access import StoreAccess
from admin_api.store.room import free_bytes, size_bytes
from admin_api.subjects.keeper import SubjectKeeper
from resolver import __version__
from resolver.errors import MoatdnsError

_EVERY_SECONDS = 5.0


class Gauges:
    """The gauges; those of the workers are a few seconds old."""

    def __init__(
        self,
        access: StoreAccess,
        state_dir: Path,
        keeper: Keeper,
        subjects: SubjectKeeper,
        heads: HeadKeeper,
        channel: SupervisorChannel,
        connections: Callable[[], Mapping[str, int]],
        certificates: CertificateEnds,
    ) -> None:
        self._access = access
        self._state_dir = state_dir
        self._keeper = keeper
        self._subjects = subjects
        self._heads = heads
        self._channel = channel
        self._connections = connections
        self._workers: tuple[WorkerStatus, ...] = ()
        self._changes_waiting = 0
        self._asked_at: list[datetime] = []  # for exemptions that wait, the oldest first
        self.certificates = certificates
        self.local_names_of_config = 0

    async def run(self) -> None:
        """Ask the supervisor now and then, for ever."""
        while True:
            try:
                self._workers = (await self._channel.status()).workers
            except MoatdnsError:
                self._workers = ()
            with contextlib.suppress(MoatdnsError):  # the store is away: as many as before
                async with self._access.store.read() as connection:
                    self._changes_waiting = await change_requests.count_pending(connection, datetime.now(UTC))
                    self._asked_at = await exemptions.pending_since(connection)
            await asyncio.to_thread(self.certificates.read_missing)
            await asyncio.sleep(_EVERY_SECONDS)

    def _names_of_policy(self) -> int:
        snapshot = self._keeper.snapshot
        return 0 if snapshot is None else len(snapshot.local.records)

    def values(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """By metric, and by the values of its labels."""
        since = self._keeper.in_force_since
        return {
            "moatdns_policy_revision": {(): self._keeper.revision},
            "moatdns_policy_age_seconds": {} if since is None else {(): (datetime.now(UTC) - since).total_seconds()},
            "moatdns_cache_bytes": {(): sum(worker.health.cache_bytes for worker in self._workers if worker.health)},
            "moatdns_workers": {(): len(self._workers)},
            "moatdns_leases": {(): len(self._subjects.subjects.leases)},
            "moatdns_exemptions": {(): len(self._subjects.subjects.exemptions)},
            "moatdns_exemptions_pending": {(): len(self._asked_at)},
            "moatdns_exemptions_pending_since_timestamp_seconds": (
                {(): self._asked_at[0].timestamp()} if self._asked_at else {}
            ),
            "moatdns_change_requests": {(): self._changes_waiting},
            "moatdns_local_names": {("file",): self.local_names_of_config, ("api",): self._names_of_policy()},
            "moatdns_pauses": {(): len(self._subjects.subjects.pauses)},
            "moatdns_subjects_up_to_date": {(): self._subjects.trouble is None},
            "moatdns_state_free_bytes": {(): free} if (free := free_bytes(self._state_dir)) is not None else {},
            "moatdns_state_size_bytes": {(): size} if (size := size_bytes(self._state_dir)) is not None else {},
            "moatdns_certificate_expires_timestamp_seconds": self.certificates.gauges(),
            "moatdns_client_crl_expires_timestamp_seconds": self.certificates.crl_gauge(),
            "moatdns_store_up": {(): self._access.trouble is None},
            "moatdns_audit_whole": {(): self._heads.trouble is None},
            "moatdns_audit_heads": {(): self._heads.heads},
            "moatdns_audit_lost_heads": {(): len(self._heads.lost)},
            "moatdns_policy_up_to_date": {(): self._keeper.trouble is None},
            **{f"moatdns_{part}_connections": {(): count} for part, count in self._connections().items()},
            "moatdns_build_info": {(__version__,): 1},
        }
