"""Opens the listening sockets. The supervisor does, and keeps them, so that a worker's successor loses nothing."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Any

import psutil

from resolver.errors import ListenError
from resolver.listeners.packet_info import ask_for_packet_info

RECEIVE_BUFFER_BYTES = 4 << 20  # what waits while a worker is busy or being replaced
_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on. `optional`: go on without it where the host has no such address (a default of ours)."""

    host: str
    port: int
    optional: bool = False

    @property
    def text(self) -> str:
        """``127.0.0.1:5300`` or ``[::1]:5300``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listening:
    """All addresses to listen on. `tls_workers` is how many workers serve `dot` and `doh`."""

    do53: tuple[Listen, ...]
    dot: tuple[Listen, ...] = ()
    doh: tuple[Listen, ...] = ()
    tls_workers: int = 0

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Listening:
        """What `dataclasses.asdict` gave, by way of JSON."""
        addresses = {key: tuple(Listen(**one) for one in plain[key]) for key in ("do53", "dot", "doh")}
        return cls(**addresses, tls_workers=plain["tls_workers"])


@dataclass(frozen=True, slots=True)
class WorkerSockets:
    """The sockets of one worker: UDP and TCP for each address, or those of DoT and DoH."""

    udp: tuple[socket.socket, ...] = ()
    tcp: tuple[socket.socket, ...] = ()
    dot: tuple[socket.socket, ...] = ()
    doh: tuple[socket.socket, ...] = ()

    @property
    def is_encrypted(self) -> bool:
        """Whether it is for a worker that serves DoT and DoH."""
        return bool(self.dot or self.doh)

    def filenos(self) -> dict[str, list[int]]:
        """The file descriptors by kind."""
        kinds = {"udp": self.udp, "tcp": self.tcp, "dot": self.dot, "doh": self.doh}
        return {kind: [one.fileno() for one in sockets] for kind, sockets in kinds.items()}

    def close(self) -> None:
        """Close them all."""
        for one in (*self.udp, *self.tcp, *self.dot, *self.doh):
            one.close()


def open_sockets(addresses: list[Listen], workers: int) -> tuple[list[WorkerSockets], list[str]]:
    """Open every address once for each worker (SO_REUSEPORT). Gives the sockets, and notes for the admin.

    Raises ListenError naming the address, and who holds it where that can be seen; nothing stays open then.
    """
    udp: list[list[socket.socket]] = [[] for _ in range(workers)]
    tcp: list[list[socket.socket]] = [[] for _ in range(workers)]
    notes = []
    wildcards = {(":" in one.host, one.port) for one in addresses if _is_wildcard(one)}
    with contextlib.ExitStack() as opened:
        for address in addresses:
            if not _is_wildcard(address) and (":" in address.host, address.port) in wildcards:
                continue  # the wildcard has it
            try:
                _probe(address)
            except OSError as error:
                if address.optional and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    notes.append(f"not listening on {address.text}, an address of the defaults: {error.strerror}")
                    continue
                raise ListenError(_why(address, error)) from error
            for number in range(workers):
                for kind, place in ((socket.SOCK_DGRAM, udp), (socket.SOCK_STREAM, tcp)):
                    try:
                        one = _open(address, kind, shared=True)
                    except OSError as error:
                        raise ListenError(_why(address, error)) from error
                    opened.callback(one.close)
                    place[number].append(one)
                for local in _local_addresses(address):
                    with contextlib.suppress(OSError):  # gone meanwhile; the wildcard's socket serves it
                        one = _open(local, socket.SOCK_DGRAM, shared=True)
                        opened.callback(one.close)
                        udp[number].append(one)
        opened.pop_all()
    granted = [one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for ones in udp for one in ones]  # socket(7)
    narrow = min(granted, default=0)
    if 0 < narrow < RECEIVE_BUFFER_BYTES:
        notes.append(
            f"the kernel grants {narrow >> 10} KiB of receive buffer where {RECEIVE_BUFFER_BYTES >> 10} are asked for: "
            f"bursts may be lost; set sysctl net.core.rmem_max={RECEIVE_BUFFER_BYTES} or more"
        )
    return [WorkerSockets(tuple(u), tuple(t)) for u, t in zip(udp, tcp, strict=True)], notes


def open_encrypted_sockets(listening: Listening) -> list[WorkerSockets]:
    """Open the addresses of DoT and DoH once for each worker that serves them. Raises ListenError, likewise."""
    by_kind: dict[str, list[list[socket.socket]]] = {}
    with contextlib.ExitStack() as opened:
        for kind, addresses in (("dot", listening.dot), ("doh", listening.doh)):
            places: list[list[socket.socket]] = [[] for _ in range(listening.tls_workers)]
            by_kind[kind] = places
            for address in addresses:
                try:
                    _open(address, socket.SOCK_STREAM, shared=False).close()  # fails where anybody listens
                    for place in places:
                        one = _open(address, socket.SOCK_STREAM, shared=True)
                        opened.callback(one.close)
                        place.append(one)
                except OSError as error:
                    raise ListenError(_why(address, error, key=f"listen.{kind}")) from error
        opened.pop_all()
    return [
        WorkerSockets(dot=tuple(dot), doh=tuple(doh)) for dot, doh in zip(by_kind["dot"], by_kind["doh"], strict=True)
    ]


def open_admin_socket(address: Listen) -> socket.socket:
    """The listening TCP socket of the admin API. Raises ListenError."""
    try:
        return _open(address, socket.SOCK_STREAM, shared=False, listens=True)
    except OSError as error:
        raise ListenError(_why(address, error, key="admin.listen")) from error


def _is_wildcard(address: Listen) -> bool:
    return ipaddress.ip_address(address.host.partition("%")[0]).is_unspecified


def _local_addresses(wildcard: Listen) -> list[Listen]:
    """The host's addresses behind a wildcard.

    A socket for each makes answers leave from the right one at no cost; the kernel gives a datagram to the socket that
    is bound most closely, and the wildcard's own takes what comes to addresses that appear later.
    """
    if not _is_wildcard(wildcard):
        return []
    family = socket.AF_INET6 if ":" in wildcard.host else socket.AF_INET
    hosts = {entry.address for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == family}
    return [Listen(host, wildcard.port) for host in sorted(hosts) if "%" not in host]


def _probe(address: Listen) -> None:
    """Fail where anybody listens: with SO_REUSEPORT alone, a second moatdns would quietly take half the queries."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        _open(address, kind, shared=False).close()


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


def _why(address: Listen, error: OSError, key: str = "listen.do53") -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{key}: {address.text} is in use{_holder(address)}; end that program or choose another port"
    if error.errno == errno.EACCES:
        return (
            f"{key}: {address.text} needs a privilege: start as root, give CAP_NET_BIND_SERVICE, "
            "or choose a port above 1023"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{key}: {address.text}: this host has no such address"
    return f"{key}: {address.text}: {os.strerror(error.errno) if error.errno else error}"


def _holder(address: Listen) -> str:
    """By whom a port is held, as far as this process may see."""
    try:
        for connection in psutil.net_connections("inet"):
            listens = connection.type == socket.SOCK_DGRAM or connection.status == psutil.CONN_LISTEN
            if listens and connection.laddr and connection.laddr.port == address.port and connection.pid:
                process = psutil.Process(connection.pid)
                return f" by {process.name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""
