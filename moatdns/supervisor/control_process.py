"""The control process as the supervisor sees it: a child process with its channel (admin_api.messages)."""

from __future__ import annotations

from typing import ClassVar

from admin_api.messages import CONTROL_CHANNEL, Begin
from moatdns.supervisor.watched_process import WatchedProcess
from resolver.system.child_process import ChildProcess, StartChild
from resolver.telemetry.log import Log

MODULE = "admin_api.control"


class ControlProcess(WatchedProcess):
    """A running control process."""

    NAME: ClassVar = "the control process"

    def __init__(self, child: ChildProcess, log: Log) -> None:
        super().__init__(child, log)
        self.answer = child.channel.answer

    @classmethod
    async def start(cls, first: Begin, log: Log, start_child: StartChild = ChildProcess.start) -> ControlProcess:
        """Start it, and have it begin with `first`, whose sockets it inherits. Raises MoatdnsError."""
        control = cls(await start_child(MODULE, CONTROL_CHANNEL, cls.NAME, descriptors=first.sockets.every), log)
        control.tell(first)
        return control
