"""The control process as the supervisor sees it: a child process with its channel (admin_api.messages)."""

from __future__ import annotations

from collections.abc import Callable

from admin_api.messages import CONTROL_CHANNEL, Begin, StopControl
from resolver.errors import ChannelError
from resolver.system.channel import Received
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log
from resolver.worker.messages import Ping

MODULE = "admin_api.control"
_STOP_SECONDS = 8.0


class ControlProcess:
    """A running control process."""

    def __init__(self, child: ChildProcess, log: Log) -> None:
        self.stopping = False
        self.unanswered_pings = 0  # since it last said anything
        self.tell = child.channel.tell
        self.answer = child.channel.answer
        self._child = child
        self._log = log

    @classmethod
    async def start(cls, first: Begin, log: Log, start_child: StartChild = ChildProcess.start) -> ControlProcess:
        """Start it, and have it begin with `first`, whose sockets it inherits. Raises MoatdnsError."""
        name = "the control process"
        control = cls(await start_child(MODULE, CONTROL_CHANNEL, name, descriptors=first.sockets.every), log)
        control.tell(first)
        return control

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    async def hear(self, take: Callable[[Received], None]) -> int:
        """Hand each of its messages to `take` until it ends; return its exit status."""

        def alive(received: Received) -> None:
            self.unanswered_pings = 0
            take(received)

        return await self._child.hear(alive, self._is_unreadable)

    def _is_unreadable(self, error: ChannelError) -> None:
        self._log.error("the control process says what cannot be read and is killed", pid=self.pid, why=str(error))

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.unanswered_pings += 1
        self.tell(Ping())

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()

    async def stop(self, *, for_good: bool) -> None:
        """Let it finish requests and write down what it has counted, and end it; `for_good`: none follows."""
        self.stopping = True
        self.tell(StopControl(for_good))
        if not await self._child.end_within(_STOP_SECONDS):
            self._log.error("the control process did not stop and is killed", pid=self.pid)
