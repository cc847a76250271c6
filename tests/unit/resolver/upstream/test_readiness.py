"""Turns of reading what upstreams have sent."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from resolver.upstream.readiness import Readable, Readiness

pytestmark = pytest.mark.interpreted_only  # a socket of our own stands for an upstream's


class SlowSocket(Readable):
    """One datagram that takes a tenth of a millisecond to be worked on."""

    def __init__(self, events: list[str]) -> None:
        self._events = events
        self._sent, self._socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sent.send(b"x")
        self.fileno = self._socket.fileno()

    def read(self) -> None:
        self._socket.recv(1)
        self._events.append("read")
        ends_at = time.monotonic() + 0.0001
        while time.monotonic() < ends_at:
            pass

    def close(self) -> None:
        self._sent.close()
        self._socket.close()


async def test_many_answers_of_upstreams_leave_the_loop_turns_for_others_between_them() -> None:
    events: list[str] = []
    loop = asyncio.get_running_loop()
    readiness = Readiness(loop)
    sockets = [SlowSocket(events) for _ in range(100)]
    for one in sockets:
        readiness.add(one)
    try:
        while events.count("read") < len(sockets):
            events.append("others")
            await asyncio.sleep(0)
    finally:
        readiness.close()
        for one in sockets:
            one.close()
    turns = [turn.count("read") for turn in " ".join(events).split("others")]
    assert max(turns) == 16
