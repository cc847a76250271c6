"""Names that are asked for again before their answer is over, through the resolver's own door."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import dns.message
import dns.rrset
import pytest

from resolver.answering.flight import Waiter
from resolver.answering.resolution import Resolver
from resolver.cache.entry import CacheEntry
from resolver.cache.responses import STALE_RETRY_SECONDS, ResponseCache
from resolver.config.settings import CacheSettings
from resolver.errors import UpstreamBadAnswer, UpstreamError
from resolver.wire.answer import Answer
from resolver.wire.codes import Rcode
from resolver.wire.question import parse_question

Done = Callable[[bytes | UpstreamError], None]

pytestmark = pytest.mark.interpreted_only  # Nobody's base

TTL_SECONDS = 86_400


class Nobody(Waiter):
    """A query whose answer is not looked at."""

    def told(self, entry: CacheEntry) -> None:
        """It is in the cache then."""

    def wants(self, answer: Answer) -> bool:
        return True


class Served:
    """A cache with one answer, and an upstream that a test speaks for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = 1000.0
        self.asked: list[Done] = []
        settings = CacheSettings()
        self._query = dns.message.make_query("www.example.com", "A", use_edns=0)
        self.question = parse_question(self._query.to_wire())
        self.resolver = Resolver(
            self,
            ResponseCache(settings),
            settings,
            max_in_flight=100,
            max_in_flight_per_domain=50,
            dropped=Counter(),
            loop=loop,
            clock=lambda: self.now,
        )
        self.resolver.fetch(self.question, Nobody())
        self.answer()

    def ask(self, _question: bytes, *, dnssec_ok: bool, checking_disabled: bool, done: Done) -> None:
        self.asked.append(done)

    def answer(self) -> None:
        response = dns.message.make_response(self._query)
        response.answer.append(dns.rrset.from_text("www.example.com.", TTL_SECONDS, "IN", "A", "192.0.2.1"))
        self.asked.pop()(response.to_wire())

    def fail(self) -> None:
        self.asked.pop()(UpstreamBadAnswer("it says SERVFAIL", Rcode.SERVFAIL))

    def look(self) -> int:
        """Look the name up, which must be there; how many questions are with the upstream now."""
        assert self.resolver.cached(self.question, self.now) is not None
        return len(self.asked)


@pytest.fixture
async def served() -> Served:
    return Served(asyncio.get_running_loop())


async def test_a_name_is_asked_for_again_near_the_end_of_its_time_and_once(served: Served) -> None:
    served.now += TTL_SECONDS * 0.89
    assert served.look() == 0
    served.now += TTL_SECONDS * 0.02
    assert [served.look(), served.look()] == [1, 1]
    served.answer()
    assert served.look() == 0


async def test_after_a_failure_a_name_is_left_alone_for_a_while_though_its_answer_ends_soon(served: Served) -> None:
    # RFC 9520 section 3.2
    served.now += TTL_SECONDS * 0.91
    assert served.look() == 1
    served.fail()
    for _ in range(STALE_RETRY_SECONDS - 1):
        served.now += 1
        assert served.look() == 0
    served.now += 1
    assert served.look() == 1
