"""The control process, kept running: started again when it ends or hangs, and its orders carried out.

DNS does not depend on it: while it is away, the workers answer by the policy that they have.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Protocol

from admin_api.messages import (
    AskStatus,
    Begin,
    ConfigInForce,
    ConfigRefused,
    ConfigWaits,
    FilePolicy,
    NodeStatus,
    NoteReading,
    NoteTroubles,
    Recompile,
    ReloadConfig,
    StopControl,
    StoreState,
    StoreTold,
    UseConfigPolicy,
)
from moatdns.supervisor.control_process import ControlProcess
from moatdns.supervisor.tasks import Tasks
from resolver.errors import ConfigError, MoatdnsError
from resolver.snapshot.journal_places import Position
from resolver.snapshot.manifests import Manifest, read_manifest
from resolver.system.channel import Received, Refusal
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log
from resolver.worker.messages import (
    BeginCounters,
    CountersBegun,
    Flush,
    Flushed,
    PolicyInForce,
    RenewCertificate,
    SubjectsInForce,
    UsePolicy,
    UseSubjects,
)

_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0)  # before it is started again, by how often it just failed
_STEADY_SECONDS = 30.0  # having run as long, it did not fail at once
_HEARTBEAT_SECONDS = 1.0
_HUNG_AFTER_PINGS = 30  # it may be busy with a store that does not answer
_ENDED_BY_SIGTERM = f"status {-signal.SIGTERM}"
LAST_WORD_SECONDS = 0.5  # between a child that hears of the end, and us
_START_SECONDS = 10.0  # for a control process to say anything, before a start goes on without it
_STORE_SECONDS = 5.0  # for a store to answer, likewise
_CONFIG_SECONDS = 120.0  # for a config's policy to be compiled and in force


_Request = UsePolicy | UseSubjects | BeginCounters | Flush | AskStatus


class Workers(Protocol):
    """All workers, as the control process has them obey."""

    async def publish(self, manifest: Manifest) -> None:
        """Put a policy in force. Raises MoatdnsError."""

    async def use_subjects(self, position: Position) -> None:
        """Put leases and exemptions in force. Raises MoatdnsError."""

    async def begin_counters(self) -> None:
        """Have them count in new files. Raises MoatdnsError."""

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Have cached answers forgotten; return how many there were."""

    def status(self) -> NodeStatus:
        """Their state."""


