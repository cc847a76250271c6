"""The control process, kept running: started again when it ends or hangs, and its orders carried out.

DNS does not depend on it: while it is away, the workers answer by the policy that they have.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from moatdns.supervisor.control_process import ControlProcess, Event
from moatdns.supervisor.tasks import Tasks
from resolver.errors import ConfigError, MoatdnsError
from resolver.snapshot.snapshot_file import Manifest, read_manifest
from resolver.snapshot.subjects_file import Position
from resolver.telemetry.log import Log

_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0)  # before it is started again, by how often it just failed
_STEADY_SECONDS = 30.0  # having run as long, it did not fail at once
_HEARTBEAT_SECONDS = 1.0
_HUNG_AFTER_PINGS = 30  # it may be busy with a store that does not answer
_ENDED_BY_SIGTERM = f"status {-signal.SIGTERM}"
LAST_WORD_SECONDS = 0.5  # between a child that hears of the end, and us
_START_SECONDS = 10.0  # for a control process to say anything, before a start goes on without it
_STORE_SECONDS = 5.0  # for a store to answer, likewise
_CONFIG_SECONDS = 120.0  # for a config's policy to be compiled and in force


class Control:
    """The one control process."""

    def __init__(
        self,
        first: Callable[[], dict[str, Any]],
        fds: list[int],
        publish: Callable[[Manifest], Awaitable[None]],
        use_subjects: Callable[[Position], Awaitable[None]],
        flush: Callable[[str | None, bool], Awaitable[int]],
        status: Callable[[], dict[str, Any]],
        log: Log,
    ) -> None:
        """`first` is what a new process is told; `publish` and `use_subjects` put a policy, leases and exemptions in
        force; `flush` has workers forget answers; `status` tells of the workers.
        """
        self._first = first
        self._fds = fds
        self._publish = publish
        self._use_subjects = use_subjects
        self._flush = flush
        self._status = status
        self._log = log
        self._tasks = Tasks(log)
        self._process: ControlProcess | None = None
        self._configs: dict[str, asyncio.Future[None]] = {}  # by fingerprint: who waits for a config's policy
        self._runs = asyncio.Event()
        self._another_runs = asyncio.Event()
        self._store_state = "starts"  # then opens, waits (for another node's lock to be over), told
        self._store_moved = asyncio.Event()
        self._store_held: str | None = None  # by whom, where another node serves the store
        self._is_started = False
        self.is_stopping = False

    def start(self) -> None:
        """Keep it running from now on."""
        if self._is_started:
            return
        self._is_started = True
        self._tasks.spawn(self._keep_running(), "control process")
        self._tasks.spawn(self._look_after(), "heartbeat of the control process")

    async def put_in_force(self, policy: dict[str, Any], fingerprint: str) -> None:
        """Have a config's policy stored and in force.

        Raises ConfigError when the store holds what contradicts it, and MoatdnsError when it does not come to pass.
        """
        try:
            async with asyncio.timeout(_CONFIG_SECONDS):
                await self._runs.wait()
        except TimeoutError:
            raise MoatdnsError("the control process cannot be started; the config's policy waits for it") from None
        self._tell("config", policy=policy, fingerprint=fingerprint)
        await self.config_in_force(fingerprint, _CONFIG_SECONDS)

    async def config_in_force(self, fingerprint: str, seconds: float) -> None:
        """Wait until the control process says that a config's policy is in force. Raises as `put_in_force`."""
        waiting = self._configs.setdefault(fingerprint, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(waiting)
        except TimeoutError:
            raise MoatdnsError(f"the config's policy is not in force after {seconds:g} s; it comes later") from None
        finally:
            self._configs.pop(fingerprint, None)
            waiting.cancel()

    async def check_store(self, seconds: float) -> None:
        """Wait until it has the store, or cannot reach it. Raises MoatdnsError where another node serves the store.

        A store that does not answer keeps no DNS waiting; another node's lock does, for so long.
        """
        patience = {"starts": _START_SECONDS, "opens": _STORE_SECONDS, "waits": seconds}
        while self._store_state in patience:
            self._store_moved.clear()
            try:
                async with asyncio.timeout(patience[self._store_state]):
                    await self._store_moved.wait()
            except TimeoutError:
                break
        if self._store_held is not None:
            raise MoatdnsError(self._store_held)

    async def refused_late(self) -> str:
        """Wait for the first word of the store, which a slow start went on without; gives it where it is a refusal."""
        while self._store_state != "told":
            self._store_moved.clear()
            await self._store_moved.wait()
        if self._store_held is None:
            await asyncio.Event().wait()  # what comes later is no matter of the start
        return str(self._store_held)

    def recompile(self) -> None:
        """Tell it that the compiled policy on disk is gone."""
        if self._process is not None:
            self._process.tell("recompile")

    def tell_reading(self, reading: dict[str, Any]) -> None:
        """Have the audit trail know what the config says by now."""
        self._tell("reading", reading=reading)

    def renew(self) -> None:
        """Have it read its certificate again."""
        if self._process is not None:
            self._process.tell("renew")

    def tell_troubles(self, troubles: list[str]) -> None:
        """Tell it what is wrong with this machine, for /ready."""
        if self._process is not None:
            self._process.tell("troubles", troubles=troubles)

    async def restart(self) -> None:
        """Put a new one in its place, with new settings; gives when it runs, or takes long to."""
        if self._process is not None:
            self._another_runs.clear()
            await self._process.stop(for_good=False)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONFIG_SECONDS):
                    await self._another_runs.wait()

    async def stop(self) -> None:
        """Let it finish, and end it."""
        self.is_stopping = True
        if self._process is not None:
            await self._process.stop(for_good=True)
        self._tasks.cancel()
        await self._tasks.end()

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            why = await self._run_once()
            if why == _ENDED_BY_SIGTERM and not self.is_stopping:
                await asyncio.sleep(LAST_WORD_SECONDS)  # with everybody else, perhaps: then we are about to hear it
            if self.is_stopping:
                return
            if why is None:
                continue
            failures = 0 if time.monotonic() - began > _STEADY_SECONDS else failures
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            failures += 1
            self._log.error("the control process ended; starting another", why=why, pause_seconds=pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> str | None:
        """Run one until it ends. Gives why it ended, None if it was told to."""
        try:
            process = self._process = await ControlProcess.start(self._first(), self._fds, self._log)
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

    async def _take(self, event: Event) -> None:
        match event["event"]:
            case "publish":
                publishing = self._publish_policy(Path(event["manifest"]))
                self._tasks.spawn(self._do_and_tell(event["id"], publishing), "publish")
            case "subjects":
                using = self._use_subjects(Position.from_plain(event))
                self._tasks.spawn(self._do_and_tell(event["id"], using), "leases and exemptions")
            case "flush":
                flushing = self._flush(event["name"], event["below"])
                self._tasks.spawn(self._do_and_tell(event["id"], flushing), "flush")
            case "status":
                self._tell("status", id=event["id"], status=self._status())
            case "store":
                self._store_state, self._store_held = event["state"], event["held"]
                self._store_moved.set()
            case "config_in_force":
                waiting = self._configs.get(event["fingerprint"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)
            case "config_waits":
                self._log.warning("the config's policy is not in force yet", why=event["why"])
                waiting = self._configs.get(event["fingerprint"])
                if waiting is not None and not waiting.done():
                    waiting.set_exception(MoatdnsError(event["why"]))
            case "config_refused":
                self._refused(event)

    async def _publish_policy(self, manifest: Path) -> None:
        await self._publish(read_manifest(manifest))

    async def _do_and_tell(self, number: int, doing: Awaitable[int | None]) -> None:
        error = result = None
        try:
            result = await doing
        except MoatdnsError as failure:
            error = str(failure)
        self._tell("published", id=number, error=error, result=result)

    def _refused(self, event: Event) -> None:
        waiting = self._configs.get(event["fingerprint"])
        if waiting is not None and not waiting.done():
            waiting.set_exception(ConfigError(event["problems"]))
            return
        for problem in event["problems"]:
            self._log.error("the config's policy is not used; the old one stays in force", problem=problem)

    def _tell(self, do: str, **facts: Any) -> None:
        if self._process is not None:
            self._process.tell(do, **facts)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            process = self._process
            if process is None or process.stopping:
                continue
            if process.unanswered_pings >= _HUNG_AFTER_PINGS:
                self._log.error("the control process hangs and is killed", pid=process.pid)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            else:
                process.ping()
