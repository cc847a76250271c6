"""Opens the listening sockets. The supervisor does, and keeps them, so that a worker's successor loses nothing."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from resolver.errors import ListenError
from resolver.listeners.packet_info import ask_for_packet_info

_KINDS: Final = {
    "do53": ((socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")),
    "dot": ((socket.SOCK_STREAM, "dot"),),
    "doh": ((socket.SOCK_STREAM, "doh"),),
}
RECEIVE_BUFFER_BYTES = 4 << 20  # what waits while a worker is busy or being replaced
_BACKLOG = 1024
_FREEBIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}  # ip(7), ipv6(7)
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


DO53: Final = "do53"
DOT: Final = "dot"
DOH: Final = "doh"


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on, by UDP and TCP where `kind` is DO53, else by TCP.

    `optional`: go on without it where the host has no such address (a default of ours).
    """

    host: str
    port: int
    optional: bool = False
    kind: str = DO53

    @property
    def text(self) -> str:
        """``127.0.0.1:5300`` or ``[::1]:5300``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class WorkerSockets:
    """The sockets of one worker: UDP and TCP for each address of plain DNS, or those of DoT and DoH."""

    udp: tuple[socket.socket, ...] = ()
    tcp: tuple[socket.socket, ...] = ()
    dot: tuple[socket.socket, ...] = ()
    doh: tuple[socket.socket, ...] = ()

    def close(self) -> None:
        """Close them all."""
        for ones in self.by_kind.values():
            for one in ones:
                one.close()

    @property
    def by_kind(self) -> dict[str, tuple[socket.socket, ...]]:
        """All of them, as a worker is told of them."""
        return {"udp": self.udp, "tcp": self.tcp, DOT: self.dot, DOH: self.doh}


def open_sockets(
    addresses: list[Listen], workers: int, encrypted_workers: int = 0, handed: Sequence[socket.socket] = ()
) -> tuple[list[WorkerSockets], list[str]]:
    """Open every address once for each worker that serves it (SO_REUSEPORT): those of plain DNS come first.

    `handed` are sockets that the service manager has opened: those that fit are used, by all workers together, and the
    others closed. Gives the sockets, and notes for the admin. Raises ListenError naming the address, and who holds it
    where that can be seen; nothing stays open then.
    """
    slots: list[dict[str, list[socket.socket]]] = [
        {"udp": [], "tcp": [], DOT: [], DOH: []} for _ in range(workers + encrypted_workers)
    ]
    notes = []
    wildcards = {(":" in one.host, one.port) for one in addresses if _is_wildcard(one)}
    with contextlib.ExitStack() as opened:
        ready = _Handed(handed)
        opened.callback(ready.close)
        for address in addresses:
            if ready.fits(address):
                for slot in slots[:workers] if address.kind == DO53 else slots[workers:]:
                    for kind, place in _KINDS[address.kind]:
                        slot[place].append(ready.one(address, kind, opened))
                continue
            if not _is_wildcard(address) and (":" in address.host, address.port) in wildcards:
                continue  # the wildcard has it
            try:
                _probe(address)
            except OSError as error:
                if address.optional and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    notes.append(f"not listening on {address.text}, an address of the defaults: {error.strerror}")
                    continue
                if isinstance(error, socket.gaierror):  # such an address is bound by its interface's number
                    interface = address.host.partition("%")[2]
                    why = f"there is no interface {interface!r} yet; restart once there is"
                    notes.append(f"not listening on {address.text}: {why}")
                    continue
                raise ListenError(_why(address, error)) from error
            for slot in slots[:workers] if address.kind == DO53 else slots[workers:]:
                for kind, place in _KINDS[address.kind]:
                    try:
                        one = _open(address, kind, shared=True)
                    except OSError as error:
                        raise ListenError(_why(address, error, kind)) from error
                    opened.callback(one.close)
                    slot[place].append(one)
                for local in _local_addresses(address) if address.kind == DO53 else ():
                    with contextlib.suppress(OSError):  # gone meanwhile; the wildcard's socket serves it
                        one = _open(local, socket.SOCK_DGRAM, shared=True)
                        opened.callback(one.close)
                        slot["udp"].append(one)
        notes += ready.unused()
        opened.pop_all()
        ready.close()
    granted = [one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for slot in slots for one in slot["udp"]]
    narrow = min(granted, default=0)  # half of what is told is for the kernel itself (socket(7))
    if 0 < narrow < RECEIVE_BUFFER_BYTES:
        notes.append(
            f"the kernel grants {narrow >> 10} KiB of receive buffer where {RECEIVE_BUFFER_BYTES >> 10} are asked for: "
            f"bursts may be lost; set sysctl net.core.rmem_max={RECEIVE_BUFFER_BYTES} or more"
        )
    return [WorkerSockets(**{place: tuple(ones) for place, ones in slot.items()}) for slot in slots], notes


class _Handed:
    """Sockets that the service manager has opened, by what they are bound to."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = {(one.type, *one.getsockname()[:2]): one for one in sockets if one.family in _FAMILIES}
        self._used: set[tuple[object, ...]] = set()

    def fits(self, address: Listen) -> bool:
        """Whether there is one of each kind for an address."""
        return all((kind, address.host, address.port) in self._sockets for kind, _ in _KINDS[address.kind])

    def one(self, address: Listen, kind: socket.SocketKind, opened: contextlib.ExitStack) -> socket.socket:
        """A socket of our own for the same."""
        key = (kind, address.host, address.port)
        self._used.add(key)
        one = self._sockets[key].dup()
        opened.callback(one.close)
        if kind == socket.SOCK_DGRAM:
            _widen(one)
            if _is_wildcard(address):
                ask_for_packet_info(one)
        return one

    def unused(self) -> list[str]:
        """Notes for the admin on sockets that nobody asked for."""
        left = [f"{host}:{port}" for kind, host, port in self._sockets if (kind, host, port) not in self._used]
        return [
            f"the service manager hands us a socket on {text}, which is not in listen" for text in dict.fromkeys(left)
        ]

    def close(self) -> None:
        """Close what was handed over: what is used has been duplicated."""
        for one in self._sockets.values():
            one.close()


