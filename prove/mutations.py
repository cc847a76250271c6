"""Valid queries of many kinds, and what seeded chance makes of them. Pure; nothing is sent here."""

from __future__ import annotations

import random
from collections.abc import Callable

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rdataclass

_HEADER = 12
_QR = 0x80
_UNKNOWN = dns.edns.OptionType.make(65002)
_LONGEST = 4096 + 64  # beyond, the listener cuts
_EXTREMES = (0, 1, 2, 3, 0x7F, 0x80, 0xC0, 0xFF)
_LONG_NAME = ".".join(["x" * 63] * 3 + ["y" * 57, "yz"])  # 255 octets in all


def seeds() -> list[bytes]:
    """Valid queries: blocked, forwarded, answered here, refused; with every kind of EDNS option; plain ones."""
    made = dns.message.make_query
    options: list[list[dns.edns.Option]] = [
        [],
        [dns.edns.ECSOption("192.0.2.0", 24)],
        [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8))],
        [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(24))],
        [dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(128))],
        [dns.edns.GenericOption(dns.edns.OptionType.KEEPALIVE, b"")],
        [dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")],
        [
            dns.edns.GenericOption(_UNKNOWN, bytes(range(200))),
            dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(16)),
        ],
    ]
    names = ("claude.ai", "api.openai.com", "plain.example", ".", "localhost", "1.0.0.127.in-addr.arpa", _LONG_NAME)
    found = [made(name, "A") for name in names]
    found += [
        made("Claude.AI", qtype)
        for qtype in ("AAAA", "HTTPS", "SVCB", "TXT", "MX", "NS", "SOA", "ANY", "AXFR", "TYPE65280", "OPT")
    ]
    found += [made("plain.example", qtype) for qtype in ("AAAA", "HTTPS", "CNAME", "ANY", "IXFR", "DS", "TYPE0")]
    found += [made("plain.example", "A", use_edns=0, payload=1232, options=each) for each in options]
    found += [made("claude.ai", "A", use_edns=0, payload=512, options=each, want_dnssec=True) for each in options]
    found += [
        made("plain.example", "A", use_edns=1),
        made("plain.example", "A", flags=dns.flags.RD | dns.flags.CD | dns.flags.AD),
        made("version.bind", "TXT", dns.rdataclass.CH),
        made("plain.example", "A", dns.rdataclass.ANY),
        made("_dns.resolver.arpa", "SVCB"),
    ]
    wires = [message.to_wire() for message in found]
    for opcode in (dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS, 6, 15):
        message = made("plain.example", "A")
        message.flags |= dns.opcode.to_flags(dns.opcode.Opcode(opcode))
        wires.append(message.to_wire())
    return wires


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """A valid query with one to three things wrong. Some stay valid: that is no harm."""
    packet = bytearray(seed)
    packet[:2] = chance.randbytes(2)
    for _ in range(chance.choice((1, 1, 2, 3))):
        _MUTATIONS[int(chance.random() * len(_MUTATIONS))](packet, chance)
    return bytes(packet[:_LONGEST])


def is_response(packet: bytes) -> bool:
    """Whether QR is set; what ends before that is a fragment and neither."""
    return len(packet) > 2 and bool(packet[2] & _QR)


def _place(packet: bytearray, chance: random.Random) -> int:
    return int(chance.random() * len(packet))


def _flip(packet: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8))):
        if packet:
            packet[_place(packet, chance)] ^= 1 << int(chance.random() * 8)


def _overwrite(packet: bytearray, chance: random.Random) -> None:
    if packet:
        packet[_place(packet, chance)] = chance.choice(_EXTREMES)


def _cut(packet: bytearray, chance: random.Random) -> None:
    del packet[_place(packet, chance) :]


def _cut_out(packet: bytearray, chance: random.Random) -> None:
    at = _place(packet, chance)
    del packet[at : at + chance.choice((1, 2, 4, 11))]


def _insert(packet: bytearray, chance: random.Random) -> None:
    at = _place(packet, chance)
    packet[at:at] = chance.randbytes(chance.choice((1, 1, 2, 4, 40, 700)))


def _append(packet: bytearray, chance: random.Random) -> None:
    packet += chance.choice((packet[_HEADER:], bytes(11), chance.randbytes(30), bytes(chance.choice((1, 2, 5000)))))


def _count(packet: bytearray, chance: random.Random) -> None:
    """A header count that lies."""
    if len(packet) >= _HEADER:
        at = 4 + 2 * int(chance.random() * 4)
        packet[at : at + 2] = chance.choice((b"\0\0", b"\0\2", b"\1\0", b"\xff\xff", chance.randbytes(2)))


def _label(packet: bytearray, chance: random.Random) -> None:
    """The first label's length lies, or it is a pointer: to itself, ahead, into the header."""
    if len(packet) > _HEADER + 2:
        packet[_HEADER] = chance.choice((0, 1, 0x3F, 0x40, 0x80, 0xC0, 0xC0, 0xFF))
        packet[_HEADER + 1] = chance.choice((0, _HEADER, _HEADER + 2, packet[_HEADER + 1], 0xFF))


def _edns(packet: bytearray, chance: random.Random) -> None:
    """The OPT record's length, an option's length, or the version lies. With EDNS, the record stands near the end."""
    at = packet.rfind(b"\0\0\x29", _HEADER)
    if at >= 0 and len(packet) >= at + 11:
        where = at + chance.choice((3, 5, 6, 7, 9, 10, 13, 14))
        if where < len(packet):
            packet[where] = chance.choice(_EXTREMES)


def _second_opt(packet: bytearray, chance: random.Random) -> None:
    if len(packet) >= _HEADER:
        packet += b"\0\0\x29\x10\0\0\0\0\0\0\0"
        packet[11] = (packet[11] + 1) & 0xFF


def _respond(packet: bytearray, _chance: random.Random) -> None:
    if len(packet) > 2:
        packet[2] |= _QR


def _many_labels(packet: bytearray, chance: random.Random) -> None:
    """A name of many labels of one octet, too long or just not."""
    packet[_HEADER:_HEADER] = b"\1a" * chance.choice((100, 120, 126, 127, 128, 1000))


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _overwrite,
    _cut,
    _cut_out,
    _insert,
    _append,
    _count,
    _label,
    _edns,
    _second_opt,
    _respond,
    _many_labels,
)
