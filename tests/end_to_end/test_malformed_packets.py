"""Packets that no honest client sends: told what is wrong with them or dropped, as the RFCs say, and never a crash."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import pytest

from tests.conftest import StartMoatdns
from tests.support.clients import TcpClient, UdpClient, ask, is_blocked, query, rdata
from tests.support.moatdns import Moatdns
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

MUTATIONS = 4_000
HEADER = 12
QUESTION = b"\x06claude\x02ai\x00\x00\x01\x00\x01"
OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"


def packet(
    question: bytes = QUESTION, *, ident: int = 7, flags: int = 0x0100, counts: tuple[int, ...] = (1, 0, 0, 0)
) -> bytes:
    """A packet by its parts."""
    return struct.pack("!6H", ident, flags, *counts) + question


def with_opt(opt: bytes = OPT) -> bytes:
    """The same with one additional record."""
    return packet(QUESTION + opt, counts=(1, 0, 0, 1))


@pytest.fixture
def client(office: Moatdns) -> Iterator[UdpClient]:
    """A socket that talks to one worker of the office's server."""
    with UdpClient(office.port) as udp:
        yield udp


def rcode_of(answer: bytes) -> dns.rcode.Rcode:
    """The rcode, the part in the OPT record included."""
    return dns.message.from_wire(answer).rcode()


