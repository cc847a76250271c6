"""The control process's channel to its supervisor: JSON lines (moatdns.supervisor.control_process has the words)."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

from resolver.errors import MoatdnsError
from resolver.snapshot.snapshot_file import Manifest
from resolver.snapshot.subjects_file import Position

_MOST_LINE_BYTES = 64 << 20
_ANSWER_SECONDS = 60.0  # for all workers to take a policy; one that will not is replaced meanwhile

Order = dict[str, Any]


class SupervisorGone(MoatdnsError):
    """Nobody is at the other end."""


class Channel:
    """One end of the channel. Orders come by `orders`; answers to questions go to who asked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Order]] = {}

    @classmethod
    async def open(cls, fd: int) -> Channel:
        """On the inherited file descriptor."""
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd), limit=_MOST_LINE_BYTES)
        return cls(reader, writer)

    async def first(self) -> Order:
        """The first message: the settings. Raises SupervisorGone."""
        line = await self._reader.readline()
        if not line:
            raise SupervisorGone("the supervisor ended before it said anything")
        first: Order = json.loads(line)
        return first

    async def orders(self) -> AsyncIterator[Order]:
        """Each order that comes, until the supervisor is gone."""
        while line := await self._reader.readline():
            order: Order = json.loads(line)
            if order["do"] == "ping":
                self.say("alive")
            elif (number := order.get("id")) is None:
                yield order
            elif (asked := self._asked.get(number)) is not None and not asked.done():
                asked.set_result(order)
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(SupervisorGone("the supervisor is gone"))

    def say(self, event: str, **facts: Any) -> None:
        """Tell the supervisor."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"event": event, **facts}).encode() + b"\n")

    async def publish(self, manifest: Manifest) -> None:
        """Have all workers serve a policy; returns when they do. Raises MoatdnsError."""
        answer = await self._ask("publish", manifest=str(manifest.path))
        if answer["error"] is not None:
            raise MoatdnsError(answer["error"])

    async def use_subjects(self, position: Position) -> None:
        """Have all workers take in leases and exemptions; returns when they have. Raises MoatdnsError."""
        answer = await self._ask("subjects", **position.to_plain())
        if answer["error"] is not None:
            raise MoatdnsError(answer["error"])

    async def flush(self, name: str | None, *, below: bool) -> int:
        """Have all workers forget the cached answers for a name; gives how many there were. Raises MoatdnsError."""
        answer = await self._ask("flush", name=name, below=below)
        if answer["error"] is not None:
            raise MoatdnsError(answer["error"])
        return int(answer["result"])

    async def status(self) -> dict[str, Any]:
        """What the supervisor knows of the workers. Raises MoatdnsError."""
        answer = await self._ask("status")
        status: dict[str, Any] = answer["status"]
        return status

    async def _ask(self, event: str, **facts: Any) -> Order:
        number = next(self._numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self.say(event, id=number, **facts)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer: Order = await asked
                return answer
        except TimeoutError:
            raise MoatdnsError(f"the supervisor did not answer within {_ANSWER_SECONDS:g} s") from None
        finally:
            del self._asked[number]
            asked.cancel()

    def close(self) -> None:
        """End it."""
        self._writer.close()