def open_http_socket(address: Listen, key: str) -> socket.socket:
    """A listening TCP socket of the control process, which the key path `key` asks for. Raises ListenError."""
    try:
        return _open(address, socket.SOCK_STREAM, shared=False, listens=True)
    except OSError as error:
        raise ListenError(_why(address, error, key=key)) from error


def is_there(address: Listen) -> bool:
    """Whether some interface has an address by now; a wildcard always is."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
            one.bind((address.host, 0))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def _is_wildcard(address: Listen) -> bool:
    return ipaddress.ip_address(address.host.partition("%")[0]).is_unspecified


def _local_addresses(wildcard: Listen) -> list[Listen]:
    """The host's addresses behind a wildcard.

    A socket for each makes answers leave from the right one at no cost; the kernel gives a datagram to the socket that
    is bound most closely, and the wildcard's own takes what comes to addresses that appear later.
    """
    if not _is_wildcard(wildcard):
        return []
    import psutil  # noqa: PLC0415 (slow to import, and for wildcards alone)

    family = socket.AF_INET6 if ":" in wildcard.host else socket.AF_INET
    hosts = {entry.address for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == family}
    return [Listen(host, wildcard.port) for host in sorted(hosts) if "%" not in host]


def _probe(address: Listen) -> None:
    """Fail where anybody listens: with SO_REUSEPORT alone, a second moatdns would quietly take half the queries."""
    for kind, _ in _KINDS[address.kind]:
        try:
            _open(address, kind, shared=False).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ListenError(_taken(address, kind, f"listen.{address.kind}")) from error
            raise


def _open(address: Listen, kind: socket.SocketKind, *, shared: bool, listens: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    one = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if kind == socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a past run linger in TIME_WAIT
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has sockets of its own
        if not address.optional:
            # The address may come later (a VPN, a failover address, DHCP). By then we may no longer bind its port.
            one.setsockopt(*_FREEBIND[family], 1)
        one.bind((address.host, address.port))
        if listens or (shared and kind == socket.SOCK_STREAM):
            one.listen(_BACKLOG)
        elif shared:
            _widen(one)
            if _is_wildcard(address):
                ask_for_packet_info(one)
    except OSError:
        one.close()
        raise
    return one


def _widen(one: socket.socket) -> None:
    """Ask for a large receive buffer; beyond net.core.rmem_max only where we may (CAP_NET_ADMIN)."""
    force = 33  # SO_RCVBUFFORCE (Linux), which the socket module does not name
    try:
        one.setsockopt(socket.SOL_SOCKET, force, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


def _taken(address: Listen, kind: socket.SocketKind, key: str) -> str:
    from resolver.listeners.holders import holder_of  # noqa: PLC0415 (slow to import, and for an error alone)

    holder = holder_of(address.host, address.port, kind)
    return f"{key}: {address.text} is in use{holder}; stop that program or choose another port"


def _why(address: Listen, error: OSError, kind: socket.SocketKind = socket.SOCK_STREAM, key: str = "") -> str:
    key = key or f"listen.{address.kind}"
    if error.errno == errno.EADDRINUSE:
        return _taken(address, kind, key)
    if error.errno == errno.EACCES:
        return (
            f"{key}: {address.text} needs a privilege: start as root, give CAP_NET_BIND_SERVICE, "
            "or choose a port above 1023"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{key}: {address.text}: this host has no such address"
    return f"{key}: {address.text}: {os.strerror(error.errno) if error.errno else error}"
