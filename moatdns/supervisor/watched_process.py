"""A child process that serves until it is told to stop, as the supervisor sees it: workers, the control process."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from resolver.errors import ChannelError
from resolver.system.channel import Received
from resolver.system.child_process import ChildProcess
from resolver.telemetry.log import Log
from resolver.worker.messages import Ping

_STOP_SECONDS = 8.0  # to finish what is in flight; then it is killed


class WatchedProcess:
    """A running child, asked for signs of life."""

    NAME: ClassVar[str]  # in the log

    def __init__(self, child: ChildProcess, log: Log) -> None:
        self.stopping = False
        self.tell = child.channel.tell
        self._child = child
        self._log = log
        self._unanswered_pings = 0  # since it last said anything

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    async def hear(self, take: Callable[[Received], None]) -> int:
        """Hand each of its messages to `take` until it ends; return its exit status."""

        def alive(received: Received) -> None:
            self._unanswered_pings = 0
            take(received)

        return await self._child.hear(alive, self._is_unreadable)

    def _is_unreadable(self, error: ChannelError) -> None:
        self._log.error(f"{self.NAME} says what cannot be read and is killed", pid=self.pid, why=str(error))

    def look_after(self, most_pings: int) -> None:
        """Ask for a sign of life; kill it where it has given none to so many."""
        if self.stopping:
            return
        if self._unanswered_pings >= most_pings:
            self._log.error(f"{self.NAME} hangs and is killed", pid=self.pid, pings=self._unanswered_pings)
            self.kill()
        else:
            self._unanswered_pings += 1
            self.tell(Ping())

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()

    async def stop_by(self, order: object) -> None:
        """Have it finish what it has in flight, by that order, and end it."""
        self.stopping = True
        self.tell(order)
        if not await self._child.end_within(_STOP_SECONDS):
            self._log.error(f"{self.NAME} did not stop and is killed", pid=self.pid)
