"""Where plans come from, and policies where the control process gives none: the config, the last good snapshot."""

from __future__ import annotations

from pathlib import Path

from moatdns.plan import Ground, NodePlan
from moatdns.supervisor import boot
from moatdns.supervisor.compiler_process import CompilerProcess
from resolver.errors import SnapshotError
from resolver.snapshot.manifests import SNAPSHOTS, Manifest, newest_whole
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log


class PolicySource:
    """One config file and what is made of it. Reading and compiling is done in a process of its own."""

    def __init__(self, path: Path | None, log: Log, start_child: StartChild = ChildProcess.start) -> None:
        """`path` is the config file, None for the built-in defaults; `start_child` starts a process."""
        self._start_child = start_child
        self._path = path
        self._log = log
        self._compiler: CompilerProcess | None = None  # holds what was read last, until it is compiled
        self._harmful: set[tuple[Path, float]] = set()  # manifests that workers have died of
        self._digest: str | None = None  # of the file as it was read last

    def recall(self) -> NodePlan | None:
        """The plan of the last run, if the file has not changed since."""
        return boot.recall(self._path) if self._path else None

    async def read_ground(self) -> Ground:
        """Read the file, and touch nothing else. Raises ConfigError with every mistake, SnapshotError without any."""
        await self.end()
        self._digest = boot.digest_of(self._path) if self._path else None
        self._compiler = await CompilerProcess.start(self._log, self._start_child)
        try:
            return await self._compiler.read(self._path)
        except BaseException:
            await self.end()
            raise

    async def plan(self) -> NodePlan:
        """The plan of what was read last. Raises ConfigError, SnapshotError."""
        if self._compiler is None:
            raise SnapshotError("no config has been read")
        try:
            return await self._compiler.plan()
        except BaseException:
            await self.end()
            raise

    async def read(self) -> NodePlan:
        """Read the file, and plan. Raises ConfigError with every mistake, or SnapshotError when it cannot be read."""
        await self.read_ground()
        return await self.plan()

    def remember(self, plan: NodePlan) -> None:
        """Note for the next start what was read; its policy is in force by now."""
        if self._digest is not None:
            boot.remember(plan, self._digest)

    async def from_config(self, plan: NodePlan) -> Manifest:
        """The policy of the config alone, where there is nothing better. Raises MoatdnsError."""
        if self._compiler is None and (await self.read()).fingerprint != plan.fingerprint:
            self._log.error("no policy is left on disk; that of the config is used, edited though not reloaded")
        if self._compiler is None:
            raise SnapshotError("no config has been read")
        try:
            return await self._compiler.compile(plan.ground.state_dir / SNAPSHOTS)
        finally:
            await self.end()

    def on_disk(self, state_dir: Path) -> Manifest | None:
        """The last good snapshot, checked; what is damaged is told."""
        folder = state_dir / SNAPSHOTS
        try:
            manifest, refused = newest_whole(folder, self._harmful)
        except SnapshotError as error:
            if folder.is_dir():
                self._log.error("no compiled policy on disk can be used; compiling anew", why=str(error))
            return None
        for why in refused:
            self._log.error("a damaged policy is refused; the last good one is used", why=why, policy=manifest.revision)
        return manifest

    def distrust(self, manifest: Manifest) -> None:
        """Serve that policy no more: no worker can read it, or one died of it, whatever its hashes say."""
        what = (manifest.path, manifest.created_at)
        if what not in self._harmful:
            self._harmful.add(what)
            self._log.error("a policy that no worker can read is put aside", policy=manifest.revision)

    async def end(self) -> None:
        """End the compiler, if one is waiting or at work."""
        compiler, self._compiler = self._compiler, None
        if compiler is not None:
            await compiler.end()
