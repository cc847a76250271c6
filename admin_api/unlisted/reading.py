"""The datagrams in which workers tell of forwarded names: read from the socket, and taken apart."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from resolver.telemetry.query_events import UNLISTED_HEAD
from resolver.wire.names import to_text, wire_of_key

_DATAGRAM_BYTES: Final = 65_536
_DRAINED_AT_ONCE: Final = 32
_PLAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")


@dataclass(slots=True)
class SeenName:
    """A name that was forwarded and matches no rule. `client` is "" where none may be, or is, told."""

    key: str
    client: str
    queries: int
    is_near: bool  # within seconds of a listed name of the same client
    targets: tuple[str, ...]  # keys
    addresses: tuple[str, ...]  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class ListedName:
    """A listed name that was forwarded all the same, and where it led."""

    key: str
    addresses: tuple[str, ...]


def read_names(datagram: bytes) -> Iterator[SeenName | ListedName]:
    """The names of one datagram; what cannot be read is passed over."""
    try:
        rows = json.loads(b"[" + b",".join(datagram[len(UNLISTED_HEAD) :].splitlines()) + b"]")
    except (ValueError, RecursionError):
        return
    for row in rows:
        match row:
            case ["seen", str(key), str() | None as client, int(queries), int(near), list(targets), list(addresses)]:
                yield SeenName(key, client or "", queries, bool(near), _texts(targets), _texts(addresses))
            case ["listed", str(key), list(addresses)]:
                yield ListedName(key, _texts(addresses))


def _texts(values: list[object]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))


def text_of(key: str) -> str | None:
    """The name of a key, where it is one that anybody could have registered; None for what has odd octets."""
    try:
        text = to_text(wire_of_key(key.encode("latin-1")))
    except (UnicodeEncodeError, IndexError):
        return None
    return text if _PLAIN.fullmatch(text) else None


class UnlistedReader:
    """Reads the workers' socket where there is no query log that does; what is no unlisted name is passed over."""

    def __init__(self, events: socket.socket, take: Callable[[bytes], None]) -> None:
        self._events = events
        self._take = take

    def start(self) -> None:
        """Begin to take datagrams."""
        asyncio.get_running_loop().add_reader(self._events.fileno(), self._readable)

    async def close(self) -> None:
        """End."""
        asyncio.get_running_loop().remove_reader(self._events.fileno())

    def _readable(self) -> None:
        for _ in range(_DRAINED_AT_ONCE):
            try:
                datagram = self._events.recv(_DATAGRAM_BYTES)
            except OSError:  # nothing waits (BlockingIOError), or the socket is closed
                return
            if datagram.startswith(UNLISTED_HEAD):
                self._take(datagram)
