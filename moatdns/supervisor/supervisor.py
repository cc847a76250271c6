"""The running service: opens the sockets, has the crew serve them, and stops it all."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path

from moatdns.plan import Ground, NodePlan
from moatdns.supervisor.late_addresses import LateAddresses
from moatdns.supervisor.node import RunningNode, tell_notes
from moatdns.supervisor.own_process import Ownership
from moatdns.supervisor.policy import PolicySource
from moatdns.supervisor.reloading import Reloader
from moatdns.supervisor.service_manager import of_this_process
from moatdns.supervisor.shared_sockets import SharedSockets
from moatdns.supervisor.spawning import raise_file_limit
from moatdns.supervisor.tasks import Tasks
from resolver.config.settings import ControlSettings
from resolver.errors import MoatdnsError
from resolver.listeners.sockets import DO53, WorkerSockets, open_sockets
from resolver.snapshot.manifests import Manifest
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log
from resolver.worker.messages import TellCounts

PATIENCE_SECONDS = 5.0  # how long a start waits for a new policy before it serves the last good one
_OWNER_SECONDS = 12.0  # for a dead node's lock of the store to be over
SQLITE_FILE = "moatdns.sqlite"  # below state_dir: the store, unless store.url names another


class Supervisor:
    """The service that `moatdns serve` runs."""

    def __init__(self, path: Path | None, log: Log, start_child: StartChild = ChildProcess.start) -> None:
        """`path` is the config file, None for built-in defaults; `start_child` starts a process."""
        self._path = path
        self._log = log
        self._start_child = start_child
        self._source = PolicySource(path, log, start_child)
        self._began = time.time()
        self._manager = of_this_process()
        self._tasks = Tasks(log)
        self._stop_asked = asyncio.Event()
        self._node: RunningNode

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises MoatdnsError, ConfigError for one, when it cannot start."""
        raise_file_limit()
        try:
            recalled = self._source.recall()
            ground = recalled.ground if recalled else await self._source.read_ground()
            own = Ownership(self._path, ground)
            with contextlib.ExitStack() as held:
                held.enter_context(own.held_state())
                sockets, notes = open_sockets(
                    list(ground.listen), ground.workers, ground.encrypted_workers, self._manager.take_sockets()
                )
                for one in sockets:
                    held.callback(one.close)
                shared = held.enter_context(SharedSockets.open(ground))
                own.give_up_root()
                plan = recalled or await self._plan_on(ground)
                tell_notes(plan, self._log, (*own.notes, *notes))
                self._node = RunningNode(
                    self._path, plan, self._source, shared, self._log, self._start_child, began=self._began
                )
                await self._serve(sockets)
        finally:
            await self._source.end()

    async def _plan_on(self, ground: Ground) -> NodePlan:
        """The plan for what is open by now: that of the last run, if it may be believed by now, else a new one."""
        recalled = self._source.recall()
        if recalled is not None and recalled.ground == ground:
            await self._source.end()
            return recalled
        return await self._source.plan()

    async def _serve(self, sockets: list[WorkerSockets]) -> None:
        node = self._node
        reloader = Reloader(node, self._source, self._manager, self._stop_asked, self._log)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._begin_to_stop)
        loop.add_signal_handler(signal.SIGHUP, reloader.reload_asked.set)
        node.control.reload_wanted = reloader.reload_asked
        loop.add_signal_handler(signal.SIGUSR2, reloader.restart_asked.set)
        if node.plan.places is not None:
            await node.system.begin(node.plan.ground.listen)
            node.plan = node.with_system_servers(node.plan)
        try:
            manifest = await self._first_policy()
            await self._source.end()  # where what is on disk is served, nothing of what was read is needed any more
            crew = node.take_crew(sockets, manifest)
            loop.add_signal_handler(signal.SIGUSR1, lambda: crew.tell(TellCounts()))
            try:
                await crew.start()
                node.has_crew.set()
                node.control.start()
                self._say_serving()
                self._manager.ready(node.serves)
                if self._manager.watchdog_seconds:
                    self._tasks.spawn(self._live_for_ever(), "watchdog")
                self._tasks.spawn(reloader.reload_for_ever(), "reload")
                self._tasks.spawn(LateAddresses.of(node.plan.ground, self._log).watch(), "late addresses")
                self._tasks.spawn(reloader.restart_for_ever(), "rolling restart")
                self._tasks.spawn(node.turn_pseudonyms_for_ever(), "periods of pseudonyms")
                self._tasks.spawn(reloader.follow_system_for_ever(), "nameservers of the system")
                refused = await self._until_stopped()
                self._log.info("stopping")
                self._manager.stopping()
            finally:
                self._tasks.cancel()
                await crew.stop()
        finally:
            await node.control.stop()  # last: it writes down what the workers have counted
        self._log.info("stopped")
        if refused is not None:
            raise MoatdnsError(refused)

    async def _until_stopped(self) -> str | None:
        """Serve until somebody says stop; return why where that is another node, which serves the store already."""
        stop = asyncio.ensure_future(self._stop_asked.wait())
        refused = asyncio.ensure_future(self._node.control.refused_late())
        try:
            await asyncio.wait((stop, refused), return_when=asyncio.FIRST_COMPLETED)
            return refused.result() if refused.done() else None
        finally:
            stop.cancel()
            refused.cancel()

    def _begin_to_stop(self) -> None:
        """From here on, the end of a child is no fault."""
        self._node.control.is_stopping = True
        if self._node.has_crew.is_set():
            self._node.crew.is_stopping = True
        self._stop_asked.set()

    async def _first_policy(self) -> Manifest:
        """The policy to start with. Raises MoatdnsError when there is none."""
        node = self._node
        good = node.in_use = self._source.on_disk(node.plan.ground.state_dir)
        if node.plan.control.store_url is not None:  # other machines may serve from it: then we do not start
            node.control.start()
            await node.control.check_store(_OWNER_SECONDS)
        if good is not None and good.fingerprint == node.plan.fingerprint:
            return good
        if good is not None or _has_store(node.plan.control):
            # What admins made by the API must not be open meanwhile, so a policy of the config alone comes last.
            node.control.start()
            done, _ = await asyncio.wait([node.published], timeout=PATIENCE_SECONDS)
            if done:
                return node.published.result()
            if good is not None:
                self._log.warning("the new policy is not ready; serving the last good one", policy=good.revision)
                return good
            self._log.error("the store gives no policy; serving that of the config alone")
        node.in_use = await self._source.from_config(node.plan)
        return node.in_use

    def _say_serving(self) -> None:
        plan, manifest = self._node.plan, self._node.crew.manifest
        self._source.remember(plan)
        listening: dict[str, list[str]] = {}  # by what is spoken there
        for address in plan.ground.listen:
            listening.setdefault("listen" if address.kind == DO53 else address.kind, []).append(address.text)
        self._log.info(
            "serving",
            **listening,
            workers=plan.ground.workers,
            policy=manifest.revision,
            policy_is_the_configs=manifest.fingerprint == plan.fingerprint,
            upstreams=[server.name for server in plan.settings.upstream_servers],
        )

    async def _live_for_ever(self) -> None:
        """Show the service manager that this process is awake; it restarts us if it is not."""
        while True:
            self._manager.alive()
            await asyncio.sleep(self._manager.watchdog_seconds / 3)


def _has_store(settings: ControlSettings) -> bool:
    """Whether there may be more to the policy than what the config says."""
    return settings.store_url is not None or (Path(settings.state_dir) / SQLITE_FILE).exists()
