"""Designation of this server's DoT and DoH for clients (DDR, RFC 9462): SVCB records for DNS servers (RFC 9461)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from resolver.wire.codes import POINTER_TO_QUESTION, Class, Flag, Rcode, Type
from resolver.wire.names import parse_name
from resolver.wire.question import Question
from resolver.wire.response import compose

_DOT_PRIORITY, _DOH_PRIORITY = 1, 2  # the lower is preferred: DoT says less of a client, and costs both sides less
_DOH_PATH = b"/dns-query{?dns}"


class _Key(IntEnum):
    """Parameters of SVCB (RFC 9460 section 14.3.2, RFC 9461 section 5). In a record they stand in this order."""

    ALPN = 1
    PORT = 3
    IPV4HINT = 4
    IPV6HINT = 6
    DOHPATH = 7


@dataclass(frozen=True, slots=True)
class Designation:
    """The SVCB records whose owner is the question's name, and the addresses of the name that they lead to, packed."""

    records: bytes
    count: int
    addresses: bytes = b""
    address_count: int = 0

    def answer(self, question: Question) -> bytes:
        """The response to a question for SVCB; with the addresses, if it is no longer than the client takes by UDP.

        Addresses save a round trip and are no part of the answer (RFC 9462 section 4).
        """
        whole = compose(
            question,
            Rcode.NOERROR,
            self.records + self.addresses,
            answers=self.count,
            additionals=self.address_count,
            flags=Flag.AA,
        )
        if len(whole) <= question.max_size:
            return whole
        return compose(question, Rcode.NOERROR, self.records, answers=self.count, flags=Flag.AA)


def designation(
    server_name: str,
    *,
    dot_ports: Iterable[int],
    doh_ports: Iterable[int],
    addresses: Sequence[str] = (),
    ttl_seconds: int,
) -> Designation | None:
    """The records that designate a server by its name; None where it serves neither DoT nor DoH.

    `addresses` are those on which each of the ports is served; without, a client looks the name up.
    Raises RuleError for what is no name.
    """
    target = parse_name(server_name)
    parsed = [ipaddress.ip_address(address) for address in addresses]
    hints: list[tuple[_Key, bytes]] = []
    for key, version in ((_Key.IPV4HINT, 4), (_Key.IPV6HINT, 6)):
        packed = b"".join(address.packed for address in parsed if address.version == version)
        if packed:
            hints.append((key, packed))
    ways: list[tuple[int, int, list[tuple[_Key, bytes]]]] = [
        *((_DOT_PRIORITY, port, [(_Key.ALPN, _alpn(b"dot"))]) for port in dot_ports),
        *(
            (_DOH_PRIORITY, port, [(_Key.ALPN, _alpn(b"h2", b"http/1.1")), (_Key.DOHPATH, _DOH_PATH)])
            for port in doh_ports
        ),
    ]
    if not ways:
        return None
    records = b""
    for priority, port, params in ways:
        ordered = sorted([*params, *hints, (_Key.PORT, port.to_bytes(2, "big"))])
        rdata = priority.to_bytes(2, "big") + target + b"".join(_with_length(key, value) for key, value in ordered)
        records += _record(POINTER_TO_QUESTION, Type.SVCB, ttl_seconds, rdata)
    owned = b"".join(
        _record(target, Type.A if address.version == 4 else Type.AAAA, ttl_seconds, address.packed)
        for address in parsed
    )
    return Designation(records, len(ways), owned, len(parsed))


def _alpn(*protocols: bytes) -> bytes:
    return b"".join(bytes((len(protocol),)) + protocol for protocol in protocols)


def _with_length(key: _Key, value: bytes) -> bytes:
    return key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def _record(owner: bytes, rtype: Type, ttl_seconds: int, rdata: bytes) -> bytes:
    head = rtype.to_bytes(2, "big") + Class.IN.to_bytes(2, "big") + ttl_seconds.to_bytes(4, "big")
    return owner + head + len(rdata).to_bytes(2, "big") + rdata
