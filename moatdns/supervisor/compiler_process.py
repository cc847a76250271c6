"""The compiler as the supervisor sees it: a child process (moatdns.build) that reads configs and compiles."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from moatdns.build_messages import BUILD_CHANNEL, CompilePolicy, ConfigProblems, MakePlan, ReadConfig
from moatdns.plan import Ground, NodePlan
from resolver.errors import ChannelError, ConfigError, MoatdnsError, SnapshotError
from resolver.snapshot.manifests import Manifest, read_manifest
from resolver.system.channel import Asks
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log

_MODULE = "moatdns.build"

_Answer = TypeVar("_Answer")


class CompilerProcess:
    """One config, read in a process of its own: neither its time nor its memory is the supervisor's."""

    def __init__(self, child: ChildProcess, log: Log) -> None:
        self._child = child
        self._log = log

    @classmethod
    async def start(cls, log: Log, start_child: StartChild = ChildProcess.start) -> CompilerProcess:
        """Start it. Raises SnapshotError."""
        try:
            return cls(await start_child(_MODULE, BUILD_CHANNEL, "the compiler"), log)
        except MoatdnsError as error:
            raise SnapshotError(str(error)) from error

    async def read(self, path: Path | None) -> Ground:
        """Read and check a config file, None for the built-in defaults. Raises ConfigError with every mistake."""
        return _good(await self._ask(ReadConfig(path)))

    async def plan(self) -> NodePlan:
        """The plan of what was read, whose state directory is there by now. Raises ConfigError."""
        return _good(await self._ask(MakePlan()))

    async def compile(self, snapshots: Path) -> Manifest:
        """Compile the policy of what was read into a folder of snapshots. Raises SnapshotError."""
        outcome = await self._ask(CompilePolicy(snapshots))
        self._log.info("policy compiled", policy=outcome.revision, seconds=outcome.seconds)
        return read_manifest(outcome.manifest)

    async def _ask(self, request: Asks[_Answer]) -> _Answer:
        try:
            return await self._child.ask(request)
        except ChannelError as error:
            raise SnapshotError(str(error)) from error

    async def end(self) -> None:
        """End it, whatever it does."""
        await self._child.end()


def _good(answer: _Answer | ConfigProblems) -> _Answer:
    """The answer about a config. Raises ConfigError where it is a bad one."""
    if isinstance(answer, ConfigProblems):
        raise ConfigError(list(answer.problems))
    return answer
