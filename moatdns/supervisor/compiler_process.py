"""The compiler as the supervisor sees it: a process (moatdns.build) that reads a config and compiles its policy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from moatdns.plan import Ground, Plan
from resolver.errors import ConfigError, SnapshotError
from resolver.snapshot.snapshot_file import Manifest, read_manifest
from resolver.telemetry.log import Log

_MOST_LINE_BYTES = 64 << 20  # of a plan with many networks, or of many mistakes


class CompilerProcess:
    """One config, read in a process of its own: neither its time nor its memory is the supervisor's."""

    def __init__(self, process: asyncio.subprocess.Process, log: Log) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, log: Log) -> CompilerProcess:
        """Start it. Raises SnapshotError."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # never code of the folder that we happen to be started in
                "-m",
                "moatdns.build",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_MOST_LINE_BYTES,
            )
        except OSError as error:  # no process, no file descriptor left
            raise SnapshotError(f"the compiler cannot be started: {error.strerror or error}") from error
        return cls(process, log)

    async def read(self, path: Path | None) -> Ground:
        """Read and check a config file, None for the built-in defaults. Raises ConfigError with every mistake."""
        outcome = await self._ask({"read": str(path) if path else None})
        if "problems" in outcome:
            raise ConfigError(outcome["problems"])
        return Ground.from_plain(outcome["ground"])

    async def plan(self) -> Plan:
        """The plan of what was read, whose state directory is there by now. Raises ConfigError."""
        outcome = await self._ask({"plan": True})
        if "problems" in outcome:
            raise ConfigError(outcome["problems"])
        return Plan.from_plain(outcome["plan"])

    async def compile(self, snapshots: Path) -> Manifest:
        """Compile the policy of what was read into a folder of snapshots. Raises SnapshotError."""
        outcome = await self._ask({"compile": str(snapshots)})
        if "error" in outcome:
            raise SnapshotError(outcome["error"])
        self._log.info("policy compiled", policy=outcome["revision"], seconds=outcome["seconds"])
        return read_manifest(Path(outcome["manifest"]))

    async def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 (both are pipes)
        assert self._process.stdout is not None  # noqa: S101
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            line = await self._process.stdout.readline()
            if line:
                outcome: dict[str, Any] = json.loads(line)
                return outcome
        raise SnapshotError(f"the compiler ended with status {await self._process.wait()} and no word")

    async def end(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
