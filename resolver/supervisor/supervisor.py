"""Starts the workers, replaces those that end, reloads, and stops them all."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import time
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path

from resolver.errors import ConfigError, MoatdnsError
from resolver.listeners.sockets import open_sockets
from resolver.plan import Plan
from resolver.snapshot_file import Manifest
from resolver.supervisor.policy import PolicySource
from resolver.supervisor.worker_process import WorkerProcess
from resolver.telemetry.log import Log

_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # before a worker is started again, by how often it just failed
_HEARTBEAT_SECONDS = 1.0
_HUNG_AFTER_PINGS = 5  # in a row without a sign of life; beats of ours, so that our own pause is not the worker's
_STEADY_SECONDS = 10.0  # a worker that lived as long did not fail at once
_LAST_WORDS_SECONDS = 0.5  # for what stopped workers still had to report


class Supervisor:
    """The running service."""

    def __init__(self, path: Path | None, log: Log) -> None:
        """`path` is the config file, None for built-in defaults."""
        self._log = log
        self._source = PolicySource(path, log)
        self._plan: Plan
        self._manifest: Manifest
        self._workers: list[WorkerProcess | None] = []  # by slot: who serves it
        self._alive: set[WorkerProcess] = set()  # these, and those that are starting or ending
        self._failures: list[int] = []  # by slot, in a row
        self._filling: list[asyncio.Lock] = []  # by slot: one worker is being put there
        self._replacing = asyncio.Lock()
        self._compiling = asyncio.Lock()  # one compilation at a time, and what it gives in force before the next
        self._tasks: set[asyncio.Task[None]] = set()
        self._adopting: asyncio.Task[None] | None = None  # the policy of the start, while it is still being compiled
        self._reload_asked = asyncio.Event()
        self._restart_asked = asyncio.Event()
        self._stop_asked = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises MoatdnsError, ConfigError for one, when it cannot start."""
        _raise_file_limit()
        self._plan = self._source.recall() or await self._source.read()
        try:
            with _held(self._plan.state_dir):
                sockets, notes = open_sockets(list(self._plan.listen), self._plan.workers)
                self._sockets = sockets
                for note in (*self._plan.notes, *notes):
                    self._log.warning(note)
                try:
                    await self._serve()
                finally:
                    for one in sockets:
                        one.close()
        finally:
            await self._source.end()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        loop.add_signal_handler(signal.SIGUSR1, self._count)
        loop.add_signal_handler(signal.SIGUSR2, self._restart_asked.set)
        self._manifest, compiling = await self._source.first(self._plan)
        self._workers = [None] * self._plan.workers
        self._failures = [0] * self._plan.workers
        self._filling = [asyncio.Lock() for _ in self._workers]
        policy_tasks: list[asyncio.Task[None]] = []
        try:
            await asyncio.gather(*(self._first_fill(slot) for slot in range(self._plan.workers)))
            if compiling is None:
                self._say_serving()
            else:
                self._adopting = self._spawn(self._adopt(compiling), "first policy")
                policy_tasks.append(self._adopting)
            policy_tasks.append(self._spawn(self._reload_for_ever(), "reload"))
            policy_tasks.append(self._spawn(self._restart_for_ever(), "rolling restart"))
            policy_tasks.append(self._spawn(self._look_after_workers(), "heartbeat"))
            await self._stop_asked.wait()
            self._log.info("stopping")
        finally:
            self._stop_asked.set()  # also where the start failed: nobody is to be replaced any more
            for task in policy_tasks:
                task.cancel()
            await asyncio.gather(*(worker.stop() for worker in tuple(self._alive)))
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_LAST_WORDS_SECONDS)
            for task in tuple(self._tasks):
                task.cancel()
        self._log.info("stopped")

    def _say_serving(self) -> None:
        self._source.remember(self._plan)
        self._log.info(
            "serving",
            listen=[address.text for address in self._plan.listen],
            workers=len(self._workers),
            policy=self._manifest.revision,
            policy_is_the_configs=self._manifest.fingerprint == self._plan.fingerprint,
            upstreams=[server.name for server in self._plan.settings.upstream_servers],
        )

    async def _adopt(self, compiling: asyncio.Task[Manifest]) -> None:
        """Put the first policy in force once it is compiled."""
        try:
            async with self._compiling:
                await self._put_in_force(await compiling)
            self._say_serving()
        except MoatdnsError as error:
            self._log.error("the new policy cannot be put in force; the last good one stays", why=str(error))

    async def _put_in_force(self, manifest: Manifest) -> None:
        """Tell every worker, wait until each obeys, and replace those that do not. Raises MoatdnsError."""
        self._manifest = manifest
        workers = [(slot, worker) for slot, worker in enumerate(self._workers) if worker]
        for _, worker in workers:
            worker.use(manifest.path)
        obeyed = await asyncio.gather(*(worker.serves(manifest.revision) for _, worker in workers))
        for (slot, worker), obeys in zip(workers, obeyed, strict=True):
            if not obeys and self._workers[slot] is worker:
                self._log.error("a worker does not take the new policy and is replaced", pid=worker.pid)
                await self._replace(slot)

    # Reloading

    async def _reload_for_ever(self) -> None:
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            try:
                await self._reload()
            except ConfigError as error:
                for problem in error.problems:
                    self._log.error("the config is not used; the old one stays in force", problem=problem)
            except MoatdnsError as error:
                self._log.error("reload did not finish", why=str(error), policy=self._manifest.revision)
            finally:
                await self._source.end()

    async def _reload(self) -> None:
        if self._adopting is not None:
            await asyncio.wait([self._adopting])  # the last policy asked for is the last in force
        old, new = self._plan, await self._source.read()
        for note in new.notes:
            self._log.warning(note)
        needs_restart = new.fixed != old.fixed
        if needs_restart:
            self._log.warning("listen, workers and state_dir change only with a restart; the rest is reloaded")
            new = new.with_fixed_of(old)
        async with self._compiling:
            if new.fingerprint != self._manifest.fingerprint:
                await self._put_in_force(await self._source.compile(new))
        self._plan = new
        try:
            replaced = await self._replace_all(only_outdated=True)
        except MoatdnsError:
            self._plan = replace(new, settings=old.settings)  # with which workers are known to start
            raise
        if not needs_restart:
            self._source.remember(new)
        self._log.info("reloaded", policy=self._manifest.revision, workers_replaced=replaced)

    async def _restart_for_ever(self) -> None:
        """SIGUSR2: new workers for old, one after the other, with no query lost."""
        while True:
            await self._restart_asked.wait()
            self._restart_asked.clear()
            try:
                await self._replace_all()
                self._log.info("workers restarted")
            except MoatdnsError as error:
                self._log.error("rolling restart stopped; the other workers go on as they are", why=str(error))

    async def _replace_all(self, *, only_outdated: bool = False) -> int:
        """Replace the workers, or those with settings that are not the plan's; gives how many."""
        replaced = 0
        async with self._replacing:
            for slot, worker in enumerate(tuple(self._workers)):
                if only_outdated and (worker is None or worker.settings == self._plan.settings):
                    continue
                await self._replace(slot)
                replaced += 1
        return replaced

    async def _replace(self, slot: int) -> None:
        """Put a new worker on the sockets of a slot, then let the old one finish; what waits there either may read."""
        async with self._filling[slot]:
            old = self._workers[slot]
            await self._fill(slot)
            if old is not None:
                await old.stop()

    # Workers

    async def _first_fill(self, slot: int) -> None:
        async with self._filling[slot]:
            await self._fill(slot, checked=True)

    async def _fill(self, slot: int, *, checked: bool = False) -> None:
        """Start a worker for a slot and wait until it serves. Raises MoatdnsError when it does not.

        `checked`: the policy's files have just been checked.
        """
        while True:
            manifest, settings = self._manifest, self._plan.settings
            worker = await WorkerProcess.start(self._sockets[slot], settings, manifest.path, self._log, checked=checked)
            self._alive.add(worker)
            self._spawn(self._watch(slot, worker), f"worker {worker.pid}")
            await worker.ready()
            if settings == self._plan.settings:
                break
            await worker.stop()  # the settings changed while it started
        self._workers[slot] = worker
        if manifest is not self._manifest:  # a new policy came while it started
            worker.use(self._manifest.path)

    async def _watch(self, slot: int, worker: WorkerProcess) -> None:
        """Hear a worker until it ends, and replace one that was not told to."""
        status = await worker.hear()
        self._alive.discard(worker)
        if worker.stopping:
            return
        async with self._filling[slot]:
            if self._workers[slot] is worker:  # else it was being replaced when it ended
                self._workers[slot] = None
                await self._fill_in_the_end(slot, worker, status)

    async def _fill_in_the_end(self, slot: int, ended: WorkerProcess, status: int) -> None:
        """Start workers for a slot, with growing pauses, until one serves."""
        if time.monotonic() - ended.began > _STEADY_SECONDS:
            self._failures[slot] = 0
        while not self._stop_asked.is_set():
            pause = _BACKOFF_SECONDS[min(self._failures[slot], len(_BACKOFF_SECONDS) - 1)]
            self._failures[slot] += 1
            self._log.error("a worker ended; starting another", pid=ended.pid, status=status, pause_seconds=pause)
            await asyncio.sleep(pause)
            try:
                await self._fill(slot)
            except MoatdnsError as error:
                self._log.error("a worker could not be started", why=str(error))
            else:
                return
            try:
                async with self._compiling:
                    self._manifest = await self._source.mended(self._plan)
            except MoatdnsError as error:
                self._log.error("no policy can be served", why=str(error))

    async def _look_after_workers(self) -> None:
        """Ask each worker for a sign of life, and kill one that gives none: it is then replaced like any that ended."""
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            for worker in self._workers:
                if worker is None or worker.stopping:
                    continue
                if worker.unanswered_pings >= _HUNG_AFTER_PINGS:
                    self._log.error("a worker hangs and is killed", pid=worker.pid, pings=worker.unanswered_pings)
                    worker.kill()
                else:
                    worker.ping()

    def _count(self) -> None:
        """SIGUSR1: each worker's counters into the log."""
        for worker in self._workers:
            if worker:
                worker.count()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run a task that is owned here; a crash in it is logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a task of the supervisor failed", task=task.get_name(), error=repr(error))


def _raise_file_limit() -> None:
    """Use all file descriptors that we may: clients' connections must not starve the upstreams' sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def _held(state_dir: Path) -> Iterator[None]:
    """Hold the state directory for this process. Raises MoatdnsError when another one has it."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / "moatdns.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise MoatdnsError(f"state_dir: {state_dir}: {error.strerror}; choose a folder that can be written") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise MoatdnsError(
                f"state_dir: {state_dir} is in use by another moatdns (pid {lock.read().strip() or 'unknown'}); "
                "give this one a folder of its own"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
