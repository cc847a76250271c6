"""The workers: one a slot, replaced when they end or hang, told of policies, and stopped in the end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable

from admin_api.messages import WorkerStatus
from moatdns.supervisor.tasks import Tasks
from moatdns.supervisor.worker_process import WorkerProcess
from resolver.config.settings import WorkerSettings
from resolver.errors import MoatdnsError
from resolver.listeners.sockets import WorkerSockets
from resolver.policy.moments import Moment
from resolver.snapshot.journal_places import Position
from resolver.snapshot.manifests import Manifest
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log
from resolver.telemetry.pseudonyms import PseudonymPeriod
from resolver.worker.messages import RenewCertificate, TellCounts

_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # before a worker is started again, by how often it just failed
_HEARTBEAT_SECONDS = 1.0
_HUNG_AFTER_PINGS = 5  # in a row without a sign of life; beats of ours, so that our own pause is not the worker's
_LAST_WORD_SECONDS = 0.5
_STEADY_SECONDS = 10.0  # a worker that lived as long did not fail at once


class _HarmfulPolicyError(MoatdnsError):
    """A worker crashed while it read a policy, or before it served: what is on the disk may have been made to harm."""

    def __init__(self, why: str, manifest: Manifest) -> None:
        super().__init__(why)
        self.manifest = manifest


class Crew:
    """A worker for each slot of sockets. New ones start with `settings`, `manifest` and the secrets."""

    def __init__(
        self,
        sockets: list[WorkerSockets],
        settings: WorkerSettings,
        manifest: Manifest,
        mend: Callable[[Manifest | None], Awaitable[Manifest]],
        log: Log,
        *,
        events: socket.socket,
        cookie_secret: list[str],
        subjects: Position | None = None,
        pseudonyms: tuple[PseudonymPeriod, ...] = (),
        on_clock: Callable[[float, Moment], None],
        start_child: StartChild = ChildProcess.start,
    ) -> None:
        """`mend` gives a policy that can be served where a worker could not start; it raises MoatdnsError. It is told
        the one that a worker died of, where that is why.

        `events` is where workers put query events, `subjects` the leases and exemptions that they start with;
        `on_clock` is told when a worker sees that the wall clock was set; `start_child` starts a process.
        """
        self.settings = settings
        self.cookie_secret = cookie_secret
        self.manifest = manifest
        self.subjects = subjects
        self.pseudonyms = pseudonyms
        self._on_clock = on_clock
        self._start_child = start_child
        self._sockets = sockets
        self._mend = mend
        self._events = events
        self._log = log
        self._tasks = Tasks(log)
        self._workers: list[WorkerProcess | None] = [None] * len(sockets)  # by slot: who serves it
        self._alive: set[WorkerProcess] = set()  # these, and those that are starting or ending
        self._failures = [0] * len(sockets)  # by slot, in a row
        self._filling = [asyncio.Lock() for _ in sockets]  # by slot: one worker is being put there
        self._replacing = asyncio.Lock()
        self.is_stopping = False

    async def start(self) -> None:
        """Start all workers and wait until they serve. The policy's files have just been checked.

        Raises MoatdnsError.
        """
        await asyncio.gather(*(self._first_fill(slot) for slot in range(len(self._workers))))
        self._tasks.spawn(self._look_after(), "heartbeat")

    async def use(self, manifest: Manifest) -> None:
        """Put a policy in force in every worker, and replace those that do not obey. Raises MoatdnsError."""
        self.manifest = manifest
        await self._all_take(lambda worker: worker.use(manifest.path), "the new policy")

    async def use_subjects(self, position: Position) -> None:
        """Have every worker take in leases and exemptions, and replace those that do not. Raises MoatdnsError."""
        self.subjects = position
        await self._all_take(lambda worker: worker.use_subjects(position), "leases and exemptions")

    async def begin_counters(self) -> None:
        """Have every worker count in a new file, and replace those that do not. Raises MoatdnsError."""
        await self._all_take(lambda worker: worker.begin_counters(), "new counters")

    async def _all_take(self, take: Callable[[WorkerProcess], Awaitable[bool]], what: str) -> None:
        workers = [(slot, worker) for slot, worker in enumerate(self._workers) if worker]
        taken = await asyncio.gather(*(take(worker) for _, worker in workers))
        for (slot, worker), has_taken in zip(workers, taken, strict=True):
            if not has_taken and self._workers[slot] is worker:
                self._log.error(f"a worker does not take {what} and is replaced", pid=worker.pid)
                await self._replace(slot)

    def use_upstreams(self, settings: WorkerSettings) -> None:
        """Have every worker ask other upstreams, in which alone `settings` differ. No query is lost."""
        for worker in self._workers:
            if worker and worker.settings == self.settings:  # any other is about to be replaced
                worker.use_upstreams(settings)
        self.settings = settings

    def use_pseudonyms(self, periods: tuple[PseudonymPeriod, ...]) -> None:
        """Have every worker record clients by these secrets, where they are others."""
        if periods != self.pseudonyms:
            self.pseudonyms = periods
            for worker in self._workers:
                if worker:
                    worker.use_pseudonyms(periods)

    async def replace(self, *, only_outdated: bool = False) -> int:
        """Put new workers in the place of all, one after the other, or of those with other settings; gives how many.

        No query is lost: what waits in the sockets either may read. Raises MoatdnsError when a new one does not start.
        """
        replaced = 0
        async with self._replacing:
            for slot, worker in enumerate(tuple(self._workers)):
                if only_outdated and (worker is None or self._is_up_to_date(worker)):
                    continue
                await self._replace(slot)
                replaced += 1
        return replaced

    def _is_up_to_date(self, worker: WorkerProcess) -> bool:
        return worker.settings == self.settings and worker.cookie_secret == self.cookie_secret

    @property
    def slots(self) -> int:
        """How many workers should serve."""
        return len(self._workers)

    def status(self) -> tuple[WorkerStatus, ...]:
        """Each worker that serves, by slot."""
        now = asyncio.get_running_loop().time()
        return tuple(
            WorkerStatus(slot, worker.pid, worker.revision, round(now - worker.began, 1), worker.health)
            for slot, worker in enumerate(self._workers)
            if worker
        )

    def tell(self, order: RenewCertificate | TellCounts) -> None:
        """Give every worker an order."""
        for worker in self._workers:
            if worker:
                worker.tell(order)

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Have every worker forget cached answers; return how many there were."""
        return sum(await asyncio.gather(*(w.flush(name, below=below) for w in self._workers if w)))

    async def stop(self) -> None:
        """Let all finish what they have in flight, and end them."""
        self.is_stopping = True
        await asyncio.gather(*(worker.stop() for worker in tuple(self._alive)))
        await self._tasks.end()
        for worker in self._alive:
            worker.kill()  # it was just being started

    async def _replace(self, slot: int) -> None:
        async with self._filling[slot]:
            if self.is_stopping:
                return
            old = self._workers[slot]
            await self._fill(slot)
            if old is not None:
                await old.stop()

    async def _first_fill(self, slot: int) -> None:
        async with self._filling[slot]:
            try:
                await self._fill(slot, checked=True)
            except _HarmfulPolicyError as error:
                self.manifest = await self._mend(error.manifest)
                await self._fill(slot)

    async def _fill(self, slot: int, *, checked: bool = False) -> None:
        """Start a worker for a slot and wait until it serves. Raises MoatdnsError when it does not.

        `checked`: the policy's files have just been checked.
        """
        while True:
            worker = await WorkerProcess.start(
                self._sockets[slot], self._events, self.settings, self.cookie_secret, self._log, self._start_child
            )
            worker.on_clock = self._on_clock
            self._alive.add(worker)
            self._tasks.spawn(self._watch(slot, worker), f"worker {worker.pid}")
            # Not before it listens: while it starts, policies may come and go, and their files with them.
            await worker.listens()
            manifest, subjects, pseudonyms = self.manifest, self.subjects, self.pseudonyms
            try:
                await worker.begin(manifest.path, subjects, pseudonyms, checked=checked)
            except MoatdnsError as error:
                if worker.is_harmed:
                    raise _HarmfulPolicyError(str(error), manifest) from error
                raise
            if self._is_up_to_date(worker):
                break
            await worker.stop()  # the settings changed while it started
        self._workers[slot] = worker
        if pseudonyms != self.pseudonyms:
            worker.use_pseudonyms(self.pseudonyms)
        if manifest is not self.manifest or subjects is not self.subjects:
            self._tasks.spawn(self._catch_up(slot, worker, manifest, subjects), f"worker {worker.pid} catches up")

    async def _catch_up(self, slot: int, worker: WorkerProcess, manifest: Manifest, subjects: Position | None) -> None:
        """Tell a worker what changed since it was told to begin with these; replace it where it does not obey."""
        obeys = True
        if subjects is not self.subjects and self.subjects is not None:
            obeys = await worker.use_subjects(self.subjects)
        if manifest is not self.manifest:
            obeys = await worker.use(self.manifest.path) and obeys
        if obeys or self._workers[slot] is not worker:
            return
        self._log.error("a worker does not take what changed while it started and is replaced", pid=worker.pid)
        try:
            await self._replace(slot)
        except MoatdnsError as error:
            self._log.error("a worker could not be started", why=str(error))

    async def _watch(self, slot: int, worker: WorkerProcess) -> None:
        """Hear a worker until it ends, and replace one that was not told to."""
        status = await worker.take_reports()
        self._alive.discard(worker)
        if status == -signal.SIGTERM and not (worker.stopping or self.is_stopping):
            await asyncio.sleep(_LAST_WORD_SECONDS)  # a young one hears of the end of us all before we do
        if worker.stopping or self.is_stopping:
            return
        async with self._filling[slot]:
            if self._workers[slot] is worker:  # else it was being replaced when it ended
                self._workers[slot] = None
                await self._fill_in_the_end(slot, worker, status)

    async def _fill_in_the_end(self, slot: int, ended: WorkerProcess, status: int) -> None:
        """Start workers for a slot, with growing pauses, until one serves."""
        if asyncio.get_running_loop().time() - ended.began > _STEADY_SECONDS:
            self._failures[slot] = 0
        while not self.is_stopping:
            pause = _BACKOFF_SECONDS[min(self._failures[slot], len(_BACKOFF_SECONDS) - 1)]
            self._failures[slot] += 1
            self._log.error("a worker ended; starting another", pid=ended.pid, status=status, pause_seconds=pause)
            await asyncio.sleep(pause)
            harmful = None
            try:
                await self._fill(slot)
            except MoatdnsError as error:
                self._log.error("a worker could not be started", why=str(error))
                harmful = error.manifest if isinstance(error, _HarmfulPolicyError) else None
            else:
                return
            try:
                self.manifest = await self._mend(harmful)
            except MoatdnsError as error:
                self._log.error("no policy can be served", why=str(error))

    async def _look_after(self) -> None:
        """Ask each worker for a sign of life, and kill one that gives none: it is then replaced like any that ended."""
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            for worker in self._workers:
                if worker is not None:
                    worker.look_after(_HUNG_AFTER_PINGS)
