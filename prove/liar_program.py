"""An upstream that lies before it tells the truth: ``python -m prove.liar_program '{"port": …, "lies": …}'``.

How it lies, the letters before the first digit of a name say; see `_LIES`. Any other name is answered truly at once.
Over TCP it is always true; `_NEVER` is true there only.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator

from prove.messages import a_record, answer, cname_record, header, name_of, question_end, wire_name
from prove.programs import Behaviour, run_program, until_told

TRUTH = "192.0.2.1"
POISON = "203.0.113.66"
TTL_SECONDS = 300
_BATCH = 40  # lies sent before the others have their turn: fewer than the smallest receive buffer holds
_PAUSE_SECONDS = 0.002
_KIND = re.compile(r"[a-z]+")
_NEVER = "never"


def victim_of(name: str) -> str:
    """The name that lies told beside `name` speak of."""
    return f"victim-{name}"


def _wrong_ids(message_id: bytes, question: bytes, chance: random.Random) -> Iterator[bytes]:
    right = int.from_bytes(message_id, "big")
    while True:
        wrong = (right + chance.randrange(1, 1 << 16)) & 0xFFFF
        yield answer(wrong.to_bytes(2, "big"), question, POISON, TTL_SECONDS)


def _wrong_questions(message_id: bytes, question: bytes, chance: random.Random) -> Iterator[bytes]:
    name = name_of(bytes(12) + question)
    victim = wire_name(victim_of(name)) + question[-4:]
    longer = b"\x01x" + question
    other_type = question[:-4] + b"\0\x1c\0\1"
    other_class = question[:-4] + b"\0\1\0\3"
    while True:
        for wrong in (victim, longer, other_type, other_class):
            yield header(message_id, 0x8180, 1) + wrong + a_record(b"\xc0\x0c", POISON, TTL_SECONDS)


def _queries(message_id: bytes, question: bytes, chance: random.Random) -> Iterator[bytes]:
    """Right in all but QR."""
    while True:
        yield answer(message_id, question, POISON, TTL_SECONDS, flags=0x0180)


def _garbage(message_id: bytes, question: bytes, chance: random.Random) -> Iterator[bytes]:
    """With the right ID, and a question that cannot be read, or none at all."""
    head = header(message_id, 0x8180, 1)
    while True:
        yield head + b"\xc0\x0c\0\1\0\1" + question  # a pointer to itself
        yield head + chance.randbytes(chance.randrange(1, 400))
        yield head + question[: len(question) // 2]
        yield head[: chance.randrange(1, 12)]
        yield message_id + chance.randbytes(chance.randrange(0, 60))[:1] + b"\x81"
        yield head + b"\x3f" + question[1:]
        yield b""


# The letters that a name begins with → what is told before the truth.
_LIES: dict[str, Callable[[bytes, bytes, random.Random], Iterator[bytes]]] = {
    "id": _wrong_ids,
    "question": _wrong_questions,
    "query": _queries,
    "garbage": _garbage,
    "address": lambda message_id, question, chance: itertools.repeat(
        answer(message_id, question, POISON, TTL_SECONDS)  # right in all but the address that it comes from
    ),
    _NEVER: _wrong_ids,
}


def _foreign(message_id: bytes, question: bytes) -> bytes:
    """The truth, with records beside it that were not asked for, in all sections (CVE-2025-40778)."""
    victim = wire_name(victim_of(name_of(bytes(12) + question)))
    truth = a_record(b"\xc0\x0c", TRUTH, TTL_SECONDS)
    alias = cname_record(wire_name("alias-of-nobody.example"), victim, TTL_SECONDS)
    lie = a_record(victim, POISON, TTL_SECONDS)
    return message_id + struct.pack("!5H", 0x8180, 1, 3, 1, 1) + question + truth + lie + alias + lie + lie


class _Liar:
    def __init__(self, one: socket.socket, elsewhere: list[socket.socket], lies: int) -> None:
        self._socket = one
        self._elsewhere = elsewhere  # sockets on other ports, and at another address
        self._lies = lies
        self._chance = random.Random(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: set[asyncio.StreamWriter] = set()
        self.asked: list[str] = []

    def readable(self) -> None:
        for _ in range(_BATCH):
            try:
                query, client = self._socket.recvfrom(4096)
            except BlockingIOError:
                return
            except OSError:
                continue
            task = asyncio.get_running_loop().create_task(self._answer(query, client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def truth(self, query: bytes, port: int) -> bytes:
        name = name_of(query)
        self.asked.append(json.dumps([time.monotonic(), port, int.from_bytes(query[:2], "big"), name]))
        return answer(query[:2], query[12 : question_end(query)], TRUTH, TTL_SECONDS)

    async def _answer(self, query: bytes, client: tuple[str, int]) -> None:
        truth = self.truth(query, client[1])
        question = query[12 : question_end(query)]
        match = _KIND.match(name_of(query))
        kind = match[0] if match else ""
        if kind == "foreign":
            truth = _foreign(query[:2], question)
        elif kind in _LIES:
            lies = _LIES[kind](query[:2], question, self._chance)
            for number, lie in enumerate(itertools.islice(lies, self._lies), 1):
                self._say(lie, client, self._elsewhere if kind == "address" else [self._socket])
                if number % _BATCH == 0:
                    await asyncio.sleep(_PAUSE_SECONDS)
        if kind != _NEVER:
            self._say(truth, client, [self._socket])

    def _say(self, said: bytes, client: tuple[str, int], sockets: list[socket.socket]) -> None:
        for one in sockets:
            try:
                one.sendto(said, client)
            except OSError:
                continue  # nobody listens there any more

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                said = self.truth(await reader.readexactly(length), 0)
                writer.write(struct.pack("!H", len(said)) + said)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.connections.discard(writer)
            writer.close()


async def _serve(behaviour: Behaviour) -> list[str]:
    """Lie until told to end; gives what was asked."""
    loop = asyncio.get_running_loop()
    port = behaviour["port"]
    one, another_port, another_address = (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(3)
    )
    with one, another_port, another_address:
        one.bind(("127.0.0.1", port))
        another_port.bind(("127.0.0.1", 0))
        another_address.bind(("127.0.0.2", port))
        liar = _Liar(one, [another_port, another_address], behaviour["lies"])
        server = await asyncio.start_server(liar.connected, "127.0.0.1", port)
        loop.add_reader(one.fileno(), liar.readable)
        await until_told(behaviour)
        loop.remove_reader(one.fileno())
        server.close()
        for writer in liar.connections:
            writer.close()
        await asyncio.sleep(0)
    return liar.asked


if __name__ == "__main__":
    run_program(_serve)
