"""The program that has an address already, as far as this process may see: for an error that helps."""

from __future__ import annotations

import ipaddress
import socket
from itertools import pairwise
from typing import Any, Final

import psutil

_MODULES: Final = ("resolver.worker", "moatdns", "admin_api.control")  # ours, as they are run
_ELSEWHERE: Final = 9  # no conflict


def holder_of(host: str, port: int, kind: socket.SocketKind) -> str:
    """`` by NAME (pid N)`` for who holds that address by that protocol; "" where nobody can be seen.

    Programs on other addresses of the same port are no hindrance, and are not named.
    """
    try:
        held = [
            (nearness, one.pid)
            for one in psutil.net_connections("inet")
            if one.type == kind
            and (kind == socket.SOCK_DGRAM or one.status == psutil.CONN_LISTEN)
            and one.laddr
            and one.laddr.port == port
            and one.pid
            and (nearness := _nearness(host, one)) < _ELSEWHERE
        ]
        return f" by {_told(psutil.Process(min(held)[1]))}" if held else ""
    except psutil.Error:
        return ""


def _nearness(host: str, other: Any) -> int:
    """0: the very address; 1 and 2: a wildcard that has it; 3: one of those that our wildcard would have."""
    ours = ipaddress.ip_address(host.partition("%")[0])
    theirs = ipaddress.ip_address(other.laddr.ip.partition("%")[0])
    if isinstance(theirs, ipaddress.IPv6Address) and theirs.ipv4_mapped is not None:
        theirs = theirs.ipv4_mapped
    if ours == theirs:
        return 0
    if theirs.is_unspecified and ours.version == theirs.version:
        return 1
    if theirs.is_unspecified and theirs.version == 6:
        return 2  # it may have IPv4 as well (ipv6(7), IPV6_V6ONLY); what it has not, it does not hinder
    if ours.is_unspecified and ours.version == theirs.version:
        return 3
    return _ELSEWHERE


def _told(process: psutil.Process) -> str:
    """A process by name; of ours, the supervisor, which others cannot tell from any Python."""
    if not _is_ours(process):
        return f"{process.name()} (pid {process.pid})"
    supervisor = process
    while (parent := supervisor.parent()) is not None and _is_ours(parent):  # a worker's is the nursery
        supervisor = parent
    return f"moatdns itself (pid {supervisor.pid}), which is already running"


def _is_ours(process: psutil.Process) -> bool:
    command = process.cmdline()
    modules = (after for flag, after in pairwise(command) if flag == "-m")
    return any(module in _MODULES for module in modules) or any(part.endswith("/moatdns") for part in command[:2])