class ControlKeeper:
    """The one control process, kept running."""

    def __init__(
        self,
        first: Callable[[], Begin],
        workers: Workers,
        log: Log,
        start_child: StartChild = ChildProcess.start,
    ) -> None:
        """`first` gives what a new process begins with; `start_child` starts one."""
        self._first = first
        self._workers = workers
        self._log = log
        self._start_child = start_child
        self._tasks = Tasks(log)
        self._process: ControlProcess | None = None
        self._configs: dict[str, asyncio.Future[None]] = {}  # by fingerprint: who waits for a config's policy
        self._runs = asyncio.Event()
        self._another_runs = asyncio.Event()
        self._store = StoreTold(StoreState.STARTS)
        self._store_moved = asyncio.Event()
        self._is_started = False
        self.is_stopping = False
        self.reload_wanted = asyncio.Event()  # by the control process; set anew for who reloads

    def start(self) -> None:
        """Keep it running from now on."""
        if self._is_started:
            return
        self._is_started = True
        self._tasks.spawn(self._keep_running(), "control process")
        self._tasks.spawn(self._look_after(), "heartbeat of the control process")

    async def put_in_force(self, policy: FilePolicy, fingerprint: str) -> None:
        """Have a config's policy stored and in force.

        Raises ConfigError when the store holds what contradicts it, and MoatdnsError when it does not come to pass.
        """
        try:
            async with asyncio.timeout(_CONFIG_SECONDS):
                await self._runs.wait()
        except TimeoutError:
            raise MoatdnsError("the control process cannot be started; the config's policy waits for it") from None
        self.tell(UseConfigPolicy(policy, fingerprint))
        await self.config_in_force(fingerprint, _CONFIG_SECONDS)

    async def config_in_force(self, fingerprint: str, seconds: float) -> None:
        """Wait until the control process says that a config's policy is in force. Raises as `put_in_force`."""
        waiting = self._configs.setdefault(fingerprint, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(waiting)
        except TimeoutError:
            raise MoatdnsError(f"the config's policy is not in force after {seconds:g} s; it follows later") from None
        finally:
            self._configs.pop(fingerprint, None)
            waiting.cancel()

    async def check_store(self, seconds: float) -> None:
        """Wait until it has the store, or cannot reach it. Raises MoatdnsError where another node serves the store.

        A store that does not answer keeps no DNS waiting; another node's lock does, for so long.
        """
        patience = {
            StoreState.STARTS: _START_SECONDS,
            StoreState.OPENS: _STORE_SECONDS,
            StoreState.WAITS: seconds,
        }
        while self._store.state in patience:
            self._store_moved.clear()
            try:
                async with asyncio.timeout(patience[self._store.state]):
                    await self._store_moved.wait()
            except TimeoutError:
                break
        if self._store.held is not None:
            raise MoatdnsError(self._store.held)

    async def refused_late(self) -> str:
        """Wait for the first word of the store, which a slow start went on without; gives it where it is a refusal."""
        while self._store.state is not StoreState.TOLD:
            self._store_moved.clear()
            await self._store_moved.wait()
        if self._store.held is None:
            await asyncio.Event().wait()  # what comes later is no matter of the start
        return str(self._store.held)

    def tell(self, message: NoteReading | NoteTroubles | Recompile | RenewCertificate | UseConfigPolicy) -> None:
        """Give it an order; while it is away, nobody hears it."""
        if self._process is not None:
            self._process.tell(message)

    async def restart(self) -> None:
        """Put a new one in its place, with new settings; gives when it runs, or takes long to."""
        if self._process is not None:
            self._another_runs.clear()
            await self._process.stop_by(StopControl(for_good=False))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONFIG_SECONDS):
                    await self._another_runs.wait()

    async def stop(self) -> None:
        """Let it finish, and end it."""
        self.is_stopping = True
        if self._process is not None:
            await self._process.stop_by(StopControl(for_good=True))
        self._tasks.cancel()
        await self._tasks.end()

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            why = await self._run_once()
            if why == _ENDED_BY_SIGTERM and not self.is_stopping:
                await asyncio.sleep(LAST_WORD_SECONDS)  # with everybody else, perhaps: then we are about to hear it
            if self.is_stopping:
                return
            if why is None:
                continue
            failures = 0 if asyncio.get_running_loop().time() - began > _STEADY_SECONDS else failures
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            failures += 1
            self._log.error("the control process ended; starting another", why=why, pause_seconds=pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> str | None:
        """Run one until it ends. Gives why it ended, None if it was told to."""
        try:
            process = self._process = await ControlProcess.start(self._first(), self._log, self._start_child)
        except MoatdnsError as error:
            return str(error)
        self._runs.set()
        self._another_runs.set()
        status = await process.hear(self._take)
        self._runs.clear()
        self._process = None
        for waiting in self._configs.values():
            if not waiting.done():
                waiting.set_exception(MoatdnsError("the control process ended meanwhile"))
        return None if process.stopping else f"status {status}"

    def _take(self, received: Received) -> None:
        match received.message:
            case UsePolicy() | UseSubjects() | BeginCounters() | Flush() | AskStatus() as request:
                self._tasks.spawn(self._answer(request, received.request), type(request).__name__)
            case StoreTold() as told:
                self._store = told
                self._store_moved.set()
            case ReloadConfig():
                self.reload_wanted.set()
            case ConfigInForce(fingerprint):
                if (waiting := self._who_waits_for(fingerprint)) is not None:
                    waiting.set_result(None)
            case ConfigWaits(fingerprint, why):
                self._log.warning("the config's policy is not in force yet", why=why)
                if (waiting := self._who_waits_for(fingerprint)) is not None:
                    waiting.set_exception(MoatdnsError(why))
            case ConfigRefused(fingerprint, problems):
                if (waiting := self._who_waits_for(fingerprint)) is not None:
                    waiting.set_exception(ConfigError(list(problems)))
                    return
                for problem in problems:
                    self._log.error("the config's policy is not used; the old one stays in force", problem=problem)

    def _who_waits_for(self, fingerprint: str) -> asyncio.Future[None] | None:
        waiting = self._configs.get(fingerprint)
        return None if waiting is None or waiting.done() else waiting

    async def _answer(self, request: _Request, number: int | None) -> None:
        asking = self._process
        try:
            answer: object = await self._done(request)
        except MoatdnsError as error:
            answer = Refusal(str(error))
        if asking is not None:
            asking.answer(number, answer)

    async def _done(self, request: _Request) -> object:
        """Have the workers do it. Raises MoatdnsError."""
        match request:
            case UsePolicy(path):
                manifest = read_manifest(path)
                await self._workers.publish(manifest)
                return PolicyInForce(manifest.revision)
            case UseSubjects(position):
                await self._workers.use_subjects(position)
                return SubjectsInForce()
            case BeginCounters():
                await self._workers.begin_counters()
                return CountersBegun()
            case Flush(name, below):
                return Flushed(await self._workers.flush(name, below=below))
            case AskStatus():
                return self._workers.status()

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            if self._process is not None:
                self._process.look_after(_HUNG_AFTER_PINGS)
