"""The node as it runs: its plan, its workers and its control process, and what is in force on it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from admin_api.messages import Begin, ConfigReading, FilePolicy, NodeStatus, Recompile, UseConfigPolicy
from moatdns import cookie_secret, pseudonym_secrets
from moatdns.plan import NodePlan
from moatdns.pseudonym_secrets import Periods
from moatdns.supervisor.control_keeper import ControlKeeper
from moatdns.supervisor.crew import Crew
from moatdns.supervisor.policy import PolicySource
from moatdns.supervisor.shared_sockets import SharedSockets
from moatdns.supervisor.system_servers import SystemFollower
from resolver.config.cookies import SECRET_BYTES
from resolver.errors import MoatdnsError, SubjectsError
from resolver.listeners.sockets import WorkerSockets
from resolver.policy.moments import Moment
from resolver.snapshot.clocks import STEP_SECONDS, now
from resolver.snapshot.journal_places import Position, newest, note_clock_step
from resolver.snapshot.manifests import Manifest
from resolver.system.child_process import StartChild
from resolver.telemetry.log import Log


class RunningNode:
    """Plan, workers and control process of this node; the control process has it put changes in force."""

    def __init__(
        self,
        path: Path | None,
        plan: NodePlan,
        source: PolicySource,
        shared: SharedSockets,
        log: Log,
        start_child: StartChild,
        *,
        began: float,
    ) -> None:
        """`path` is the config file, None for built-in defaults; `start_child` starts a process.

        `began` is when this node started, in seconds since 1970.
        """
        self._path = path
        self._source = source
        self._shared = shared
        self._log = log
        self._start_child = start_child
        self._began = began
        self.plan = plan
        self.readings = 1  # of the config, since the start
        self.system = SystemFollower(log)
        self.control = ControlKeeper(self.first_words, self, log, start_child)
        self.crew: Crew
        self.has_crew = asyncio.Event()
        self.in_use: Manifest | None = None  # what the control process builds on
        self.published: asyncio.Future[Manifest] = asyncio.get_running_loop().create_future()  # its first policy
        journal = newest(plan.ground.state_dir)  # leases and exemptions, as far as the control process has told
        self._subjects = Position(journal, journal.stat().st_size) if journal else None
        moment = now()
        self._clocks_apart = moment.wall - moment.boot  # at the start, or when a step was told last
        self._changing = asyncio.Lock()  # one policy or config after the other
        self._mending = asyncio.Lock()  # workers that die of one policy have it compiled anew once

    def take_crew(self, sockets: list[WorkerSockets], manifest: Manifest) -> Crew:
        """Put a crew together that begins with a policy; its caller starts it, and then sets `has_crew`."""
        self.crew = Crew(
            sockets,
            self.plan.settings,
            manifest,
            self.mended_policy,
            self._log,
            events=self._shared.events_in,
            cookie_secret=self.cookie_secret(self.plan, []),
            subjects=self._subjects,
            pseudonyms=self.pseudonyms(self.plan, ()),
            on_clock=self.clock_was_set,
            start_child=self._start_child,
        )
        return self.crew

    @property
    def serves(self) -> str:
        """Its state, for the service manager."""
        return f"serving policy {self.crew.manifest.revision}"

    def first_words(self) -> Begin:
        """Words that a new control process begins with."""
        return Begin(
            settings=self.plan.control,
            worker_settings=self.plan.settings,
            serving=self.plan.ground.listen,
            config=UseConfigPolicy(self.policy_of(self.plan), self.plan.fingerprint),
            manifest=self.in_use.path if self.in_use else None,
            began=self._began,
            reading=self.reading(),
            sockets=self._shared.of_control,
            troubles=self.troubles,
        )

    @property
    def _source_text(self) -> str:
        """Place where the config can be edited."""
        return str(self._path.absolute()) if self._path else "the built-in defaults"

    def reading(self) -> ConfigReading:
        """The config as it was read last, for the audit trail."""
        plan = self.plan
        return ConfigReading(self._began, self.readings, plan.told, self._source_text, plan.privacy, plan.held)

    def policy_of(self, plan: NodePlan) -> FilePolicy:
        """A config's policy, with where it can be edited."""
        return {**plan.policy, "source": self._source_text}

    async def publish(self, manifest: Manifest) -> None:
        """Put a policy in force that the control process has compiled. Raises MoatdnsError."""
        if not self.published.done():
            self.published.set_result(manifest)
        await self.has_crew.wait()
        async with self._changing:
            self.in_use = manifest
            if self.crew.manifest.path != manifest.path:
                await self.crew.use(manifest)

    async def use_subjects(self, position: Position) -> None:
        """Put leases and exemptions in force. Raises MoatdnsError."""
        self._subjects = position  # which a crew that is just being put together starts with, or is told of here
        await self.has_crew.wait()
        await self.crew.use_subjects(position)

    async def begin_counters(self) -> None:
        """Have all workers count in new files. Raises MoatdnsError."""
        await self.has_crew.wait()
        await self.crew.begin_counters()

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Have all workers forget cached answers; gives how many there were."""
        await self.has_crew.wait()
        return await self.crew.flush(name, below=below)

    def clock_was_set(self, by: float, seen: Moment) -> None:
        """A worker saw it; each of them does, and after a sleep of the machine all do for nothing."""
        if abs(seen.wall - seen.boot - self._clocks_apart) < STEP_SECONDS:
            return
        self._clocks_apart = seen.wall - seen.boot
        self._turn_pseudonyms()
        self._log.warning("the wall clock was set; exemptions may end early, never late", by_seconds=round(by, 1))
        if by > 0:
            try:
                note_clock_step(self.plan.ground.state_dir, seen)
            except SubjectsError as error:
                self._log.error("that the clock was set cannot be noted", why=str(error))

    def status(self) -> NodeStatus:
        """The workers' state."""
        if not self.has_crew.is_set():
            return NodeStatus((), self.plan.ground.workers + self.plan.ground.encrypted_workers)
        return NodeStatus(self.crew.status(), self.crew.slots)

    def cookie_secret(self, plan: NodePlan, otherwise: list[str]) -> list[str]:
        """The secrets of server cookies; `otherwise` where they cannot be read, and none where cookies are off."""
        if not plan.cookie_secret:
            return []
        try:
            return cookie_secret.load(Path(plan.cookie_secret), plan.ground.state_dir)
        except MoatdnsError as error:  # clients take up another one by themselves: no reason not to serve
            self._log.error("the cookie secret cannot be read", why=str(error))
            return otherwise or [secrets.token_hex(SECRET_BYTES)]

    def pseudonyms(self, plan: NodePlan, in_use: Periods) -> Periods:
        """The periods by whose secrets workers record people; where no file can be had, secrets that nobody keeps."""
        found = pseudonym_secrets.current(plan.ground.state_dir, plan.settings.telemetry, time.time(), in_use)
        if found.trouble:
            self._log.error("the secrets of pseudonyms are in memory alone, until a restart", why=found.trouble)
        return found.periods

    async def turn_pseudonyms_for_ever(self) -> None:
        """Have secrets ready for the next period, and remove those whose last row is gone."""
        while True:
            await asyncio.sleep(pseudonym_secrets.LOOK_SECONDS)
            self._turn_pseudonyms()

    def _turn_pseudonyms(self) -> None:
        self.crew.use_pseudonyms(self.pseudonyms(self.plan, self.crew.pseudonyms))

    async def mended_policy(self, harmful: Manifest | None) -> Manifest:
        """Where the policy's files are gone, damaged or harmful: the last good one, until it is compiled anew."""
        if harmful is not None:
            self._source.distrust(harmful)
        self.control.tell(Recompile())
        async with self._mending:
            good = self._source.on_disk(self.plan.ground.state_dir) or await self._source.from_config(self.plan)
        if harmful is not None:
            self.in_use = good
        return good

    def with_system_servers(self, plan: NodePlan) -> NodePlan:
        """The plan with the nameservers that the system names by now, where the config wants them."""
        if plan.places is None:
            return plan
        return replace(plan, settings=plan.places.filled(plan.settings, self.system.servers))

    @property
    def troubles(self) -> tuple[str, ...]:
        """Troubles of this machine, for /ready."""
        trouble = self.system.trouble if self.plan.places is not None else None
        return (trouble,) if trouble else ()


def tell_notes(plan: NodePlan, log: Log, more: Iterable[str] = ()) -> None:
    """Log how the catalogue changed with this version, where the plan says so, and the notes for the admin."""
    if plan.news:
        log.info("the catalogue changed with this version", what=plan.news)
    for note in (*plan.notes, *more):
        log.warning(note)
