"""Names by PTR: asked of reverse zones' servers alone, few at once, remembered, and read from any octets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset
import pytest
import uvloop
from hypothesis import example, given
from hypothesis import strategies as st

from admin_api.host_names.reverse import MOST_AT_ONCE, MOST_WAITING, ReverseNames, name_in
from resolver.config.servers import parse_server
from resolver.config.settings import UpstreamServer, WorkerSettings, Zone
from resolver.errors import FormatError
from resolver.wire.local_data import reverse_key
from resolver.wire.names import wire_of_key
from tests.support.stub import StubUpstream

PRINTER, CAMERA = "10.1.0.7", "10.1.0.8"
AT_PRINTER, AT_CAMERA = "7.0.1.10.in-addr.arpa", "8.0.1.10.in-addr.arpa"


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that the control process runs on."""
    return {"uvloop": uvloop.new_event_loop}


class Clock:
    """Seconds that a test lets pass."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stub() -> Any:
    records = {AT_PRINTER: f"{AT_PRINTER}. 600 IN PTR Printer.Office.example."}
    with StubUpstream(records) as stub:
        yield stub


@pytest.fixture
def public() -> Any:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture
async def names_for(clock: Clock) -> AsyncIterator[Callable[..., ReverseNames]]:
    made: list[ReverseNames] = []

    def make(public: StubUpstream, zones: dict[str, StubUpstream], most: int = 100) -> ReverseNames:
        def to(stub: StubUpstream) -> tuple[UpstreamServer, ...]:
            return (parse_server(stub.server),)

        settings = WorkerSettings(
            upstream_servers=to(public), zones=tuple(Zone(name, to(stub)) for name, stub in zones.items())
        )
        made.append(ReverseNames(settings, most, clock))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def test_an_address_is_asked_of_the_servers_of_its_reverse_zone(
    names_for: Any, stub: StubUpstream, public: StubUpstream
) -> None:
    names = names_for(public, {"10.in-addr.arpa": stub})
    assert names.known(PRINTER) is None
    await names.ask([PRINTER, PRINTER], 5)
    assert names.known(PRINTER) == "printer.office.example"
    assert stub.asked == [(AT_PRINTER, "PTR", "udp")]
    await names.ask([PRINTER], 5)
    assert stub.times_asked(AT_PRINTER) == 1
    assert names.count == 1


async def test_an_address_that_no_zone_covers_is_asked_of_nobody(
    names_for: Any, stub: StubUpstream, public: StubUpstream
) -> None:
    names = names_for(public, {"1.10.in-addr.arpa": stub, "8.b.d.0.1.0.0.2.ip6.arpa": stub, "corp.example": stub})
    await names.ask(["10.2.0.7", "192.0.2.7", "2001:db9::7", "fe80::1"], 5)
    assert stub.asked == public.asked == []
    await names.ask(["2001:db8::7"], 5)
    assert [name for name, _, _ in stub.asked] == [
        dns.reversename.from_address("2001:db8::7").to_text(omit_final_dot=True)
    ]
    assert public.asked == []


async def test_answers_are_kept_for_their_ttl_no_answer_for_ten_minutes_and_failures_for_one(
    names_for: Any, stub: StubUpstream, public: StubUpstream, clock: Clock
) -> None:
    names = names_for(public, {"10.in-addr.arpa": stub})
    stub.rcodes[AT_CAMERA] = dns.rcode.NXDOMAIN
    await names.ask([PRINTER, CAMERA], 5)
    clock.now += 599
    await names.ask([PRINTER, CAMERA], 5)
    assert (stub.times_asked(AT_PRINTER), stub.times_asked(AT_CAMERA)) == (1, 1)
    clock.now += 2
    stub.rcodes[AT_PRINTER] = dns.rcode.REFUSED
    await names.ask([PRINTER, CAMERA], 5)
    tries = stub.times_asked(AT_PRINTER)
    assert tries > 1
    assert stub.times_asked(AT_CAMERA) == 2
    assert names.known(PRINTER) == "printer.office.example"  # the server fails: what it said last
    clock.now += 59
    await names.ask([PRINTER], 5)
    assert stub.times_asked(AT_PRINTER) == tries
    del stub.rcodes[AT_PRINTER]
    stub.records[AT_PRINTER] = f"{AT_PRINTER}. 600 IN PTR other.office.example."
    clock.now += 2
    await names.ask([PRINTER], 5)
    assert names.known(PRINTER) == "other.office.example"


async def test_who_asks_waits_no_longer_than_he_says_and_has_the_name_the_next_time(
    names_for: Any, stub: StubUpstream, public: StubUpstream
) -> None:
    names = names_for(public, {"10.in-addr.arpa": stub})
    stub.delays[AT_PRINTER] = 0.2
    await names.ask([PRINTER], 0.01)
    assert names.known(PRINTER) is None
    await names.ask([PRINTER], 5)
    assert names.known(PRINTER) == "printer.office.example"
    assert stub.times_asked(AT_PRINTER) == 1


async def test_few_are_asked_for_at_once_and_what_finds_no_room_is_counted(
    names_for: Any, stub: StubUpstream, public: StubUpstream
) -> None:
    names = names_for(public, {"10.in-addr.arpa": stub})
    stub.silent = True
    many = [str(ip_address("10.9.0.0") + number) for number in range(MOST_AT_ONCE + MOST_WAITING + 3)]
    await names.ask(many, 0.05)
    assert names.dropped == {"host_names_waiting": 3}
    assert len({name for name, _, _ in stub.asked}) <= MOST_AT_ONCE


async def test_no_more_names_are_kept_than_there_may_be_and_the_oldest_make_room(
    names_for: Any, stub: StubUpstream, public: StubUpstream
) -> None:
    names = names_for(public, {"10.in-addr.arpa": stub}, most=1)
    stub.records[AT_CAMERA] = f"{AT_CAMERA}. 600 IN PTR camera.office.example."
    await names.ask([PRINTER], 5)
    await names.ask([CAMERA], 5)
    assert (names.known(PRINTER), names.known(CAMERA)) == (None, "camera.office.example")
    assert names.dropped == {"host_names": 1}


async def test_nobody_is_asked_once_it_is_closed(names_for: Any, stub: StubUpstream, public: StubUpstream) -> None:
    names = names_for(public, {"10.in-addr.arpa": stub})
    stub.silent = True
    waiting = asyncio.ensure_future(names.ask([PRINTER], 5))
    await asyncio.sleep(0)
    names.close()
    await asyncio.wait_for(waiting, 1)
    await names.ask([CAMERA], 5)
    assert stub.times_asked(AT_CAMERA) == 0


def response(*answers: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    query = dns.message.make_query(AT_PRINTER, "PTR", id=1)  # the same in each process of a test run
    made = dns.message.make_response(query)
    made.set_rcode(rcode)
    for line in answers:
        owner, ttl, _, kind, data = line.split()
        made.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    return made.to_wire()


WIRE = wire_of_key(reverse_key(ip_address(PRINTER).packed))


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (response(f"{AT_PRINTER}. 900 IN PTR a.example."), ("a.example", 900.0)),
        (response(f"{AT_PRINTER}. 1 IN PTR a.example."), ("a.example", 300.0)),
        (response(f"{AT_PRINTER}. 999999 IN PTR a.example."), ("a.example", 86400.0)),
        (  # RFC 2317
            response(f"{AT_PRINTER}. 900 IN CNAME 7.0-15.example.", "7.0-15.example. 800 IN PTR a.example."),
            ("a.example", 800.0),
        ),
        (response("8.0.1.10.in-addr.arpa. 900 IN PTR other.example."), (None, 600.0)),
        (response(), (None, 600.0)),
        (response(rcode=dns.rcode.NXDOMAIN), (None, 600.0)),
        (response(rcode=dns.rcode.SERVFAIL), None),
        (response(f"{AT_PRINTER}. 900 IN PTR ."), (None, 600.0)),
        (response(f"{AT_PRINTER}. 900 IN PTR a\\027b.example."), ("a\\027b.example", 900.0)),
    ],
)
def test_the_name_in_a_response(answer: bytes, read: object) -> None:
    assert name_in(answer, WIRE) == read


@pytest.mark.slow
@given(junk=st.binary(max_size=80), cut=st.integers(0, 80), flags=st.binary(min_size=10, max_size=10))
@example(junk=b"\xc0\x0c", cut=0, flags=b"\x80\x00\x00\x01\x00\x01\x00\x00\x00\x00")
def test_any_octets_behind_the_question_are_a_name_or_a_format_error(junk: bytes, cut: int, flags: bytes) -> None:
    good = response(f"{AT_PRINTER}. 900 IN PTR a.example.")
    question = 12 + len(WIRE) + 4
    for octets in (good[: question + cut], good[:2] + flags + good[12:question] + junk, good[:question] + junk):
        try:
            read = name_in(octets, WIRE)
        except FormatError:
            continue
        assert read is None or read[0] is None or 0 < len(read[0]) <= 253
