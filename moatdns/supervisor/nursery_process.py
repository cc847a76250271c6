"""The nursery as the supervisor sees it: workers are forked from it, and it tells when they end.

It is started with the first worker, unless an early one is loading already, and again when it has ended: its workers
live on meanwhile. After a worker that crashed it is exchanged, so that the next one has other addresses in memory: who
can crash workers must not be able to guess on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
from collections.abc import Iterable
from subprocess import Popen

from moatdns.supervisor.spawning import WORKER_MODULE, Spawned
from moatdns.supervisor.tasks import Tasks
from resolver.errors import ChannelError, MoatdnsError, RequestRefused
from resolver.system.channel import MOST_LINE_BYTES, MessageChannel, MessageSet, Received
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log
from resolver.worker.nursery_messages import (
    NURSERY_CHANNEL,
    ForkWorker,
    RetireNursery,
    WorkerEnded,
    send_descriptors,
)

_NAME = "the nursery"
_LOOK_SECONDS = 0.02  # between looks whether a process has ended of which nobody tells
_TRIES = 2  # of a fork: the nursery may have ended, which shows when it is asked


class _PolledProcess:
    """A process that was started without a loop, as ChildProcess has one."""

    def __init__(self, process: Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> int:
        while (status := self.returncode) is None:  # noqa: ASYNC110 (a thread for each would be the event)
            await asyncio.sleep(_LOOK_SECONDS)
        return status

    def kill(self) -> None:
        self._process.kill()


class _ForkedProcess:
    """A worker that a nursery forked, as ChildProcess has one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._descriptor: int | None = None  # of the process: its number may be another's, once it has ended
        with contextlib.suppress(ProcessLookupError):  # its nursery tells of its end
            self._descriptor = os.pidfd_open(pid)

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(ProcessLookupError):  # about to be told
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def end(self, status: int) -> None:
        """It has ended."""
        if not self._ended.done():
            self._ended.set_result(status)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def look_for_end(self) -> None:
        """Notice its end where no nursery tells of it; with which status, nobody knows then."""
        if self._descriptor is not None:
            looking = select.poll()
            looking.register(self._descriptor, select.POLLIN)
            while not looking.poll(0):  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(_LOOK_SECONDS)
            with contextlib.suppress(ChildProcessError):  # as process 1, we are its parent now
                os.waitpid(self.pid, os.WNOHANG)  # noqa: ASYNC222 (which does not wait)
        self.end(-signal.SIGKILL)


class _NurseryProcess:
    """One nursery, and the workers that it has forked and that live."""

    def __init__(self, child: ChildProcess, spawned: Spawned) -> None:
        self.child = child
        self.workers: dict[int, _ForkedProcess] = {}  # by process id
        self.has_ended = False
        self.saw_crash = False  # of a worker
        self._spawned = spawned
        self._ended_early: dict[int, int] = {}  # statuses of workers whose birth was not told yet

    async def fork(self, control: int, descriptors: tuple[int, ...]) -> _ForkedProcess:
        """Have a worker forked. Raises ChannelError, RequestRefused for one; OSError where it is gone."""
        send_descriptors(self._spawned.passing, (control, *descriptors))
        forked = await self.child.channel.ask(ForkWorker(control, descriptors))
        worker = _ForkedProcess(forked.pid)
        status = self._ended_early.pop(forked.pid, None)
        if status is None:
            self.workers[forked.pid] = worker
        else:
            worker.end(status)
        return worker

    def take(self, received: Received) -> None:
        """Hear of a worker's end."""
        if isinstance(received.message, WorkerEnded):
            pid, status = received.message.pid, received.message.status
            self.saw_crash |= status < 0 and status not in (-signal.SIGKILL, -signal.SIGTERM)
            worker = self.workers.pop(pid, None)
            if worker is None:
                self._ended_early[pid] = status
            else:
                worker.end(status)

    def close(self) -> None:
        """Close our end of its second socket; its channel is the child's."""
        self._spawned.passing.close()


