"""Starts, watches and replaces the processes; owns the listening sockets; nothing else. It answers no query itself."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resolver.build import fingerprint_of
from resolver.config.addresses import parse_endpoint
from resolver.config.schema import Config
from resolver.config.settings import WorkerSettings
from resolver.config.to_settings import system_servers, worker_settings
from resolver.errors import ConfigError, MoatdnsError, SnapshotError
from resolver.listeners.sockets import Listen, WorkerSockets, open_sockets
from resolver.snapshot_file import Manifest, last_good, read_manifest
from resolver.telemetry.log import Log

SNAPSHOTS = "snapshots"  # folder below state_dir
READY_SECONDS = 30.0  # a worker that is not ready by then is taken for hung
OLD_POLICY_AFTER_SECONDS = 2.0  # how long a start waits for a new policy before it serves the last good one
_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # before a worker is started again, by how often it just failed
_STEADY_SECONDS = 10.0  # a worker that lived as long did not fail at once
_STOP_SECONDS = 8.0  # for a worker to drain; then it is killed


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that follows from a config, besides sockets."""

    settings: WorkerSettings
    policy: dict[str, Any]
    fingerprint: str
    fixed: tuple[Any, ...]  # what a reload cannot change


class _Worker:
    """A running worker process and the channel to it."""

    def __init__(self, process: asyncio.subprocess.Process, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.writer = writer
        self.began = time.monotonic()
        self.ready = asyncio.get_running_loop().create_future()
        self.revision = 0
        self.changed = asyncio.Event()  # it said which policy it serves
        self.stopping = False
        self.tasks: list[asyncio.Task[None]] = []

    def tell(self, do: str, **facts: Any) -> None:
        """Send an order; a worker that is gone does not hear it, and its end is seen elsewhere."""
        if not self.writer.is_closing():
            self.writer.write(json.dumps({"do": do, **facts}).encode() + b"\n")


class Supervisor:
    """The process that `moatdns serve` is."""

    def __init__(self, load: Callable[[], Config], config: Config, log: Log) -> None:
        """`load` reads the config anew for a reload and raises ConfigError."""
        self._load = load
        self._log = log
        self._config = config
        self._workers: list[_Worker | None] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._reload_asked = asyncio.Event()
        self._stop_asked = asyncio.Event()
        self._failures: dict[int, int] = {}

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises MoatdnsError when it cannot start."""
        state_dir = self._config.state_dir
        with _held(state_dir):
            self._snapshots = state_dir / SNAPSHOTS
            self._plan = _plan_of(self._config)
            if not self._plan.settings.upstream_servers:
                self._log.warning("no upstream: only blocked names are answered; set upstream.servers")
            self._sockets, left_out = open_sockets(_addresses(self._config), _worker_count(self._config))
            for reason in left_out:
                self._log.warning("not listening on an address of the defaults", why=reason)
            try:
                await self._serve()
            finally:
                for sockets in self._sockets:
                    sockets.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        loop.add_signal_handler(signal.SIGUSR1, self._count)
        self._manifest, compiling = await self._first_policy()
        self._workers = [None] * len(self._sockets)
        try:
            await self._start_all()
            if compiling is not None:
                self._spawn(self._adopt(compiling), "first policy")
            else:
                self._say_serving()
            self._spawn(self._reload_for_ever(), "reload")
            await self._stop_asked.wait()
            self._log.info("stopping")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*(self._stop(worker) for worker in self._workers if worker))
        self._log.info("stopped")

    def _say_serving(self) -> None:
        self._log.info(
            "serving",
            listen=[address.text for address in _addresses(self._config)],
            workers=len(self._workers),
            policy=self._manifest.revision,
            upstreams=[server.name for server in self._plan.settings.upstream_servers],
        )

    # The policy

    async def _first_policy(self) -> tuple[Manifest, asyncio.Task[Manifest] | None]:
        """The policy to start with, and the compilation still running when the last good one has to serve meanwhile."""
        good = self._last_good()
        if good is not None and good.fingerprint == self._plan.fingerprint:
            return good, None
        compiling = asyncio.ensure_future(self._compile(self._plan))
        if good is None:
            return await compiling, None
        done, _ = await asyncio.wait([compiling], timeout=OLD_POLICY_AFTER_SECONDS)
        if not done:
            self._log.warning("still compiling the new policy; serving the last good one", policy=good.revision)
            return good, compiling
        try:
            return compiling.result(), None
        except SnapshotError as error:
            self._log.error("the new policy cannot be compiled; serving the last good one", why=str(error))
            return good, None

    def _last_good(self) -> Manifest | None:
        try:
            _, manifest, refused = last_good(self._snapshots)
        except SnapshotError as error:
            if self._snapshots.is_dir():
                self._log.warning("no compiled policy can be used", why=str(error))
            return None
        for why in refused:
            self._log.error("a damaged policy is refused; using the last good one", why=why, policy=manifest.revision)
        return manifest

    async def _compile(self, plan: _Plan) -> Manifest:
        """Compile in a process of its own. Raises SnapshotError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "resolver.build",
            str(self._snapshots),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(json.dumps(plan.policy).encode())
        try:
            outcome = json.loads(output)
        except ValueError:
            raise SnapshotError(f"the compiler ended with status {process.returncode}") from None
        if "error" in outcome:
            raise SnapshotError(outcome["error"])
        self._log.info("policy compiled", policy=outcome["revision"], seconds=outcome["seconds"])
        return read_manifest(Path(outcome["manifest"]))

    async def _adopt(self, compiling: asyncio.Task[Manifest]) -> None:
        try:
            await self._put_in_force(await compiling)
            self._say_serving()
        except SnapshotError as error:
            self._log.error("the new policy cannot be compiled; the last good one stays", why=str(error))

    async def _put_in_force(self, manifest: Manifest) -> None:
        """Tell every worker, and wait until each says that it obeys."""
        self._manifest = manifest
        workers = [worker for worker in self._workers if worker and not worker.stopping]
        for worker in workers:
            worker.changed.clear()
            worker.tell("use", manifest=str(manifest.path))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                await asyncio.gather(*(worker.changed.wait() for worker in workers))
        late = [worker.process.pid for worker in workers if worker.revision != manifest.revision]
        if late:
            self._log.error("workers that do not serve the new policy", pids=late, policy=manifest.revision)

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
                self._log.error("reload failed; the old policy stays in force", why=str(error))

    async def _reload(self) -> None:
        config = self._load()
        plan = _plan_of(config)
        if plan.fixed != self._plan.fixed:
            self._log.warning("listen, workers and state_dir change only with a restart; the rest is reloaded")
        if plan.fingerprint != self._plan.fingerprint or plan.fingerprint != self._manifest.fingerprint:
            await self._put_in_force(await self._compile(plan))
        renew = plan.settings != self._plan.settings
        self._plan = _Plan(plan.settings, plan.policy, plan.fingerprint, self._plan.fixed)
        self._config = config
        if renew:
            for slot in range(len(self._workers)):
                await self._replace(slot)
        self._log.info("reloaded", policy=self._manifest.revision, workers_replaced=renew)

    async def _replace(self, slot: int) -> None:
        """Put a new worker on the sockets of a slot, then let the old one finish; what waits there either may read."""
        old = self._workers[slot]
        self._workers[slot] = await self._start(slot)
        if old is not None:
            await self._stop(old)

    # Processes

    async def _start_all(self) -> None:
        started = await asyncio.gather(*(self._start(slot) for slot in range(len(self._sockets))))
        self._workers = list(started)

    async def _start(self, slot: int) -> _Worker:
        """Start a worker on a slot's sockets and wait until it serves. Raises MoatdnsError when it does not."""
        sockets = self._sockets[slot]
        ours, theirs = socket.socketpair()
        inherited = [one.fileno() for one in (*sockets.udp, *sockets.tcp)]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "resolver.worker",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno(), *inherited],
                stdin=asyncio.subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = _Worker(process, writer)
        first = {
            "settings": json.loads(self._plan.settings.to_json()),
            "manifest": str(self._manifest.path),
            "udp": [one.fileno() for one in sockets.udp],
            "tcp": [one.fileno() for one in sockets.tcp],
        }
        writer.write(json.dumps(first).encode() + b"\n")
        worker.tasks = [
            self._spawn(self._hear(worker, reader), f"worker {process.pid}"),
            self._spawn(self._watch(slot, worker), f"end of worker {process.pid}"),
        ]
        try:
            async with asyncio.timeout(READY_SECONDS):
                await worker.ready
        except TimeoutError:
            process.kill()
            raise MoatdnsError(f"worker {process.pid} was not ready within {READY_SECONDS:g} s") from None
        return worker

    async def _hear(self, worker: _Worker, reader: asyncio.StreamReader) -> None:
        """Take a worker's reports until it ends."""
        pid = worker.process.pid
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                report = json.loads(line)
                event = report.pop("event")
                if event == "ready":
                    worker.revision = report["revision"]
                    worker.ready.set_result(None)
                elif event in ("in_force", "refused"):
                    worker.revision = report["revision"]
                    worker.changed.set()
                    if event == "refused":
                        self._log.error("a worker refused the policy", pid=pid, why=report["why"])
                elif event == "counts":
                    self._log.info("counts", pid=pid, **report)
                elif event == "trouble":
                    self._log.error("unexpected error in a worker", pid=pid, **report)

    async def _watch(self, slot: int, worker: _Worker) -> None:
        """Replace a worker that ends without being told to."""
        status = await worker.process.wait()
        if not worker.ready.done():
            worker.ready.set_exception(MoatdnsError(f"worker {worker.process.pid} ended with status {status}"))
        worker.changed.set()
        worker.writer.close()
        if worker.stopping or self._stop_asked.is_set() or self._workers[slot] is not worker:
            return
        self._workers[slot] = None
        failures = 0 if time.monotonic() - worker.began > _STEADY_SECONDS else self._failures.get(slot, 0)
        while not self._stop_asked.is_set():
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            failures += 1
            self._failures[slot] = failures
            self._log.error("worker ended; starting another", pid=worker.process.pid, status=status, pause=pause)
            await asyncio.sleep(pause)
            try:
                self._workers[slot] = await self._start(slot)
            except MoatdnsError as error:
                self._log.error("a worker could not be started", why=str(error))
                continue
            return

    async def _stop(self, worker: _Worker) -> None:
        """Let a worker finish what it has in flight, and end it."""
        worker.stopping = True
        worker.tell("stop")
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await worker.process.wait()
        except TimeoutError:
            self._log.error("a worker did not stop and is killed", pid=worker.process.pid)
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
            await worker.process.wait()

    def _count(self) -> None:
        """SIGUSR1: each worker's counters into the log."""
        for worker in self._workers:
            if worker:
                worker.tell("count")

    def _spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        """Run a task that is owned here; a crash in it is logged."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a task of the supervisor failed", task=task.get_name(), error=repr(error))


def _plan_of(config: Config) -> _Plan:
    policy = config.policy.model_dump(mode="json")
    workers = _worker_count(config)
    return _Plan(
        settings=worker_settings(config, workers=workers, system_servers=system_servers()),
        policy=policy,
        fingerprint=fingerprint_of(policy),
        fixed=(config.listen.do53, workers, config.state_dir),
    )


def _worker_count(config: Config) -> int:
    return len(os.sched_getaffinity(0)) if config.workers == "auto" else int(config.workers)


def _addresses(config: Config) -> list[Listen]:
    is_default = "do53" not in config.listen.model_fields_set
    return [Listen(*parse_endpoint(text), optional=is_default) for text in config.listen.do53]


@contextlib.contextmanager
def _held(state_dir: Path) -> Any:
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


__all__ = ["SNAPSHOTS", "Supervisor", "WorkerSockets"]
