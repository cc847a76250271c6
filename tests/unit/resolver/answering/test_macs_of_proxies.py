"""Machines that a trusted proxy names by their MAC address: in their groups, at their addresses, by their answers."""

from __future__ import annotations

import asyncio
from itertools import permutations

import dns.edns
import dns.message
import dns.rcode
import pytest

from resolver.answering.answerer import OwnAnswers
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.pipeline import Pending, Pipeline, Transport
from resolver.answering.resolution import Resolver
from resolver.cache.responses import ResponseCache
from resolver.config.settings import CacheSettings, TrustedProxy
from resolver.policy.moments import End
from resolver.policy.subjects import Lease
from resolver.snapshot.clocks import now
from resolver.telemetry.counters import Counters
from resolver.wire.codes import EdnsOption

from .test_client_names import policy
from .test_pipeline import Upstream

KIOSK, OTHER = bytes.fromhex("02005e005307"), bytes.fromhex("02005e005308")
BY_MAC, BY_BOTH, BY_SUBNET, NO_PROXY = "127.0.0.9", "127.0.0.10", "127.0.0.11", "127.0.0.12"
BLOCKED = "acme.ai"


class Behind:
    """A pipeline with a group of one machine, for which nothing is blocked; asked as proxies would."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.upstream = Upstream()
        settings = CacheSettings()
        resolver = Resolver(
            self.upstream,
            ResponseCache(settings),
            settings,
            max_in_flight=100,
            max_in_flight_per_domain=50,
            dropped=self.counters.dropped,
            loop=asyncio.get_running_loop(),
        )
        proxies = (
            TrustedProxy(f"{BY_MAC}/32", ("mac",)),
            TrustedProxy(f"{BY_BOTH}/32", ("client-subnet", "mac")),
            TrustedProxy(f"{BY_SUBNET}/32", ("client-subnet",)),
        )
        bounds = ClientBounds(("127.0.0.0/8",), trusted_proxies=proxies)
        snapshot = policy(kiosk=("mac:02:00:5e:00:53:07",))
        self.pipeline = Pipeline(resolver, snapshot, bounds, OwnAnswers(), self.counters)

    def ask(
        self,
        proxy: str,
        *macs: bytes,
        subnet: str = "",
        code: EdnsOption = EdnsOption.MAC,
        transport: Transport = Transport.UDP,
    ) -> str:
        """What becomes of a query for a blocked name: ``blocked``, ``let through``, or an rcode."""
        options: list[dns.edns.Option] = [dns.edns.GenericOption(int(code), mac) for mac in macs]
        if subnet:
            options.append(dns.edns.ECSOption(subnet, 32))
        query = dns.message.make_query(BLOCKED, "A", use_edns=0, options=options)
        outcome = self.pipeline.answer_now(query.to_wire(), self.pipeline.clients.at(proxy), transport)
        if isinstance(outcome, Pending):
            self.asked = outcome.client
            return "let through"
        assert outcome is not None
        answer = dns.message.from_wire(outcome)
        assert not [option for option in answer.options if int(option.otype) == code], "it is told to nobody"
        if answer.rcode() == dns.rcode.NOERROR and [str(data) for rrset in answer.answer for data in rrset]:
            return "blocked"
        return dns.rcode.to_text(answer.rcode())


@pytest.fixture
async def behind() -> Behind:
    return Behind()


def test_a_machine_is_in_the_group_that_has_its_mac_address_and_all_others_are_not(behind: Behind) -> None:
    for transport in (Transport.UDP, Transport.TCP):
        for _ in range(3):  # the answers of others are ready by then
            assert behind.ask(BY_MAC, OTHER, transport=transport) == "blocked"
            assert behind.ask(BY_MAC, KIOSK, transport=transport) == "let through"
            assert (behind.asked.address, behind.asked.name) == (BY_MAC, "mac:02:00:5e:00:53:07")
            assert behind.asked.identity is None  # a machine is nobody's
    assert behind.ask(BY_MAC, b"02:00:5E:00:53:07", code=EdnsOption.DEVICE_ID) == "let through"


def test_the_client_subnet_says_at_which_address_the_machine_is(behind: Behind) -> None:
    assert behind.ask(BY_BOTH, KIOSK, subnet="127.0.1.7") == "let through"
    assert (behind.asked.address, behind.asked.group) == ("127.0.1.7", "kiosk")
    assert behind.ask(BY_BOTH, OTHER, subnet="127.0.1.7") == "blocked"
    assert behind.ask(BY_BOTH, subnet="127.0.1.7") == "blocked"  # the network's group
    assert behind.ask(BY_BOTH, KIOSK) == "let through"
    assert behind.asked.address == BY_BOTH


def test_a_lease_of_the_address_with_a_group_decides_over_the_machine(behind: Behind) -> None:
    moment = now()
    lease = Lease("127.0.1.7", "ana", "office", End.at(moment.wall + 60, moment))
    behind.pipeline.clients.take([lease.to_plain()])
    assert behind.ask(BY_BOTH, KIOSK, subnet="127.0.1.7") == "blocked"
    assert behind.ask(BY_BOTH, KIOSK, subnet="127.0.1.8") == "let through"


def test_who_is_not_believed_by_it_says_nothing_by_a_mac_address(behind: Behind) -> None:
    for _ in range(2):
        assert behind.ask(NO_PROXY, KIOSK) == "blocked"
        assert behind.ask(BY_SUBNET, KIOSK, subnet="127.0.0.7") == "blocked"
        assert behind.ask(BY_SUBNET, KIOSK) == "REFUSED"
    assert behind.ask(BY_MAC, KIOSK) == "let through"
    assert behind.ask(NO_PROXY, KIOSK) == "blocked"


def test_a_query_of_such_a_proxy_without_a_machine_is_refused_also_when_its_answer_is_ready(behind: Behind) -> None:
    assert behind.ask(BY_MAC, OTHER) == "blocked"
    assert behind.ask(BY_MAC) == "REFUSED"
    assert behind.ask(BY_MAC, subnet="127.0.1.7") == "REFUSED"
    assert behind.counters.dropped["proxy_says_nothing"] == 2
    assert not behind.counters.dropped["client_mac"]


@pytest.mark.parametrize("macs", [*permutations((KIOSK, OTHER)), (b"",), (bytes(6),), (b"\xff" * 6,), (KIOSK + b"\0",)])
def test_of_two_that_differ_and_of_what_is_no_machines_it_is_believed_by_none(
    behind: Behind, macs: tuple[bytes, ...]
) -> None:
    assert behind.ask(BY_MAC, *macs) == "REFUSED"
    assert behind.ask(BY_BOTH, *macs, subnet="127.0.1.7") == "REFUSED"
    assert behind.counters.dropped["client_mac"] == 2


def test_machines_that_no_group_has_are_one_client_and_take_no_room(behind: Behind) -> None:
    for number in range(100, 250):
        assert behind.ask(BY_BOTH, OTHER[:-1] + bytes((number,)), subnet="127.0.1.9") == "blocked"
    assert len(behind.pipeline.clients.known) == 2  # the proxy, and the client
    (view,) = {client.answers for client in behind.pipeline.clients.known.values() if client.address == "127.0.1.9"}
    assert sum(len(table.entries) for table in view.tables) == 1  # one answer for all of them
