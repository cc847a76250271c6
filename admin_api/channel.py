"""The control process's end of its channel to the supervisor (admin_api.messages)."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

from admin_api.messages import CONTROL_CHANNEL, AskStatus, Begin, ControlAlive, NodeStatus, ReloadConfig
from resolver.errors import ChannelError
from resolver.snapshot.journal_places import Position
from resolver.snapshot.manifests import Manifest
from resolver.system.channel import MessageChannel
from resolver.worker.messages import BeginCounters, Flush, Ping, UsePolicy, UseSubjects


class SupervisorChannel:
    """Channel to the supervisor: requests to it, news for it, and its orders."""

    def __init__(self, channel: MessageChannel) -> None:
        self._channel = channel
        self.tell = channel.tell
        self.close = channel.close

    @classmethod
    async def open(cls, fd: int) -> SupervisorChannel:
        """Open it on the inherited file descriptor."""
        return cls(await MessageChannel.on(socket.socket(fileno=fd), CONTROL_CHANNEL, "the supervisor"))

    async def first(self) -> Begin:
        """Return what to begin with. Raises ChannelError."""
        first = await self._channel.receive()
        if first is None or not isinstance(first.message, Begin):
            raise ChannelError("the supervisor ended before it said what to begin with")
        return first.message

    async def orders(self) -> AsyncIterator[object]:
        """Each order that comes, until the supervisor is gone. Raises ChannelError."""
        async for received in self._channel.heard():
            if isinstance(received.message, Ping):
                self.tell(ControlAlive())
            else:
                yield received.message
        self.close()

    async def publish(self, manifest: Manifest) -> None:
        """Have all workers serve a policy; return when they do. Raises MoatdnsError."""
        await self._channel.ask(UsePolicy(manifest.path))

    async def use_subjects(self, position: Position) -> None:
        """Have all workers take in leases and exemptions; return when they have. Raises MoatdnsError."""
        await self._channel.ask(UseSubjects(position))

    async def begin_counters(self) -> None:
        """Have all workers count in new files; return when they do. Raises MoatdnsError."""
        await self._channel.ask(BeginCounters())

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Have all workers forget the cached answers for a name; return how many there were. Raises MoatdnsError."""
        return (await self._channel.ask(Flush(name, below))).answers

    def reload_config(self) -> None:
        """Have the config read anew, soon."""
        self.tell(ReloadConfig())

    async def status(self) -> NodeStatus:
        """Return the workers' state. Raises MoatdnsError."""
        return await self._channel.ask(AskStatus())
