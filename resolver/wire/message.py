"""Whole messages by dnslib, which no other module imports: for where their cost does not show (a snapshot's load)."""

from __future__ import annotations

import functools
import re

import dnslib

from resolver.wire.codes import POINTER_TO_QUESTION

_ROOT = b"\x00"
_MAX_TYPE = 65535
_TYPE_NUMBER = re.compile(r"TYPE[0-9]{1,5}\Z")


def record(rtype: int, rdata: dnslib.RD, ttl_seconds: int) -> bytes:
    """One packed record whose owner is a pointer to the question's name."""
    packed = dnslib.DNSBuffer()
    dnslib.RR(".", rtype=rtype, rdata=rdata, ttl=ttl_seconds).pack(packed)
    return POINTER_TO_QUESTION + bytes(packed.data).removeprefix(_ROOT)


def address_record(address: str, ttl_seconds: int) -> bytes:
    """An A or AAAA record, by the kind of `address`."""
    if ":" in address:
        return record(dnslib.QTYPE.AAAA, dnslib.AAAA(address), ttl_seconds)
    return record(dnslib.QTYPE.A, dnslib.A(address), ttl_seconds)


def name_record(rtype: int, target: str, ttl_seconds: int) -> bytes:
    """A record whose data is one name, such as PTR."""
    rdata = dnslib.DNSBuffer()
    rdata.encode_name_nocompress(dnslib.DNSLabel(target))
    return record(rtype, dnslib.RD(bytes(rdata.data)), ttl_seconds)


def soa_record(ttl_seconds: int) -> bytes:
    """The SOA that negative answers of ours carry, so that stubs cache them for `ttl_seconds` (RFC 2308 section 3)."""
    rdata = dnslib.DNSBuffer()
    for name in ("moatdns.invalid", "nobody.invalid"):
        rdata.encode_name_nocompress(dnslib.DNSLabel(name))  # a record that is moved must point at nothing
    rdata.pack("!IIIII", 1, 3600, 600, 86400, ttl_seconds)  # serial, refresh, retry, expire, minimum
    return record(dnslib.QTYPE.SOA, dnslib.RD(bytes(rdata.data)), ttl_seconds)


def type_number(name: str) -> int | None:
    """The number of a record type by its name, or of ``TYPE999`` (RFC 3597 section 5); None for what is neither."""
    upper = name.upper()
    if _TYPE_NUMBER.match(upper) and int(upper[4:]) <= _MAX_TYPE:
        return int(upper[4:])
    found = dnslib.QTYPE.reverse.get(upper)
    return None if found is None else int(found)


@functools.cache
def type_name(number: int) -> str:
    """The name of a record type; ``TYPE999`` where it has none (RFC 3597 section 5)."""
    name = dnslib.QTYPE.forward.get(number)
    return f"TYPE{number}" if name is None else str(name)


def hinfo_record(ttl_seconds: int) -> bytes:
    """The one record that answers ANY (RFC 8482 section 4.2)."""
    cpu = b"RFC8482"
    rdata = bytes((len(cpu),)) + cpu + b"\x00"
    return record(dnslib.QTYPE.HINFO, dnslib.RD(rdata), ttl_seconds)
