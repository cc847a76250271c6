"""The numbers of the DNS protocol, by name (IANA "Domain Name System Parameters")."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Rcode(IntEnum):
    """Response codes; those above 15 need an OPT record (RFC 6891 section 6.1.3)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    NOTAUTH = 9
    BADVERS = 16
    BADCOOKIE = 23


class Type(IntEnum):
    """RR types that moatdns must know; all others pass through unread (RFC 3597)."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    HINFO = 13
    TXT = 16
    AAAA = 28
    DNAME = 39
    OPT = 41
    DS = 43
    RRSIG = 46
    NSEC = 47
    NSEC3 = 50
    SVCB = 64
    HTTPS = 65
    NXNAME = 128
    TSIG = 250
    IXFR = 251
    AXFR = 252
    ANY = 255


class Class(IntEnum):
    """RR classes."""

    IN = 1
    CH = 3
    ANY = 255


class Flag(IntEnum):
    """Bits of the header's second 16-bit word (RFC 1035 section 4.1.1, RFC 4035 section 3.2)."""

    QR = 0x8000
    AA = 0x0400
    TC = 0x0200
    RD = 0x0100
    RA = 0x0080
    AD = 0x0020
    CD = 0x0010


class EdnsOption(IntEnum):
    """EDNS option codes."""

    NSID = 3
    CLIENT_SUBNET = 8
    COOKIE = 10
    TCP_KEEPALIVE = 11
    PADDING = 12
    EDE = 15
    MAC = 65001  # not registered: dnsmasq's --add-mac
    DEVICE_ID = 65073  # not registered: dnsmasq's --add-mac=text and =base64, as Nominum's servers had it


class Ede(IntEnum):
    """Extended DNS error codes (RFC 8914 section 5.2)."""

    OTHER = 0
    STALE_ANSWER = 3
    BLOCKED = 15
    FILTERED = 17
    PROHIBITED = 18
    NOT_SUPPORTED = 21
    NO_REACHABLE_AUTHORITY = 22
    NETWORK_ERROR = 23


MAX_NAME: Final = 255  # octets of a name on the wire (RFC 1035 section 2.3.4)
MAX_LABEL: Final = 63
MAX_MESSAGE: Final = 65535  # octets of a message over a stream (RFC 1035 section 4.2.2)
HEADER: Final = 12  # octets of a message's header
UDP_PAYLOAD: Final = 1232  # what we send and accept over UDP without fear of fragments (RFC 9715)
UDP_PAYLOAD_PLAIN: Final = 512  # a client without EDNS takes no more (RFC 1035 section 4.2.1)
TYPE_AND_CLASS: Final = 4  # octets of a record's or question's type and class, behind its name
POINTER: Final = 0xC0  # the bits of a length octet that begins a pointer to a name (RFC 1035 section 4.1.4)
POINTER_TO_QUESTION: Final = b"\xc0\x0c"  # to the first name behind the header


def is_meta(qtype: int) -> bool:
    """Whether a type stands for no data of a name (RFC 6895 section 3.1), ANY aside: a transfer, for one."""
    return qtype == 0 or (128 <= qtype < Type.ANY)


_DS: Final = int(Type.DS)


def has_data_above(qtype: int) -> bool:
    """Whether a name's records of a type belong to the zone above it, where the name is the top of one.

    So it is with DS alone (RFC 4035 sections 2.4 and 3.1.4.1): whoever is asked for all else of such a zone does not
    have it, or says that there is none.
    """
    return qtype == _DS


def rcode_name(rcode: int) -> str:
    """An rcode as people are told it."""
    return Rcode(rcode).name if rcode in Rcode._value2member_map_ else f"rcode {rcode}"
