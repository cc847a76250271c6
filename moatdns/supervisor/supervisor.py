"""The running service: opens the sockets, has the crew serve them, reloads, and stops it all."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from dataclasses import replace
from pathlib import Path

from admin_api.messages import Begin, ConfigReading, FilePolicy, NodeStatus, UseConfigPolicy
from moatdns import cookie_secret
from moatdns.plan import Ground, Plan
from moatdns.supervisor.control_keeper import LAST_WORD_SECONDS, ControlKeeper
from moatdns.supervisor.crew import Crew
from moatdns.supervisor.late_addresses import LateAddresses
from moatdns.supervisor.own_process import Ownership, raise_file_limit
from moatdns.supervisor.policy import PolicySource
from moatdns.supervisor.service_manager import of_this_process
from moatdns.supervisor.shared_sockets import SharedSockets
from moatdns.supervisor.system_servers import LOOK_SECONDS, SystemFollower
from moatdns.supervisor.tasks import Tasks
from resolver.config.cookies import SECRET_BYTES
from resolver.config.settings import ControlSettings
from resolver.errors import ConfigError, MoatdnsError, SubjectsError
from resolver.listeners.sockets import DO53, WorkerSockets, open_sockets
from resolver.policy.subjects import Moment
from resolver.snapshot.clocks import STEP_SECONDS, now
from resolver.snapshot.snapshot_file import Manifest
from resolver.snapshot.subjects_file import Position, newest, note_clock_step
from resolver.telemetry.log import Log

PATIENCE_SECONDS = 5.0  # how long a start waits for a new policy before it serves the last good one
_OWNER_SECONDS = 12.0  # for a dead node's lock of the store to be over
_OTHER_CATALOGUE_SECONDS = 120.0  # for a whole new base, a million rules included
SQLITE_FILE = "moatdns.sqlite"  # below state_dir: the store, unless store.url names another


class Supervisor:
    """What `moatdns serve` runs."""

    def __init__(self, path: Path | None, log: Log) -> None:
        """`path` is the config file, None for built-in defaults."""
        self._path = path
        self._log = log
        self._source = PolicySource(path, log)
        self._began = time.time()
        self._manager = of_this_process()
        self._plan: Plan
        self._crew: Crew
        self._control: ControlKeeper
        self._tasks = Tasks(log)
        self._in_use: Manifest | None = None  # what the control process builds on
        self._subjects: Position | None = None  # leases and exemptions, as far as the control process has told
        moment = now()
        self._clocks_apart = moment.wall - moment.boot  # at the start, or when a step was told last
        self._published: asyncio.Future[Manifest]  # the first policy of the control process, where the start waits
        self._has_crew = asyncio.Event()
        self._changing = asyncio.Lock()  # one policy or config after the other
        self._reconfiguring = asyncio.Lock()  # one config, or set of upstreams, after the other
        self._system = SystemFollower(log)
        self._reload_asked = asyncio.Event()
        self._readings = 1  # of the config, since the start
        self._restart_asked = asyncio.Event()
        self._stop_asked = asyncio.Event()

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
                self._plan = recalled or await self._plan_on(ground)
                self._tell_news(self._plan)
                for note in (*self._plan.notes, *own.notes, *notes):
                    self._log.warning(note)
                await self._serve(sockets, shared)
        finally:
            await self._source.end()

    async def _plan_on(self, ground: Ground) -> Plan:
        """The plan for what is open by now: that of the last run, if it may be believed by now, else a new one."""
        recalled = self._source.recall()
        if recalled is not None and recalled.ground == ground:
            await self._source.end()
            return recalled
        return await self._source.plan()

    async def _serve(self, sockets: list[WorkerSockets], shared: SharedSockets) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._begin_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        loop.add_signal_handler(signal.SIGUSR2, self._restart_asked.set)
        self._published = loop.create_future()
        if self._plan.places is not None:
            await self._system.begin(self._plan.listen)
            self._plan = self._with_system_servers(self._plan)
        self._control = ControlKeeper(lambda: self._first_words(shared), self, self._log)
        journal = newest(self._plan.state_dir)
        self._subjects = Position(journal, journal.stat().st_size) if journal else None
        try:
            manifest = await self._first_policy()
            await self._source.end()  # where what is on disk is served, nothing of what was read is needed any more
            self._crew = Crew(
                sockets,
                self._plan.settings,
                manifest,
                self._mended_policy,
                self._log,
                events=shared.events_in,
                cookie_secret=self._cookie_secret(self._plan, []),
                subjects=self._subjects,
                on_clock=self._clock_was_set,
            )
            loop.add_signal_handler(signal.SIGUSR1, self._crew.count)
            try:
                await self._crew.start()
                self._has_crew.set()
                self._control.start()
                self._say_serving()
                self._tell_manager()
                if self._manager.watchdog_seconds:
                    self._tasks.spawn(self._live_for_ever(), "watchdog")
                self._tasks.spawn(self._reload_for_ever(), "reload")
                self._tasks.spawn(LateAddresses.of(self._plan.ground, self._log).watch(), "late addresses")
                self._tasks.spawn(self._restart_for_ever(), "rolling restart")
                self._tasks.spawn(self._follow_system_for_ever(), "nameservers of the system")
                refused = await self._until_stopped()
                self._log.info("stopping")
                self._manager.stopping()
            finally:
                self._tasks.cancel()
                await self._crew.stop()
        finally:
            await self._control.stop()  # last: it writes down what the workers have counted
        self._log.info("stopped")
        if refused is not None:
            raise MoatdnsError(refused)

    async def _until_stopped(self) -> str | None:
        """Serve until somebody says stop; gives why where that is another node, which serves the store already."""
        stop = asyncio.ensure_future(self._stop_asked.wait())
        refused = asyncio.ensure_future(self._control.refused_late())
        try:
            await asyncio.wait((stop, refused), return_when=asyncio.FIRST_COMPLETED)
            return refused.result() if refused.done() else None
        finally:
            stop.cancel()
            refused.cancel()

    def _begin_to_stop(self) -> None:
        """From here on, the end of a child is no fault."""
        self._control.is_stopping = True
        if self._has_crew.is_set():
            self._crew.is_stopping = True
        self._stop_asked.set()

    async def _first_policy(self) -> Manifest:
        """The policy to start with. Raises MoatdnsError when there is none."""
        good = self._in_use = self._source.on_disk(self._plan.state_dir)
        if self._plan.control.store_url is not None:  # other machines may serve from it: then we do not start
            self._control.start()
            await self._control.check_store(_OWNER_SECONDS)
        if good is not None and good.fingerprint == self._plan.fingerprint:
            return good
        if good is not None or _has_store(self._plan.control):
            # What admins made by the API must not be open meanwhile, so a policy of the config alone comes last.
            self._control.start()
            done, _ = await asyncio.wait([self._published], timeout=PATIENCE_SECONDS)
            if done:
                return self._published.result()
            if good is not None:
                self._log.warning("the new policy is not ready; serving the last good one", policy=good.revision)
                return good
            self._log.error("the store gives no policy; serving that of the config alone")
        self._in_use = await self._source.from_config(self._plan)
        return self._in_use

    def _first_words(self, shared: SharedSockets) -> Begin:
        """What a new control process begins with."""
        return Begin(
            settings=self._plan.control,
            worker_settings=self._plan.settings,
            serving=self._plan.listen,
            config=UseConfigPolicy(self._policy_of(self._plan), self._plan.fingerprint),
            manifest=self._in_use.path if self._in_use else None,
            began=self._began,
            reading=self._reading(),
            sockets=shared.of_control,
            troubles=self._troubles,
        )

    @property
    def _source_text(self) -> str:
        """Where the config can be edited."""
        return str(self._path.absolute()) if self._path else "the built-in defaults"

    def _reading(self) -> ConfigReading:
        """The config as it was read last, for the audit trail."""
        return ConfigReading(self._began, self._readings, self._plan.told, self._source_text)

    def _policy_of(self, plan: Plan) -> FilePolicy:
        """A config's policy, with where it can be edited."""
        return {**plan.policy, "source": self._source_text}

    async def publish(self, manifest: Manifest) -> None:
        """Put a policy in force that the control process has compiled. Raises MoatdnsError."""
        if not self._published.done():
            self._published.set_result(manifest)
        await self._has_crew.wait()
        async with self._changing:
            self._in_use = manifest
            if self._crew.manifest.path != manifest.path:
                await self._crew.use(manifest)

    async def use_subjects(self, position: Position) -> None:
        """Put leases and exemptions in force. Raises MoatdnsError."""
        self._subjects = position  # which a crew that is just being put together starts with, or is told of here
        await self._has_crew.wait()
        await self._crew.use_subjects(position)

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Have all workers forget cached answers; gives how many there were."""
        await self._has_crew.wait()
        return await self._crew.flush(name, below=below)

    def _clock_was_set(self, by: float, seen: Moment) -> None:
        """A worker saw it; each of them does, and after a sleep of the machine all do for nothing."""
        if abs(seen.wall - seen.boot - self._clocks_apart) < STEP_SECONDS:
            return
        self._clocks_apart = seen.wall - seen.boot
        self._log.warning("the wall clock was set; exemptions may end early, never late", by_seconds=round(by, 1))
        if by > 0:
            try:
                note_clock_step(self._plan.state_dir, seen)
            except SubjectsError as error:
                self._log.error("that the clock was set cannot be noted", why=str(error))

    def status(self) -> NodeStatus:
        """The workers' state."""
        return NodeStatus(self._crew.status() if self._has_crew.is_set() else ())

    def _say_serving(self) -> None:
        self._source.remember(self._plan)
        self._log.info(
            "serving",
            **self._listening(),
            workers=self._plan.workers,
            policy=self._crew.manifest.revision,
            policy_is_the_configs=self._crew.manifest.fingerprint == self._plan.fingerprint,
            upstreams=[server.name for server in self._plan.settings.upstream_servers],
        )

    def _tell_manager(self) -> None:
        self._manager.ready(f"serving policy {self._crew.manifest.revision}")

    async def _live_for_ever(self) -> None:
        """Show the service manager that this process is awake; it restarts us if it is not."""
        while True:
            self._manager.alive()
            await asyncio.sleep(self._manager.watchdog_seconds / 3)

    def _listening(self) -> dict[str, list[str]]:
        """The addresses, by what is spoken there."""
        told: dict[str, list[str]] = {}
        for address in self._plan.listen:
            told.setdefault("listen" if address.kind == DO53 else address.kind, []).append(address.text)
        return told

    def _cookie_secret(self, plan: Plan, otherwise: list[str]) -> list[str]:
        """The secrets of server cookies; `otherwise` where they cannot be read, and none where cookies are off."""
        if not plan.cookie_secret:
            return []
        try:
            return cookie_secret.load(Path(plan.cookie_secret), plan.state_dir)
        except MoatdnsError as error:  # clients take up another one by themselves: no reason not to serve
            self._log.error("the cookie secret cannot be read", why=str(error))
            return otherwise or [secrets.token_hex(SECRET_BYTES)]

    async def _mended_policy(self, harmful: Manifest | None) -> Manifest:
        """Where the policy's files are gone, damaged or harmful: the last good one, until it is compiled anew."""
        if harmful is not None:
            self._source.distrust(harmful)
        self._control.recompile()
        good = self._source.on_disk(self._plan.state_dir) or await self._source.from_config(self._plan)
        if harmful is not None:
            self._in_use = good
        return good

    async def _reload_for_ever(self) -> None:
        """SIGHUP: what the config says by now."""
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            self._manager.reloading()
            try:
                async with self._reconfiguring:
                    await self._reload()
            except ConfigError as error:
                for problem in error.problems:
                    self._log.error("the config is not used; the old one stays in force", problem=problem)
            except MoatdnsError as error:
                # A service manager may end all processes at once, and the child that was asked has heard it first.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop_asked.wait(), LAST_WORD_SECONDS)
                    return
                self._log.error("reload did not finish", why=str(error), policy=self._crew.manifest.revision)
            self._tell_manager()

    async def _follow_system_for_ever(self) -> None:
        """Ask the nameservers that the system names by now, where the config wants them."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._reconfiguring:
                if self._plan.places is None:
                    continue
                told = self._troubles
                await self._system.look(self._plan.listen)
                self._plan = self._with_system_servers(self._plan)
                if self._plan.settings != self._crew.settings:
                    self._crew.use_upstreams(self._plan.settings)
                if self._troubles != told:
                    self._control.tell_troubles(self._troubles)

    def _with_system_servers(self, plan: Plan) -> Plan:
        if plan.places is None:
            return plan
        return replace(plan, settings=plan.places.filled(plan.settings, self._system.servers))

    @property
    def _troubles(self) -> tuple[str, ...]:
        """What is wrong with this machine, for /ready."""
        trouble = self._system.trouble if self._plan.places is not None else None
        return (trouble,) if trouble else ()

    async def _reload(self) -> None:
        old = self._plan
        new = await self._read_anew()
        if new.places is not None:
            await self._system.look(new.listen)
            new = self._with_system_servers(new)
        if new.certificate_trouble:
            raise ConfigError([new.certificate_trouble])
        needs_restart = new.ground != old.ground
        if needs_restart:
            new = new.with_fixed_of(old)
        has_other_catalogue = new.control.catalogue != old.control.catalogue
        # Another catalogue is for a new control process: the one that runs has read the old.
        if new.fingerprint != self._crew.manifest.fingerprint and not has_other_catalogue:
            await self._control.put_in_force(self._policy_of(new), new.fingerprint)
        self._tell_news(new)
        for note in new.notes:
            self._log.warning(note)
        if needs_restart:
            self._log.warning(
                "listen, workers, state_dir, admin.listen and block_page.listen change only with a restart; "
                "the rest is reloaded"
            )
        self._plan, self._crew.settings = new, new.settings
        self._readings += 1
        self._control.tell_reading(self._reading())
        self._crew.cookie_secret = self._cookie_secret(new, self._crew.cookie_secret)
        try:
            replaced = await self._crew.replace(only_outdated=True)
        except MoatdnsError:
            # Back to the settings with which workers are known to start.
            self._plan, self._crew.settings = replace(new, settings=old.settings), old.settings
            raise
        if new.control != old.control or new.settings != old.settings:
            await self._control.restart()
            if has_other_catalogue:
                await self._control.config_in_force(new.fingerprint, _OTHER_CATALOGUE_SECONDS)
        else:
            self._control.renew()
        self._control.tell_troubles(self._troubles)
        self._crew.renew()
        if not needs_restart:
            self._source.remember(new)
        self._log.info("reloaded", policy=self._crew.manifest.revision, workers_replaced=replaced)

    def _tell_news(self, plan: Plan) -> None:
        if plan.news:
            self._log.info("the catalogue changed with this version", what=plan.news)

    async def _read_anew(self) -> Plan:
        try:
            return await self._source.read()
        finally:
            await self._source.end()

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


def _has_store(settings: ControlSettings) -> bool:
    """Whether there may be more to the policy than what the config says."""
    return settings.store_url is not None or (Path(settings.state_dir) / SQLITE_FILE).exists()