class NurseryKeeper:
    """The nursery, kept ready for the next worker. `start` is a StartChild."""

    def __init__(self, log: Log, early: Spawned | None = None, start_child: StartChild = ChildProcess.start) -> None:
        """`early` is one that is loading; `start_child` starts all children that are no workers."""
        self._log = log
        self._early = early
        self._start_child = start_child
        self._nursery: _NurseryProcess | None = None
        self._all: set[_NurseryProcess] = set()  # that live: this one, and those that retire
        self._forking = asyncio.Lock()
        self._tasks = Tasks(log)
        self._is_ending = False

    async def start(
        self,
        module: str,
        messages: MessageSet,
        name: str,
        *,
        descriptors: Iterable[int] = (),
        most_line_bytes: int = MOST_LINE_BYTES,
    ) -> ChildProcess:
        """As ChildProcess.start; a worker is forked instead. Raises MoatdnsError."""
        if module != WORKER_MODULE:
            return await self._start_child(
                module, messages, name, descriptors=descriptors, most_line_bytes=most_line_bytes
            )
        try:
            async with self._forking:
                process, control = await self._fork(tuple(descriptors))
        except (OSError, ChannelError) as error:
            raise MoatdnsError(f"{name} cannot be started: {error}") from error
        try:
            channel = await MessageChannel.on(control, messages, name, most_line_bytes=most_line_bytes)
        except BaseException:
            control.close()
            process.kill()
            raise
        return ChildProcess(process, channel, name)

    async def _fork(self, descriptors: tuple[int, ...]) -> tuple[_ForkedProcess, socket.socket]:
        """A worker that the nursery forked, or another one where that has ended; and our end of its channel.

        Raises OSError, ChannelError.
        """
        for left in reversed(range(_TRIES)):
            nursery = await self._ready()
            # A pair for each try: whom a nursery forked that failed then has nobody at the other end, and ends.
            ours, theirs = socket.socketpair()
            with contextlib.ExitStack() as unless_forked:
                unless_forked.callback(ours.close)
                try:
                    with theirs:
                        process = await nursery.fork(theirs.fileno(), descriptors)
                except RequestRefused:
                    raise
                except (OSError, ChannelError):
                    nursery.child.kill()  # it hangs, if it has not ended
                    nursery.has_ended = True
                    if not left:
                        raise
                    continue
                unless_forked.pop_all()
                return process, ours
        raise AssertionError("a fork is tried at least once")

    async def _ready(self) -> _NurseryProcess:
        """The nursery that forks the next worker. Raises OSError."""
        nursery = self._nursery
        if nursery is not None and not nursery.has_ended and not nursery.saw_crash:
            return nursery
        if nursery is not None and not nursery.has_ended:
            nursery.child.channel.tell(RetireNursery())
        spawned, self._early = self._early or Spawned(), None
        channel = await MessageChannel.on(spawned.channel, NURSERY_CHANNEL, _NAME)
        nursery = self._nursery = _NurseryProcess(
            ChildProcess(_PolledProcess(spawned.process), channel, _NAME), spawned
        )
        self._all.add(nursery)
        self._tasks.spawn(self._hear(nursery), _NAME)
        return nursery

    async def _hear(self, nursery: _NurseryProcess) -> None:
        """Hear a nursery until it ends; then look after its workers by ourselves."""
        status = await nursery.child.hear(nursery.take, self._is_unreadable)
        nursery.has_ended = True
        nursery.close()
        self._all.discard(nursery)
        if nursery is self._nursery and not self._is_ending:
            so = "its workers live on; the next one comes from another"
            self._log.error("the nursery of workers ended", pid=nursery.child.pid, status=status, so=so)
        for worker in nursery.workers.values():
            self._tasks.spawn(worker.look_for_end(), f"end of worker {worker.pid}")

    def _is_unreadable(self, error: ChannelError) -> None:
        self._log.error("the nursery says what cannot be read and is killed", why=str(error))

    async def end(self) -> None:
        """End it; its workers should have ended before."""
        self._is_ending = True
        if self._early is not None:
            self._early.end()
        for nursery in tuple(self._all):
            await nursery.child.end()
        await self._tasks.end()
