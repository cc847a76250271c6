"""The running service: opens the sockets, has the crew serve them, reloads, and stops it all."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from resolver.errors import ConfigError, MoatdnsError
from resolver.listeners.sockets import WorkerSockets, open_sockets
from resolver.plan import Plan
from resolver.snapshot_file import Manifest
from resolver.supervisor.crew import Crew
from resolver.supervisor.policy import PolicySource
from resolver.supervisor.tasks import Tasks
from resolver.telemetry.log import Log


class Supervisor:
    """What `moatdns serve` runs."""

    def __init__(self, path: Path | None, log: Log) -> None:
        """`path` is the config file, None for built-in defaults."""
        self._log = log
        self._source = PolicySource(path, log)
        self._plan: Plan
        self._crew: Crew
        self._tasks = Tasks(log)
        self._compiling = asyncio.Lock()  # one config read and compiled at a time, and in force before the next
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
                for note in (*self._plan.notes, *notes):
                    self._log.warning(note)
                try:
                    await self._serve(sockets)
                finally:
                    for one in sockets:
                        one.close()
        finally:
            await self._source.end()

    async def _serve(self, sockets: list[WorkerSockets]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_asked.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        loop.add_signal_handler(signal.SIGUSR2, self._restart_asked.set)
        manifest, compiling = await self._source.first(self._plan)
        self._crew = Crew(sockets, self._plan.settings, manifest, self._mended_policy, self._log)
        loop.add_signal_handler(signal.SIGUSR1, self._crew.count)
        try:
            await self._crew.start()
            if compiling is None:
                self._say_serving()
            else:
                self._adopting = self._tasks.spawn(self._adopt(compiling), "first policy")
            self._tasks.spawn(self._reload_for_ever(), "reload")
            self._tasks.spawn(self._restart_for_ever(), "rolling restart")
            await self._stop_asked.wait()
            self._log.info("stopping")
        finally:
            self._tasks.cancel()
            await self._crew.stop()
        self._log.info("stopped")

    def _say_serving(self) -> None:
        self._source.remember(self._plan)
        self._log.info(
            "serving",
            listen=[address.text for address in self._plan.listen],
            workers=len(self._crew),
            policy=self._crew.manifest.revision,
            policy_is_the_configs=self._crew.manifest.fingerprint == self._plan.fingerprint,
            upstreams=[server.name for server in self._plan.settings.upstream_servers],
        )

    async def _adopt(self, compiling: asyncio.Task[Manifest]) -> None:
        """Put the first policy in force once it is compiled."""
        try:
            async with self._compiling:
                await self._crew.use(await compiling)
            self._say_serving()
        except MoatdnsError as error:
            self._log.error("the new policy cannot be put in force; the last good one stays", why=str(error))

    async def _mended_policy(self) -> Manifest:
        async with self._compiling:
            return await self._source.mended(self._plan)

    async def _reload_for_ever(self) -> None:
        """SIGHUP: what the config says by now."""
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            try:
                await self._reload()
            except ConfigError as error:
                for problem in error.problems:
                    self._log.error("the config is not used; the old one stays in force", problem=problem)
            except MoatdnsError as error:
                self._log.error("reload did not finish", why=str(error), policy=self._crew.manifest.revision)

    async def _reload(self) -> None:
        if self._adopting is not None:
            await asyncio.wait([self._adopting])  # the last policy asked for is the last in force
        old = self._plan
        async with self._compiling:
            try:
                new = await self._source.read()
                needs_restart = new.fixed != old.fixed
                if needs_restart:
                    new = new.with_fixed_of(old)
                if new.fingerprint != self._crew.manifest.fingerprint:
                    await self._crew.use(await self._source.compile(new))
            finally:
                await self._source.end()
        for note in new.notes:
            self._log.warning(note)
        if needs_restart:
            self._log.warning("listen, workers and state_dir change only with a restart; the rest is reloaded")
        self._plan, self._crew.settings = new, new.settings
        try:
            replaced = await self._crew.replace(only_outdated=True)
        except MoatdnsError:
            # Back to the settings with which workers are known to start.
            self._plan, self._crew.settings = replace(new, settings=old.settings), old.settings
            raise
        if not needs_restart:
            self._source.remember(new)
        self._log.info("reloaded", policy=self._crew.manifest.revision, workers_replaced=replaced)

    async def _restart_for_ever(self) -> None:
        """SIGUSR2: new workers for old, one after the other, with no query lost."""
        while True:
            await self._restart_asked.wait()
            self._restart_asked.clear()
            try:
                await self._crew.replace()
                self._log.info("workers restarted")
            except MoatdnsError as error:
                self._log.error("rolling restart stopped; the other workers go on as they are", why=str(error))


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
