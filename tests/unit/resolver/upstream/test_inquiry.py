"""An inquiry ends once, whatever happens while a question is sent."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamError
from resolver.upstream.asking import Asker, Carrier, Link, Place
from resolver.upstream.circumstances import Circumstances
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.health import Health
from resolver.upstream.inquiry import Inquiry
from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server

from .stub import Clock


class Forgetful:
    """A carrier that knows what is in flight on it."""

    wrong_replies = 0

    def __init__(self) -> None:
        self.in_flight: dict[bytes, Asker] = {}

    def forget(self, message_id: bytes, asker: Asker) -> None:
        if self.in_flight.get(message_id) is asker:
            del self.in_flight[message_id]


class EndsWhileSending(Link):
    """A way to a server on which an inquiry ends while its question is sent, as by a refusal of an earlier one."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.carrier = Forgetful()

    def send(self, asker: Asker, besides: Carrier | None = None) -> Place:
        assert isinstance(asker, Inquiry)
        asker.close()
        self.carrier.in_flight[b"id"] = asker
        return self.carrier, b"id"

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.interpreted_only
async def test_what_ends_while_its_question_is_sent_stays_ended_and_leaves_nothing_in_flight() -> None:
    loop, clock = asyncio.get_running_loop(), Clock()
    link = EndsWhileSending(Server(UpstreamServer("udp", "192.0.2.1", 53)))
    deadlines = Deadlines(loop, clock)
    health = Health([link], deadlines, clock, timeout_seconds=0.1, randomness=Randomness())
    circumstances = Circumstances(
        clock,
        deadlines,
        health,
        streams={},
        timeout_seconds=0.1,
        max_seconds=0.2,
        counts=Counter(),
        asks_two=False,
        most_in_flight=100,
        dropped=Counter(),
    )
    outcomes: list[bytes | UpstreamError] = []
    inquiry = Inquiry(circumstances, b"\x01a\x00\x00\x01\x00\x01", b"", outcomes.append, (link,))
    inquiry.begin()
    clock.ahead_seconds += 1.0
    inquiry.due()
    assert len(outcomes) == 1
    assert not link.carrier.in_flight
