"""Orders of the supervisor, carried out: policies, leases and exemptions, flushes, upstreams, certificates."""

from __future__ import annotations

import asyncio
from pathlib import Path

from resolver.errors import SnapshotError, SubjectsError
from resolver.policy.snapshot import PolicyMemory, PolicySnapshot
from resolver.snapshot.clocks import now
from resolver.snapshot.journal_places import Position
from resolver.snapshot.manifests import read_manifest
from resolver.snapshot.snapshot_file import open_snapshot
from resolver.snapshot.subjects_file import JournalReader, subjects_at
from resolver.system.channel import MessageChannel, Refusal
from resolver.worker.certificates import Certificates
from resolver.worker.messages import (
    BeginCounters,
    CountersBegun,
    Counts,
    Flush,
    Flushed,
    Ping,
    PolicyInForce,
    RenewCertificate,
    StopWorker,
    SubjectsInForce,
    TellCounts,
    UsePolicy,
    UsePseudonyms,
    UseSubjects,
    UseUpstreams,
    WorkerTrouble,
)
from resolver.worker.parts import AnsweringParts
from resolver.worker.upkeep import Upkeep


class Orders:
    """Orders of the supervisor to one worker, carried out once it has its parts."""

    def __init__(self, channel: MessageChannel, parts: AnsweringParts, memory: PolicyMemory, upkeep: Upkeep) -> None:
        """`memory` bounds what each policy remembers."""
        self._channel = channel
        self._parts = parts
        self._memory = memory
        self._upkeep = upkeep
        self._journal: JournalReader | None = None

    async def obey(self, certificates: Certificates | None) -> None:
        """Carry out one order after the other, until told to stop or until the supervisor is gone.

        `certificates` has who serves DoT and DoH.
        """
        async for received in self._channel.heard():
            match received.message:
                case UsePolicy(manifest):
                    self._channel.answer(received.request, await self._use_policy(manifest))
                case UseSubjects(position):
                    self._channel.answer(received.request, await self.use_subjects(position))
                case Flush(name, below):
                    self._channel.answer(received.request, Flushed(self._parts.flush(name, below=below)))
                case BeginCounters():
                    self._channel.answer(received.request, await self._begin_counters())
                case RenewCertificate():
                    if certificates is not None:
                        certificates.ask()
                case UseUpstreams(settings):
                    self._parts.use_upstreams(settings)
                case UsePseudonyms(periods):
                    self._parts.use_pseudonyms(periods)
                case Ping():
                    self._channel.tell(self._parts.sign_of_life)
                case TellCounts():
                    self.tell_counts()
                case StopWorker():
                    return

    def tell_counts(self) -> None:
        """Tell the counters, for the log."""
        self._channel.tell(Counts(self._parts.counts))

    async def _use_policy(self, manifest: Path) -> PolicyInForce | Refusal:
        """Swap the policy. Reading and checking it is done beside the loop, so that no query waits for the disk."""

        like = self._parts.pipeline.snapshot  # most changes leave most of it as it is

        def opened() -> PolicySnapshot:
            snapshot = open_snapshot(read_manifest(manifest), like=like, memory=self._memory)
            self._parts.local_names.prepared(snapshot.local)
            return snapshot

        try:
            snapshot = await asyncio.get_running_loop().run_in_executor(None, opened)
        except SnapshotError as error:
            return Refusal(str(error))
        self._parts.pipeline.use(snapshot)
        return PolicyInForce(snapshot.revision)

    async def _begin_counters(self) -> CountersBegun | Refusal:
        try:
            await self._upkeep.begin_counters(self._parts)
        except OSError as error:
            return Refusal(f"counters cannot be begun anew: {error.strerror or error}")
        return CountersBegun()

    async def use_subjects(self, position: Position) -> SubjectsInForce | Refusal:
        """Take in what has changed of leases and exemptions. What cannot be read is told, and the old ones stay."""
        clients = self._parts.pipeline.clients
        loop = asyncio.get_running_loop()
        journal = self._journal
        try:
            if journal is not None and journal.path == position.path:
                clients.take(await loop.run_in_executor(None, journal.read, position.octets, now()))
            else:
                subjects, self._journal = await loop.run_in_executor(
                    None, subjects_at, position.path, position.octets, now()
                )
                clients.replace(subjects)
        except SubjectsError as error:
            self._journal = None
            self._channel.tell(WorkerTrouble("leases and exemptions cannot be read", str(error)))
            return Refusal(str(error))
        return SubjectsInForce()
