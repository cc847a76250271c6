"""The header of the PROXY protocol, version 2: before a query, a proxy says whose it is.

The protocol is HAProxy's (proxy-protocol.txt, section 2.2). Whom to believe is the caller's business: from a client
that is no trusted proxy, these octets are worth nothing. Version 1, which is text, is not taken.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

from resolver.errors import FormatError

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
VERSION_1: Final = b"PROXY "  # how the text begins that is not taken; DNS would wait for 20,562 octets behind it
MAX_OCTETS: Final = 1024  # of a whole header: addresses, and room for the TLVs that proxies add

_HEAD = struct.Struct("!12sBBH")  # signature, version and command, family and protocol, length of what follows
_VERSION = 0x20
_LOCAL, _PROXY = 0x0, 0x1
_IPV4, _IPV6 = 0x1, 0x2
_UNSPECIFIED, _STREAM, _DATAGRAM = 0x0, 0x1, 0x2
_OCTETS_OF_ADDRESSES = {0x0: 0, _IPV4: 12, _IPV6: 36, 0x3: 216}  # by family; 3 is a UNIX socket


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Header of a proxy. `length` is its own, in octets: the query is behind it.

    `client` is the address that the proxy speaks for, an IPv4 address mapped into IPv6 as IPv4; None where the proxy
    speaks for itself (`is_local`), or for nobody that has an IP address. `port` is the client's.
    """

    length: int
    client: str | None = None
    port: int = 0
    is_local: bool = False


def starts_like_proxy_header(data: bytes) -> bool:
    """Whether these octets, of which there may be more to come, can begin a header."""
    return data.startswith(SIGNATURE) if len(data) >= len(SIGNATURE) else SIGNATURE.startswith(data)


def starts_like_version_1(data: bytes) -> bool:
    """Whether these octets, of which there may be more to come, can begin a header of version 1."""
    return data.startswith(VERSION_1) if len(data) >= len(VERSION_1) else VERSION_1.startswith(data)


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header that `data` begins with; None where more octets are needed. Raises FormatError for what is none."""
    if not starts_like_proxy_header(data):
        raise FormatError("no PROXY header of version 2")
    if len(data) < _HEAD.size:
        return None
    _, version_and_command, kind, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    command = version_and_command & 0x0F
    family, protocol = kind >> 4, kind & 0x0F
    if version_and_command & 0xF0 != _VERSION or command not in (_LOCAL, _PROXY):
        raise FormatError(f"a PROXY header of an unknown version or command, {version_and_command:#04x}")
    if end > MAX_OCTETS:
        raise FormatError(f"a PROXY header of {end} octets: at most {MAX_OCTETS} are allowed")
    if command == _PROXY and (family not in _OCTETS_OF_ADDRESSES or protocol not in (_UNSPECIFIED, _STREAM, _DATAGRAM)):
        raise FormatError(f"a PROXY header of an unknown family or protocol, {kind:#04x}")
    if len(data) < end:
        return None
    if command == _LOCAL:  # the proxy's own, a health check for one; its addresses are to be ignored, and their family
        return ProxyHeader(end, is_local=True)
    if length < _OCTETS_OF_ADDRESSES[family]:
        raise FormatError("a PROXY header whose addresses are cut off")
    if family == _IPV4:
        source = ipaddress.IPv4Address(data[16:20])
        return ProxyHeader(end, str(source), data[24] << 8 | data[25])
    if family == _IPV6:
        long = ipaddress.IPv6Address(data[16:32])
        return ProxyHeader(end, str(long.ipv4_mapped or long), data[48] << 8 | data[49])
    return ProxyHeader(end)
