"""One query at a time, by an independent client (dnspython): is the server ready, is its answer right?"""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from bench.stub import COUNT_NAME

_ADDRESSES = (dns.rdatatype.A, dns.rdatatype.AAAA)


def addresses(port: int, name: str, qtype: str = "A", *, timeout_seconds: float = 5.0) -> list[str] | None:
    """The addresses in an answer; None without an answer, or with any other rcode than NOERROR."""
    query = dns.message.make_query(name, qtype)
    try:
        answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=timeout_seconds, ignore_unexpected=True)
    except (dns.exception.DNSException, OSError):
        return None
    if answer.rcode() != dns.rcode.NOERROR:
        return None
    return [record.to_text() for rrset in answer.answer for record in rrset if record.rdtype in _ADDRESSES]


def stub_count(port: int) -> int:
    """How many queries the stub at `port` has answered."""
    found = addresses(port, COUNT_NAME)
    octets = (found or ["0.0.0.0"])[0].split(".")
    return int.from_bytes(bytes(map(int, octets)), "big")
