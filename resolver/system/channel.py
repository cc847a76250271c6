"""Channels between processes of ours: typed messages, one a line of JSON, with requests and their answers.

A message is a frozen dataclass. Those of one channel stand in one module, in a `MessageSet` with the channel's version
and a patience for each kind of request; nothing else reads or writes the lines. Query events and counters do not pass
here: they have a socket and mapped files of their own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, cast, get_args

from resolver.errors import ChannelClosed, ChannelError, NoAnswer, RequestRefused
from resolver.system.typed_json import MisfitError, read_as, write_json

MOST_LINE_BYTES = 64 << 20  # settings may hold many networks, and a plan many mistakes

_Answer = TypeVar("_Answer")


class Asks(Generic[_Answer]):
    """Base of the messages that are answered: with an `_Answer`, or with a `Refusal`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that cannot be fulfilled; `why` is fit to show a user."""

    why: str


class Received(NamedTuple):
    """A message, with the number of the request that it is, or that it answers."""

    message: object
    request: int | None = None
    answers: int | None = None


class MessageSet:
    """The messages of one channel, both directions, as lines of JSON."""

    def __init__(
        self, name: str, version: int, *messages: type, patience_seconds: Mapping[type[Asks[Any]], float]
    ) -> None:
        """`patience_seconds` has every kind of request: how long its answer is waited for."""
        self.name = name
        self.version = version
        self.patience_seconds = patience_seconds
        self._kinds = {kind.__name__: kind for kind in (*messages, *patience_seconds, Refusal)}

    def write(self, message: object, *, request: int | None = None, answers: int | None = None) -> bytes:
        """A message's line. Raises ChannelError for one of another channel."""
        kind = type(message).__name__
        if self._kinds.get(kind) is not type(message):
            raise ChannelError(f"{kind} is not a message of the {self.name} channel")
        numbers = {name: number for name, number in (("request", request), ("answers", answers)) if number is not None}
        line = {"channel": self.name, "version": self.version, "message": kind, **numbers, "fields": message}
        return write_json(line) + b"\n"

    def read(self, line: bytes) -> Received:
        """The message of a line. Raises ChannelError for anything else, and for one of another version."""
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict) or said.get("channel") != self.name:
            raise ChannelError(f"not a message of the {self.name} channel: {line[:80]!r}")
        if said.get("version") != self.version:
            raise ChannelError(
                f"the {self.name} channel has version {self.version} here, and {said.get('version')!r} at the other "
                "end: moatdns was replaced while it ran; restart it"
            )
        kind = self._kinds.get(str(said.get("message")))
        if kind is None:
            raise ChannelError(f"the {self.name} channel has no message {said.get('message')!r}")
        try:
            message: object = read_as(kind, said.get("fields"))
        except MisfitError as error:
            raise ChannelError(f"{kind.__name__} on the {self.name} channel: {error}") from error
        return Received(message, said.get("request"), said.get("answers"))

    def accepts(self, answer: object, request: Asks[Any]) -> bool:
        """Whether an answer is of the type that the request names."""
        (wanted,) = get_args(type(request).__orig_bases__[0])  # type: ignore[attr-defined]
        return isinstance(answer, wanted)


class MessageChannel:
    """One end of a channel. Answers come only while somebody waits in `receive` or `heard`."""

    def __init__(
        self, messages: MessageSet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> None:
        """`peer` is the other process in error texts: "the supervisor"."""
        self._messages = messages
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[object]] = {}
        self._is_closed = False

    @classmethod
    async def on(
        cls, connected: socket.socket, messages: MessageSet, peer: str, *, most_line_bytes: int = MOST_LINE_BYTES
    ) -> MessageChannel:
        """Open the channel on one socket of a pair."""
        return cls(messages, *await asyncio.open_connection(sock=connected, limit=most_line_bytes), peer)

    def tell(self, message: object) -> None:
        """Send a message that is not answered. A process that is gone does not hear it."""
        self._send(self._messages.write(message))

    def answer(self, request: int | None, message: object) -> None:
        """Send the answer to a request that `heard` gave."""
        self._send(self._messages.write(message, answers=request))

    async def ask(self, request: Asks[_Answer]) -> _Answer:
        """Send a request, at once, and wait for its answer.

        Raises RequestRefused with what a refusal says, NoAnswer when its patience is over, ChannelClosed when the
        other process ends first, and ChannelError for an answer of another kind.
        """
        if self._is_closed:
            raise ChannelClosed(f"{self._peer} is gone")
        seconds = self._messages.patience_seconds[type(request)]
        number = next(self._numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send(self._messages.write(request, request=number))
        try:
            async with asyncio.timeout(seconds):
                answer = await asked
        except TimeoutError:
            raise NoAnswer(f"{self._peer} did not answer within {seconds:g} s") from None
        finally:
            del self._asked[number]
        if isinstance(answer, Refusal):
            raise RequestRefused(answer.why)
        if not self._messages.accepts(answer, request):
            raise ChannelError(f"{type(answer).__name__} is not an answer to {type(request).__name__}")
        return cast(_Answer, answer)

    async def receive(self) -> Received | None:
        """Return the next message that is no answer, None where the other end is closed. Raises ChannelError."""
        while line := await self._line():
            received = self._messages.read(line)
            if received.answers is None:
                return received
            asked = self._asked.get(received.answers)
            if asked is not None and not asked.done():
                asked.set_result(received.message)
        return None

    async def heard(self) -> AsyncIterator[Received]:
        """Each message that is no answer, until the other end is closed. Raises ChannelError for what is none."""
        while (received := await self.receive()) is not None:
            yield received

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""
        except ValueError as error:
            raise ChannelError(f"a line of the {self._messages.name} channel is too long") from error

    def close(self, why: ChannelError | None = None) -> None:
        """Close this end; who waits for an answer gets `why`, without one ChannelClosed."""
        self._is_closed = True
        self._writer.close()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(why or ChannelClosed(f"{self._peer} is gone"))

    def _send(self, line: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(line)
