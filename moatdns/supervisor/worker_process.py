"""A worker as the supervisor sees it: a child process, its channel (resolver.worker.messages), what it last said."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

from moatdns.supervisor.spawning import WORKER_MODULE
from moatdns.supervisor.watched_process import WatchedProcess
from resolver.config.settings import WorkerSettings
from resolver.errors import ChannelError, MoatdnsError, RequestRefused
from resolver.listeners.sockets import WorkerSockets
from resolver.policy.moments import Moment
from resolver.snapshot.journal_places import Position
from resolver.system.channel import Asks, Received
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log
from resolver.telemetry.pseudonyms import PseudonymPeriod
from resolver.worker.messages import (
    START_SECONDS,
    WORKER_CHANNEL,
    BeginCounters,
    CertificateFound,
    CertificateUnusable,
    ClockSet,
    Counts,
    CountsHaveNoFile,
    Descriptors,
    Flush,
    Listening,
    Serve,
    StopWorker,
    UsePolicy,
    UsePseudonyms,
    UseSubjects,
    UseUpstreams,
    WorkerAlive,
    WorkerTrouble,
)

_FAULTS = (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE)

_Answer = TypeVar("_Answer")


class WorkerProcess(WatchedProcess):
    """A running worker. `revision` is the policy that it serves, 0 before it is ready."""

    NAME: ClassVar = "a worker"

    def __init__(
        self,
        child: ChildProcess,
        settings: WorkerSettings,
        cookie_secret: list[str],
        descriptors: Descriptors,
        log: Log,
    ) -> None:
        super().__init__(child, log)
        self.began = asyncio.get_running_loop().time()
        self.settings = settings
        self.cookie_secret = cookie_secret
        self.revision = 0
        self.on_clock: Callable[[float, Moment], None] = lambda by, now: None
        self.health: WorkerAlive | None = None  # its cache and its upstreams, as it last said
        self._refused = False  # the policy that it was told to use last
        self._descriptors = descriptors
        self._listens = asyncio.Event()

    @classmethod
    async def start(
        cls,
        sockets: WorkerSockets,
        events: socket.socket,
        settings: WorkerSettings,
        cookie_secret: list[str],
        log: Log,
        start_child: StartChild = ChildProcess.start,
    ) -> WorkerProcess:
        """Start a worker on its sockets; `begin` tells it the policy. Raises MoatdnsError."""
        descriptors = Descriptors(
            **{kind: tuple(one.fileno() for one in ones) for kind, ones in sockets.by_kind.items()},
            events=events.fileno(),
        )
        child = await start_child(WORKER_MODULE, WORKER_CHANNEL, cls.NAME, descriptors=descriptors.every)
        return cls(child, settings, cookie_secret, descriptors, log)

    async def take_reports(self) -> int:
        """Take its reports until it ends; return its exit status."""
        status = await self.hear(self._take)
        self._listens.set()  # it never will
        return status

    def _take(self, received: Received) -> None:
        pid = self.pid
        match received.message:
            case Listening():
                self._listens.set()
            case WorkerAlive() as health:
                self.health = health
            case ClockSet(by, wall, boot):
                self.on_clock(by, Moment(wall, boot))
            case CertificateUnusable(why, is_served):
                stays = "the old one stays in force" if is_served else "DoT and DoH wait for a usable one"
                self._log.error(f"the certificate is not used; {stays}", why=why)
            case CertificateFound():
                self._log.info("the certificate is there by now: DoT and DoH are served", pid=pid)
            case Counts(counts):
                self._log.info("counts", pid=pid, **counts)
            case CountsHaveNoFile(why):
                so = "they are kept in memory until there is one"
                self._log.error("a worker has no file for its counts", pid=pid, why=why, so=so)
            case WorkerTrouble(what, error):
                self._log.error("unexpected error in a worker", pid=pid, what=what, error=error)

    async def listens(self) -> None:
        """Wait until it can be told a policy. Raises MoatdnsError when it ends or says nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._listens.wait()
        if not self._listens.is_set() or self._child.status is not None:
            self.kill()
            raise MoatdnsError(f"worker {self.pid} ended, or did not answer within {START_SECONDS:g} s")

    async def begin(
        self,
        manifest: Path,
        subjects: Position | None,
        pseudonyms: tuple[PseudonymPeriod, ...],
        *,
        checked: bool,
    ) -> None:
        """Have it serve, and wait until it does. Raises MoatdnsError when it ends, refuses or says nothing.

        `checked`: the policy's files have just been checked, so the worker need not.
        """
        secret = tuple(self.cookie_secret)
        serve = Serve(self.settings, secret, manifest, checked, subjects, self._descriptors, pseudonyms)
        if not await self._use(serve):
            self.kill()
            raise MoatdnsError(f"worker {self.pid} ended, or was not ready within {START_SECONDS:g} s")

    @property
    def is_harmed(self) -> bool:
        """Whether the policy cannot be read, or it crashed over it: its end was nobody's kill."""
        status = self._child.status
        return self._refused or (status is not None and (status > 0 or status in _FAULTS))

    async def use(self, manifest: Path) -> bool:
        """Have it put a policy in force; False when it refuses, ends, or takes too long."""
        return await self._use(UsePolicy(manifest))

    async def _use(self, request: Serve | UsePolicy) -> bool:
        self._refused = False
        try:
            self.revision = (await self._child.channel.ask(request)).revision
        except RequestRefused as error:
            self._refused = True
            self._log.error("a worker refused the policy", pid=self.pid, why=str(error))
            return False
        except ChannelError:
            return False
        return self._child.status is None

    async def use_subjects(self, position: Position) -> bool:
        """Have it take in leases and exemptions; False when it cannot, ends, or takes too long."""
        return await self._answer_to(UseSubjects(position)) is not None

    async def begin_counters(self) -> bool:
        """Have it count in a new file; False when it ends, or takes too long."""
        return await self._answer_to(BeginCounters()) is not None

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Have it forget the cached answers for a name; return how many there were."""
        flushed = await self._answer_to(Flush(name, below))
        return flushed.answers if flushed else 0  # one that has ended has no answers left

    async def _answer_to(self, request: Asks[_Answer]) -> _Answer | None:
        try:
            return await self._child.channel.ask(request)
        except ChannelError:
            return None

    def use_upstreams(self, settings: WorkerSettings) -> None:
        """Tell it to ask other upstreams."""
        self.settings = settings
        self.tell(UseUpstreams(settings))

    def use_pseudonyms(self, periods: tuple[PseudonymPeriod, ...]) -> None:
        """Tell it the secrets by which it records clients."""
        self.tell(UsePseudonyms(periods))

    async def stop(self) -> None:
        """Let it finish what it has in flight, and end it."""
        await self.stop_by(StopWorker())
