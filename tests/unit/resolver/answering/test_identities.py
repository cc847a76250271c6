"""Whose a query was when it was asked: by leases that change, end, and are swapped while queries wait."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest

from resolver.policy.moments import End, Moment
from resolver.policy.subjects import Exemption, Lease
from resolver.telemetry.counters import Counters
from resolver.telemetry.pseudonyms import DAY_SECONDS, PseudonymPeriod, new_period
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.recording import Recording

from .test_pipeline import Served, policy

MONDAY = 1_763_942_400  # 2025-11-24T00:00:00Z
ONE, OTHER = "127.0.0.1", "127.0.0.3"
ANA, BEN = "ana@corp.example", "ben@corp.example"


class Watched:
    """A pipeline whose query log is read, with a clock that is set."""

    def __init__(self, recording: Recording, *, detailed: bool = False) -> None:
        self.wall = MONDAY + 100.0
        sink, self._log = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.served = Served(
            policy(),
            asyncio.get_running_loop(),
            counters=Counters(detailed=detailed, recording=recording),
            sink=sink,
            moment=lambda: Moment(self.wall, self.wall),
        )
        self._sink = sink

    def passes(self, seconds: float) -> None:
        """Have time pass, and a worker wake up."""
        self.wall += seconds
        self.served.now += seconds
        clients = self.served.pipeline.clients
        if self.served.now >= clients.next_change:
            clients.expire(self.served.now)

    def lease(self, address: str, identity: str, seconds: float = 600) -> None:
        """Have a lease begin."""
        now = Moment(self.wall, self.wall)
        self.served.pipeline.clients.take([Lease(address, identity, None, End.at(self.wall + seconds, now)).to_plain()])

    def logged(self) -> list[tuple[str, str | None]]:
        """Address and identity of each query that was logged since."""
        self.served.pipeline.events.flush()
        found: list[tuple[str, str | None]] = []
        while True:
            try:
                block = QueryBlock(self._log.recv(65_536))
            except BlockingIOError:
                return found
            clients = block.clients()
            found += [clients[number] for number in block.columns().clients]

    def close(self) -> None:
        """Give the sockets back."""
        self._sink.close()
        self._log.close()


@pytest.fixture
async def full() -> AsyncIterator[Watched]:
    watched = Watched(Recording("full", "full"))
    yield watched
    watched.close()


async def test_a_query_is_of_whoever_had_the_address_when_it_was_asked(full: Watched) -> None:
    ask = full.served.ask
    ask("acme.ai", ONE)
    full.lease(ONE, ANA)
    full.lease(OTHER, BEN)
    for _ in range(2):  # the second is ready
        ask("acme.ai", ONE)
        ask("acme.ai", OTHER)
    full.lease(ONE, BEN)
    full.lease(OTHER, ANA)
    ask("acme.ai", ONE)
    ask("acme.ai", OTHER)
    full.served.pipeline.clients.take([["drop", "lease", ONE]])
    ask("acme.ai", ONE)
    assert full.logged() == [
        (ONE, None),
        *[(ONE, ANA), (OTHER, BEN)] * 2,
        *[(ONE, BEN), (OTHER, ANA)],
        (ONE, None),
    ]


async def test_a_lease_that_ends_names_nobody_behind_its_end(full: Watched) -> None:
    full.lease(ONE, ANA, seconds=10)
    full.served.ask("acme.ai", ONE)
    full.passes(9.9)
    full.served.ask("acme.ai", ONE)
    full.passes(0.2)
    full.served.ask("acme.ai", ONE)
    assert [identity for _, identity in full.logged()] == [ANA, ANA, None]


async def test_a_query_that_waits_for_its_answer_is_of_who_asked_it(full: Watched) -> None:
    full.lease(ONE, ANA)
    full.served.ask("plain.example", ONE)
    full.lease(ONE, BEN)
    full.served.upstream.answer("plain.example. 10 IN A 192.0.2.1")
    full.served.ask("plain.example", ONE)
    assert full.logged() == [(ONE, ANA), (ONE, BEN)]


def uses(watched: Watched) -> dict[tuple[str, str, str], int]:
    """Hits of persons that were counted: by identity, kind and exemption."""
    store = watched.served.counters.store
    found = {}
    for key, count in zip(store.keys, store.cells, strict=False):
        what, *facts = json.loads(key)
        if what == "identity" and count:
            identity, kind, _, exemption = facts
            found[identity, kind, exemption] = count
    return found


@pytest.fixture
async def counting() -> AsyncIterator[Watched]:
    watched = Watched(Recording("full", "full"), detailed=True)
    ends = End.at(watched.wall + 3600, Moment(watched.wall, watched.wall))
    exemption = Exemption("ex-1", "identity", (ANA,), ("acme/chat",), 0, ends)
    watched.served.pipeline.clients.take([exemption.to_plain()])
    yield watched
    watched.close()


async def test_a_use_of_an_exemption_is_of_the_person_who_asked_though_the_address_is_anothers(
    counting: Watched,
) -> None:
    served = counting.served
    counting.lease(ONE, ANA)
    counting.lease(OTHER, BEN)
    of_ana = served.ask("acme.ai", ONE)
    of_ben = served.ask("alias.example", OTHER)
    counting.lease(ONE, BEN)
    counting.lease(OTHER, ANA)
    served.upstream.answer("acme.ai. 10 IN A 192.0.2.1")
    served.upstream.answer("alias.example. 10 IN CNAME acme.ai.", "acme.ai. 10 IN A 192.0.2.1")
    assert [str(record) for rrset in of_ana[0].answer for record in rrset] == ["192.0.2.1"]
    assert [str(record) for rrset in of_ben[0].answer for record in rrset] == ["0.0.0.0"]
    assert uses(counting) == {(ANA, "exempted", "ex-1"): 1, (BEN, "blocked", None): 1}


@pytest.mark.parametrize("ends", ["by a call", "by time"])
async def test_who_asked_before_a_lease_was_over_is_answered_as_its_holder(counting: Watched, ends: str) -> None:
    counting.lease(ONE, ANA, seconds=2)
    answers = counting.served.ask("acme.ai", ONE)
    if ends == "by time":
        counting.passes(2.5)
    else:
        counting.served.pipeline.clients.take([["drop", "lease", ONE]])
    counting.served.upstream.answer("acme.ai. 10 IN A 192.0.2.1")
    again = counting.served.ask("acme.ai", ONE)
    assert [[str(record) for rrset in each[0].answer for record in rrset] for each in (answers, again)] == [
        ["192.0.2.1"],
        ["0.0.0.0"],
    ]
    assert uses(counting) == {(ANA, "exempted", "ex-1"): 1}


async def test_an_address_that_was_nobodys_uses_no_exemption_of_whom_it_is_leased_to_meanwhile(
    counting: Watched,
) -> None:
    answers = counting.served.ask("alias.example", ONE)
    counting.lease(ONE, ANA)
    counting.served.upstream.answer("alias.example. 10 IN CNAME acme.ai.", "acme.ai. 10 IN A 192.0.2.1")
    assert [str(record) for rrset in answers[0].answer for record in rrset] == ["0.0.0.0"]
    assert uses(counting) == {}


async def test_an_exemption_that_ends_while_its_holder_waits_counts_no_more(counting: Watched) -> None:
    counting.lease(ONE, ANA)
    answers = counting.served.ask("acme.ai", ONE)
    counting.lease(ONE, BEN)
    counting.served.pipeline.clients.take([["drop", "exemption", "ex-1"]])
    counting.served.upstream.answer("acme.ai. 10 IN A 192.0.2.1")
    assert [str(record) for rrset in answers[0].answer for record in rrset] == ["0.0.0.0"]
    assert uses(counting) == {(ANA, "blocked", None): 1}


async def test_an_identity_with_any_characters_is_logged_as_it_is(full: Watched) -> None:
    odd = 'ana "the\\ first" \u00e9\u20ac'
    full.lease(ONE, odd)
    full.served.ask("acme.ai", ONE)
    assert full.logged() == [(ONE, odd)]


def week(number: int) -> PseudonymPeriod:
    return new_period(MONDAY + number * 7 * DAY_SECONDS, 7)


async def test_pseudonyms_are_others_from_the_moment_that_their_period_ends() -> None:
    weeks = [week(0), week(1)]
    watched = Watched(Recording("pseudonym", "pseudonym", weeks))
    watched.lease(ONE, ANA, seconds=30 * DAY_SECONDS)
    watched.served.ask("acme.ai", ONE)
    watched.passes(MONDAY + 7 * DAY_SECONDS - watched.wall - 0.001)
    watched.served.ask("acme.ai", ONE)
    watched.passes(0.002)
    watched.served.ask("acme.ai", ONE)
    first, second = ((one.of("client", ONE), one.of("identity", ANA)) for one in weeks)
    assert watched.logged() == [first, first, second]
    watched.close()


async def test_a_worker_takes_the_secrets_that_it_is_told() -> None:
    recording = Recording("full", "pseudonym")
    watched = Watched(recording)
    watched.lease(ONE, ANA)
    watched.served.ask("acme.ai", ONE)
    recording.use([week(0)])
    watched.served.pipeline.clients.forget()
    watched.served.ask("acme.ai", ONE)
    hidden, told = watched.logged()
    assert hidden == (ONE, None)
    assert told[1] is not None
    watched.close()
