"""Puts many questions to one server, some at once, and gathers the answers."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Sequence

from prove.same.questions import Asked

_AT_ONCE = 40
_PATIENCE_SECONDS = 10.0
_TC = 0x02  # in the third octet
Answers = list[tuple[bytes | None, bytes | None]]
"""For each question what came, and what came over TCP then, where the first was truncated; None: nothing."""


def ask(port: int, asked: Sequence[Asked], *, tries: int = 1) -> Answers:
    """All the answers, in the order of the questions. Truncated ones are asked for again over TCP, at the end of each
    thousand; those that do not come over UDP, up to `tries` times."""
    answers: Answers = []
    with _Stream(port) as stream:
        for begin in range(0, len(asked), 1000):
            part = asked[begin : begin + 1000]
            by_udp = iter(_by_udp(port, [one.wire for one in part if not one.by_tcp], tries))
            for one in part:
                if one.by_tcp:
                    answers.append((stream.ask(one.wire), None))
                    continue
                answer = next(by_udp)
                cut = answer is not None and answer[2] & _TC
                answers.append((answer, stream.ask(one.wire) if cut else None))
    return answers


def _by_udp(port: int, wires: Sequence[bytes], tries: int) -> list[bytes | None]:
    answers = _once(port, wires)
    silent = [number for number, answer in enumerate(answers) if answer is None]
    if silent and tries > 1:
        for number, answer in zip(silent, _by_udp(port, [wires[n] for n in silent], tries - 1), strict=True):
            answers[number] = answer
    return answers


def _once(port: int, wires: Sequence[bytes]) -> list[bytes | None]:
    answers: list[bytes | None] = [None] * len(wires)
    waiting: set[int] = set()
    heard_at = time.monotonic()
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", port))
        while sent < len(wires) or waiting:
            while sent < len(wires) and len(waiting) < _AT_ONCE:
                one.send(struct.pack("!H", sent) + wires[sent][2:])
                waiting.add(sent)
                sent += 1
            if not select.select([one], [], [], 1.0)[0]:
                if time.monotonic() - heard_at > _PATIENCE_SECONDS:
                    waiting.clear()  # what has not come by now does not come
                continue
            answer = one.recv(65535)
            number = int.from_bytes(answer[:2], "big")
            if number in waiting:
                heard_at = time.monotonic()
                waiting.discard(number)
                answers[number] = answer
    return answers


class _Stream:
    """A connection, opened again where the server has ended it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: socket.socket | None = None

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def ask(self, wire: bytes) -> bytes | None:
        for _ in range(2):  # one that was idle may have ended just now
            try:
                return self._ask(wire)
            except (OSError, EOFError):
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
        return None

    def _ask(self, wire: bytes) -> bytes:
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), _PATIENCE_SECONDS)
        self._connection.sendall(struct.pack("!H", len(wire)) + wire)
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def _exactly(self, octets: int) -> bytes:
        assert self._connection
        got = b""
        while len(got) < octets:
            piece = self._connection.recv(octets - len(got))
            if not piece:
                raise EOFError
            got += piece
        return got
