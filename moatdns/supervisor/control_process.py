"""The control process as the supervisor sees it: a process (admin_api.control) and a channel of JSON lines.

* supervisor → control: first the settings, then ``{"do": "config"}`` (a policy that the config gives),
  ``{"do": "published"}`` and ``{"do": "status"}`` (answers), ``{"do": "ping"}``, ``{"do": "renew"}`` (read the
  certificate again), ``{"do": "recompile"}`` (the compiled policy is gone), ``{"do": "stop", "for_good"}``;
* control → supervisor: ``{"event": "alive" | "publish" | "subjects" | "status" | "config_in_force" | …}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

MODULE = "admin_api.control"
_MOST_LINE_BYTES = 64 << 20  # the config's groups may hold many networks
_STOP_SECONDS = 8.0

Event = dict[str, Any]


class ControlProcess:
    """A running control process."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        log: Log,
    ) -> None:
        self.began = time.monotonic()
        self.stopping = False
        self.unanswered_pings = 0  # since it last said anything
        self._process = process
        self._reader = reader
        self._writer = writer
        self._log = log

    @classmethod
    async def start(cls, first: dict[str, Any], fds: list[int], log: Log) -> ControlProcess:
        """Start it with its first message, and with `fds` inherited. Raises MoatdnsError."""
        ours, theirs = socket.socketpair()
        try:
            with contextlib.ExitStack() as unless_started:
                unless_started.callback(ours.close)
                with theirs:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        "-P",  # never code of the folder that we happen to be started in
                        "-m",
                        MODULE,
                        str(theirs.fileno()),
                        pass_fds=[theirs.fileno(), *fds],
                        stdin=asyncio.subprocess.DEVNULL,
                    )
                reader, writer = await asyncio.open_connection(sock=ours, limit=_MOST_LINE_BYTES)
                unless_started.pop_all()
        except OSError as error:  # no process, no file descriptor left
            raise MoatdnsError(f"the control process cannot be started: {error.strerror or error}") from error
        control = cls(process, reader, writer, log)
        writer.write(json.dumps(first).encode() + b"\n")
        return control

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def hear(self, take: Callable[[Event], Awaitable[None]]) -> int:
        """Hand each of its events to `take` until it ends; gives its exit status."""
        with contextlib.suppress(ConnectionError, ValueError):
            while line := await self._reader.readline():
                self.unanswered_pings = 0
                await take(json.loads(line))
        status = await self._process.wait()
        self._writer.close()
        return status

    def tell(self, do: str, **facts: Any) -> None:
        """Send an order. A process that is gone does not hear it; its end is seen by `hear`."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"do": do, **facts}).encode() + b"\n")

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.unanswered_pings += 1
        self.tell("ping")

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self, *, for_good: bool) -> None:
        """Let it finish requests and write down what it has counted, and end it; `for_good`: none follows."""
        self.stopping = True
        self.tell("stop", for_good=for_good)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._log.error("the control process did not stop and is killed", pid=self.pid)
            self.kill()
            await self._process.wait()
