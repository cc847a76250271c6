"""What the RFCs say of answers that pass through: TTLs, negative ones, unknown types, sizes, and what an upstream sees.

Rows of docs/conformance.md that have no test elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.conftest import BY_MODE, EXEMPT, OFFICE
from tests.support.clients import LOCALHOST, UdpClient, ask, dig, is_blocked, query, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

FIVE_MINUTES = struct.pack("!I", 300)


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """The only upstream of `server`. Each test asks for names of its own."""
    with StubUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: StubUpstream) -> Iterator[Moatdns]:
    """A server with one worker and one upstream."""
    config = {**OFFICE, "workers": 1, "upstream": {"servers": [upstream.server]}}
    with Moatdns(tmp_path_factory.mktemp("conformance"), config) as moatdns:
        yield moatdns


@pytest.mark.parametrize("ttl", [0x80000000, 0x80000001, 0xFFFFFFFF])
def test_a_ttl_with_its_top_bit_set_counts_as_zero(server: Moatdns, upstream: StubUpstream, ttl: int) -> None:
    name = f"top-bit-{ttl:x}.example"
    upstream.mend[name] = lambda wire: wire.replace(FIVE_MINUTES, struct.pack("!I", ttl))
    for _ in range(3):
        response = ask(server.port, name)
        assert (rdata(response), ttls(response)) == ([DEFAULT_ANSWER], [0])
    assert upstream.times_asked(name) == 3  # nothing of it is kept


def test_records_of_one_set_come_with_one_ttl_and_live_by_the_least(server: Moatdns, upstream: StubUpstream) -> None:
    upstream.records["uneven.example"] = "\n".join(
        f"uneven.example. {ttl} IN A 192.0.2.{number}" for number, ttl in enumerate((300, 20, 4000))
    )
    for _ in range(2):
        with UdpClient(server.port) as client:
            wire = client.exchange(query("uneven.example").to_wire())
        response = dns.message.from_wire(wire, one_rr_per_rrset=True)
        assert len(response.answer) == 3
        [ttl] = {rrset.ttl for rrset in response.answer}
        assert 18 <= ttl <= 20
    assert upstream.times_asked("uneven.example") == 1


@pytest.mark.parametrize(("soa_ttl", "minimum", "expected"), [(3600, 25, 25), (25, 3600, 25), (900_000, 900_000, 3600)])
@pytest.mark.parametrize("rcode", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR])
def test_a_negative_answer_lives_by_the_lesser_of_its_soas_ttl_and_minimum_and_for_an_hour_at_most(
    server: Moatdns, upstream: StubUpstream, soa_ttl: int, minimum: int, expected: int, rcode: dns.rcode.Rcode
) -> None:
    name = f"n{soa_ttl}-{minimum}-{rcode:d}.example"
    upstream.authority[name] = f"example. {soa_ttl} IN SOA ns.example. host.example. 1 2 3 4 {minimum}"
    if rcode:
        upstream.mend[name] = lambda wire: wire[:3] + bytes((wire[3] | dns.rcode.NXDOMAIN,)) + wire[4:]
    for _ in range(2):
        response = ask(server.port, name)
        assert (response.rcode(), response.answer) == (rcode, [])
        [soa] = response.authority
        assert expected - 2 <= soa.ttl <= expected
    assert upstream.times_asked(name) == 1


def test_the_data_of_an_unknown_type_passes_unread(server: Moatdns, upstream: StubUpstream) -> None:
    like_a_pointer = r"\# 8 c00c3fffc0ffee00"
    upstream.records["unknown.example"] = f"unknown.example. 300 IN TYPE65280 {like_a_pointer}"
    for tcp in (False, True):
        assert rdata(ask(server.port, "unknown.example", "TYPE65280", tcp=tcp)) == [like_a_pointer]


def test_an_https_record_passes_with_parameters_that_nobody_knows(server: Moatdns, upstream: StubUpstream) -> None:
    data = '1 . alpn="h2" port="8443" key65000="x"'
    upstream.records["service.example"] = f"service.example. 300 IN HTTPS {data}"
    assert rdata(ask(server.port, "service.example", "HTTPS")) == [data]


def test_an_nxdomain_by_policy_hides_nothing_below_it(office: Moatdns) -> None:
    client = BY_MODE["nxdomain"]
    for _ in range(2):
        above = ask(office.port, "only.example", client=client)
        assert is_blocked(above)
        assert above.rcode() == dns.rcode.NXDOMAIN
        assert rdata(ask(office.port, "below.only.example", client=client)) == ["198.51.100.45"]
        assert rdata(ask(office.port, "only.example", client=EXEMPT)) == ["198.51.100.44"]


def test_no_answer_over_udp_is_larger_than_1232_octets_whatever_the_client_would_take(
    server: Moatdns, upstream: StubUpstream
) -> None:
    sizes = {}
    for strings in range(10, 16):
        name = f"size-{strings}.example"
        upstream.records[name] = "\n".join(f'{name}. 300 IN TXT "{n:02}{"x" * 88}"' for n in range(strings))
        for payload in (1232, 1400, 4096, 65535):
            asked = dns.message.make_query(name, "TXT", use_edns=0, payload=payload)
            with UdpClient(server.port) as client:
                wire = client.exchange(asked.to_wire())
            response = dns.message.from_wire(wire)
            assert len(wire) <= 1232
            assert bool(response.flags & dns.flags.TC) == (not response.answer)
            sizes[strings, payload] = bool(response.answer)
    assert set(sizes.values()) == {True, False}  # some were whole and some cut
    for strings in range(10, 16):
        assert len({sizes[strings, payload] for payload in (1232, 1400, 4096, 65535)}) == 1


def test_flags_of_a_client_reach_the_upstream_and_its_hop_by_hop_options_do_not(
    server: Moatdns, upstream: StubUpstream
) -> None:
    options = [dns.edns.GenericOption(code, b"\x01\x02\x03\x04\x05\x06\x07\x08") for code in (10, 100, 65002)]
    options.append(dns.edns.ECSOption("192.0.2.0", 24))
    asked = dns.message.make_query("flags.example", "A", use_edns=0, ednsflags=dns.flags.DO, options=options)
    asked.flags |= dns.flags.CD
    with UdpClient(server.port) as client:
        response = dns.message.from_wire(client.exchange(asked.to_wire()))
    assert rdata(response) == [DEFAULT_ANSWER]
    assert response.flags & dns.flags.CD
    seen = next(m for m in upstream.queries if m.question[0].name.to_text() == "flags.example.")
    assert seen.flags & dns.flags.CD
    assert seen.ednsflags & dns.flags.DO
    assert seen.options == ()  # neither the client's subnet (RFC 7871 section 2) nor what is between it and us


def test_an_answer_for_one_client_subnet_is_everybodys(server: Moatdns, upstream: StubUpstream) -> None:
    for subnet in ("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/48"):
        dug = dig(server.port, "subnet.example", f"+subnet={subnet}")
        assert (dug.status, dug.rdata) == ("NOERROR", [DEFAULT_ANSWER])
    assert upstream.times_asked("subnet.example") == 1


def test_a_question_over_tcp_is_answered_whole_though_the_upstream_cuts_it_over_udp(
    server: Moatdns, upstream: StubUpstream
) -> None:
    upstream.records["whole.example"] = "\n".join(f'whole.example. 300 IN TXT "{n:02}{"x" * 200}"' for n in range(50))
    upstream.truncated.add("whole.example")
    assert len(dig(server.port, "whole.example", "TXT", "+tcp", "-b", LOCALHOST).answer) == 50
    assert [way for name, _, way in upstream.asked if name == "whole.example"] == ["udp", "tcp"]
