"""Packet information: which of the host's addresses a datagram came to, and that its answer leaves from there.

RFC 3542 section 6.1 for IPv6, ip(7) for IPv4.
"""

from __future__ import annotations

import functools
import socket
import struct

Ancillary = list[tuple[int, int, bytes]]

_IP_PKTINFO = 8  # Linux; the socket module does not name it
_PKTINFO = struct.Struct("=i4s4s")  # in_pktinfo: interface, local address, destination in the header
_PKTINFO6 = struct.Struct("=16si")  # in6_pktinfo: destination, interface
ANCILLARY_BYTES = socket.CMSG_SPACE(_PKTINFO6.size)
_LINK_LOCAL = b"\xfe\x80"


@functools.lru_cache(maxsize=1024)
def source_of(item: tuple[int, int, bytes]) -> Ancillary:
    """The ancillary data that makes an answer leave from where its query came to; the route chooses the interface."""
    level, kind, data = item
    if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
        _, local, _ = _PKTINFO.unpack(data)
        return [(level, kind, _PKTINFO.pack(0, local, bytes(4)))]
    if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
        local, interface = _PKTINFO6.unpack(data)
        # A link-local address means nothing without its interface.
        return [(level, kind, _PKTINFO6.pack(local, interface if local[:2] == _LINK_LOCAL else 0))]
    return []


def ask_for_packet_info(one: socket.socket) -> None:
    """Have the kernel tell, for each datagram that the socket receives."""
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        one.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
