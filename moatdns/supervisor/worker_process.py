"""One worker as the supervisor sees it: a process, a channel of JSON lines (resolver.worker), what it last said."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resolver.config.settings import WorkerSettings
from resolver.errors import MoatdnsError
from resolver.listeners.sockets import WorkerSockets
from resolver.policy.subjects import Moment
from resolver.snapshot.subjects_file import Position
from resolver.telemetry.log import Log

READY_SECONDS = 30.0  # a worker that is not ready by then is taken for hung
_FAULTS = (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE)
_STOP_SECONDS = 8.0  # for a worker to drain; then it is killed


class WorkerProcess:
    """A running worker. `revision` is the policy that it serves, 0 before it is ready."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        settings: WorkerSettings,
        cookie_secret: list[str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        log: Log,
    ) -> None:
        self.began = time.monotonic()
        self.settings = settings
        self.cookie_secret = cookie_secret
        self.revision = 0
        self.subjects_number = 0  # of the changes of leases and exemptions that it has taken in
        self.flushed = (0, 0)  # the last flush that it has done, and how many answers it had
        self.on_clock: Callable[[float, Moment], None] = lambda by, now: None
        self.stopping = False
        self._refused = False  # the policy that it was told to use last
        self.unanswered_pings = 0  # since it last said anything
        self.gauges: dict[str, Any] = {}  # its cache and its upstreams, as it last said
        self._process = process
        self._reader = reader
        self._writer = writer
        self._log = log
        self._spoke = asyncio.Condition()
        self._listens = False
        self._descriptors: dict[str, Any] = {}

    @classmethod
    async def start(
        cls,
        sockets: WorkerSockets,
        events: socket.socket,
        settings: WorkerSettings,
        cookie_secret: list[str],
        log: Log,
    ) -> WorkerProcess:
        """Start a worker on its sockets; `begin` tells it the policy. Raises MoatdnsError."""
        try:
            return await cls._start(sockets, events, settings, cookie_secret, log)
        except OSError as error:  # no process, no file descriptor left
            raise MoatdnsError(f"a worker cannot be started: {error.strerror or error}") from error

    @classmethod
    async def _start(
        cls,
        sockets: WorkerSockets,
        events: socket.socket,
        settings: WorkerSettings,
        cookie_secret: list[str],
        log: Log,
    ) -> WorkerProcess:
        ours, theirs = socket.socketpair()
        descriptors = {kind: [one.fileno() for one in ones] for kind, ones in sockets.by_kind.items()}
        with contextlib.ExitStack() as unless_started:
            unless_started.callback(ours.close)
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # never code of the folder that we happen to be started in
                    "-m",
                    "resolver.worker",
                    str(theirs.fileno()),
                    pass_fds=[theirs.fileno(), events.fileno(), *itertools.chain(*descriptors.values())],
                    stdin=asyncio.subprocess.DEVNULL,
                )
            reader, writer = await asyncio.open_connection(sock=ours)
            unless_started.pop_all()
        worker = cls(process, settings, cookie_secret, reader, writer, log)
        worker._descriptors = {**descriptors, "events": events.fileno()}
        return worker

    async def listens(self) -> None:
        """Wait until it can be told a policy. Raises MoatdnsError when it ends or says nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS), self._spoke:
                await self._spoke.wait_for(lambda: self._listens or self._process.returncode is not None)
        if not self._listens:
            self.kill()
            raise MoatdnsError(f"worker {self.pid} ended, or said nothing within {READY_SECONDS:g} s")

    def begin(self, manifest: Path, subjects: Position | None, *, checked: bool) -> None:
        """Tell it what to begin with; it serves once `ready` returns.

        `checked`: the policy's files have just been checked, so the worker need not.
        """
        first = {
            "settings": self.settings.to_plain(),
            "cookie_secret": self.cookie_secret,
            "manifest": str(manifest),
            "checked": checked,
            "subjects": subjects.to_plain() if subjects else None,
            **self._descriptors,
        }
        self._writer.write(json.dumps(first).encode() + b"\n")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def hear(self) -> int:
        """Take its reports until it ends; gives its exit status."""
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                await self._take(json.loads(line))
        status = await self._process.wait()
        self._writer.close()
        async with self._spoke:
            self._spoke.notify_all()
        return status

    async def _take(self, report: dict[str, Any]) -> None:
        self.unanswered_pings = 0
        event = report.pop("event")
        if event == "alive":
            self.gauges = report
        if event in ("ready", "in_force", "refused"):
            async with self._spoke:
                self.revision = int(str(report["revision"]))
                self._refused = event == "refused"
                self._spoke.notify_all()
        if event == "listens":
            async with self._spoke:
                self._listens = True
                self._spoke.notify_all()
        elif event == "subjects":
            async with self._spoke:
                self.subjects_number = int(report["number"])
                self._spoke.notify_all()
        elif event == "flushed":
            async with self._spoke:
                self.flushed = (int(report["number"]), int(report["forgotten"]))
                self._spoke.notify_all()
        elif event == "clock":
            self.on_clock(report["by"], Moment(report["wall"], report["boot"]))
        elif event == "certificate":
            stays = "the old one stays in force" if report["is_served"] else "DoT and DoH wait for one that can be"
            self._log.error(f"the certificate is not used; {stays}", why=report["why"])
        elif event == "certificate_is_there":
            self._log.info("the certificate is there by now: DoT and DoH are served", pid=self.pid)
        elif event == "refused":
            self._log.error("a worker refused the policy", pid=self.pid, why=report["why"])
        elif event == "counts":
            self._log.info("counts", pid=self.pid, **report)
        elif event == "uncounted":
            so = "they are kept in memory until there can be one"
            self._log.error("a worker has no file for its counts", pid=self.pid, why=report["why"], so=so)
        elif event == "trouble":
            self._log.error("unexpected error in a worker", pid=self.pid, **report)

    async def ready(self) -> None:
        """Wait until it serves. Raises MoatdnsError when it ends or says nothing."""
        if not await self.serves(1):
            self.kill()
            raise MoatdnsError(f"worker {self.pid} ended, or was not ready within {READY_SECONDS:g} s")

    @property
    def is_harmed(self) -> bool:
        """Whether the policy cannot be read, or it crashed over it: its end was nobody's kill."""
        status = self._process.returncode
        return self._refused or (status is not None and (status > 0 or status in _FAULTS))

    def use(self, manifest: Path) -> None:
        """Tell it to put a policy in force."""
        self._refused = False
        self._tell("use", manifest=str(manifest))

    async def serves(self, revision: int) -> bool:
        """Wait until it serves that policy or a later one; False when it ends or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS), self._spoke:
                await self._spoke.wait_for(
                    lambda: self.revision >= revision or self._refused or self._process.returncode is not None
                )
        return self.revision >= revision and self._process.returncode is None

    def use_upstreams(self, settings: WorkerSettings) -> None:
        """Tell it to ask other upstreams."""
        self.settings = settings
        self._tell("upstreams", settings=settings.to_plain())

    def use_subjects(self, position: Position, number: int) -> None:
        """Tell it that leases and exemptions have changed, for the `number`-th time."""
        self._tell("subjects", **position.to_plain(), number=number)

    async def has_subjects(self, number: int) -> bool:
        """Wait until it has taken those in; False when it ends or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS), self._spoke:
                await self._spoke.wait_for(
                    lambda: self.subjects_number >= number or self._process.returncode is not None
                )
        return self.subjects_number >= number

    async def flush(self, name: str | None, number: int, *, below: bool) -> int:
        """Have it forget the cached answers for a name, for the `number`-th time; gives how many there were."""
        self._tell("flush", name=name, below=below, number=number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS), self._spoke:
                await self._spoke.wait_for(lambda: self.flushed[0] >= number or self._process.returncode is not None)
        return self.flushed[1] if self.flushed[0] == number else 0  # one that has ended has no answers left

    def renew(self) -> None:
        """Have it read its certificate again."""
        self._tell("renew")

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.unanswered_pings += 1
        self._tell("ping")

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def count(self) -> None:
        """Ask for its counters; they go to the log."""
        self._tell("count")

    async def stop(self) -> None:
        """Let it finish what it has in flight, and end it."""
        self.stopping = True
        self._tell("stop")
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._log.error("a worker did not stop and is killed", pid=self.pid)
            self.kill()
            await self._process.wait()

    def _tell(self, do: str, **facts: Any) -> None:
        """Send an order. A worker that is gone does not hear it; its end is seen by `hear`."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"do": do, **facts}).encode() + b"\n")