FORMAT_ERRORS = {
    "no question": packet(b"", counts=(0, 0, 0, 0)),
    "no question, yet its octets": packet(counts=(0, 0, 0, 0)),
    "two questions": packet(QUESTION + QUESTION, counts=(2, 0, 0, 0)),
    "two questions promised": packet(counts=(2, 0, 0, 0)),
    "65535 questions promised": packet(counts=(65535, 0, 0, 0)),
    "an answer promised": packet(counts=(1, 1, 0, 0)),
    "an authority record promised": packet(counts=(1, 0, 1, 0)),
    "an additional record promised": packet(counts=(1, 0, 0, 1)),
    "octets behind the question": packet(QUESTION + b"x"),
    "cut off in the name": packet(QUESTION[:5]),
    "cut off in the type": packet(QUESTION[:-3]),
    "cut off in the class": packet(QUESTION[:-1]),
    "a header alone": packet(b""),
    "a name that points at itself": packet(b"\xc0\x0c\x00\x01\x00\x01"),
    "a name that points behind": packet(b"\x01a\xc0\x0e\x00\x01\x00\x01"),
    "a label of an unknown kind": packet(b"\x40a\x00\x00\x01\x00\x01"),
    "a name of 256 octets": packet(b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\x00\x00\x01\x00\x01"),
    "two OPT records": packet(QUESTION + OPT + OPT, counts=(1, 0, 0, 2)),
    "an OPT record that is not the root's": with_opt(b"\x01a" + OPT),
    "an OPT record cut off": with_opt(OPT[:-2]),
    "an EDNS option longer than its record": with_opt(OPT[:-2] + b"\x00\x06\x00\x0a\x00\xff\x00\x00"),
    "an EDNS option's header cut off": with_opt(OPT[:-2] + b"\x00\x03\x00\x0a\x00"),
}


@pytest.mark.parametrize("wire", FORMAT_ERRORS.values(), ids=FORMAT_ERRORS)
def test_a_malformed_query_is_a_format_error(office: Moatdns, client: UdpClient, wire: bytes) -> None:
    answers = [client.exchange(wire)]
    with TcpClient(office.port) as tcp:
        tcp.send(wire)
        answers.append(tcp.receive_bytes())
    for answer in answers:
        assert answer[:2] == wire[:2]
        assert answer[2] & 0x80
        assert answer[3] & 0xF == dns.rcode.FORMERR
        assert len(answer) <= max(len(wire), HEADER) + len(OPT)


def test_nothing_that_is_malformed_goes_on_to_an_upstream(moatdns: StartMoatdns) -> None:
    with StubUpstream() as upstream:
        server = moatdns({"upstream": {"servers": [upstream.server]}})
        with UdpClient(server.port) as udp:
            for wire in (*FORMAT_ERRORS.values(), *DROPPED.values()):
                udp.socket.send(wire.replace(b"\x06claude\x02ai", b"\x06public\x02ai"))
        assert rdata(ask(server.port, "wanted.example")) == [DEFAULT_ANSWER]
        assert {name for name, *_ in upstream.asked} == {"wanted.example"}


DROPPED = {
    "a response": packet(flags=0x8180),
    "a response without anything": packet(b"", flags=0x8000, counts=(0, 0, 0, 0)),
    "a response with another opcode": packet(flags=0xB000),
    "a response that is malformed": packet(b"\xc0\x0c", flags=0x8180),
    "nothing": b"",
    "one octet": b"\x00",
    "eleven octets": packet(b"")[:11],
}


@pytest.mark.parametrize("wire", DROPPED.values(), ids=DROPPED)
def test_what_is_no_query_is_never_answered(client: UdpClient, wire: bytes) -> None:
    for _ in range(10):
        client.send(wire)
    # Datagrams of one socket reach one worker in order: the first answer is that to the query behind them.
    assert client.exchange(packet(ident=4711))[:2] == struct.pack("!H", 4711)
    client.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.receive()


def test_every_other_opcode_is_not_implemented(client: UdpClient) -> None:
    for opcode in range(1, 16):
        for rest in (QUESTION, b""):
            answer = client.exchange(packet(rest, flags=opcode << 11, counts=(1 if rest else 0, 0, 0, 0)))
            assert answer[3] & 0xF == dns.rcode.NOTIMP, opcode
            assert answer[2] >> 3 & 0xF == opcode
            assert answer[2] & 0x80


def test_an_update_with_all_its_sections_is_not_implemented(client: UdpClient) -> None:
    update = packet(QUESTION + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00", flags=5 << 11, counts=(1, 0, 1, 0))
    assert client.exchange(update)[3] & 0xF == dns.rcode.NOTIMP


def test_a_higher_edns_version_is_told_ours(client: UdpClient) -> None:
    for version in (1, 2, 255):
        asked = bytearray(with_opt())
        asked[-5] = version  # before it the extended rcode, behind it flags and length
        response = dns.message.from_wire(client.exchange(bytes(asked)))
        assert (response.rcode(), response.edns, response.answer) == (dns.rcode.BADVERS, 0, [])


def test_the_smallest_payload_sizes_count_as_512(client: UdpClient) -> None:
    for size in (0, 1, 511):
        opt = bytearray(OPT)
        opt[3:5] = struct.pack("!H", size)
        assert is_blocked(dns.message.from_wire(client.exchange(with_opt(bytes(opt)))))


def test_names_with_odd_octets_are_answered(client: UdpClient, office: Moatdns) -> None:
    for label in (b"\x00", b".", b"a.b", b"\xff" * 63, b" ", b"\\", b"claude.ai"):
        question = bytes([len(label)]) + label + b"\x07example\x00\x00\x01\x00\x01"
        assert rcode_of(client.exchange(packet(question))) == dns.rcode.NXDOMAIN
        blocked = bytes([len(label)]) + label + b"\x06claude\x02ai\x00\x00\x01\x00\x01"
        assert rdata(dns.message.from_wire(client.exchange(packet(blocked)))) == ["0.0.0.0"]
    # A dot octet is no boundary of labels: the label "claude.ai" is no name below ai.
    inside = b"\x09claude.ai\x00\x00\x01\x00\x01"
    assert rcode_of(client.exchange(packet(inside))) == dns.rcode.NXDOMAIN
    assert is_blocked(ask(office.port, "claude.ai"))


def test_the_root_and_the_longest_name_are_answered(client: UdpClient) -> None:
    root = dns.message.from_wire(client.exchange(packet(b"\x00\x00\x02\x00\x01")))
    assert (root.rcode(), len(root.answer)) == (dns.rcode.NOERROR, 1)
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\x00\x00\x01\x00\x01"
    assert rcode_of(client.exchange(packet(longest))) == dns.rcode.NXDOMAIN


def mutated(chance: random.Random) -> Iterator[bytes]:
    """Queries with something broken: octets changed, cut out, doubled, or cut off."""
    seeds = [
        query(name, qtype, edns=edns).to_wire()
        for name in ("claude.ai", "plain.example", "use-application-dns.net", "large.example")
        for qtype in ("A", "HTTPS", "TXT")
        for edns in (False, True)
    ]
    seeds.append(
        dns.message.make_query("claude.ai", "A", use_edns=0, options=[dns.edns.GenericOption(10, b"x" * 8)]).to_wire()
    )
    while True:
        wire = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            at = chance.randrange(len(wire)) if wire else 0
            match chance.randrange(5):
                case 0 if wire:
                    wire[at] ^= 1 << chance.randrange(8)
                case 1 if wire:
                    wire[at] = chance.choice((0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF))
                case 2:
                    del wire[at : at + chance.randint(1, 4)]
                case 3:
                    wire[at:at] = wire[at : at + chance.randint(1, 20)]
                case _:
                    del wire[at:]
        yield bytes(wire)


def test_thousands_of_mutated_packets_leave_the_server_well(office: Moatdns) -> None:
    chance = random.Random(1035)
    workers = {worker.pid for worker in office.workers()}
    for _ in range(8):  # sockets, so that both workers have their share
        with UdpClient(office.port) as client:
            sent: dict[bytes, list[bytes]] = {}
            for number, wire in zip(range(MUTATIONS // 8), mutated(chance), strict=False):
                client.send(wire)
                sent.setdefault(wire[:2], []).append(wire)
                if number % 50 == 49:  # and no more at once than the socket's buffer holds
                    wait_for_the_answers(client, number, sent)
    assert {worker.pid for worker in office.workers()} == workers
    assert is_blocked(ask(office.port, "claude.ai"))
    office.assert_no_trouble()


def wait_for_the_answers(client: UdpClient, ident: int, sent: dict[bytes, list[bytes]]) -> None:
    """Ask something honest and take what comes until its answer; every answer before belongs to what was sent."""
    honest = packet(b"\x06honest" + QUESTION, ident=ident)
    client.send(honest)
    while True:
        answer = client.receive()
        assert answer[2] & 0x80
        if answer[HEADER:].startswith(honest[HEADER:]):
            return
        assert len(answer) <= 1232
        assert answer[:2] in sent, "an answer to nothing that was asked"
        assert any(len(asked) >= HEADER and not asked[2] & 0x80 for asked in sent[answer[:2]])
        if answer[3] & 0xF != dns.rcode.FORMERR:
            dns.message.from_wire(answer, one_rr_per_rrset=True)


def test_mutated_packets_over_tcp_leave_the_server_well(office: Moatdns) -> None:
    chance = random.Random(7766)
    for wire, _ in zip(mutated(chance), range(300), strict=False):
        with TcpClient(office.port) as client:
            client.send(wire, b"\x00\x01" + packet()[2:])
            try:
                while client.receive_bytes()[:2] != b"\x00\x01":
                    pass
            except (EOFError, ConnectionError):
                assert len(wire) < HEADER or wire[2] & 0x80  # only who is no client is hung up on
    assert is_blocked(ask(office.port, "claude.ai"))
    office.assert_no_trouble()


def test_noise_over_tcp_leaves_the_server_well(office: Moatdns) -> None:
    chance = random.Random(42)
    for _ in range(100):
        with TcpClient(office.port) as client:
            client.connection.sendall(chance.randbytes(chance.randint(1, 3000)))
    assert is_blocked(ask(office.port, "claude.ai", tcp=True))
    office.assert_no_trouble()
