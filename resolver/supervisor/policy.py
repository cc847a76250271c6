"""Where plans and policies come from: the config file, the last good snapshot on disk, and the compiler."""

from __future__ import annotations

import asyncio
from pathlib import Path

from resolver.errors import MoatdnsError, SnapshotError
from resolver.plan import Plan
from resolver.snapshot_file import Manifest, last_good
from resolver.supervisor import boot
from resolver.supervisor.compiler_process import CompilerProcess
from resolver.telemetry.log import Log

SNAPSHOTS = "snapshots"  # folder below state_dir
OLD_POLICY_AFTER_SECONDS = 2.0  # how long a start waits for a new policy before it serves the last good one


class PolicySource:
    """One config file and what is made of it. Reading and compiling is done in a process of its own."""

    def __init__(self, path: Path | None, log: Log) -> None:
        """`path` is the config file, None for the built-in defaults."""
        self._path = path
        self._log = log
        self._compiler: CompilerProcess | None = None  # holds what was read last, until it is compiled
        self._digest: str | None = None  # of the file as it was read last

    def recall(self) -> Plan | None:
        """The plan of the last run, if the file has not changed since."""
        return boot.recall(self._path) if self._path else None

    async def read(self) -> Plan:
        """Read the file. Raises ConfigError with every mistake, or SnapshotError when it cannot be read at all."""
        await self.end()
        self._digest = boot.digest_of(self._path) if self._path else None
        compiler = await CompilerProcess.start(self._log)
        try:
            plan = await compiler.read(self._path)
        except BaseException:
            await compiler.end()
            raise
        self._compiler = compiler
        return plan

    def remember(self, plan: Plan) -> None:
        """Note for the next start what was read; its policy is in force by now."""
        if self._digest is not None:
            boot.remember(plan, self._digest)

    async def first(self, plan: Plan) -> tuple[Manifest, asyncio.Task[Manifest] | None]:
        """The policy to start with, and the compilation still running where the last good one has to serve meanwhile.

        Raises MoatdnsError when nothing can be compiled and nothing good is on disk.
        """
        good = self._on_disk(plan.state_dir)
        if good is not None and good.fingerprint == plan.fingerprint:
            await self.end()
            return good, None
        compiling = asyncio.ensure_future(self._compile_anew(plan))
        if good is None:
            return await compiling, None
        done, _ = await asyncio.wait([compiling], timeout=OLD_POLICY_AFTER_SECONDS)
        if not done:
            self._log.warning("still compiling the new policy; serving the last good one", policy=good.revision)
            return good, compiling
        try:
            return compiling.result(), None
        except MoatdnsError as error:
            self._log.error("the new policy cannot be compiled; serving the last good one", why=str(error))
            return good, None

    async def compile(self, plan: Plan) -> Manifest:
        """Compile what was read last for `plan`. Raises SnapshotError."""
        if self._compiler is None:
            raise SnapshotError("no config has been read")
        try:
            return await self._compiler.compile(plan.state_dir / SNAPSHOTS)
        finally:
            await self.end()

    async def mended(self, plan: Plan) -> Manifest:
        """Where the policy's files are gone or damaged: the policy compiled anew, or else the last good one.

        A config that was edited since, and not reloaded, is used only where nothing else is left. Raises MoatdnsError
        when there is no policy at all.
        """
        good = self._on_disk(plan.state_dir)
        if good is not None and good.fingerprint == plan.fingerprint:
            return good
        try:
            changed = (await self.read()).fingerprint != plan.fingerprint
            if good is None or not changed:
                if changed:
                    self._log.error("no policy is left on disk; that of the config is used, edited though not reloaded")
                return await self.compile(plan)
            self._log.error("the config was edited since; an older policy is served", policy=good.revision)
        except MoatdnsError as error:
            if good is None:
                raise
            self._log.error("the policy cannot be compiled; an older one is served", why=str(error))
        await self.end()
        return good

    async def _compile_anew(self, plan: Plan) -> Manifest:
        """Compile what was read; read it first where the plan was recalled."""
        if self._compiler is None:
            await self.read()
        return await self.compile(plan)

    def _on_disk(self, state_dir: Path) -> Manifest | None:
        """The last good snapshot, checked; what is damaged is told."""
        folder = state_dir / SNAPSHOTS
        try:
            _, manifest, refused = last_good(folder)
        except SnapshotError as error:
            if folder.is_dir():
                self._log.error("no compiled policy on disk can be used; compiling anew", why=str(error))
            return None
        for why in refused:
            self._log.error("a damaged policy is refused; the last good one is used", why=why, policy=manifest.revision)
        return manifest

    async def end(self) -> None:
        """End the compiler, if one is waiting or at work."""
        compiler, self._compiler = self._compiler, None
        if compiler is not None:
            await compiler.end()
